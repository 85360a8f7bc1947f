/* SPDX-License-Identifier: Apache-2.0 */
/* Between account.c (who gets a token) and account_renewal.c (where tokens and cookies come from).
 */
#pragma once

#include <pthread.h>

#include "net/timer.h"
#include "provider/enginelabs/account.h"

/* A config that was replaced lives on, since what runs may look at it. */
struct account_settings {
    struct account_settings *older;
    struct enginelabs_config config;
};

struct account {
    const struct enginelabs_config *_Atomic config; /* the first, or the newest of `settings` */
    pthread_mutex_t lock;                           /* guards all below */
    struct account_settings *settings;              /* owned; NULL: the cookie is the first */
    unsigned cookie_turn;                           /* another number, another cookie */
    struct cookies jar;
    struct jar_past past;         /* what the store may have that the jar comes from */
    unsigned jar_turn;            /* another number, another jar */
    bool jar_is_kept;             /* the store has it, or something newer than the settings */
    bool jar_is_unkept;           /* the store should have it and does not */
    struct secret refused;        /* a token that the service did not take */
    struct clerk_session session; /* id "": not known yet */
    struct token token;           /* jwt not set: none */
    int64_t refresh_at_ms;        /* from then on the next token is fetched behind this one */
    int64_t expires_at_ms;
    bool is_refreshing; /* some port runs a sign-in */
    bool is_beside;     /* it was asked for by account_renew() */
    bool is_tried;      /* one was begun */
    bool is_failing;    /* the last one failed, and there is no token that is still good */
    bool is_signed_out;
    struct notice signed_out;
    int64_t held_until_ms; /* the service asked not to be asked before; 0: it did not */
    struct notice held;
    struct list token_queue;
};

struct account_port {
    struct account *account;
    struct http_client *client;
    struct loop *loop;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    struct store_port *store;
    struct refresh *refresh; /* running here */
    unsigned cookie_turn;    /* which cookie it signs in with */
    struct timer keep_again;
    struct keep_jar *keeper; /* running */
    struct jar_past past;    /* the keeper's */
    unsigned jar_turn;       /* which jar it keeps */
    bool has_tried_last;     /* to keep a jar, before it closes */
    struct timer grace;
    struct task retire;
    void (*closed)(void *arg); /* NULL while open */
    void *closed_arg;
};

static inline void account_lock(struct account *a)
{
    BUG_ON(pthread_mutex_lock(&a->lock));
}

static inline void account_unlock(struct account *a)
{
    BUG_ON(pthread_mutex_unlock(&a->lock));
}

/* Under the lock. */
static inline bool account_has_token(const struct account *a, int64_t now_ms)
{
    return secret_is_set(&a->token.jwt) && now_ms < a->expires_at_ms;
}

/* Under the lock: calls the whole line. */
void account_call_all(struct account *a, const struct notice *notice);

/* Under the lock: it is signed out from now on, or no longer. */
void account_set_out(struct account *a, const struct notice *why);

/* ---- account_renewal.c ---- */

/* Under the lock: another jar; what is older must not come back from the store. */
void account_set_jar(struct account *a, const struct cookies *jar);

/* Under the lock: whether the caller is the one who must refresh now. */
bool account_claim_refresh(struct account *a);

/* Whoever claimed it calls this, outside the lock; nobody else touches jar and session meanwhile.
 */
void account_refresh(struct account_port *p);
