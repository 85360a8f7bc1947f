/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: one request and its response each, on a kept connection or a new one.
 *
 *     CONNECT --> SEND --> HEAD --> BODY --> DONE
 *        ^__________\________/   once, when a kept connection proved stale
 *
 * The connection is read from SEND on, since a server may answer before it has
 * all of the request. Of a whole body the rest goes on behind a head of 2xx, which may be
 * an answer that is made while it reads; any other says that it wants no more (RFC 9112 9.5).
 * Either way a connection that did not take all of the request is not kept. set_state() is the only
 * writer of `state`, finish() and http_call_cancel() are the only ways out.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "http/client_internal.h"
#include "http/wire_tap.h"

enum {
    REQUEST_HEAD_MAX = 256 << 10,
    DETAIL_SIZE = 512,
};

static void on_task(void *arg);
static void on_connected(void *arg, const struct connect_outcome *outcome);
static void on_writable(void *arg);
static void on_read(void *arg, enum err err, struct str bytes);
static void on_deadline(void *arg);

static const struct conn_handler conn_handler = { .on_read = on_read, .on_writable = on_writable };

#define TO(state) (1U << (state))

static const unsigned moves[] = {
    [CALL_CONNECT] = TO(CALL_SEND) | TO(CALL_DONE),
    [CALL_SEND] = TO(CALL_CONNECT) | TO(CALL_HEAD) | TO(CALL_BODY) | TO(CALL_DONE),
    [CALL_HEAD] = TO(CALL_CONNECT) | TO(CALL_BODY) | TO(CALL_DONE),
    [CALL_BODY] = TO(CALL_DONE),
    [CALL_DONE] = 0,
};

void call_arm_deadline(struct http_call *call)
{
    int64_t ms = call->head_timeout_ms;

    if (call->state == CALL_BODY)
        ms = call->idle_timeout_ms;
    else if (call->state == CALL_SEND)
        ms = call->send_timeout_ms;
    if ((call->state == CALL_BODY && call->is_paused) || upload_rests(call))
        timer_disarm(&call->timer);
    else
        timer_arm(call->client->loop, &call->timer, ms, on_deadline, call);
}

static void set_state(struct http_call *call, enum call_state next)
{
    BUG_ON(!(moves[call->state] & TO(next)));
    call->state = next;
    if (next == CALL_CONNECT || next == CALL_DONE)
        timer_disarm(&call->timer); /* the connector has its own deadline */
    else
        call_arm_deadline(call);
}

/* ---- the client ---- */

void http_client_limits_default(struct http_client_limits *limits)
{
    *limits = (struct http_client_limits){
        .max_idle = 64,
        .idle_timeout_ms = 30000,
        .max_head = (size_t)64 << 10,
    };
}

static void free_client(void *arg)
{
    mem_free(arg);
}

static bool spare(void *arg)
{
    return pool_drop_oldest(arg);
}

struct http_client *http_client_new(struct connector *connector,
                                    const struct http_client_limits *limits)
{
    struct http_client *c = mem_new(struct http_client);

    c->connector = connector;
    c->loop = connector_loop(connector);
    c->limits = *limits;
    list_init(&c->pools);
    list_init(&c->idle);
    connector_set_spare(connector, spare, c);
    task_init(&c->retire, free_client, c);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    BUG_ON(c->n_calls > 0);
    connector_set_spare(c->connector, NULL, NULL);
    while (!list_is_empty(&c->pools))
        pool_free(CONTAINER_OF(c->pools.next, struct pool, node));
    loop_retire(c->loop, &c->retire);
}

struct loop *http_client_loop(const struct http_client *c)
{
    return c->loop;
}

struct connector *http_client_connector(const struct http_client *c)
{
    return c->connector;
}

size_t http_client_idle(const struct http_client *c)
{
    return c->n_idle;
}

/* ---- who listens in ---- */

static void tap_begin(struct http_call *call, const struct http_call_params *params)
{
    struct arena joined;
    struct wire_request r = {
        .method = params->method,
        .target = params->target,
        .headers = params->headers,
        .n_headers = params->n_headers,
    };

    arena_init(&joined);
    r.body = arena_join(&joined, STRS(params->body, params->more[0], params->more[1]));
    call->tap_number = call->tap->begin(call->tap->arg, &r);
    arena_deinit(&joined);
}

static void tap_event(struct http_call *call, const struct wire_event *e)
{
    call->tap->event(call->tap->arg, call->tap_number, e);
}

/* ---- the end of a call ---- */

static void free_call(void *arg)
{
    struct http_call *call = arg;

    buf_wipe(&call->request); /* cookies and tokens are in it */
    buf_deinit(&call->in);
    upload_deinit(call);
    mem_free(call);
}

/* Whatever runs is stopped; the memory goes at the end of the turn. */
static void retire(struct http_call *call)
{
    set_state(call, CALL_DONE);
    task_cancel(&call->task);
    if (call->connect)
        connect_cancel(TAKE(call->connect));
    conn_close(TAKE(call->conn), false);
    call->client->n_calls--;
    loop_retire(call->client->loop, &call->retire);
}

static void finish(struct http_call *call, enum err err, const char *detail)
{
    struct http_outcome outcome = {
        .err = err,
        .certainly_unsent = !call->any_sent,
        .responded = call->responded,
        .detail = detail,
    };

    if (call->tap)
        tap_event(call, &(struct wire_event){ .type = WIRE_DONE, .err = err });
    retire(call);
    call->handler->on_done(call->arg, &outcome);
}

/* "api.example.com:443 did not answer in 30000 ms" */
static FORMAT(3, 4) void fail(struct http_call *call, enum err err, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    char where[HOST_MAX + 9];
    va_list args;
    int n = snprintf(detail, sizeof(detail), "%s ", endpoint_text(&call->pool->endpoint, where));

    va_start(args, format);
    vsnprintf(detail + n, sizeof(detail) - (size_t)n, format, args);
    va_end(args);
    finish(call, err, detail);
}

/* The whole response came; `rest` is what came behind it. */
static void succeed(struct http_call *call, struct str rest)
{
    if (call->can_keep && upload_is_done(call) && !call->upload.is_broken && rest.n == 0)
        pool_put(call->pool, TAKE(call->conn));
    finish(call, ERR_NONE, "");
}

bool http_call_is_unsent(const struct http_call *call)
{
    return !call->any_sent;
}

/* Only an answer is paused: before it the connection has to be watched. */
void http_call_pause(struct http_call *call)
{
    call->is_paused = true;
    if (call->state != CALL_BODY)
        return;
    conn_read_stop(call->conn);
    timer_disarm(&call->timer);
}

void http_call_resume(struct http_call *call)
{
    call->is_paused = false;
    if (call->state != CALL_BODY)
        return;
    conn_read_start(call->conn);
    call_arm_deadline(call);
}

void http_call_cancel(struct http_call *call)
{
    if (call->state != CALL_DONE)
        retire(call);
}

/* ---- CONNECT ---- */

struct http_call *http_call_start(struct http_client *c, const struct http_call_params *params,
                                  const struct http_call_handler *handler, void *arg)
{
    struct http_call *call = mem_new(struct http_call);

    BUG_ON(params->connect_timeout_ms <= 0 || params->head_timeout_ms <= 0 ||
           params->idle_timeout_ms <= 0);
    call->client = c;
    call->pool = pool_get(c, &params->url->endpoint);
    call->handler = handler;
    call->arg = arg;
    call->connect_timeout_ms = params->connect_timeout_ms;
    call->head_timeout_ms = params->head_timeout_ms;
    call->idle_timeout_ms = params->idle_timeout_ms;
    call->send_timeout_ms =
        params->send_timeout_ms > 0 ? params->send_timeout_ms : params->head_timeout_ms;
    call->method = params->method;
    call->body[0] = params->body;
    memcpy(call->body + 1, params->more, sizeof(params->more));
    call->body_size = http_call_body_size(params);
    call->send_once = params->send_once;
    buf_init(&call->request, REQUEST_HEAD_MAX);
    buf_init(&call->in, c->limits.max_head + LOOP_READ_SIZE);
    call->refused = client_write_head(&call->request, params);
    if (!call->refused)
        call->refused = upload_init(call, params);
    task_init(&call->task, on_task, call);
    task_init(&call->retire, free_call, call);
    call->tap = connector_tap(c->connector);
    if (call->tap)
        tap_begin(call, params);
    c->n_calls++;
    loop_defer(c->loop, &call->task);
    return call;
}

static void connect_anew(struct http_call *call)
{
    call->connect = connect_start(call->client->connector, &call->pool->endpoint,
                                  call->connect_timeout_ms, on_connected, call);
}

static void send_request(struct http_call *call);

static void use(struct http_call *call, struct conn *conn)
{
    call->conn = conn;
    conn_set_handler(conn, &conn_handler, call);
    set_state(call, CALL_SEND);
    conn_read_start(conn);
    send_request(call);
}

static void begin(struct http_call *call)
{
    struct conn *conn;

    if (call->refused) {
        fail(call, call->refused, "cannot be asked: %s",
             call->refused == ERR_BAD_INPUT
                 ? "the target or a header of the request has bytes that must not be sent"
                 : err_text(call->refused));
        return;
    }
    /* What is sent once cannot go out again when a kept connection proves stale. */
    conn = call->upload.is_streamed ? NULL : pool_take(call->pool);
    call->is_kept = conn != NULL;
    if (conn)
        use(call, conn);
    else
        connect_anew(call);
}

static void on_connected(void *arg, const struct connect_outcome *outcome)
{
    struct http_call *call = arg;

    call->connect = NULL;
    if (outcome->err)
        finish(call, outcome->err, outcome->detail);
    else
        use(call, outcome->conn);
}

/* A server may close a kept connection just when it is used again. If it said nothing, the request
 * goes out once more on a new one. True: it does. */
static bool retry(struct http_call *call)
{
    if (!call->is_kept || (call->send_once && call->is_sent_told))
        return false;
    call->is_kept = false;
    call->sent = 0;
    conn_close(TAKE(call->conn), true);
    set_state(call, CALL_CONNECT);
    connect_anew(call);
    return true;
}

/* ---- SEND ---- */

void call_sent(struct http_call *call)
{
    if (call->state == CALL_SEND)
        set_state(call, CALL_HEAD);
    if (call->is_sent_told)
        return;
    call->is_sent_told = true;
    if (call->tap)
        tap_event(call, &(struct wire_event){ .type = WIRE_SENT });
    if (call->handler->on_sent)
        call->handler->on_sent(call->arg);
}

/* What is left of a piece of the request, when *sent bytes of it and those behind are out. */
static struct str take_unsent(struct str piece, size_t *sent)
{
    size_t n = *sent < piece.n ? *sent : piece.n;

    *sent -= n;
    return str_from(piece, n);
}

static void send_request(struct http_call *call)
{
    struct str parts[1 + COUNT_OF(call->body)] = { buf_str(&call->request) };
    size_t sent = call->sent;
    size_t n = 0;
    size_t written;
    enum err err;

    memcpy(parts + 1, call->body, sizeof(call->body));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct str left = take_unsent(parts[i], &sent);

        if (left.n > 0)
            parts[n++] = left;
    }
    err = conn_write(call->conn, parts, n, &written);

    call->sent += written;
    call->any_sent = call->any_sent || written > 0;
    /* The reader is told why, maybe by an answer that came before the end. */
    if (err)
        return;
    if (call->sent < call->request.n + call->body_size) {
        if (written > 0)
            call_arm_deadline(call);
    } else if (call->upload.is_streamed) {
        upload_open(call);
    } else if (call->state == CALL_SEND) {
        call_sent(call);
    }
}

static void on_writable(void *arg)
{
    struct http_call *call = arg;

    if (call->upload.is_open)
        upload_flush(call);
    else if (!call->is_refused && call->sent < call->request.n + call->body_size)
        send_request(call);
}

/* ---- HEAD ---- */

static void take_body(struct http_call *call, struct str bytes);

/* A final head was parsed into the client's scratch; `rest` stands behind it. */
static void take_final(struct http_call *call, struct str rest)
{
    const struct http_head *h = &call->client->scratch;

    call->can_keep = h->keep_alive && h->framing != HTTP_BODY_UNTIL_CLOSE;
    call->responded = true;
    call->is_refused = h->status >= 300;
    http_body_init(&call->decoder, h);
    set_state(call, CALL_BODY);
    if (call->is_paused)
        http_call_pause(call);
    if (call->tap)
        tap_event(call, &(struct wire_event){ .type = WIRE_HEAD, .head = h });
    call->handler->on_head(call->arg, h);
    if (call->state == CALL_BODY)
        take_body(call, rest);
}

/* Takes heads off *in. ERR_AGAIN: no final one yet; ERR_PROTOCOL: the call failed. */
static enum err find_final(struct http_call *call, struct str *in)
{
    struct http_head *h = &call->client->scratch;
    struct http_refusal why;
    size_t used;
    enum err err;

    do {
        err = http_parse_response(*in, call->method, &call->scanned, h, &used, &why);
        if (err == ERR_AGAIN && in->n < call->client->limits.max_head)
            return ERR_AGAIN;
        if (err == ERR_AGAIN || (!err && used > call->client->limits.max_head)) {
            fail(call, ERR_PROTOCOL, "sent a response head of more than %zu bytes",
                 call->client->limits.max_head);
            return ERR_PROTOCOL;
        }
        if (err || h->status == 101) {
            fail(call, ERR_PROTOCOL, "sent an answer that is no valid HTTP: %s",
                 err ? why.what : "it switches protocols unasked");
            return ERR_PROTOCOL;
        }
        call->scanned = 0;
        *in = str_from(*in, used);
    } while (h->status < 200);
    return ERR_NONE;
}

/* What is left of the bytes of an incomplete head. */
static void keep_head(struct http_call *call, struct str in)
{
    if (call->in.n > 0)
        buf_consume(&call->in, call->in.n - in.n);
    else if (buf_add(&call->in, in))
        fail(call, ERR_NOMEM, "answers, but the memory limit is reached");
}

/* Parses where the bytes are; only a head that comes in pieces is gathered. */
static void take_heads(struct http_call *call, struct str bytes)
{
    struct buf gathered;
    struct str in = bytes;
    enum err err;

    if (call->in.n > 0 && buf_add(&call->in, bytes)) {
        fail(call, ERR_NOMEM, "answers, but the memory limit is reached");
        return;
    }
    if (call->in.n > 0)
        in = buf_str(&call->in);
    err = find_final(call, &in);
    if (err == ERR_AGAIN)
        keep_head(call, in);
    if (err)
        return;
    gathered = call->in;
    buf_init(&call->in, gathered.max);
    take_final(call, in);
    buf_deinit(&gathered);
}

/* ---- BODY ---- */

static void take_body(struct http_call *call, struct str bytes)
{
    struct str piece;

    while (call->state == CALL_BODY && !call->decoder.done) {
        enum err err = http_body_next(&call->decoder, &bytes, &piece);
        if (err) {
            fail(call, ERR_PROTOCOL, "sent an answer that is no valid HTTP: broken chunks");
            return;
        }
        if (piece.n == 0)
            break;
        if (call->tap)
            tap_event(call, &(struct wire_event){ .type = WIRE_BODY, .bytes = piece });
        call->handler->on_body(call->arg, piece);
    }
    if (call->state != CALL_BODY)
        return;
    if (call->decoder.done)
        succeed(call, bytes);
    else
        call_arm_deadline(call);
}

/* ---- events ---- */

static void on_task(void *arg)
{
    struct http_call *call = arg;

    begin(call);
}

static void on_end(struct http_call *call, enum err err)
{
    if (call->state == CALL_BODY && err == ERR_CLOSED && !http_body_eof(&call->decoder)) {
        succeed(call, STR(""));
        return;
    }
    if (call->state == CALL_BODY || call->any_received) {
        fail(call, err, "ended the connection in the middle of its answer (%s)", err_text(err));
        return;
    }
    if (!retry(call))
        fail(call, err, "ended the connection without an answer (%s)", err_text(err));
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct http_call *call = arg;

    if (err) {
        on_end(call, err);
        return;
    }
    call->any_received = true;
    if (call->state == CALL_BODY)
        take_body(call, bytes);
    else
        take_heads(call, bytes);
}

static void on_deadline(void *arg)
{
    struct http_call *call = arg;

    if (call->state == CALL_SEND)
        fail(call, ERR_TIMEOUT, "did not take the request in %" PRId64 " ms",
             call->send_timeout_ms);
    else if (call->state == CALL_HEAD)
        fail(call, ERR_TIMEOUT, "did not answer in %" PRId64 " ms", call->head_timeout_ms);
    else
        fail(call, ERR_TIMEOUT, "sent nothing more of its answer for %" PRId64 " ms",
             call->idle_timeout_ms);
}
