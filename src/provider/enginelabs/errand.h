/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small request to the API with a token, bounded, and what its answer means. Redirects are not
 * followed. Only GET and DELETE may go out again, when a kept connection proves stale; what else
 * may have been taken goes out once.
 */
#pragma once

#include "http/fetch.h"
#include "provider/enginelabs/api.h"

struct errand;

struct errand_params {
    const struct enginelabs_config *config; /* outlives it */
    struct http_client *client;
    struct str jwt; /* borrowed until errand_start() returned, as are target and body */
    enum http_method method;
    struct str target;
    const char *what; /* for messages: "PATCH /teams/preferred-model"; static */
    struct str body;  /* JSON; empty: none */
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
};

/* Lives during the callback. */
struct errand_result {
    const struct failure *failure; /* NULL: the answer is a 2xx */
    struct api_status status;      /* status 0: there was no answer */
    bool certainly_unsent;         /* without an answer: nobody can have taken it */
    struct str body;
};

typedef void on_errand(void *arg, const struct errand_result *result);

/* `done` exactly once unless canceled, never before this returned. */
struct errand *errand_start(const struct errand_params *params, on_errand *done, void *arg);

/* No callback from now on. NULL is fine. */
void errand_cancel(struct errand *a);
