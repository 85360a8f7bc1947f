/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks /billing how an account stands, gently: at most every 5 minutes, and once more after the
 * service said that a limit is reached; one question at a time in the process. Who uses the account
 * says when it may be time; the answer goes to its owner. A question that fails changes nothing.
 */
#pragma once

#include "provider/enginelabs/account.h"
#include "provider/enginelabs/plan.h"

enum { SURVEY_MS = 300000, SURVEY_AFTER_LIMIT_MS = 10000 };

struct survey;
struct survey_port;

/* Process-wide, one an account. */
struct survey *survey_new(void);

/* After all ports are closed. NULL is fine. */
void survey_free(struct survey *s);

/* On the port's loop; `plan` lives during the call. */
typedef void on_survey(void *arg, const struct plan *plan);

struct survey_params {
    const struct enginelabs_config *config; /* outlives the port, as do the next two */
    struct account_port *account;
    struct http_client *client;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    on_survey *told;
    void *arg;
};

/* One a worker. */
struct survey_port *survey_port_open(struct survey *s, const struct survey_params *params);

/* `told` is not called any more; a question that runs here ends, and another port may ask. */
void survey_port_close(struct survey_port *p);

/* Asks if it is time: nobody asked for SURVEY_MS. Cheap; for every use of the account. Never calls
 * back before it returned. */
void survey_poll(struct survey_port *p);

/* A 429 came: asks, unless somebody did in the last SURVEY_AFTER_LIMIT_MS; then the next poll after
 * that does. */
void survey_limit_reached(struct survey_port *p);
