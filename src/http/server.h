/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server on one loop: connections, keep-alive, pipelining, bounds and
 * deadlines. A service sees whole requests and answers each exactly once, at once or
 * as a stream. What a stream appends during a turn leaves in one write at its end.
 *
 *     IDLE --> HEAD --> BODY --> HANDLER --> IDLE ...
 *
 * A body that is wanted in pieces is handed on as it comes: HEAD --> UPLOAD --> HANDLER.
 *
 * Life of a request: it belongs to the server. The service may use it until it has called
 * http_reply() or http_reply_end(), or until on_gone returned, whichever is first.
 */
#pragma once

#include <stdatomic.h>

#include "http/message.h"
#include "net/conn.h"

struct http_server;
struct http_connection;

struct http_request {
    struct http_head head;
    struct str body;    /* whole and decoded when on_request is called; empty with streams_body */
    struct arena arena; /* lives as long as the request; the service may use it */
    char id[64]; /* x-request-id: the client's if 1 to 63 of [A-Za-z0-9._-], else a new "req_..." */
    struct http_connection *connection; /* private */
    void *service_arg;                  /* of the server's service */
    void *context;                      /* the service's own; NULL at first */
    uint64_t sent;                      /* bytes of the answer's body so far, framing not counted */
    struct str extra_headers; /* "name: value\r\n" lines for any answer; on_head may set it */

    /* A body in pieces: on_head sets `streams_body`. Then on_request is called with the head alone
     * and sets `on_body`, which is called until `is_last` (with an empty piece when there is no
     * body). An answer may be given at any time; what is left of the body is then dropped. */
    bool streams_body;
    void (*on_body)(void *arg, struct str piece, bool is_last);
    int refused; /* when on_gone is called: the status that the server answers with itself (408,
                    413, 400, 503); 0: the client left */

    /* Set by the service for a streamed answer; NULL when it does not care. */
    void (*on_drain)(void *arg); /* after http_reply_is_full(): there is room again */
    void (*on_gone)(void *arg);  /* the client left or sent more than max_head behind its request,
                                    the server shuts hard or answers itself (408, 413 after
                                    on_head); at most once, never after the end, never inside a
                                    function below */
    void *arg;
};

struct http_service {
    /* The head is there, the body is not. May answer now (wrong key, path, method): a small body
     * is then read away and the connection kept; else it lingers and is closed. May lower
     * *max_body. Optional. */
    void (*on_head)(void *arg, struct http_request *r, size_t *max_body);
    /* The whole request. Must answer exactly once, now or later. */
    void (*on_request)(void *arg, struct http_request *r);
    /* Writes the body of an error that the server itself answers (400, 408, 413, 414, 431, 501,
     * 503, 505) as JSON. `r` has its id; its head is empty when none was understood. */
    void (*write_error)(void *arg, const struct http_request *r, int status, const char *what,
                        struct buf *out);
};

struct http_server_limits {
    size_t max_head;          /* bytes of a request head; default 64 KiB */
    size_t max_body;          /* decoded bytes; default 32 MiB */
    size_t max_connections;   /* beyond: 503 and close */
    atomic_size_t *open;      /* connections of all servers that share that limit, borrowed; NULL:
                                 this server counts alone */
    size_t max_buffered;      /* unsent bytes after which a stream counts as full; default 64 KiB */
    int64_t head_timeout_ms;  /* from its first byte to its end: 408; default 30,000 */
    int64_t body_timeout_ms;  /* without a byte, or in total beyond what its rate allows: 408;
                                 default 30,000 */
    size_t body_min_rate;     /* a second more than body_timeout_ms in total for so many bytes that
                                 came; at least 1, default 1,024 */
    int64_t idle_timeout_ms;  /* between requests: closed; default 75,000 */
    int64_t write_timeout_ms; /* without room for a byte while bytes wait: reset; default 60,000 */

    /* After an answer that came before the end of its request what the client still sends is read
     * and dropped, so that it sees the answer and not a reset (RFC 9112 9.6), until it ends too or:
     */
    int64_t linger_timeout_ms; /* no byte came for so long; default 5,000 */
    int64_t linger_total_ms;   /* or so much time passed; default 30,000 */
    size_t linger_bytes;       /* or more came than this and than Content-Length announced: reset;
                                  default 64 MiB */
};
void http_server_limits_default(struct http_server_limits *limits);

/* `service` is static, `arg` borrowed. Several servers on one loop are fine. */
struct http_server *http_server_new(struct loop *l, const struct http_service *service, void *arg,
                                    const struct http_server_limits *limits);

/* Serves a connection from now on: what a listener's accept callback calls. */
void http_server_accept(struct http_server *s, struct conn *c);

/* Drains: serves what still comes on the connections that are open, and closes each after its
 * answer (Connection: close), or when nothing came on it for `grace_ms`, since a request may be on
 * its way: that of a client that just got an answer is a round trip behind, and one around the
 * world is 300 ms. `drained(arg)` once none is left. */
enum { HTTP_DRAIN_GRACE_MS = 500 };
void http_server_drain(struct http_server *s, int64_t grace_ms, void (*drained)(void *arg),
                       void *arg);

/* Ends what a drain still waits for: requests that are not whole yet are answered 503. */
void http_server_refuse_rest(struct http_server *s);

/* Resets what is open (on_gone is called), closes what is idle, and frees. NULL is fine. */
void http_server_free(struct http_server *s);

size_t http_server_connections(const struct http_server *s);

/* ---- answering; all on the loop's thread ---- */

/* A whole answer. Content-Length, Date, Connection and x-request-id are added; a HEAD request gets
 * the head alone. */
void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n,
                struct str body);

/* A streamed answer: chunked, or until close for HTTP/1.0. `headers` are copied. */
void http_reply_begin(struct http_request *r, int status, const struct http_header *headers,
                      size_t n);

/* The same with a length that is known: exactly so many bytes must be appended before
 * http_reply_end(). */
void http_reply_begin_sized(struct http_request *r, int status, const struct http_header *headers,
                            size_t n, uint64_t length);

/* Appends to the stream (copied); empty is nothing. Never fails: a connection that broke, or one
 * with more than 64 MiB unsent, is reported by on_gone. */
void http_reply_write(struct http_request *r, struct str bytes);

/* Direct access for encoders: append to the buffer that http_reply_write() fills, then call
 * http_reply_written(). The bytes become one HTTP chunk a turn. */
struct buf *http_reply_buf(struct http_request *r);
void http_reply_written(struct http_request *r);

/* More than max_buffered bytes wait: stop producing until on_drain. */
bool http_reply_is_full(const struct http_request *r);

/* The last byte of the stream was written; the request is gone for the service. */
void http_reply_end(struct http_request *r);

/* Cuts the stream so that the client sees it as broken (no last chunk). The request is gone. */
void http_reply_abort(struct http_request *r);

/* Whether http_reply or http_reply_begin was called. */
bool http_reply_is_begun(const struct http_request *r);

bool http_request_peer_is_loopback(const struct http_request *r);

/* Its address as text ("127.0.0.1", "unix"); empty when the connection is gone. */
struct str http_request_peer(const struct http_request *r);

/* Takes the connection out of HTTP after writing `head` (a 101): for WebSocket. `*ret_rest` are
 * bytes the client sent behind its request, valid until the turn ends. Reading is off. NULL when
 * the connection broke. The request is gone. */
struct conn *http_request_take_conn(struct http_request *r, struct str head, struct str *ret_rest);

/* Back-pressure on a body that comes in pieces: no on_body, and no deadline for more of it, until
 * it goes on. A client that leaves meanwhile is noticed. Harmless when all of it came. */
void http_request_pause(struct http_request *r);
void http_request_resume(struct http_request *r);

struct loop *http_request_loop(const struct http_request *r);
