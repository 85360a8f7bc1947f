/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends, taken apart: heads, bodies, and what only has to be dropped. Only one
 * request is open at a time; bytes behind it wait unread, up to one bounded head, so
 * that the end of the client is seen while its answer is made.
 *
 * intake() hands the bytes to the step of the state until none are left.
 */
#include "http/server_internal.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"

enum {
    ID_RANDOM = 24,
    HEAD_READ = 16 << 10, /* bytes: what comes with a head is copied, what comes later is not */
    BODY_READ = 1 << 20   /* others want their turn */
};

/* ---- requests ---- */

static void free_request(void *arg)
{
    struct server_request *q = arg;

    arena_deinit(&q->r.arena);
    buf_deinit(&q->body);
    mem_free(q);
}

static struct server_request *new_request(struct http_connection *c)
{
    struct server_request *q = mem_new(struct server_request);

    arena_init(&q->r.arena);
    buf_init(&q->body, 0);
    task_init(&q->retire, free_request, q);
    q->max_body = c->server->limits.max_body;
    q->r.connection = c;
    q->r.service_arg = c->server->arg;
    random_id("req_", ID_RANDOM, q->r.id);
    return q;
}

struct http_request *intake_request(struct http_connection *c)
{
    if (!c->request) {
        c->request = new_request(c);
        c->request->r.head.minor_version = 1;
    }
    return &c->request->r;
}

void intake_revoke_request(struct http_connection *c)
{
    struct server_request *q = TAKE(c->request); /* on_gone finds nothing to answer any more */
    void (*on_gone)(void *arg) = q ? q->r.on_gone : NULL;

    if (on_gone) {
        q->r.on_gone = NULL;
        on_gone(q->r.arg);
    }
    c->request = q;
}

void intake_end_request(struct http_connection *c)
{
    struct server_request *q = TAKE(c->request);

    c->is_full = false;
    if (c->is_paused && c->conn)
        conn_watch_end(c->conn, false);
    c->is_paused = false;
    if (q)
        loop_retire(c->server->loop, &q->retire);
}

/* Pipelined bytes, up to about one head's worth. Beyond it reading stops while an answer is being
 * sent: that has a deadline. While one is being made, reading must go on, or nobody would notice
 * that the client left: its FIN stands behind what it sent. No client has to send so much there:
 * RFC 9112 9.3.2 asks it to send nothing behind a request like POST before that is answered, and
 * to be ready for a connection that closes. */
static void take_waiting(struct http_connection *c)
{
    if (buf_add(&c->in, c->input)) {
        connection_close(c, true);
        return;
    }
    c->input = STR("");
    c->is_waiting = true;
    if (c->in.n <= c->server->limits.max_head)
        return;
    if (c->state == CONNECTION_HANDLER && c->body.done) {
        metric_add(METRIC_REJECTED, 1);
        connection_close(c, true);
    } else {
        connection_set_reading(c, false);
    }
}

/* The slices of a head that was parsed at `from`, moved to its copy at `to`. */
static void move_slice(struct str *s, struct str from, char *to)
{
    uintptr_t at = (uintptr_t)s->p;
    uintptr_t start = (uintptr_t)from.p;

    if (at >= start && at <= start + from.n)
        s->p = to + (at - start);
}

static void copy_head(const struct http_head *h, struct str from, char *to, struct http_head *ret)
{
    memcpy(to, from.p, from.n);
    memcpy(ret, h, offsetof(struct http_head, headers) + h->n_headers * sizeof(h->headers[0]));
    move_slice(&ret->method_text, from, to);
    move_slice(&ret->target, from, to);
    move_slice(&ret->path, from, to);
    move_slice(&ret->query, from, to);
    move_slice(&ret->host, from, to);
    for (size_t i = 0; i < ret->n_headers; i++) {
        move_slice(&ret->headers[i].name, from, to);
        move_slice(&ret->headers[i].value, from, to);
    }
}

static bool is_sane_id(struct str id)
{
    static const char extra[] = "._-";

    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_alnum && !memchr(extra, c, sizeof(extra) - 1))
            return false;
    }
    return id.n >= 1 && id.n < sizeof(((struct http_request *)NULL)->id);
}

static void dispatch(struct http_connection *c)
{
    struct server_request *q = c->request;

    q->r.body = buf_str(&q->body);
    connection_set_state(c, CONNECTION_HANDLER);
    c->server->service->on_request(c->server->arg, &q->r);
}

static void send_continue(struct http_connection *c)
{
    struct str text = STR("HTTP/1.1 100 Continue\r\n\r\n");

    if (reply_push(c, text))
        connection_close(c, true);
}

/* All of a body in pieces is handed on. What waits for room in the socket keeps its deadline. */
static void end_upload(struct http_connection *c)
{
    connection_set_state(c, CONNECTION_HANDLER);
    if (outbox_pending(&c->out) > 0)
        connection_watch(c);
}

static void begin_upload(struct http_connection *c)
{
    struct server_request *q = c->request;
    bool wants_continue = q->r.head.expect_continue && q->r.head.minor_version > 0;

    connection_set_state(c, CONNECTION_UPLOAD);
    if (c->body.done)
        end_upload(c);
    c->server->service->on_request(c->server->arg, &q->r);
    if (c->request != q)
        return;
    if (c->body.done && q->r.on_body)
        q->r.on_body(q->r.arg, STR(""), true);
    else if (wants_continue && !q->is_begun && c->input.n == 0)
        send_continue(c);
}

/* The service wants the body: waits for it, or says why not. What was announced costs nothing until
 * it comes; whoever only announces must not keep others out. */
static void expect_body(struct http_connection *c)
{
    struct server_request *q = c->request;
    const struct http_head *h = &q->r.head;
    uint64_t length = h->framing == HTTP_BODY_LENGTH ? h->content_length : 0;

    if (c->body.done) {
        if (q->r.streams_body)
            begin_upload(c);
        else
            dispatch(c);
        return;
    }
    if (length > q->max_body) {
        reply_refuse(c, 413, "the body of the request is larger than the limit");
        return;
    }
    q->body.max = h->framing == HTTP_BODY_LENGTH ? (size_t)length : q->max_body;
    if (!mem_budget_has(q->body.max < LOOP_READ_SIZE ? q->body.max : LOOP_READ_SIZE)) {
        reply_refuse(c, 503, "the memory limit is reached; try again later");
        return;
    }
    if (q->r.streams_body) {
        begin_upload(c);
        return;
    }
    connection_set_state(c, CONNECTION_BODY);
    if (h->expect_continue && h->minor_version > 0 && c->input.n == 0)
        send_continue(c);
}

/* `text` is a whole head; it is copied once, and c->input stands behind it. */
static void begin_request(struct http_connection *c, struct str text)
{
    const struct http_service *service = c->server->service;
    struct server_request *q = new_request(c);
    char *copy = arena_try(&q->r.arena, text.n);
    struct str id;

    metric_add(METRIC_REQUESTS, 1);
    c->request = q;
    if (!copy) {
        reply_refuse(c, 503, "the memory limit is reached; try again later");
        return;
    }
    copy_head(&c->server->scratch, text, copy, &q->r.head);
    buf_deinit(&c->in);
    id = http_value(&q->r.head, "x-request-id");
    if (is_sane_id(id))
        str_to_z(id, q->r.id, sizeof(q->r.id));
    http_body_init(&c->body, &q->r.head);
    c->is_closing = !q->r.head.keep_alive;
    if (service->on_head)
        service->on_head(c->server->arg, &q->r, &q->max_body);
    if (c->request != q)
        return;
    if (q->is_begun)
        connection_set_state(c, CONNECTION_HANDLER);
    else
        expect_body(c);
}

/* Keeps what is there of a head, if it may still become one. */
static void keep_head(struct http_connection *c, struct str text)
{
    if (text.n >= c->server->limits.max_head) {
        if (str_find_char(text, '\n') == SIZE_MAX)
            reply_refuse(c, 414, "the request line is larger than the limit");
        else
            reply_refuse(c, 431, "the head of the request is larger than the limit");
    } else if (c->in.n == 0 && buf_add(&c->in, text)) {
        reply_refuse(c, 503, "the memory limit is reached; try again later");
    } else {
        c->input = STR("");
    }
}

/* Parses where the bytes are; only a head that comes in pieces is gathered. */
static void take_head(struct http_connection *c)
{
    size_t had = c->in.n;
    size_t used = 0;
    struct str text = str_sub(c->input, 0, c->server->limits.max_head - had);
    struct http_refusal why;
    enum err err;

    if (c->state == CONNECTION_IDLE) {
        c->scanned = 0;
        connection_set_state(c, CONNECTION_HEAD);
    }
    if (had > 0) {
        if (buf_add(&c->in, text)) {
            reply_refuse(c, 503, "the memory limit is reached; try again later");
            return;
        }
        text = buf_str(&c->in);
    }
    err = http_parse_request(text, &c->scanned, &c->server->scratch, &used, &why);
    if (err == ERR_AGAIN) {
        keep_head(c, text);
    } else if (err) {
        reply_refuse(c, why.status, why.what);
    } else {
        c->input = str_from(c->input, used - had);
        begin_request(c, str_sub(text, 0, used));
    }
}

/* Room for `n` more bytes, if the memory budget has it. */
static enum err make_room(struct buf *body, size_t n)
{
    size_t growth = buf_growth(body, n);
    char *room;

    return growth > 0 && !mem_budget_has(growth) ? ERR_NOMEM : buf_reserve(body, n, &room);
}

/* With half of the body there is room for all of it, so that it does not move again. */
static enum err make_body_room(struct server_request *q, size_t n)
{
    size_t left = q->body.max - q->body.n;

    if (q->body.n + n >= q->body.max / 2 && make_room(&q->body, left) == ERR_NONE)
        return ERR_NONE;
    return make_room(&q->body, n);
}

static enum err keep_body(struct server_request *q, struct str piece)
{
    enum err err;

    if (q->body.p && piece.p == q->body.p + q->body.n) {
        buf_commit(&q->body, piece.n); /* it was read there */
        return ERR_NONE;
    }
    err = make_body_room(q, piece.n);
    return err ? err : buf_add(&q->body, piece);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

char *intake_room(struct http_connection *c, size_t *ret_size)
{
    struct server_request *q = c->request;
    bool is_head = c->state == CONNECTION_IDLE || c->state == CONNECTION_HEAD;
    size_t spare;
    size_t left;

    *ret_size = is_head ? HEAD_READ : LOOP_READ_SIZE;
    if (c->state != CONNECTION_BODY || q->r.head.framing != HTTP_BODY_LENGTH)
        return NULL;
    left = q->body.max - q->body.n;
    spare = q->body.cap - q->body.n;
    if (spare < left) {
        size_t comes = least(least(left, BODY_READ), conn_waiting(c->conn));

        if (comes < HEAD_READ || make_body_room(q, comes))
            return NULL;
        spare = q->body.cap - q->body.n;
    }
    *ret_size = least(least(left, spare), BODY_READ);
    return q->body.p + q->body.n;
}

static void refuse_body(struct http_connection *c, enum err err)
{
    if (err == ERR_BAD_INPUT)
        reply_refuse(c, 400, "the body of the request is not proper chunked coding");
    else if (err == ERR_NOMEM)
        reply_refuse(c, 503, "the memory limit is reached; try again later");
    else
        reply_refuse(c, 413, "the body of the request is larger than the limit");
}

static void take_body(struct http_connection *c)
{
    struct str piece;
    enum err err = http_body_next(&c->body, &c->input, &piece);

    if (!err && piece.n > 0)
        err = keep_body(c->request, piece);
    if (err)
        refuse_body(c, err);
    else if (c->body.done)
        dispatch(c);
}

static void take_upload(struct http_connection *c)
{
    struct server_request *q = c->request;
    struct str piece;
    enum err err = http_body_next(&c->body, &c->input, &piece);

    q->came += piece.n;
    if (!err && q->came > q->max_body)
        err = ERR_TOO_BIG;
    if (err) {
        refuse_body(c, err);
        return;
    }
    if (c->body.done)
        end_upload(c);
    if ((piece.n > 0 || c->body.done) && q->r.on_body)
        q->r.on_body(q->r.arg, piece, c->body.done);
}

static void drop_body(struct http_connection *c)
{
    size_t had = c->input.n;
    struct str piece;
    enum err err = http_body_next(&c->body, &c->input, &piece);
    size_t used = had - c->input.n;

    c->droppable -= used < c->droppable ? used : c->droppable;
    if (!err && c->body.done)
        connection_set_state(c, CONNECTION_IDLE);
    else if (err || c->droppable == 0)
        connection_linger(c);
}

static void drop(struct http_connection *c)
{
    size_t n = c->input.n;

    c->input = STR("");
    if (n > c->droppable)
        connection_close(c, true);
    else
        c->droppable -= n;
}

static void step(struct http_connection *c)
{
    if (c->is_waiting) {
        take_waiting(c);
        return;
    }
    switch (c->state) {
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
        take_head(c);
        break;
    case CONNECTION_BODY:
        take_body(c);
        break;
    case CONNECTION_UPLOAD:
        if (c->is_paused)
            take_waiting(c);
        else
            take_upload(c);
        break;
    case CONNECTION_HANDLER:
    case CONNECTION_FLUSH:
        take_waiting(c);
        break;
    case CONNECTION_DRAIN:
        drop_body(c);
        break;
    case CONNECTION_LINGER:
        drop(c);
        break;
    case CONNECTION_CLOSED:
        c->input = STR("");
        break;
    }
}

void intake(struct http_connection *c, struct str bytes)
{
    c->input = bytes;
    c->is_busy = true;
    while (c->input.n > 0)
        step(c);
    c->is_busy = false;
}
