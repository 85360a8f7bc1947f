/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that hang: open, read and never answered, until the peer goes. */
#include "base/mem.h"
#include "simulator/internal.h"

struct parked {
    struct list node;
    struct conn *conn; /* owned */
    struct task retire;
};

static void free_parked(void *arg)
{
    mem_free(arg);
}

static void unpark(struct parked *p)
{
    list_remove(&p->node);
    loop_retire(conn_loop(p->conn), &p->retire);
    conn_close(TAKE(p->conn), false);
}

static void on_read(void *arg, enum err err, struct str bytes)
{
    (void)bytes;
    if (err)
        unpark(arg);
}

static void on_writable(void *arg)
{
    (void)arg;
}

static const struct conn_handler conn_handler = { .on_read = on_read, .on_writable = on_writable };

void sim_park(struct simulator *s, struct conn *conn)
{
    struct parked *p;

    if (!conn)
        return;
    p = mem_new(struct parked);
    p->conn = conn;
    task_init(&p->retire, free_parked, p);
    list_init(&p->node);
    list_add_tail(&s->parked, &p->node);
    conn_set_handler(conn, &conn_handler, p);
    conn_read_start(conn);
}

void sim_park_end(struct simulator *s)
{
    while (!list_is_empty(&s->parked))
        unpark(CONTAINER_OF(s->parked.next, struct parked, node));
}
