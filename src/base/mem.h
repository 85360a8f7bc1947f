/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap. A small fixed allocation that fails ends the program; what a peer
 * decides the size of asks with mem_try() and is told no. Everything taken by
 * buffers and arenas is counted against one budget (MEMORY_LIMIT). Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Zeroed memory; never NULL. Owned by the caller, mem_free() releases it. */
void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

/* A zeroed array of `count` items; ends the program on overflow. */
void *mem_alloc_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Grows or shrinks an array; new bytes are not zeroed. Never NULL. */
void *mem_grow_array(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* Not zeroed; NULL when memory is short or a test injects a failure. */
void *mem_try(size_t size) MUST_USE;
void *mem_try_grow(void *old, size_t size) MUST_USE;

/* NULL is fine. */
void mem_free(void *p);

/* Gives what is free back to the system. Takes the allocator's locks, for milliseconds. */
void mem_trim(void);

/* Overwrites with zeros in a way the compiler keeps; for secrets. */
void mem_wipe(void *p, size_t size);

/* The budget: bytes that buffers and arenas hold now, in the whole process. */
void mem_budget_set(size_t limit);
void mem_budget_add(size_t bytes);
void mem_budget_sub(size_t bytes);
size_t mem_budget_used(void);

/* Whether new work that will need `bytes` more may begin. Running work never asks. */
bool mem_budget_has(size_t bytes);

/* Test hook: the n-th mem_try or mem_try_grow from now returns NULL (0: none does). */
void mem_fail_nth(uint64_t n);
