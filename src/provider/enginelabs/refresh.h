/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One renewal of an account's token, on one loop: the sign-in (signin.h) between what the store
 * keeps. Rotated cookies are on the disk before they are used. Where several gateways share the
 * store, one of them signs in for all: the others wait for its token. One that loses its lock
 * meanwhile sends and publishes nothing more, and begins again.
 *
 *     [TOKEN <--> LOCK] --> [JAR] --> SIGNIN --> (done)        [...]: only where needed
 */
#pragma once

#include "provider/enginelabs/keep_jar.h"
#include "provider/enginelabs/signin.h"

struct refresh;

struct refresh_params {
    const struct enginelabs_config *config; /* outlives it */
    struct http_client *client;
    struct store_port *store;            /* NULL: nothing is kept */
    const struct cookies *jar;           /* copied */
    bool jar_is_kept;                    /* it came from the store, or is newer */
    bool jar_is_unkept;                  /* the store did not take it: what it has is older */
    const struct jar_past *past;         /* copied */
    const struct clerk_session *session; /* copied; NULL: not known yet */
    const struct secret *refused;        /* a token that is no good; borrowed until refresh_start
                                            returned; may be none */
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
};

struct refresh_result {
    const struct failure *failure; /* NULL: there is a token */
    bool is_signed_out;            /* with a failure: final for this cookie */
    struct str jwt;
    const struct jwt_claims *claims;
    const struct clerk_session *session;
    int64_t life_ms; /* how long the token is good from now on */
};

struct refresh_handler {
    /* The jar is another one now. `is_kept`: the store has it. */
    void (*on_jar)(void *arg, const struct cookies *jar, const struct jar_past *past, bool is_kept);
    /* Exactly once, last, unless canceled; the result lives during the call. */
    void (*on_done)(void *arg, const struct refresh_result *result);
};

/* Never calls back before it returned. `handler` is static. */
struct refresh *refresh_start(const struct refresh_params *params,
                              const struct refresh_handler *handler, void *arg);

/* Calls on_jar first with a jar that is being kept right now; then no callback from now on. NULL is
 * fine. */
void refresh_cancel(struct refresh *r);
