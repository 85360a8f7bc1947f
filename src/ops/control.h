/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How commands talk to the gateway that has the store: HTTP on a socket file that only its owner
 * may open (mode 0600), on a thread of its own. It has no key: whoever may open it may read the
 * store. The operators' API is there, too (admin/admin.h), by the same paths.
 */
#pragma once

#include "gateway/gateway.h"

struct control;

/* "/reload": loads the settings anew and answers with what came of it, as JSON that whoever opened
 * the control gives to control_reloaded(). */
#define CONTROL_RELOAD "/reload"

/* "/check": what `check` would say, asked by the gateway itself (check_all.h). */
#define CONTROL_CHECK "/check"

/* Listens at `path`, or on `fd`, which the process before opened there and which is owned from now
 * on (-1: there is none). NULL: it cannot; `ret_why` (256 bytes) says why. */
struct control *control_open(struct gateway *g, const char *path, int fd, char *ret_why);

/* The socket that it listens on; it stays the control's. */
int control_fd(const struct control *c);

/* Its own share of the gateway and the loop that it lives on. */
struct gateway_worker *control_share(struct control *c);
struct loop *control_loop(struct control *c);

/* How many times a reload was asked for: each time the process got a SIGHUP. Any thread. */
uint64_t control_asked(struct control *c);

/* Answers whoever asked among the first `asked`, with `status` and a copy of `json`. Any thread. */
void control_reloaded(struct control *c, uint64_t asked, int status, struct str json);

/* Ends what runs on it: questions that are open are answered 503. The path stays another's when the
 * gateway is handed on. NULL is fine. */
void control_close(struct control *c);
