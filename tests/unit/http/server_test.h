/* SPDX-License-Identifier: Apache-2.0 */
/* A server with small limits on a loop whose clock is turned by hand, and a service that the path
 * tells what to do. */
#pragma once

#include "http/server.h"

#include "http_test.h"

enum { MAX_HEAD = 1024, MAX_BODY = 100000, MAX_BUFFERED = 1000, LINGER_BYTES = 150000 };

/* ---- a service that is told by the path what to do ---- */

static struct server_fixture {
    struct loop *l;
    struct http_server *s;
    struct wire w;
    struct http_request *held; /* not answered yet */
    void (*on_drain)(struct http_request *r);
    unsigned n_heads;
    unsigned n_requests;
    unsigned n_gone;
    unsigned n_drains;
    unsigned n_drained;
    char rest[64];
} f;

static const struct http_header text_type = { { "content-type", 12 }, { "text/plain", 10 } };

static inline bool is_path(const struct http_request *r, const char *path)
{
    return str_eq(r->head.path, str_of(path));
}

static inline void on_gone(void *arg)
{
    f.n_gone++;
    /* What a service may still do, and must not matter. */
    http_reply_abort(arg);
    f.held = NULL;
}

static inline void on_drain(void *arg)
{
    f.n_drains++;
    if (f.on_drain)
        f.on_drain(arg);
}

static inline void hold(struct http_request *r)
{
    r->on_gone = on_gone;
    r->on_drain = on_drain;
    r->arg = r;
    f.held = r;
}

static inline void reply_text(struct http_request *r, int status, const char *text)
{
    http_reply(r, status, &text_type, 1, str_of(text));
}

static inline void on_head(void *arg, struct http_request *r, size_t *max_body)
{
    (void)arg;
    f.n_heads++;
    if (is_path(r, "/deny"))
        reply_text(r, 401, "no");
    else if (is_path(r, "/small"))
        *max_body = 4;
    else if (is_path(r, "/watched"))
        hold(r);
    else if (is_path(r, "/deny-stream")) {
        http_reply_begin(r, 403, NULL, 0);
        http_reply_write(r, STR("no "));
        hold(r);
    }
}

static inline void echo(struct http_request *r)
{
    struct str text = arena_printf(&r->arena, "%.*s %.*s %.*s", STR_ARGS(r->head.method_text),
                                   STR_ARGS(r->head.target), STR_ARGS(r->body));

    http_reply(r, 200, &text_type, 1, text);
}

static inline void take_over(struct http_request *r)
{
    struct str rest;
    struct conn *conn = http_request_take_conn(r, STR("HTTP/1.1 101 X\r\n\r\n"), &rest);

    str_to_z(rest, f.rest, sizeof(f.rest));
    conn_close(conn, false);
}

static inline void on_request(void *arg, struct http_request *r)
{
    (void)arg;
    f.n_requests++;
    EXPECT(http_request_loop(r) == f.l);
    EXPECT(http_request_peer_is_loopback(r));
    EXPECT(!http_reply_is_begun(r));
    if (is_path(r, "/hold")) {
        hold(r);
    } else if (is_path(r, "/stream")) {
        hold(r);
        http_reply_begin(r, 200, &text_type, 1);
        EXPECT(http_reply_is_begun(r));
    } else if (is_path(r, "/take")) {
        take_over(r);
    } else if (is_path(r, "/empty")) {
        http_reply(r, 204, NULL, 0, STR(""));
    } else {
        echo(r);
    }
}

static inline void write_error(void *arg, const struct http_request *r, int status,
                               const char *what, struct buf *out)
{
    (void)arg;
    EXPECT(r->id[0] != '\0');
    EXPECT(buf_addf(out, "{\"error\":\"%d %s\"}", status, what) == ERR_NONE);
}

static const struct http_service service = {
    .on_head = on_head,
    .on_request = on_request,
    .write_error = write_error,
};

static inline void on_drained(void *arg)
{
    (void)arg;
    f.n_drained++;
}

static inline struct http_server_limits test_limits(void)
{
    struct http_server_limits limits;

    http_server_limits_default(&limits);
    limits.max_head = MAX_HEAD;
    limits.max_body = MAX_BODY;
    limits.max_connections = 4;
    limits.max_buffered = MAX_BUFFERED;
    limits.linger_bytes = LINGER_BYTES;
    return limits;
}

static inline void begin(void)
{
    struct http_server_limits limits = test_limits();

    memset(&f, 0, sizeof(f));
    f.l = loop_new();
    loop_clock_set(f.l, 1000);
    f.s = http_server_new(f.l, &service, NULL, &limits);
}

static inline void open_wire(struct wire *w)
{
    wire_open(w, f.l);
    http_server_accept(f.s, w->conn);
}

/* A server with one connection. */
static inline void begin_connected(void)
{
    begin();
    open_wire(&f.w);
}

static inline void end(void)
{
    turn(f.l);
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

/* Takes the one response off the wire, and expects it to be all there is. */
static inline void expect_answer(enum http_method method, int status, const char *body)
{
    struct response r;
    struct str in = wire_str(&f.w);

    EXPECT(response_read(&in, method, &r));
    EXPECT_INT(r.head.status, status);
    EXPECT_Z(r.body, body);
    EXPECT(r.is_whole);
    EXPECT_INT(in.n, 0);
    response_free(&r);
    wire_clear(&f.w);
}

static inline void expect_status(int status)
{
    struct response r;
    struct str in = wire_str(&f.w);

    EXPECT(response_read(&in, HTTP_GET, &r));
    EXPECT_INT(r.head.status, status);
    EXPECT(r.is_whole);
    response_free(&r);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
