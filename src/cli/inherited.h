/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a process is started with, as sd_listen_fds(3) has it: LISTEN_PID, LISTEN_FDS
 * and LISTEN_FDNAMES say whose they are, how many from 3 on, and what each is. A service manager
 * passes the socket that it keeps; a gateway that hands over to its successor passes all that it
 * has.
 */
#pragma once

#include "base/err.h"
#include "base/macros.h"

enum inherited_what {
    INHERITED_KEPT,    /* the socket to listen on; a service manager keeps it open */
    INHERITED_LISTEN,  /* the same, of the gateway before */
    INHERITED_CONTROL, /* the control socket */
    INHERITED_STORE,   /* store_lock() */
    INHERITED_READY,   /* a pipe that gets a byte when this process serves */
    INHERITED_WHATS
};

struct inherited {
    int fds[INHERITED_WHATS]; /* -1: there is none */
};

enum { INHERITED_WHAT_MAX = 256 };

/* Nothing. */
void inherited_init(struct inherited *ret);

/* Takes what this process was started with, once, before it has threads. What has none of our names
 * is INHERITED_KEPT. ERR_BAD_INPUT: that cannot be served; `ret_what` (INHERITED_WHAT_MAX) says
 * why. */
MUST_USE enum err inherited_take(struct inherited *ret, char *ret_what);

/* The name of each, as LISTEN_FDNAMES has it. */
extern const char *const inherited_names[INHERITED_WHATS];
