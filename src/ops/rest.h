/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When free memory goes back to the system. The allocator keeps what a busy time left free, two
 * thirds of the whole process; giving it back takes its locks for some milliseconds, so that is
 * done in the first quiet moment, by the main thread, which has nothing else to do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { REST_LOOK_MS = 10000 };

/* All-zero: nothing was seen yet. */
struct rest {
    bool has_looked;
    int64_t seen;    /* bytes */
    int64_t trimmed; /* as many had been moved the last time */
};

/* To be asked every REST_LOOK_MS; `moved` are all bytes from and to clients so far. True when
 * little moved since the last look, and much since it was last true, or nothing was done yet. */
bool rest_is_due(struct rest *r, int64_t moved);
