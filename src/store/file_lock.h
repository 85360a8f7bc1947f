/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process owns a file: it holds a lock on "FILE.lock", which names its pid. The lock goes with
 * the process, however it ends; the pid in it stays when it did not end cleanly. It also keeps that
 * the file is the store's, and that it was found to be damaged. For the files of store/.
 */
#pragma once

#include "base/err.h"
#include "base/macros.h"

enum { FILE_LOCK_WHY_MAX = 512, FILE_LOCK_TEXT_MAX = 192 };

struct file_lock {
    int fd; /* -1: not held */
    bool is_damaged;
    bool is_given;                   /* another process has it as well */
    char former[FILE_LOCK_TEXT_MAX]; /* what the owner before left */
};

/* How the owner before ended. */
struct file_lock_past {
    bool was_killed;   /* it did not release the lock */
    bool was_rebooted; /* and the machine went down, too */
    bool was_damaged;  /* file_lock_note_damage() */
};

/* Takes the lock. `path` is the file's real path, so that all of its names have one lock.
 * ERR_CONFLICT: another process holds it; ERR_IO: it cannot be made, and errno is why. `ret_why`
 * (FILE_LOCK_WHY_MAX) says which and what to do. */
MUST_USE enum err file_lock_take(const char *path, struct file_lock *ret,
                                 struct file_lock_past *ret_past, char *ret_why);

/* Takes over the lock that the process before still has: `fd` is its descriptor. False: it is
 * another file's lock, and `fd` the caller's; else `ret` owns it. */
MUST_USE bool file_lock_take_over(const char *path, int fd, struct file_lock *ret);

/* Whether the process before, or the one after, has let it go. False: it may not have. */
bool file_lock_is_alone(const struct file_lock *l);

/* Whether a lock of that file, held or not, says that it is the store's. */
bool file_lock_knows(const char *path);

/* The next owner shall look the file through, however this one ends. Any thread. */
void file_lock_note_damage(struct file_lock *l);

/* A clean end. Harmless when not held. */
void file_lock_release(struct file_lock *l);

/* Lets go as if it had never been taken: the next owner learns what this one did. */
void file_lock_put_back(struct file_lock *l);
