/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a damaged file still gives of what must not be lost: renewed cookies. They are read from
 * both ends, since a damaged page ends a scan; what does not look like an entry is left behind.
 */
#include <stdio.h>

#include "store/sqlite_internal.h"

enum { SALVAGE_MAX = 10000 };

static bool is_entry(sqlite3_stmt *row)
{
    int key = sqlite3_column_bytes(row, 0);

    return sqlite3_column_type(row, 0) == SQLITE_BLOB &&
           sqlite3_column_type(row, 1) == SQLITE_BLOB &&
           sqlite3_column_type(row, 2) == SQLITE_INTEGER && key > 0 && key <= STORE_KEY_MAX &&
           sqlite3_column_bytes(row, 1) <= STORE_VALUE_MAX;
}

/* Keeps it, unless it is there already. */
static void keep(struct sqlite_db *db, const char *space, sqlite3_stmt *row)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db->handle,
                           "INSERT OR IGNORE INTO entry (space, key, value, expires)"
                           " VALUES (?1, ?2, ?3, ?4)",
                           -1, &s, NULL) != SQLITE_OK)
        return;
    sqlite3_bind_text(s, 1, space, -1, SQLITE_STATIC);
    for (int i = 0; i < 3; i++)
        sqlite3_bind_value(s, i + 2, sqlite3_column_value(row, i));
    if (sqlite3_step(s) == SQLITE_DONE)
        db->added += sqlite3_changes(db->handle);
    sqlite3_finalize(s);
}

static void copy_space(struct sqlite_db *db, sqlite3 *from, const char *space, const char *order)
{
    sqlite3_stmt *row;
    char sql[160];

    snprintf(sql, sizeof(sql),
             "SELECT key, value, expires FROM entry WHERE space = '%s' ORDER BY key %s", space,
             order);
    if (sqlite3_prepare_v2(from, sql, -1, &row, NULL) != SQLITE_OK)
        return;
    for (int i = 0; i < SALVAGE_MAX && sqlite3_step(row) == SQLITE_ROW; i++)
        if (is_entry(row))
            keep(db, space, row);
    sqlite3_finalize(row);
}

size_t sqlite_db_salvage(struct sqlite_db *db, const char *from)
{
    sqlite3 *damaged = NULL;

    if (sqlite3_open_v2(from, &damaged, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        !sqlite_db_begin(db, true)) {
        sqlite3_exec(damaged, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON", NULL, NULL,
                     NULL);
        for (int space = 0; space < STORE_SPACE_COUNT; space++) {
            const char *name = store_space_name((enum store_space)space);

            if (!store_space_is_durable((enum store_space)space))
                continue;
            copy_space(db, damaged, name, "ASC");
            copy_space(db, damaged, name, "DESC");
        }
        if (sqlite_db_end(db))
            sqlite_db_undo(db);
    }
    sqlite3_close(damaged);
    return (size_t)db->entries;
}
