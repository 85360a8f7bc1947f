/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed answers: what leaves when, and what waits for a slow reader. */
#include "server_test.h"

/* ---- streams ---- */

static void sends_one_chunk_a_turn(void)
{
    struct response r;
    struct str in;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    http_reply_write(f.held, STR("a"));
    http_reply_write(f.held, STR(""));
    http_reply_write(f.held, STR("b"));
    EXPECT_INT(f.w.n_writes, 0);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 1);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 1);
    EXPECT(buf_add(http_reply_buf(f.held), STR("c")) == ERR_NONE);
    http_reply_written(f.held);
    EXPECT(buf_add(http_reply_buf(f.held), STR("d")) == ERR_NONE);
    http_reply_written(f.held);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 2);
    http_reply_buf(f.held);
    http_reply_written(f.held);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 2);
    http_reply_write(f.held, STR("e"));
    http_reply_end(f.held);
    EXPECT_INT(f.w.n_writes, 3);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_GET, &r));
    EXPECT_Z(r.body, "abcde");
    EXPECT_INT(r.n_chunks, 3);
    EXPECT(r.is_whole && in.n == 0);
    EXPECT_STR(http_value(&r.head, "transfer-encoding"), "chunked");
    response_free(&r);
    end();
}

static void sends_a_short_stream_in_one_write(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    http_reply_write(f.held, STR("all"));
    http_reply_end(f.held);
    EXPECT_INT(f.w.n_writes, 1);
    expect_answer(HTTP_GET, 200, "all");
    turn(f.l);
    EXPECT_INT(f.w.n, 0);
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    http_reply_end(f.held);
    EXPECT_INT(f.w.n_writes, 1);
    expect_answer(HTTP_GET, 200, "");
    end();
}

static void end_it(void *arg)
{
    http_reply_end(arg);
}

static void sends_the_end_with_the_bytes_of_its_turn(void)
{
    struct task ends;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    turn(f.l);
    wire_clear(&f.w);
    http_reply_write(f.held, STR("all"));
    task_init(&ends, end_it, f.held);
    loop_defer(f.l, &ends);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 1);
    end();
}

static void streams_nothing_to_a_head_request(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    http_reply_write(f.held, STR("abc"));
    turn(f.l);
    http_reply_write(f.held, STR("def"));
    http_reply_end(f.held);
    expect_answer(HTTP_HEAD, 200, "");
    EXPECT(wire_feed_z(&f.w, GET("/x")));
    expect_answer(HTTP_GET, 200, "GET /x ");
    end();
}

static void streams_until_close_in_http_1_0(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    http_reply_write(f.held, STR("abc"));
    turn(f.l);
    http_reply_write(f.held, STR("def"));
    http_reply_end(f.held);
    EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
    EXPECT(!has(wire_str(&f.w), "chunked"));
    EXPECT(has(wire_str(&f.w), "\r\n\r\nabcdef"));
    EXPECT(f.w.is_closed && !f.w.is_reset);
    end();
}

static void cuts_an_aborted_stream(void)
{
    static const struct {
        const char *in;
        bool reset;
    } rows[] = {
        { GET("/stream"), false },
        { "GET /stream HTTP/1.0\r\n\r\n", true },
        { GET("/hold"), true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        if (i < 2)
            http_reply_write(f.held, STR("abc"));
        http_reply_abort(f.held);
        EXPECT(f.w.is_closed);
        EXPECT_INT(f.w.is_reset, rows[i].reset);
        EXPECT_INT(f.n_gone, 0);
        EXPECT(!has(wire_str(&f.w), "\r\n0\r\n\r\n"));
        end();
    }
}

static void bounds_what_waits_for_a_slow_reader(void)
{
    char text[100];

    memset(text, 'x', sizeof(text));
    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    turn(f.l);
    f.w.room = 0;
    for (int i = 0; i < 9; i++) {
        http_reply_write(f.held, (struct str){ text, sizeof(text) });
        turn(f.l);
        EXPECT(!http_reply_is_full(f.held));
    }
    http_reply_write(f.held, (struct str){ text, sizeof(text) });
    http_reply_write(f.held, (struct str){ text, sizeof(text) });
    EXPECT(http_reply_is_full(f.held));
    wire_give_room(&f.w, 500);
    EXPECT(http_reply_is_full(f.held));
    EXPECT_INT(f.n_drains, 0);
    wire_give_room(&f.w, 200);
    EXPECT(!http_reply_is_full(f.held));
    EXPECT_INT(f.n_drains, 1);
    wire_give_room(&f.w, SIZE_MAX);
    EXPECT_INT(f.n_drains, 1);
    wire_clear(&f.w);
    EXPECT(wire_feed_z(&f.w, "")); /* still there */
    http_reply_end(f.held);
    EXPECT_STR(wire_str(&f.w), "0\r\n\r\n");
    end();
}

static void sends_a_slow_stream_whole(void)
{
    char want[2001];
    struct response r;
    struct str in;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/stream")));
    f.w.room = 3;
    for (int i = 0; i < 500; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%04d", i);
        memcpy(want + (size_t)i * 4, text, 5);
        http_reply_write(f.held, str_of(text));
        turn(f.l);
        wire_give_room(&f.w, 3);
    }
    http_reply_end(f.held);
    while (f.w.n < 2500 || f.w.room == 0)
        wire_give_room(&f.w, 7);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_GET, &r));
    EXPECT_INT(r.n, 2000);
    EXPECT(r.is_whole && in.n == 0);
    EXPECT_Z(r.body, want);
    response_free(&r);
    EXPECT(wire_feed_z(&f.w, GET("/hold")));
    end();
}

static void keeps_pipelined_requests_until_the_answer_left(void)
{
    begin_connected();
    f.w.room = 20;
    EXPECT(wire_feed_z(&f.w, GET("/1") GET("/2")));
    turn(f.l);
    EXPECT_INT(f.n_requests, 1);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT_INT(f.n_requests, 2);
    EXPECT(has(wire_str(&f.w), "GET /1 HTTP/1.1 200 OK\r\n"));
    end();
}

static void end_in_drain(struct http_request *r)
{
    http_reply_end(r);
}

static void abort_in_drain(struct http_request *r)
{
    http_reply_abort(r);
}

static void write_in_drain(struct http_request *r)
{
    if (f.n_drains < 100)
        http_reply_write(r, (struct str){ (char[2000]){ 0 }, 2000 });
    else
        http_reply_end(r);
}

static void may_be_ended_from_inside_on_drain(void)
{
    static void (*const rows[])(struct http_request *) = { end_in_drain, abort_in_drain,
                                                           write_in_drain };
    char text[2000];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, GET("/stream")));
        f.on_drain = rows[i];
        http_reply_write(f.held, (struct str){ text, sizeof(text) });
        EXPECT(http_reply_is_full(f.held));
        for (int k = 0; k < 20; k++)
            turn(f.l);
        EXPECT_INT(f.n_drains, i == 2 ? 100 : 1);
        EXPECT_INT(f.w.is_closed, i == 1);
        EXPECT_INT(f.n_gone, 0);
        end();
    }
}

static const struct test suite[] = {
    { "sends one chunk a turn", sends_one_chunk_a_turn },
    { "sends a short stream in one write", sends_a_short_stream_in_one_write },
    { "sends the end with the bytes of its turn", sends_the_end_with_the_bytes_of_its_turn },
    { "streams nothing to a HEAD request", streams_nothing_to_a_head_request },
    { "streams until close in HTTP/1.0", streams_until_close_in_http_1_0 },
    { "cuts an aborted stream", cuts_an_aborted_stream },
    { "bounds what waits for a slow reader", bounds_what_waits_for_a_slow_reader },
    { "sends a slow stream whole", sends_a_slow_stream_whole },
    { "keeps pipelined requests until the answer left",
      keeps_pipelined_requests_until_the_answer_left },
    { "may be ended from inside on_drain", may_be_ended_from_inside_on_drain },
};

TEST_MAIN(suite)
