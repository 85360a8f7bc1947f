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

enum { BUSY_MS = 250 };

#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number

/* From version i to i + 1; kept in the file as user_version. Never change one that was released. */
static const char *const versions[] = {
    "CREATE TABLE entry (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    " expires INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;"
    "CREATE INDEX entry_expires ON entry (expires);",

    "CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL,"
    " value BLOB NOT NULL);"
    "CREATE INDEX log_space ON log (space, id);",

    ("PRAGMA application_id=" TEXT_OF(SQLITE_PLACE_ID)),

    /* What kept responses take, in all (owner X'') and for each owner, always in step with them.
     * Those of before have keys that nobody looks up any more. */
    ("DELETE FROM entry WHERE space = 'answer';"
     "CREATE TABLE share (owner BLOB PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE INDEX entry_answer ON entry (expires) WHERE space = 'answer';"
     "CREATE INDEX entry_owner ON entry (substr(key, 1, 4), expires) WHERE space = 'answer';"
     "CREATE TRIGGER answer_came AFTER INSERT ON entry WHEN new.space = 'answer' BEGIN"
     " INSERT OR IGNORE INTO share VALUES (X'', 0), (substr(new.key, 1, 4), 0);"
     " UPDATE share SET bytes = bytes + length(new.key) + length(new.value)"
     " WHERE owner IN (X'', substr(new.key, 1, 4)); END;"
     "CREATE TRIGGER answer_went AFTER DELETE ON entry WHEN old.space = 'answer' BEGIN"
     " UPDATE share SET bytes = bytes - length(old.key) - length(old.value)"
     " WHERE owner IN (X'', substr(old.key, 1, 4));"
     " DELETE FROM share WHERE owner = substr(old.key, 1, 4) AND bytes = 0; END;"),
};

static const char *const statements[STATEMENTS] = {
    [FIND] = "SELECT value, expires FROM entry WHERE space = ?1 AND key = ?2 AND expires > ?3",
    [SET] = "INSERT OR IGNORE INTO entry (space, key, value, expires) VALUES (?1, ?2, ?3, ?4)",
    [REPLACE] = "UPDATE entry SET value = ?3, expires = ?4 WHERE space = ?1 AND key = ?2",
    [DROP] = "DELETE FROM entry WHERE space = ?1 AND key = ?2",
    [APPEND] = "INSERT INTO log (space, value) VALUES (?1, ?2)",
    [APPEND_ROWS] = "INSERT INTO log (space, value) VALUES (?1, ?2), (?1, ?3), (?1, ?4), (?1, ?5),"
                    " (?1, ?6), (?1, ?7), (?1, ?8), (?1, ?9), (?1, ?10), (?1, ?11), (?1, ?12),"
                    " (?1, ?13), (?1, ?14), (?1, ?15), (?1, ?16), (?1, ?17)",
    [TRIM] = "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE space = ?1 AND id <= ?2"
             " ORDER BY id LIMIT ?3)",
    [READ] = "SELECT id, value FROM log WHERE space = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
    [LIST] = "SELECT key, value FROM entry WHERE space = ?1 AND key > ?2 AND expires > ?3"
             " ORDER BY key LIMIT ?4",
    [SWEEP] = "DELETE FROM entry WHERE (space, key) IN"
              " (SELECT space, key FROM entry WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    [USED] = "SELECT bytes FROM share WHERE owner = ?1",
    [DROP_FIRST] = "DELETE FROM entry WHERE (space, key) IN (SELECT space, key FROM entry"
                   " INDEXED BY entry_answer WHERE space = 'answer' ORDER BY expires LIMIT 1)",
    [DROP_FIRST_OF] = "DELETE FROM entry WHERE (space, key) IN (SELECT space, key FROM entry"
                      " INDEXED BY entry_owner WHERE space = 'answer' AND substr(key, 1, 4) = ?1"
                      " ORDER BY expires LIMIT 1)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
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
        return ERR_BAD_INPUT;
    }
    for (; version < (int64_t)COUNT_OF(versions) && !err; version++)
        err = upgrade_by_one(db, version);
    return err;
}

/* A file that is only read may be of a version without shares. */
static enum err prepare(struct sqlite_db *db)
{
    size_t n_statements = sqlite3_db_readonly(db->handle, "main") == 1 ? USED : STATEMENTS;
    int64_t n;

    for (size_t i = 0; i < n_statements; i++) {
        int code = sqlite3_prepare_v3(db->handle, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &db->statements[i], NULL);
        if (code != SQLITE_OK)
            return sqlite_db_fail(db, code);
    }
    if (!ask(db, "SELECT count(*) FROM entry", &n, NULL, 0))
        return ERR_IO;
    sqlite_db_count(db, n);
    return ERR_NONE;
}

/* SQLite makes its other files with the same mode. */
static enum err make_private(const char *path, struct sqlite_why *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool is_ok = fd >= 0 && fchmod(fd, 0600) == 0;
    int number = errno;

    if (fd >= 0)
        close(fd);
    if (is_ok)
        return ERR_NONE;
    snprintf(why->text, sizeof(why->text),
             "%.300s cannot be written (%s): let this user write to it and its folder, or name "
             "another file in STORE_URL",
             path, strerror(number));
    return sqlite_place_judge(number, why);
}

static enum err check_whole(struct sqlite_db *db, enum sqlite_check check)
{
    char text[64] = "";
    const char *sql =
        check == SQLITE_CHECK_FULL ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)";

    if (check == SQLITE_CHECK_NONE)
        return ERR_NONE;
    if (!ask(db, sql, NULL, text, sizeof(text)))
        return ERR_IO;
    return strcmp(text, "ok") == 0 ? ERR_NONE : sqlite_db_fail(db, SQLITE_CORRUPT);
}

static enum err connect_to(struct sqlite_db *db, const char *name, int flags)
{
    int code = sqlite3_open_v2(name, &db->handle,
                               flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code != SQLITE_OK)
        return sqlite_db_fail(db, code);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return sqlite_db_execute(db, "PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF;");
}

static enum err open_file(struct sqlite_db *db, const char *path)
{
    enum err err = connect_to(db, path, SQLITE_OPEN_READWRITE);

    /* auto_vacuum only counts for a file without tables. */
    return err ? err
               : sqlite_db_execute(db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                                       "PRAGMA synchronous=NORMAL;"
                                       "PRAGMA journal_size_limit=16777216;");
}

static struct sqlite_db *new_db(void)
{
    struct sqlite_db *db = mem_new(struct sqlite_db);

    buf_init(&db->value, STORE_LARGE_MAX);
    return db;
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    BUG_ON(sqlite3_close(db->handle) != SQLITE_OK);
    sqlite_db_count(db, -db->entries);
    buf_wipe(&db->value);
    mem_free(db);
}

/* ERR_PROTOCOL: it is damaged. */
static enum err open_once(const char *path, enum sqlite_check check, struct sqlite_db **ret,
                          struct sqlite_why *why)
{
    struct sqlite_db *db;
    enum err err = make_private(path, why);

    if (err)
        return err;
    db = new_db();
    err = open_file(db, path);
    if (!err)
        err = check_whole(db, check);
    if (!err)
        err = upgrade(db);
    if (!err)
        err = prepare(db);
    if (err) {
        if (db->is_damaged)
            err = ERR_PROTOCOL;
        snprintf(why->text, sizeof(why->text), "%.300s: %s", path, db->problem);
        str_to_z(str_of(db->problem), why->problem, sizeof(why->problem));
        sqlite_db_close(db);
        return err;
    }
    why->text[0] = '\0';
    *ret = db;
    return ERR_NONE;
}

/* The file and what belongs to it keep their content under other names; `to` is the file's. */
static enum err move_aside(const char *path, char to[SQLITE_PATH_MAX], struct sqlite_why *why)
{
    static const char *const suffixes[] = { "-shm", "-wal", "" };
    char from[SQLITE_PATH_MAX];
    int64_t stamp = clock_wall_ms();

    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
        snprintf(to, SQLITE_PATH_MAX, "%s.damaged-%lld%s", path, (long long)stamp, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            snprintf(why->text, sizeof(why->text),
                     "%.300s is damaged and cannot be moved away (%s): let this user write to its "
                     "folder, or name another file in STORE_URL",
                     path, strerror(errno));
            return ERR_BAD_INPUT;
        }
    }
    return ERR_NONE;
}

enum err sqlite_db_open(const char *path, enum sqlite_check check, struct sqlite_db **ret,
                        struct sqlite_why *ret_why)
{
    char aside[SQLITE_PATH_MAX];
    enum err err = open_once(path, check, ret, ret_why);

    if (err != ERR_PROTOCOL)
        return err;
    err = move_aside(path, aside, ret_why);
    if (!err)
        err = open_once(path, SQLITE_CHECK_NONE, ret, ret_why);
    if (err)
        return err == ERR_PROTOCOL ? ERR_IO : err;
    snprintf(ret_why->text, sizeof(ret_why->text),
             "%.150s was damaged; it was moved to %.200s; entries of cookies that could be saved: "
             "%zu",
             path, aside, sqlite_db_salvage(*ret, aside));
    return ERR_NONE;
}

/* ---- to be read only ---- */

static enum err open_empty(struct sqlite_db *db)
{
    enum err err = connect_to(db, ":memory:", SQLITE_OPEN_READWRITE);

    if (!err)
        err = upgrade(db);
    return err ? err : sqlite_db_execute(db, "PRAGMA query_only=1");
}

/* On a disk where SQLite can make no file beside it: nobody else can change it there either. But
 * what stands in a log beside it would be missed. */
static enum err open_unchanging(struct sqlite_db *db, const char *path)
{
    char name[3 * SQLITE_PATH_MAX + 32];
    struct stat st;
    size_t n;

    snprintf(name, sizeof(name), "%s-wal", path);
    if (stat(name, &st) == 0 && st.st_size > 0)
        return ERR_IO;
    n = (size_t)snprintf(name, sizeof(name), "file:");
    for (const char *at = path; *at; at++)
        n += (size_t)snprintf(name + n, sizeof(name) - n, strchr("%?#", *at) ? "%%%02X" : "%c",
                              (unsigned char)*at);
    snprintf(name + n, sizeof(name) - n, "?immutable=1");
    return connect_to(db, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

static enum err open_readable(const char *path, bool is_unchanging, struct sqlite_db **ret)
{
    struct sqlite_db *db = new_db();
    enum err err = !path           ? open_empty(db)
                   : is_unchanging ? open_unchanging(db, path)
                                   : connect_to(db, path, SQLITE_OPEN_READONLY);

    if (!err)
        err = prepare(db);
    if (err)
        sqlite_db_close(db);
    else
        *ret = db;
    return err;
}

enum err sqlite_db_open_to_read(const char *path, struct sqlite_db **ret)
{
    enum err err = open_readable(path, false, ret);

    return err && path ? open_readable(path, true, ret) : err;
}
