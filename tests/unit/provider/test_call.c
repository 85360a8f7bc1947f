/* SPDX-License-Identifier: Apache-2.0 */
/* The course of calls that go well, and how conversations go on. */
#include "call_rig.h"
#include "test.h"

static void an_answer_comes_whole_and_in_order(void)
{
    static const enum provider_phase want[] = { PHASE_QUEUED, PHASE_CONNECTING, PHASE_UNSENT,
                                                PHASE_SENT,   PHASE_ACCEPTED,   PHASE_ANSWERING };
    struct rig r;
    struct watch w;
    char chat[512];
    char line[600];

    rig_start(&r);
    r.fake.frames[1] = THINKING("m1", "Hm.");
    r.fake.frames[2] = CHAT("m1", "Hello");
    r.fake.frames[3] = TOOL;
    r.fake.frames[4] = IDLE;
    ANSWERED(&r, &w, "u:Hi \"you\"");
    EXPECT_Z(w.text, "Hello");
    EXPECT_Z(w.reasoning, "Hm.");
    EXPECT_INT(w.n_phases, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        EXPECT_INT(w.phases[i], want[i]);
    EXPECT_INT(w.n_activity, 2);
    EXPECT_POSTED(&r, "prompt", "Hi \"you\"");
    EXPECT_POSTED(&r, "adapterName", "GPT5");
    posted(&r, "chatHistoryId", chat);
    EXPECT_INT(strlen(chat), 36);
    EXPECT_Z(r.fake.at[FAKE_POST].origin, "https://cto.test");
    snprintf(line, sizeof(line), "https://cto.test/%s", chat);
    EXPECT_Z(r.fake.at[FAKE_POST].referer, line);
    EXPECT(strncmp(r.fake.at[FAKE_POST].authorization, "Bearer aGVhZA.", 14) == 0);
    snprintf(line, sizeof(line), "/engine-agent/chat-histories/%s/buffer/stream?token=user_1",
             chat);
    EXPECT_Z(r.fake.at[FAKE_STREAM].target, line);
    EXPECT_Z(r.fake.at[FAKE_STREAM].origin, "https://cto.test");
    EXPECT_Z(r.fake.at[FAKE_STREAM].cookie, "__client=first");
    rig_end(&r);
}

static void two_first_turns_never_share_a_chat(void)
{
    struct rig r;
    struct watch w;
    char first[512];
    char second[512];

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", second);
    EXPECT(strcmp(first, second) != 0);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    rig_end(&r);
}

static void the_next_turn_goes_on_in_its_chat_with_what_is_new(void)
{
    struct rig r;
    struct watch w;
    char first[512];

    rig_start(&r);
    ANSWERED(&r, &w, "s:Be brief.", "u:Hi");
    EXPECT_POSTED(&r, "prompt", "<system>\nBe brief.\n</system>\n<user>\nHi\n</user>\n");
    posted(&r, "chatHistoryId", first);
    ANSWERED(&r, &w, "s:Be brief.", "u:Hi", "a:Hello, world", "u:More");
    EXPECT_POSTED(&r, "chatHistoryId", first);
    EXPECT_POSTED(&r, "prompt", "More");
    ANSWERED(&r, &w, "s:Be brief.", "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:Yet");
    EXPECT_POSTED(&r, "chatHistoryId", first);
    EXPECT_POSTED(&r, "prompt", "Yet");
    rig_end(&r);
}

static void what_diverged_or_was_edited_begins_a_new_chat_with_all_of_it(void)
{
    struct rig r;
    struct watch w;
    char first[512];
    char next[512];

    rig_start(&r);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, watch_is_over(&w));
    watch_settle(&w, SETTLE_DIVERGED);
    posted(&r, "chatHistoryId", first);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT(strcmp(posted(&r, "chatHistoryId", next), first) != 0);
    EXPECT(strstr(posted(&r, "prompt", next), "Hello, world"));
    ANSWERED(&r, &w, "u:Hi", "a:Hello, friend", "u:More");
    EXPECT(strstr(posted(&r, "prompt", next), "Hello, friend"));
    rig_end(&r);
}

static void a_call_that_was_never_settled_leaves_no_tip(void)
{
    struct rig r;
    struct watch w;
    char first[512];
    char next[512];

    rig_start(&r);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, watch_is_over(&w));
    leave(&w);
    posted(&r, "chatHistoryId", first);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT(strcmp(posted(&r, "chatHistoryId", next), first) != 0);
    rig_end(&r);
}

static void a_claim_goes_back_when_the_prompt_was_not_sent(void)
{
    struct rig r;
    struct watch w;
    char first[512];

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_STREAM);
    for (int i = 0; i < 3; i++)
        fake_say(&r.fake, FAKE_STREAM, 500, "{}");
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi", "a:Hello, world", "u:More");
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_POSTED(&r, "chatHistoryId", first);
    EXPECT_POSTED(&r, "prompt", "More");
    rig_end(&r);
}

static void a_claim_does_not_go_back_once_the_prompt_was_sent(void)
{
    struct rig r;
    struct watch w;
    char first[512];
    char next[512];

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_POST);
    for (int i = 0; i < 3; i++)
        fake_say(&r.fake, FAKE_POST, 500, "{}");
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi", "a:Hello, world", "u:More");
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT(strcmp(posted(&r, "chatHistoryId", next), first) != 0);
    EXPECT(strstr(posted(&r, "prompt", next), "Hello, world"));
    rig_end(&r);
}

static void a_chat_that_is_gone_becomes_a_new_one_with_all_of_it(void)
{
    struct rig r;
    struct watch w;
    char first[512];
    char next[512];
    char line[600];

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_POST);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_POST, 404, "{}");
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
    EXPECT(strcmp(posted(&r, "chatHistoryId", next), first) != 0);
    snprintf(line, sizeof(line), "/engine-agent/chat-histories/%s/buffer/stream?token=user_1",
             next);
    EXPECT_Z(r.fake.at[FAKE_STREAM].target, line);
    EXPECT(strstr(posted(&r, "prompt", next), "Hello, world"));
    rig_end(&r);
}

static void a_new_chat_that_is_not_there_is_not_tried_again(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, 404, "{}");
    FAILED(&r, &w, FAILURE_PROTOCOL, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void a_stream_that_is_not_there_yet_comes_second(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_STREAM, 404, "{}");
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
    rig_end(&r);
}

static void a_refused_token_is_renewed_once(void)
{
    static const enum fake_place places[] = { FAKE_POST, FAKE_STREAM };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        fake_say(&r.fake, places[i], 401, "{}");
        fake_say(&r.fake, places[i], 0, NULL);
        ANSWERED(&r, &w, "u:Hi");
        EXPECT_Z(w.text, "Hello, world");
        EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
        EXPECT_INT(r.fake.at[places[i]].count, 2);
        fake_reset(&r.fake, places[i]);
        fake_say(&r.fake, places[i], 401, "{}");
        FAILED(&r, &w, FAILURE_UPSTREAM_AUTH, "u:Hi");
        EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 3);
        rig_end(&r);
    }
}

static void the_second_stream_may_need_a_token_too(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_STREAM, 404, "{}");
    fake_say(&r.fake, FAKE_STREAM, 401, "{}");
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void frames_may_come_before_the_post_is_answered(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames_first = true;
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_Z(w.text, "Hello, world");
    rig_end(&r);
}

static void the_end_waits_for_the_posts_answer(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m", "All"), IDLE };
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[0] = NULL;
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    fake_send(r.fake.socket, frames);
    RUN_UNTIL(r.loop, w.n_texts == 1);
    run_for(r.loop, 5);
    EXPECT(!w.is_finished);
    fake_let_go(&r.fake, FAKE_POST, 202);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    watch_settle(&w, SETTLE_EXACT);
    rig_end(&r);
}

static void what_the_stream_replays_is_not_the_answer(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.baseline[0] = IDLE;
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_Z(w.text, "Hello, world");
    r.fake.baseline[0] = IDLE;
    r.fake.baseline[1] = CHAT("m1", "Hello, world");
    r.fake.baseline[2] = IDLE;
    r.fake.frames[1] = CHAT("m2", "Second");
    r.fake.frames[2] = IDLE;
    r.fake.frames[3] = NULL;
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_Z(w.text, "Second");
    EXPECT_POSTED(&r, "prompt", "More");
    rig_end(&r);
}

static void a_replay_without_end_is_not_waited_for(void)
{
    static const char *const more[FAKE_FRAMES] = { TOOL };
    struct rig r;
    struct watch w;
    int64_t t = 1000;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    loop_clock_set(r.loop, t);
    r.fake.frames[1] = CHAT("m2", "Second");
    r.fake.frames[2] = IDLE;
    START(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    while (r.fake.at[FAKE_STREAM].count < 2)
        run_turn(r.loop);
    while (r.fake.at[FAKE_POST].count < 2) {
        unsigned before = w.n_activity;

        EXPECT(t < 1000 + 1100);
        fake_send(r.fake.socket, more);
        while (w.n_activity == before)
            run_turn(r.loop);
        loop_clock_set(r.loop, t += 50);
        run_turn_now(r.loop);
        run_turn_now(r.loop);
    }
    EXPECT(t >= 1000 + 1000);
    while (!watch_is_over(&w))
        run_turn(r.loop);
    EXPECT_Z(w.text, "Second");
    leave(&w);
    rig_end(&r);
}

static void a_proper_close_after_text_is_an_end(void)
{
    static const int codes[] = { 1000, 1001 };

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        r.fake.frames[3] = NULL;
        r.fake.close_code = codes[i];
        ANSWERED(&r, &w, "u:Hi");
        EXPECT_Z(w.text, "Hello, world");
        rig_end(&r);
    }
}

static void nothing_comes_while_it_is_paused(void)
{
    static const char *const frames[FAKE_FRAMES] = { CHAT("m1", " and more"), IDLE };
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts == 2);
    provider_enginelabs.pause(w.call);
    fake_send(r.fake.socket, frames);
    run_for(r.loop, 20);
    EXPECT_INT(w.n_texts, 2);
    EXPECT(!w.is_finished);
    provider_enginelabs.resume(w.call);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.text, "Hello, world and more");
    watch_settle(&w, SETTLE_EXACT);
    rig_end(&r);
}

static void a_call_paused_early_waits_with_its_stream(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    START(&r, &w, "u:Hi");
    provider_enginelabs.pause(w.call);
    RUN_UNTIL(r.loop, w.n_phases == 5);
    run_for(r.loop, 20);
    EXPECT_INT(w.n_texts, 0);
    provider_enginelabs.resume(w.call);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.text, "Hello, world");
    leave(&w);
    rig_end(&r);
}

static void beyond_the_limit_a_call_waits_for_its_turn(void)
{
    struct rig r;
    struct watch first;
    struct watch second;

    rig_open(&r);
    r.config.max_parallel = 1;
    rig_attach(&r);
    r.fake.frames[3] = NULL;
    START(&r, &first, "u:Hi");
    START(&r, &second, "u:Ho");
    RUN_UNTIL(r.loop, first.n_texts == 2);
    EXPECT_INT(second.n_phases, 1);
    EXPECT_INT(metric_get(METRIC_LEASES), 1);
    r.fake.frames[3] = IDLE;
    fake_send(r.fake.socket, r.fake.frames + 3);
    RUN_UNTIL(r.loop, watch_is_over(&second));
    EXPECT(first.is_finished && second.is_finished);
    leave(&first);
    leave(&second);
    rig_end(&r);
}

static void an_open_stream_is_pinged_every_thirty_seconds(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    loop_clock_set(r.loop, 1000);
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    while (w.n_texts < 2)
        run_turn(r.loop);
    for (unsigned i = 1; i <= 3; i++) {
        loop_clock_set(r.loop, 1000 + 30000 * (int64_t)i - 1);
        run_turn_now(r.loop);
        run_turn_now(r.loop);
        EXPECT_INT(r.fake.n_pings, i - 1);
        loop_clock_set(r.loop, 1000 + 30000 * (int64_t)i);
        while (r.fake.n_pings < i)
            run_turn(r.loop);
    }
    leave(&w);
    rig_end(&r);
}

static void a_pong_is_no_sign_of_life(void)
{
    static const char *const frames[FAKE_FRAMES] = { "pong", TOOL, "pong" };
    struct rig r;
    struct watch w;
    unsigned before;

    rig_start(&r);
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts == 2);
    before = w.n_activity;
    fake_send(r.fake.socket, frames);
    RUN_UNTIL(r.loop, w.n_activity > before);
    run_for(r.loop, 5);
    EXPECT_INT(w.n_activity, before + 1);
    leave(&w);
    rig_end(&r);
}

/* A snapshot made after the prompt lists the answer before its text comes. */
static void a_late_history_of_a_new_chat_is_not_old(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[0] = "{\"type\":\"history\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},"
                       "{\"id\":\"m1\",\"role\":\"assistant\",\"content\":\"\"}]}";
    ANSWERED(&r, &w, "u:hi");
    EXPECT_Z(w.text, "Hello, world");
    rig_end(&r);
}

static const struct test suite[] = {
    { "a late history of a new chat is not old", a_late_history_of_a_new_chat_is_not_old },
    { "an answer comes whole and in order", an_answer_comes_whole_and_in_order },
    { "two first turns never share a chat", two_first_turns_never_share_a_chat },
    { "the next turn goes on in its chat with what is new",
      the_next_turn_goes_on_in_its_chat_with_what_is_new },
    { "what diverged or was edited begins a new chat with all of it",
      what_diverged_or_was_edited_begins_a_new_chat_with_all_of_it },
    { "a call that was never settled leaves no tip", a_call_that_was_never_settled_leaves_no_tip },
    { "a claim goes back when the prompt was not sent",
      a_claim_goes_back_when_the_prompt_was_not_sent },
    { "a claim does not go back once the prompt was sent",
      a_claim_does_not_go_back_once_the_prompt_was_sent },
    { "a chat that is gone becomes a new one with all of it",
      a_chat_that_is_gone_becomes_a_new_one_with_all_of_it },
    { "a new chat that is not there is not tried again",
      a_new_chat_that_is_not_there_is_not_tried_again },
    { "a stream that is not there yet comes second", a_stream_that_is_not_there_yet_comes_second },
    { "a refused token is renewed once", a_refused_token_is_renewed_once },
    { "the second stream may need a token too", the_second_stream_may_need_a_token_too },
    { "frames may come before the POST is answered", frames_may_come_before_the_post_is_answered },
    { "the end waits for the POST's answer", the_end_waits_for_the_posts_answer },
    { "what the stream replays is not the answer", what_the_stream_replays_is_not_the_answer },
    { "a replay without end is not waited for", a_replay_without_end_is_not_waited_for },
    { "a proper close after text is an end", a_proper_close_after_text_is_an_end },
    { "nothing comes while it is paused", nothing_comes_while_it_is_paused },
    { "a call paused early waits with its stream", a_call_paused_early_waits_with_its_stream },
    { "beyond the limit a call waits for its turn", beyond_the_limit_a_call_waits_for_its_turn },
    { "an open stream is pinged every thirty seconds",
      an_open_stream_is_pinged_every_thirty_seconds },
    { "a pong is no sign of life", a_pong_is_no_sign_of_life },
};

TEST_MAIN(suite)
