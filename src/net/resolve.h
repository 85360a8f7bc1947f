/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name look-ups on a few threads of the process. Not on libuv's: a look-up that hangs there
 * would hold up the end of its loop and of the program. What was found counts for some seconds
 * from the question on, for who asks next. For the files of net/.
 */
#pragma once

#include "net/loop.h"
#include "net/sockaddr.h"

enum { RESOLVE_MAX = 16, RESOLVE_KEPT_MS = 5000 };

struct resolve;

/* At least one address, or ERR_DNS or ERR_NO_FDS and why, for people. All live during the call. */
typedef void on_resolved(void *arg, enum err err, const char *why, const struct address *list,
                         size_t n);

/* Calls `done` exactly once, never before it returned, unless canceled. */
struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port, on_resolved *done,
                              void *arg);

/* Nobody could be reached there: who asks next has it looked up. */
void resolve_forget(const char *host);

/* The thread that waits for the answer is left behind. NULL is fine. */
void resolve_cancel(struct resolve *r);
