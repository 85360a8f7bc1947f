/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of protocol `project`: what goes out and in which order. */
#include "project_rig.h"

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
};

TEST_MAIN(suite)
