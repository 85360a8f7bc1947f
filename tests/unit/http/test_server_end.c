/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that leave, servers that drain, connections handed over, memory that runs out. */
#include "server_test.h"

/* ---- clients that leave ---- */

static void tells_that_the_client_left(void)
{
    static const struct {
        const char *in;
        enum err err;
    } rows[] = {
        { GET("/hold"), ERR_CLOSED },
        { GET("/hold"), ERR_RESET },
        { GET("/stream"), ERR_CLOSED },
        { GET("/stream"), ERR_RESET },
        { GET("/hold") GET("/2"), ERR_CLOSED },
        { "POST /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", ERR_CLOSED },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        turn(f.l);
        EXPECT(wire_end(&f.w, rows[i].err));
        EXPECT_INT(f.n_gone, 1);
        EXPECT(f.w.is_closed);
        EXPECT_INT(http_server_connections(f.s), 0);
        end();
        EXPECT_INT(f.n_gone, 1);
    }
}

static void tells_that_writing_failed(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    turn(f.l);
    f.w.broken = ERR_RESET;
    http_reply_write(f.held, STR("x"));
    EXPECT_INT(f.n_gone, 0);
    turn(f.l);
    EXPECT_INT(f.n_gone, 1);
    EXPECT(f.w.is_reset);
    end();
}

static void closes_when_the_last_write_failed(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/hold")));
    f.w.broken = ERR_RESET;
    reply_text(f.held, 200, "x");
    EXPECT(f.w.is_closed);
    EXPECT_INT(f.n_gone, 0);
    end();
}

static void finishes_an_answer_for_a_client_that_closed_its_half(void)
{
    static const struct {
        const char *in;
        int status;
    } rows[] = {
        { GET("/a"), 200 },
        { "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc", 401 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        f.w.room = 20;
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        EXPECT(wire_end(&f.w, ERR_CLOSED));
        EXPECT(!f.w.is_closed);
        wire_give_room(&f.w, SIZE_MAX);
        EXPECT(f.w.is_closed && !f.w.is_reset);
        expect_status(rows[i].status);
        end();
    }
}

static void tells_when_the_server_answers_itself(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"));
    pass(30000);
    EXPECT_INT(f.n_gone, 1);
    end();
    EXPECT_INT(f.n_gone, 1);
}

static void tells_when_the_server_is_freed(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    end();
    EXPECT_INT(f.n_gone, 1);
    EXPECT(f.w.is_reset);
}

/* The server goes while its own connection is on the stack. */
static void free_server(void *arg)
{
    (void)arg;
    http_server_free(f.s);
    f.s = NULL;
}

static void may_be_freed_from_inside_a_callback(void)
{
    for (int how = 0; how < 3; how++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, "POST /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"));
        f.held->on_gone = free_server;
        if (how == 2)
            http_server_refuse_rest(f.s);
        else if (how == 1)
            pass(30000);
        else
            EXPECT(wire_end(&f.w, ERR_CLOSED));
        EXPECT(f.s == NULL);
        EXPECT(f.w.is_closed);
        end();
    }
}

static void sees_a_socket_close_within_a_turn(void)
{
    static const bool resets[] = { false, true };

    for (size_t i = 0; i < COUNT_OF(resets); i++) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };
        int client;
        int accepted;
        begin();
        tcp_pair(&client, &accepted);
        set_nonblocking(accepted);
        http_server_accept(f.s, conn_new(f.l, accepted));
        write_all(client, GET("/hold"), strlen(GET("/hold")));
        while (!f.held)
            run_turn(f.l);
        if (resets[i])
            setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(client);
        run_turn(f.l);
        EXPECT_INT(f.n_gone, 1);
        end();
    }
}

/* ---- draining ---- */

static void drains(void)
{
    struct wire busy;
    struct wire late;

    begin_connected();
    open_wire(&busy);
    open_wire(&late);
    EXPECT(wire_feed_z(&busy, GET("/hold") GET("/2")));
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    EXPECT(!f.w.is_closed);
    EXPECT(wire_feed_z(&late, GET("/late")));
    EXPECT(has(wire_str(&late), "connection: close\r\n"));
    EXPECT(late.is_closed);
    pass(HTTP_DRAIN_GRACE_MS - 1);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    EXPECT_INT(f.n_drained, 0);
    EXPECT(!busy.is_closed);
    echo(f.held);
    EXPECT(has(wire_str(&busy), "connection: close\r\n"));
    pass(1000);
    EXPECT(busy.is_closed);
    EXPECT_INT(f.n_requests, 2);
    EXPECT_INT(f.n_drained, 1);
    end();
    wire_free(&busy);
    wire_free(&late);
}

/* Around the world: what the last answer before the drain leads to comes a round trip later. */
static void serves_who_is_a_round_trip_behind_when_a_drain_begins(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/1")));
    expect_answer(HTTP_GET, 200, "GET /1 ");
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    pass(300);
    EXPECT(!f.w.is_closed);
    EXPECT(wire_feed_z(&f.w, GET("/2")));
    EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
    EXPECT(f.w.is_closed && !f.w.is_reset);
    EXPECT_INT(f.n_requests, 2);
    end();
}

static void refuses_the_rest_of_a_drain(void)
{
    static const char *const halves[] = {
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
        "POST /watched HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
        GET("/hold"),
    };
    struct wire w[COUNT_OF(halves)];

    begin();
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        open_wire(&w[i]);
        EXPECT(wire_feed_z(&w[i], halves[i]));
    }
    w[1].broken = ERR_RESET;
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    http_server_refuse_rest(f.s);
    EXPECT_INT(f.n_gone, 1);
    EXPECT(w[1].is_reset);
    for (size_t i = 0; i < COUNT_OF(halves); i += 2) {
        EXPECT_INT(has(wire_str(&w[i]), "HTTP/1.1 503 "), i < 3);
        EXPECT(!w[i].is_closed);
    }
    EXPECT_INT(w[3].n, 0);
    pass(999);
    EXPECT(!w[0].is_closed && !w[2].is_closed);
    pass(1); /* a server that drains lingers no longer */
    EXPECT(w[0].is_closed && !w[0].is_reset && w[2].is_closed && !w[3].is_closed);
    end();
    for (size_t i = 0; i < COUNT_OF(halves); i++)
        wire_free(&w[i]);
}

static void drains_at_once_without_connections(void)
{
    begin();
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    EXPECT_INT(f.n_drained, 0);
    turn(f.l);
    EXPECT_INT(f.n_drained, 1);
    end();
}

static void closes_kept_streams_after_a_drain_began(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    turn(f.l);
    http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
    http_reply_end(f.held);
    pass(HTTP_DRAIN_GRACE_MS - 1);
    EXPECT(!f.w.is_closed);
    pass(1);
    EXPECT(f.w.is_closed);
    EXPECT_INT(f.n_drained, 1);
    end();
}

/* ---- the rest ---- */

static void hands_the_connection_over(void)
{
    static const char in[] = GET("/take") "frames";

    for (size_t cut = sizeof(GET("/take")) - 1; cut < sizeof(in); cut++) {
        begin_connected();
        EXPECT(wire_feed(&f.w, (struct str){ in, cut }));
        EXPECT_STR(wire_str(&f.w), "HTTP/1.1 101 X\r\n\r\n");
        EXPECT_INT(strlen(f.rest), cut - (sizeof(GET("/take")) - 1));
        EXPECT_INT(http_server_connections(f.s), 0);
        EXPECT(f.w.is_closed);
        end();
    }
}

static void hands_over_what_came_meanwhile(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/hold")));
    EXPECT(wire_feed_z(&f.w, "fra"));
    EXPECT(wire_feed_z(&f.w, "mes"));
    take_over(f.held);
    EXPECT_Z(f.rest, "frames");
    EXPECT_INT(f.n_gone, 0);
    end();
}

static void counts_bytes_both_ways(void)
{
    int64_t in = metric_get(METRIC_BYTES_IN);
    int64_t out = metric_get(METRIC_BYTES_OUT);

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/hold")));
    http_reply_begin(f.held, 200, NULL, 0);
    http_reply_write(f.held, STR("abc"));
    turn(f.l);
    http_reply_end(f.held);
    EXPECT_INT(metric_get(METRIC_BYTES_IN) - in, strlen(GET("/hold")));
    EXPECT_INT(metric_get(METRIC_BYTES_OUT) - out, f.w.n);
    end();
}

static void holds_no_buffers_while_idle(void)
{
    struct response r;
    struct str in;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "5\r\nhello\r\n0\r\n\r\n"));
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    http_reply_write(f.held, STR("abc"));
    turn(f.l);
    http_reply_end(f.held);
    turn(f.l);
    EXPECT_INT(mem_budget_used(), 0);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_GET, &r));
    response_free(&r);
    end();
}

/* A whole body of 8 MiB through a socket, whose reader is slow to start. */
static void sends_large_answers_through_a_socket(void)
{
    size_t size = (size_t)8 << 20;
    char *body = calloc(1, size);
    static char room[65536];
    size_t got = 0;
    int client;
    int accepted;

    EXPECT(body != NULL);
    begin();
    tcp_pair(&client, &accepted);
    set_nonblocking(accepted);
    set_nonblocking(client);
    http_server_accept(f.s, conn_new(f.l, accepted));
    write_all(client, GET("/hold"), strlen(GET("/hold")));
    while (!f.held)
        run_turn(f.l);
    http_reply(f.held, 200, NULL, 0, (struct str){ body, size });
    free(body);
    while (got < size) {
        ssize_t n = recv(client, room, sizeof(room), 0);
        if (n > 0)
            got += (size_t)n;
        else
            run_turn(f.l);
    }
    EXPECT(got < size + 1000);
    close(client);
    end();
}

static void survives_every_failed_allocation(void)
{
    static const char in[] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "5\r\nhello\r\n0\r\n\r\n" GET("/stream");
    bool is_clean = false;

    for (uint64_t n = 1; !is_clean; n++) {
        begin_connected();
        mem_fail_nth(n);
        for (const char *p = in; *p; p++)
            wire_feed(&f.w, (struct str){ p, 1 });
        for (int i = 0; i < 3 && f.held; i++) {
            http_reply_write(f.held, STR("some text"));
            turn(f.l);
        }
        if (f.held)
            http_reply_end(f.held);
        mem_fail_nth(0);
        is_clean = !f.w.is_closed && has(wire_str(&f.w), "POST / hello") &&
                   str_ends(wire_str(&f.w), STR("\r\n0\r\n\r\n"));
        end();
        EXPECT(n < 1000);
    }
}

static const struct test suite[] = {
    { "tells that the client left", tells_that_the_client_left },
    { "tells that writing failed", tells_that_writing_failed },
    { "closes when the last write failed", closes_when_the_last_write_failed },
    { "finishes an answer for a client that closed its half",
      finishes_an_answer_for_a_client_that_closed_its_half },
    { "tells when the server answers itself", tells_when_the_server_answers_itself },
    { "tells when the server is freed", tells_when_the_server_is_freed },
    { "may be freed from inside a callback", may_be_freed_from_inside_a_callback },
    { "sees a socket close within a turn", sees_a_socket_close_within_a_turn },
    { "drains", drains },
    { "serves who is a round trip behind when a drain begins",
      serves_who_is_a_round_trip_behind_when_a_drain_begins },
    { "refuses the rest of a drain", refuses_the_rest_of_a_drain },
    { "drains at once without connections", drains_at_once_without_connections },
    { "closes kept streams after a drain began", closes_kept_streams_after_a_drain_began },
    { "hands the connection over", hands_the_connection_over },
    { "hands over what came meanwhile", hands_over_what_came_meanwhile },
    { "counts bytes both ways", counts_bytes_both_ways },
    { "holds no buffers while idle", holds_no_buffers_while_idle },
    { "sends large answers through a socket", sends_large_answers_through_a_socket },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
