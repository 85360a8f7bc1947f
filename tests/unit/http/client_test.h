/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client and the far end of its connections, in one thread: raw sockets that the test
 * accepts, reads and writes by hand between turns of the loop, whose clock it turns too.
 */
#pragma once

#include "http/client.h"

#include <netinet/tcp.h>

#include "base/clock.h"
#include "http_test.h"

/* Runs turns until it holds; the clock of the loop stands still meanwhile. */
#define WAIT(l, cond)                                          \
    do {                                                       \
        int64_t give_up_ = clock_now_ms() + 10000;             \
        while (!(cond)) {                                      \
            run_turn_now(l);                                   \
            if (clock_now_ms() > give_up_)                     \
                die(__FILE__, __LINE__, "never true: " #cond); \
        }                                                      \
    } while (0)

/* Enough turns for bytes on their way to be read; for what must not happen, too. */
static inline void some_turns(struct loop *l)
{
    for (int i = 0; i < 10; i++)
        run_turn_now(l);
}

struct far_end {
    int listening;
    int fd; /* the connection accepted last; -1 for none */
    uint16_t port;
    char got[65536]; /* what came on it, with a NUL */
    size_t n;
};

static inline void far_open(struct far_end *e)
{
    *e = (struct far_end){ .fd = -1 };
    e->listening = listen_loopback(&e->port);
    set_nonblocking(e->listening);
}

static inline void far_hang_up(struct far_end *e, bool reset)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (e->fd >= 0 && reset)
        setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
    e->n = 0;
    e->got[0] = '\0';
}

static inline void far_close(struct far_end *e)
{
    far_hang_up(e, false);
    close(e->listening);
}

/* Takes a connection that waits; the one before is forgotten (and open). */
static inline bool far_accept(struct far_end *e)
{
    int fd = accept(e->listening, NULL, NULL);
    int on = 1;

    if (fd < 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    set_nonblocking(fd);
    e->fd = fd;
    e->n = 0;
    e->got[0] = '\0';
    return true;
}

/* Reads what is there; false at the end of the stream. */
static inline bool far_read(struct far_end *e)
{
    ssize_t n = recv(e->fd, e->got + e->n, sizeof(e->got) - 1 - e->n, 0);

    if (n > 0)
        e->n += (size_t)n;
    e->got[e->n] = '\0';
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static inline bool far_has(struct far_end *e, const char *needle)
{
    far_read(e);
    return strstr(e->got, needle) != NULL;
}

static inline void far_write(struct far_end *e, const char *text)
{
    write_all(e->fd, text, strlen(text));
}

/* ---- calls ---- */

static struct client_fixture {
    struct loop *l;
    struct connector *connector;
    struct http_client *c;
    struct far_end far;
    struct url url;
} f;

/* What a call told. */
struct told {
    struct http_call *call; /* NULL when it ended */
    int status;
    unsigned n_sent;
    unsigned n_heads;
    unsigned n_done;
    char body[65536];
    size_t n; /* bytes of the body, also those `body` has no room for */
    enum err err;
    bool certainly_unsent;
    bool responded;
    char detail[512];
    char cancel_at; /* 's'ent, 'h'ead, 'b'ody, 'd'one: cancels itself there */
};

static inline void maybe_cancel(struct told *t, char at)
{
    if (t->cancel_at == at)
        http_call_cancel(t->call);
}

static inline void tell_sent(void *arg)
{
    struct told *t = arg;

    t->n_sent++;
    maybe_cancel(t, 's');
}

static inline void tell_head(void *arg, const struct http_head *head)
{
    struct told *t = arg;

    t->n_heads++;
    t->status = head->status;
    maybe_cancel(t, 'h');
}

static inline void tell_body(void *arg, struct str bytes)
{
    struct told *t = arg;

    EXPECT(bytes.n > 0);
    if (t->n + bytes.n < sizeof(t->body)) {
        memcpy(t->body + t->n, bytes.p, bytes.n);
        t->body[t->n + bytes.n] = '\0';
    }
    t->n += bytes.n;
    maybe_cancel(t, 'b');
}

static inline void tell_done(void *arg, const struct http_outcome *outcome)
{
    struct told *t = arg;

    t->n_done++;
    t->err = outcome->err;
    t->certainly_unsent = outcome->certainly_unsent;
    t->responded = outcome->responded;
    str_to_z(str_of(outcome->detail), t->detail, sizeof(t->detail));
    maybe_cancel(t, 'd');
    t->call = NULL;
}

static const struct http_call_handler telling = {
    .on_sent = tell_sent,
    .on_head = tell_head,
    .on_body = tell_body,
    .on_done = tell_done,
};

static inline void begin_with(size_t max_idle)
{
    struct http_client_limits limits;
    char text[64];
    char what[128];

    f.l = loop_new();
    loop_clock_set(f.l, 1000);
    f.connector = connector_new(f.l, NULL, NULL);
    http_client_limits_default(&limits);
    limits.max_idle = max_idle;
    limits.max_head = 1024;
    f.c = http_client_new(f.connector, &limits);
    far_open(&f.far);
    snprintf(text, sizeof(text), "http://127.0.0.1:%u/base", f.far.port);
    EXPECT(url_parse(str_of(text), &f.url, what) == ERR_NONE);
}

static inline void begin(void)
{
    begin_with(2);
}

static inline void end(void)
{
    turn(f.l);
    http_client_free(f.c);
    turn(f.l);
    connector_free(f.connector);
    far_close(&f.far);
    url_deinit(&f.url);
    expect_nothing_left(f.l);
    loop_free(f.l);
}

static inline void pass(int64_t ms)
{
    loop_clock_set(f.l, loop_now_ms(f.l) + ms);
    turn(f.l);
}

static inline struct http_call_params params_of(enum http_method method, struct str body)
{
    return (struct http_call_params){
        .url = &f.url,
        .method = method,
        .target = STR("/x?y"),
        .body = body,
        .connect_timeout_ms = 5000,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 3000,
    };
}

static inline void start(struct told *t, enum http_method method, struct str body)
{
    struct http_call_params p = params_of(method, body);

    memset(t, 0, sizeof(*t));
    t->call = http_call_start(f.c, &p, &telling, t);
}

/* The request is at the far end, on a new connection. */
static inline void start_and_accept(struct told *t, enum http_method method, struct str body)
{
    start(t, method, body);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    WAIT(f.l, t->n_sent == 1);
}

/* The far end answers; the call ends. */
static inline void answer(struct told *t, const char *text)
{
    far_write(&f.far, text);
    WAIT(f.l, t->n_done == 1);
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
