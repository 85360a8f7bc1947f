/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of HTTP over connections share: a wire (a connection without a socket, whose
 * other end is the test), a reader of responses, and the check that nothing is left.
 */
#pragma once

#include "net/net_test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "http/message.h"

/* ---- wires ---- */

struct wire {
    struct conn *conn; /* NULL once closed */
    char *out;         /* what was written to it, with a NUL */
    size_t n;
    size_t room;       /* bytes it takes before writes come short */
    enum err broken;   /* what writes return from now on */
    unsigned n_writes; /* that wrote at least a byte */
    bool is_closed;
    bool is_reset;
};

static inline enum err wire_take(void *arg, const struct str *parts, size_t n, size_t *ret_written)
{
    struct wire *w = arg;
    size_t written = 0;

    if (w->broken)
        return w->broken;
    for (size_t i = 0; i < n; i++) {
        size_t take = parts[i].n < w->room ? parts[i].n : w->room;
        w->out = realloc(w->out, w->n + take + 1);
        EXPECT(w->out != NULL);
        if (take > 0)
            memcpy(w->out + w->n, parts[i].p, take);
        w->n += take;
        w->out[w->n] = '\0';
        w->room -= take;
        written += take;
    }
    w->n_writes += written > 0;
    *ret_written = written;
    return ERR_NONE;
}

static inline void wire_closed(void *arg, bool reset)
{
    struct wire *w = arg;

    w->conn = NULL;
    w->is_closed = true;
    w->is_reset = reset;
}

static inline void wire_open(struct wire *w, struct loop *l)
{
    struct conn_script script = { .write = wire_take, .close = wire_closed, .arg = w };

    *w = (struct wire){ .room = SIZE_MAX };
    w->conn = conn_new_scripted(l, &script);
}

static inline void wire_free(struct wire *w)
{
    free(w->out);
    w->out = NULL;
    w->n = 0;
}

static inline struct str wire_str(const struct wire *w)
{
    return (struct str){ w->out, w->n };
}

/* Forgets what was written. */
static inline void wire_clear(struct wire *w)
{
    wire_free(w);
    w->n_writes = 0;
}

/* Bytes from the other end; false when they are not read now. */
static inline bool wire_feed(struct wire *w, struct str bytes)
{
    return w->conn && conn_script_read(w->conn, ERR_NONE, bytes) == ERR_NONE;
}

static inline bool wire_feed_z(struct wire *w, const char *z)
{
    return wire_feed(w, str_of(z));
}

static inline bool wire_end(struct wire *w, enum err err)
{
    return w->conn && conn_script_read(w->conn, err, STR("")) == ERR_NONE;
}

/* There is room for `n` more bytes. */
static inline void wire_give_room(struct wire *w, size_t n)
{
    w->room = n;
    conn_script_writable(w->conn);
}

/* Ends the turn: deferred tasks and retired objects. */
static inline void turn(struct loop *l)
{
    run_turn_now(l);
    run_turn_now(l);
}

static inline bool has(struct str text, const char *needle)
{
    return str_find(text, str_of(needle)) != SIZE_MAX;
}

/* ---- responses ---- */

struct response {
    struct http_head head; /* slices into the bytes it was read from */
    char *body;            /* decoded, with a NUL; freed by response_free() */
    size_t n;
    size_t n_chunks; /* runs of body bytes */
    bool is_whole;
};

/* Takes one response off the front of *in; false when there is no whole head. */
static inline bool response_read(struct str *in, enum http_method method, struct response *ret)
{
    struct http_refusal why;
    struct http_body decoder;
    struct str piece;
    size_t scanned = 0;
    size_t used;

    *ret = (struct response){ .body = calloc(1, in->n + 1) };
    EXPECT(ret->body != NULL);
    if (http_parse_response(*in, method, &scanned, &ret->head, &used, &why))
        return false;
    *in = str_from(*in, used);
    http_body_init(&decoder, &ret->head);
    while (!decoder.done && in->n > 0) {
        EXPECT(http_body_next(&decoder, in, &piece) == ERR_NONE);
        if (piece.n > 0)
            memcpy(ret->body + ret->n, piece.p, piece.n);
        ret->n += piece.n;
        ret->n_chunks += piece.n > 0;
    }
    ret->is_whole = decoder.done;
    return true;
}

static inline void response_free(struct response *r)
{
    free(r->body);
    r->body = NULL;
}

/* ---- nothing left ---- */

static inline void expect_nothing_left(struct loop *l)
{
    EXPECT_INT(loop_timers(l), 0);
    EXPECT_INT(mem_budget_used(), 0);
    EXPECT_INT(metric_get(METRIC_CONNECTIONS), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_IDLE), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
}
