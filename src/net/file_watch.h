/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches one small file, such as a secret that is replaced while the program runs: looks at it now
 * and then, and reads it when it became another one. All of it happens on libuv's threads, never on
 * the loop's. Also for files that are not there yet, and for those that are replaced by renaming.
 */
#pragma once

#include "base/str.h"
#include "net/loop.h"

enum { FILE_WATCH_MAX = 64 * 1024 }; /* a larger file is passed over */

struct file_watch;

/* Calls changed(arg, content) on the loop, now and after each change; content lives during the
 * call. Not for a file that cannot be read: that is no change. `path` is copied. */
struct file_watch *file_watch_start(struct loop *l, const char *path, unsigned every_ms,
                                    void (*changed)(void *arg, struct str content), void *arg);

/* No change is told from now on. Calls stopped(arg) later, when it is gone: before that the loop
 * must not be freed. */
void file_watch_stop(struct file_watch *w, void (*stopped)(void *arg), void *arg);
