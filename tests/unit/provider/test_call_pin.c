/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of protocol `project` wait for the pin, and give it back at every end. */
#include "project_rig.h"
#include "provider/enginelabs/pin.h"

enum { LONG_MS = 200000 }; /* longer than a pin lives */

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
