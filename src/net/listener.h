/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One listening socket, opened once and shared by the loops of all workers. Out
 * of descriptors: accepting pauses 100 ms and is tried again.
 */
#pragma once

#include "net/address.h"
#include "net/conn.h"

/* Opens, binds and listens; *ret_fd is the caller's. `e`->port 0 becomes the port that was given.
 * SO_REUSEADDR, no SO_REUSEPORT. `ret_what` (256 bytes) says what failed. A stale unix socket
 * nobody answers on is replaced; mode 0600. */
MUST_USE enum err listen_open(struct endpoint *e, int *ret_fd, char *ret_what);

/* Makes a listening socket that another process opened fit for listener_new(): non-blocking, closed
 * on exec. `ret` becomes its address. ERR_BAD_INPUT: it is none; `ret_what` as above. */
MUST_USE enum err listen_adopt(int fd, struct endpoint *ret, char *ret_what);

/* Whether a socket at `e` is what `wanted` asks for: a name may mean any address, port 0 any port.
 */
bool listen_meets(const struct endpoint *e, const struct endpoint *wanted);

struct listener;

/* Accepts from the shared socket on this loop. `accept` owns the connection, reading is off,
 * TCP_NODELAY on. The socket stays the caller's. */
struct listener *listener_new(struct loop *l, int fd, void (*accept)(void *arg, struct conn *c),
                              void *arg);

/* Stops accepting and frees. NULL is fine. */
void listener_free(struct listener *s);
