/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of one account where several gateways share the store: a slot is an entry there that
 * ends by itself, so that those of a gateway that died come back.
 *
 *     FREE --> ASKED --> USED --> FREE
 *                \_________^  another gateway has it
 *
 * Who gets a slot is the owner's matter, and so is the mutex that guards struct slots: what says
 * "locked" is called under it, everything else without it.
 */
#pragma once

#include <pthread.h>

#include "provider/enginelabs/keep.h"

struct slots;
struct slots_port;

/* Both locked. */
struct slots_owner {
    /* Whether somebody here waits who could use a slot. */
    bool (*is_wanted)(void *arg, int64_t now_ms);
    /* A slot is there; false when nobody takes it. */
    bool (*give)(void *arg, int64_t now_ms);
};

/* `n` slots, at most ENGINELABS_SHARED_MAX. `config`, `lock` and `owner` are borrowed. */
struct slots *slots_new(const struct enginelabs_config *config, size_t n, pthread_mutex_t *lock,
                        const struct slots_owner *owner, void *arg);

/* After all ports are closed. NULL is fine. */
void slots_free(struct slots *s);

/* Locked: from now on there are `n`. */
void slots_set(struct slots *s, size_t n);

/* One a worker. */
struct slots_port *slots_port_open(struct slots *s, struct store_port *store, struct loop *l);
void slots_port_close(struct slots_port *p);

/* While a slot is wanted, asks the store for one after the other; and when others have all of
 * them, again in a moment. Renews those that are used. */
void slots_ask(struct slots_port *p);

/* Locked: whether a slot may be had, as far as is known. */
bool slots_may_have(const struct slots *s, int64_t now_ms);

/* Locked: how many are used here. */
size_t slots_used(const struct slots *s);

/* Locked: whether a slot that becomes free may go to the next one here. Not for ever, while others
 * wait elsewhere. */
bool slots_may_stay(struct slots *s);

/* Locked: one that was used is free now. Which one, for slots_give_back(). */
size_t slots_take_out(struct slots *s, int64_t now_ms);
void slots_give_back(struct slots_port *p, size_t slot);
