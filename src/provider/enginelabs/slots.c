/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot that is given back goes to whoever waits longest here, before another gateway may have it.
 * With a store that fails, this gateway's own count decides: answers go on.
 */
#include "provider/enginelabs/slots.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "net/timer.h"

enum {
    SLOTS_MAX = 256,  /* an account has no more where it is shared */
    HANDED_MAX = 4,   /* a slot goes so often from one to the next here, then to all gateways */
    LEASE_MS = 30000, /* a gateway that died is missed for so long */
    RENEW_MS = 10000,
    ASK_AGAIN_MS = 250, /* while other gateways have all slots */
    OWNER_LEN = 16,
};

enum slot_state { SLOT_FREE, SLOT_ASKED, SLOT_USED };

struct slots {
    const struct enginelabs_config *config;
    char owner[OWNER_LEN + 1]; /* this process, in the store */
    pthread_mutex_t lock;      /* guards all below */
    struct list queue;
    unsigned leases;
    size_t n;              /* shared slots */
    unsigned handed;       /* since one was given back */
    int64_t not_before_ms; /* after that: others ask first */
    enum slot_state states[SLOTS_MAX];
};

struct slots_port {
    struct slots *slots;
    struct store_port *store; /* NULL: not shared */
    struct loop *loop;
    struct store_op *op; /* asks for slot `at` */
    size_t at;
    size_t tried; /* slots that others had, in a row */
    struct timer again;
    struct timer renew;
};

static void lock(struct slots *s)
{
    BUG_ON(pthread_mutex_lock(&s->lock));
}

static void unlock(struct slots *s)
{
    BUG_ON(pthread_mutex_unlock(&s->lock));
}

struct slots *slots_new(const struct enginelabs_config *config)
{
    struct slots *s = mem_new(struct slots);

    s->config = config;
    random_id("", OWNER_LEN, s->owner);
    BUG_ON(pthread_mutex_init(&s->lock, NULL));
    list_init(&s->queue);
    s->n = config->max_parallel < SLOTS_MAX ? config->max_parallel : SLOTS_MAX;
    return s;
}

void slots_free(struct slots *s)
{
    if (!s)
        return;
    BUG_ON(s->leases || !list_is_empty(&s->queue));
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct slots_port *slots_port_open(struct slots *s, struct store_port *store, struct loop *l)
{
    struct slots_port *p = mem_new(struct slots_port);
    bool is_shared = store && store_is_shared(store_of(store)) && s->n > 0;

    p->slots = s;
    p->store = is_shared ? store : NULL;
    p->loop = l;
    return p;
}

/* ---- the store's part ---- */

static struct store_key key_of(const struct slots *s, size_t slot)
{
    char what[32];

    snprintf(what, sizeof(what), "/slot/%zu", slot);
    return keep_key(s->config, STORE_LEASE, what);
}

static void give_back(struct slots_port *p, size_t slot)
{
    struct store_key key = key_of(p->slots, slot);
    struct str owner = str_of(p->slots->owner);

    store_swap(p->store, &key, &owner, NULL, 0, NULL, NULL);
}

static void on_renew(void *arg)
{
    struct slots_port *p = arg;
    struct slots *s = p->slots;
    struct str owner = str_of(s->owner);
    size_t n = 0;

    lock(s);
    for (size_t i = 0; i < s->n; i++) {
        struct store_key key = key_of(s, i);

        if (s->states[i] != SLOT_USED)
            continue;
        n++;
        store_swap(p->store, &key, &owner, &owner, LEASE_MS, NULL, NULL);
        /* Lost by the store, or never there because it failed: nobody else may have it. */
        store_swap(p->store, &key, NULL, &owner, LEASE_MS, NULL, NULL);
    }
    unlock(s);
    if (n > 0)
        timer_arm(p->loop, &p->renew, RENEW_MS, on_renew, p);
}

/* ---- asking for a slot ---- */

static void look(struct slots_port *p);

static void on_again(void *arg)
{
    look(arg);
}

/* Under the lock: whoever waits longest gets it; false when nobody does. */
static bool grant(struct slots *s)
{
    if (!wait_call_first(&s->queue, NULL))
        return false;
    s->leases++;
    metric_add(METRIC_LEASES, 1);
    return true;
}

static void on_answer(void *arg, const struct store_result *result)
{
    struct slots_port *p = arg;
    struct slots *s = p->slots;
    size_t slot = p->at;
    bool is_taken = result->err == ERR_CONFLICT;
    bool is_granted;

    p->op = NULL;
    p->tried = is_taken ? p->tried + 1 : 0;
    lock(s);
    is_granted = !is_taken && grant(s);
    s->states[slot] = is_granted ? SLOT_USED : SLOT_FREE;
    unlock(s);
    if (is_granted && !timer_is_armed(&p->renew))
        timer_arm(p->loop, &p->renew, RENEW_MS, on_renew, p);
    if (!is_taken && !is_granted)
        give_back(p, slot);
    look(p);
}

/* Under the lock: the next free slot behind `at`, or n. */
static size_t next_free(const struct slots *s, size_t at)
{
    for (size_t i = 1; i <= s->n; i++)
        if (s->states[(at + i) % s->n] == SLOT_FREE)
            return (at + i) % s->n;
    return s->n;
}

/* While somebody waits here: asks the store for one slot after the other, and when others have
 * all of them, again in a moment. */
static void look(struct slots_port *p)
{
    struct slots *s = p->slots;
    struct str owner = str_of(s->owner);
    struct store_key key;
    size_t slot = s->n;
    int64_t waits_ms;

    if (p->op || timer_is_armed(&p->again))
        return;
    lock(s);
    if (!list_is_empty(&s->queue))
        slot = next_free(s, p->at);
    waits_ms = p->tried >= s->n ? ASK_AGAIN_MS : s->not_before_ms - loop_now_ms(p->loop);
    if (slot < s->n && waits_ms <= 0)
        s->states[slot] = SLOT_ASKED;
    unlock(s);
    if (slot == s->n)
        return;
    if (waits_ms > 0) {
        p->tried = 0;
        timer_arm(p->loop, &p->again, waits_ms, on_again, p);
        return;
    }
    p->at = slot;
    key = key_of(s, slot);
    p->op = store_swap(p->store, &key, NULL, &owner, LEASE_MS, on_answer, p);
}

void slots_port_close(struct slots_port *p)
{
    struct slots *s = p->slots;

    if (p->op) {
        store_forget(p->op);
        lock(s);
        s->states[p->at] = SLOT_FREE;
        unlock(s);
        give_back(p, p->at); /* behind what was asked */
    }
    timer_disarm(&p->again);
    timer_disarm(&p->renew);
    mem_free(p);
}

/* ---- leases ---- */

/* Under the lock. */
static bool has_room(const struct slots_port *p)
{
    const struct slots *s = p->slots;
    unsigned max = s->config->max_parallel;

    return !p->store && (max == 0 || s->leases < max) && list_is_empty(&s->queue);
}

bool slots_lease(struct slots_port *p, struct wait *w, on_wake *wake, void *arg)
{
    struct slots *s = p->slots;
    bool leased;

    lock(s);
    leased = has_room(p);
    if (leased)
        s->leases++;
    else
        wait_begin(w, &s->queue, p->loop, wake, arg);
    unlock(s);
    if (leased)
        metric_add(METRIC_LEASES, 1);
    else if (p->store)
        look(p);
    return leased;
}

/* Under the lock: to whoever waits longest, else back; the slot that is free now, or n. A shared
 * one does not stay here for ever while others wait elsewhere. */
static size_t pass_on(struct slots *s, bool is_shared, int64_t now_ms)
{
    bool stays = !is_shared || ++s->handed <= HANDED_MAX;
    size_t slot = 0;

    BUG_ON(s->leases == 0);
    if (stays && wait_call_first(&s->queue, NULL))
        return s->n;
    s->handed = 0;
    s->not_before_ms = list_is_empty(&s->queue) ? 0 : now_ms + 2 * ASK_AGAIN_MS;
    s->leases--;
    metric_add(METRIC_LEASES, -1);
    while (is_shared && slot < s->n && s->states[slot] != SLOT_USED)
        slot++;
    if (!is_shared || slot == s->n)
        return s->n;
    s->states[slot] = SLOT_FREE;
    return slot;
}

void slots_release(struct slots_port *p)
{
    struct slots *s = p->slots;
    size_t slot;

    lock(s);
    slot = pass_on(s, p->store != NULL, loop_now_ms(p->loop));
    unlock(s);
    if (slot < s->n)
        give_back(p, slot);
    if (p->store)
        look(p);
}

void slots_leave(struct slots_port *p, struct wait *w)
{
    bool was_called;

    lock(p->slots);
    was_called = wait_leave(w);
    unlock(p->slots);
    if (was_called)
        slots_release(p);
}
