/* SPDX-License-Identifier: Apache-2.0 */
/* What the file of the embedded store is made of, for sqlite_db.c and sqlite_open.c only. */
#pragma once

#include <sqlite3.h>

#include "store/sqlite_db.h"

enum statement {
    FIND,
    SET,
    REPLACE,
    DROP,
    APPEND,
    APPEND_ROWS, /* SQLITE_ROWS of them */
    TRIM,
    READ,
    LIST,
    SWEEP,
    USED,
    DROP_FIRST,
    DROP_FIRST_OF,
    BEGIN,
    COMMIT,
    STATEMENTS
};

struct sqlite_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENTS];
    struct buf value; /* of the last find */
    bool is_durable;  /* synchronous=FULL is on */
    int64_t entries;  /* counted in METRIC_STORE_ENTRIES */
    int64_t added;    /* in the transaction that runs */
    bool is_damaged;  /* the last failure was that of a damaged file */
    char problem[STORE_PROBLEM_MAX];
};

/* What the code of SQLite means to whoever runs the gateway, into STORE_PROBLEM_MAX bytes. */
void sqlite_db_explain(int code, char *ret_problem);

/* Copies what can be read of the durable spaces in the file `from`, which is left as it is, into
 * `db`; gives how many entries. */
size_t sqlite_db_salvage(struct sqlite_db *db, const char *from);

/* Notes how many entries came (or went, when negative). */
void sqlite_db_count(struct sqlite_db *db, int64_t added);

/* Notes what the code of SQLite means; ERR_IO. */
enum err sqlite_db_fail(struct sqlite_db *db, int code);

/* Runs SQL that gives no rows. */
MUST_USE enum err sqlite_db_execute(struct sqlite_db *db, const char *sql);
