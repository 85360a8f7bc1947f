/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of the handshake (RFC 6455 4.2). */
#include <stdio.h>

#include "http/handshake.h"
#include "http/websocket_internal.h"

enum { HEAD_MAX = 256 };

static void refuse(struct http_request *r, int status, const char *what)
{
    const struct http_header headers[] = {
        { STR("content-type"), STR("text/plain") },
        { STR("sec-websocket-version"), STR("13") },
        { STR("upgrade"), STR("websocket") },
    };

    http_reply(r, status, headers, status == 426 ? COUNT_OF(headers) : 1, str_of(what));
}

enum err websocket_accept(struct http_request *r, size_t max_message,
                          const struct websocket_handler *handler, void *arg,
                          struct websocket **ret)
{
    struct loop *l = http_request_loop(r);
    char accept[HANDSHAKE_ACCEPT_LEN + 1];
    char head[HEAD_MAX];
    struct websocket *ws;
    struct conn *conn;
    struct str rest;
    int status;
    const char *wrong = handshake_check_request(&r->head, &status);

    if (wrong) {
        refuse(r, status, wrong);
        return ERR_BAD_INPUT;
    }
    if (handshake_accept(http_value(&r->head, "sec-websocket-key"), accept)) {
        refuse(r, 503, "the memory limit is reached; try again later");
        return ERR_NOMEM;
    }
    snprintf(head, sizeof(head),
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    conn = http_request_take_conn(r, str_of(head), &rest);
    if (!conn)
        return ERR_RESET;
    ws = websocket_new(l, max_message, handler, arg, conn_peer(conn));
    ws->conn = conn;
    if (buf_add(&ws->held, rest)) {
        websocket_retire(ws, true);
        return ERR_NOMEM;
    }
    websocket_set_state(ws, WEBSOCKET_UPGRADE);
    websocket_set_state(ws, WEBSOCKET_OPEN);
    websocket_open(ws);
    loop_defer(l, &ws->turn);
    *ret = ws;
    return ERR_NONE;
}
