/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that an upstream gets as they come, and whose answers go back as they are: what a
 * provider has besides chat requests, for other endpoints (docs/internals/relay.md). It knows
 * credentials, headers and statuses of its upstream; deadlines and other targets are the caller's.
 *
 *     start --> on_attempt --> [on_room --> write* --> end_body] --> on_head --> on_body* -->
 * on_end
 */
#pragma once

#include "chat/failure.h"
#include "http/client.h"

struct relay_call;
struct provider_instance;

struct relay_sink {
    /* A try begins, by this account or key. */
    void (*on_attempt)(void *arg, struct str account);
    /* With is_streamed: `body` is out, or there is room again. */
    void (*on_room)(void *arg);
    /* An answer of 2xx, for the client; slices live during the call. */
    void (*on_head)(void *arg, const struct http_head *head);
    void (*on_body)(void *arg, struct str bytes);
    /* The last: `failure` is NULL when all of the answer came; it lives during the call.
     * `is_unsent`: no byte of the last try went out. */
    void (*on_end)(void *arg, const struct failure *failure, bool is_unsent);
};

struct relay_request {
    enum http_method method;
    struct str target;                 /* "/embeddings?x=y", below the upstream's base URL */
    struct str model;                  /* which it is for, as the upstream names it; empty: none */
    const struct http_header *headers; /* of the client's those that go on; copied */
    size_t n_headers;
    struct str body;  /* all of it; or its beginning, borrowed until on_room or release */
    bool is_streamed; /* more than `body` follows: one try only, unless it was not begun */
    uint64_t length;  /* of a streamed body; HTTP_LENGTH_UNKNOWN */
    int64_t head_timeout_ms;
    int64_t idle_timeout_ms;       /* between pieces in either direction */
    const struct str *traceparent; /* as in struct provider_request */
    const struct str *tracestate;
    const struct relay_sink *sink; /* static */
    void *arg;
};

struct relay_ops {
    /* Whether this upstream has other endpoints at all. */
    bool (*is_offered)(const void *upstream);

    /* Never calls back before it returned; what `r` points at need not outlive it but for `body`.
     */
    struct relay_call *(*start)(struct provider_instance *p, const struct relay_request *r);

    /* Of a streamed body, from on_room on. ERR_TOO_BIG, ERR_NOMEM. */
    enum err (*write)(struct relay_call *c, struct str piece);
    enum err (*end_body)(struct relay_call *c);
    bool (*is_full)(const struct relay_call *c); /* no more until on_room */

    /* Whether all of the request is out, by the present try: the upstream may be at work on it. */
    bool (*is_sent)(const struct relay_call *c);

    /* Back-pressure on the answer; at most LOOP_READ_SIZE bytes still come. */
    void (*pause)(struct relay_call *c);
    void (*resume)(struct relay_call *c);

    /* Any state, also after on_end: no callback from now on, connections are closed unless the
     * answer is whole, the call is gone. */
    void (*release)(struct relay_call *c);
};
