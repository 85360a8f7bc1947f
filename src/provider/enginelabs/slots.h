/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many answers run at once on one account: a number of slots, first come first served across
 * all workers of the process. Where several gateways share the store, a slot is an entry there that
 * ends by itself, so that those of a gateway that died come back.
 *
 *     FREE --> ASKED --> USED --> FREE        (without a shared store: FREE --> USED --> FREE)
 *                \_________________^  another gateway has it
 */
#pragma once

#include "provider/enginelabs/keep.h"
#include "provider/enginelabs/waiters.h"

struct slots;
struct slots_port;

/* config->max_parallel slots; 0: no limit, and nothing is shared. `config` is borrowed. */
struct slots *slots_new(const struct enginelabs_config *config);

/* After all ports are closed. NULL is fine. */
void slots_free(struct slots *s);

/* One a worker. `store` may be NULL. */
struct slots_port *slots_port_open(struct slots *s, struct store_port *store, struct loop *l);

/* No wait may stand at it and nothing that it leased may be held. */
void slots_port_close(struct slots_port *p);

/* True: leased. False: wake follows when it is. */
bool slots_lease(struct slots_port *p, struct wait *w, on_wake *wake, void *arg);

/* Gives up waiting; a lease that was given meanwhile goes back. */
void slots_leave(struct slots_port *p, struct wait *w);
void slots_release(struct slots_port *p);
