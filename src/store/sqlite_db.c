/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on the file, as SQL. Times in it are on the wall clock, spaces are named and not
 * numbered, so that a file can be read by eye and by later versions.
 */
#include <stdio.h>

#include "base/metrics.h"
#include "store/sqlite_internal.h"

enum { TRIM_EVERY = 64 }; /* rows of the log */

/* ---- failures ---- */

/* What SQLite's codes mean to whoever runs the gateway. */
static const char *explain(int code)
{
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return "the disk is full: free some space";
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "the file or its folder is read-only: make it writable";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program holds a lock on the file: close it";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the file is damaged: restart the gateway, which repairs it";
    case SQLITE_CANTOPEN:
        return "the file cannot be opened: look at the permissions of its folder";
    case SQLITE_IOERR:
        return "reading or writing the disk failed: look at the system's log";
    default:
        return sqlite3_errstr(code);
    }
}

void sqlite_db_explain(int code, char *ret_problem)
{
    snprintf(ret_problem, STORE_PROBLEM_MAX, "the store cannot be used: %s", explain(code));
}

enum err sqlite_db_fail(struct sqlite_db *db, int code)
{
    db->is_damaged = (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
    sqlite_db_explain(code, db->problem);
    return ERR_IO;
}

const char *sqlite_db_problem(const struct sqlite_db *db)
{
    return db->problem;
}

bool sqlite_db_is_damaged(const struct sqlite_db *db)
{
    return db->is_damaged;
}

enum err sqlite_db_execute(struct sqlite_db *db, const char *sql)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? ERR_NONE : sqlite_db_fail(db, sqlite3_extended_errcode(db->handle));
}

/* ---- statements ---- */

static void bind_text(sqlite3_stmt *s, int at, const char *z)
{
    BUG_ON(sqlite3_bind_text(s, at, z, -1, SQLITE_STATIC) != SQLITE_OK);
}

/* A slice without bytes must not become NULL. */
static void bind_bytes(sqlite3_stmt *s, int at, const void *p, size_t n)
{
    BUG_ON(sqlite3_bind_blob(s, at, n > 0 ? p : "", (int)n, SQLITE_STATIC) != SQLITE_OK);
}

static void bind_int(sqlite3_stmt *s, int at, int64_t value)
{
    BUG_ON(sqlite3_bind_int64(s, at, value) != SQLITE_OK);
}

static sqlite3_stmt *bind_key(struct sqlite_db *db, enum statement which,
                              const struct store_key *key)
{
    sqlite3_stmt *s = db->statements[which];

    bind_text(s, 1, store_space_name(key->space));
    bind_bytes(s, 2, key->bytes, key->n);
    return s;
}

static struct str column(sqlite3_stmt *s, int at)
{
    const void *p = sqlite3_column_blob(s, at);

    return (struct str){ p, (size_t)sqlite3_column_bytes(s, at) };
}

/* Runs a statement that gives no rows. */
static enum err run_to_end(struct sqlite_db *db, sqlite3_stmt *s)
{
    int code = sqlite3_step(s);

    sqlite3_reset(s);
    return code == SQLITE_DONE ? ERR_NONE : sqlite_db_fail(db, code);
}

/* ---- entries ---- */

enum err sqlite_db_find(struct sqlite_db *db, const struct store_key *key, int64_t now_ms,
                        struct str *ret_value, int64_t *ret_expires_ms)
{
    sqlite3_stmt *s = bind_key(db, FIND, key);
    enum err err = ERR_NOT_FOUND;
    int code;

    bind_int(s, 3, now_ms);
    code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        buf_clear(&db->value);
        err = buf_add(&db->value, column(s, 0));
        *ret_value = buf_str(&db->value);
        *ret_expires_ms = sqlite3_column_int64(s, 1);
    } else if (code != SQLITE_DONE) {
        err = sqlite_db_fail(db, code);
    }
    sqlite3_reset(s);
    return err;
}

enum err sqlite_db_set(struct sqlite_db *db, const struct store_key *key, struct str value,
                       int64_t expires_ms)
{
    static const enum statement steps[] = { SET, REPLACE };
    int changed = 0;
    enum err err = ERR_NONE;

    for (size_t i = 0; i < COUNT_OF(steps) && !err && !changed; i++) {
        sqlite3_stmt *s = bind_key(db, steps[i], key);

        bind_bytes(s, 3, value.p, value.n);
        bind_int(s, 4, expires_ms);
        err = run_to_end(db, s);
        changed = sqlite3_changes(db->handle);
        db->added += steps[i] == SET && !err ? changed : 0;
    }
    return err;
}

/* A statement that deletes. */
static enum err run_delete(struct sqlite_db *db, sqlite3_stmt *s)
{
    enum err err = run_to_end(db, s);

    if (!err)
        db->added -= sqlite3_changes(db->handle);
    return err;
}

enum err sqlite_db_drop(struct sqlite_db *db, const struct store_key *key)
{
    return run_delete(db, bind_key(db, DROP, key));
}

static enum err find(void *arg, const struct store_key *key, int64_t now_ms, struct str *ret_value)
{
    int64_t expires_ms;

    return sqlite_db_find(arg, key, now_ms, ret_value, &expires_ms);
}

static enum err set(void *arg, const struct store_key *key, struct str value, int64_t expires_ms)
{
    return sqlite_db_set(arg, key, value, expires_ms);
}

static enum err drop(void *arg, const struct store_key *key)
{
    return sqlite_db_drop(arg, key);
}

/* A file of an older version that is only read has no shares. */
static enum err used(void *arg, struct str owner, int64_t *ret_bytes)
{
    struct sqlite_db *db = arg;
    sqlite3_stmt *s = db->statements[USED];
    int code;

    if (!s)
        return sqlite_db_fail(db, SQLITE_READONLY);
    bind_bytes(s, 1, owner.p, owner.n);
    code = sqlite3_step(s);
    *ret_bytes = code == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return code == SQLITE_ROW || code == SQLITE_DONE ? ERR_NONE : sqlite_db_fail(db, code);
}

static enum err drop_first(void *arg, struct str owner)
{
    struct sqlite_db *db = arg;
    sqlite3_stmt *s = db->statements[owner.n > 0 ? DROP_FIRST_OF : DROP_FIRST];

    if (owner.n > 0)
        bind_bytes(s, 1, owner.p, owner.n);
    return run_delete(db, s);
}

enum err sqlite_db_sweep(struct sqlite_db *db, int64_t wall_ms, size_t max)
{
    sqlite3_stmt *s = db->statements[SWEEP];

    bind_int(s, 1, wall_ms);
    bind_int(s, 2, (int64_t)max);
    return run_delete(db, s);
}

enum err sqlite_db_forget(struct sqlite_db *db, enum store_space space)
{
    char sql[96];
    enum err err;

    snprintf(sql, sizeof(sql), "DELETE FROM entry WHERE space = '%s'", store_space_name(space));
    err = sqlite_db_execute(db, sql);
    if (!err)
        sqlite_db_count(db, -sqlite3_changes(db->handle));
    return err;
}

enum err sqlite_db_probe(struct sqlite_db *db)
{
    enum err err = sqlite_db_execute(db, "INSERT OR REPLACE INTO entry (space, key, value, expires)"
                                         " VALUES ('probe', x'00', zeroblob(8192), 0)");

    return err ? err : sqlite_db_execute(db, "DELETE FROM entry WHERE space = 'probe'");
}

/* ---- the log and lists ---- */

static enum err append(struct sqlite_db *db, const struct store_op *op)
{
    sqlite3_stmt *s = db->statements[APPEND];

    bind_text(s, 1, store_space_name(op->space));
    bind_bytes(s, 2, op->value.p, op->value.n);
    return run_to_end(db, s);
}

/* Behind the last `n` rows. Each time goes more than was added since the last one, so that a
 * smaller bound is reached some day. */
static enum err trim_log(struct sqlite_db *db, const struct store_op *op, int64_t n)
{
    sqlite3_stmt *s = db->statements[TRIM];
    int64_t last = sqlite3_last_insert_rowid(db->handle);
    int64_t keep = op->max < INT64_MAX ? (int64_t)op->max : INT64_MAX;

    if (last / TRIM_EVERY == (last - n) / TRIM_EVERY || last <= keep)
        return ERR_NONE;
    bind_text(s, 1, store_space_name(op->space));
    bind_int(s, 2, last - keep);
    bind_int(s, 3, 4 * TRIM_EVERY);
    return run_to_end(db, s);
}

/* One statement for many: each opens the table, its index and the sequence of its numbers. */
enum err sqlite_db_append_rows(struct sqlite_db *db, struct store_op *const ops[SQLITE_ROWS])
{
    sqlite3_stmt *s = db->statements[APPEND_ROWS];
    enum err err;

    bind_text(s, 1, store_space_name(ops[0]->space));
    for (int i = 0; i < SQLITE_ROWS; i++)
        bind_bytes(s, i + 2, ops[i]->value.p, ops[i]->value.n);
    err = run_to_end(db, s);
    return err ? err : trim_log(db, ops[0], SQLITE_ROWS);
}

static enum err collect_rows(struct sqlite_db *db, sqlite3_stmt *s, struct store_op *op)
{
    int code;

    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if (op->verb == STORE_READ)
            store_op_add_row(op, STR(""), (uint64_t)sqlite3_column_int64(s, 0), column(s, 1));
        else
            store_op_add_row(op, column(s, 0), 0, column(s, 1));
    }
    sqlite3_reset(s);
    return code == SQLITE_DONE ? ERR_NONE : sqlite_db_fail(db, code);
}

static enum err read_log(struct sqlite_db *db, struct store_op *op)
{
    sqlite3_stmt *s = db->statements[READ];

    bind_text(s, 1, store_space_name(op->space));
    bind_int(s, 2, op->before_id < INT64_MAX ? (int64_t)op->before_id : INT64_MAX);
    bind_int(s, 3, (int64_t)op->max);
    return collect_rows(db, s, op);
}

static enum err list(struct sqlite_db *db, struct store_op *op)
{
    sqlite3_stmt *s = db->statements[LIST];

    bind_text(s, 1, store_space_name(op->space));
    bind_bytes(s, 2, op->after_key.p, op->after_key.n);
    bind_int(s, 3, op->now_ms);
    bind_int(s, 4, (int64_t)op->max);
    return collect_rows(db, s, op);
}

enum err sqlite_db_run(struct sqlite_db *db, struct store_op *op)
{
    const struct entries entries = { find, set, drop, used, drop_first, db };

    if (op->verb == STORE_APPEND) {
        enum err err = append(db, op);

        return err ? err : trim_log(db, op, 1);
    }
    if (op->verb == STORE_READ)
        return read_log(db, op);
    if (op->verb == STORE_LIST)
        return list(db, op);
    return verb_run(&entries, op);
}

/* ---- transactions ---- */

/* In WAL mode only FULL waits for the disk at each commit; the setting cannot change inside a
 * transaction (sqlite.org/pragma.html#pragma_synchronous). */
static enum err set_durable(struct sqlite_db *db, bool durable)
{
    enum err err = ERR_NONE;

    if (durable != db->is_durable)
        err = sqlite_db_execute(db,
                                durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (!err)
        db->is_durable = durable;
    return err;
}

/* A file that is only read has no such statement. */
static enum err run_prepared(struct sqlite_db *db, enum statement which)
{
    sqlite3_stmt *s = db->statements[which];

    return s ? run_to_end(db, s) : sqlite_db_fail(db, SQLITE_READONLY);
}

enum err sqlite_db_begin(struct sqlite_db *db, bool durable)
{
    enum err err = set_durable(db, durable);

    return err ? err : run_prepared(db, BEGIN);
}

void sqlite_db_count(struct sqlite_db *db, int64_t added)
{
    db->entries += added;
    metric_add(METRIC_STORE_ENTRIES, added);
}

enum err sqlite_db_end(struct sqlite_db *db)
{
    enum err err = run_prepared(db, COMMIT);

    if (!err) {
        sqlite_db_count(db, db->added);
        db->added = 0;
    }
    return err;
}

void sqlite_db_undo(struct sqlite_db *db)
{
    db->added = 0;
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}
