/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens in on a connector: told of every request and WebSocket that goes through it, with
 * what both sides said, beside the caller's own callbacks. It only looks. For `check --capture`; on
 * all other connectors it is NULL.
 */
#pragma once

#include "http/message.h"

/* What goes out. Lives during the call. */
struct wire_request {
    bool is_socket; /* a WebSocket's handshake */
    enum http_method method;
    struct str target;
    const struct http_header *headers; /* those of the caller, secrets and all */
    size_t n_headers;
    struct str body;
};

enum wire_event_type {
    WIRE_SENT,    /* the last byte of the request is out */
    WIRE_HEAD,    /* `head` came; of a socket: the handshake was refused */
    WIRE_BODY,    /* `bytes` of a response, decoded */
    WIRE_DONE,    /* it is over: `err`; of a socket `close_code` */
    WIRE_OPEN,    /* the socket is */
    WIRE_MESSAGE, /* `bytes` are one, `is_ours` when we sent it */
};

struct wire_event {
    enum wire_event_type type;
    const struct http_head *head;
    struct str bytes;
    enum err err;
    int close_code;
    bool is_ours;
    bool is_text;
};

/* Events name what they belong to by the number that `begin` gave it. What is canceled has no
 * WIRE_DONE. */
struct wire_tap {
    size_t (*begin)(void *arg, const struct wire_request *r);
    void (*event)(void *arg, size_t number, const struct wire_event *e);
    void *arg;
};
