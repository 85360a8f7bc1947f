/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server.c (who is connected), connection.c (states, deadlines), intake.c
 * (what comes in) and reply.c (what goes out) share. Private to these files.
 *
 *     IDLE --> HEAD --> BODY --> HANDLER --> FLUSH --> [DRAIN] --> IDLE
 *                 \--> UPLOAD --^               \----> [LINGER] --> CLOSED
 */
#pragma once

#include "http/outbox.h"
#include "http/server.h"
#include "net/timer.h"

enum connection_state {
    CONNECTION_IDLE,    /* between requests */
    CONNECTION_HEAD,    /* the first byte of a head came */
    CONNECTION_BODY,    /* on_head was called */
    CONNECTION_UPLOAD,  /* the service gets the body as it comes; it may be answering already */
    CONNECTION_HANDLER, /* the service owes the rest of the answer */
    CONNECTION_FLUSH,   /* the answer is complete, some of it waits for room */
    CONNECTION_DRAIN,   /* answered early: the rest of the body is read and dropped */
    CONNECTION_LINGER,  /* we said our last word; what still comes is dropped, up to bounds */
    CONNECTION_CLOSED   /* retired */
};

/* Bytes of answers that may wait in one connection; beyond, it is reset. */
enum { SERVER_OUT_MAX = 64 << 20 };

/* A request with what the service need not see. */
struct server_request {
    struct http_request r;
    struct buf body; /* grows as it comes, up to Content-Length or max_body */
    size_t max_body;
    uint64_t came; /* bytes of a body in pieces */
    uint64_t owed; /* bytes of a sized stream that are still to be appended */
    struct task retire;
    bool is_begun;    /* the head of the answer was made */
    bool is_bodiless; /* HEAD, 204, 304: what the stream appends is dropped */
    bool is_stream;   /* answered by http_reply_begin() */
    bool is_chunked;  /* the stream is framed in chunks */
    bool is_sized;    /* the stream has a Content-Length */
};

struct http_connection {
    struct list node; /* in the server's list */
    struct http_server *server;
    struct conn *conn;              /* owned; NULL once closed or taken */
    struct server_request *request; /* owned; NULL unless one is received or answered */
    struct timer timer;             /* the deadline of the state */
    struct task turn;               /* at the end of a turn: flush, or go on with what waits */
    struct task retire;
    struct str input;   /* what is left of the bytes being taken apart */
    struct buf in;      /* an incomplete head; or, if is_waiting, bytes not looked at yet */
    struct outbox out;  /* of the answer */
    size_t chunk_at;    /* with has_chunk: where its size line is in out.buf; with has_span and no
                           chunks: what was there before the present piece */
    size_t scanned;     /* of the incomplete head, for the parser */
    uint64_t droppable; /* bytes that DRAIN and LINGER still take */
    int64_t since_ms;   /* when the state began */
    int64_t paused_ms;  /* since when it is_paused */
    uint64_t came;      /* bytes since then, what waited included */
    struct http_body body; /* decoder of the request's body */
    enum connection_state state;
    bool is_waiting;  /* `in` holds pipelined bytes */
    bool is_busy;     /* intake() is on the stack */
    bool is_reading;  /* conn_read_start() */
    bool is_paused;   /* UPLOAD: the service wants no more of the body for now */
    bool is_full;     /* more than max_buffered waited, on_drain is owed */
    bool is_closing;  /* close after the answer */
    bool has_ended;   /* the peer sends no more */
    bool must_linger; /* the peer may still be sending: no RST may overtake the answer */
    bool is_broken;   /* memory for the answer ran out: closed at the end of the turn */
    bool has_span;    /* bytes behind chunk_at are not counted yet */
    bool has_chunk;   /* the last bytes of out.buf are a chunk that is not sealed yet */
};

struct http_server {
    struct loop *loop;
    const struct http_service *service;
    void *arg; /* borrowed; of `service` */
    struct http_server_limits limits;
    struct list connections;
    size_t n_connections;
    struct http_head scratch; /* the head being parsed; copied when it is whole */
    void (*drained)(void *arg);
    void *drained_arg;
    struct task drained_task;
    struct task retire;
    int64_t grace_ms; /* while draining: of a connection that is idle */
    bool is_draining;
};

/* ---- connection.c ---- */

/* A connection in the server's list, reading; `is_refused` answers 503 and closes. */
void connection_open(struct http_server *s, struct conn *conn, bool is_refused);

/* Closes now; a request that is not answered yet is told by on_gone. Harmless when closed. */
void connection_close(struct http_connection *c, bool reset);

/* Closes the connection soon if it is idle; lets it end after the answer otherwise. */
void connection_drain(struct http_connection *c);

/* Answers a request that is still coming 503 and closes. */
void connection_refuse_rest(struct http_connection *c);

/* The one writer of c->state; arms the deadline of the state. */
void connection_set_state(struct http_connection *c, enum connection_state next);

/* The answer was made and the request is over: sends the rest, then the next request. */
void connection_answered(struct http_connection *c);

/* (Re)starts the deadline for room in the socket. */
void connection_watch(struct http_connection *c);

/* No more bytes wait for room: the deadline is that of the state again. */
void connection_unwatch(struct http_connection *c);

/* Whether the rest of the request's body is cheap enough to be read away. */
bool connection_can_drain(const struct http_connection *c);

void connection_set_reading(struct http_connection *c, bool on);

/* In UPLOAD: turns reading, and the deadline for the body, off and on. */
void connection_set_paused(struct http_connection *c, bool on);

/* Says our last word (FIN), then drops what still comes until the peer ends too (RFC 9112 9.6): an
 * RST would overtake the answer. */
void connection_linger(struct http_connection *c);

/* ---- intake.c ---- */

/* Takes apart what came; `bytes` may go when it returns. */
void intake(struct http_connection *c, struct str bytes);

/* Where a body of known length goes on, so that it is not copied; NULL for all else. *ret_size is
 * the most that shall be read. */
char *intake_room(struct http_connection *c, size_t *ret_size);

/* The request that is open, or a new one without a head: for errors before there is one. */
struct http_request *intake_request(struct http_connection *c);

/* Tells the service by on_gone that it need not answer. The request stays. */
void intake_revoke_request(struct http_connection *c);

/* Takes c->request off the connection; it is freed at the end of the turn. */
void intake_end_request(struct http_connection *c);

/* ---- reply.c ---- */

/* Writes what waits, then `more`, and keeps what does not fit. An error: the connection is broken.
 */
MUST_USE enum err reply_push(struct http_connection *c, struct str more);

/* The end of a turn with a stream open: sends what was appended and asks for more if there is room.
 */
void reply_flush(struct http_connection *c);

/* Answers an error of the server itself, then closes; cuts an answer that has begun. */
void reply_refuse(struct http_connection *c, int status, const char *what);

/* ---- server.c ---- */

/* A connection left the list. */
void server_left(struct http_server *s);
