/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that breaks in the middle of an answer, and what comes of the answer. */
#include "call_rig.h"
#include "test.h"

#define BEGUN "Hello, you and the world, "
#define HISTORY(text)                                                                          \
    "{\"type\":\"history\",\"messages\":[{\"id\":\"u\",\"role\":\"user\",\"content\":\"Hi\"}," \
    "{\"id\":\"m1\",\"role\":\"assistant\",\"content\":\"" text "\"}]}"

/* The next streams are greeted with these. */
#define GREET(r, ...)                                                    \
    do {                                                                 \
        static const char *const frames_[FAKE_FRAMES] = { __VA_ARGS__ }; \
        memcpy((r)->fake.baseline, frames_, sizeof(frames_));            \
    } while (0)

enum { STEP_MS = 5 };

static int64_t clock_ms;

/* Time passes as fast as things happen. */
#define RUN(r, cond)                                           \
    do {                                                       \
        for (int turns_ = 0; !(cond); turns_++) {              \
            if (turns_ > 10000)                                \
                die(__FILE__, __LINE__, "never true: " #cond); \
            loop_clock_set((r)->loop, clock_ms += STEP_MS);    \
            run_turn_now((r)->loop);                           \
        }                                                      \
    } while (0)

static void start(struct rig *r)
{
    clock_ms = 1000;
    rig_start(r);
    loop_clock_set(r->loop, clock_ms);
}

static void settle(struct watch *w)
{
    provider_enginelabs.settle(w->call, SETTLE_EXACT, &(struct fingerprint_said){ .text = w->said },
                               on_watch_settled);
    RUN(w->rig, w->is_settled);
}

static void break_off(struct rig *r)
{
    websocket_abort(r->fake.socket, false);
    r->fake.socket = NULL;
}

/* A call that got BEGUN, on a stream that is still open. */
static void begin(struct rig *r, struct watch *w)
{
    start(r);
    memset(r->fake.frames, 0, sizeof(r->fake.frames));
    r->fake.frames[0] = RUNNING;
    r->fake.frames[1] = CHAT("m1", BEGUN);
    START(r, w, "u:Hi");
    RUN(r, w->n_texts == 1);
}

static void expect_whole(struct rig *r, struct watch *w, const char *text)
{
    RUN(r, watch_is_over(w));
    EXPECT_Z(w->message, "");
    EXPECT(w->is_finished);
    EXPECT_Z(w->text, text);
    EXPECT_INT(r->fake.at[FAKE_POST].count, 1);
    settle(w);
    rig_end(r);
}

static void expect_interrupted(struct rig *r, struct watch *w, unsigned streams, const char *why)
{
    RUN(r, watch_is_over(w));
    EXPECT(w->is_failed);
    EXPECT_INT(w->failure.kind, FAILURE_INTERRUPTED);
    EXPECT(w->failure.prompt_accepted);
    if (!strstr(w->message, why))
        EXPECT_Z(w->message, why);
    EXPECT_Z(w->text, BEGUN);
    EXPECT_INT(r->fake.at[FAKE_POST].count, 1);
    EXPECT_INT(r->fake.at[FAKE_STREAM].count, streams);
    leave(w);
    rig_end(r);
}

static void an_answer_goes_on_behind_a_replay(void)
{
    static const int codes[] = { -1, 1011, 1012 };

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct rig r;
        struct watch w;

        begin(&r, &w);
        GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"), IDLE);
        if (codes[i] < 0)
            break_off(&r);
        else
            websocket_close(r.fake.socket, codes[i], STR(""));
        expect_whole(&r, &w, BEGUN "again");
    }
}

static void an_answer_goes_on_behind_a_history(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, HISTORY(BEGUN "to"), RUNNING, CHAT("m1", "day"), IDLE);
    break_off(&r);
    expect_whole(&r, &w, BEGUN "today");
}

static void a_history_and_a_replay_say_it_once(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, HISTORY(BEGUN "to"), RUNNING, CHAT("m1", BEGUN), CHAT("m1", "today"), IDLE);
    break_off(&r);
    expect_whole(&r, &w, BEGUN "today");
}

static void another_answer_is_interrupted(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, RUNNING, CHAT("m1", "Hello, you and the World, again"), IDLE);
    break_off(&r);
    expect_interrupted(&r, &w, 2, "began differently");
}

static void an_answer_that_just_goes_on_is_interrupted(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, RUNNING, CHAT("m1", "again"), IDLE);
    break_off(&r);
    expect_interrupted(&r, &w, 2, "did not tell all of it");
}

static void a_task_that_is_over_and_not_replayed_is_interrupted(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, IDLE);
    break_off(&r);
    expect_interrupted(&r, &w, 2, "did not tell all of it");
}

static void each_break_has_two_tries(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 503, NULL);
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    fake_say(&r.fake, FAKE_STREAM, FAKE_DROP, NULL);
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "a"));
    break_off(&r);
    RUN(&r, w.n_texts == 2);
    GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "a"), CHAT("m1", "b"), IDLE);
    break_off(&r);
    expect_whole(&r, &w, BEGUN "ab");
}

static void nobody_there_twice_is_interrupted(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 503, NULL);
    break_off(&r);
    expect_interrupted(&r, &w, 2, "503");
}

static void a_chat_that_is_gone_is_interrupted_at_once(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 404, NULL);
    break_off(&r);
    expect_interrupted(&r, &w, 1, "404");
}

static void a_refused_token_is_renewed_once(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 401, NULL);
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"), IDLE);
    break_off(&r);
    RUN(&r, watch_is_over(&w));
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    expect_whole(&r, &w, BEGUN "again");

    begin(&r, &w);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 401, NULL);
    break_off(&r);
    expect_interrupted(&r, &w, 2, "401");
}

/* A break before anything came: the first stream that tells something is not believed alone. */
static void what_follows_a_break_without_a_word_is_looked_at_twice(void)
{
    struct rig r;
    struct watch w;

    start(&r);
    memset(r.fake.frames, 0, sizeof(r.fake.frames));
    r.fake.frames[0] = RUNNING;
    START(&r, &w, "u:Hi");
    RUN(&r, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_ACCEPTED);
    GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"));
    break_off(&r);
    RUN(&r, w.n_texts > 0);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 3);
    EXPECT(!websocket_send(r.fake.socket, true, STR(IDLE)));
    expect_whole(&r, &w, BEGUN "again");
}

static void a_client_may_leave_at_any_moment(void)
{
    for (int when = 0; when < 4; when++) {
        struct rig r;
        struct watch w;

        begin(&r, &w);
        GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"));
        fake_reset(&r.fake, FAKE_STREAM);
        if (when == 2)
            fake_say(&r.fake, FAKE_STREAM, FAKE_HOLD, NULL);
        break_off(&r);
        w.leave_in_event = when == 3 ? CHAT_TEXT : -1;
        if (when == 1)
            RUN(&r, loop_timers(r.loop) > 0 && r.fake.at[FAKE_STREAM].count > 0);
        else if (when == 2)
            RUN(&r, r.fake.at[FAKE_STREAM].held);
        else if (when == 3)
            RUN(&r, !w.call);
        else
            run_turn_now(r.loop);
        if (w.call)
            leave(&w);
        rig_end(&r);
    }
}

static void nothing_comes_while_the_client_is_slow(void)
{
    struct rig r;
    struct watch w;

    begin(&r, &w);
    GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"), IDLE);
    break_off(&r);
    RUN(&r, metric_get(METRIC_UPSTREAM_WEBSOCKETS) == 0);
    provider_enginelabs.pause(w.call);
    RUN(&r, r.fake.at[FAKE_STREAM].count == 2);
    for (int i = 0; i < 20; i++)
        run_turn_now(r.loop);
    EXPECT_Z(w.text, BEGUN);
    provider_enginelabs.resume(w.call);
    expect_whole(&r, &w, BEGUN "again");
}

/* ---- a POST whose answer is lost ---- */

/* A call whose prompt arrived, or did not, before its connection broke. */
static void lose_post(struct rig *r, struct watch *w)
{
    start(r);
    fake_say(&r->fake, FAKE_POST, FAKE_HOLD, NULL);
    START(r, w, "u:Hi");
    RUN(r, r->fake.at[FAKE_POST].held);
    fake_let_go(&r->fake, FAKE_POST, FAKE_DROP);
    for (int i = 0; i < 10; i++)
        run_turn_now(r->loop);
    EXPECT(!watch_is_over(w));
}

static void a_prompt_that_is_worked_on_has_arrived(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m1", "Hello"), IDLE };
    struct rig r;
    struct watch w;

    lose_post(&r, &w);
    fake_send(r.fake.socket, frames);
    expect_whole(&r, &w, "Hello");
}

static void a_prompt_that_nobody_works_on_goes_to_another_chat(void)
{
    char first[512], second[512];
    struct rig r;
    struct watch w;

    lose_post(&r, &w);
    posted(&r, "chatHistoryId", first);
    RUN(&r, r.fake.at[FAKE_POST].count == 2);
    EXPECT(strcmp(first, posted(&r, "chatHistoryId", second)) != 0);
    EXPECT(!watch_is_over(&w));
    leave(&w);
    rig_end(&r);
}

static void a_stream_that_breaks_then_tells_nothing(void)
{
    struct rig r;
    struct watch w;

    lose_post(&r, &w);
    break_off(&r);
    RUN(&r, watch_is_over(&w));
    EXPECT_INT(w.failure.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 1);
    leave(&w);
    rig_end(&r);

    lose_post(&r, &w); /* and a client that leaves meanwhile */
    leave(&w);
    rig_end(&r);
}

static void a_stream_that_breaks_before_the_post_is_answered_goes_on(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m1", BEGUN) };

    for (int answer = 0; answer < 2; answer++) {
        struct rig r;
        struct watch w;

        start(&r);
        fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
        START(&r, &w, "u:Hi");
        RUN(&r, r.fake.at[FAKE_POST].held);
        fake_send(r.fake.socket, frames);
        RUN(&r, w.n_texts == 1);
        GREET(&r, RUNNING, CHAT("m1", BEGUN), CHAT("m1", "again"), IDLE);
        memset(r.fake.frames, 0, sizeof(r.fake.frames));
        break_off(&r);
        if (answer)
            fake_let_go(&r.fake, FAKE_POST, 500); /* it works on the prompt: that counts */
        expect_whole(&r, &w, BEGUN "again");
    }
}

/* ---- a POST whose answer is long ---- */

static void say_raw(struct conn *c, struct str text)
{
    size_t n;

    EXPECT(!conn_write(c, &text, 1, &n));
    EXPECT_INT(n, text.n);
}

static void the_connection_of_a_slow_post_is_used_again(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m1", "Hello"), IDLE };
    struct http_request *request;
    struct conn *conn;
    struct str rest;
    struct rig r;
    struct watch w;
    size_t idle;

    start(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN(&r, r.fake.at[FAKE_POST].held);
    request = r.fake.at[FAKE_POST].held;
    r.fake.at[FAKE_POST].held = NULL;
    conn = http_request_take_conn(request, STR(""), &rest);
    say_raw(conn, STR("HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nta"));
    RUN(&r, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_ACCEPTED);
    fake_send(r.fake.socket, frames);
    RUN(&r, watch_is_over(&w));
    EXPECT(w.is_finished);
    settle(&w);
    idle = http_client_idle(r.client);
    say_raw(conn, STR("sk"));
    RUN(&r, http_client_idle(r.client) == idle + 1);
    conn_close(conn, false);
    rig_end(&r);
}

static void a_post_that_is_never_answered_whole_is_left(void)
{
    static const char *const frames[FAKE_FRAMES] = { RUNNING, CHAT("m1", "Hello"), IDLE };
    struct conn *conn;
    struct str rest;
    struct rig r;
    struct watch w;

    start(&r);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN(&r, r.fake.at[FAKE_POST].held);
    conn = http_request_take_conn(r.fake.at[FAKE_POST].held, STR(""), &rest);
    r.fake.at[FAKE_POST].held = NULL;
    say_raw(conn, STR("HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nta"));
    RUN(&r, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_ACCEPTED);
    fake_send(r.fake.socket, frames);
    RUN(&r, watch_is_over(&w));
    settle(&w);
    conn_close(conn, false);
    rig_end(&r);
}

static const struct test suite[] = {
    { "an answer goes on behind a replay", an_answer_goes_on_behind_a_replay },
    { "an answer goes on behind a history", an_answer_goes_on_behind_a_history },
    { "a history and a replay say it once", a_history_and_a_replay_say_it_once },
    { "another answer is interrupted", another_answer_is_interrupted },
    { "an answer that just goes on is interrupted", an_answer_that_just_goes_on_is_interrupted },
    { "a task that is over and not replayed is interrupted",
      a_task_that_is_over_and_not_replayed_is_interrupted },
    { "each break has two tries", each_break_has_two_tries },
    { "nobody there twice is interrupted", nobody_there_twice_is_interrupted },
    { "a chat that is gone is interrupted at once", a_chat_that_is_gone_is_interrupted_at_once },
    { "a refused token is renewed once", a_refused_token_is_renewed_once },
    { "what follows a break without a word is looked at twice",
      what_follows_a_break_without_a_word_is_looked_at_twice },
    { "a client may leave at any moment", a_client_may_leave_at_any_moment },
    { "nothing comes while the client is slow", nothing_comes_while_the_client_is_slow },
    { "a prompt that is worked on has arrived", a_prompt_that_is_worked_on_has_arrived },
    { "a prompt that nobody works on goes to another chat",
      a_prompt_that_nobody_works_on_goes_to_another_chat },
    { "a stream that breaks then tells nothing", a_stream_that_breaks_then_tells_nothing },
    { "a stream that breaks before the POST is answered goes on",
      a_stream_that_breaks_before_the_post_is_answered_goes_on },
    { "the connection of a slow POST is used again", the_connection_of_a_slow_post_is_used_again },
    { "a POST that is never answered whole is left", a_post_that_is_never_answered_whole_is_left },
};

TEST_MAIN(suite)
