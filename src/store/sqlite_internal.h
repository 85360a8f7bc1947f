/* SPDX-License-Identifier: Apache-2.0 */
/* What the file of the embedded store is made of, for sqlite_db.c and sqlite_open.c only. */
#pragma once

#include <sqlite3.h>

#include "store/sqlite_db.h"

enum statement { FIND, SET, DROP, APPEND, READ, LIST, SWEEP, STATEMENTS };

struct sqlite_db {
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENTS];
    struct buf value; /* of the last find */
    bool is_durable;  /* synchronous=FULL is on */
    bool is_damaged;  /* the last failure was that of a damaged file */
    char problem[128];
};

/* Notes what the code of SQLite means; ERR_IO. */
enum err sqlite_db_fail(struct sqlite_db *db, int code);

/* Runs SQL that gives no rows. */
MUST_USE enum err sqlite_db_execute(struct sqlite_db *db, const char *sql);
