/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking TCP on 127.0.0.1, and nowhere else. What fails for want of the system ends the
 * program. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "base/str.h"

/* As many descriptors as the system lets this process have. */
void socket_raise_limit(void);

/* Listens; port 0 is any free one. Returns the socket and its port. */
int socket_listen(uint16_t port, uint16_t *ret_port);

/* Begins to connect; sending says EAGAIN until that is done. */
int socket_connect(uint16_t port);

/* The next connection that waits, or -1. */
int socket_accept(int fd);

/* Told once of each change: both ways, and the peer's end. */
void socket_watch(int epoll, int fd, void *arg);

/* epoll_wait with a time-out in microseconds; -1: none. Returns how many there are. */
int socket_wait(int epoll, struct epoll_event *events, int n, int64_t timeout_us);

/* Sends what there is room for: its bytes, or -1 when the connection is broken. */
int64_t socket_send(int fd, struct str bytes);
