/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All keys of the store, as one table that never changes: a change makes another. Requests look
 * keys up without waiting, on any thread. Where other gateways share the store it is read anew
 * every KEY_RING_PERIOD_MS.
 */
#pragma once

#include <stdatomic.h>

#include "base/map.h"
#include "keys/key_record.h"
#include "store/store.h"

enum { KEY_RING_PERIOD_MS = 2000, KEY_RING_MAX = 100000 };

struct key_ring;

/* Immutable but for the count. */
struct key_table {
    struct arena arena;
    struct map by_hash; /* struct key_record */
    struct map by_id;
    const struct key_record **records; /* in the order of their ids */
    size_t n;
    atomic_uint refs;
};

struct key_ring *key_ring_new(void);
void key_ring_free(struct key_ring *r);

/* The newest table, held; NULL until the store was read once. Any thread. */
struct key_table *key_ring_ref(struct key_ring *r);
void key_table_unref(struct key_table *t); /* NULL is fine */

const struct key_record *key_table_find(const struct key_table *t,
                                        const unsigned char hash[SHA256_LEN]);
const struct key_record *key_table_find_id(const struct key_table *t, struct str id);

/* Notes that a key was used; `now_s` since 1970. And when it last was: 0, not since the ring is.
 * Any thread. */
void key_ring_note_use(struct key_ring *r, struct str id, int64_t now_s);
int64_t key_ring_last_use(struct key_ring *r, struct str id);

/* Reads the store and makes its keys the newest table; then, unless it is NULL, done(arg, err). On
 * the port's loop; the ring outlives it. */
void key_ring_load(struct key_ring *r, struct store_port *p, void (*done)(void *arg, enum err err),
                   void *arg);

/* A worker's part in keeping it new: the first whose turn it is reads for all. */
struct key_watch;
struct key_watch *key_watch_open(struct key_ring *r, struct loop *l, struct store_port *p);
void key_watch_close(struct key_watch *w); /* before the port is closed; NULL is fine */
