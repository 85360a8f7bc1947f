/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What websocket.c (life, sending, closing), websocket_frames.c (wslay) and
 * websocket_client.c (the client's handshake) share. Private to these files.
 */
#pragma once

#include "http/outbox.h"
#include "http/websocket.h"
#include "http/wire_tap.h"
#include "net/timer.h"

enum websocket_state {
    WEBSOCKET_CONNECT, /* client: `upgrade` is there */
    WEBSOCKET_UPGRADE, /* client: the handshake's request goes out, its answer comes */
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* our close frame is on its way, the peer's or its FIN is awaited */
    WEBSOCKET_CLOSED   /* retired */
};

struct upgrade;
struct wslay_frame_context;

struct websocket {
    struct loop *loop;
    struct conn *conn; /* owned; NULL before UPGRADE and when CLOSED */
    const struct websocket_handler *handler;
    void *arg;
    char *peer;              /* owned; "host:port", for details */
    struct upgrade *upgrade; /* owned; of a client before OPEN, else NULL */

    /* wslay's context is 4 KiB: it exists only while a frame is incomplete. */
    struct wslay_frame_context *frames;
    struct str input;    /* bytes that wslay did not take yet */
    size_t inside;       /* bytes that wslay took and that belong to no piece it gave */
    uint64_t frame_left; /* payload of the current frame yet to come */
    struct buf message;  /* what is there of a message in pieces; its bound is max_message */
    struct buf control;  /* the same of a control frame */
    struct buf held;     /* input that came while paused */

    const struct wire_tap *tap; /* who listens in; NULL: nobody */
    size_t tap_number;

    struct outbox out;
    struct timer timer; /* of the handshake, of pings, of the closing handshake */
    struct task turn;   /* sends what was queued in a turn; goes on after a pause */
    struct task retire;
    int64_t ping_interval_ms;
    int64_t last_read_ms;
    enum websocket_state state;
    enum err failed;         /* CLOSING because the peer broke the protocol */
    const char *failed_what; /* static; with `failed` */
    bool is_client;
    bool is_reading_frames; /* frames_read() is on the stack */
    bool is_paused;
    bool in_frame;   /* a piece of the current frame was given */
    bool in_message; /* a message is being gathered */
    bool is_text;    /* the message */
    bool is_pinged;  /* a ping went out, nothing came since */
    bool is_counted; /* in METRIC_UPSTREAM_WEBSOCKETS */
};

/* ---- websocket.c ---- */

/* The one writer of ws->state. */
void websocket_set_state(struct websocket *ws, enum websocket_state next);

struct websocket *websocket_new(struct loop *l, size_t max_message,
                                const struct websocket_handler *handler, void *arg,
                                struct str peer);

/* OPEN: reads frames from now on. */
void websocket_open(struct websocket *ws);

/* Ends it and tells on_end. */
void websocket_finish(struct websocket *ws, const struct websocket_end *end);

/* The same, with the peer's name before what happened. */
void websocket_fail(struct websocket *ws, enum err err, const char *what);

/* Stops whatever runs; no callback from now on. */
void websocket_retire(struct websocket *ws, bool reset);

/* The peer broke the rules: says so with a close frame, then ends. */
void websocket_refuse(struct websocket *ws, int code, enum err err, const char *what);

void websocket_on_message(struct websocket *ws, bool is_text, struct str message);
void websocket_on_ping(struct websocket *ws, struct str payload);

/* `code` is 1005 for a frame without one. */
void websocket_on_close(struct websocket *ws, int code);

/* Tells who listens in; only with `tap`. */
void websocket_tap(struct websocket *ws, const struct wire_event *e);

/* ---- websocket_frames.c ---- */

/* Takes frames out of `bytes` until none are left, the reader pauses or the socket ends. */
void frames_read(struct websocket *ws, struct str bytes);

/* Appends a frame to the outbox; ERR_NOMEM or ERR_TOO_BIG with nothing appended. */
MUST_USE enum err frames_write(struct websocket *ws, int opcode, bool fin, struct str payload);

void frames_deinit(struct websocket *ws);

/* ---- websocket_client.c ---- */

/* Connects; the end of the turn in which websocket_connect() was called. */
void upgrade_begin(struct websocket *ws);

/* No byte of the handshake was handed to a connection. */
bool upgrade_is_unsent(const struct upgrade *u);

/* Stops the handshake and frees what it holds. NULL is fine. */
void upgrade_free(struct upgrade *u);
