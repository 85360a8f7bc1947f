/* SPDX-License-Identifier: Apache-2.0 */
/* What operations of a store are asked with and answered with. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "store/space.h"

enum {
    STORE_KEY_MAX = 160,
    STORE_VALUE_MAX = 32768,
    STORE_LARGE_MAX = 2 << 20, /* where values may be large */
    STORE_MEMORY_LARGE = 64 << 20,
    STORE_OWNER_LEN = 4,  /* bytes of a key, where values may be large, that say whose it is */
    STORE_OWNER_PART = 4, /* of the room there one owner may have at most the 4th part */
    STORE_CLAIM_MAX = 64, /* keys of one claim */
    STORE_COUNT_MAX = 8,  /* counters of one operation */
    STORE_TALLY_MAX = 64, /* tallies of one operation */
    STORE_TALLY_NUMBERS = 12,
    STORE_HOLDERS_MAX = 1024,
    STORE_ROWS_MAX = 256,     /* rows of one answer */
    STORE_PATIENCE_MS = 5000, /* of a person who waits for an answer */
    STORE_WHY_MAX = 512,
    STORE_PROBLEM_MAX = 128,
};

struct store_key {
    enum store_space space;
    uint8_t n;
    unsigned char bytes[STORE_KEY_MAX];
};

/* A counter. One for a window of time has the window in its key, so that what is given back later
 * goes to where it was taken. */
struct store_counter {
    struct store_key key;
    int64_t amount; /* to be added; the sum never falls below 0 */
    int64_t limit;  /* the sum that must not be exceeded; INT64_MAX: none */
    int64_t ttl_ms; /* it is gone so long after it was changed last; above 0 */
};

/* Numbers to be added to those of an entry, which has them as decimal text with blanks between. */
struct store_tally {
    struct store_key key;
    int64_t numbers[STORE_TALLY_NUMBERS]; /* at least 0 */
};

/* Which tally it is of those of one author, for STORE_MARK_MS after the last one: their numbers
 * rise, and what is not above the number that the store knows was added before. */
struct store_mark {
    struct store_key key; /* of the author, in STORE_MARK */
    int64_t number;       /* above 0 */
};

#define STORE_MARK_MS (INT64_C(24) * 3600 * 1000)
#define STORE_FOREVER INT64_MAX /* a time to live */

struct store_row {
    struct str key; /* list */
    uint64_t id;    /* read: unique in its space; rows that came later have higher ones */
    struct str value;
};

/* Lives during the callback, with all it points at. */
struct store_result {
    enum err err;
    struct str value; /* get, claim_first: what was found; swap: the present one, on ERR_CONFLICT */
    bool found;       /* swap, on ERR_CONFLICT: whether there is a present one */
    size_t index;     /* claim_first: which key; count, on ERR_LIMIT: which counter refused */
    int64_t sums[STORE_COUNT_MAX]; /* count: after the operation; hold: how many hold it, in [0] */
    const struct store_row *rows;  /* list, read */
    size_t n_rows;
};

typedef void on_store(void *arg, const struct store_result *result);
