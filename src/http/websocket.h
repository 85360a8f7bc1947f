/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455), client and server side, over net/conn; framing by wslay. Messages
 * are delivered whole and bounded; pings are answered; text is checked to be UTF-8.
 *
 *     CONNECT --> UPGRADE --> OPEN --> CLOSING --> CLOSED      (the server side begins at OPEN)
 */
#pragma once

#include "http/client.h"
#include "http/server.h"

struct websocket;

struct websocket_end {
    enum err err; /* ERR_NONE: closed by a close frame. ERR_REFUSED with `status`: the handshake was
                     answered otherwise. ERR_PROTOCOL, ERR_TOO_BIG: the peer broke the rules or the
                     bound. Else how the connection failed */
    int close_code; /* of the peer's close frame; 1005 when it had none, 1006 without a frame */
    int status;     /* client side: HTTP status that refused the upgrade; 0 otherwise */
    const struct http_head *head; /* with a refusing status: its headers, else NULL */
    struct str body;              /* with a refusing status: up to 4 KiB of its body */
    bool certainly_unsent;        /* client side: no byte of the handshake was sent */
    const char *detail;           /* for people: what happened, to which host. Never NULL */
};

struct websocket_handler {
    void (*on_open)(void *arg); /* client side only: the handshake is done. Optional for servers */
    void (*on_message)(void *arg, bool is_text, struct str message); /* lives during the call */
    void (*on_end)(void *arg,
                   const struct websocket_end *end); /* exactly once, unless closed by
                                                        websocket_abort; the socket is gone */
};

struct websocket_params {
    const struct url *url;
    struct str target;
    const struct http_header *headers; /* besides those of the handshake; copied */
    size_t n_headers;
    int64_t connect_timeout_ms;
    int64_t upgrade_timeout_ms;
    size_t max_message;       /* bytes; a larger one ends the connection with 1009 */
    int64_t ping_interval_ms; /* a ping frame in silence; no pong until the next: ERR_TIMEOUT. 0:
                                 none */
};

/* Never calls back before it returned. Checks the answer as RFC 6455 4.1 says (101, Upgrade,
 * Connection, Sec-WebSocket-Accept, no extension, no protocol). */
struct websocket *websocket_connect(struct connector *c, const struct websocket_params *params,
                                    const struct websocket_handler *handler, void *arg);

/* Server side: answers the upgrade (RFC 6455 4.2) and takes the connection over; ERR_BAD_INPUT,
 * with the request answered by 400 or 426, when it is no proper handshake; ERR_RESET, ERR_NOMEM
 * when the connection is gone. The request is over in any case. The socket is the caller's: the
 * server neither counts nor drains it. */
MUST_USE enum err websocket_accept(struct http_request *r, size_t max_message,
                                   const struct websocket_handler *handler, void *arg,
                                   struct websocket **ret);

/* Queues a whole message; what a turn queues leaves in one write at its end. ERR_TOO_BIG when more
 * than 1 MiB wait unsent, ERR_NOMEM, ERR_CLOSED when it is not open (any more): nothing was
 * queued. */
MUST_USE enum err websocket_send(struct websocket *ws, bool is_text, struct str message);

/* The same message in `n` fragments, for the simulator and tests. */
MUST_USE enum err websocket_send_fragmented(struct websocket *ws, struct str message, size_t n);

/* Bytes that wait unsent. */
size_t websocket_queued(const struct websocket *ws);

/* Stops and goes on reading (back-pressure). */
void websocket_pause(struct websocket *ws);
void websocket_resume(struct websocket *ws);

/* Begins the closing handshake of an open socket: no on_message any more; on_end follows, after 2 s
 * at the latest. Before it is open this does nothing: websocket_abort() is for that. */
void websocket_close(struct websocket *ws, int code, struct str reason);

/* Ends it at once and frees; no callback. With `polite` a close frame 1000 is tried before the FIN,
 * else RST. Any state. NULL is fine. */
void websocket_abort(struct websocket *ws, bool polite);
