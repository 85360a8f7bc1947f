/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections kept between calls. An idle one is read, so that the server's end of file
 * (or bytes nobody asked for) closes it here and not in the face of the next call.
 */
#include "base/mem.h"
#include "base/metrics.h"
#include "http/client_internal.h"

struct kept {
    struct list node;   /* in the pool */
    struct list of_all; /* in the client */
    struct pool *pool;
    struct conn *conn; /* owned */
    struct timer timer;
    struct task retire;
};

static void on_read(void *arg, enum err err, struct str bytes);
static void on_writable(void *arg);

static const struct conn_handler kept_handler = { .on_read = on_read, .on_writable = on_writable };

static void free_kept(void *arg)
{
    mem_free(arg);
}

/* Takes it out of the pool; the connection is the caller's. */
static struct conn *unkeep(struct kept *k)
{
    struct http_client *c = k->pool->client;

    list_remove(&k->node);
    list_remove(&k->of_all);
    timer_disarm(&k->timer);
    c->n_idle--;
    metric_add(METRIC_UPSTREAM_IDLE, -1);
    loop_retire(c->loop, &k->retire);
    return TAKE(k->conn);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    (void)err;
    (void)bytes;
    conn_close(unkeep(arg), false);
}

static void on_writable(void *arg)
{
    (void)arg; /* a call only gives back a connection that took all of its bytes */
}

static void on_idle(void *arg)
{
    conn_close(unkeep(arg), false);
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && a->tls == b->tls && a->is_unix == b->is_unix &&
           strcmp(a->host, b->host) == 0;
}

struct pool *pool_get(struct http_client *c, const struct endpoint *e)
{
    struct pool *p;

    LIST_EACH (node, &c->pools) {
        p = CONTAINER_OF(node, struct pool, node);
        if (is_same(&p->endpoint, e))
            return p;
    }
    p = mem_new(struct pool);
    p->client = c;
    p->endpoint = *e;
    list_init(&p->idle);
    list_add_tail(&c->pools, &p->node);
    return p;
}

struct conn *pool_take(struct pool *p)
{
    struct conn *conn;

    if (list_is_empty(&p->idle))
        return NULL;
    conn = unkeep(CONTAINER_OF(p->idle.next, struct kept, node));
    conn_read_stop(conn);
    return conn;
}

bool pool_drop_oldest(struct http_client *c)
{
    if (list_is_empty(&c->idle))
        return false;
    conn_close(unkeep(CONTAINER_OF(c->idle.prev, struct kept, of_all)), false);
    return true;
}

void pool_put(struct pool *p, struct conn *conn)
{
    struct http_client *c = p->client;
    struct kept *k;

    if (c->limits.max_idle == 0) {
        conn_close(conn, false);
        return;
    }
    if (c->n_idle >= c->limits.max_idle)
        pool_drop_oldest(c);
    k = mem_new(struct kept);
    k->pool = p;
    k->conn = conn;
    task_init(&k->retire, free_kept, k);
    list_add_head(&p->idle, &k->node);
    list_add_head(&c->idle, &k->of_all);
    c->n_idle++;
    metric_add(METRIC_UPSTREAM_IDLE, 1);
    conn_set_handler(conn, &kept_handler, k);
    conn_read_start(conn);
    timer_arm(c->loop, &k->timer, c->limits.idle_timeout_ms, on_idle, k);
}

void pool_free(struct pool *p)
{
    while (!list_is_empty(&p->idle))
        conn_close(unkeep(CONTAINER_OF(p->idle.next, struct kept, node)), false);
    list_remove(&p->node);
    mem_free(p);
}
