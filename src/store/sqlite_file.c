/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "store/sqlite_wal.h"

/* With a lock of the process before, nothing has ended; one of another file is let go. */
static enum err take_lock(const char *path, int given_fd, struct sqlite_file *f,
                          struct file_lock_past *ret_past, struct sqlite_why *why)
{
    enum err err;

    *ret_past = (struct file_lock_past){ 0 };
    if (given_fd >= 0 && file_lock_take_over(path, given_fd, &f->lock))
        return ERR_NONE;
    if (given_fd >= 0)
        close(given_fd);
    err = file_lock_take(path, &f->lock, ret_past, why->text);
    return err == ERR_IO ? sqlite_place_judge(errno, why) : err;
}

static enum sqlite_check check_after(const struct file_lock_past *past)
{
    if (past->was_damaged)
        return SQLITE_CHECK_FULL;
    return past->was_killed ? SQLITE_CHECK_QUICK : SQLITE_CHECK_NONE;
}

/* The last transactions may be gone, and with them claims: a tip that is there again may point to a
 * chat that has gone on. Without tips, all chats begin anew from their transcripts. */
static enum err forget_tips(struct sqlite_db *db, const char *path, struct sqlite_why *why)
{
    enum err err = sqlite_db_forget(db, STORE_TIP);

    if (err) {
        snprintf(why->text, sizeof(why->text), "%.300s: %s", path, sqlite_db_problem(db));
        str_to_z(str_of(sqlite_db_problem(db)), why->problem, sizeof(why->problem));
    }
    return err;
}

static enum err open_with(const char *path, int lock_fd, struct sqlite_file *ret,
                          struct sqlite_why *ret_why)
{
    struct sqlite_file f = { .db = NULL };
    struct sqlite_place place;
    struct file_lock_past past;
    uint32_t frames;
    enum err err;

    *ret_why = (struct sqlite_why){ .text = "" };
    err = sqlite_place_find(path, &place, ret_why);
    if (err && lock_fd >= 0)
        close(lock_fd);
    if (!err)
        err = take_lock(place.path, lock_fd, &f, &past, ret_why);
    if (err)
        return err;
    frames = past.was_killed ? sqlite_wal_frames(place.path) : 0;
    err = sqlite_db_open(place.path, check_after(&past), &f.db, ret_why);
    if (!err && (past.was_rebooted || sqlite_wal_lost(f.db, frames)))
        err = forget_tips(f.db, place.path, ret_why);
    if (err) {
        sqlite_db_close(f.db);
        file_lock_put_back(&f.lock);
        return err;
    }
    *ret = f;
    return ERR_NONE;
}

enum err sqlite_file_open(const char *path, struct sqlite_file *ret, struct sqlite_why *ret_why)
{
    return open_with(path, -1, ret, ret_why);
}

enum err sqlite_file_take_over(const char *path, int lock_fd, struct sqlite_file *ret,
                               struct sqlite_why *ret_why)
{
    return open_with(path, lock_fd, ret, ret_why);
}

enum err sqlite_file_open_to_read(const char *path, struct sqlite_file *ret)
{
    struct sqlite_file f = { .lock = { .fd = -1 }, .is_stand_in = true };
    struct sqlite_place place;
    struct sqlite_why why;
    enum err err = sqlite_place_find(path, &place, &why);

    if (err && err != ERR_IO)
        return err;
    err = sqlite_db_open_to_read(place.is_empty ? NULL : place.path, &f.db);
    if (!err)
        *ret = f;
    return err;
}

void sqlite_file_close(struct sqlite_file *f)
{
    sqlite_db_close(f->db);
    file_lock_release(&f->lock);
}
