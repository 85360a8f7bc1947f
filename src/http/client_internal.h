/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What client.c (calls), client_request.c (heads of requests), client_upload.c (bodies in
 * pieces) and pool.c (kept connections) share. Private to these files.
 */
#pragma once

#include "http/client.h"
#include "http/outbox.h"
#include "net/timer.h"

/* The kept connections to one endpoint; the one used last is taken first. */
struct pool {
    struct list node; /* in the client's list */
    struct http_client *client;
    struct endpoint endpoint;
    struct list idle; /* of struct kept */
};

struct http_client {
    struct connector *connector;
    struct loop *loop;
    struct http_client_limits limits;
    struct list pools; /* one an endpoint ever called; the settings bound their number */
    struct list idle;  /* of struct kept in all pools; the one used last is first */
    size_t n_idle;
    size_t n_calls;
    struct http_head scratch; /* the response's head while on_head runs */
    struct task retire;
};

/* The rest of a body that is handed over piece by piece. */
struct upload {
    struct outbox box;
    uint64_t owed;    /* of a length that is known */
    bool is_streamed; /* there is one */
    bool is_chunked;
    bool has_chunk; /* a chunk is out whose end is not */
    bool is_open;   /* what stands before it is out */
    bool is_full;   /* on_room is owed */
    bool is_ended;  /* http_call_end_body() */
    bool is_broken; /* the connection takes no more: what is written is dropped */
};

enum call_state { CALL_CONNECT, CALL_SEND, CALL_HEAD, CALL_BODY, CALL_DONE };

struct http_call {
    struct http_client *client;
    struct pool *pool;
    const struct http_call_handler *handler;
    void *arg;
    int64_t connect_timeout_ms;
    int64_t send_timeout_ms;
    int64_t head_timeout_ms;
    int64_t idle_timeout_ms;
    enum http_method method;
    enum call_state state;
    struct connect *connect;             /* while it runs */
    struct conn *conn;                   /* owned; NULL before SEND and when DONE */
    struct buf request;                  /* its head; kept for another try */
    struct str body[1 + HTTP_BODY_MORE]; /* borrowed */
    size_t body_size;                    /* of all of these */
    struct upload upload;                /* what comes behind it */
    size_t sent;                         /* bytes of both on this connection */
    struct buf in;                       /* an incomplete head */
    size_t scanned;                      /* of the incomplete head, for the parser */
    struct http_body decoder;
    struct timer timer;
    struct task task; /* begins */
    struct task retire;
    enum err refused; /* the request cannot be sent at all */
    bool is_kept;     /* the connection was a kept one */
    bool any_sent;
    bool any_received; /* on this connection */
    bool is_sent_told;
    bool send_once;
    bool is_paused;
    bool responded;
    bool is_refused;            /* it said so: no more of a whole body goes out */
    bool can_keep;              /* what the response says about the connection */
    const struct wire_tap *tap; /* who listens in; NULL: nobody */
    size_t tap_number;
};

/* ---- client.c ---- */

/* Arms the deadline of the state; none while it is our turn to go on. */
void call_arm_deadline(struct http_call *call);

/* The last byte of the request is out. */
void call_sent(struct http_call *call);

/* ---- client_upload.c ---- */

/* ERR_TOO_BIG, ERR_NOMEM. Appends to the head what frames the beginning of the body. */
MUST_USE enum err upload_init(struct http_call *call, const struct http_call_params *params);
void upload_deinit(struct http_call *call);

/* The head and the beginning are out: the rest may come. */
void upload_open(struct http_call *call);

/* There may be room in the socket. */
void upload_flush(struct http_call *call);

/* Whether all of the request was sent. */
bool upload_is_done(const struct http_call *call);

/* Whether the peer has all that we have so far, but not all. */
bool upload_rests(const struct http_call *call);

/* ---- pool.c ---- */

/* The pool of an endpoint; made when there is none. */
struct pool *pool_get(struct http_client *c, const struct endpoint *e);

/* A connection that was open a moment ago, reading off; the caller's. NULL when none is kept. */
struct conn *pool_take(struct pool *p);

/* Keeps a connection for idle_timeout_ms. One that becomes readable meanwhile is closed. Beyond
 * max_idle the one that was used longest ago goes, of whichever endpoint. */
void pool_put(struct pool *p, struct conn *conn);

/* Closes that one. False: none is kept. */
bool pool_drop_oldest(struct http_client *c);

/* Closes what is kept, and frees. */
void pool_free(struct pool *p);

/* ---- client_request.c ---- */

/* Appends the head of the request. ERR_BAD_INPUT: a header or the target cannot be sent;
 * ERR_TOO_BIG, ERR_NOMEM. */
MUST_USE enum err client_write_head(struct buf *out, const struct http_call_params *params);
