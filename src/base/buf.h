/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing run of bytes that knows its limit from the start. Appending past
 * `max` fails with ERR_TOO_BIG and changes nothing. One thread at a time.
 */
#pragma once

#include <stdarg.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *p;    /* owned; NULL while nothing was added */
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated; at most max + 1, and counted against the memory budget */
    size_t max; /* bound on n */
};

/* An empty buffer; allocates nothing until the first byte. */
void buf_init(struct buf *b, size_t max);

/* Releases the memory; the buffer is empty and usable again with the same bound. */
void buf_deinit(struct buf *b);

/* The same for what holds a secret: overwrites the bytes first. */
void buf_wipe(struct buf *b);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ b->p, b->n };
}

static inline bool buf_is_empty(const struct buf *b)
{
    return b->n == 0;
}

/* Each returns ERR_TOO_BIG or ERR_NOMEM with the buffer as it was. What is added must not
 * lie in the buffer itself. */
MUST_USE enum err buf_add(struct buf *b, struct str s);
MUST_USE enum err buf_add_char(struct buf *b, char c);
MUST_USE enum err buf_add_all(struct buf *b, const struct str *parts, size_t n); /* STRS() */
MUST_USE enum err buf_addf(struct buf *b, const char *format, ...) FORMAT(2, 3);
MUST_USE enum err buf_vaddf(struct buf *b, const char *format, va_list args) FORMAT(2, 0);

/* Room for `n` more bytes at *ret_room; buf_commit() says how many were used. */
MUST_USE enum err buf_reserve(struct buf *b, size_t n, char **ret_room);
void buf_commit(struct buf *b, size_t n);

/* What the allocation will grow by when `n` bytes are added, for who asks the memory budget first;
 * 0 when they fit in it, or not below the bound. */
size_t buf_growth(const struct buf *b, size_t n);

/* Drops `n` bytes from the front and moves the rest down. */
void buf_consume(struct buf *b, size_t n);

/* Forgets the bytes, keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}

/* Cuts to `n` bytes; n must not be above b->n. */
void buf_truncate(struct buf *b, size_t n);
