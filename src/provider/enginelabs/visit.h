/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small request to the API in the name of an account: with a token of it, and once more with
 * another one when that is refused. For what runs beside the answers: models, plan, deletions.
 *
 *     TOKEN <--> ASK --> (done)
 */
#pragma once

#include "provider/enginelabs/account.h"
#include "provider/enginelabs/errand.h"

struct visit;

/* As struct errand_params, without a token. */
struct visit_params {
    const struct enginelabs_config *config; /* outlives it */
    struct account_port *account;           /* outlives it */
    struct http_client *client;
    enum http_method method; /* none that must not happen twice */
    struct str target;       /* copied */
    const char *what;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
};

/* `done` exactly once unless canceled, never before this returned. Without a token the result has
 * status 0 and says why. */
struct visit *visit_start(const struct visit_params *params, on_errand *done, void *arg);

/* No callback from now on. NULL is fine. */
void visit_cancel(struct visit *v);
