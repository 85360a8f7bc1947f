/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of the handshake (RFC 6455 4.1). All it needs hangs on ws->upgrade and
 * goes when the socket is open, so that open ones stay small. An answer other than 101
 * is read on, up to a bound, since its body says why.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "http/client_internal.h"
#include "http/handshake.h"
#include "http/head_copy.h"
#include "http/websocket_internal.h"

enum {
    REQUEST_MAX = 256 << 10,
    RESPONSE_HEAD_MAX = 64 << 10,
    REFUSAL_MAX = 4096,
    WHAT_SIZE = 256,
    OUR_HEADERS = 4,
    CODE_ABNORMAL = 1006,
};

struct upgrade {
    struct connector *connector;
    struct endpoint endpoint;
    struct connect *connect; /* while it runs */
    int64_t connect_timeout_ms;
    int64_t upgrade_timeout_ms;
    char key[HANDSHAKE_KEY_LEN + 1];
    enum err unfit; /* the request cannot be sent at all */
    struct buf request;
    size_t sent;
    struct buf in; /* the answer's head; behind a 101 frames may follow */
    size_t scanned;
    struct http_head head;
    struct arena arena;        /* of the refusal */
    struct http_head *refusal; /* the head of an answer other than 101 */
    struct http_body decoder;
    struct buf body; /* what is kept of the refusal's */
};

static void on_connected(void *arg, const struct connect_outcome *outcome);
static void on_writable(void *arg);
static void on_read(void *arg, enum err err, struct str bytes);
static void on_deadline(void *arg);
static void finish_refused(struct websocket *ws);

static const struct conn_handler conn_handler = { .on_read = on_read, .on_writable = on_writable };

/* ---- CONNECT ---- */

static enum err write_request(struct upgrade *u, const struct websocket_params *p)
{
    const struct http_header ours[OUR_HEADERS] = {
        { STR("Upgrade"), STR("websocket") },
        { STR("Connection"), STR("Upgrade") },
        { STR("Sec-WebSocket-Version"), STR("13") },
        { STR("Sec-WebSocket-Key"), str_of(u->key) },
    };
    struct http_header *all = mem_alloc_array(p->n_headers + OUR_HEADERS, sizeof(*all));
    struct http_call_params params = {
        .url = p->url,
        .method = HTTP_GET,
        .target = p->target,
        .headers = all,
        .n_headers = p->n_headers + OUR_HEADERS,
    };
    enum err err;

    memcpy(all, ours, sizeof(ours));
    if (p->n_headers > 0)
        memcpy(all + OUR_HEADERS, p->headers, p->n_headers * sizeof(*all));
    err = client_write_head(&u->request, &params);
    mem_free(all);
    return err;
}

static void tap_begin(struct websocket *ws, const struct websocket_params *p)
{
    const struct wire_request r = {
        .is_socket = true,
        .method = HTTP_GET,
        .target = p->target,
        .headers = p->headers,
        .n_headers = p->n_headers,
    };

    ws->tap_number = ws->tap->begin(ws->tap->arg, &r);
}

struct websocket *websocket_connect(struct connector *c, const struct websocket_params *p,
                                    const struct websocket_handler *handler, void *arg)
{
    struct upgrade *u = mem_new(struct upgrade);
    char peer[HOST_MAX + 9];
    struct websocket *ws = websocket_new(connector_loop(c), p->max_message, handler, arg,
                                         str_of(endpoint_text(&p->url->endpoint, peer)));

    u->connector = c;
    u->endpoint = p->url->endpoint;
    u->connect_timeout_ms = p->connect_timeout_ms;
    u->upgrade_timeout_ms = p->upgrade_timeout_ms;
    buf_init(&u->request, REQUEST_MAX);
    buf_init(&u->in, RESPONSE_HEAD_MAX + LOOP_READ_SIZE);
    buf_init(&u->body, REFUSAL_MAX);
    arena_init(&u->arena);
    u->unfit = handshake_key(u->key);
    if (!u->unfit)
        u->unfit = write_request(u, p);
    ws->upgrade = u;
    ws->is_client = true;
    ws->ping_interval_ms = p->ping_interval_ms;
    ws->tap = connector_tap(c);
    if (ws->tap)
        tap_begin(ws, p);
    loop_defer(ws->loop, &ws->turn);
    return ws;
}

void upgrade_free(struct upgrade *u)
{
    if (!u)
        return;
    if (u->connect)
        connect_cancel(u->connect);
    buf_wipe(&u->request); /* cookies are in it */
    buf_deinit(&u->in);
    buf_deinit(&u->body);
    arena_deinit(&u->arena);
    mem_free(u);
}

bool upgrade_is_unsent(const struct upgrade *u)
{
    return u->sent == 0;
}

void upgrade_begin(struct websocket *ws)
{
    struct upgrade *u = ws->upgrade;

    if (u->connect)
        return;
    if (u->unfit)
        websocket_fail(
            ws, u->unfit,
            u->unfit == ERR_BAD_INPUT
                ? "cannot be asked: the target or a header has bytes that must not be sent"
                : "cannot be asked: there is no room for the request");
    else
        u->connect =
            connect_start(u->connector, &u->endpoint, u->connect_timeout_ms, on_connected, ws);
}

static void send_request(struct websocket *ws)
{
    struct upgrade *u = ws->upgrade;
    struct str rest = str_from(buf_str(&u->request), u->sent);
    size_t written = 0;
    enum err err = rest.n > 0 ? conn_write(ws->conn, &rest, 1, &written) : ERR_NONE;

    u->sent += written;
    if (err)
        websocket_fail(ws, err, "broke the connection during the WebSocket handshake");
}

static void on_connected(void *arg, const struct connect_outcome *outcome)
{
    struct websocket *ws = arg;
    struct websocket_end end = {
        .err = outcome->err,
        .close_code = CODE_ABNORMAL,
        .certainly_unsent = true,
        .detail = outcome->detail,
    };

    ws->upgrade->connect = NULL;
    if (outcome->err) {
        websocket_finish(ws, &end);
        return;
    }
    ws->conn = outcome->conn;
    conn_set_handler(ws->conn, &conn_handler, ws);
    websocket_set_state(ws, WEBSOCKET_UPGRADE);
    timer_arm(ws->loop, &ws->timer, ws->upgrade->upgrade_timeout_ms, on_deadline, ws);
    conn_read_start(ws->conn);
    send_request(ws);
}

/* ---- UPGRADE ---- */

static void on_writable(void *arg)
{
    send_request(arg);
}

static void on_deadline(void *arg)
{
    struct websocket *ws = arg;

    if (ws->upgrade->refusal)
        finish_refused(ws);
    else
        websocket_fail(ws, ERR_TIMEOUT, "did not answer the WebSocket handshake in time");
}

static void finish_refused(struct websocket *ws)
{
    struct upgrade *u = TAKE(ws->upgrade); /* on_end still looks at it */
    char detail[WHAT_SIZE + HOST_MAX];
    struct websocket_end end = {
        .err = ERR_REFUSED,
        .close_code = CODE_ABNORMAL,
        .status = u->refusal->status,
        .head = u->refusal,
        .body = buf_str(&u->body),
        .detail = detail,
    };

    if (ws->tap) {
        websocket_tap(ws, &(struct wire_event){ .type = WIRE_HEAD, .head = u->refusal });
        websocket_tap(ws, &(struct wire_event){ .type = WIRE_BODY, .bytes = end.body });
    }
    snprintf(detail, sizeof(detail), "%s answered the WebSocket handshake with status %d", ws->peer,
             end.status);
    websocket_finish(ws, &end);
    upgrade_free(u);
}

static void take_refusal(struct websocket *ws, struct str bytes)
{
    struct upgrade *u = ws->upgrade;
    struct str piece;

    while (!u->decoder.done && u->body.n < REFUSAL_MAX) {
        if (http_body_next(&u->decoder, &bytes, &piece))
            break;
        if (piece.n == 0 && !u->decoder.done)
            return;
        if (buf_add(&u->body, str_sub(piece, 0, REFUSAL_MAX - u->body.n)))
            break;
    }
    finish_refused(ws);
}

static void take_upgrade(struct websocket *ws, struct str rest)
{
    const char *wrong = handshake_check_response(&ws->upgrade->head, ws->upgrade->key);
    struct upgrade *u;
    char what[WHAT_SIZE];

    if (wrong) {
        snprintf(what, sizeof(what), "made no proper WebSocket handshake: %s", wrong);
        websocket_fail(ws, ERR_PROTOCOL, what);
        return;
    }
    u = TAKE(ws->upgrade); /* `rest` points into it */
    websocket_set_state(ws, WEBSOCKET_OPEN);
    ws->is_counted = true;
    metric_add(METRIC_UPSTREAM_WEBSOCKETS, 1);
    websocket_open(ws);
    if (ws->tap)
        websocket_tap(ws, &(struct wire_event){ .type = WIRE_OPEN });
    if (ws->handler->on_open)
        ws->handler->on_open(ws->arg);
    if (ws->state == WEBSOCKET_OPEN && rest.n > 0)
        frames_read(ws, rest);
    upgrade_free(u);
}

static void take_answer(struct websocket *ws, struct str rest)
{
    struct upgrade *u = ws->upgrade;

    if (u->head.status == 101) {
        take_upgrade(ws, rest);
        return;
    }
    u->refusal = http_head_copy(&u->arena, &u->head);
    http_body_init(&u->decoder, &u->head);
    take_refusal(ws, rest);
}

static void fail_head(struct websocket *ws, const char *why)
{
    char what[WHAT_SIZE];

    snprintf(what, sizeof(what), "answered the WebSocket handshake with no valid HTTP: %s", why);
    websocket_fail(ws, ERR_PROTOCOL, what);
}

static void take_head(struct websocket *ws, struct str bytes)
{
    struct upgrade *u = ws->upgrade;
    struct http_refusal why;
    struct str in;
    size_t used;
    enum err err;

    if (buf_add(&u->in, bytes)) {
        websocket_fail(ws, ERR_NOMEM, "answers the handshake, but the memory limit is reached");
        return;
    }
    in = buf_str(&u->in);
    do {
        err = http_parse_response(in, HTTP_GET, &u->scanned, &u->head, &used, &why);
        if (err)
            break;
        u->scanned = 0;
        in = str_from(in, used);
    } while (u->head.status < 200 && u->head.status != 101);
    if (!err)
        take_answer(ws, in);
    else if (err != ERR_AGAIN)
        fail_head(ws, why.what);
    else if (in.n >= RESPONSE_HEAD_MAX)
        fail_head(ws, "its head is too large");
    else
        buf_consume(&u->in, u->in.n - in.n);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct websocket *ws = arg;

    if (ws->upgrade->refusal && err)
        finish_refused(ws);
    else if (ws->upgrade->refusal)
        take_refusal(ws, bytes);
    else if (err)
        websocket_fail(ws, err, "ended the connection during the WebSocket handshake");
    else
        take_head(ws, bytes);
}
