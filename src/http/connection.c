/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection of the server: its states, their deadlines and its end. What comes
 * in is taken apart by intake.c, what goes out is made by reply.c. While an answer is
 * made the end of file means gone, also from a client that only closed its half.
 */
#include "http/server_internal.h"

#include "base/mem.h"
#include "base/metrics.h"

enum {
    DRAIN_LINGER_MS = 1000, /* without a byte in LINGER, when a server drains */
    DROPPABLE = 64 << 10,   /* of a body nobody wants, to keep the connection */
};

#define TO(state) (1U << (state))

static const unsigned moves[] = {
    [CONNECTION_IDLE] = TO(CONNECTION_HEAD) | TO(CONNECTION_FLUSH) | TO(CONNECTION_CLOSED),
    [CONNECTION_HEAD] = TO(CONNECTION_BODY) | TO(CONNECTION_UPLOAD) | TO(CONNECTION_HANDLER) |
                        TO(CONNECTION_FLUSH) | TO(CONNECTION_CLOSED),
    [CONNECTION_UPLOAD] = TO(CONNECTION_HANDLER) | TO(CONNECTION_FLUSH) | TO(CONNECTION_CLOSED),
    [CONNECTION_BODY] = TO(CONNECTION_HANDLER) | TO(CONNECTION_FLUSH) | TO(CONNECTION_CLOSED),
    [CONNECTION_HANDLER] = TO(CONNECTION_FLUSH) | TO(CONNECTION_CLOSED),
    [CONNECTION_FLUSH] =
        TO(CONNECTION_IDLE) | TO(CONNECTION_DRAIN) | TO(CONNECTION_LINGER) | TO(CONNECTION_CLOSED),
    [CONNECTION_DRAIN] = TO(CONNECTION_IDLE) | TO(CONNECTION_LINGER) | TO(CONNECTION_CLOSED),
    [CONNECTION_LINGER] = TO(CONNECTION_CLOSED),
    [CONNECTION_CLOSED] = 0,
};

static void on_read(void *arg, enum err err, struct str bytes);
static void on_writable(void *arg);
static void on_deadline(void *arg);
static void on_turn(void *arg);

static char *on_room(void *arg, size_t *ret_size);

static const struct conn_handler conn_handler = { .on_read = on_read,
                                                  .on_writable = on_writable,
                                                  .room = on_room };

/* ---- states ---- */

/* The time for the next byte, within the time that the whole state may take. */
static int64_t within(const struct http_connection *c, int64_t silence_ms, int64_t total_ms)
{
    int64_t left = c->since_ms + total_ms - loop_now_ms(c->server->loop);

    if (left < 0)
        return 0;
    return silence_ms < left ? silence_ms : left;
}

/* A byte now and then must not hold a connection for ever. */
static int64_t body_ms(const struct http_connection *c)
{
    const struct http_server_limits *limits = &c->server->limits;
    int64_t earned = (int64_t)(c->came * 1000 / limits->body_min_rate);

    return within(c, limits->body_timeout_ms, limits->body_timeout_ms + earned);
}

static int64_t linger_ms(const struct http_connection *c)
{
    const struct http_server *s = c->server;
    int64_t silence = s->is_draining ? DRAIN_LINGER_MS : s->limits.linger_timeout_ms;

    return within(c, silence, s->limits.linger_total_ms);
}

static void arm_deadline(struct http_connection *c)
{
    const struct http_server_limits *limits = &c->server->limits;
    int64_t ms = -1;

    switch (c->state) {
    case CONNECTION_IDLE:
        ms = c->server->is_draining ? c->server->grace_ms : limits->idle_timeout_ms;
        break;
    case CONNECTION_HEAD:
        ms = limits->head_timeout_ms;
        break;
    case CONNECTION_BODY:
    case CONNECTION_DRAIN:
        ms = body_ms(c);
        break;
    case CONNECTION_UPLOAD:
        if (outbox_pending(&c->out) > 0)
            ms = limits->write_timeout_ms;
        else if (!c->is_paused)
            ms = body_ms(c);
        break;
    case CONNECTION_FLUSH:
        ms = limits->write_timeout_ms;
        break;
    case CONNECTION_LINGER:
        ms = linger_ms(c);
        break;
    case CONNECTION_HANDLER: /* reply_push() arms it while bytes wait */
    case CONNECTION_CLOSED:
        break;
    }
    if (ms >= 0)
        timer_arm(c->server->loop, &c->timer, ms, on_deadline, c);
    else
        timer_disarm(&c->timer);
}

void connection_set_state(struct http_connection *c, enum connection_state next)
{
    BUG_ON(!(moves[c->state] & TO(next)));
    c->state = next;
    c->since_ms = loop_now_ms(c->server->loop);
    c->came = c->input.n;
    arm_deadline(c);
}

void connection_watch(struct http_connection *c)
{
    timer_arm(c->server->loop, &c->timer, c->server->limits.write_timeout_ms, on_deadline, c);
}

void connection_unwatch(struct http_connection *c)
{
    if (c->state == CONNECTION_UPLOAD)
        arm_deadline(c);
    else
        timer_disarm(&c->timer);
}

void connection_set_reading(struct http_connection *c, bool on)
{
    if (c->is_reading == on)
        return;
    c->is_reading = on;
    if (on)
        conn_read_start(c->conn);
    else
        conn_read_stop(c->conn);
}

/* The time of the pause is not the client's. */
void connection_set_paused(struct http_connection *c, bool on)
{
    int64_t now_ms = loop_now_ms(c->server->loop);

    if (c->is_paused == on)
        return;
    c->is_paused = on;
    if (on)
        c->paused_ms = now_ms;
    else
        c->since_ms += now_ms - c->paused_ms;
    if (on || !c->is_waiting)
        connection_set_reading(c, !on);
    else
        loop_defer(c->server->loop, &c->turn);
    conn_watch_end(c->conn, on);
    arm_deadline(c);
}

/* ---- life ---- */

static void free_connection(void *arg)
{
    struct http_connection *c = arg;

    buf_deinit(&c->in);
    outbox_deinit(&c->out);
    mem_free(c);
}

void connection_open(struct http_server *s, struct conn *conn, bool is_refused)
{
    struct http_connection *c = mem_new(struct http_connection);

    c->server = s;
    c->conn = conn;
    buf_init(&c->in, s->limits.max_head + LOOP_READ_SIZE);
    outbox_init(&c->out, SERVER_OUT_MAX);
    task_init(&c->turn, on_turn, c);
    task_init(&c->retire, free_connection, c);
    list_add_tail(&s->connections, &c->node);
    s->n_connections++;
    metric_add(METRIC_CONNECTIONS, 1);
    conn_set_handler(conn, &conn_handler, c);
    connection_set_reading(c, true);
    arm_deadline(c);
    if (is_refused)
        reply_refuse(c, 503, "too many connections are open; try again later");
}

void connection_close(struct http_connection *c, bool reset)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    connection_set_state(c, CONNECTION_CLOSED);
    c->input = STR("");
    c->is_waiting = false;
    task_cancel(&c->turn);
    conn_close(TAKE(c->conn), reset);
    list_remove(&c->node);
    server_left(c->server);
    intake_revoke_request(c);
    intake_end_request(c);
    loop_retire(c->server->loop, &c->retire);
}

void connection_drain(struct http_connection *c)
{
    if (c->state == CONNECTION_IDLE || c->state == CONNECTION_LINGER)
        arm_deadline(c);
}

void connection_refuse_rest(struct http_connection *c)
{
    if (c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY || c->state == CONNECTION_UPLOAD)
        reply_refuse(c, 503, "the server is shutting down; try again in a moment");
}

/* ---- events ---- */

/* Whether what came moves the deadline of the state. */
static bool came_in_time(const struct http_connection *c)
{
    return c->state == CONNECTION_BODY || c->state == CONNECTION_DRAIN ||
           c->state == CONNECTION_LINGER ||
           (c->state == CONNECTION_UPLOAD && outbox_pending(&c->out) == 0);
}

static char *on_room(void *arg, size_t *ret_size)
{
    return intake_room(arg, ret_size);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct http_connection *c = arg;

    if (!err) {
        metric_add(METRIC_BYTES_IN, (int64_t)bytes.n);
        c->came += bytes.n;
        if (came_in_time(c))
            arm_deadline(c);
        intake(c, bytes);
        return;
    }
    if (err == ERR_CLOSED && c->state == CONNECTION_FLUSH) {
        c->is_closing = true; /* the answer is whole: whoever closed its half may still read it */
        c->has_ended = true;
        return;
    }
    connection_close(c, err != ERR_CLOSED);
}

static void on_writable(void *arg)
{
    struct http_connection *c = arg;

    c->out.is_blocked = false;
    if (c->state == CONNECTION_HANDLER || c->state == CONNECTION_UPLOAD)
        reply_flush(c);
    else if (reply_push(c, STR("")))
        connection_close(c, true);
    else if (c->state == CONNECTION_FLUSH)
        connection_answered(c);
}

static void on_deadline(void *arg)
{
    struct http_connection *c = arg;

    switch (c->state) {
    case CONNECTION_HEAD:
        reply_refuse(c, 408, "the head of the request did not come in time");
        break;
    case CONNECTION_BODY:
        reply_refuse(c, 408, "the body of the request did not come in time");
        break;
    case CONNECTION_UPLOAD:
        if (outbox_pending(&c->out) == 0)
            reply_refuse(c, 408, "the body of the request did not come in time");
        else
            connection_close(c, true);
        break;
    case CONNECTION_HANDLER:
    case CONNECTION_FLUSH:
        connection_close(c, true);
        break;
    case CONNECTION_IDLE:
    case CONNECTION_DRAIN:
    case CONNECTION_LINGER:
    case CONNECTION_CLOSED:
        connection_close(c, false);
        break;
    }
}

static void on_turn(void *arg)
{
    struct http_connection *c = arg;
    struct buf waiting;

    if (c->state == CONNECTION_HANDLER || c->state == CONNECTION_UPLOAD)
        reply_flush(c);
    if (!c->is_waiting || c->is_paused || c->state == CONNECTION_HANDLER ||
        c->state == CONNECTION_FLUSH)
        return;
    waiting = c->in;
    buf_init(&c->in, waiting.max);
    c->is_waiting = false;
    intake(c, buf_str(&waiting));
    buf_deinit(&waiting);
    if (c->state != CONNECTION_CLOSED && !c->is_paused && c->in.n <= c->server->limits.max_head)
        connection_set_reading(c, true);
}

/* ---- after the answer ---- */

bool connection_can_drain(const struct http_connection *c)
{
    return c->body.framing != HTTP_BODY_LENGTH || c->body.left <= DROPPABLE;
}

void connection_linger(struct http_connection *c)
{
    uint64_t announced = c->body.framing == HTTP_BODY_LENGTH ? c->body.left : 0;

    c->droppable = c->server->limits.linger_bytes;
    if (announced > c->droppable)
        c->droppable = announced;
    c->is_waiting = false;
    buf_deinit(&c->in);
    conn_shutdown(c->conn);
    connection_set_state(c, CONNECTION_LINGER);
    connection_set_reading(c, true);
}

void connection_answered(struct http_connection *c)
{
    bool has_body = c->body.framing != HTTP_BODY_NONE && !c->body.done;

    intake_end_request(c);
    if (c->state != CONNECTION_FLUSH)
        connection_set_state(c, CONNECTION_FLUSH);
    if (outbox_pending(&c->out) > 0)
        return;
    if (has_body && !connection_can_drain(c))
        c->must_linger = true;
    if (!c->has_ended &&
        (c->must_linger || (c->is_closing && (has_body || c->is_waiting || c->input.n > 0)))) {
        connection_linger(c);
        return;
    }
    if (c->is_closing) {
        connection_close(c, false);
        return;
    }
    c->droppable = DROPPABLE;
    if (!c->is_waiting)
        connection_set_reading(c, true); /* of a body that was paused */
    connection_set_state(c, has_body ? CONNECTION_DRAIN : CONNECTION_IDLE);
    if (c->is_waiting && !c->is_busy)
        loop_defer(c->server->loop, &c->turn);
}
