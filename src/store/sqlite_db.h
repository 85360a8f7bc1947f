/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the embedded store: its schema and versions, and the operations on it as SQL. One
 * thread at a time. Every failure is ERR_IO, and sqlite_db_problem() says what it was. For the
 * files of store/.
 */
#pragma once

#include "store/verbs.h"

struct sqlite_db;

/* Opens or creates the file (mode 0600) and brings its schema up to date. With `check`, the whole
 * file is read first. A damaged file is moved aside and a new one begun: `ret_why` (STORE_WHY_MAX)
 * says so then; ERR_IO: it says what is wrong with which file; else it is empty. */
MUST_USE enum err sqlite_db_open(const char *path, bool check, struct sqlite_db **ret,
                                 char *ret_why);

/* NULL is fine. */
void sqlite_db_close(struct sqlite_db *db);

/* A transaction; with `durable`, its end waits for the disk. After an error of end() or of anything
 * in between, undo(). */
MUST_USE enum err sqlite_db_begin(struct sqlite_db *db, bool durable);
MUST_USE enum err sqlite_db_end(struct sqlite_db *db);
void sqlite_db_undo(struct sqlite_db *db);

/* Runs an operation and fills its answer. */
MUST_USE enum err sqlite_db_run(struct sqlite_db *db, struct store_op *op);

/* Deletes all entries of a space. */
MUST_USE enum err sqlite_db_forget(struct sqlite_db *db, enum store_space space);

/* Writes something and takes it away again: whether that works. */
MUST_USE enum err sqlite_db_probe(struct sqlite_db *db);

/* Deletes at most `max` entries that have expired at `wall_ms`. */
MUST_USE enum err sqlite_db_sweep(struct sqlite_db *db, int64_t wall_ms, size_t max);

/* What failed last, for people: at most 127 bytes. */
const char *sqlite_db_problem(const struct sqlite_db *db);
