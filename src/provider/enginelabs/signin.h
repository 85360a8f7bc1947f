/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One visit to the sign-in service for a token, on one loop: which session, if that is not known
 * yet, then the token. A step whose connection fails is tried once more; a session that proves
 * gone is looked for once more.
 *
 *     CLIENT --> [MEMBERSHIPS] --> TOKEN --> (done)
 *        ^____________________________|
 */
#pragma once

#include "http/fetch.h"
#include "provider/enginelabs/clerk.h"
#include "provider/enginelabs/cookies.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/enginelabs/jwt.h"

struct signin;

struct signin_result {
    const struct failure *failure; /* NULL: signed in */
    bool is_signed_out;            /* with a failure: final for this cookie */
    struct str jwt;
    const struct jwt_claims *claims;
    const struct clerk_session *session;
};

struct signin_handler {
    /* A reply rotated cookies: the new jar. False: nothing is sent or told before signin_go_on().
     */
    bool (*on_cookies)(void *arg, const struct cookies *jar);
    /* Whether one more request may be sent now; asked before each but the first. False: the visit
     * ends with a failure. Optional. */
    bool (*may_go_on)(void *arg);
    /* Exactly once, last, unless canceled; the result lives during the call. */
    void (*on_done)(void *arg, const struct signin_result *result);
};

struct signin_params {
    const struct enginelabs_config *config; /* outlives the visit */
    struct http_client *client;
    const struct cookies *jar;           /* copied */
    const struct clerk_session *session; /* copied; NULL: not known yet */
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
};

/* Never calls back before it returned. `handler` is static. */
struct signin *signin_start(const struct signin_params *params,
                            const struct signin_handler *handler, void *arg);

/* After on_cookies gave false, later: the new jar may be used. */
void signin_go_on(struct signin *s);

/* No callback from now on. NULL is fine. */
void signin_cancel(struct signin *s);
