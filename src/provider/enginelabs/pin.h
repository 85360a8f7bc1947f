/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One model at a time for an organization. In protocol `project` the model is a setting of the
 * whole team, so a prompt holds its model from before that is set until the service has taken the
 * prompt. Calls of one model hold it together; those of others wait their turn, first come first
 * served: once another model waits, later calls of the present one stand behind it.
 *
 * Where several gateways share the store, one of them at a time has the organization: a lock there
 * that ends by itself unless it is renewed, and that is given up after a while in which others may
 * have waited. Without the store's word nobody holds anything: another model must never answer
 * silently.
 */
#pragma once

#include "provider/waiters.h"
#include "store/store.h"

enum { PIN_LIFE_MS = 60000 }; /* a hold does not last longer */

struct pins;
struct pin;
struct pin_port;

/* A place of one call, in the call; all-zero: none. */
struct pin_hold {
    struct list node; /* in its port */
    struct pin_port *port;
    struct pin *pin; /* NULL: it holds and waits for nothing */
    struct wait wait;
    bool is_held;
    int64_t until_ms; /* of its life */
    on_wake *wake;
    void *arg;
};

/* Process-wide, one for all that speaks to one service: whoever makes it holds the first reference,
 * and what takes that one's place after a reload another. `upstream` is for messages; copied. */
struct pins *pins_new(const char *upstream);

/* Any thread. */
struct pins *pins_ref(struct pins *p);

/* After the ports of whoever gives it back are closed. NULL is fine. Any thread. */
void pins_unref(struct pins *p);

/* One a worker. `store` may be NULL; it outlives the port. */
struct pin_port *pin_port_open(struct pins *p, struct store_port *store, struct loop *l);

/* No hold may stand at it. */
void pin_port_close(struct pin_port *port);

/* True: `model` is held. False: `wake` follows, with NULL when it is, with a notice when the store
 * does not give its lock; then nothing is held. After either way to a hold `wake` comes once more,
 * with a notice, if it is lost: its life is over, or the store's lock is. `organization` is an id
 * (FIELD_ID_MAX), `model` a name (ADAPTER_NAME_MAX): longer ones are cut. */
bool pin_take(struct pin_port *port, const char *organization, const char *model,
              struct pin_hold *h, on_wake *wake, void *arg);

/* Whether it is held right now: to be asked before each thing that must not happen without. */
bool pin_is_held(const struct pin_hold *h);

/* Gives it back, or leaves the queue: no wake from now on. Any state. */
void pin_release(struct pin_hold *h);
