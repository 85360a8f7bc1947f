/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EngineLabs upstream on loopback: sign-in service, API and WebSocket on one port, with
 * every variant and every fault that docs/internals/simulator.md lists. It answers for
 * `simulate`, for `serve --demo` and for the tests, and takes only what the service would take.
 *
 * Everything happens on one loop, by timers. The same seed gives the same ids, cookies and
 * answers. It is for tests: nothing that it issues opens anything but itself.
 */
#pragma once

#include "base/buf.h"
#include "net/address.h"
#include "net/conn.h"

struct simulator;

enum { SIMULATOR_WHAT_MAX = 256, SIMULATOR_ACCOUNTS_MAX = 64, SIMULATOR_COOKIE_MAX = 1024 };

struct simulator_params {
    uint64_t seed;       /* of ids, cookies and answers; 0 is a seed like any other */
    struct str scenario; /* JSON text of a scenario file; empty for none. Read during the call */
};

/* ERR_BAD_INPUT or ERR_TOO_BIG: the scenario is not one; `ret_what` (SIMULATOR_WHAT_MAX bytes) says
 * where and why. */
MUST_USE enum err simulator_new(struct loop *l, const struct simulator_params *params,
                                struct simulator **ret, char *ret_what);

/* Resets what is open and frees. NULL is fine. */
void simulator_free(struct simulator *s);

/* Opens a listener of its own; port 0 in `at` becomes the port that was given. Once only.
 * Errors and `ret_what` as listen_open() gives them. */
MUST_USE enum err simulator_listen(struct simulator *s, struct endpoint *at, char *ret_what);

/* Serves a connection that somebody else accepted, on its loop; owns `c` from now on. */
void simulator_accept(struct simulator *s, struct conn *c);

/* Appends the Cookie header value ("__client=...") that a simulator of that seed accepts for
 * account 0, 1, ... until it rotates the cookie. Pure, any thread. */
MUST_USE enum err simulator_cookie(uint64_t seed, unsigned account, struct buf *out);

/* Adds to what goes wrong from now on: JSON as POST /__sim/faults takes it. Errors as for
 * simulator_new(); after one nothing was added. */
MUST_USE enum err simulator_add_faults(struct simulator *s, struct str json, char *ret_what);

/* Changes how it behaves: JSON as POST /__sim/settings takes it. Errors as above. */
MUST_USE enum err simulator_set(struct simulator *s, struct str json, char *ret_what);

/* Appends what it saw (GET /__sim/log) and what it holds (GET /__sim/state) as JSON. */
MUST_USE enum err simulator_write_log(const struct simulator *s, struct buf *out);
MUST_USE enum err simulator_write_state(const struct simulator *s, struct buf *out);

/* What the front page of `simulate` and the first line of `--demo` say: how to talk to it. */
const char *simulator_about(void);
