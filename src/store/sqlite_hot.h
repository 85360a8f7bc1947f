/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the file that each request changes: counters and holders of limits (STORE_LIMIT). They
 * are at hand in memory, where an operation on them is done before its call returns, and are
 * written a moment later, all that changed together: a process that is killed loses that moment.
 * Where another process has the file, too, nothing is at hand. For the files of store/.
 */
#pragma once

#include "store/sqlite_db.h"

enum {
    SQLITE_HOT_EVERY_MS = 200, /* what changed is written so long after the first of it ... */
    SQLITE_HOT_CHANGED = 2048, /* ... or when it is so many entries */
    SQLITE_HOT_MAX = 4096,     /* beyond, those go that the file has as they are */
};

struct sqlite_hot;

struct sqlite_hot *sqlite_hot_new(void);

/* What the file does not have is lost. */
void sqlite_hot_free(struct sqlite_hot *h);

/* ---- any thread ---- */

/* Whether an operation is about such entries. */
bool sqlite_hot_is_about(const struct store_op *op);

/* Runs it when all of its entries are at hand; `*ret` is for store_answer_...(). `*ret_wakes`: the
 * store's thread may not know yet that there is something to be written. */
MUST_USE bool sqlite_hot_try(struct sqlite_hot *h, struct store_op *op, enum err *ret,
                             bool *ret_wakes);

/* When something is to be written, on clock_now_ms()'s clock; INT64_MAX: nothing is. */
int64_t sqlite_hot_due_ms(struct sqlite_hot *h);

/* From now on another process has the file, too, or (false) has it no more. */
void sqlite_hot_share(struct sqlite_hot *h, bool is_shared);

/* Whether nothing is at hand any more, nor will be: operations on such entries are as all others.
 */
bool sqlite_hot_is_away(struct sqlite_hot *h);

/* ---- the store's thread ---- */

/* Runs an operation, with what is in the file of its entries. ERR_IO: that cannot be read. */
MUST_USE enum err sqlite_hot_run(struct sqlite_hot *h, struct sqlite_db *db, struct store_op *op);

/* Writes what changed, in a transaction, and then learns whether that transaction was kept. */
MUST_USE enum err sqlite_hot_write(struct sqlite_hot *h, struct sqlite_db *db);
void sqlite_hot_written(struct sqlite_hot *h, bool is_kept);
