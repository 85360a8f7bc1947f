/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the embedded store: its schema and versions, and the operations on it as SQL. One
 * thread at a time. Every failure is ERR_IO, and sqlite_db_problem() says what it was. For the
 * files of store/.
 */
#pragma once

#include "store/sqlite_place.h"
#include "store/verbs.h"

struct sqlite_db;

enum sqlite_check { SQLITE_CHECK_NONE, SQLITE_CHECK_QUICK, SQLITE_CHECK_FULL };

/* Opens the file (a real path; it gets mode 0600) and brings its schema up to date. With a check,
 * the whole file is read first, FULL with its indexes. A damaged file is moved aside and a new one
 * begun, with what could be read of the cookies: ret_why->text says so then, else it is empty.
 * ERR_IO: it cannot be used now, ERR_BAD_INPUT: nor later. */
MUST_USE enum err sqlite_db_open(const char *path, enum sqlite_check check, struct sqlite_db **ret,
                                 struct sqlite_why *ret_why);

/* What is in the file (NULL: nothing), to be read only: every operation that writes fails. Nothing
 * on the disk changes. ERR_IO: it cannot be read either. */
MUST_USE enum err sqlite_db_open_to_read(const char *path, struct sqlite_db **ret);

/* NULL is fine. */
void sqlite_db_close(struct sqlite_db *db);

/* A transaction; with `durable`, its end waits for the disk. After an error of end() or of anything
 * in between, undo(). */
MUST_USE enum err sqlite_db_begin(struct sqlite_db *db, bool durable);
MUST_USE enum err sqlite_db_end(struct sqlite_db *db);
void sqlite_db_undo(struct sqlite_db *db);

/* Runs an operation and fills its answer. */
MUST_USE enum err sqlite_db_run(struct sqlite_db *db, struct store_op *op);

enum { SQLITE_ROWS = 16 };

/* Runs as many appends to one space, which all have the same `max`. */
MUST_USE enum err sqlite_db_append_rows(struct sqlite_db *db,
                                        struct store_op *const ops[SQLITE_ROWS]);

/* A single entry, as verbs.h has it. */
MUST_USE enum err sqlite_db_find(struct sqlite_db *db, const struct store_key *key, int64_t now_ms,
                                 struct str *ret_value, int64_t *ret_expires_ms);
MUST_USE enum err sqlite_db_set(struct sqlite_db *db, const struct store_key *key, struct str value,
                                int64_t expires_ms);
MUST_USE enum err sqlite_db_drop(struct sqlite_db *db, const struct store_key *key);

/* Deletes all entries of a space. */
MUST_USE enum err sqlite_db_forget(struct sqlite_db *db, enum store_space space);

/* Writes something and takes it away again: whether that works. */
MUST_USE enum err sqlite_db_probe(struct sqlite_db *db);

/* Deletes at most `max` entries that have expired at `wall_ms`. */
MUST_USE enum err sqlite_db_sweep(struct sqlite_db *db, int64_t wall_ms, size_t max);

/* What failed last, for people, and whether it was that the file is damaged. */
const char *sqlite_db_problem(const struct sqlite_db *db);
bool sqlite_db_is_damaged(const struct sqlite_db *db);
