/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of usage: numbers for each day, key, model and upstream, in the store's space `sum`. */
#pragma once

#include "store/store.h"

enum ledger_number {
    LEDGER_REQUESTS,
    LEDGER_FAILED,
    LEDGER_CANCELED,
    LEDGER_PROMPT,
    LEDGER_COMPLETION,
    LEDGER_REASONING,
    LEDGER_CACHED,
    LEDGER_ESTIMATED, /* requests whose tokens are estimates */
    LEDGER_COST,      /* millionths */
    LEDGER_DURATION_MS,
    LEDGER_FIRST_TOKENS, /* requests that had one */
    LEDGER_FIRST_TOKEN_MS,
    LEDGER_NUMBERS,
};
_Static_assert((int)LEDGER_NUMBERS <= (int)STORE_TALLY_NUMBERS, "a tally holds all");

enum { LEDGER_DAY_LEN = 10 };

/* What a sum is of; texts without control characters. */
struct ledger_of {
    struct str day; /* "2026-11-26", UTC */
    struct str key;
    struct str model;
    struct str upstream;
};

/* The day of a time since 1970, with NUL. */
void ledger_day(int64_t wall_ms, char out[LEDGER_DAY_LEN + 1]);

/* Whether it is the name of a day. */
bool ledger_is_day(struct str text);

enum { LEDGER_PART_MAX = 48 };

/* A text as sums have it: what is longer is cut between characters, and marked by a hash. `out` is
 * where that is put. */
struct str ledger_part(struct str text, char out[LEDGER_PART_MAX]);

/* The key of its entry. */
void ledger_sum_key(struct store_key *ret, const struct ledger_of *of);

/* And back; slices of `key`. False: it is none. */
bool ledger_sum_of(struct str key, struct ledger_of *ret);

/* Reads the sums of the days from `from` to `to`, both included: each(arg, ...) for one, and in the
 * end done(arg, err). On the port's loop, never inside this call. */
void ledger_read_sums(struct store_port *p, struct str from, struct str to,
                      void (*each)(void *arg, const struct ledger_of *of,
                                   const int64_t numbers[LEDGER_NUMBERS]),
                      void (*done)(void *arg, enum err err), void *arg);
