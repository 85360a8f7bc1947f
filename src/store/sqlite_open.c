/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the file: private, in WAL mode, looked through after an unclean stop, at the schema's
 * present version. A new version is one more line in `versions`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/sqlite_internal.h"

enum { BUSY_MS = 250, PATH_MAX_BYTES = 4096 };

/* From version i to i + 1; kept in the file as user_version. Never change one that was released. */
static const char *const versions[] = {
    "CREATE TABLE entry (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    " expires INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;"
    "CREATE INDEX entry_expires ON entry (expires);",

    "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL,"
    " value BLOB NOT NULL);"
    "CREATE INDEX log_space ON log (space, id);",
};

static const char *const statements[STATEMENTS] = {
    [FIND] = "SELECT value FROM entry WHERE space = ?1 AND key = ?2 AND expires > ?3",
    [SET] = "INSERT OR REPLACE INTO entry (space, key, value, expires) VALUES (?1, ?2, ?3, ?4)",
    [DROP] = "DELETE FROM entry WHERE space = ?1 AND key = ?2",
    [APPEND] = "INSERT INTO log (space, value) VALUES (?1, ?2)",
    [READ] = "SELECT id, value FROM log WHERE space = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    [LIST] = "SELECT key, value FROM entry WHERE space = ?1 AND key > ?2 AND expires > ?3"
             " ORDER BY key LIMIT ?4",
    [SWEEP] = "DELETE FROM entry WHERE (space, key) IN"
              " (SELECT space, key FROM entry WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
};

/* An INTEGER or TEXT of one row; false when SQLite refuses. */
static bool ask(struct sqlite_db *db, const char *sql, int64_t *ret_number, char *ret_text,
                size_t cap)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK &&
              sqlite3_step(s) == SQLITE_ROW;

    if (ok && ret_number)
        *ret_number = sqlite3_column_int64(s, 0);
    if (ok && ret_text)
        str_to_z(str_of((const char *)sqlite3_column_text(s, 0)), ret_text, cap);
    if (!ok)
        sqlite_db_fail(db, sqlite3_extended_errcode(db->handle));
    sqlite3_finalize(s);
    return ok;
}

static enum err upgrade_by_one(struct sqlite_db *db, int64_t from)
{
    char sql[64];
    enum err err = sqlite_db_execute(db, "BEGIN IMMEDIATE");

    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", (int)from + 1);
    if (!err)
        err = sqlite_db_execute(db, versions[from]);
    if (!err)
        err = sqlite_db_execute(db, sql);
    if (!err)
        err = sqlite_db_execute(db, "COMMIT");
    if (err)
        sqlite_db_undo(db);
    return err;
}

static enum err upgrade(struct sqlite_db *db)
{
    int64_t version;
    enum err err = ERR_NONE;

    if (!ask(db, "PRAGMA user_version", &version, NULL, 0))
        return ERR_IO;
    if (version < 0 || version > (int64_t)COUNT_OF(versions)) {
        snprintf(db->problem, sizeof(db->problem),
                 "it is of version %d, this program knows up to %d: use a newer one", (int)version,
                 (int)COUNT_OF(versions));
        return ERR_IO;
    }
    for (; version < (int64_t)COUNT_OF(versions) && !err; version++)
        err = upgrade_by_one(db, version);
    return err;
}

static enum err prepare(struct sqlite_db *db)
{
    for (size_t i = 0; i < STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(db->handle, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &db->statements[i], NULL);
        if (code != SQLITE_OK)
            return sqlite_db_fail(db, code);
    }
    return ERR_NONE;
}

/* SQLite makes its other files with the same mode. */
static enum err make_private(struct sqlite_db *db, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || fchmod(fd, 0600) != 0) {
        snprintf(db->problem, sizeof(db->problem), "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    close(fd);
    return ERR_NONE;
}

static enum err check_whole(struct sqlite_db *db)
{
    char text[64] = "";

    if (!ask(db, "PRAGMA quick_check(1)", NULL, text, sizeof(text)))
        return ERR_IO;
    return strcmp(text, "ok") == 0 ? ERR_NONE : sqlite_db_fail(db, SQLITE_CORRUPT);
}

static enum err open_file(struct sqlite_db *db, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    enum err err = make_private(db, path);
    int code;

    if (err)
        return err;
    code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code != SQLITE_OK)
        return sqlite_db_fail(db, code);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    /* auto_vacuum only counts for a file without tables. */
    return sqlite_db_execute(db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                                 "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=16777216;"
                                 "PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF;");
}

static struct sqlite_db *new_db(void)
{
    struct sqlite_db *db = mem_new(struct sqlite_db);

    buf_init(&db->value, STORE_VALUE_MAX);
    return db;
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    BUG_ON(sqlite3_close(db->handle) != SQLITE_OK);
    buf_wipe(&db->value);
    mem_free(db);
}

static enum err open_once(const char *path, bool check, struct sqlite_db **ret, char *ret_why)
{
    struct sqlite_db *db = new_db();
    enum err err = open_file(db, path);

    if (!err && check)
        err = check_whole(db);
    if (!err)
        err = upgrade(db);
    if (!err)
        err = prepare(db);
    if (err) {
        bool is_damaged = db->is_damaged;

        snprintf(ret_why, STORE_WHY_MAX, "%.300s: %s", path, db->problem);
        sqlite_db_close(db);
        return is_damaged ? ERR_BAD_INPUT : err;
    }
    ret_why[0] = '\0';
    *ret = db;
    return ERR_NONE;
}

/* The file and what belongs to it keep their content under other names. */
static enum err move_aside(const char *path, char *ret_why)
{
    static const char *const suffixes[] = { "-shm", "-wal", "" };
    char from[PATH_MAX_BYTES], to[PATH_MAX_BYTES];
    int64_t stamp = clock_wall_ms();

    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
        snprintf(to, sizeof(to), "%s.damaged-%lld%s", path, (long long)stamp, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            snprintf(ret_why, STORE_WHY_MAX, "%.300s is damaged and cannot be moved away (%s)",
                     path, strerror(errno));
            return ERR_IO;
        }
    }
    snprintf(ret_why, STORE_WHY_MAX, "%.200s was damaged; it was moved to %.200s", path, to);
    return ERR_NONE;
}

enum err sqlite_db_open(const char *path, bool check, struct sqlite_db **ret, char *ret_why)
{
    char moved[STORE_WHY_MAX];
    enum err err = open_once(path, check, ret, ret_why);

    if (err != ERR_BAD_INPUT)
        return err;
    err = move_aside(path, ret_why);
    if (err)
        return err;
    str_to_z(str_of(ret_why), moved, sizeof(moved));
    err = open_once(path, false, ret, ret_why);
    if (!err)
        str_to_z(str_of(moved), ret_why, STORE_WHY_MAX);
    return err;
}
