/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a pin: pin.c has the queue and the holds, pin_lock.c the lock in the store. All of
 * struct pin is guarded by the mutex of pins; functions here are called under it.
 *
 *     FREE --> ASKED --> HELD --> FREE       (of the lock; without a shared store it is not used)
 *       ^________/  another gateway has it, or the store fails
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "net/timer.h"
#include "provider/enginelabs/adapters.h"
#include "provider/enginelabs/fields.h"
#include "provider/enginelabs/pin.h"

enum { PIN_OWNER_LEN = 16, PIN_TICK_MS = 250 };

enum pin_lock { PIN_FREE, PIN_ASKED, PIN_HELD };

struct pins {
    char *upstream; /* owned */
    atomic_uint refs;
    pthread_mutex_t mutex; /* guards all below */
    struct list pins;
};

/* One organization. */
struct pin {
    struct list node;
    char organization[FIELD_ID_MAX];
    char model[ADAPTER_NAME_MAX]; /* of the holders */
    unsigned n_holders;           /* who was called counts, also while the call is on its way */
    struct list groups;           /* struct pin_group: those who wait, in their order */

    enum pin_lock lock;
    char owner[PIN_OWNER_LEN + 1]; /* of the lock; another one each time */
    bool is_renewing;
    int64_t renewed_ms;    /* when the last renewal that succeeded was sent */
    int64_t valid_ms;      /* up to then nobody else can have the lock */
    int64_t turn_ends_ms;  /* then nobody is let in before others had their chance */
    int64_t not_before_ms; /* when the lock is asked for again */
    unsigned n_failed;     /* answers in a row that were errors */
};

/* Who waits for one model, next to each other. */
struct pin_group {
    struct list node;
    char model[ADAPTER_NAME_MAX];
    struct list queue; /* of tickets; never empty outside of the mutex */
};

struct pin_port {
    struct pins *pins;
    struct store_port *store; /* NULL: not shared */
    struct loop *loop;
    struct list holds;
    struct list asks; /* of pin_lock.c, running */
    struct timer tick;
};

/* ---- pin.c ---- */

/* Lets in whoever may hold it now, and gives the lock back when nobody does. */
void pin_settle(struct pin_port *port, struct pin *p);

/* Calls all who wait, in vain. */
void pin_fail_waiters(struct pin_port *port, struct pin *p);

/* ---- pin_lock.c ---- */

/* Whether the lock lets somebody in now. */
bool pin_lock_is_open(const struct pin_port *port, const struct pin *p);

/* Whether what is held is good: nobody else can have the lock. */
bool pin_lock_is_good(const struct pin_port *port, const struct pin *p);

/* Asks for the lock where somebody waits, renews it where it is held. */
void pin_lock_look(struct pin_port *port);

/* Gives it back when nobody holds anything and nobody may be let in. */
void pin_lock_settle(struct pin_port *port, struct pin *p);

/* Forgets what the port asked. */
void pin_lock_close(struct pin_port *port);
