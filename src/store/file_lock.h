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

/* Takes the lock. `ret_unclean`: the owner before did not release it. ERR_CONFLICT: another process
 * holds it, ERR_IO: it cannot be made; `ret_why` (FILE_LOCK_WHY_MAX) says which and what to do. */
MUST_USE enum err file_lock_take(const char *path, struct file_lock *ret, bool *ret_unclean,
                                 char *ret_why);

/* Harmless when not held. */
void file_lock_release(struct file_lock *l);
