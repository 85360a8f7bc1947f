/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs on single entries, written once over find, set and drop. Whoever runs them sees to it
 * that nothing comes between: a mutex, a transaction. For the files of store/.
 */
#pragma once

#include "store/backend.h"

/* The things a backend does with an entry. Errors other than ERR_NOT_FOUND end the verb. */
struct entries {
    /* The value of an entry that has not expired at `now_ms`; lives until the next call. */
    enum err (*find)(void *arg, const struct store_key *key, int64_t now_ms, struct str *ret_value);
    enum err (*set)(void *arg, const struct store_key *key, struct str value, int64_t expires_ms);
    enum err (*drop)(void *arg, const struct store_key *key);

    /* Where values may be large, of one owner's entries or, when it is empty, of all: their bytes
     * (store_entry_size()), and the one that expires first goes. */
    enum err (*used)(void *arg, struct str owner, int64_t *ret_bytes);
    enum err (*drop_first)(void *arg, struct str owner);
    void *arg;
};

/* "get", "put", ...: of all verbs. */
const char *verb_name(enum store_verb verb);

/* Whether `verb` is one of them: get, put, claim, swap, count, tally, hold. */
bool verb_is_on_entries(enum store_verb verb);

/* Runs it; the answer is in `op`, what is returned goes to store_answer_...(). */
MUST_USE enum err verb_run(const struct entries *e, struct store_op *op);
