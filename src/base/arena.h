/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives and dies together: all that one request needs is taken here
 * and released in one call. Things that are no memory hang a release on it.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct arena_block;
struct arena_release;

struct arena {
    struct arena_block *blocks;     /* owned; the newest first */
    struct arena_release *releases; /* run newest first by arena_deinit */
    char *free;                     /* next byte of the newest block */
    size_t left;                    /* bytes left there */
    size_t used;                    /* bytes handed out and block overhead, for limits and tests */
};

void arena_init(struct arena *a);

/* Runs the releases, newest first, then frees everything. Usable again after. */
void arena_deinit(struct arena *a);

/* Zeroed, aligned for any type, never NULL: for sizes that we decide. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* Not zeroed; NULL when memory is short: for sizes that a peer decides. */
void *arena_try(struct arena *a, size_t size) MUST_USE;

/* Copies with a NUL behind (not counted in n), so that .p is also a C string. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_join(struct arena *a, const struct str *parts, size_t n); /* STRS() */
struct str arena_printf(struct arena *a, const char *format, ...) FORMAT(2, 3);

/* Calls fn(arg) when the arena goes. */
void arena_on_release(struct arena *a, void (*fn)(void *arg), void *arg);
