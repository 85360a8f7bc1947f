/* SPDX-License-Identifier: Apache-2.0 */
/* With a store that fails, this gateway's own count decides: answers go on. */
#include "provider/enginelabs/slots.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"
#include "net/timer.h"

enum {
    HANDED_MAX = 4,   /* a slot goes so often from one to the next here, then to all gateways */
    LEASE_MS = 30000, /* a gateway that died is missed for so long */
    RENEW_MS = 10000,
    ASK_AGAIN_MS = 250, /* while other gateways have all slots */
    OWNER_LEN = 16,
};

enum slot_state { SLOT_FREE, SLOT_ASKED, SLOT_USED };

struct slots {
    const struct enginelabs_config *config;
    pthread_mutex_t *lock; /* guards all below `owner_id` */
    const struct slots_owner *owner;
    void *arg;
    char owner_id[OWNER_LEN + 1]; /* this process, in the store */
    size_t n;
    size_t n_used;
    size_t tried;                                /* slots that others had, in a row */
    int64_t none_before_ms;                      /* others have all of them; or others ask first */
    unsigned handed;                             /* since one was given back */
    int64_t renewed_ms;                          /* when a port renewed them */
    unsigned char states[ENGINELABS_SHARED_MAX]; /* enum slot_state */
};

struct slots_port {
    struct slots *slots;
    struct store_port *store;
    struct loop *loop;
    struct store_op *op; /* asks for slot `at` */
    size_t at;
    struct timer again;
    struct timer renew; /* armed while something is used or asked for */
};

static void lock(struct slots *s)
{
    BUG_ON(pthread_mutex_lock(s->lock));
}

static void unlock(struct slots *s)
{
    BUG_ON(pthread_mutex_unlock(s->lock));
}

struct slots *slots_new(const struct enginelabs_config *config, size_t n, pthread_mutex_t *lock,
                        const struct slots_owner *owner, void *arg)
{
    struct slots *s = mem_new(struct slots);

    s->config = config;
    s->lock = lock;
    s->owner = owner;
    s->arg = arg;
    random_id("", OWNER_LEN, s->owner_id);
    slots_set(s, n);
    return s;
}

void slots_free(struct slots *s)
{
    if (!s)
        return;
    BUG_ON(s->n_used);
    mem_free(s);
}

void slots_set(struct slots *s, size_t n)
{
    s->n = n < ENGINELABS_SHARED_MAX ? n : ENGINELABS_SHARED_MAX;
    s->none_before_ms = 0;
}

struct slots_port *slots_port_open(struct slots *s, struct store_port *store, struct loop *l)
{
    struct slots_port *p = mem_new(struct slots_port);

    p->slots = s;
    p->store = store;
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

void slots_give_back(struct slots_port *p, size_t slot)
{
    struct store_key key = key_of(p->slots, slot);
    struct str owner = str_of(p->slots->owner_id);

    store_swap(p->store, &key, &owner, NULL, 0, NULL, NULL);
}

/* Locked. */
static void renew_all(struct slots_port *p)
{
    struct slots *s = p->slots;
    struct str owner = str_of(s->owner_id);

    for (size_t i = 0; i < ENGINELABS_SHARED_MAX && s->n_used > 0; i++) {
        struct store_key key;

        if (s->states[i] != SLOT_USED)
            continue;
        key = key_of(s, i);
        store_swap(p->store, &key, &owner, &owner, LEASE_MS, NULL, NULL);
        /* Lost by the store, or never there because it failed: nobody else may have it. */
        store_swap(p->store, &key, NULL, &owner, LEASE_MS, NULL, NULL);
    }
    s->renewed_ms = loop_now_ms(p->loop);
}

/* Whichever port comes first renews the slots of all: a slot goes from one port to another, and a
 * port that closes must not end it. */
static void on_renew(void *arg)
{
    struct slots_port *p = arg;
    struct slots *s = p->slots;
    bool goes_on;

    lock(s);
    if (loop_now_ms(p->loop) - s->renewed_ms >= RENEW_MS / 2)
        renew_all(p);
    goes_on = s->n_used > 0;
    unlock(s);
    if (goes_on)
        timer_arm(p->loop, &p->renew, RENEW_MS, on_renew, p);
}

/* ---- asking for a slot ---- */

static void on_again(void *arg)
{
    slots_ask(arg);
}

static void on_answer(void *arg, const struct store_result *result)
{
    struct slots_port *p = arg;
    struct slots *s = p->slots;
    size_t slot = p->at;
    bool is_taken = result->err == ERR_CONFLICT;
    bool is_given;

    p->op = NULL;
    lock(s);
    s->tried = is_taken ? s->tried + 1 : 0;
    if (s->tried >= s->n)
        s->none_before_ms = loop_now_ms(p->loop) + ASK_AGAIN_MS;
    is_given = !is_taken && s->owner->give(s->arg, loop_now_ms(p->loop));
    s->states[slot] = is_given ? SLOT_USED : SLOT_FREE;
    s->n_used += is_given;
    unlock(s);
    if (!is_taken && !is_given)
        slots_give_back(p, slot);
    slots_ask(p);
}

/* Locked: the next free slot behind `at`, or n. */
static size_t next_free(const struct slots *s, size_t at)
{
    for (size_t i = 1; i <= s->n; i++)
        if (s->states[(at + i) % s->n] == SLOT_FREE)
            return (at + i) % s->n;
    return s->n;
}

static void ask_for(struct slots_port *p, size_t slot)
{
    struct store_key key = key_of(p->slots, slot);
    struct str owner = str_of(p->slots->owner_id);

    p->at = slot;
    p->op = store_swap(p->store, &key, NULL, &owner, LEASE_MS, on_answer, p);
}

void slots_ask(struct slots_port *p)
{
    struct slots *s = p->slots;
    bool is_wanted;
    size_t slot;
    int64_t waits_ms;

    if (!timer_is_armed(&p->renew))
        timer_arm(p->loop, &p->renew, RENEW_MS, on_renew, p);
    if (p->op || timer_is_armed(&p->again))
        return;
    lock(s);
    waits_ms = s->none_before_ms - loop_now_ms(p->loop);
    if (waits_ms <= 0)
        s->tried = s->tried >= s->n ? 0 : s->tried;
    is_wanted = s->owner->is_wanted(s->arg, loop_now_ms(p->loop));
    slot = is_wanted && waits_ms <= 0 ? next_free(s, p->at) : s->n;
    if (slot < s->n)
        s->states[slot] = SLOT_ASKED;
    unlock(s);
    if (slot < s->n)
        ask_for(p, slot);
    else if (is_wanted && waits_ms > 0)
        timer_arm(p->loop, &p->again, waits_ms, on_again, p);
}

void slots_port_close(struct slots_port *p)
{
    struct slots *s = p->slots;

    if (p->op) {
        store_forget(p->op);
        lock(s);
        s->states[p->at] = SLOT_FREE;
        unlock(s);
        slots_give_back(p, p->at); /* behind what was asked */
    }
    timer_disarm(&p->again);
    timer_disarm(&p->renew);
    mem_free(p);
}

/* ---- leases ---- */

bool slots_may_have(const struct slots *s, int64_t now_ms)
{
    return now_ms >= s->none_before_ms;
}

size_t slots_used(const struct slots *s)
{
    return s->n_used;
}

bool slots_may_stay(struct slots *s)
{
    return ++s->handed <= HANDED_MAX;
}

size_t slots_take_out(struct slots *s, int64_t now_ms)
{
    size_t slot = 0;

    BUG_ON(s->n_used == 0);
    while (s->states[slot] != SLOT_USED)
        slot++;
    s->states[slot] = SLOT_FREE;
    s->n_used--;
    s->handed = 0;
    if (s->owner->is_wanted(s->arg, now_ms))
        s->none_before_ms = now_ms + 2 * ASK_AGAIN_MS; /* others ask first */
    return slot;
}
