/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of an exchange: the deadline of each phase and of the whole, the commit of a stream,
 * its keep-alive comments. */
#include "flow.h"

/* ---- deadlines ---- */

/* How long the default settings let each phase last, and what is said then. */
static const struct deadline_row {
    enum provider_phase phase;
    int64_t limit_ms;
    int status;
    const char *code;
    bool is_accepted; /* the upstream has taken the prompt */
    const char *words;
} deadlines[] = {
    { PHASE_QUEUED, 30000, 429, "queue_timeout", false, "busy for 30 s" },
    { PHASE_CONNECTING, 120000, 504, "upstream_timeout", false, "longer than 120 s" },
    { PHASE_UNSENT, 40000, 504, "upstream_timeout", false, "within 40 s" },
    { PHASE_SENT, 40000, 504, "upstream_timeout", false, "within 40 s" },
    { PHASE_ACCEPTED, 120000, 504, "upstream_timeout", true, "no text within 120 s" },
    { PHASE_ANSWERING, 120000, 504, "upstream_timeout", true, "silent in the middle" },
};

/* Nothing a millisecond before, the end of the exchange then. */
static void expect_deadline(int64_t ms)
{
    pass(ms - 1);
    EXPECT_INT(call()->state, CALL_RUNS);
    pass(1);
    EXPECT_INT(call()->n_releases, 1);
}

static void ends_a_whole_answer_at_the_deadline_of_each_phase(void)
{
    begin();
    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        const struct deadline_row *row = &deadlines[i];

        ask(WHOLE);
        phase(row->phase);
        expect_deadline(row->limit_ms);
        expect_refusal(row->status, row->code);
        EXPECT(has(str_of(body()), row->words));
        EXPECT_INT(has(str_of(head()), "x-should-retry: false\r\n"), row->is_accepted);
        EXPECT_INT(has(str_of(head()), "retry-after: 30\r\n"), row->phase == PHASE_QUEUED);
        expect_quiet(1);
    }
    expect_books(0, COUNT_OF(deadlines), 0);
    end();
}

/* A stream that has no status line yet ends just the same. */
static void ends_a_stream_that_waits_at_the_deadline_of_each_phase(void)
{
    BEGIN("STREAM_COMMIT_AFTER=0");
    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        ask(STREAM);
        phase(deadlines[i].phase);
        expect_deadline(deadlines[i].limit_ms);
        expect_refusal(deadlines[i].status, deadlines[i].code);
        expect_quiet(1);
    }
    expect_books(0, COUNT_OF(deadlines), 0);
    end();
}

static void ends_a_committed_stream_with_an_error_event(void)
{
    BEGIN("STREAM_COMMIT_AFTER=1", "STREAM_KEEPALIVE=0");
    for (size_t i = PHASE_CONNECTING; i < COUNT_OF(deadlines); i++) {
        ask(STREAM);
        phase(PHASE_CONNECTING);
        pass(1000);
        EXPECT(f.w.n > 0);
        phase(deadlines[i].phase);
        expect_deadline(deadlines[i].limit_ms - (i == PHASE_CONNECTING ? 1000 : 0));
        expect_broken_off("upstream_timeout");
        expect_quiet(1);
    }
    expect_books(0, COUNT_OF(deadlines) - 1, 0);
    end();
}

static void starts_a_deadline_anew_with_each_phase(void)
{
    begin();
    ask(WHOLE);
    for (size_t i = 0; i < PHASE_ANSWERING; i++) {
        phase(deadlines[i].phase);
        pass(29999);
        EXPECT_INT(call()->state, CALL_RUNS);
    }
    text("x");
    finish(CHAT_FINISH_STOP);
    settled();
    expect_books(1, 0, 0);
    end();
}

static void activity(void)
{
    call()->request.sink->on_activity(call()->request.arg);
}

static void counts_silence_from_the_last_sign_of_life(void)
{
    BEGIN("UPSTREAM_IDLE_TIMEOUT=10");
    for (unsigned i = 0; i < 3; i++) {
        ask(STREAM);
        text("a");
        for (unsigned k = 0; k < 5; k++) {
            pass(9999);
            if (i == 0)
                activity();
            else if (i == 1)
                text("b");
            else
                reasoning("c");
        }
        expect_deadline(10000);
        expect_broken_off("upstream_timeout");
    }
    expect_books(0, 3, 0);
    end();
}

static void says_fractions_of_seconds_as_they_are(void)
{
    BEGIN("QUEUE_TIMEOUT=0.5", "API_REQUEST_TIMEOUT=1.5");
    ask(WHOLE);
    phase(PHASE_QUEUED);
    expect_deadline(500);
    expect_refusal(429, "queue_timeout");
    EXPECT(has(str_of(body()), "busy for 0.5 s"));
    EXPECT(has(str_of(head()), "retry-after: 1\r\n"));
    ask(WHOLE);
    phase(PHASE_ACCEPTED);
    expect_deadline(1500);
    EXPECT(has(wire_str(&f.w), "not complete after 1.5 s"));
    end();
}

/* Signs of life that bring no text do not stand for the first text. */
static void does_not_take_activity_for_the_first_text(void)
{
    begin();
    ask(WHOLE);
    phase(PHASE_ACCEPTED);
    pass(60000);
    activity();
    expect_deadline(60000);
    expect_refusal(504, "upstream_timeout");
    end();
}

static void ends_an_exchange_at_its_total_deadline_in_any_phase(void)
{
    BEGIN("API_REQUEST_TIMEOUT=20", "STREAM_COMMIT_AFTER=0");
    for (int i = -1; i <= PHASE_ANSWERING; i++) {
        for (unsigned stream = 0; stream < 2; stream++) {
            bool is_accepted = i >= PHASE_ACCEPTED;

            ask(stream ? STREAM : WHOLE);
            if (i >= 0)
                phase((enum provider_phase)i);
            expect_deadline(20000);
            expect_refusal(504, "upstream_timeout");
            EXPECT(has(str_of(body()), "not complete after 20 s"));
            EXPECT_INT(has(str_of(head()), "x-should-retry: false\r\n"), is_accepted);
            expect_quiet(1);
        }
    }
    end();
}

static void ends_a_running_stream_at_its_total_deadline(void)
{
    BEGIN("API_REQUEST_TIMEOUT=20");
    ask(STREAM);
    for (unsigned i = 0; i < 19; i++) {
        text("x");
        pass(1000);
    }
    expect_deadline(1000);
    expect_broken_off("upstream_timeout");
    expect_books(0, 1, 0);
    end();
}

/* A client that does not read is no reason to keep the upstream for ever. */
static void ends_a_paused_stream_at_its_total_deadline(void)
{
    static char piece[100000];

    BEGIN("API_REQUEST_TIMEOUT=20");
    memset(piece, 'x', sizeof(piece) - 1);
    ask(STREAM);
    f.w.room = 0;
    text(piece);
    turn(f.l);
    EXPECT(call()->is_paused);
    expect_deadline(20000);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "\"code\":\"upstream_timeout\""));
    EXPECT(!has(wire_str(&f.w), DONE));
    expect_quiet(1);
    end();
}

/* ---- the commit ---- */

static void commits_a_stream_when_an_account_is_leased_long_enough(void)
{
    begin();
    ask(STREAM);
    phase(PHASE_QUEUED);
    pass(3 * COMMIT_MS);
    phase(PHASE_CONNECTING);
    pass(COMMIT_MS - 1);
    expect_silence();
    pass(1);
    expect_so_far(ALIVE);
    phase(PHASE_ACCEPTED);
    pass(COMMIT_MS);
    expect_so_far(ALIVE);
    text("x");
    expect_so_far(ALIVE ROLE SAID("x"));
    finish(CHAT_FINISH_STOP);
    settled();
    expect_whole(ALIVE ROLE SAID("x") FROM CLOSED("stop") DONE);
    expect_books(1, 0, 0);
    end();
}

static void does_not_commit_a_stream_whose_text_has_come(void)
{
    begin();
    ask(STREAM);
    phase(PHASE_CONNECTING);
    text("x");
    pass(COMMIT_MS);
    expect_so_far(ROLE SAID("x"));
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static void does_not_commit_while_a_whole_answer_without_text_settles(void)
{
    BEGIN("STREAM_COMMIT_AFTER=0.1");
    ask(STREAM);
    phase(PHASE_CONNECTING);
    finish(CHAT_FINISH_STOP);
    pass(100);
    expect_silence();
    settled();
    expect_whole(ROLE CLOSED("stop") DONE);
    end();
}

static void waits_for_the_first_text_when_it_must_not_commit(void)
{
    BEGIN("STREAM_COMMIT_AFTER=0", "STREAM_KEEPALIVE=1");
    ask(STREAM);
    phase(PHASE_ACCEPTED);
    for (unsigned i = 0; i < 100; i++)
        pass(1000);
    expect_silence();
    text("x");
    expect_so_far(ROLE SAID("x"));
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

/* ---- keep-alive comments ---- */

static void comments_while_the_upstream_is_silent(void)
{
    begin();
    ask(STREAM);
    phase(PHASE_CONNECTING);
    pass(COMMIT_MS);
    phase(PHASE_ACCEPTED);
    pass(KEEPALIVE_MS - 1);
    expect_so_far(ALIVE);
    pass(1);
    expect_so_far(ALIVE ALIVE);
    text("x");
    pass(KEEPALIVE_MS - 1);
    expect_so_far(ALIVE ALIVE ROLE SAID("x"));
    pass(1);
    expect_so_far(ALIVE ALIVE ROLE SAID("x") ALIVE);
    pass(KEEPALIVE_MS);
    expect_so_far(ALIVE ALIVE ROLE SAID("x") ALIVE ALIVE);
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static void does_not_comment_between_pieces(void)
{
    begin();
    ask(STREAM);
    for (unsigned i = 0; i < 20; i++) {
        text("x");
        pass(KEEPALIVE_MS - 1);
    }
    EXPECT(!has(wire_str(&f.w), ALIVE));
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

/* The upstream works, the client still hears nothing of it. */
static void comments_while_the_upstream_only_shows_that_it_lives(void)
{
    begin();
    ask(STREAM);
    text("x");
    for (unsigned i = 0; i < 10; i++) {
        pass(KEEPALIVE_MS / 10);
        activity();
    }
    expect_so_far(ROLE SAID("x") ALIVE);
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static void can_do_without_comments(void)
{
    BEGIN("STREAM_KEEPALIVE=0");
    ask(STREAM);
    text("x");
    pass(100000);
    expect_so_far(ROLE SAID("x"));
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static const struct test suite[] = {
    { "ends a whole answer at the deadline of each phase",
      ends_a_whole_answer_at_the_deadline_of_each_phase },
    { "ends a stream that waits at the deadline of each phase",
      ends_a_stream_that_waits_at_the_deadline_of_each_phase },
    { "ends a committed stream with an error event", ends_a_committed_stream_with_an_error_event },
    { "starts a deadline anew with each phase", starts_a_deadline_anew_with_each_phase },
    { "counts silence from the last sign of life", counts_silence_from_the_last_sign_of_life },
    { "says fractions of seconds as they are", says_fractions_of_seconds_as_they_are },
    { "does not take activity for the first text", does_not_take_activity_for_the_first_text },
    { "ends an exchange at its total deadline in any phase",
      ends_an_exchange_at_its_total_deadline_in_any_phase },
    { "ends a running stream at its total deadline", ends_a_running_stream_at_its_total_deadline },
    { "ends a paused stream at its total deadline", ends_a_paused_stream_at_its_total_deadline },
    { "commits a stream when an account is leased long enough",
      commits_a_stream_when_an_account_is_leased_long_enough },
    { "does not commit a stream whose text has come",
      does_not_commit_a_stream_whose_text_has_come },
    { "does not commit while a whole answer without text settles",
      does_not_commit_while_a_whole_answer_without_text_settles },
    { "waits for the first text when it must not commit",
      waits_for_the_first_text_when_it_must_not_commit },
    { "comments while the upstream is silent", comments_while_the_upstream_is_silent },
    { "does not comment between pieces", does_not_comment_between_pieces },
    { "comments while the upstream only shows that it lives",
      comments_while_the_upstream_only_shows_that_it_lives },
    { "can do without comments", can_do_without_comments },
};

TEST_MAIN(suite)
