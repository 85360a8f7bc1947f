/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growth doubles, so that appending costs a constant per byte, and stops at the
 * bound. The allocation may be one byte above the bound: printf wants a NUL.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

enum { FIRST_CAP = 128 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_deinit(struct buf *b)
{
    if (b->cap > 0) {
        mem_budget_sub(b->cap);
        mem_free(b->p);
    }
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
    mem_wipe(b->p, b->cap);
    buf_deinit(b);
}

/* The next capacity for `need` bytes: doubled, but not above the bound for nothing. */
static size_t next_cap(const struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_CAP;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    if (cap > b->max)
        cap = need > b->max ? need : b->max;
    return cap;
}

/* `need` is more than there is. */
static enum err grow(struct buf *b, size_t need)
{
    size_t cap = next_cap(b, need);
    char *p = mem_try_grow(b->p, cap);

    if (!p)
        return ERR_NOMEM;
    mem_budget_add(cap - b->cap);
    b->p = p;
    b->cap = cap;
    return ERR_NONE;
}

/* Sees to it that `n` more bytes fit. */
static inline enum err make_room(struct buf *b, size_t n)
{
    if (n > b->max - b->n)
        return ERR_TOO_BIG;
    return b->n + n <= b->cap ? ERR_NONE : grow(b, b->n + n);
}

size_t buf_growth(const struct buf *b, size_t n)
{
    if (n > b->max - b->n || b->n + n <= b->cap)
        return 0;
    return next_cap(b, b->n + n) - b->cap;
}

enum err buf_reserve(struct buf *b, size_t n, char **ret_room)
{
    enum err err = make_room(b, n);

    if (err)
        return err;
    *ret_room = b->p ? b->p + b->n : NULL;
    return ERR_NONE;
}

void buf_commit(struct buf *b, size_t n)
{
    BUG_ON(n > b->cap - b->n || n > b->max - b->n);
    b->n += n;
}

enum err buf_add(struct buf *b, struct str s)
{
    enum err err;

    if (s.n == 0)
        return ERR_NONE;
    err = make_room(b, s.n);
    if (err)
        return err;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    return ERR_NONE;
}

enum err buf_add_all(struct buf *b, const struct str *parts, size_t n)
{
    size_t size = 0;
    enum err err;

    for (size_t i = 0; i < n; i++)
        if (parts[i].n > b->max || (size += parts[i].n) > b->max)
            return ERR_TOO_BIG;
    err = size > 0 ? make_room(b, size) : ERR_NONE;
    if (err || size == 0)
        return err;
    str_join(parts, n, b->p + b->n);
    b->n += size;
    return ERR_NONE;
}

enum err buf_add_char(struct buf *b, char c)
{
    return buf_add(b, (struct str){ &c, 1 });
}

enum err buf_addf(struct buf *b, const char *format, ...)
{
    va_list args;
    enum err err;

    va_start(args, format);
    err = buf_vaddf(b, format, args);
    va_end(args);
    return err;
}

/* Prints into the room there is; returns the length that all of it has. */
FORMAT(2, 0) static size_t print(struct buf *b, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(b->p ? b->p + b->n : NULL, b->cap - b->n, format, again);
    va_end(again);
    BUG_ON(n < 0);
    return (size_t)n;
}

enum err buf_vaddf(struct buf *b, const char *format, va_list args)
{
    size_t n = print(b, format, args);

    if (n > b->max - b->n)
        return ERR_TOO_BIG;
    if (n >= b->cap - b->n) {
        enum err err = grow(b, b->n + n + 1);

        if (err)
            return err;
        n = print(b, format, args);
    }
    b->n += n;
    return ERR_NONE;
}

void buf_consume(struct buf *b, size_t n)
{
    BUG_ON(n > b->n);
    b->n -= n;
    if (n > 0 && b->n > 0)
        memmove(b->p, b->p + n, b->n);
}

void buf_truncate(struct buf *b, size_t n)
{
    BUG_ON(n > b->n);
    b->n = n;
}
