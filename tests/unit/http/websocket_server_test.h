/* SPDX-License-Identifier: Apache-2.0 */
/* A server that takes every request for a WebSocket handshake, and one wire to it. */
#pragma once

#include "websocket_test.h"

enum { MAX_MESSAGE = 1000 };

static struct {
    struct loop *l;
    struct http_server *s;
    struct wire w;
    size_t max_message;
    enum err accepted;
} f;

static struct frames in;

static inline void on_request(void *arg, struct http_request *r)
{
    (void)arg;
    f.accepted = websocket_accept(r, f.max_message, &ws_telling, NULL, &told.ws);
}

static inline void write_error(void *arg, const struct http_request *r, int status,
                               const char *what, struct buf *out)
{
    (void)arg;
    (void)r;
    EXPECT(buf_addf(out, "%d %s", status, what) == ERR_NONE);
}

static const struct http_service service = { .on_request = on_request, .write_error = write_error };

#define HANDSHAKE                                                                              \
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

static inline void begin(void)
{
    struct http_server_limits limits;

    memset(&f, 0, sizeof(f));
    memset(&told, 0, sizeof(told));
    in.n = 0;
    f.max_message = MAX_MESSAGE;
    f.l = loop_new();
    loop_clock_set(f.l, 1000);
    http_server_limits_default(&limits);
    f.s = http_server_new(f.l, &service, NULL, &limits);
    wire_open(&f.w, f.l);
    http_server_accept(f.s, f.w.conn);
}

static inline void begin_open(void)
{
    begin();
    EXPECT(wire_feed_z(&f.w, HANDSHAKE));
    turn(f.l);
    EXPECT_INT(f.accepted, ERR_NONE);
    EXPECT(told.ws != NULL);
    wire_clear(&f.w);
}

static inline void end(void)
{
    if (told.ws)
        websocket_abort(told.ws, false);
    turn(f.l);
    EXPECT(f.w.is_closed);
    http_server_free(f.s);
    turn(f.l);
    wire_free(&f.w);
    expect_nothing_left(f.l);
    loop_free(f.l);
}

static inline void pass(int64_t ms)
{
    loop_clock_set(f.l, loop_now_ms(f.l) + ms);
    turn(f.l);
}

static inline struct str fed(void)
{
    return (struct str){ in.p, in.n };
}

/* The one frame that was sent. */
static inline struct frame expect_frame(unsigned first)
{
    static struct frame frame;
    struct str out;

    turn(f.l);
    out = wire_str(&f.w);
    EXPECT(take_frame(&out, &frame));
    EXPECT_INT(frame.first, first);
    EXPECT(!frame.masked);
    EXPECT_INT(out.n, 0);
    wire_clear(&f.w);
    return frame;
}

struct piece {
    unsigned first;
    const char *payload;
};

/* A payload in the table ends at its NUL, except that a lone close frame has none. */
static inline void add_pieces(const struct piece *pieces, size_t n)
{
    in.n = 0;
    for (size_t i = 0; i < n && pieces[i].payload; i++)
        add_frame(&in, pieces[i].first, true, str_of(pieces[i].payload));
}
