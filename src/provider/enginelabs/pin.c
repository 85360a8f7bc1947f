/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a hold is still good is looked at on its own loop, by the port's tick: until that loop
 * has given it up it counts, so in one process two models never overlap.
 */
#include <stdio.h>

#include "base/mem.h"
#include "provider/enginelabs/pin_internal.h"

static void lock(struct pins *p)
{
    BUG_ON(pthread_mutex_lock(&p->mutex));
}

static void unlock(struct pins *p)
{
    BUG_ON(pthread_mutex_unlock(&p->mutex));
}

struct pins *pins_new(const char *upstream)
{
    struct pins *p = mem_new(struct pins);

    p->upstream = mem_alloc(strlen(upstream) + 1);
    memcpy(p->upstream, upstream, strlen(upstream) + 1);
    atomic_init(&p->refs, 1);
    BUG_ON(pthread_mutex_init(&p->mutex, NULL));
    list_init(&p->pins);
    return p;
}

struct pins *pins_ref(struct pins *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void pins_unref(struct pins *p)
{
    struct list *node;

    if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    while ((node = list_take_head(&p->pins))) {
        struct pin *pin = CONTAINER_OF(node, struct pin, node);

        BUG_ON(pin->n_holders || !list_is_empty(&pin->groups));
        mem_free(pin);
    }
    pthread_mutex_destroy(&p->mutex);
    mem_free(p->upstream);
    mem_free(p);
}

struct pin_port *pin_port_open(struct pins *p, struct store_port *store, struct loop *l)
{
    struct pin_port *port = mem_new(struct pin_port);

    port->pins = p;
    port->store = store && store_is_shared(store_of(store)) ? store : NULL;
    port->loop = l;
    list_init(&port->holds);
    list_init(&port->asks);
    return port;
}

void pin_port_close(struct pin_port *port)
{
    BUG_ON(!list_is_empty(&port->holds));
    lock(port->pins);
    pin_lock_close(port);
    unlock(port->pins);
    timer_disarm(&port->tick);
    mem_free(port);
}

/* ---- the queue; under the mutex ---- */

static struct pin *pin_of(struct pins *p, const char *organization)
{
    struct pin *pin;

    LIST_EACH (node, &p->pins) {
        pin = CONTAINER_OF(node, struct pin, node);
        if (strncmp(pin->organization, organization, FIELD_ID_MAX - 1) == 0)
            return pin;
    }
    pin = mem_new(struct pin);
    str_to_z(str_of(organization), pin->organization, sizeof(pin->organization));
    list_init(&pin->groups);
    list_add_tail(&p->pins, &pin->node);
    return pin;
}

static bool may_hold(const struct pin_port *port, const struct pin *p, const char *model)
{
    return pin_lock_is_open(port, p) &&
           (p->n_holders == 0 || strncmp(p->model, model, ADAPTER_NAME_MAX - 1) == 0);
}

static void count_holder(struct pin *p, const char *model)
{
    if (p->n_holders++ == 0)
        str_to_z(str_of(model), p->model, sizeof(p->model));
}

/* The last group, when it is of this model, else a new one. */
static struct pin_group *group_for(struct pin *p, const char *model)
{
    struct pin_group *g = CONTAINER_OF(p->groups.prev, struct pin_group, node);

    if (!list_is_empty(&p->groups) && strncmp(g->model, model, ADAPTER_NAME_MAX - 1) == 0)
        return g;
    g = mem_new(struct pin_group);
    str_to_z(str_of(model), g->model, sizeof(g->model));
    list_init(&g->queue);
    list_add_tail(&p->groups, &g->node);
    return g;
}

static void drop_group(struct pin_group *g)
{
    list_remove(&g->node);
    mem_free(g);
}

static void drop_empty_groups(struct pin *p)
{
    for (struct list *node = p->groups.next, *next; node != &p->groups; node = next) {
        struct pin_group *g = CONTAINER_OF(node, struct pin_group, node);

        next = node->next;
        if (list_is_empty(&g->queue))
            drop_group(g);
    }
}

static void call_group(struct pin *p, struct pin_group *g, const struct notice *notice)
{
    while (wait_call_first(&g->queue, notice))
        count_holder(p, g->model);
    drop_group(g);
}

static struct pin_group *first_group(struct pin *p)
{
    return list_is_empty(&p->groups) ? NULL : CONTAINER_OF(p->groups.next, struct pin_group, node);
}

void pin_settle(struct pin_port *port, struct pin *p)
{
    struct pin_group *g;

    while ((g = first_group(p)) && may_hold(port, p, g->model))
        call_group(p, g, NULL);
    pin_lock_settle(port, p);
}

void pin_fail_waiters(struct pin_port *port, struct pin *p)
{
    struct notice notice = { .kind = FAILURE_UNAVAILABLE };
    struct pin_group *g;

    snprintf(notice.message, sizeof(notice.message),
             "The store does not give the lock under which upstream \"%s\" is told which model is "
             "to answer, and without it another one could. Try again later.",
             port->pins->upstream);
    while ((g = first_group(p)))
        call_group(p, g, &notice);
}

static void drop_holder(struct pin_port *port, struct pin *p)
{
    BUG_ON(p->n_holders == 0);
    p->n_holders--;
    pin_settle(port, p);
}

/* ---- holds ---- */

static void on_tick(void *arg);

static void look_later(struct pin_port *port, int64_t ms)
{
    timer_arm(port->loop, &port->tick, ms, on_tick, port);
}

/* It holds and waits for nothing any more. */
static void detach(struct pin_hold *h)
{
    list_remove(&h->node);
    h->pin = NULL;
    h->is_held = false;
}

static void give_up(struct pin_hold *h)
{
    lock(h->port->pins);
    drop_holder(h->port, h->pin);
    unlock(h->port->pins);
    detach(h);
}

/* Under the mutex. */
static bool is_good(const struct pin_hold *h)
{
    return loop_now_ms(h->port->loop) < h->until_ms && pin_lock_is_good(h->port, h->pin);
}

bool pin_is_held(const struct pin_hold *h)
{
    bool held;

    if (!h->pin || !h->is_held)
        return false;
    lock(h->port->pins);
    held = is_good(h);
    unlock(h->port->pins);
    return held;
}

static void lose(struct pin_hold *h)
{
    struct notice notice = { .kind = FAILURE_UNAVAILABLE };

    snprintf(notice.message, sizeof(notice.message),
             "Upstream \"%s\" did not take the prompt while its model was certain to be the one "
             "that was asked for (%d s, or less when the store loses its lock). Try again later.",
             h->port->pins->upstream, PIN_LIFE_MS / 1000);
    give_up(h);
    h->wake(h->arg, &notice);
}

/* The first that is not good any more is told; the callback may do anything, so for the next one it
 * comes again. */
static void on_tick(void *arg)
{
    struct pin_port *port = arg;

    if (list_is_empty(&port->holds))
        return;
    lock(port->pins);
    pin_lock_look(port);
    unlock(port->pins);
    LIST_EACH (node, &port->holds) {
        struct pin_hold *h = CONTAINER_OF(node, struct pin_hold, node);

        if (!h->is_held || pin_is_held(h))
            continue;
        look_later(port, 0);
        lose(h);
        return;
    }
    look_later(port, PIN_TICK_MS);
}

static void hold(struct pin_hold *h)
{
    h->is_held = true;
    h->until_ms = loop_now_ms(h->port->loop) + PIN_LIFE_MS;
}

static void on_called(void *arg, const struct notice *notice)
{
    struct pin_hold *h = arg;

    if (notice) {
        give_up(h);
        h->wake(h->arg, notice);
        return;
    }
    hold(h);
    if (pin_is_held(h))
        h->wake(h->arg, NULL);
    else
        lose(h); /* the way here took too long */
}

bool pin_take(struct pin_port *port, const char *organization, const char *model,
              struct pin_hold *h, on_wake *wake, void *arg)
{
    bool is_taken;

    BUG_ON(h->pin);
    *h = (struct pin_hold){ .port = port, .wake = wake, .arg = arg };
    list_add_tail(&port->holds, &h->node);
    lock(port->pins);
    h->pin = pin_of(port->pins, organization);
    is_taken = list_is_empty(&h->pin->groups) && may_hold(port, h->pin, model);
    if (is_taken)
        count_holder(h->pin, model);
    else
        wait_begin(&h->wait, &group_for(h->pin, model)->queue, port->loop, on_called, h);
    pin_lock_look(port);
    unlock(port->pins);
    if (is_taken)
        hold(h);
    if (!timer_is_armed(&port->tick))
        look_later(port, PIN_TICK_MS);
    return is_taken;
}

void pin_release(struct pin_hold *h)
{
    struct pin_port *port = h->port;

    if (!h->pin)
        return;
    lock(port->pins);
    if (h->is_held || wait_leave(&h->wait)) {
        drop_holder(port, h->pin);
    } else {
        drop_empty_groups(h->pin);
        pin_settle(port, h->pin);
    }
    unlock(port->pins);
    detach(h);
}
