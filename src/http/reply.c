/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the server: a whole one leaves in one write, a stream's bytes of one turn
 * leave as one chunk at its end. The open chunk is the tail of `out`, behind a size
 * line of fixed width that is filled in when the chunk is sealed.
 *
 * Nothing here calls the service back except reply_flush() and reply_refuse(),
 * so that a service may answer from anywhere.
 */
#include "http/server_internal.h"

#include "base/metrics.h"

enum {
    SIZE_LINE = 10,    /* "0000abcd\r\n" */
    ERROR_MAX = 65536, /* bytes of write_error's body */
    HEAD_USUAL = 512,  /* bytes that most heads have room in */
    BURST = 1024,      /* bytes that wait when another piece comes */
    BURST_ROOM = 32 << 10,
};

/* The connection, or NULL when the request is over for it. */
static struct http_connection *open_connection(const struct http_request *r)
{
    struct http_connection *c = r->connection;

    return c->request && &c->request->r == r ? c : NULL;
}

static struct server_request *private_of(struct http_request *r)
{
    return CONTAINER_OF(r, struct server_request, r);
}

/* ---- out ---- */

static void open_chunk(struct http_connection *c)
{
    static const char zeros[SIZE_LINE] = { '0', '0', '0', '0', '0', '0', '0', '0', '\r', '\n' };
    char *room;

    if (c->has_chunk || buf_reserve(&c->out.buf, SIZE_LINE, &room))
        return;
    memcpy(room, zeros, SIZE_LINE);
    c->chunk_at = c->out.buf.n;
    buf_commit(&c->out.buf, SIZE_LINE);
    c->has_chunk = true;
}

/* Fills in the size line and ends the chunk; one without bytes disappears. */
static enum err seal_chunk(struct http_connection *c)
{
    static const char digits[] = "0123456789abcdef";
    size_t size;

    if (!c->has_chunk)
        return ERR_NONE;
    c->has_chunk = false;
    size = c->out.buf.n - c->chunk_at - SIZE_LINE;
    if (c->request)
        c->request->r.sent += size;
    if (size == 0) {
        buf_truncate(&c->out.buf, c->chunk_at);
        return ERR_NONE;
    }
    for (size_t i = SIZE_LINE - 2; size > 0; size >>= 4)
        c->out.buf.p[c->chunk_at + --i] = digits[size & 15];
    return buf_add(&c->out.buf, STR("\r\n"));
}

/* The deadline for room in the socket runs only while bytes wait. */
static void watch_room(struct http_connection *c, bool progress)
{
    if (c->state != CONNECTION_HANDLER && c->state != CONNECTION_FLUSH &&
        c->state != CONNECTION_UPLOAD)
        return;
    if (outbox_pending(&c->out) == 0)
        connection_unwatch(c);
    else if (progress || !timer_is_armed(&c->timer))
        connection_watch(c);
}

enum err reply_push(struct http_connection *c, struct str more)
{
    size_t written = 0;
    enum err err = c->out.is_blocked ? ERR_NONE : seal_chunk(c);

    if (!err)
        err = outbox_push(&c->out, c->conn, more, &written);
    if (err)
        return err;
    metric_add(METRIC_BYTES_OUT, (int64_t)written);
    watch_room(c, written > 0);
    return ERR_NONE;
}

void reply_flush(struct http_connection *c)
{
    struct http_request *r = c->request ? &c->request->r : NULL;

    if (c->is_broken || reply_push(c, STR(""))) {
        connection_close(c, true);
        return;
    }
    if (!r || !c->is_full || outbox_pending(&c->out) >= c->server->limits.max_buffered / 2)
        return;
    c->is_full = false;
    if (r->on_drain)
        r->on_drain(r->arg);
}

/* ---- heads ---- */

static enum err add_header(struct buf *out, struct str name, struct str value)
{
    return buf_add_all(out, STRS(name, STR(": "), value, STR("\r\n")));
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* Whether the connection may serve another request; decided when the head is made. */
static void decide_closing(struct http_connection *c, const struct server_request *q)
{
    bool body_is_open = c->body.framing != HTTP_BODY_NONE && !c->body.done;
    bool until_close =
        q->r.head.minor_version == 0 && q->is_stream && !q->is_sized && !q->is_bodiless;

    if (until_close || c->server->is_draining || (body_is_open && q->r.head.expect_continue))
        c->is_closing = true;
    if (body_is_open && !connection_can_drain(c)) {
        c->is_closing = true;
        c->must_linger = true;
    }
}

static enum err add_connection(struct http_connection *c, const struct server_request *q)
{
    if (c->is_closing)
        return buf_add(&c->out.buf, STR("connection: close\r\n"));
    if (q->r.head.minor_version == 0)
        return buf_add(&c->out.buf, STR("connection: keep-alive\r\n"));
    return ERR_NONE;
}

static enum err add_framing(struct http_connection *c, const struct server_request *q, int status,
                            uint64_t length)
{
    char digits[STR_U64_MAX];

    if (!status_has_body(status))
        return ERR_NONE;
    if (!q->is_stream || q->is_sized)
        return add_header(&c->out.buf, STR("content-length"), str_of_u64(length, digits));
    if (q->r.head.minor_version > 0)
        return buf_add(&c->out.buf, STR("transfer-encoding: chunked\r\n"));
    return ERR_NONE;
}

/* Each header that a service gives must be fit to be sent: our mistake otherwise. */
static enum err add_headers(struct http_connection *c, const struct http_header *headers, size_t n)
{
    enum err err = ERR_NONE;

    for (size_t i = 0; i < n && !err; i++) {
        BUG_ON(!http_name_is_safe(headers[i].name) || !http_value_is_safe(headers[i].value));
        err = add_header(&c->out.buf, headers[i].name, headers[i].value);
    }
    return err;
}

/* Appends the head to `out`; `length` is for whole answers and sized streams. */
static enum err add_head(struct http_connection *c, struct server_request *q, int status,
                         const struct http_header *headers, size_t n, uint64_t length)
{
    char digits[STR_U64_MAX];
    enum err err;
    char *room;

    BUG_ON(q->is_begun || status < 200 || status > 999);
    q->is_begun = true;
    q->is_bodiless = q->r.head.method == HTTP_HEAD || !status_has_body(status);
    q->is_chunked = q->is_stream && !q->is_sized && !q->is_bodiless && q->r.head.minor_version > 0;
    decide_closing(c, q);
    err = buf_reserve(&c->out.buf, HEAD_USUAL, &room);
    if (!err)
        err = buf_add_all(&c->out.buf, STRS(STR("HTTP/1.1 "), str_of_u64((uint64_t)status, digits),
                                            STR(" "), str_of(http_reason(status)), STR("\r\n")));
    if (!err)
        err = add_header(&c->out.buf, STR("date"), loop_http_date(c->server->loop));
    if (!err)
        err = add_header(&c->out.buf, STR("x-request-id"), str_of(q->r.id));
    if (!err)
        err = add_connection(c, q);
    if (!err)
        err = add_headers(c, headers, n);
    if (!err)
        err = buf_add(&c->out.buf, q->r.extra_headers);
    if (!err)
        err = add_framing(c, q, status, length);
    if (!err)
        err = buf_add(&c->out.buf, STR("\r\n"));
    return err;
}

/* ---- whole answers ---- */

void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n,
                struct str body)
{
    struct http_connection *c = open_connection(r);
    struct server_request *q = private_of(r);
    enum err err;

    if (!c)
        return;
    err = add_head(c, q, status, headers, n, body.n);
    r->sent = q->is_bodiless ? 0 : body.n;
    intake_end_request(c);
    if (!err)
        err = reply_push(c, q->is_bodiless ? STR("") : body);
    if (err)
        connection_close(c, true);
    else
        connection_answered(c);
}

void reply_refuse(struct http_connection *c, int status, const char *what)
{
    const struct http_header headers[] = { { STR("content-type"), STR("application/json") },
                                           { STR("retry-after"), STR("1") } };
    struct http_request *r = intake_request(c);
    struct buf text;

    metric_add(METRIC_REJECTED, 1);
    r->refused = status;
    if (c->request->is_begun) {
        connection_close(c, true);
        return;
    }
    intake_revoke_request(c);
    if (c->state == CONNECTION_CLOSED) {
        intake_end_request(c);
        return;
    }
    c->is_closing = true;
    c->must_linger = true;
    buf_init(&text, ERROR_MAX);
    c->server->service->write_error(c->server->arg, r, status, what, &text);
    http_reply(r, status, headers, status == 503 ? 2 : 1, buf_str(&text));
    buf_deinit(&text);
}

/* ---- streams ---- */

/* The end of the turn sends what a stream appended, with what tasks of the turn append. */
static void flush_later(struct http_connection *c)
{
    loop_defer_last(c->server->loop, &c->turn);
}

static void begin_stream(struct http_request *r, int status, const struct http_header *headers,
                         size_t n, uint64_t length)
{
    struct http_connection *c = open_connection(r);
    struct server_request *q = private_of(r);

    if (!c)
        return;
    q->is_stream = true;
    q->owed = length;
    c->has_span = false;
    c->is_broken = add_head(c, q, status, headers, n, length) != ERR_NONE;
    flush_later(c);
}

void http_reply_begin(struct http_request *r, int status, const struct http_header *headers,
                      size_t n)
{
    begin_stream(r, status, headers, n, 0);
}

void http_reply_begin_sized(struct http_request *r, int status, const struct http_header *headers,
                            size_t n, uint64_t length)
{
    private_of(r)->is_sized = true;
    begin_stream(r, status, headers, n, length);
}

/* More than one piece gathers in a turn: it gets room at once, or a burst would be copied at each
 * doubling. Without memory for it, it grows as ever. */
static void make_room_for_burst(struct buf *out)
{
    char *room;

    if (out->n > BURST && out->cap < BURST_ROOM && buf_reserve(out, BURST_ROOM - out->n, &room))
        return;
}

struct buf *http_reply_buf(struct http_request *r)
{
    struct http_connection *c = r->connection;
    const struct server_request *q = private_of(r);

    BUG_ON(!q->is_begun);
    make_room_for_burst(&c->out.buf);
    if (q->is_chunked)
        open_chunk(c);
    else if (!c->has_span)
        c->chunk_at = c->out.buf.n;
    c->has_span = true;
    return &c->out.buf;
}

/* Of a stream that is not chunked. */
static void count_written(struct http_connection *c)
{
    struct server_request *q = c->request;
    size_t n = c->out.buf.n - c->chunk_at;

    q->r.sent += n;
    if (!q->is_sized)
        return;
    BUG_ON(n > q->owed);
    q->owed -= n;
}

void http_reply_written(struct http_request *r)
{
    struct http_connection *c = open_connection(r);

    if (!c)
        return;
    c->has_span = false;
    if (c->request->is_bodiless)
        buf_truncate(&c->out.buf, c->chunk_at);
    else if (c->request->is_chunked)
        c->is_broken = c->is_broken || !c->has_chunk; /* no memory for the size line */
    else
        count_written(c);
    if (outbox_pending(&c->out) > c->server->limits.max_buffered)
        c->is_full = true;
    flush_later(c);
}

void http_reply_write(struct http_request *r, struct str bytes)
{
    struct http_connection *c = open_connection(r);

    if (!c || bytes.n == 0)
        return;
    if (buf_add(http_reply_buf(r), bytes))
        c->is_broken = true;
    http_reply_written(r);
}

bool http_reply_is_full(const struct http_request *r)
{
    return r->connection->is_full;
}

void http_reply_end(struct http_request *r)
{
    struct http_connection *c = open_connection(r);
    struct server_request *q = private_of(r);
    enum err err;

    if (!c)
        return;
    BUG_ON(!q->is_begun);
    BUG_ON(q->is_sized && q->owed > 0 && !q->is_bodiless && !c->is_broken);
    err = c->is_broken ? ERR_IO : seal_chunk(c);
    intake_end_request(c);
    if (!err)
        err = reply_push(c, q->is_chunked ? STR("0\r\n\r\n") : STR(""));
    if (err)
        connection_close(c, true);
    else
        connection_answered(c);
}

/* A chunked body without its last chunk is broken for everyone, and so is one that is too short;
 * one that lasts until the connection ends is so only by a reset. */
void http_reply_abort(struct http_request *r)
{
    struct http_connection *c = open_connection(r);
    const struct server_request *q = private_of(r);
    bool is_sealed, by_fin;

    if (!c)
        return;
    is_sealed = seal_chunk(c) == ERR_NONE;
    intake_end_request(c);
    by_fin = (q->is_chunked || (q->is_sized && q->owed > 0)) && !c->is_broken && is_sealed &&
             reply_push(c, STR("")) == ERR_NONE;
    connection_close(c, !by_fin || outbox_pending(&c->out) > 0);
}

bool http_reply_is_begun(const struct http_request *r)
{
    const struct http_connection *c = open_connection(r);

    return !c || c->request->is_begun;
}

/* ---- the rest ---- */

bool http_request_peer_is_loopback(const struct http_request *r)
{
    const struct http_connection *c = open_connection(r);

    return c && conn_peer_is_loopback(c->conn);
}

struct str http_request_peer(const struct http_request *r)
{
    const struct http_connection *c = open_connection(r);

    return c ? conn_peer(c->conn) : STR("");
}

void http_request_pause(struct http_request *r)
{
    struct http_connection *c = open_connection(r);

    if (c && c->state == CONNECTION_UPLOAD)
        connection_set_paused(c, true);
}

void http_request_resume(struct http_request *r)
{
    struct http_connection *c = open_connection(r);

    if (c && c->is_paused)
        connection_set_paused(c, false);
}

struct loop *http_request_loop(const struct http_request *r)
{
    return r->connection->server->loop;
}

struct conn *http_request_take_conn(struct http_request *r, struct str head, struct str *ret_rest)
{
    struct http_connection *c = open_connection(r);
    struct conn *conn;
    enum err err;

    if (!c)
        return NULL;
    *ret_rest = arena_dup(&r->arena, c->input.n > 0 ? c->input : buf_str(&c->in));
    err = reply_push(c, head);
    intake_end_request(c);
    if (err || outbox_pending(&c->out) > 0) {
        connection_close(c, true);
        return NULL;
    }
    conn_read_stop(c->conn);
    conn = TAKE(c->conn);
    connection_close(c, false);
    return conn;
}
