/* SPDX-License-Identifier: Apache-2.0 */
/* A call whose whole response is wanted at once, bounded: for small answers of APIs. */
#pragma once

#include "http/client.h"

struct fetch;

struct fetch_result {
    struct http_outcome outcome; /* err is ERR_TOO_BIG when the body is above `max_body` */
    struct http_head *head;      /* NULL without a response */
    struct str body;
};

typedef void on_fetched(void *arg, const struct fetch_result *result);

/* `total_timeout_ms` bounds everything, besides the deadlines in `params` (0 there: the same as the
 * total). The body of `params` is copied. `done` exactly once unless canceled, never before this
 * returned; slices live during it. */
struct fetch *fetch_start(struct http_client *c, const struct http_call_params *params,
                          size_t max_body, int64_t total_timeout_ms, on_fetched *done, void *arg);
void fetch_cancel(struct fetch *f);
