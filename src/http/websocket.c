/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a WebSocket: sending, pings, the closing handshake and the end.
 *
 *     CONNECT --> UPGRADE --> OPEN --> CLOSING --> CLOSED
 *
 * What is queued during a turn leaves in one write at its end. Each way to CLOSED goes
 * through websocket_retire(); on_end is called behind it by websocket_finish().
 */
#include "http/websocket_internal.h"

#include <stdio.h>
#include <wslay/wslay.h>

#include "base/mem.h"
#include "base/metrics.h"

enum {
    QUEUE_MAX = 1 << 20,  /* unsent bytes beyond which no message is taken */
    OUT_MAX = 64 << 20,   /* with the message that crosses it */
    PONGS_MAX = 64 << 10, /* unsent bytes beyond which pings are not answered */
    REASON_MAX = 123,
    CLOSING_MS = 2000,
    DETAIL_SIZE = 512,
};

#define TO(state) (1U << (state))

static const unsigned moves[] = {
    [WEBSOCKET_CONNECT] = TO(WEBSOCKET_UPGRADE) | TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_UPGRADE] = TO(WEBSOCKET_OPEN) | TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_OPEN] = TO(WEBSOCKET_CLOSING) | TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_CLOSING] = TO(WEBSOCKET_CLOSED),
    [WEBSOCKET_CLOSED] = 0,
};

static void on_turn(void *arg);
static void on_read(void *arg, enum err err, struct str bytes);
static void on_writable(void *arg);
static void on_silence(void *arg);
static void on_closing_timeout(void *arg);

static const struct conn_handler conn_handler = { .on_read = on_read, .on_writable = on_writable };

void websocket_set_state(struct websocket *ws, enum websocket_state next)
{
    BUG_ON(!(moves[ws->state] & TO(next)));
    ws->state = next;
    timer_disarm(&ws->timer);
}

/* ---- life ---- */

static void free_websocket(void *arg)
{
    struct websocket *ws = arg;

    frames_deinit(ws);
    outbox_deinit(&ws->out);
    mem_free(ws->peer);
    mem_free(ws);
}

struct websocket *websocket_new(struct loop *l, size_t max_message,
                                const struct websocket_handler *handler, void *arg, struct str peer)
{
    struct websocket *ws = mem_new(struct websocket);

    ws->loop = l;
    ws->handler = handler;
    ws->arg = arg;
    ws->peer = str_to_z(peer, mem_alloc(peer.n + 1), peer.n + 1);
    buf_init(&ws->message, max_message);
    buf_init(&ws->control, LOOP_READ_SIZE);
    buf_init(&ws->held, 2 * (size_t)LOOP_READ_SIZE);
    outbox_init(&ws->out, OUT_MAX);
    task_init(&ws->turn, on_turn, ws);
    task_init(&ws->retire, free_websocket, ws);
    return ws;
}

void websocket_open(struct websocket *ws)
{
    ws->last_read_ms = loop_now_ms(ws->loop);
    conn_set_handler(ws->conn, &conn_handler, ws);
    if (ws->ping_interval_ms > 0)
        timer_arm(ws->loop, &ws->timer, ws->ping_interval_ms, on_silence, ws);
    /* A client was read during its handshake. */
    if (ws->is_paused)
        conn_read_stop(ws->conn);
    else
        conn_read_start(ws->conn);
}

void websocket_retire(struct websocket *ws, bool reset)
{
    websocket_set_state(ws, WEBSOCKET_CLOSED);
    task_cancel(&ws->turn);
    upgrade_free(TAKE(ws->upgrade));
    conn_close(TAKE(ws->conn), reset);
    if (ws->is_counted)
        metric_add(METRIC_UPSTREAM_WEBSOCKETS, -1);
    loop_retire(ws->loop, &ws->retire);
}

void websocket_tap(struct websocket *ws, const struct wire_event *e)
{
    ws->tap->event(ws->tap->arg, ws->tap_number, e);
}

void websocket_finish(struct websocket *ws, const struct websocket_end *end)
{
    if (ws->tap)
        websocket_tap(ws, &(struct wire_event){
                              .type = WIRE_DONE, .err = end->err, .close_code = end->close_code });
    websocket_retire(ws, end->err == ERR_TIMEOUT);
    ws->handler->on_end(ws->arg, end);
}

static void finish_with(struct websocket *ws, enum err err, int code, const char *what)
{
    char detail[DETAIL_SIZE];
    struct websocket_end end = {
        .err = err,
        .close_code = code,
        .certainly_unsent = ws->upgrade && upgrade_is_unsent(ws->upgrade),
        .detail = detail,
    };

    snprintf(detail, sizeof(detail), "%s %s", ws->peer, what);
    websocket_finish(ws, &end);
}

void websocket_fail(struct websocket *ws, enum err err, const char *what)
{
    if (ws->state != WEBSOCKET_CLOSED)
        finish_with(ws, err, WSLAY_CODE_ABNORMAL_CLOSURE, what);
}

static bool is_speaking(const struct websocket *ws)
{
    return ws->state == WEBSOCKET_OPEN || ws->state == WEBSOCKET_CLOSING;
}

/* ---- out ---- */

size_t websocket_queued(const struct websocket *ws)
{
    return outbox_pending(&ws->out);
}

/* Errors show when the connection is read, too; the first one to notice ends it. */
static enum err push(struct websocket *ws)
{
    size_t written;

    return outbox_push(&ws->out, ws->conn, STR(""), &written);
}

static void flush(struct websocket *ws)
{
    enum err err = push(ws);

    if (err)
        websocket_fail(ws, err, "does not take what is sent to it any more");
    else if (ws->failed && outbox_pending(&ws->out) == 0)
        conn_shutdown(ws->conn);
}

static void on_writable(void *arg)
{
    struct websocket *ws = arg;

    ws->out.is_blocked = false;
    flush(ws);
}

static enum err queue(struct websocket *ws, int opcode, bool fin, struct str payload)
{
    enum err err = frames_write(ws, opcode, fin, payload);

    if (!err)
        loop_defer(ws->loop, &ws->turn);
    return err;
}

static enum err can_send(const struct websocket *ws)
{
    if (ws->state != WEBSOCKET_OPEN)
        return ERR_CLOSED;
    return websocket_queued(ws) > QUEUE_MAX ? ERR_TOO_BIG : ERR_NONE;
}

enum err websocket_send(struct websocket *ws, bool is_text, struct str message)
{
    enum err err = can_send(ws);

    if (err)
        return err;
    if (ws->tap)
        websocket_tap(
            ws, &(struct wire_event){
                    .type = WIRE_MESSAGE, .bytes = message, .is_ours = true, .is_text = is_text });
    return queue(ws, is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, true, message);
}

enum err websocket_send_fragmented(struct websocket *ws, struct str message, size_t n)
{
    size_t before = ws->out.buf.n;
    size_t size = n > 0 ? message.n / n : 0;
    enum err err = can_send(ws);

    BUG_ON(n == 0);
    for (size_t i = 0; i < n && !err; i++) {
        bool last = i == n - 1;
        struct str part = str_sub(message, i * size, last ? SIZE_MAX : size);
        err = queue(ws, i == 0 ? WSLAY_TEXT_FRAME : WSLAY_CONTINUATION_FRAME, last, part);
    }
    if (err && err != ERR_CLOSED)
        buf_truncate(&ws->out.buf, before);
    return err;
}

void websocket_on_ping(struct websocket *ws, struct str payload)
{
    /* RFC 6455 5.5.3: of many pings only the latest need be answered. */
    if (ws->state == WEBSOCKET_OPEN && websocket_queued(ws) <= PONGS_MAX &&
        queue(ws, WSLAY_PONG, true, payload))
        websocket_fail(ws, ERR_NOMEM, "sent a ping, but the memory limit is reached");
}

/* ---- in ---- */

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct websocket *ws = arg;

    if (err && ws->failed)
        finish_with(ws, ws->failed, WSLAY_CODE_ABNORMAL_CLOSURE, ws->failed_what);
    else if (err)
        websocket_fail(ws, err,
                       err == ERR_CLOSED ? "ended the connection without a close frame"
                                         : "broke the connection");
    if (err)
        return;
    ws->last_read_ms = loop_now_ms(ws->loop);
    ws->is_pinged = false;
    frames_read(ws, bytes);
}

void websocket_on_message(struct websocket *ws, bool is_text, struct str message)
{
    if (ws->state == WEBSOCKET_OPEN && ws->tap)
        websocket_tap(
            ws, &(struct wire_event){ .type = WIRE_MESSAGE, .bytes = message, .is_text = is_text });
    if (ws->state == WEBSOCKET_OPEN)
        ws->handler->on_message(ws->arg, is_text, message);
}

void websocket_pause(struct websocket *ws)
{
    if (ws->state == WEBSOCKET_CLOSING)
        return;
    ws->is_paused = true;
    if (ws->state == WEBSOCKET_OPEN)
        conn_read_stop(ws->conn);
}

void websocket_resume(struct websocket *ws)
{
    if (!ws->is_paused)
        return;
    ws->is_paused = false;
    ws->is_pinged = false; /* the pong may be among what nobody read */
    if (ws->state == WEBSOCKET_OPEN)
        loop_defer(ws->loop, &ws->turn);
}

/* What came while paused, or behind the handshake. */
static void take_held(struct websocket *ws)
{
    struct buf held = ws->held;

    buf_init(&ws->held, held.max);
    frames_read(ws, buf_str(&held));
    buf_deinit(&held);
}

static void on_turn(void *arg)
{
    struct websocket *ws = arg;

    if (ws->state == WEBSOCKET_CONNECT)
        upgrade_begin(ws);
    if (is_speaking(ws) && !ws->is_paused && (ws->held.n > 0 || ws->inside > 0))
        take_held(ws);
    if (is_speaking(ws) && !ws->is_paused)
        conn_read_start(ws->conn);
    if (is_speaking(ws))
        flush(ws);
}

/* ---- pings ---- */

static void on_silence(void *arg)
{
    struct websocket *ws = arg;
    int64_t silent = loop_now_ms(ws->loop) - ws->last_read_ms;
    int64_t next = ws->ping_interval_ms;

    /* Nobody reads while paused, so nothing is known of the peer. */
    if (silent < ws->ping_interval_ms && !ws->is_paused) {
        next = ws->ping_interval_ms - silent;
    } else if (!ws->is_paused) {
        if (ws->is_pinged || queue(ws, WSLAY_PING, true, STR(""))) {
            websocket_fail(ws, ERR_TIMEOUT, "does not answer pings any more");
            return;
        }
        ws->is_pinged = true;
    }
    timer_arm(ws->loop, &ws->timer, next, on_silence, ws);
}

/* ---- the closing handshake ---- */

static enum err queue_close(struct websocket *ws, int code, struct str reason)
{
    char payload[2 + REASON_MAX];

    if (code == WSLAY_CODE_NO_STATUS_RCVD)
        return queue(ws, WSLAY_CONNECTION_CLOSE, true, STR(""));
    reason = str_sub(reason, 0, REASON_MAX);
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    if (reason.n > 0)
        memcpy(payload + 2, reason.p, reason.n);
    return queue(ws, WSLAY_CONNECTION_CLOSE, true, (struct str){ payload, 2 + reason.n });
}

static void on_closing_timeout(void *arg)
{
    struct websocket *ws = arg;

    if (ws->failed)
        finish_with(ws, ws->failed, WSLAY_CODE_ABNORMAL_CLOSURE, ws->failed_what);
    else
        websocket_fail(ws, ERR_TIMEOUT, "did not answer the close frame");
}

/* The last frame of ours is queued and leaves at the end of the turn; reading goes on to the
 * peer's. */
static void begin_closing(struct websocket *ws)
{
    websocket_set_state(ws, WEBSOCKET_CLOSING);
    timer_arm(ws->loop, &ws->timer, CLOSING_MS, on_closing_timeout, ws);
    ws->is_paused = false;
}

void websocket_close(struct websocket *ws, int code, struct str reason)
{
    if (ws->state != WEBSOCKET_OPEN)
        return;
    if (queue_close(ws, code, reason))
        on_closing_timeout(ws);
    else
        begin_closing(ws);
}

void websocket_on_close(struct websocket *ws, int code)
{
    char what[64];

    /* A peer that does not wait for the answer is gone: just as well. */
    if (ws->state == WEBSOCKET_OPEN && !queue_close(ws, code, STR("")))
        push(ws);
    snprintf(what, sizeof(what), "closed the WebSocket (%d)", code);
    finish_with(ws, ERR_NONE, code, what);
}

/* A server waits for the client's end, so that no RST overtakes the close frame; a client has
 * somebody waiting for the news. */
void websocket_refuse(struct websocket *ws, int code, enum err err, const char *what)
{
    bool is_queued = ws->state == WEBSOCKET_OPEN && !queue_close(ws, code, STR(""));

    if (is_queued && !push(ws) && !ws->is_client) {
        ws->failed = err;
        ws->failed_what = what;
        begin_closing(ws);
        return;
    }
    websocket_fail(ws, err, what);
}

void websocket_abort(struct websocket *ws, bool polite)
{
    if (!ws || ws->state == WEBSOCKET_CLOSED)
        return;
    if (polite && ws->state == WEBSOCKET_OPEN)
        polite = !queue_close(ws, WSLAY_CODE_NORMAL_CLOSURE, STR("")) && !push(ws);
    websocket_retire(ws, !polite);
}
