/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What client.c (calls), client_request.c (heads of requests) and pool.c (kept
 * connections) share. Private to these files.
 */
#pragma once

#include "http/client.h"
#include "net/timer.h"

/* The kept connections to one endpoint; the one used last is taken first. */
struct pool {
    struct list node; /* in the client's list */
    struct http_client *client;
    struct endpoint endpoint;
    struct list idle; /* of struct kept */
    size_t n_idle;
};

struct http_client {
    struct connector *connector;
    struct loop *loop;
    struct http_client_limits limits;
    struct list pools; /* one an endpoint ever called; the settings bound their number */
    size_t n_idle;     /* in all pools */
    size_t n_calls;
    struct http_head scratch; /* the response's head while on_head runs */
    struct task retire;
};

/* ---- pool.c ---- */

/* The pool of an endpoint; made when there is none. */
struct pool *pool_get(struct http_client *c, const struct endpoint *e);

/* A connection that was open a moment ago, reading off; the caller's. NULL when none is kept. */
struct conn *pool_take(struct pool *p);

/* Keeps a connection for idle_timeout_ms. One that becomes readable meanwhile is closed. */
void pool_put(struct pool *p, struct conn *conn);

/* Closes what is kept, and frees. */
void pool_free(struct pool *p);

/* ---- client_request.c ---- */

/* Appends the head of the request. ERR_BAD_INPUT: a header or the target cannot be sent;
 * ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err client_write_head(struct buf *out, const struct http_call_params *params);
