/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a call fails: what its client is told, and that nothing is sent twice. */
#include "call_rig.h"
#include "test.h"

/* What one place answers with, and what becomes of it. */
struct refusal {
    int status;
    const char *header;
    const char *value;
    enum failure_kind want;
    int64_t retry_after_ms;
};

static const struct refusal refusals[] = {
    { 402, NULL, NULL, FAILURE_QUOTA, 0 },
    { 403, NULL, NULL, FAILURE_QUOTA, 0 },
    { 403, "cf-mitigated", "challenge", FAILURE_CHALLENGE, 0 },
    { 413, NULL, NULL, FAILURE_CONTEXT_LENGTH, 0 },
    { 429, NULL, NULL, FAILURE_QUOTA, 0 },
    { 429, "Retry-After", "12", FAILURE_QUOTA, 12000 },
    { 400, NULL, NULL, FAILURE_PROTOCOL, 0 },
    { 307, "Location", "http://127.0.0.1:1/x", FAILURE_PROTOCOL, 0 },
    { 500, NULL, NULL, FAILURE_UNAVAILABLE, 0 },
    { 503, NULL, NULL, FAILURE_UNAVAILABLE, 0 },
};

static void expect_refusal(enum fake_place place, const struct refusal *row)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say_header(&r.fake, place, row->status, row->header, row->value);
    FAILED(&r, &w, row->want, "u:Hi");
    EXPECT_INT(w.failure.retry_after_ms, row->retry_after_ms);
    EXPECT(!w.failure.prompt_accepted);
    EXPECT(strstr(w.message, "\"cto\""));
    EXPECT_INT(r.fake.at[place].count, row->want == FAILURE_UNAVAILABLE ? 3 : 1);
    EXPECT_Z(w.text, "");
    rig_end(&r);
}

static void a_refused_prompt_is_told_by_its_status(void)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        expect_refusal(FAKE_POST, &refusals[i]);
}

static void a_refused_stream_is_told_by_its_status(void)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        expect_refusal(FAKE_STREAM, &refusals[i]);
}

/* Its stream would have shown that it arrived. It never goes to the same chat again. */
static void a_prompt_whose_connection_broke_is_sent_to_another_chat(void)
{
    char first[512], last[512];
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_DROP, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].count == 1);
    posted(&r, "chatHistoryId", first);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_UNAVAILABLE);
    leave(&w);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 3);
    EXPECT(strcmp(first, posted(&r, "chatHistoryId", last)) != 0);
    EXPECT_INT(w.phases[w.n_phases - 1], PHASE_SENT);
    EXPECT(!w.failure.prompt_accepted);
    rig_end(&r);
}

static void nobody_at_the_address_is_unavailable(void)
{
    struct rig r;
    struct watch w;
    uint16_t port;
    int fd;

    rig_open(&r);
    fd = listen_loopback(&port);
    close(fd);
    r.config.api.endpoint.port = port;
    rig_attach(&r);
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi");
    EXPECT_INT(w.phases[w.n_phases - 1], PHASE_CONNECTING);
    EXPECT(strstr(w.message, "ENGINELABS_API_URL"));
    rig_end(&r);

    rig_open(&r);
    r.config.clerk.endpoint.port = port;
    rig_attach(&r);
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi");
    EXPECT(strstr(w.message, "CLERK_URL"));
    rig_end(&r);
}

static void silence_is_a_timeout(void)
{
    static const enum fake_place places[] = { FAKE_TOKEN, FAKE_STREAM, FAKE_POST };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        loop_clock_set(r.loop, 1000);
        fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        START(&r, &w, "u:Hi");
        while (!r.fake.at[places[i]].held)
            run_turn(r.loop);
        loop_clock_set(r.loop, 1000 + 2 * RIG_TIMEOUT_MS);
        while (!watch_is_over(&w))
            run_turn_now(r.loop);
        EXPECT(w.is_failed);
        EXPECT_INT(w.failure.kind, FAILURE_UPSTREAM_TIMEOUT);
        EXPECT_INT(r.fake.at[places[i]].count, 1);
        leave(&w);
        rig_end(&r);
    }
}

static void an_account_that_is_signed_out_says_what_to_do(void)
{
    struct rig r;
    struct watch w;
    char why[128];

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 200, "{\"response\":null}");
    FAILED(&r, &w, FAILURE_UPSTREAM_AUTH, "u:Hi");
    EXPECT(strstr(w.message, "CLERK_COOKIE"));
    EXPECT(!provider_enginelabs.is_ready(r.upstream, why));
    FAILED(&r, &w, FAILURE_UPSTREAM_AUTH, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 1);
    rig_end(&r);
}

/* An answer that ends in a way that is no proper end. */
struct broken {
    const char *frames[4];
    int close_code;
    const char *want; /* in the message */
};

/* The stream opens once. */
static void do_not_reopen(struct rig *r)
{
    fake_say(&r->fake, FAKE_STREAM, 0, NULL);
    fake_say(&r->fake, FAKE_STREAM, 404, NULL);
}

static void an_answer_that_breaks_off_is_never_a_whole_one(void)
{
    static const struct broken rows[] = {
        { { RUNNING, CHAT("m1", "Hel"), NULL }, -1, "broke off" },
        { { RUNNING, CHAT("m1", "Hel"), NULL }, 1011, "broke off" },
        { { RUNNING, CHAT("m1", "Hel"), NULL }, 1012, "broke off" },
        { { RUNNING, NULL }, 1000, "broke off" },
        { { NULL }, 1001, "broke off" },
        { { NULL }, -1, "broke off" },
        { { RUNNING, CHAT("m1", "Hel"), CANCELED, NULL }, 0, "canceled" },
        { { RUNNING, CANCELED, NULL }, 0, "canceled" },
        { { RUNNING, IDLE, NULL }, 0, "empty" },
        { { RUNNING, TOOL, IDLE, NULL }, 0, "empty" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        do_not_reopen(&r);
        memset(r.fake.frames, 0, sizeof(r.fake.frames));
        for (size_t k = 0; k < 4 && rows[i].frames[k]; k++)
            r.fake.frames[k] = rows[i].frames[k];
        r.fake.close_code = rows[i].close_code;
        FAILED(&r, &w, FAILURE_INTERRUPTED, "u:Hi");
        EXPECT(strstr(w.message, rows[i].want));
        EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
        rig_end(&r);
    }
}

static void a_failure_says_whether_the_prompt_was_accepted(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    do_not_reopen(&r);
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts == 2);
    websocket_abort(r.fake.socket, false);
    r.fake.socket = NULL;
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
    EXPECT(w.failure.prompt_accepted);
    leave(&w);
    rig_end(&r);
}

static void a_task_canceled_before_the_post_is_answered_was_accepted(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CANCELED };
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    fake_send(r.fake.socket, frames);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
    EXPECT(w.failure.prompt_accepted);
    leave(&w);
    rig_end(&r);
}

static void a_task_that_runs_before_the_post_is_answered_was_accepted(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING };
    struct rig r;
    struct watch w;

    rig_start(&r);
    do_not_reopen(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    fake_send(r.fake.socket, frames);
    websocket_close(r.fake.socket, 1011, STR(""));
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
    EXPECT(w.failure.prompt_accepted);
    leave(&w);
    rig_end(&r);
}

static void a_stream_that_ends_before_the_post_is_answered_is_interrupted(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    websocket_close(r.fake.socket, 1000, STR(""));
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
    leave(&w);
    rig_end(&r);
}

static void an_answer_whose_prompt_is_refused_after_all_fails(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m", "All"), IDLE };
    static const int statuses[] = { 500, 401, 404 };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
        START(&r, &w, "u:Hi");
        RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
        fake_send(r.fake.socket, frames);
        RUN_UNTIL(r.loop, w.n_texts == 1);
        fake_let_go(&r.fake, FAKE_POST, statuses[i]);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT(w.is_failed);
        EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
        leave(&w);
        rig_end(&r);
    }
}

static void limits_are_checked_before_anything_is_sent(void)
{
    struct rig r;
    struct watch w;

    rig_open(&r);
    r.config.max_prompt_chars = 20;
    rig_attach(&r);
    FAILED(&r, &w, FAILURE_CONTEXT_LENGTH, "u:123456789012345678901");
    EXPECT(strstr(w.message, "21"));
    EXPECT(strstr(w.message, "ENGINELABS_MAX_PROMPT_CHARS"));
    EXPECT_INT(w.n_phases, 0);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 0);
    rig_end(&r);
}

static void a_short_turn_of_a_long_conversation_fits_its_known_chat_only(void)
{
    struct rig r;
    struct watch w;

    rig_open(&r);
    r.config.max_prompt_chars = 20;
    rig_attach(&r);
    ANSWERED(&r, &w, "u:12345678901234567890");
    ANSWERED(&r, &w, "u:12345678901234567890", "a:Hello, world", "u:More");
    EXPECT_POSTED(&r, "prompt", "More");
    FAILED(&r, &w, FAILURE_CONTEXT_LENGTH, "u:12345678901234567890", "a:Another", "u:More");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    /* Its chat is gone, and all of it does not fit a new one. */
    fake_reset(&r.fake, FAKE_POST);
    fake_say(&r.fake, FAKE_POST, 404, "{}");
    FAILED(&r, &w, FAILURE_CONTEXT_LENGTH, "u:12345678901234567890", "a:Hello, world", "u:More",
           "a:Hello, world", "u:Yet");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void an_image_is_the_clients_mistake(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    FAILED(&r, &w, FAILURE_BAD_REQUEST, "u:Look", "i:data:image/png;base64,AA==");
    EXPECT_Z(w.param, "messages[1].content[0]");
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 0);
    rig_end(&r);
}

static void frames_that_mean_nothing_are_counted_and_passed_over(void)
{
    int64_t unknown = metric_get(METRIC_FRAMES_UNKNOWN);
    int64_t frames = metric_get(METRIC_FRAMES);
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[1] = "{broken";
    r.fake.frames[2] = "{\"type\":\"what\"}";
    r.fake.frames[3] = CHAT("m1", "Hello");
    r.fake.frames[4] = IDLE;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    EXPECT_Z(w.text, "Hello");
    leave(&w);
    rig_end(&r);
    EXPECT_INT(metric_get(METRIC_FRAMES) - frames, 5);
    EXPECT_INT(metric_get(METRIC_FRAMES_UNKNOWN) - unknown, 2);
}

static const struct test suite[] = {
    { "a refused prompt is told by its status", a_refused_prompt_is_told_by_its_status },
    { "a refused stream is told by its status", a_refused_stream_is_told_by_its_status },
    { "a prompt whose connection broke is sent to another chat",
      a_prompt_whose_connection_broke_is_sent_to_another_chat },
    { "nobody at the address is unavailable", nobody_at_the_address_is_unavailable },
    { "silence is a timeout", silence_is_a_timeout },
    { "an account that is signed out says what to do",
      an_account_that_is_signed_out_says_what_to_do },
    { "an answer that breaks off is never a whole one",
      an_answer_that_breaks_off_is_never_a_whole_one },
    { "a failure says whether the prompt was accepted",
      a_failure_says_whether_the_prompt_was_accepted },
    { "a task that runs before the POST is answered was accepted",
      a_task_that_runs_before_the_post_is_answered_was_accepted },
    { "a task canceled before the POST is answered was accepted",
      a_task_canceled_before_the_post_is_answered_was_accepted },
    { "a stream that ends before the POST is answered is interrupted",
      a_stream_that_ends_before_the_post_is_answered_is_interrupted },
    { "an answer whose prompt is refused after all fails",
      an_answer_whose_prompt_is_refused_after_all_fails },
    { "limits are checked before anything is sent", limits_are_checked_before_anything_is_sent },
    { "a short turn of a long conversation fits its known chat only",
      a_short_turn_of_a_long_conversation_fits_its_known_chat_only },
    { "an image is the client's mistake", an_image_is_the_clients_mistake },
    { "frames that mean nothing are counted and passed over",
      frames_that_mean_nothing_are_counted_and_passed_over },
};

TEST_MAIN(suite)
