/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's connection. Operations are written as they come and answered first in, first out.
 *
 *     DOWN --> CONNECT --> GREET --> OPEN
 *      ^__________\___________\________\   failure, silence, a broken protocol
 *
 * set_state() is the only writer of `state`, lose() the only way back. Until the first attempt has
 * failed operations wait; from then on they fail at once (`failing`) until a connection is greeted.
 * Whoever waits is told by store.c's deadline.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "store/redis_internal.h"

enum {
    CONNECT_MS = 2000,
    SILENCE_MS = 1000, /* without a reply while one is due: the connection is dead */
    RECHECK_MS = 2000, /* keeps it alive on the way, and sees whether the settings changed */
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    OPS_MAX = 10000,             /* not answered yet */
    HELD_MAX = 16 * 1024 * 1024, /* bytes of these */
    OUT_MAX = 16 * 1024 * 1024,  /* bytes of commands that the kernel has not taken yet */
    OUT_KEPT = 4096,             /* memory for them that stays while there are none */
};

enum port_state { PORT_DOWN, PORT_CONNECT, PORT_GREET, PORT_OPEN };

#define TO(state) (1U << (state))

static const unsigned next_states[] = {
    [PORT_DOWN] = TO(PORT_CONNECT),
    [PORT_CONNECT] = TO(PORT_GREET) | TO(PORT_DOWN),
    [PORT_GREET] = TO(PORT_OPEN) | TO(PORT_DOWN),
    [PORT_OPEN] = TO(PORT_DOWN),
};

struct redis_port {
    struct redis *redis; /* borrowed */
    struct loop *loop;
    struct connector *connector; /* owned */
    enum port_state state;
    enum err failing;           /* what operations get at once; ERR_NONE: they are taken */
    bool is_troubled;           /* redis_note()'s */
    struct redis_server server; /* OPEN */
    bool is_sick;               /* OPEN: the server refuses to work; left when all is answered */

    struct connect *connect; /* CONNECT */
    struct conn *conn;       /* owned; GREET, OPEN */
    struct redis_reader reader;
    enum redis_step step; /* GREET: what the next reply is to */
    struct buf out;       /* commands that the kernel has not taken yet */
    struct task flush;

    struct list waiting; /* struct store_op.node: to be written once OPEN */
    struct list sent;    /* the same, and `recheck`, in the order of their commands */
    struct list recheck; /* a question of our own */
    size_t n_ops;
    size_t held; /* bytes of these */

    int64_t backoff_ms;
    struct timer timer; /* DOWN: the next attempt; GREET, OPEN: silence */
    struct timer recheck_timer;
};

/* The life of a connection, in order; the bodies below keep it. */
static void connect_now(void *arg);
static void on_connected(void *arg, const struct connect_outcome *outcome);
static void on_read(void *arg, enum err err, struct str bytes);
static void on_writable(void *arg);
static void flush(void *arg);
static void on_silence(void *arg);
static void on_recheck(void *arg);
static void lose(struct redis_port *p, enum err failing, const char *why);

static void set_state(struct redis_port *p, enum port_state next)
{
    BUG_ON(!(next_states[p->state] & TO(next)));
    p->state = next;
}

/* ---- operations ---- */

static size_t size_of(const struct store_op *op)
{
    return sizeof(*op) + op->n_keys * sizeof(op->keys[0]) +
           op->n_counters * sizeof(op->counters[0]) + op->n_tallies * sizeof(op->tallies[0]) +
           op->value.n + op->expected.n;
}

static void end_op(struct redis_port *p, struct store_op *op, enum err err)
{
    list_remove(&op->node);
    p->n_ops--;
    p->held -= size_of(op);
    store_answer_here(op, err);
}

static void end_all(struct redis_port *p, struct list *ops, enum err err)
{
    list_remove(&p->recheck);
    while (!list_is_empty(ops))
        end_op(p, CONTAINER_OF(ops->next, struct store_op, node), err);
}

static bool must_last(const struct store_op *op)
{
    return (op->verb == STORE_PUT || op->verb == STORE_SWAP) &&
           store_space_is_durable(op->keys->space);
}

/* Whoever asked was told that it took too long. */
static bool is_too_late(const struct redis_port *p, const struct store_op *op)
{
    return op->port && !op->done && loop_now_ms(p->loop) - op->now_ms >= STORE_DEADLINE_MS;
}

static void expect_reply(struct redis_port *p, struct list *node)
{
    if (list_is_empty(&p->sent))
        timer_arm(p->loop, &p->timer, SILENCE_MS, on_silence, p);
    list_add_tail(&p->sent, node);
    loop_defer(p->loop, &p->flush);
}

static void send_op(struct redis_port *p, struct store_op *op)
{
    enum err err = must_last(op) && !p->server.has_aof ? ERR_IO : ERR_NONE;

    list_remove(&op->node);
    if (is_too_late(p, op))
        err = ERR_TIMEOUT;
    if (!err)
        err = redis_command_add(p->redis, &p->server, op, &p->out);
    if (err)
        end_op(p, op, err == ERR_TOO_BIG ? ERR_NOMEM : err);
    else
        expect_reply(p, &op->node);
}

void redis_port_run(UNUSED struct store *s, void *port, struct store_op *op)
{
    struct redis_port *p = port;
    bool asks_for_none = (op->verb == STORE_LIST || op->verb == STORE_READ) && op->max == 0;

    list_init(&op->node);
    if (p->failing || asks_for_none) {
        store_answer_here(op, p->failing);
        return;
    }
    if (p->n_ops == OPS_MAX || p->held + size_of(op) > HELD_MAX) {
        store_answer_here(op, ERR_NOMEM);
        return;
    }
    p->n_ops++;
    p->held += size_of(op);
    if (p->state == PORT_OPEN)
        send_op(p, op);
    else
        list_add_tail(&p->waiting, &op->node);
}

/* ---- connecting ---- */

static void note(struct redis_port *p, const char *what)
{
    char why[REDIS_WHY_MAX];

    redis_why(p->redis, what, why);
    redis_note(p->redis, &p->is_troubled, why);
}

static void connect_now(void *arg)
{
    struct redis_port *p = arg;

    set_state(p, PORT_CONNECT);
    p->connect = connect_start(p->connector, &p->redis->at, CONNECT_MS, on_connected, p);
}

static void greet(struct redis_port *p)
{
    static const struct conn_handler handler = { .on_read = on_read, .on_writable = on_writable };

    set_state(p, PORT_GREET);
    redis_reader_init(&p->reader);
    conn_set_handler(p->conn, &handler, p);
    conn_read_start(p->conn);
    timer_arm(p->loop, &p->timer, SILENCE_MS, on_silence, p);
    if (redis_greeting_add(p->redis, &p->out, &p->step))
        lose(p, ERR_NOMEM, "is not greeted: out of memory");
    else
        flush(p);
}

static void on_connected(void *arg, const struct connect_outcome *outcome)
{
    struct redis_port *p = arg;
    char why[REDIS_WHY_MAX];

    p->connect = NULL;
    if (outcome->err) {
        snprintf(why, sizeof(why), "Redis: %.120s", outcome->detail);
        redis_note(p->redis, &p->is_troubled, why);
        lose(p, ERR_CLOSED, NULL);
        return;
    }
    p->conn = outcome->conn;
    greet(p);
}

static void note_aof(struct redis_port *p, bool has_aof)
{
    p->server.has_aof = has_aof;
    if (has_aof)
        redis_note(p->redis, &p->is_troubled, NULL);
    else
        note(p, "keeps no append-only file (set appendonly yes): renewed cookies could be lost");
}

static void open_port(struct redis_port *p)
{
    set_state(p, PORT_OPEN);
    buf_wipe(&p->out); /* it held the password */
    p->failing = ERR_NONE;
    timer_disarm(&p->timer);
    timer_arm(p->loop, &p->recheck_timer, RECHECK_MS, on_recheck, p);
    note_aof(p, p->server.has_aof);
    redis_note_open(p->redis);
    while (!list_is_empty(&p->waiting))
        send_op(p, CONTAINER_OF(p->waiting.next, struct store_op, node));
}

/* ---- replies ---- */

static void take_greeting(struct redis_port *p, const struct redis_reply *reply)
{
    char why[REDIS_WHY_MAX];

    if (redis_greeting_take(p->redis, reply, &p->step, &p->server, why)) {
        lose(p, ERR_IO, NULL);
        redis_note(p->redis, &p->is_troubled, why);
    } else if (p->step == REDIS_GREETED) {
        open_port(p);
    }
}

/* Operations that come from now on fail; those that were sent may still be answered. */
static void fall_sick(struct redis_port *p, const char *condition)
{
    p->is_sick = true;
    p->failing = ERR_IO;
    note(p, condition);
}

/* ERR_PROTOCOL: the connection is of no use any more. */
static enum err take_answer(struct redis_port *p, struct store_op *op,
                            const struct redis_reply *reply)
{
    enum err err = redis_command_answer(op, reply);
    const char *condition = reply->type == REDIS_FAILURE ? redis_condition(reply->text) : NULL;

    if (condition)
        fall_sick(p, condition);
    end_op(p, op, err == ERR_PROTOCOL ? ERR_IO : err);
    return err;
}

static void take_reply(struct redis_port *p, const struct redis_reply *reply)
{
    struct list *first = p->sent.next;
    enum err err = ERR_NONE;

    if (first == &p->sent) {
        err = ERR_PROTOCOL; /* nothing was asked */
    } else if (first == &p->recheck) {
        list_remove(first);
        note_aof(p, redis_aof_is_on(reply));
    } else {
        err = take_answer(p, CONTAINER_OF(first, struct store_op, node), reply);
    }
    if (err == ERR_PROTOCOL)
        lose(p, ERR_CLOSED, "broke the protocol");
    else if (p->is_sick && list_is_empty(&p->sent))
        lose(p, ERR_IO, NULL);
    else if (!p->is_sick)
        p->backoff_ms = 0;
}

static void watch_silence(struct redis_port *p)
{
    if (p->state == PORT_OPEN && list_is_empty(&p->sent))
        timer_disarm(&p->timer);
    else if (p->state == PORT_OPEN)
        timer_arm(p->loop, &p->timer, SILENCE_MS, on_silence, p);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    struct redis_port *p = arg;
    const struct redis_reply *reply;
    bool has_replied = false;

    if (err) {
        lose(p, p->state == PORT_OPEN ? p->failing : ERR_CLOSED, "closed the connection");
        return;
    }
    err = redis_reader_feed(&p->reader, bytes);
    while (!err && p->conn) {
        err = redis_reader_next(&p->reader, &reply);
        if (!err && p->state == PORT_GREET)
            take_greeting(p, reply);
        else if (!err)
            take_reply(p, reply);
        has_replied = has_replied || !err;
    }
    if (!p->conn)
        return;
    if (err != ERR_AGAIN)
        lose(p, ERR_CLOSED, "broke the protocol");
    else if (has_replied)
        watch_silence(p);
}

static void on_silence(void *arg)
{
    lose(arg, ERR_CLOSED, "does not answer");
}

static void on_recheck(void *arg)
{
    struct redis_port *p = arg;

    timer_arm(p->loop, &p->recheck_timer, RECHECK_MS, on_recheck, p);
    if (!list_is_linked(&p->recheck) && !p->is_sick && !redis_aof_add(&p->out))
        expect_reply(p, &p->recheck);
}

/* ---- writing ---- */

static void flush(void *arg)
{
    struct redis_port *p = arg;
    struct str rest = buf_str(&p->out);
    size_t written;
    enum err err;

    if (rest.n == 0)
        return;
    err = conn_write(p->conn, &rest, 1, &written);
    if (err)
        lose(p, ERR_CLOSED, "closed the connection");
    else
        buf_consume(&p->out, written);
    if (p->out.n == 0 && p->out.cap > OUT_KEPT)
        buf_deinit(&p->out);
}

static void on_writable(void *arg)
{
    flush(arg);
}

/* ---- the end ---- */

/* Lets go of the connection with all that was asked on it. */
static void drop(struct redis_port *p)
{
    timer_disarm(&p->timer);
    timer_disarm(&p->recheck_timer);
    task_cancel(&p->flush);
    redis_reader_deinit(&p->reader);
    conn_close(TAKE(p->conn), false);
    buf_wipe(&p->out);
    end_all(p, &p->sent, ERR_CLOSED);
    p->is_sick = false;
}

/* Doubles, and takes a part of it at random: workers and replicas come back one by one. */
static int64_t next_delay(struct redis_port *p)
{
    int64_t half;

    p->backoff_ms = p->backoff_ms > 0 ? 2 * p->backoff_ms : BACKOFF_MIN_MS;
    if (p->backoff_ms > BACKOFF_MAX_MS)
        p->backoff_ms = BACKOFF_MAX_MS;
    half = p->backoff_ms / 2;
    return half + (int64_t)(random_u64() % (uint64_t)(half + 1));
}

/* `failing` ERR_NONE: operations wait for the next attempt. `why` NULL: noted by the caller. */
static void lose(struct redis_port *p, enum err failing, const char *why)
{
    set_state(p, PORT_DOWN);
    drop(p);
    p->failing = failing;
    if (failing)
        end_all(p, &p->waiting, failing);
    if (why)
        note(p, why);
    timer_arm(p->loop, &p->timer, next_delay(p), connect_now, p);
}

/* ---- ports ---- */

void *redis_port_open(struct store *s, struct loop *l)
{
    struct redis_port *p = mem_new(struct redis_port);

    p->redis = CONTAINER_OF(s, struct redis, store);
    p->loop = l;
    p->connector = connector_new(l, p->redis->trust, NULL);
    connector_leave_uncounted(p->connector);
    list_init(&p->waiting);
    list_init(&p->sent);
    list_init(&p->recheck);
    task_init(&p->flush, flush, p);
    buf_init(&p->out, OUT_MAX);
    connect_now(p);
    return p;
}

/* Whoever waited has been told: what is left is answered to nobody. */
void redis_port_close(struct store *s, void *port)
{
    struct redis_port *p = port;

    if (p->connect)
        connect_cancel(TAKE(p->connect));
    if (p->state == PORT_OPEN)
        flush(p);
    drop(p);
    end_all(p, &p->waiting, ERR_CLOSED);
    redis_note(CONTAINER_OF(s, struct redis, store), &p->is_troubled, NULL);
    connector_free(p->connector);
    mem_free(p);
}
