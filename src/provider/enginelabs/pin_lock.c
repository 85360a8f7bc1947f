/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of an organization in the store. Its life counts from when the question was sent, less a
 * margin, so that this gateway gives it up before another one can have it.
 */
#include <stdio.h>

#include "base/encoding.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/random.h"
#include "provider/enginelabs/pin_internal.h"

enum {
    LOCK_MS = 15000, /* a gateway that died is missed for so long */
    MARGIN_MS = 3000,
    RENEW_MS = 4000,
    TURN_MS = 5000,     /* then others have their chance, */
    PAUSE_MS = 500,     /* for so long */
    ASK_AGAIN_MS = 250, /* while another gateway has it */
    FAILURES_MAX = 3,   /* of the store, then nobody waits any longer */
    DIGEST_TEXT_LEN = 32,
};

/* One question to the store. */
struct pin_ask {
    struct list node; /* in its port */
    struct pin_port *port;
    struct pin *pin;
    struct store_op *op;
    int64_t sent_ms;
    bool is_renewal;
    char owner[PIN_OWNER_LEN + 1];
};

static struct store_key key_of(const struct pin *p)
{
    struct store_key key = { .space = STORE_LEASE, .n = strlen("pin/") + DIGEST_TEXT_LEN };
    char text[sizeof("pin/") + 2 * SHA256_LEN] = "pin/";
    unsigned char digest[SHA256_LEN];
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, str_of(p->organization));
    sha256_end(&hash, digest);
    hex_encode(digest, sizeof(digest), text + strlen("pin/"));
    memcpy(key.bytes, text, key.n);
    return key;
}

static void give_back(struct pin_port *port, const struct pin *p, const char *owner)
{
    struct store_key key = key_of(p);
    struct str mine = str_of(owner);

    store_swap(port->store, &key, &mine, NULL, 0, NULL, NULL);
}

bool pin_lock_is_good(const struct pin_port *port, const struct pin *p)
{
    return !port->store || (p->lock == PIN_HELD && loop_now_ms(port->loop) < p->valid_ms);
}

bool pin_lock_is_open(const struct pin_port *port, const struct pin *p)
{
    return pin_lock_is_good(port, p) && (!port->store || loop_now_ms(port->loop) < p->turn_ends_ms);
}

void pin_lock_settle(struct pin_port *port, struct pin *p)
{
    bool is_waited_for = !list_is_empty(&p->groups);

    if (!port->store || p->lock != PIN_HELD || p->n_holders > 0 ||
        (is_waited_for && pin_lock_is_open(port, p)))
        return;
    give_back(port, p, p->owner);
    p->lock = PIN_FREE;
    p->not_before_ms = is_waited_for ? loop_now_ms(port->loop) + PAUSE_MS : 0;
}

/* ---- what the store says ---- */

static void take_renewal(struct pin_ask *a, enum err err)
{
    struct pin *p = a->pin;

    p->is_renewing = false;
    if (p->lock != PIN_HELD || strcmp(p->owner, a->owner) != 0)
        return; /* given back meanwhile */
    if (err == ERR_NONE) {
        p->renewed_ms = a->sent_ms;
        p->valid_ms = a->sent_ms + LOCK_MS - MARGIN_MS;
    } else if (err == ERR_CONFLICT) {
        p->valid_ms = 0; /* it is lost: another one may have it, or have had it */
    }
}

static void take_lock(struct pin_ask *a)
{
    struct pin *p = a->pin;

    p->lock = PIN_HELD;
    p->n_failed = 0;
    memcpy(p->owner, a->owner, sizeof(p->owner));
    p->renewed_ms = a->sent_ms;
    p->valid_ms = a->sent_ms + LOCK_MS - MARGIN_MS;
    p->turn_ends_ms = loop_now_ms(a->port->loop) + TURN_MS;
    pin_settle(a->port, p);
}

/* After an error it may be ours all the same. */
static void take_refusal(struct pin_ask *a, enum err err)
{
    struct pin *p = a->pin;

    p->lock = PIN_FREE;
    p->not_before_ms = loop_now_ms(a->port->loop) + ASK_AGAIN_MS;
    p->n_failed = err == ERR_CONFLICT ? 0 : p->n_failed + 1;
    if (err != ERR_CONFLICT)
        give_back(a->port, p, a->owner);
    if (p->n_failed < FAILURES_MAX)
        return;
    p->n_failed = 0;
    pin_fail_waiters(a->port, p);
}

static void on_answer(void *arg, const struct store_result *result)
{
    struct pin_ask *a = arg;
    pthread_mutex_t *mutex = &a->port->pins->mutex;

    BUG_ON(pthread_mutex_lock(mutex));
    list_remove(&a->node);
    if (a->is_renewal)
        take_renewal(a, result->err);
    else if (result->err)
        take_refusal(a, result->err);
    else
        take_lock(a);
    BUG_ON(pthread_mutex_unlock(mutex));
    mem_free(a);
}

/* ---- questions ---- */

static struct pin_ask *new_ask(struct pin_port *port, struct pin *p, bool is_renewal)
{
    struct pin_ask *a = mem_new(struct pin_ask);

    a->port = port;
    a->pin = p;
    a->sent_ms = loop_now_ms(port->loop);
    a->is_renewal = is_renewal;
    list_add_tail(&port->asks, &a->node);
    return a;
}

static void ask(struct pin_port *port, struct pin *p)
{
    struct pin_ask *a = new_ask(port, p, false);
    struct store_key key = key_of(p);
    struct str mine;

    random_id("", PIN_OWNER_LEN, a->owner);
    mine = str_of(a->owner);
    p->lock = PIN_ASKED;
    a->op = store_swap(port->store, &key, NULL, &mine, LOCK_MS, on_answer, a);
}

static void renew(struct pin_port *port, struct pin *p)
{
    struct pin_ask *a = new_ask(port, p, true);
    struct store_key key = key_of(p);
    struct str mine;

    memcpy(a->owner, p->owner, sizeof(a->owner));
    mine = str_of(a->owner);
    p->is_renewing = true;
    a->op = store_swap(port->store, &key, &mine, &mine, LOCK_MS, on_answer, a);
}

void pin_lock_look(struct pin_port *port)
{
    int64_t now_ms = loop_now_ms(port->loop);

    if (!port->store)
        return;
    LIST_EACH (node, &port->pins->pins) {
        struct pin *p = CONTAINER_OF(node, struct pin, node);

        if (p->lock == PIN_FREE && !list_is_empty(&p->groups) && now_ms >= p->not_before_ms)
            ask(port, p);
        else if (p->lock == PIN_HELD && !p->is_renewing && now_ms >= p->renewed_ms + RENEW_MS)
            renew(port, p);
    }
}

void pin_lock_close(struct pin_port *port)
{
    struct list *node;

    while ((node = list_take_head(&port->asks))) {
        struct pin_ask *a = CONTAINER_OF(node, struct pin_ask, node);

        store_forget(a->op);
        if (a->is_renewal) {
            a->pin->is_renewing = false;
        } else {
            a->pin->lock = PIN_FREE;
            give_back(port, a->pin, a->owner); /* behind what was asked */
        }
        mem_free(a);
    }
}
