/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that calls malloc and free. Whoever may be refused uses
 * mem_try(); the budget and the failure injection are plain atomics, exact
 * enough for admission and free for the hot path.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic size_t budget_limit = SIZE_MAX;
static _Atomic size_t budget_used;
static _Atomic uint64_t fail_countdown;

/* malloc(0) may give NULL, which would look like a failure. */
static size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

static size_t product_or_die(size_t count, size_t size)
{
    size_t total;

    BUG_ON(__builtin_mul_overflow(count, size, &total));
    return total;
}

void *mem_alloc(size_t size)
{
    void *p = calloc(1, at_least_one(size));

    if (UNLIKELY(!p))
        die(__FILE__, __LINE__, "out of memory");
    return p;
}

void *mem_alloc_array(size_t count, size_t size)
{
    return mem_alloc(product_or_die(count, size));
}

void *mem_grow_array(void *old, size_t count, size_t size)
{
    void *p = realloc(old, at_least_one(product_or_die(count, size)));

    if (UNLIKELY(!p))
        die(__FILE__, __LINE__, "out of memory");
    return p;
}

static bool is_injected(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (UNLIKELY(left > 0))
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    return false;
}

/* No object may be larger than ptrdiff_t can say. */
static bool must_fail(size_t size)
{
    return size > PTRDIFF_MAX || is_injected();
}

void *mem_try(size_t size)
{
    return must_fail(size) ? NULL : malloc(at_least_one(size));
}

void *mem_try_grow(void *old, size_t size)
{
    return must_fail(size) ? NULL : realloc(old, at_least_one(size));
}

void mem_free(void *p)
{
    free(p);
}

void mem_trim(void)
{
    malloc_trim(0);
}

void mem_wipe(void *p, size_t size)
{
    if (size > 0)
        explicit_bzero(p, size);
}

void mem_budget_set(size_t limit)
{
    atomic_store_explicit(&budget_limit, limit, memory_order_relaxed);
}

void mem_budget_add(size_t bytes)
{
    atomic_fetch_add_explicit(&budget_used, bytes, memory_order_relaxed);
}

void mem_budget_sub(size_t bytes)
{
    size_t before = atomic_fetch_sub_explicit(&budget_used, bytes, memory_order_relaxed);

    BUG_ON(before < bytes);
}

size_t mem_budget_used(void)
{
    return atomic_load_explicit(&budget_used, memory_order_relaxed);
}

bool mem_budget_has(size_t bytes)
{
    size_t limit = atomic_load_explicit(&budget_limit, memory_order_relaxed);
    size_t used = mem_budget_used();

    return used <= limit && bytes <= limit - used;
}

void mem_fail_nth(uint64_t n)
{
    atomic_store(&fail_countdown, n);
}
