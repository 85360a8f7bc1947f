/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process owns a file: it holds a lock on "FILE.lock", which names its pid. The lock goes with
 * the process, however it ends; the pid in it stays when it did not end cleanly. For the files of
 * store/.
 */
#pragma once

#include "base/err.h"
#include "base/macros.h"

enum { FILE_LOCK_WHY_MAX = 512 };

struct file_lock {
    int fd; /* -1: not held */
};

/* How the owner before ended: it released the lock; it did not; and the machine went down, too. */
enum file_lock_past { FILE_LOCK_CLEAN, FILE_LOCK_KILLED, FILE_LOCK_REBOOTED };

/* Takes the lock. ERR_CONFLICT: another process
 * holds it, ERR_IO: it cannot be made; `ret_why` (FILE_LOCK_WHY_MAX) says which and what to do. */
MUST_USE enum err file_lock_take(const char *path, struct file_lock *ret,
                                 enum file_lock_past *ret_past, char *ret_why);

/* Harmless when not held. */
void file_lock_release(struct file_lock *l);
