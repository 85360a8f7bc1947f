/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of protocol `project`: what goes out and in which order, and that the pin is given back. */
#include "call_rig.h"
#include "provider/enginelabs/pin.h"

#define MODELS                                                            \
    "{\"chatAdapters\":[{\"key\":\"gpt_5\",\"engineAgentKey\":\"GPT5\"}," \
    "{\"key\":\"claude\",\"engineAgentKey\":\"Claude\"}]}"

enum { LONG_MS = 200000 }; /* longer than a pin lives */

static void open_rig(struct rig *r)
{
    static const char *const models[] = { "gpt_5", "claude", NULL };

    rig_open(r);
    r->config.protocol = PROTOCOL_PROJECT;
    r->config.models = models;
    r->model = "gpt_5";
    fake_say(&r->fake, FAKE_ADAPTERS, 200, MODELS);
}

static void begin(struct rig *r)
{
    open_rig(r);
    rig_attach(r);
}

/* With a clock that is turned by hand, once the models are known. */
static void begin_patient(struct rig *r)
{
    struct watch w;

    open_rig(r);
    r->timeout_ms = LONG_MS;
    r->fake.life_s = 3600;
    rig_attach(r);
    ANSWERED(r, &w, "u:First");
    for (enum fake_place p = 0; p < FAKE_PLACES; p++)
        if (p != FAKE_ADAPTERS)
            fake_reset(&r->fake, p);
    r->fake.n_order = 0;
    loop_clock_set(r->loop, loop_now_ms(r->loop));
}

/* A call for a model, which is not run yet. */
static void ask(struct rig *r, struct watch *w, const char *model, const char *text)
{
    watch_init(w, r);
    w->model = model;
    watch_start(w, (const char *const[]){ text, NULL });
}

static void answered(struct watch *w)
{
    RUN_UNTIL(w->rig->loop, watch_is_over(w));
    EXPECT_Z(w->message, "");
    EXPECT(w->is_finished);
    watch_settle(w, SETTLE_EXACT);
}

/* Another model can be had: nobody holds the pin. */
static void expect_pin_is_free(struct rig *r)
{
    struct watch w;

    RUN_UNTIL(r->loop, !r->fake.socket);
    for (enum fake_place p = 0; p < FAKE_PLACES; p++) {
        RUN_UNTIL(r->loop, !r->fake.at[p].held);
        if (p != FAKE_ADAPTERS)
            fake_reset(&r->fake, p);
    }
    ask(r, &w, "claude", "u:Next");
    answered(&w);
    EXPECT_Z(r->fake.at[FAKE_PREFER].body, "{\"modelKey\":\"claude\"}");
}

/* Requests that belong to a prompt, each as a letter. */
static const char *order(struct rig *r, char out[FAKE_ORDER + 1])
{
    static const char letters[FAKE_PLACES] = {
        [FAKE_PREFER] = 'M', [FAKE_PROJECT] = 'C', [FAKE_OFFERS] = 'O',
        [FAKE_STREAM] = 'S', [FAKE_POST] = 'P',    [FAKE_DELETE] = 'D'
    };
    size_t n = 0;

    for (size_t i = 0; i < r->fake.n_order; i++)
        if (letters[r->fake.order[i]])
            out[n++] = letters[r->fake.order[i]];
    out[n] = '\0';
    r->fake.n_order = 0;
    return out;
}

#define EXPECT_ORDER(r, want)           \
    do {                                \
        char got_[FAKE_ORDER + 1];      \
        EXPECT_Z(order(r, got_), want); \
    } while (0)

static void idle_turns(struct rig *r)
{
    for (int i = 0; i < 50; i++)
        run_turn_now(r->loop);
}

/* ---- what goes out ---- */

static void a_first_turn_makes_a_project(void)
{
    struct rig r;
    struct watch w;

    begin(&r);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_ORDER(&r, "MCOSP");
    EXPECT_Z(r.fake.at[FAKE_PREFER].body, "{\"modelKey\":\"gpt_5\"}");
    EXPECT_Z(r.fake.at[FAKE_OFFERS].body,
             "{\"chatHistoryId\":\"proj_1\",\"surface\":\"ENGINE_AGENT\"}");
    EXPECT_Z(r.fake.at[FAKE_POST].body,
             "{\"prompt\":\"SGk=\",\"chatHistoryId\":\"proj_1\",\"encoded\":true}");
    EXPECT_Z(r.fake.at[FAKE_POST].referer, "https://cto.test/proj_1");
    EXPECT_Z(
        r.fake.at[FAKE_STREAM].target,
        "/engine-agent/chat-histories/proj_1/buffer/stream?token=user_1:org_1&workspaceId=ws_1");
    rig_end(&r);
}

static void the_next_turn_goes_on_in_it(void)
{
    struct rig r;
    struct watch w;

    begin(&r);
    ANSWERED(&r, &w, "u:Hi");
    fake_say(&r.fake, FAKE_PROJECT, 200, "{\"projectId\":\"other\",\"workspaceId\":\"other\"}");
    order(&r, (char[FAKE_ORDER + 1]){ 0 });
    for (int i = 0; i < 2; i++) {
        ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
        EXPECT_ORDER(&r, i == 0 ? "MSP" : "MCOSP"); /* that tip is used up then */
        if (i > 0)
            break;
        EXPECT_POSTED(&r, "prompt", "TW9yZQ==");
        EXPECT_POSTED(&r, "chatHistoryId", "proj_1");
        EXPECT(str_ends(str_of(r.fake.at[FAKE_STREAM].target), STR("&workspaceId=ws_1")));
    }
    rig_end(&r);
}

static void an_image_is_refused_before_anything_goes_out(void)
{
    struct rig r;
    struct watch w;

    begin(&r);
    FAILED(&r, &w, FAILURE_BAD_REQUEST, "u:Hi", "i:picture");
    EXPECT_Z(w.param, "messages[1].content[0]");
    EXPECT_ORDER(&r, "");
    rig_end(&r);
}

/* The settings were changed over a store that stays. */
static void a_tip_of_the_other_protocol_is_no_chat_of_this_one(void)
{
    struct rig r;
    struct watch w;

    begin(&r);
    r.config.protocol = PROTOCOL_CLASSIC;
    ANSWERED(&r, &w, "u:Hi");
    r.config.protocol = PROTOCOL_PROJECT;
    r.fake.n_order = 0;
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_ORDER(&r, "MCOSP");
    r.config.protocol = PROTOCOL_CLASSIC;
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:And?");
    EXPECT(!strstr(r.fake.at[FAKE_POST].body, "proj_1"));
    EXPECT(strstr(r.fake.at[FAKE_POST].body, "More")); /* the whole transcript */
    rig_end(&r);
}

/* ---- names ---- */

static void no_name_goes_out_before_the_service_told_its_own(void)
{
    struct rig r;
    struct watch w, left;

    open_rig(&r);
    fake_reset(&r.fake, FAKE_ADAPTERS);
    fake_say(&r.fake, FAKE_ADAPTERS, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_ADAPTERS, 200, MODELS);
    r.config.models = NULL;
    rig_attach(&r);
    ask(&r, &w, "GPT5", "u:Hi");
    ask(&r, &left, "GPT5", "u:Leaves");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_ADAPTERS].held);
    idle_turns(&r);
    EXPECT_ORDER(&r, "");
    leave(&left);
    r.fake.at[FAKE_ADAPTERS].lines[0] = r.fake.at[FAKE_ADAPTERS].lines[1];
    r.fake.at[FAKE_ADAPTERS].held->on_gone = NULL;
    fake_answer(&r.fake, FAKE_ADAPTERS, TAKE(r.fake.at[FAKE_ADAPTERS].held),
                r.fake.at[FAKE_ADAPTERS].lines[1]);
    answered(&w);
    EXPECT_ORDER(&r, "MCOSP");
    EXPECT_Z(r.fake.at[FAKE_PREFER].body, "{\"modelKey\":\"gpt_5\"}");
    rig_end(&r);
}

static void a_name_that_nobody_told_does_not_go_out(void)
{
    static const int statuses[] = { 403, 200, FAKE_DROP };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct rig r;
        struct watch w;

        open_rig(&r);
        fake_reset(&r.fake, FAKE_ADAPTERS);
        fake_say(&r.fake, FAKE_ADAPTERS, statuses[i], "{}");
        rig_attach(&r);
        r.model = "GPT5";
        FAILED(&r, &w, FAILURE_MODEL_NOT_FOUND, "u:Hi");
        EXPECT_ORDER(&r, "");
        r.model = "gpt_5"; /* of the settings */
        ANSWERED(&r, &w, "u:Hi");
        EXPECT_ORDER(&r, "MCOSP");
        rig_end(&r);
    }
}

/* ---- failures ---- */

static void a_model_that_cannot_be_set_lets_no_prompt_out(void)
{
    struct rig r;
    struct watch w;

    begin(&r);
    fake_say(&r.fake, FAKE_PREFER, 400, "{}");
    FAILED(&r, &w, FAILURE_PROTOCOL, "u:Hi");
    EXPECT_ORDER(&r, "M");
    expect_pin_is_free(&r);
    fake_say(&r.fake, FAKE_PREFER, 503, "{}");
    r.fake.n_order = 0;
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi");
    EXPECT_ORDER(&r, "MMM");
    expect_pin_is_free(&r);
    rig_end(&r);
}

static void a_limit_at_any_step_moves_on_to_the_next_account(void)
{
    static const enum fake_place places[] = { FAKE_PREFER, FAKE_PROJECT, FAKE_OFFERS, FAKE_STREAM,
                                              FAKE_POST };
    static const char *const orders[] = { "MMCOSP", "MCMCOSP", "MCOMCOSP", "MCOSMCOSP",
                                          "MCOSPMCOSP" };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        open_rig(&r);
        rig_add_account(&r, "spare", "__client=second");
        rig_attach(&r);
        fake_say(&r.fake, places[i], 429, "{}");
        fake_say(&r.fake, places[i], 0, NULL);
        ANSWERED(&r, &w, "u:Hi");
        EXPECT(strstr(r.fake.at[FAKE_STREAM].cookie, "second"));
        EXPECT_ORDER(&r, orders[i]);
        expect_pin_is_free(&r);
        rig_end(&r);
    }
}

static void a_refused_token_is_renewed_once(void)
{
    static const enum fake_place places[] = { FAKE_PREFER, FAKE_PROJECT, FAKE_OFFERS, FAKE_POST };
    static const char *const orders[] = { "MMCOSP", "MCMCOSP", "MCOMOSP", "MCOSPP" };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        begin(&r);
        fake_say(&r.fake, places[i], 401, "{}");
        fake_say(&r.fake, places[i], 0, NULL);
        ANSWERED(&r, &w, "u:Hi");
        EXPECT_ORDER(&r, orders[i]);
        EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
        fake_reset(&r.fake, places[i]);
        fake_say(&r.fake, places[i], 401, "{}");
        FAILED(&r, &w, FAILURE_UPSTREAM_AUTH, "u:Other");
        EXPECT_INT(r.fake.at[places[i]].count, 2); /* and the account rests */
        rig_end(&r);
    }
}

static void expect_new_project(enum fake_place place, bool is_token_refused, const char *want)
{
    struct rig r;
    struct watch w;

    begin(&r);
    ANSWERED(&r, &w, "u:Hi");
    fake_reset(&r.fake, place);
    fake_say(&r.fake, place, 404, "{}");
    fake_say(&r.fake, place, 0, NULL);
    if (is_token_refused) {
        fake_reset(&r.fake, FAKE_PREFER);
        fake_say(&r.fake, FAKE_PREFER, 0, NULL);
        fake_say(&r.fake, FAKE_PREFER, 401, "{}");
        fake_say(&r.fake, FAKE_PREFER, 0, NULL);
    }
    fake_say(&r.fake, FAKE_PROJECT, 200, "{\"projectId\":\"proj_2\",\"workspaceId\":\"ws_2\"}");
    r.fake.n_order = 0;
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_ORDER(&r, want);
    EXPECT_POSTED(&r, "chatHistoryId", "proj_2");
    EXPECT(strlen(r.fake.at[FAKE_POST].body) > 120); /* the whole transcript */
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:And?");
    EXPECT_POSTED(&r, "chatHistoryId", "proj_2");
    EXPECT_POSTED(&r, "prompt", "QW5kPw==");
    expect_pin_is_free(&r);
    rig_end(&r);
}

static void a_project_that_is_gone_gives_way_to_a_new_one(void)
{
    expect_new_project(FAKE_POST, false, "MSPMCOSP");
    expect_new_project(FAKE_STREAM, false, "MSMCOSP");
    expect_new_project(FAKE_POST, true, "MSPMMCOSP");
    expect_new_project(FAKE_STREAM, true, "MSMMCOSP");
}

/* The client leaves, or all fails, between the prompt that met 404 and the next one. */
static void a_new_project_may_fail_too(void)
{
    for (int is_left = 0; is_left < 2; is_left++) {
        struct rig r;
        struct watch w;

        open_rig(&r);
        r.config.max_parallel = 1;
        rig_attach(&r);
        ANSWERED(&r, &w, "u:Hi");
        fake_reset(&r.fake, FAKE_POST);
        fake_say(&r.fake, FAKE_POST, 404, "{}");
        fake_say(&r.fake, FAKE_PROJECT, is_left ? FAKE_HOLD : 400, "{}");
        START(&r, &w, "u:Hi", "a:Hello, world", "u:More");
        if (is_left)
            RUN_UNTIL(r.loop, r.fake.at[FAKE_PROJECT].held);
        else
            RUN_UNTIL(r.loop, watch_is_over(&w));
        leave(&w);
        EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0); /* nothing runs */
        expect_pin_is_free(&r);
        rig_end(&r);
    }
}

static void expect_one_project(enum fake_place place, int status, const char *want)
{
    struct rig r;
    struct watch w;

    begin(&r);
    fake_say(&r.fake, place, status, "{}");
    fake_say(&r.fake, place, 0, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_ORDER(&r, want);
    EXPECT_INT(r.fake.at[FAKE_PROJECT].count, 1);
    EXPECT_POSTED(&r, "prompt", "SGk=");
    EXPECT_POSTED(&r, "chatHistoryId", "proj_1");
    rig_end(&r);
}

static void a_project_that_an_attempt_made_serves_the_next_one(void)
{
    expect_one_project(FAKE_OFFERS, 503, "MCOMOSP");
    expect_one_project(FAKE_OFFERS, 401, "MCOMOSP");
    expect_one_project(FAKE_STREAM, 503, "MCOSMSP");
}

/* ---- the pin ---- */

static void another_model_waits_until_the_prompt_was_taken(void)
{
    struct rig r;
    struct watch first, second;

    begin(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    ask(&r, &first, "gpt_5", "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    ask(&r, &second, "claude", "u:Hi");
    idle_turns(&r);
    EXPECT_ORDER(&r, "MCOSP");
    fake_let_go(&r.fake, FAKE_POST, 200);
    answered(&first);
    answered(&second);
    EXPECT_ORDER(&r, "MCOSP");
    EXPECT_Z(r.fake.at[FAKE_PREFER].body, "{\"modelKey\":\"claude\"}");
    rig_end(&r);
}

static void the_same_model_does_not_wait(void)
{
    struct rig r;
    struct watch first, second;

    begin(&r);
    fake_say(&r.fake, FAKE_OFFERS, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_OFFERS, 0, NULL);
    ask(&r, &first, "gpt_5", "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_OFFERS].held);
    ask(&r, &second, "gpt_5", "u:Hi");
    answered(&second);
    fake_let_go(&r.fake, FAKE_OFFERS, 200);
    answered(&first);
    rig_end(&r);
}

static void a_client_that_leaves_gives_the_pin_back(void)
{
    static const enum fake_place places[] = { FAKE_PREFER, FAKE_PROJECT, FAKE_OFFERS, FAKE_STREAM,
                                              FAKE_POST };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        begin(&r);
        fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        START(&r, &w, "u:Hi");
        RUN_UNTIL(r.loop, r.fake.at[places[i]].held);
        leave(&w);
        expect_pin_is_free(&r);
        rig_end(&r);
    }
}

static void a_client_may_leave_the_queue_for_the_pin(void)
{
    struct rig r;
    struct watch first, second;

    begin(&r);
    fake_say(&r.fake, FAKE_OFFERS, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_OFFERS, 0, NULL);
    ask(&r, &first, "gpt_5", "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_OFFERS].held);
    ask(&r, &second, "claude", "u:Hi");
    idle_turns(&r);
    leave(&second);
    fake_let_go(&r.fake, FAKE_OFFERS, 200);
    answered(&first);
    EXPECT_INT(r.fake.at[FAKE_PREFER].count, 1);
    expect_pin_is_free(&r);
    rig_end(&r);
}

static void a_failure_at_any_step_gives_the_pin_back(void)
{
    static const enum fake_place places[] = { FAKE_PREFER, FAKE_PROJECT, FAKE_OFFERS, FAKE_STREAM,
                                              FAKE_POST };
    static const int statuses[] = { 400, 413, 307, FAKE_DROP };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        for (size_t k = 0; k < COUNT_OF(statuses); k++) {
            struct rig r;
            struct watch w;

            begin(&r);
            fake_say(&r.fake, places[i], statuses[k], "{}");
            START(&r, &w, "u:Hi");
            RUN_UNTIL(r.loop, watch_is_over(&w));
            EXPECT(w.is_failed);
            leave(&w);
            expect_pin_is_free(&r);
            rig_end(&r);
        }
    }
}

/* Clients of the same model and of another one, when the first one's pin is too old. */
static void a_pin_that_is_lost_before_the_prompt_is_taken_again(void)
{
    struct rig r;
    struct watch w;

    begin_patient(&r);
    fake_say(&r.fake, FAKE_STREAM, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_STREAM].held);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + PIN_LIFE_MS + 1000);
    RUN_UNTIL(r.loop, w.phases[w.n_phases - 1] == PHASE_QUEUED && w.n_phases > 2);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.message, "");
    EXPECT_ORDER(&r, "MCOSMSP");
    leave(&w);
    rig_end(&r);
}

static void a_pin_that_is_lost_behind_the_prompt_ends_the_call(void)
{
    struct rig r;
    struct watch w;

    begin_patient(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    idle_turns(&r);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + PIN_LIFE_MS + 1000);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_failed);
    EXPECT_INT(w.failure.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    leave(&w);
    rig_end(&r);
}

/* The stream shows that the prompt was taken, long before its POST is answered. */
static void an_answer_outlives_the_pin(void)
{
    struct rig r;
    struct watch w;

    begin_patient(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    idle_turns(&r);
    fake_send(r.fake.socket, (const char *const[FAKE_FRAMES]){ RUNNING, CHAT("m1", "Slow") });
    RUN_UNTIL(r.loop, w.n_texts > 0);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + PIN_LIFE_MS + 1000);
    idle_turns(&r);
    EXPECT(!watch_is_over(&w));
    r.fake.frames[0] = IDLE;
    r.fake.frames[1] = NULL;
    fake_let_go(&r.fake, FAKE_POST, 200);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.message, "");
    EXPECT_Z(w.text, "Slow");
    leave(&w);
    rig_end(&r);
}

/* ---- a client may leave in every callback ---- */

static void leaves_nothing(struct watch *like)
{
    struct rig r;
    struct watch w;

    begin(&r);
    watch_init(&w, &r);
    w.leave_in_phase = like->leave_in_phase;
    w.leave_in_phase_again = like->leave_in_phase_again;
    w.leave_in_event = like->leave_in_event;
    if (like->leave_in_phase_again >= 0) {
        fake_say(&r.fake, FAKE_OFFERS, 503, "{}");
        fake_say(&r.fake, FAKE_OFFERS, 0, NULL);
    } else if (like->leave_in_event == CHAT_ERROR) {
        fake_say(&r.fake, FAKE_OFFERS, 400, "{}");
    }
    watch_start(&w, (const char *const[]){ "u:Hi", NULL });
    RUN_UNTIL(r.loop, !w.call);
    expect_pin_is_free(&r);
    rig_end(&r);
}

static void a_client_may_leave_in_every_callback(void)
{
    struct watch like;

    for (int phase = PHASE_QUEUED; phase <= PHASE_ANSWERING; phase++) {
        watch_init(&like, NULL);
        like.leave_in_phase = phase;
        leaves_nothing(&like);
        watch_init(&like, NULL);
        like.leave_in_phase_again = phase;
        leaves_nothing(&like);
    }
    for (size_t i = 0; i < 3; i++) {
        static const enum chat_event_type types[] = { CHAT_TEXT, CHAT_FINISH, CHAT_ERROR };

        watch_init(&like, NULL);
        like.leave_in_event = (int)types[i];
        leaves_nothing(&like);
    }
}

static const struct test suite[] = {
    { "a first turn makes a project", a_first_turn_makes_a_project },
    { "the next turn goes on in it", the_next_turn_goes_on_in_it },
    { "an image is refused before anything goes out",
      an_image_is_refused_before_anything_goes_out },
    { "a tip of the other protocol is no chat of this one",
      a_tip_of_the_other_protocol_is_no_chat_of_this_one },
    { "no name goes out before the service told its own",
      no_name_goes_out_before_the_service_told_its_own },
    { "a name that nobody told does not go out", a_name_that_nobody_told_does_not_go_out },
    { "a model that cannot be set lets no prompt out",
      a_model_that_cannot_be_set_lets_no_prompt_out },
    { "a limit at any step moves on to the next account",
      a_limit_at_any_step_moves_on_to_the_next_account },
    { "a refused token is renewed once", a_refused_token_is_renewed_once },
    { "a project that is gone gives way to a new one",
      a_project_that_is_gone_gives_way_to_a_new_one },
    { "a new project may fail too", a_new_project_may_fail_too },
    { "a project that an attempt made serves the next one",
      a_project_that_an_attempt_made_serves_the_next_one },
    { "another model waits until the prompt was taken",
      another_model_waits_until_the_prompt_was_taken },
    { "the same model does not wait", the_same_model_does_not_wait },
    { "a client that leaves gives the pin back", a_client_that_leaves_gives_the_pin_back },
    { "a client may leave the queue for the pin", a_client_may_leave_the_queue_for_the_pin },
    { "a failure at any step gives the pin back", a_failure_at_any_step_gives_the_pin_back },
    { "a pin that is lost before the prompt is taken again",
      a_pin_that_is_lost_before_the_prompt_is_taken_again },
    { "a pin that is lost behind the prompt ends the call",
      a_pin_that_is_lost_behind_the_prompt_ends_the_call },
    { "an answer outlives the pin", an_answer_outlives_the_pin },
    { "a client may leave in every callback", a_client_may_leave_in_every_callback },
};

TEST_MAIN(suite)
