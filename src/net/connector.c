/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     START --> [LOOKUP] --> DIAL --> [PROXY] --> [TLS] --> DONE
 *      | ^\________\___________\_________\__________\________^   failure, deadline, cancel
 *      |_|__________|___________|   out of descriptors, and some were given back
 *
 * set_state() is the only writer of `state`, finish() the only way out besides cancel.
 */
#include "net/connector.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/conn_internal.h"
#include "net/dial.h"
#include "net/proxy_talk.h"
#include "net/resolve.h"

enum { CONNECT_DETAIL_MAX = 1024 };

enum connect_state {
    CONNECT_START,
    CONNECT_LOOKUP,
    CONNECT_DIAL,
    CONNECT_PROXY,
    CONNECT_TLS,
    CONNECT_DONE,
};

#define TO(state) (1U << (state))

static const struct {
    unsigned next;     /* the states that may follow */
    const char *doing; /* for "... after N ms" */
} states[] = {
    [CONNECT_START] = { TO(CONNECT_LOOKUP) | TO(CONNECT_DIAL) | TO(CONNECT_DONE), "nothing done" },
    [CONNECT_LOOKUP] = { TO(CONNECT_START) | TO(CONNECT_DIAL) | TO(CONNECT_DONE),
                         "the name was not resolved" },
    [CONNECT_DIAL] = { TO(CONNECT_START) | TO(CONNECT_PROXY) | TO(CONNECT_TLS) | TO(CONNECT_DONE),
                       "no address answered" },
    [CONNECT_PROXY] = { TO(CONNECT_TLS) | TO(CONNECT_DONE), "the proxy did not open the tunnel" },
    [CONNECT_TLS] = { TO(CONNECT_DONE), "the TLS handshake did not end" },
    [CONNECT_DONE] = { 0, "" },
};

struct connector {
    struct loop *loop;
    struct tls_trust *trust;         /* borrowed; may be NULL */
    const struct proxy_rules *rules; /* borrowed; may be NULL */
    size_t n_running;
    bool is_uncounted;
    bool (*spare)(void *arg); /* NULL: nobody has any */
    void *spare_arg;
    const struct wire_tap *tap; /* borrowed; may be NULL */
};

struct connect {
    struct connector *connector;
    enum connect_state state;
    struct endpoint to;
    const struct proxy *proxy; /* borrowed; NULL for a direct connection */
    int64_t timeout_ms;
    struct timer deadline;
    struct resolve *lookup; /* owned while in LOOKUP */
    struct dial dial;
    struct conn *conn; /* owned from DIAL's end until it is handed over */
    struct proxy_talk talk;
    struct task task; /* begins, and at last frees */
    on_connect *done;
    void *arg;
};

/* The life of a connect, in order; the bodies below keep it. */
static void begin(void *arg);
static void on_names(void *arg, enum err err, const char *why, const struct address *list,
                     size_t n);
static void on_conn(void *arg, enum err err, const char *why, struct conn *conn);
static void on_proxy_read(void *arg, enum err err, struct str bytes);
static void on_proxy_writable(void *arg);
static void on_secured(void *arg, enum err err, const char *detail);
static void on_deadline(void *arg);
static void finish(struct connect *op, enum err err, const char *detail);

static void set_state(struct connect *op, enum connect_state next)
{
    BUG_ON(!(states[op->state].next & TO(next)));
    op->state = next;
}

/* ---- entry points ---- */

struct connector *connector_new(struct loop *l, struct tls_trust *trust,
                                const struct proxy_rules *rules)
{
    struct connector *c = mem_new(struct connector);

    c->loop = l;
    c->trust = trust;
    c->rules = rules;
    return c;
}

void connector_set_spare(struct connector *c, bool (*spare)(void *arg), void *arg)
{
    c->spare = spare;
    c->spare_arg = arg;
}

void connector_leave_uncounted(struct connector *c)
{
    c->is_uncounted = true;
}

void connector_set_trust(struct connector *c, struct tls_trust *trust)
{
    c->trust = trust;
}

void connector_set_tap(struct connector *c, const struct wire_tap *tap)
{
    c->tap = tap;
}

const struct wire_tap *connector_tap(const struct connector *c)
{
    return c->tap;
}

void connector_free(struct connector *c)
{
    if (!c)
        return;
    BUG_ON(c->n_running > 0);
    mem_free(c);
}

struct loop *connector_loop(const struct connector *c)
{
    return c->loop;
}

struct connect *connect_start(struct connector *c, const struct endpoint *to, int64_t timeout_ms,
                              on_connect *done, void *arg)
{
    struct connect *op = mem_new(struct connect);

    /* An empty name would be a certificate for anybody. */
    BUG_ON(to->tls && (!c->trust || !to->host[0]));
    op->connector = c;
    op->state = CONNECT_START;
    op->to = *to;
    op->proxy = proxy_for(c->rules, to);
    op->timeout_ms = timeout_ms;
    op->done = done;
    op->arg = arg;
    c->n_running++;
    timer_arm(c->loop, &op->deadline, timeout_ms, on_deadline, op);
    task_init(&op->task, begin, op);
    loop_defer(c->loop, &op->task);
    return op;
}

static void free_connect(void *arg)
{
    struct connect *op = arg;

    mem_free(op);
}

/* Lets go of all but the connection. */
static void end(struct connect *op)
{
    set_state(op, CONNECT_DONE);
    op->connector->n_running--;
    task_cancel(&op->task);
    timer_disarm(&op->deadline);
    resolve_cancel(TAKE(op->lookup));
    dial_cancel(&op->dial);
    proxy_talk_deinit(&op->talk);
    task_init(&op->task, free_connect, op);
    loop_retire(op->connector->loop, &op->task);
}

void connect_cancel(struct connect *op)
{
    if (op->state == CONNECT_DONE)
        return;
    end(op);
    conn_close(TAKE(op->conn), true);
}

/* ---- addresses ---- */

static void dial(struct connect *op, const struct address *list, size_t n)
{
    set_state(op, CONNECT_DIAL);
    dial_start(&op->dial, op->connector->loop, list, n, on_conn, op);
}

static void begin(void *arg)
{
    struct connect *op = arg;
    const struct endpoint *at = op->proxy ? &op->proxy->at : &op->to;
    struct address a;

    if (at->is_unix && address_of_path(at->host, &a)) {
        finish(op, ERR_UNREACHABLE, "the path of the socket is too long");
    } else if (at->is_unix || address_of_literal(at->host, at->port, &a)) {
        dial(op, &a, 1);
    } else {
        set_state(op, CONNECT_LOOKUP);
        op->lookup = resolve_start(op->connector->loop, at->host, at->port, on_names, op);
    }
}

/* Whether it begins anew, with descriptors that somebody could spare. */
static bool start_over(struct connect *op, enum err err)
{
    const struct connector *c = op->connector;

    if (err != ERR_NO_FDS || !c->spare || !c->spare(c->spare_arg))
        return false;
    set_state(op, CONNECT_START);
    loop_defer(c->loop, &op->task);
    return true;
}

static void on_names(void *arg, enum err err, const char *why, const struct address *list, size_t n)
{
    struct connect *op = arg;
    char detail[CONNECT_DETAIL_MAX];

    op->lookup = NULL;
    if (!err) {
        dial(op, list, n);
        return;
    }
    if (start_over(op, err))
        return;
    snprintf(detail, sizeof(detail), "the name %s%s does not resolve: %s",
             op->proxy ? "of the proxy " : "", op->proxy ? op->proxy->at.host : op->to.host, why);
    finish(op, err, detail);
}

/* ---- connection ---- */

static void secure(struct connect *op)
{
    if (!op->to.tls) {
        finish(op, ERR_NONE, "");
        return;
    }
    set_state(op, CONNECT_TLS);
    tls_start(op->conn, op->connector->trust, &op->to, on_secured, op);
}

static void fail_proxy(struct connect *op, enum err err, const char *did)
{
    char detail[CONNECT_DETAIL_MAX];
    char at[HOST_MAX + 9];
    char to[HOST_MAX + 9];

    snprintf(detail, sizeof(detail), "no connection to %s: the proxy %s %s",
             endpoint_text(&op->to, to), endpoint_text(&op->proxy->at, at), did);
    finish(op, err, detail);
}

/* Sends what is to be said to the proxy, as far as it goes now. */
static void speak(struct connect *op)
{
    struct str rest = buf_str(&op->talk.out);
    size_t written;
    enum err err;

    if (rest.n == 0)
        return;
    err = conn_write(op->conn, &rest, 1, &written);
    if (err)
        fail_proxy(op, ERR_PROXY, "closed the connection");
    else
        buf_consume(&op->talk.out, written);
}

static void ask_proxy(struct connect *op)
{
    static const struct conn_handler handler = { .on_read = on_proxy_read,
                                                 .on_writable = on_proxy_writable };
    enum err err;

    set_state(op, CONNECT_PROXY);
    err = proxy_talk_init(&op->talk, op->proxy, &op->to);
    if (err) {
        fail_proxy(op, err, op->talk.why);
        return;
    }
    conn_set_handler(op->conn, &handler, op);
    conn_read_start(op->conn);
    speak(op);
}

static void on_conn(void *arg, enum err err, const char *why, struct conn *conn)
{
    struct connect *op = arg;
    char detail[CONNECT_DETAIL_MAX];
    char at[HOST_MAX + 9];

    if (start_over(op, err))
        return;
    if (err) {
        snprintf(detail, sizeof(detail), "no connection to %s%s: %s", op->proxy ? "the proxy " : "",
                 endpoint_text(op->proxy ? &op->proxy->at : &op->to, at), why);
        finish(op, err, detail);
        return;
    }
    op->conn = conn;
    if (op->proxy)
        ask_proxy(op);
    else
        secure(op);
}

static void on_proxy_writable(void *arg)
{
    speak(arg);
}

static void on_proxy_read(void *arg, enum err err, struct str bytes)
{
    struct connect *op = arg;

    if (err) {
        fail_proxy(op, ERR_PROXY, "closed the connection");
        return;
    }
    err = proxy_talk_feed(&op->talk, bytes);
    if (err) {
        fail_proxy(op, err, op->talk.why);
    } else if (op->talk.step == PROXY_OPEN) {
        conn_read_stop(op->conn);
        conn_set_handler(op->conn, NULL, NULL);
        secure(op);
    } else {
        speak(op);
    }
}

static void on_secured(void *arg, enum err err, const char *detail)
{
    finish(arg, err, detail);
}

/* ---- end ---- */

static void on_deadline(void *arg)
{
    struct connect *op = arg;
    char detail[CONNECT_DETAIL_MAX];
    char to[HOST_MAX + 9];

    snprintf(detail, sizeof(detail), "no connection to %s within %lld ms: %s",
             endpoint_text(&op->to, to), (long long)op->timeout_ms, states[op->state].doing);
    finish(op, ERR_TIMEOUT, detail);
}

static void finish(struct connect *op, enum err err, const char *detail)
{
    struct connect_outcome outcome = { .err = err, .detail = detail };

    if (op->state == CONNECT_DONE)
        return;
    end(op);
    if (err)
        resolve_forget(op->proxy ? op->proxy->at.host : op->to.host);
    if (!op->connector->is_uncounted) {
        metric_add(err ? METRIC_CONNECT_FAILURES : METRIC_CONNECTS, 1);
        if (!err)
            conn_count_upstream(op->conn);
    }
    if (err)
        conn_close(TAKE(op->conn), true);
    else
        outcome.conn = TAKE(op->conn);
    op->done(op->arg, &outcome);
}
