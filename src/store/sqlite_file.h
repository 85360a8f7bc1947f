/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that a process owns, with its lock; or what stands in for it while it cannot be used: it
 * gives what is there to be read, and takes nothing. For sqlite.c.
 */
#pragma once

#include "store/file_lock.h"
#include "store/sqlite_db.h"

struct sqlite_file {
    struct sqlite_db *db;  /* owned */
    struct file_lock lock; /* not held by a stand-in */
    bool is_stand_in;
};

/* The file at `path`, all names of which are one file, as its only owner. ERR_CONFLICT: another
 * process has it; ERR_BAD_INPUT: it will not do; ERR_IO: not now. `ret_why` says what is wrong;
 * when a damaged one was moved aside it says that, else its text is empty. */
MUST_USE enum err sqlite_file_open(const char *path, struct sqlite_file *ret,
                                   struct sqlite_why *ret_why);

/* The same file as the process before, which has it for a while yet and gave its lock (`lock_fd`,
 * owned from now on). */
MUST_USE enum err sqlite_file_take_over(const char *path, int lock_fd, struct sqlite_file *ret,
                                        struct sqlite_why *ret_why);

/* After ERR_IO. ERR_IO: not even that; what was renewed cannot be known then. */
MUST_USE enum err sqlite_file_open_to_read(const char *path, struct sqlite_file *ret);

void sqlite_file_close(struct sqlite_file *f);
