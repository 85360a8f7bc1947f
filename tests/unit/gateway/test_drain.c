/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's share from its start to its end: what runs is finished, what does not end in time is
 * told so, and the parts go in the order in which they stand on each other. */
#include "flow.h"

/* ---- exchange_end_all ---- */

/* Where an exchange stands, and what its client hears when all are ended. */
static const struct ended {
    const char *body;
    enum provider_phase phase;
    bool has_text;
    bool is_finished;
    const char *want;
} ended[] = {
    { WHOLE, PHASE_UNSENT, false, false, "HTTP/1.1 503 " },
    { STREAM, PHASE_UNSENT, false, false, "HTTP/1.1 503 " },
    { WHOLE, PHASE_ACCEPTED, true, false, "x-should-retry: false\r\n" },
    { STREAM, PHASE_ACCEPTED, false, false, "x-should-retry: false\r\n" },
    { STREAM, PHASE_ANSWERING, true, false, "The gateway is shutting down" },
    { WHOLE, PHASE_ANSWERING, true, true, "\"finish_reason\":\"stop\"" },
    { STREAM, PHASE_ANSWERING, true, true, DONE },
};

static void open_ended(struct wire *w, const struct ended *e)
{
    open_wire(w);
    ask_on(w, e->body);
    phase(e->phase);
    if (e->has_text)
        text("x");
    if (e->is_finished)
        finish(CHAT_FINISH_STOP);
}

static void ends_each_exchange_as_its_state_allows(void)
{
    struct wire wires[COUNT_OF(ended)];

    begin();
    for (size_t i = 0; i < COUNT_OF(ended); i++)
        open_ended(&wires[i], &ended[i]);
    turn(f.l);
    exchange_end_all(&f.worker);
    EXPECT(list_is_empty(&f.worker.exchanges));
    turn(f.l);
    for (size_t i = 0; i < COUNT_OF(ended); i++) {
        struct str in = wire_str(&wires[i]);

        EXPECT_INT(f.calls[i].n_releases, 1);
        EXPECT(has(in, ended[i].want));
        EXPECT_INT(has(in, "\"code\":\"overloaded\""), !ended[i].is_finished);
        EXPECT_INT(has(in, "retry-after: 1\r\n"), has(in, "HTTP/1.1 503 "));
        EXPECT(hear(&in, HTTP_POST));
        wire_end(&wires[i], ERR_CLOSED);
        wire_free(&wires[i]);
    }
    expect_books(2, COUNT_OF(ended) - 2, 0);
    end();
}

static void ends_no_exchange_when_there_is_none(void)
{
    begin();
    exchange_end_all(&f.worker);
    ask(WHOLE);
    finish(CHAT_FINISH_STOP);
    settled();
    exchange_end_all(&f.worker);
    expect_books(1, 0, 0);
    end();
}

/* ---- workers ---- */

static void begin_worker(const char *const *overrides)
{
    uint16_t port;

    begin_gateway(overrides, NULL);
    f.gateway.listen_fd = listen_loopback(&port);
    f.gateway.store = store_memory_new(10);
    gateway_worker_start(&f.worker, f.l);
    EXPECT(f.worker.view->instances[0] == &f.instances[0]);
    open_wire(&f.w);
}

/* SIGTERM. */
static void stop(void)
{
    atomic_store(&f.gateway.draining, true);
    gateway_worker_stop(&f.worker, f.l);
    turn(f.l);
}

static void expect_stopped(void)
{
    turn(f.l);
    EXPECT(f.worker.served);
    EXPECT_INT(f.instances[0].n_detaches, 1);
    expect_quiet(0);
    store_close(f.gateway.store);
    close(f.gateway.listen_fd);
    end_gateway();
}

static void stops_at_once_when_nobody_is_connected(void)
{
    begin_worker(NULL);
    wire_end(&f.w, ERR_CLOSED);
    turn(f.l);
    stop();
    expect_stopped();
}

static void closes_idle_clients_after_a_moment(void)
{
    begin_worker(NULL);
    stop();
    EXPECT(!f.worker.served);
    pass(HTTP_DRAIN_GRACE_MS);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_stopped();
}

static void finishes_what_runs_and_then_stops(void)
{
    begin_worker(NULL);
    ask(STREAM);
    text("x");
    stop();
    pass(KEEPALIVE_MS - 1);
    text("y");
    finish(CHAT_FINISH_STOP);
    settled();
    pass(HTTP_DRAIN_GRACE_MS);
    expect_whole(ROLE SAID("x") SAID("y") CLOSED("stop") DONE);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_books(1, 0, 0);
    expect_stopped();
}

static void ends_what_is_not_done_in_time(void)
{
    begin_worker((const char *const[]){ "SHUTDOWN_TIMEOUT=3", NULL });
    ask(STREAM);
    text("x");
    stop();
    pass(2999);
    EXPECT_INT(call()->state, CALL_RUNS);
    pass(1);
    EXPECT_INT(call()->n_releases, 1);
    expect_broken_off("overloaded");
    EXPECT(!f.worker.served);
    pass(HTTP_DRAIN_GRACE_MS);
    EXPECT(f.w.is_closed);
    expect_books(0, 1, 0);
    expect_stopped();
}

/* A client that is slow to read gets a whole answer that was made in time. */
static void lets_a_complete_answer_leave(void)
{
    begin_worker((const char *const[]){ "SHUTDOWN_TIMEOUT=3", NULL });
    ask(STREAM);
    f.w.room = 0;
    text("x");
    stop();
    finish(CHAT_FINISH_STOP);
    settled();
    pass(3000);
    pass(4800);
    EXPECT(!f.w.is_closed);
    wire_give_room(&f.w, SIZE_MAX);
    expect_whole(ROLE SAID("x") CLOSED("stop") DONE);
    pass(HTTP_DRAIN_GRACE_MS);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_books(1, 0, 0);
    expect_stopped();
}

static void refuses_what_is_half_sent(void)
{
    static const char *const halves[] = {
        "POST /v1/chat/comp",
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    };

    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        begin_worker((const char *const[]){ "SHUTDOWN_TIMEOUT=3", NULL });
        EXPECT(wire_feed_z(&f.w, halves[i]));
        stop();
        pass(2999);
        EXPECT_INT(f.w.n, 0);
        pass(1);
        EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
        expect_refusal(503, "overloaded");
        EXPECT(wire_end(&f.w, ERR_CLOSED));
        EXPECT(f.w.is_closed && !f.w.is_reset);
        expect_stopped();
    }
}

/* Who does not read even that is cut off some seconds later. */
static void cuts_off_a_client_that_does_not_read(void)
{
    begin_worker((const char *const[]){ "SHUTDOWN_TIMEOUT=3", NULL });
    ask(STREAM);
    f.w.room = 0;
    text("x");
    stop();
    pass(3000);
    pass(4999);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_reset);
    expect_stopped();
}

/* Clients that keep asking on one connection do not keep a gateway alive. */
static void refuses_new_work_while_it_drains(void)
{
    begin_worker(NULL);
    ask(STREAM);
    text("x");
    stop();
    ask(WHOLE);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    EXPECT_INT(f.n_calls, 1);
    EXPECT(has(wire_str(&f.w), DONE));
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 503 "));
    EXPECT(has(wire_str(&f.w), "\"code\":\"overloaded\""));
    EXPECT(has(wire_str(&f.w), "retry-after: 1\r\n"));
    pass(1000); /* for the body that nobody wants */
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_books(1, 0, 0);
    expect_stopped();
}

/* Another process has the socket: who kept a connection to this one is served on it once more. */
static void serves_who_comes_late_when_another_goes_on(void)
{
    begin_worker(NULL);
    f.gateway.is_handed_on = f.gateway.has_next = true;
    stop();
    pass(4999); /* it may be idle for longer than in an end */
    EXPECT(!f.w.is_closed);
    ask(WHOLE);
    text("x");
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 200 "));
    EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
    turn(f.l);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_books(1, 0, 0);
    expect_stopped();
}

/* Readiness and health are asked for while it drains. */
static void still_says_how_it_is_while_it_drains(void)
{
    begin_worker(NULL);
    stop();
    EXPECT(wire_feed_z(&f.w, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 200 OK\r\n"));
    EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
    EXPECT(f.w.is_closed);
    expect_stopped();
}

static const struct test suite[] = {
    { "ends each exchange as its state allows", ends_each_exchange_as_its_state_allows },
    { "ends no exchange when there is none", ends_no_exchange_when_there_is_none },
    { "stops at once when nobody is connected", stops_at_once_when_nobody_is_connected },
    { "closes idle clients after a moment", closes_idle_clients_after_a_moment },
    { "finishes what runs and then stops", finishes_what_runs_and_then_stops },
    { "ends what is not done in time", ends_what_is_not_done_in_time },
    { "lets a complete answer leave", lets_a_complete_answer_leave },
    { "refuses what is half sent", refuses_what_is_half_sent },
    { "cuts off a client that does not read", cuts_off_a_client_that_does_not_read },
    { "refuses new work while it drains", refuses_new_work_while_it_drains },
    { "serves who comes late when another goes on", serves_who_comes_late_when_another_goes_on },
    { "still says how it is while it drains", still_says_how_it_is_while_it_drains },
};

TEST_MAIN(suite)
