/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from bytes to a pointer. Keys are copied, values are borrowed. Takes
 * memory at the first map_set() only; how many entries there may be is for the
 * owner to bound. The hash is keyed with random bytes of the process, so peers
 * cannot aim at one slot. One thread at a time.
 */
#pragma once

#include "base/str.h"

struct map_slot;

struct map {
    struct map_slot *slots; /* owned */
    size_t n;               /* entries */
    size_t cap;             /* slots, a power of two or 0 */
};

void map_init(struct map *m);

/* Releases keys and slots; the values are the caller's. */
void map_deinit(struct map *m);

/* The value, or NULL. */
void *map_find(const struct map *m, struct str key);

/* Sets `value` (not NULL); returns the value that was there before, or NULL. */
void *map_set(struct map *m, struct str key, void *value);

/* Takes the entry out and returns its value, or NULL. */
void *map_take(struct map *m, struct str key);

/* Walks all entries: *cursor begins at 0; NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *cursor, struct str *ret_key);
