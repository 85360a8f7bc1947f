/* SPDX-License-Identifier: Apache-2.0 */
/* How a relay ends in every state, and who is asked next. */
#include "flow_relay.h"

static void a_failure_moves_on_while_the_body_is_here(void)
{
    begin_relays();
    send_small();
    relay_fails(FAILURE_UNAVAILABLE, false);
    EXPECT_INT(n_calls, 2);
    EXPECT(newest()->instance == &f.instances[1]);
    EXPECT_Z(newest()->first, "{\"input\":\"x\",\"model\":\"mb\"}");
    attempt();
    relay_fails(FAILURE_RATE_LIMIT, false); /* the third has no such endpoints */
    expect_refusal(429, "rate_limit_exceeded");
    expect_books(0, 1, 0);
    wire_clear(&f.w);
    n_calls = 0;
    send_small();
    relay_fails(FAILURE_BAD_REQUEST, false);
    expect_refusal(400, NULL);
    end_relays();
}

static void a_long_body_moves_on_only_unsent(void)
{
    begin_relays();
    send_big();
    relay_fails(FAILURE_UNAVAILABLE, true);
    EXPECT_INT(n_calls, 2);
    EXPECT_INT(newest()->n_first, BIG + 1);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
    begin_relays();
    send_big();
    relay_fails(FAILURE_UNAVAILABLE, false);
    EXPECT_INT(n_calls, 1);
    expect_refusal(502, "upstream_unavailable");
    end_relays();
}

static void a_failure_cuts_an_answer_that_has_begun(void)
{
    for (int i = 0; i < 2; i++) {
        begin_relays();
        send_small();
        answer_head(i ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED, 5);
        answer_body("ab");
        relay_fails(FAILURE_INTERRUPTED, false);
        expect_so_far("ab");
        EXPECT(f.w.is_closed);
        expect_books(0, 1, 0);
        end_relays();
    }
}

static void a_write_that_fails_ends_it(void)
{
    begin_relays();
    send_big();
    room();
    write_error_next = ERR_NOMEM;
    EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
    expect_refusal(503, "overloaded");
    expect_books(0, 1, 0);
    end_relays();
}

/* To where a test takes it. */
enum stage { GATHERING, ASKED, SENDING, ANSWERING, STAGES };

static void go_to(enum stage stage)
{
    begin_relays();
    if (stage == GATHERING) {
        EXPECT(wire_feed_z(&f.w, CHUNKED "3\r\nabc\r\n"));
        return;
    }
    if (stage == ASKED || stage == SENDING)
        send_big();
    else
        send_small();
    if (stage == SENDING)
        room();
    if (stage == ANSWERING) {
        answer_head(HTTP_BODY_CHUNKED, 0);
        answer_body("a");
    }
}

static void a_client_that_leaves_ends_it_in_every_state(void)
{
    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        EXPECT(wire_end(&f.w, stage == ASKED ? ERR_RESET : ERR_CLOSED));
        expect_books(0, 0, stage != GATHERING);
        end_relays();
    }
}

static void the_time_limit_ends_it_in_every_state(void)
{
    static const struct {
        int status;
        const char *code;
    } want[] = { [GATHERING] = { 408, "request_timeout" },
                 [ASKED] = { 504, "upstream_timeout" },
                 [SENDING] = { 504, "upstream_timeout" } };

    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        if (stage == SENDING) { /* else the client would be too slow first */
            newest()->fills = true;
            EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
        }
        pass(stage == GATHERING ? 30001 : f.settings.request_timeout_ms);
        if (stage == ANSWERING)
            expect_so_far("a");
        else
            expect_refusal(want[stage].status, want[stage].code);
        expect_books(0, stage != GATHERING, 0);
        end_relays();
    }
}

/* Whether trying again may do the work twice is told by what the last one asked has. */
static void tells_whether_an_upstream_may_be_at_work(void)
{
    for (int i = 0; i < 4; i++) {
        begin_relays();
        send_small();
        newest()->is_sent = i & 1;
        if (i < 2)
            pass(f.settings.request_timeout_ms);
        else
            relay_end_all(&f.worker);
        expect_refusal(i < 2 ? 504 : 503, i < 2 ? "upstream_timeout" : "overloaded");
        EXPECT_INT(has(str_of(head()), "x-should-retry: false"), i & 1);
        end_relays();
    }
}

static void a_shutdown_ends_it_in_every_state(void)
{
    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        relay_end_all(&f.worker);
        http_server_refuse_rest(f.worker.server);
        if (stage == ANSWERING)
            expect_so_far("a");
        else
            expect_refusal(503, "overloaded");
        end_relays();
    }
}

static void refusals_of_the_server_are_told_apart(void)
{
    begin_relays();
    send_big();
    room();
    EXPECT(wire_feed_z(&f.w, "zz\r\n"));
    expect_refusal(400, NULL);
    expect_books(0, 1, 0);
    end_relays();
}

static const struct test suite[] = {
    { "a failure moves on while the body is here", a_failure_moves_on_while_the_body_is_here },
    { "a long body moves on only unsent", a_long_body_moves_on_only_unsent },
    { "a failure cuts an answer that has begun", a_failure_cuts_an_answer_that_has_begun },
    { "a write that fails ends it", a_write_that_fails_ends_it },
    { "a client that leaves ends it in every state", a_client_that_leaves_ends_it_in_every_state },
    { "the time limit ends it in every state", the_time_limit_ends_it_in_every_state },
    { "tells whether an upstream may be at work", tells_whether_an_upstream_may_be_at_work },
    { "a shutdown ends it in every state", a_shutdown_ends_it_in_every_state },
    { "refusals of the server are told apart", refusals_of_the_server_are_told_apart },
};

TEST_MAIN(suite)
