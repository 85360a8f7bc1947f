/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of connections of one server: who is let in, how it drains and ends.
 * The connections themselves live in connection.c, their answers in reply.c.
 */
#include "http/server_internal.h"

#include "base/mem.h"
#include "base/metrics.h"

/* Connections above max_connections that are open only to be told 503; beyond: reset. */
enum { REFUSED_MAX = 64 };

void http_server_limits_default(struct http_server_limits *limits)
{
    *limits = (struct http_server_limits){
        .max_head = (size_t)64 << 10,
        .max_body = (size_t)32 << 20,
        .max_connections = 10000,
        .max_buffered = (size_t)64 << 10,
        .head_timeout_ms = 30000,
        .body_timeout_ms = 30000,
        .body_min_rate = 1024,
        .idle_timeout_ms = 75000,
        .write_timeout_ms = 60000,
        .linger_timeout_ms = 5000,
        .linger_total_ms = 30000,
        .linger_bytes = (size_t)64 << 20,
    };
}

static void on_drained(void *arg)
{
    struct http_server *s = arg;
    void (*drained)(void *arg) = s->drained;

    s->drained = NULL;
    if (drained)
        drained(s->drained_arg);
}

static void free_server(void *arg)
{
    struct http_server *s = arg;

    mem_free(s);
}

struct http_server *http_server_new(struct loop *l, const struct http_service *service, void *arg,
                                    const struct http_server_limits *limits)
{
    struct http_server *s = mem_new(struct http_server);

    s->loop = l;
    s->service = service;
    s->arg = arg;
    s->limits = *limits;
    list_init(&s->connections);
    task_init(&s->drained_task, on_drained, s);
    task_init(&s->retire, free_server, s);
    return s;
}

void http_server_accept(struct http_server *s, struct conn *conn)
{
    size_t open = s->limits.open ? atomic_fetch_add(s->limits.open, 1) : s->n_connections;

    if (open >= s->limits.max_connections + REFUSED_MAX) {
        if (s->limits.open)
            atomic_fetch_sub(s->limits.open, 1);
        metric_add(METRIC_REJECTED, 1);
        conn_close(conn, true);
        return;
    }
    connection_open(s, conn, open >= s->limits.max_connections);
}

void server_left(struct http_server *s)
{
    s->n_connections--;
    if (s->limits.open)
        atomic_fetch_sub(s->limits.open, 1);
    metric_add(METRIC_CONNECTIONS, -1);
    if (s->is_draining && s->n_connections == 0)
        loop_defer(s->loop, &s->drained_task);
}

void http_server_drain(struct http_server *s, int64_t grace_ms, void (*drained)(void *arg),
                       void *arg)
{
    s->is_draining = true;
    s->grace_ms = grace_ms;
    s->drained = drained;
    s->drained_arg = arg;
    LIST_EACH (node, &s->connections)
        connection_drain(CONTAINER_OF(node, struct http_connection, node));
    if (s->n_connections == 0)
        loop_defer(s->loop, &s->drained_task);
}

/* By turns, since refusing may take a connection off the list, or the server away. */
void http_server_refuse_rest(struct http_server *s)
{
    struct list *node;

    for (size_t n = s->n_connections; n > 0 && (node = list_take_head(&s->connections)); n--) {
        list_add_tail(&s->connections, node);
        connection_refuse_rest(CONTAINER_OF(node, struct http_connection, node));
    }
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    while (!list_is_empty(&s->connections)) {
        struct http_connection *c = CONTAINER_OF(s->connections.next, struct http_connection, node);

        /* Of an idle one the last answer may still be on its way, which a reset would take back. */
        connection_close(c, c->state != CONNECTION_IDLE);
    }
    task_cancel(&s->drained_task);
    loop_retire(s->loop, &s->retire);
}

size_t http_server_connections(const struct http_server *s)
{
    return s->n_connections;
}
