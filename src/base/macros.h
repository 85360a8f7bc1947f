/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few words this codebase adds to C: attributes, counting, containers,
 * invariants that hold in every build, and release at the end of a scope.
 */
#pragma once

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The object of `type` whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Ends the program with a message: memory for a small fixed need ran out, or
 * an invariant of ours does not hold. Never reached by what a peer sends. */
NORETURN void die(const char *file, int line, const char *what);

/* For what only our own mistake can cause; on in all builds, never on input. */
#define BUG_ON(cond)                        \
    do {                                    \
        if (UNLIKELY(cond))                 \
            die(__FILE__, __LINE__, #cond); \
    } while (0)

/*
 * AUTO(thing) x = thing_new();  x is released by thing_free() on any way out of
 * the scope; TAKE(x) hands it on and leaves NULL behind. DEFINE_AUTO(thing)
 * once after thing_free() is declared.
 */
#define DEFINE_AUTO(name)                           \
    static inline void auto_##name(struct name **p) \
    {                                               \
        name##_free(*p);                            \
    }
#define AUTO(name) __attribute__((cleanup(auto_##name))) struct name *
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
