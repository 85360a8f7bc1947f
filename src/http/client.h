/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 client on one loop with a pool of kept connections. A call sends one request and
 * delivers the response as it comes; every phase has a deadline, and it can be canceled at
 * any point. A kept connection that proves stale before any byte of an answer is
 * replaced once (see send_once). Redirects are not followed, nothing is decompressed
 * (Accept-Encoding: identity).
 *
 *     CONNECT --> SEND --> HEAD --> BODY --> DONE
 */
#pragma once

#include "http/message.h"
#include "http/url.h"
#include "net/connector.h"

struct http_client;
struct http_call;

struct http_client_limits {
    size_t max_idle;         /* kept connections, of all endpoints; default 64 */
    int64_t idle_timeout_ms; /* how long one is kept; default 30,000 */
    size_t max_head;         /* bytes of a response head; default 64 KiB */
};
void http_client_limits_default(struct http_client_limits *limits);

/* Of one client a connector: who connects over it and finds no descriptor has the oldest kept
 * connection closed, and tries again. */
struct http_client *http_client_new(struct connector *connector,
                                    const struct http_client_limits *limits);

/* Closes kept connections; all calls must have ended or been canceled. NULL is fine. */
void http_client_free(struct http_client *c);
struct loop *http_client_loop(const struct http_client *c);
struct connector *http_client_connector(const struct http_client *c);

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

enum { HTTP_BODY_MORE = 2 };

struct http_call_params {
    const struct url *url; /* where; its path goes before `target` */
    enum http_method method;
    struct str target;                 /* "/v1/client?x=y" */
    const struct http_header *headers; /* besides Host and Content-Length; they may replace
                                          Accept-Encoding and User-Agent; copied */
    size_t n_headers;
    struct str body;                 /* borrowed until the call ended */
    struct str more[HTTP_BODY_MORE]; /* of a body that lies in pieces: what stands behind `body`;
                                        likewise. None of a streamed one */
    bool is_streamed;        /* `body` is only its beginning, borrowed until on_room: the rest comes
                                by http_call_write(). Always on a connection of its own */
    uint64_t length;         /* of all of a streamed body; HTTP_LENGTH_UNKNOWN: chunked */
    int64_t send_timeout_ms; /* without room for a byte; 0: head_timeout_ms */
    int64_t connect_timeout_ms; /* all three above 0 */
    int64_t head_timeout_ms;    /* from the last byte sent to the end of the response's head */
    int64_t idle_timeout_ms;    /* between pieces of the body */
    bool send_once; /* what was sent whole goes out on no other connection: it may have arrived */
};

/* How a call ended. Strings live during the callback. */
struct http_outcome {
    enum err err; /* ERR_NONE: the whole response came. ERR_PROTOCOL: the answer was no valid HTTP.
                     ERR_BAD_INPUT: the target or a header has bytes that must not be sent */
    bool certainly_unsent; /* no byte of the request was handed to a connection */
    bool responded;        /* a response head was delivered */
    const char *detail;    /* on error, for people: what happened, to which host */
};

struct http_call_handler {
    /* Of a streamed body: more of it may be written. At first, and after http_call_is_full(). */
    void (*on_room)(void *arg);
    void (*on_sent)(void *arg); /* the last byte of the request was handed to the kernel; not told
                                   of a whole body whose answer began before. Optional */
    void (*on_head)(void *arg,
                    const struct http_head *head); /* a final response (1xx are passed over); slices
                                                      live during the call */
    void (*on_body)(void *arg, struct str bytes);  /* decoded; lives during the call */
    void (*on_done)(void *arg,
                    const struct http_outcome *outcome); /* exactly once, last, unless canceled */
};

/* The bytes of the body that are known. */
size_t http_call_body_size(const struct http_call_params *params);

/* Never calls back before it returned. `handler` is static. */
struct http_call *http_call_start(struct http_client *c, const struct http_call_params *params,
                                  const struct http_call_handler *handler, void *arg);

/* More of a streamed body (copied), in on_room or later; after http_call_end_body() none. With a
 * length exactly so many bytes in all. A server may answer before the end: what it then does not
 * read does no harm. ERR_TOO_BIG (more than UPLOAD_MAX wait), ERR_NOMEM: cancel the call. */
enum { UPLOAD_MAX = 1 << 20 };
MUST_USE enum err http_call_write(struct http_call *call, struct str piece);
MUST_USE enum err http_call_end_body(struct http_call *call);

/* So much waits that no more is to be written until on_room. */
bool http_call_is_full(const struct http_call *call);

/* Back-pressure: no more is read of the answer, and its deadlines rest, until it goes on. What was
 * read before still comes: at most LOOP_READ_SIZE bytes. */
void http_call_pause(struct http_call *call);
void http_call_resume(struct http_call *call);

/* Whether no byte of its request was handed to a connection so far. */
bool http_call_is_unsent(const struct http_call *call);

/* No callback from now on; the connection is closed unless the response was complete. */
void http_call_cancel(struct http_call *call);

/* Kept connections now. */
size_t http_client_idle(const struct http_client *c);
