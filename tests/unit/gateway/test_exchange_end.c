/* SPDX-License-Identifier: Apache-2.0 */
/* How exchanges end when they do not go well: the provider fails, or the client leaves. However it
 * is, the call is released once and the books are closed once. */
#include "flow.h"
#include "gateway/live.h"
#include "log_text.h"

/* ---- the provider fails ---- */

static struct failure failure_of(enum failure_kind kind)
{
    return (struct failure){ .kind = kind, .message = STR("It \"broke\".") };
}

static void answers_each_kind_of_failure_with_its_status(void)
{
    begin();
    for (enum failure_kind kind = FAILURE_NONE + 1; kind <= FAILURE_HTTP_VERSION; kind++) {
        const struct failure_row *row = failure_row(kind);
        struct failure e = failure_of(kind);
        char want[256];

        snprintf(want, sizeof(want),
                 "{\"error\":{\"message\":\"It \\\"broke\\\".\",\"type\":\"%s\",\"param\":null,"
                 "\"code\":%s%s%s}}",
                 row->type, row->code ? "\"" : "", row->code ? row->code : "null",
                 row->code ? "\"" : "");
        for (unsigned stream = 0; stream < 2; stream++) {
            ask(stream ? STREAM : WHOLE);
            phase(PHASE_CONNECTING);
            error(&e);
            expect_refusal(row->status, row->code);
            EXPECT_Z(body(), want);
            EXPECT(!has(str_of(head()), "x-should-retry"));
            EXPECT_INT(has(str_of(head()), "retry-after"), row->status == 503);
        }
    }
    expect_quiet(1);
    expect_books(0, 2 * FAILURE_HTTP_VERSION, 0);
    end();
}

static void says_when_and_whether_to_come_back(void)
{
    static const struct {
        int64_t retry_after_ms;
        bool accepted;
        const char *want, *wrong;
    } rows[] = {
        { 0, false, "content-type: ", "retry-after: " },
        { 1, false, "retry-after: 1\r\n", "x-should-retry" },
        { 1000, false, "retry-after: 1\r\n", "x-should-retry" },
        { 1001, true, "retry-after: 2\r\nx-should-retry: false\r\n", "-" },
        { 3600000, false, "retry-after: 3600\r\n", "x-should-retry" },
        { 0, true, "x-should-retry: false\r\n", "retry-after: " },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct failure e = failure_of(FAILURE_RATE_LIMIT);

        e.retry_after_ms = rows[i].retry_after_ms;
        e.prompt_accepted = rows[i].accepted;
        ask(i % 2 ? STREAM : WHOLE);
        phase(PHASE_ACCEPTED);
        error(&e);
        expect_refusal(429, "rate_limit_exceeded");
        EXPECT(has(str_of(head()), rows[i].want));
        EXPECT(!has(str_of(head()), rows[i].wrong) || rows[i].wrong[0] == '-');
    }
    end();
}

#define BROKEN                                                                         \
    "data: {\"error\":{\"message\":\"It \\\"broke\\\".\",\"type\":\"upstream_error\"," \
    "\"param\":null,\"code\":\"upstream_interrupted\"}}\n\n"

static void ends_a_committed_stream_with_an_error_event(void)
{
    struct failure e = failure_of(FAILURE_INTERRUPTED);

    begin();
    ask(STREAM);
    phase(PHASE_CONNECTING);
    pass(COMMIT_MS);
    error(&e);
    expect_whole(ALIVE FROM ROLE BROKEN);
    expect_quiet(1);
    ask(STREAM);
    text("x");
    error(&e);
    expect_whole(ROLE SAID("x") BROKEN);
    expect_quiet(1);
    expect_books(0, 2, 0);
    end();
}

/* Text that was gathered for a whole answer is not shown: half an answer is none. */
static void gives_no_half_of_a_whole_answer(void)
{
    struct failure e = failure_of(FAILURE_INTERRUPTED);

    begin();
    ask(WHOLE);
    text("half");
    error(&e);
    expect_refusal(502, "upstream_interrupted");
    EXPECT(!has(str_of(body()), "half"));
    expect_books(0, 1, 0);
    end();
}

static void bears_a_failure_while_the_client_is_slow(void)
{
    static char piece[100000];
    struct failure e = failure_of(FAILURE_INTERRUPTED);

    begin();
    memset(piece, 'x', sizeof(piece) - 1);
    ask(STREAM);
    f.w.room = 0;
    text(piece);
    turn(f.l);
    EXPECT(call()->is_paused);
    error(&e);
    turn(f.l);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "\"code\":\"upstream_interrupted\""));
    EXPECT_INT(call()->n_resumes, 0);
    expect_quiet(1);
    end();
}

/* ---- the client leaves ---- */

enum place {
    AT_START,
    AT_QUEUED,
    AT_CONNECTING,
    AT_UNSENT,
    AT_SENT,
    AT_ACCEPTED,
    AT_COMMIT,
    AT_TEXT,
    AT_PAUSE,
    AT_FINISH,
    PLACES
};

static void ask_up_to(const char *body, enum place place)
{
    static char piece[100000];

    memset(piece, 'x', sizeof(piece) - 1);
    ask(body);
    if (place >= AT_QUEUED && place <= AT_ACCEPTED)
        phase((enum provider_phase)(place - AT_QUEUED));
    if (place == AT_COMMIT) {
        phase(PHASE_CONNECTING);
        pass(COMMIT_MS);
    }
    if (place == AT_PAUSE)
        f.w.room = 0;
    if (place >= AT_TEXT)
        text(place == AT_PAUSE ? piece : "x");
    turn(f.l);
    if (place == AT_FINISH)
        finish(CHAT_FINISH_STOP);
}

/* What is left of a client that is gone: nothing, now and for ever. */
static void expect_gone(void)
{
    turn(f.l);
    EXPECT_INT(call()->n_releases, 1);
    EXPECT(f.w.is_closed);
    expect_quiet(0);
    pass(1000000);
    expect_quiet(0);
    wire_free(&f.w);
}

static void lets_go_of_all_when_the_client_leaves_in_any_state(void)
{
    static const enum err ends[] = { ERR_CLOSED, ERR_RESET };
    int64_t n = 0;

    begin();
    wire_end(&f.w, ERR_CLOSED);
    for (unsigned i = 0; i < COUNT_OF(ends) * 2 * PLACES; i++) {
        open_wire(&f.w);
        ask_up_to(i % 2 ? STREAM : WHOLE, (enum place)(i / 4));
        EXPECT(wire_end(&f.w, ends[i / 2 % 2]));
        EXPECT_INT(call()->n_releases, 1);
        expect_gone();
        expect_books(0, 0, ++n);
    }
    end();
}

/* That a client is gone may only be seen when something is written to it. */
static void lets_go_of_all_when_a_write_fails(void)
{
    begin();
    wire_end(&f.w, ERR_CLOSED);
    open_wire(&f.w);
    ask(STREAM);
    f.w.broken = ERR_RESET;
    text("x");
    expect_gone();
    open_wire(&f.w);
    ask(STREAM);
    text("x");
    turn(f.l);
    f.w.broken = ERR_CLOSED;
    pass(KEEPALIVE_MS);
    expect_gone();
    expect_books(0, 0, 2);
    end();
}

/* The answer was complete; that it did not get through is not the upstream's failure. */
static void closes_the_books_once_when_the_last_write_fails(void)
{
    begin();
    wire_end(&f.w, ERR_CLOSED);
    for (unsigned i = 0; i < 4; i++) {
        open_wire(&f.w);
        ask(i % 2 ? STREAM : WHOLE);
        text("x");
        turn(f.l);
        f.w.broken = ERR_RESET;
        finish(CHAT_FINISH_STOP);
        if (i / 2)
            settled();
        else
            pass(HOLD_MS);
        EXPECT(f.w.is_closed);
        expect_quiet(0);
        wire_free(&f.w);
    }
    expect_books(4, 0, 0);
    end();
}

static void gives_up_a_client_that_never_reads(void)
{
    BEGIN("UPSTREAM_IDLE_TIMEOUT=10");
    ask_up_to(STREAM, AT_PAUSE);
    pass(59999);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_reset);
    expect_gone();
    expect_books(0, 0, 1);
    end();
}

/* An answer that is whole already is not taken back. */
static void ends_by_an_operator_as_long_as_it_is_not_whole(void)
{
    static const char *const bodies[] = { WHOLE, STREAM };

    begin();
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        ask(bodies[i]);
        text("x");
        turn(f.l);
        EXPECT_INT(live_cancel(&f.worker, STR("another")), 0);
        EXPECT_INT(live_cancel(&f.worker, STR("r1")), 1);
        turn(f.l);
        EXPECT(has(wire_str(&f.w), "\"code\":\"canceled_by_operator\""));
        EXPECT(!has(wire_str(&f.w), "[DONE]"));
        expect_quiet(1);
        wire_clear(&f.w);
        ask(bodies[i]);
        text("x");
        finish(CHAT_FINISH_STOP);
        EXPECT_INT(live_cancel(&f.worker, STR("r1")), 0);
        settled();
        EXPECT(!has(wire_str(&f.w), "canceled_by_operator"));
        expect_quiet(1);
        wire_clear(&f.w);
    }
    expect_books(2, 0, 2);
    end();
}

/* The rest of a pipelined client is dropped with it. */
static void forgets_what_waits_behind_an_exchange_whose_client_left(void)
{
    begin();
    ask(STREAM);
    ask(WHOLE);
    ask(WHOLE);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    EXPECT_INT(f.n_calls, 1);
    expect_gone();
    end();
}

/* ---- the log ---- */

static void logs_each_exchange_in_one_line_without_its_text(void)
{
    static const char *const wants[][4] = {
        { "\"outcome\":\"completed\"", "\"request_id\":\"r1\"", "\"model\":\"GPT5\"",
          "\"upstream\":\"cto\"" },
        { "\"outcome\":\"failed\"", "\"code\":\"upstream_interrupted\"", "\"status\":502",
          "\"stream\":1" },
        { "\"outcome\":\"client left\"", "\"first_token_ms\":25", "\"duration_ms\":125",
          "\"status\":499" },
    };
    struct failure e = failure_of(FAILURE_INTERRUPTED);
    char out[8192];
    struct str log, line;
    FILE *file;

    begin();
    file = begin_log();
    ask("{\"model\":\"GPT5\",\"messages\":[{\"role\":\"user\",\"content\":\"the prompt\"}]}");
    text("the answer");
    usage(3, 4, 0);
    finish(CHAT_FINISH_STOP);
    settled();
    ask(STREAM);
    text("the answer");
    error(&e);
    turn(f.l);
    ask(WHOLE);
    pass(25);
    text("the answer");
    pass(100);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    turn(f.l);
    log = end_log(file, out, sizeof(out));
    EXPECT(!has(log, "the prompt") && !has(log, "the answer"));
    for (size_t i = 0; i < COUNT_OF(wants); i++) {
        line = str_cut(log, '\n', &log);
        for (size_t k = 0; k < COUNT_OF(wants[i]); k++)
            EXPECT(has(line, wants[i][k]));
    }
    EXPECT_INT(log.n, 0);
    expect_books(1, 1, 1);
    end();
}

static const struct test suite[] = {
    { "answers each kind of failure with its status",
      answers_each_kind_of_failure_with_its_status },
    { "says when and whether to come back", says_when_and_whether_to_come_back },
    { "ends a committed stream with an error event", ends_a_committed_stream_with_an_error_event },
    { "gives no half of a whole answer", gives_no_half_of_a_whole_answer },
    { "bears a failure while the client is slow", bears_a_failure_while_the_client_is_slow },
    { "lets go of all when the client leaves in any state",
      lets_go_of_all_when_the_client_leaves_in_any_state },
    { "lets go of all when a write fails", lets_go_of_all_when_a_write_fails },
    { "closes the books once when the last write fails",
      closes_the_books_once_when_the_last_write_fails },
    { "gives up a client that never reads", gives_up_a_client_that_never_reads },
    { "ends by an operator as long as it is not whole",
      ends_by_an_operator_as_long_as_it_is_not_whole },
    { "forgets what waits behind an exchange whose client left",
      forgets_what_waits_behind_an_exchange_whose_client_left },
    { "logs each exchange in one line without its text",
      logs_each_exchange_in_one_line_without_its_text },
};

TEST_MAIN(suite)
