/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that goes on with this one's sockets and store: the program as it is on the disk now,
 * started as this one was. This one serves until the other says that it does
 * (docs/internals/handover.md). The main thread's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "cli/inherited.h"

struct successor {
    pid_t pid;    /* 0: there is none */
    int ready_fd; /* readable when it serves, or has ended; -1: there is none */
};

void successor_init(struct successor *s);

/* Starts `argv` as it stands (a name without '/' is looked up in PATH) with those descriptors,
 * which stay the caller's; the one to say that it is ready is made here. One that was started
 * before and is not ready is ended. ERR_IO: it could not be started, and errno is why. */
MUST_USE enum err successor_start(struct successor *s, char *const *argv,
                                  const struct inherited *give);

/* To be asked when ready_fd is readable. True: it serves, and is a process of its own now. */
bool successor_serves(struct successor *s);

/* Ends one that does not serve yet. */
void successor_end(struct successor *s);
