/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is ours when its header has our id; when it has none and our tables (versions 1 and 2
 * wrote none); when it is empty; or, when its header cannot be read, if its lock says so.
 */
#include "store/sqlite_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/file_lock.h"
#include "store/sqlite_internal.h"

enum { HEADER = 100, ID_AT = 68, PEEK_MS = 250 };

static enum err refuse(const struct sqlite_place *p, struct sqlite_why *why, const char *what)
{
    snprintf(why->text, sizeof(why->text),
             "%.300s %s: it is left as it is; name another file in STORE_URL", p->path, what);
    return ERR_BAD_INPUT;
}

enum err sqlite_place_judge(int number, struct sqlite_why *why)
{
    static const struct {
        int number;
        int code;
    } rows[] = {
        { EROFS, SQLITE_READONLY }, { EACCES, SQLITE_READONLY }, { EPERM, SQLITE_READONLY },
        { ENOSPC, SQLITE_FULL },    { EDQUOT, SQLITE_FULL },     { EIO, SQLITE_IOERR },
        { EFBIG, SQLITE_FULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].number == number) {
            sqlite_db_explain(rows[i].code, why->problem);
            return ERR_IO;
        }
    }
    return ERR_BAD_INPUT;
}

/* ---- where it is ---- */

/* Through a link that leads nowhere yet, too: only then it has a real path. */
static bool make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static enum err resolve(const char *path, struct sqlite_place *ret, struct sqlite_why *why)
{
    int number;

    _Static_assert(SQLITE_PATH_MAX >= PATH_MAX, "realpath() writes so many");
    if (realpath(path, ret->path))
        return ERR_NONE;
    number = errno;
    if (number == ENOENT && make_file(path) && realpath(path, ret->path))
        return ERR_NONE;
    snprintf(why->text, sizeof(why->text),
             "%.300s cannot be made (%s): make its folder, and let this user write to it, or name "
             "another file in STORE_URL",
             path, strerror(errno));
    /* Only of a file that is not there it is known that nothing is in it. */
    return number == ENOENT ? sqlite_place_judge(errno, why) : ERR_BAD_INPUT;
}

/* ---- what it is ---- */

/* A number of the header, or of its schema; -1 when SQLite cannot say. */
static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t value = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

/* The header has no id. What was written last may still be beside the file, in its log, so SQLite
 * has to be asked; a connection that only reads leaves both as they are. */
static enum err judge_tables(struct sqlite_place *p, struct sqlite_why *why)
{
    sqlite3 *db = NULL;
    int64_t id = -1, version = -1, tables = -1, ours = -1;

    if (sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(db, PEEK_MS);
        tables = ask(db, "SELECT count(*) FROM sqlite_master");
        id = ask(db, "PRAGMA application_id");
        version = ask(db, "PRAGMA user_version");
        ours = ask(db, "SELECT count(space) + count(key) + count(value) + count(expires) >= 0"
                       " FROM (SELECT * FROM entry LIMIT 1)");
    }
    sqlite3_close(db);
    if (tables < 0 || id < 0)
        return file_lock_knows(p->path)
                   ? ERR_NONE
                   : refuse(p, why, "cannot be read as a database, and nothing says it is ours");
    p->is_empty = tables == 0;
    if (id == SQLITE_PLACE_ID || (id == 0 && tables == 0 && version == 0) ||
        (id == 0 && ours == 1 && version > 0))
        return ERR_NONE;
    return refuse(p, why, "is a database of another program");
}

static enum err judge_header(struct sqlite_place *p, const unsigned char *header, ssize_t n,
                             struct sqlite_why *why)
{
    static const char magic[16] = "SQLite format 3";
    uint32_t id;

    p->is_empty = n == 0;
    if (n == 0)
        return ERR_NONE;
    if (n < HEADER || memcmp(header, magic, sizeof(magic)) != 0)
        return file_lock_knows(p->path) ? ERR_NONE : refuse(p, why, "is no database");
    id = (uint32_t)header[ID_AT] << 24 | (uint32_t)header[ID_AT + 1] << 16 |
         (uint32_t)header[ID_AT + 2] << 8 | header[ID_AT + 3];
    if (id == SQLITE_PLACE_ID)
        return ERR_NONE;
    return id ? refuse(p, why, "is a database of another program") : judge_tables(p, why);
}

enum err sqlite_place_find(const char *path, struct sqlite_place *ret, struct sqlite_why *ret_why)
{
    unsigned char header[HEADER];
    struct stat st;
    enum err err;
    ssize_t n;
    int fd;

    ret->is_empty = true;
    err = resolve(path, ret, ret_why);
    if (err)
        return err;
    if (stat(ret->path, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(ret, ret_why, "is no file");
    fd = open(ret->path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : pread(fd, header, sizeof(header), 0);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return refuse(ret, ret_why, "cannot be read by this user");
    return judge_header(ret, header, n, ret_why);
}
