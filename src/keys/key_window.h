/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of time that limits are for, and the names of their counters in the store. */
#pragma once

#include "keys/key_record.h"
#include "store/store.h"

enum key_window { KEY_WINDOW_MINUTE, KEY_WINDOW_DAY, KEY_WINDOW_MONTH, KEY_WINDOW_EVER };

struct key_span {
    char name[24];   /* "2026-11-26T09:40Z", "2026-11-26", "2026-11", "ever" */
    int64_t ends_ms; /* since 1970; INT64_MAX: never */
    int64_t ttl_ms;  /* of a counter: longer than what may be settled late */
};

/* The window that `wall_ms` is in; days and months are those of UTC. */
struct key_span key_window_at(enum key_window window, int64_t wall_ms);

/* The counter of `unit` ("requests", "tokens", "money") of the key `id`; or, without a span, who
 * holds it. */
void key_window_name(struct store_key *ret, struct str id, const char *unit,
                     const struct key_span *span);
