/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How commands talk to the gateway that has the store: HTTP on a socket file that only its owner
 * may open (mode 0600), on a thread of its own. It has no key: whoever may open it may read the
 * store.
 */
#pragma once

#include "gateway/gateway.h"

struct control;

/* "/check": what `check` would say, asked by the gateway itself (check_all.h). */
#define CONTROL_CHECK "/check"

/* Listens at `path`. NULL: it cannot; `ret_why` (256 bytes) says why. */
struct control *control_open(struct gateway *g, const char *path, char *ret_why);

/* Ends what runs on it: questions that are open are answered 503. NULL is fine. */
void control_close(struct control *c);
