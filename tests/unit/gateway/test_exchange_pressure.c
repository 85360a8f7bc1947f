/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges under pressure: a client that is slow, an answer that is too large, memory that is
 * short. */
#include "flow.h"

/* ---- pressure ---- */

/* Says pieces until the client's connection holds more than a stream should. */
static void say_until_paused(void)
{
    static char piece[1000];

    memset(piece, 'x', sizeof(piece) - 1);
    for (unsigned i = 0; i < 100 && !call()->is_paused; i++)
        text(piece);
    EXPECT(call()->is_paused);
}

static void pauses_the_provider_while_the_client_is_slow(void)
{
    begin();
    ask(STREAM);
    f.w.room = 1000;
    say_until_paused();
    turn(f.l);
    EXPECT_INT(call()->n_pauses, 1);
    EXPECT_INT(call()->n_resumes, 0);
    text("already under way");
    EXPECT_INT(call()->n_pauses, 1);
    wire_give_room(&f.w, 1000);
    turn(f.l);
    EXPECT_INT(call()->n_resumes, 0);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT_INT(call()->n_resumes, 1);
    text("the end");
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w), "already under way"));
    EXPECT(has(wire_str(&f.w), "the end"));
    expect_books(1, 0, 0);
    end();
}

static void resumes_at_the_end_of_the_turn_when_the_socket_takes_all(void)
{
    begin();
    ask(STREAM);
    for (unsigned i = 1; i < 4; i++) {
        say_until_paused();
        EXPECT_INT(call()->n_pauses, i);
        turn(f.l);
        EXPECT_INT(call()->n_resumes, i);
    }
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static void say_more(struct provider_call *c)
{
    static unsigned n;

    f.on_resume = n++ < 3 ? say_more : NULL;
    say_until_paused();
    EXPECT(c->is_paused);
}

static void bears_a_provider_that_says_more_inside_resume(void)
{
    begin();
    ask(STREAM);
    f.on_resume = say_more;
    say_until_paused();
    for (unsigned i = 0; i < 8; i++)
        turn(f.l);
    EXPECT_INT(call()->n_pauses, call()->n_resumes);
    finish(CHAT_FINISH_STOP);
    settled();
    expect_books(1, 0, 0);
    end();
}

static void does_not_pause_for_a_whole_answer(void)
{
    static char piece[200000];

    begin();
    memset(piece, 'x', sizeof(piece) - 1);
    ask(WHOLE);
    f.w.room = 0;
    text(piece);
    EXPECT_INT(call()->n_pauses, 0);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    EXPECT_INT(f.w.n, 0);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(f.w.n > sizeof(piece));
    expect_quiet(1);
    end();
}

/* The upstream ends while the client is slow: nobody is resumed, the rest follows. */
static void finishes_while_the_client_is_slow(void)
{
    begin();
    ask(STREAM);
    f.w.room = 0;
    say_until_paused();
    turn(f.l);
    finish(CHAT_FINISH_STOP);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT_INT(call()->n_resumes, 0);
    settled();
    EXPECT(has(wire_str(&f.w), DONE));
    expect_books(1, 0, 0);
    end();
}

static void rests_the_idle_deadline_while_the_client_is_slow(void)
{
    BEGIN("UPSTREAM_IDLE_TIMEOUT=10", "STREAM_KEEPALIVE=7");
    ask(STREAM);
    f.w.room = 0;
    say_until_paused();
    turn(f.l);
    for (unsigned i = 0; i < 5; i++)
        pass(9000);
    EXPECT_INT(call()->state, CALL_RUNS);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(!has(wire_str(&f.w), ALIVE));
    EXPECT_INT(call()->n_resumes, 1);
    pass(9999);
    EXPECT_INT(call()->state, CALL_RUNS);
    pass(1);
    EXPECT_INT(call()->state, CALL_GONE);
    EXPECT(has(wire_str(&f.w), "\"code\":\"upstream_timeout\""));
    expect_books(0, 1, 0);
    end();
}

/* ---- too much ---- */

enum { PIECE = 1 << 20, ANSWER_MOST = 64 };

static void think_a_lot(unsigned mib, char letter)
{
    static char piece[PIECE + 1];

    memset(piece, letter, PIECE);
    for (unsigned i = 0; i < mib && call()->state == CALL_RUNS; i++)
        reasoning(piece);
}

static void ends_a_whole_answer_that_is_too_large(void)
{
    begin();
    ask(WHOLE);
    think_a_lot(ANSWER_MOST, 'x');
    EXPECT_INT(call()->state, CALL_RUNS);
    reasoning("x");
    EXPECT_INT(call()->n_releases, 1);
    expect_refusal(502, "upstream_protocol");
    EXPECT(has(str_of(body()), "larger than"));
    EXPECT(has(str_of(head()), "x-should-retry: false\r\n"));
    expect_quiet(1);
    expect_books(0, 1, 0);
    end();
}

/* A provider that does not heed the pause meets the connection's own bound. */
static void cuts_a_stream_that_nobody_reads(void)
{
    begin();
    ask(STREAM);
    f.w.room = 0;
    think_a_lot(ANSWER_MOST / 6 + 1, '\1'); /* which is six bytes of JSON */
    EXPECT_INT(call()->n_releases, 1);
    turn(f.l);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(!has(wire_str(&f.w), "finish_reason\":\"stop"));
    expect_books(0, 1, 0);
    end();
}

/* ---- memory ---- */

static void say_all_that_is_wanted(void)
{
    if (f.n_calls > 0 && call()->state == CALL_RUNS)
        text("some text");
    turn(f.l);
    if (f.n_calls > 0 && call()->state == CALL_RUNS)
        reasoning("some more");
    if (f.n_calls > 0 && call()->state == CALL_RUNS)
        pass(KEEPALIVE_MS);
    if (f.n_calls > 0 && call()->state == CALL_RUNS)
        finish(CHAT_FINISH_STOP);
    if (f.n_calls > 0 && call()->state == CALL_SETTLES)
        settled();
    turn(f.l);
}

/* Takes what is left of an injection; false when it has struck. */
static bool is_injection_left(uint64_t n)
{
    bool is_left = false;

    for (uint64_t i = 0; i < n && !is_left; i++) {
        void *p = mem_try(1);

        is_left = !p;
        mem_free(p);
    }
    mem_fail_nth(0);
    return is_left;
}

/* What the client has is an answer or an error, or it sees that it has neither. */
static void expect_no_half_truth(void)
{
    struct str in = wire_str(&f.w);
    bool is_answer = has(in, "finish_reason\":\"stop\"");

    if (f.w.is_closed || in.n == 0)
        return;
    EXPECT(hear(&in, HTTP_POST));
    EXPECT(is_answer || has(str_of(body()), "\"error\":{\"message\":\""));
    EXPECT_INT(is_answer, has(str_of(body()), "some more"));
    EXPECT(!is_answer || !has(str_of(body()), "\"error\":"));
}

static void survives_every_failed_allocation(void)
{
    static const char *const bodies[] = { STREAM, WHOLE, "{}", "no JSON" };

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        bool is_over = false;

        for (uint64_t n = 1; !is_over; n++) {
            begin();
            mem_fail_nth(n);
            ask(bodies[i]);
            say_all_that_is_wanted();
            is_over = is_injection_left(n);
            expect_no_half_truth();
            end();
            EXPECT(n < 1000);
        }
    }
}

static const struct test suite[] = {
    { "pauses the provider while the client is slow",
      pauses_the_provider_while_the_client_is_slow },
    { "resumes at the end of the turn when the socket takes all",
      resumes_at_the_end_of_the_turn_when_the_socket_takes_all },
    { "bears a provider that says more inside resume",
      bears_a_provider_that_says_more_inside_resume },
    { "does not pause for a whole answer", does_not_pause_for_a_whole_answer },
    { "finishes while the client is slow", finishes_while_the_client_is_slow },
    { "rests the idle deadline while the client is slow",
      rests_the_idle_deadline_while_the_client_is_slow },
    { "ends a whole answer that is too large", ends_a_whole_answer_that_is_too_large },
    { "cuts a stream that nobody reads", cuts_a_stream_that_nobody_reads },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
