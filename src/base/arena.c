/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks are taken from the heap and cut from the front; the newest is cut, the
 * others are full. What is large has a block of its own behind the newest, so
 * that it does not waste the rest of it. Under AddressSanitizer all have one of
 * their own, which makes an overrun visible.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#endif

enum {
    PRINT_SHORT = 256,
    FIRST_BLOCK = 2 * 1024,
    LAST_BLOCK = 16 * 1024,
#if defined(HAS_ASAN)
    LARGE = 1,
#else
    LARGE = 4 * 1024,
#endif
    ALIGN = _Alignof(max_align_t),
};

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the whole block, this header included */
    _Alignas(max_align_t) char bytes[];
};

struct arena_release {
    struct arena_release *next;
    void (*fn)(void *arg);
    void *arg;
};

typedef void *take_memory(size_t size);

/* Not zeroed and never NULL; not counted by the injection of failures. */
static void *take_or_die(size_t size)
{
    return mem_grow_array(NULL, size, 1);
}

/* What a peer decides the size of is new work: beyond the budget it is told no. */
static void *take_within_budget(size_t size)
{
    return mem_budget_has(size) ? mem_try(size) : NULL;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){ 0 };
}

/* A release may add another one, or allocate. */
static void run_releases(struct arena *a)
{
    while (a->releases) {
        struct arena_release *r = a->releases;

        a->releases = r->next;
        r->fn(r->arg);
    }
}

void arena_deinit(struct arena *a)
{
    struct arena_block *next;

    run_releases(a);
    for (struct arena_block *b = a->blocks; b; b = next) {
        next = b->next;
        mem_budget_sub(b->size);
        mem_free(b);
    }
    arena_init(a);
}

static struct arena_block *new_block(struct arena *a, size_t size, take_memory *take)
{
    struct arena_block *b = take(size);

    if (!b)
        return NULL;
    b->size = size;
    b->next = NULL;
    mem_budget_add(size);
    a->used += sizeof(*b);
    return b;
}

static char *alloc_large(struct arena *a, size_t size, take_memory *take)
{
    struct arena_block *b;

    if (size > SIZE_MAX - sizeof(*b))
        return NULL;
    b = new_block(a, sizeof(*b) + size, take);
    if (!b)
        return NULL;
    if (a->blocks) {
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        a->blocks = b;
    }
    a->used += size;
    return b->bytes;
}

static bool add_block(struct arena *a, size_t need, take_memory *take)
{
    size_t newest = a->blocks ? a->blocks->size : 0;
    size_t size = FIRST_BLOCK;
    struct arena_block *b;

    while ((size < LAST_BLOCK && size <= newest) || size < need + sizeof(*b))
        size *= 2;
    b = new_block(a, size, take);
    if (!b)
        return false;
    b->next = a->blocks;
    a->blocks = b;
    a->free = b->bytes;
    a->left = size - sizeof(*b);
    return true;
}

static char *alloc(struct arena *a, size_t size, size_t align, take_memory *take)
{
    size_t pad = (align - (uintptr_t)a->free % align) % align;
    char *p;

    if (size == 0)
        size = 1; /* an address of its own */
    if (size >= LARGE)
        return alloc_large(a, size, take);
    if (a->left < size + pad) {
        if (!add_block(a, size, take))
            return NULL;
        pad = 0;
    }
    p = a->free + pad;
    a->free += pad + size;
    a->left -= pad + size;
    a->used += pad + size;
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    char *p = alloc(a, size, ALIGN, take_or_die);

    if (!p)
        die(__FILE__, __LINE__, "an arena allocation of impossible size");
    memset(p, 0, size);
    return p;
}

void *arena_try(struct arena *a, size_t size)
{
    return alloc(a, size, ALIGN, take_within_budget);
}

/* Text needs no alignment. */
static char *alloc_text(struct arena *a, size_t n)
{
    char *p = n < SIZE_MAX ? alloc(a, n + 1, 1, take_or_die) : NULL;

    if (!p)
        die(__FILE__, __LINE__, "an arena text of impossible size");
    return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *p = alloc_text(a, s.n);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str){ p, s.n };
}

struct str arena_join(struct arena *a, const struct str *parts, size_t n)
{
    size_t size = 0;
    char *text;

    for (size_t i = 0; i < n; i++)
        size += parts[i].n;
    text = alloc_text(a, size);
    *str_join(parts, n, text) = '\0';
    return (struct str){ text, size };
}

/* What is short is printed once, and copied. */
struct str arena_printf(struct arena *a, const char *format, ...)
{
    char text[PRINT_SHORT];
    va_list args;
    va_list again;
    int n;
    char *p;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    BUG_ON(n < 0);
    p = alloc_text(a, (size_t)n);
    if ((size_t)n < sizeof(text))
        memcpy(p, text, (size_t)n + 1);
    else
        BUG_ON(vsnprintf(p, (size_t)n + 1, format, again) != n);
    va_end(again);
    return (struct str){ p, (size_t)n };
}

void arena_on_release(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct arena_release *r = arena_new(a, struct arena_release);

    r->fn = fn;
    r->arg = arg;
    r->next = a->releases;
    a->releases = r;
}
