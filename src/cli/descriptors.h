/* SPDX-License-Identifier: Apache-2.0 */
/* How many clients the limit of open descriptors is good for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Connections of clients that `limit` descriptors can serve, at least 1. A stream holds two, its
 * client's and its WebSocket; while its prompt is sent a third, which is kept for only so many at
 * once. With `demo` the simulator's ends are in the same process. Pure. */
size_t descriptors_for_clients(size_t limit, size_t workers, bool demo);

/* The share of those third ones, and of connections that are kept for the next: what is left beside
 * so many clients. Pure. */
size_t descriptors_for_posts(size_t limit, size_t workers, bool demo);
