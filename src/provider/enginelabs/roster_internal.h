/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the roster: roster.c (accounts, ports, what is learned), roster_choice.c
 * (which account) and roster_line.c (leases, and those who wait for one).
 */
#pragma once

#include <pthread.h>

#include "net/timer.h"
#include "provider/enginelabs/plan.h"
#include "provider/enginelabs/roster.h"
#include "provider/enginelabs/slots.h"

struct seat { /* an account in the roster */
    struct roster *roster;
    const struct enginelabs_config *config;
    struct account *account;
    struct slots *slots; /* NULL: the store is not shared */
    struct cooldowns rests;
    unsigned leases;  /* draining ones too */
    unsigned limit;   /* 0: none */
    struct plan plan; /* what the service said last; has_plan */
    bool has_plan;
    struct seat *heir; /* in the roster that stands for this one now: it counts the leases, too */
};

struct roster {
    pthread_mutex_t lock; /* guards all below */
    struct list line;     /* struct roster_guest */
    size_t n_line;
    size_t turn; /* where the next search begins, so that equals take turns */
    bool has_keeper;
    size_t n;
    struct seat seats[];
};

struct roster_guest {
    struct list node;  /* in the line, until it is called */
    struct list queue; /* of its ticket alone */
    struct roster_wish wish;
    bool is_leased; /* it was called, and not in vain */
    size_t account;
};

struct roster_port {
    struct roster *roster;
    struct loop *loop;
    bool is_shared;
    struct timer tick;
    size_t n_guests;              /* of this worker */
    struct roster_keeper *keeper; /* NULL: another port has it */
    size_t n_closing;             /* accounts, and the keeper */
    struct task retire;
    void (*closed)(void *arg);
    void *closed_arg;
    struct {
        struct account_port *account;
        struct slots_port *slots; /* where the store is shared */
    } seats[];
};

static inline void roster_lock(struct roster *p)
{
    BUG_ON(pthread_mutex_lock(&p->lock));
}

static inline void roster_unlock(struct roster *p)
{
    BUG_ON(pthread_mutex_unlock(&p->lock));
}

/* ---- roster.c; under the lock ---- */

enum provider_standing seat_standing(const struct seat *s, int64_t now_ms);

/* ---- roster_choice.c; all under the lock ---- */

/* Whether leases of it need a slot of the store. */
bool seat_is_shared(const struct seat *s);
bool seat_has_room(const struct seat *s, int64_t now_ms);

/* Whether it may serve this; else *ret_why has the reason, unless there is a better one already:
 * one that is over sooner. */
bool seat_may_serve(struct seat *s, const struct roster_wish *wish, int64_t now_ms,
                    struct notice *ret_why);

enum choice {
    CHOICE_FOUND, /* *ret_account has room */
    CHOICE_BUSY,  /* those that may serve it have none */
    CHOICE_NONE,  /* none may: *ret_why, of those that were not tried */
};

enum choice roster_choose(struct roster *p, const struct roster_wish *wish, int64_t now_ms,
                          size_t *ret_account, struct notice *ret_why);

/* ---- roster_line.c ---- */

/* For slots_new(). */
extern const struct slots_owner roster_slots_owner;

/* Under the lock: calls those of the line who can be served now, and those who no longer can. */
void roster_serve_line(struct roster *p, int64_t now_ms);

/* ---- roster_keeper.c: one in the process ---- */

struct roster_keeper *roster_keeper_open(struct roster_port *port);

/* Calls closed(arg) when it is gone, maybe at once. */
void roster_keeper_close(struct roster_keeper *k, void (*closed)(void *arg), void *arg);
