/* SPDX-License-Identifier: Apache-2.0 */
/* How long the server waits, and what it does with a body nobody wants. */
#include "server_test.h"

/* ---- deadlines ---- */

static void times_out_a_slow_head_and_a_slow_body(void)
{
    static const char *const rows[] = {
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        pass(20000);
        EXPECT(wire_feed_z(&f.w, rows[i]));
        pass(29999);
        EXPECT_INT(f.w.n, 0);
        pass(1);
        expect_status(408);
        EXPECT(!f.w.is_closed);
        pass(4999);
        EXPECT(!f.w.is_closed);
        pass(1);
        EXPECT(f.w.is_closed && !f.w.is_reset);
        end();
    }
}

static void counts_the_head_from_its_first_byte(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "GET / "));
    pass(29000);
    EXPECT(wire_feed_z(&f.w, "HTTP/"));
    pass(1000);
    expect_status(408);
    end();
}

static void counts_the_body_from_its_last_byte(void)
{
    static const char piece[30000];
    struct str rest = { piece, MAX_BODY - 3 * sizeof(piece) };

    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
    for (int i = 0; i < 3; i++) {
        EXPECT(wire_feed(&f.w, (struct str){ piece, sizeof(piece) }));
        pass(29000);
    }
    EXPECT(wire_feed(&f.w, rest));
    EXPECT_INT(f.held->body.n, MAX_BODY);
    reply_text(f.held, 200, "");
    end();
}

/* 30 s, and one more for each 1,024 bytes that came. */
static void times_out_a_body_that_trickles(void)
{
    static const struct {
        const char *in;
        int status;
        const char *piece; /* sent each 20 s */
        int64_t total_ms;  /* until it is over */
    } rows[] = {
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n", 408, "x", 30002 },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 408, "1\r\nx\r\n",
          30011 },
        { "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n", 401, "x", 30002 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        EXPECT(wire_feed_z(&f.w, rows[i].piece));
        pass(20000);
        EXPECT(wire_feed_z(&f.w, rows[i].piece));
        EXPECT_INT(f.w.n > 0, rows[i].status == 401);
        pass(rows[i].total_ms - 20000 - 2);
        EXPECT_INT(f.w.n > 0, rows[i].status == 401);
        EXPECT(!f.w.is_closed);
        pass(2);
        EXPECT_INT(f.w.is_closed, rows[i].status == 401);
        expect_status(rows[i].status);
        end();
    }
}

static void closes_idle_connections(void)
{
    begin_connected();
    pass(74999);
    EXPECT(wire_feed_z(&f.w, GET("/")));
    pass(74999);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    end();
}

static void waits_for_a_handler_without_end(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/hold")));
    EXPECT_INT(loop_timers(f.l), 0);
    pass(3600000);
    echo(f.held);
    expect_answer(HTTP_GET, 200, "GET /hold ");
    end();
}

static void resets_who_does_not_read(void)
{
    begin_connected();
    f.w.room = 10;
    EXPECT(wire_feed_z(&f.w, GET("/a")));
    EXPECT_INT(f.w.n, 10);
    pass(59999);
    wire_give_room(&f.w, 1);
    pass(59999);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_reset);
    EXPECT_INT(f.n_gone, 0);
    end();
}

static void resets_a_stream_nobody_reads(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    turn(f.l);
    f.w.room = 0;
    pass(100000);
    http_reply_write(f.held, STR("x"));
    turn(f.l);
    pass(30000);
    http_reply_write(f.held, STR("x"));
    turn(f.l);
    pass(29999);
    EXPECT_INT(f.n_gone, 0);
    pass(1);
    EXPECT_INT(f.n_gone, 1);
    EXPECT(f.w.is_reset);
    end();
}

/* ---- answers before the body ---- */

static void says_continue_only_if_the_body_is_wanted(void)
{
    static const struct {
        const char *in;
        int status;
        bool continues;
    } rows[] = {
        { "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0,
          true },
        { "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", 200,
          false },
        { "POST /deny HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
          401, false },
        { "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 999999\r\n\r\n",
          413, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        EXPECT_INT(has(wire_str(&f.w), "HTTP/1.1 100 Continue\r\n\r\n"), rows[i].continues);
        if (rows[i].continues) {
            wire_clear(&f.w);
            EXPECT(wire_feed_z(&f.w, "hi"));
            expect_answer(HTTP_POST, 200, "POST / hi");
        } else {
            EXPECT_INT(has(wire_str(&f.w), "connection: close"), rows[i].status != 200);
            expect_status(rows[i].status);
        }
        end();
    }
}

static void reads_a_small_body_away_after_an_early_answer(void)
{
    static const char *const bodies[] = {
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char in[256];
        snprintf(in, sizeof(in), "POST /deny HTTP/1.1\r\nHost: x\r\n%s" GET("/next"), bodies[i]);
        for (size_t cut = 1; cut < strlen(in); cut++) {
            struct str out;
            struct response r;
            begin_connected();
            EXPECT(wire_feed(&f.w, (struct str){ in, cut }));
            turn(f.l);
            EXPECT(wire_feed_z(&f.w, in + cut));
            out = wire_str(&f.w);
            EXPECT(response_read(&out, HTTP_POST, &r));
            EXPECT_INT(r.head.status, 401);
            EXPECT(http_value(&r.head, "connection").p == NULL);
            response_free(&r);
            EXPECT(response_read(&out, HTTP_GET, &r));
            EXPECT_Z(r.body, "GET /next ");
            response_free(&r);
            EXPECT_INT(f.n_requests, 1);
            end();
        }
    }
}

static void closes_after_an_early_answer_to_a_large_body(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc"));
    EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
    expect_status(401);
    EXPECT(!f.w.is_closed);
    EXPECT(wire_feed_z(&f.w, "more"));
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    EXPECT(f.w.is_closed && !f.w.is_reset);
    end();
}

/* A reset would take the answer from a client that is still sending. */
static void lingers_while_bytes_come_but_not_for_ever(void)
{
    static const struct {
        int64_t step_ms;
        int steps; /* that it is still open after */
    } rows[] = { { 4999, 6 }, { 3000, 9 }, { 5000, 0 } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(
            wire_feed_z(&f.w, "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n"));
        for (int step = 0; step < rows[i].steps; step++) {
            pass(rows[i].step_ms);
            EXPECT(wire_feed_z(&f.w, "x"));
        }
        pass(rows[i].step_ms);
        EXPECT(f.w.is_closed && !f.w.is_reset);
        end();
    }
}

/* Sends to who lingers until it has enough; returns how much it took. */
static size_t flood(size_t most)
{
    static char more[10000];
    size_t n = 0;

    while (n < most && wire_feed(&f.w, (struct str){ more, sizeof(more) }) && !f.w.is_closed)
        n += sizeof(more);
    return n;
}

static void drops_what_was_announced_or_a_bound_and_keeps_nothing(void)
{
    static const struct {
        const char *in;
        size_t most; /* that is taken */
    } rows[] = {
        { "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", LINGER_BYTES },
        { "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", 900000 },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", 900000 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        EXPECT(has(wire_str(&f.w), "connection: close"));
        turn(f.l);
        EXPECT_INT(flood(rows[i].most), rows[i].most);
        EXPECT(!f.w.is_closed);
        EXPECT_INT(mem_budget_used(), 0);
        EXPECT(wire_feed_z(&f.w, "x"));
        EXPECT(f.w.is_reset);
        end();
    }
}

static void drops_endless_chunks_no_longer_than_a_bound(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /deny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "1000000\r\n"));
    EXPECT(!has(wire_str(&f.w), "connection: close"));
    EXPECT_INT(flood(70000), 70000);
    pass(4999);
    EXPECT(!f.w.is_closed);
    EXPECT_INT(flood(LINGER_BYTES), LINGER_BYTES);
    EXPECT(wire_feed_z(&f.w, "x"));
    EXPECT(f.w.is_reset);
    end();
}

static void keeps_the_connection_after_a_body_of_just_the_bound(void)
{
    static char body[65536];

    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n"));
    expect_answer(HTTP_POST, 401, "no");
    EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
    EXPECT(wire_feed_z(&f.w, GET("/next")));
    expect_answer(HTTP_GET, 200, "GET /next ");
    end();
}

static void streams_an_early_answer(void)
{
    begin_connected();
    EXPECT(
        wire_feed_z(&f.w, "POST /deny-stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"));
    turn(f.l);
    EXPECT(wire_feed_z(&f.w, "llo" GET("/next")));
    http_reply_write(f.held, STR("way"));
    http_reply_end(f.held);
    expect_answer(HTTP_POST, 403, "no way");
    turn(f.l);
    expect_answer(HTTP_GET, 200, "GET /next ");
    end();
}

static const struct test suite[] = {
    { "times out a slow head and a slow body", times_out_a_slow_head_and_a_slow_body },
    { "counts the head from its first byte", counts_the_head_from_its_first_byte },
    { "counts the body from its last byte", counts_the_body_from_its_last_byte },
    { "times out a body that trickles", times_out_a_body_that_trickles },
    { "closes idle connections", closes_idle_connections },
    { "waits for a handler without end", waits_for_a_handler_without_end },
    { "resets who does not read", resets_who_does_not_read },
    { "resets a stream nobody reads", resets_a_stream_nobody_reads },
    { "says continue only if the body is wanted", says_continue_only_if_the_body_is_wanted },
    { "reads a small body away after an early answer",
      reads_a_small_body_away_after_an_early_answer },
    { "closes after an early answer to a large body",
      closes_after_an_early_answer_to_a_large_body },
    { "lingers while bytes come, but not for ever", lingers_while_bytes_come_but_not_for_ever },
    { "drops what was announced or a bound, and keeps nothing",
      drops_what_was_announced_or_a_bound_and_keeps_nothing },
    { "drops endless chunks no longer than a bound", drops_endless_chunks_no_longer_than_a_bound },
    { "keeps the connection after a body of just the bound",
      keeps_the_connection_after_a_body_of_just_the_bound },
    { "streams an early answer", streams_an_early_answer },
};

TEST_MAIN(suite)
