/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the upstream for its models with one key: what discovery and `check` have in common.
 * Private to this folder. */
#pragma once

#include "http/fetch.h"
#include "provider/openai/instance.h"

struct ask;

struct ask_result {
    const struct failure *failure; /* NULL: it answered with 2xx */
    int status;                    /* 0: no answer */
    struct str body;
};

typedef void ask_done(void *arg, const struct ask_result *result);

/* `done` exactly once unless canceled, never before this returned; the result lives during it. */
struct ask *ask_start(struct provider_instance *p, size_t key, ask_done *done, void *arg);
void ask_cancel(struct ask *a);

/* A server that has no list of models may still have them. */
bool ask_is_listless(const struct ask_result *result);

/* The headers that every request carries, behind the `n` that are there already; at most
 * HTTP_HEADERS_MAX in all. `token` may be empty; the values are in `a` or the settings'. Returns
 * how many there are. */
size_t ask_headers(const struct openai_config *config, struct str token, struct arena *a,
                   struct http_header *headers, size_t n);

/* `text` with what these headers have of secrets illegible; in `a` where that makes a difference.
 */
struct str ask_hide(const struct openai_config *config, struct str token, struct arena *a,
                    struct str text);
