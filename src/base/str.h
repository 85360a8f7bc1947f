/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of text: a pointer and a length. It never owns what it points at, may
 * hold any byte and is not ended by NUL. Passed by value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/macros.h"

struct str {
    const char *p;
    size_t n;
};

/* A slice of a literal. Not for static tables, which hold const char *. */
#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })

/* For printf's "%.*s". */
#define STR_ARGS(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
    return (struct str){ z, z ? strlen(z) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The slice from byte `from`, at most `n` bytes; both clipped to what is there. */
static inline struct str str_sub(struct str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return (struct str){ from > 0 ? s.p + from : s.p, n };
}

static inline struct str str_from(struct str s, size_t from)
{
    return str_sub(s, from, SIZE_MAX);
}

/* ASCII letters compare without case; all else byte by byte. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Offset of the first `needle`, or SIZE_MAX. An empty needle is at 0. */
size_t str_find(struct str s, struct str needle);
size_t str_find_char(struct str s, char c);

/* Without leading and trailing space, tab, CR and LF. */
struct str str_trim(struct str s);

/* Space, tab, CR or LF: white space of JSON (RFC 8259 2), too. */
static inline bool str_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Cuts `s` at the first `sep`: returns what is before it and leaves what is
 * after it in *rest. Without `sep` all is before, and *rest is empty with p NULL. */
struct str str_cut(struct str s, char sep, struct str *rest);

/* Next item of a comma-separated list, trimmed, empty items passed over; false at the end. */
bool str_next_item(struct str *list, struct str *ret_item);

/* Whole decimal digits only, no sign, no space. ERR_BAD_INPUT, or ERR_TOO_BIG above `max`. */
MUST_USE enum err str_to_u64(struct str s, uint64_t max, uint64_t *ret_value);

/* A list of strs and its length, as two arguments: buf_add_all(b, STRS(a, STR(": "), b)). */
#define STRS(...)                          \
    ((const struct str[]){ __VA_ARGS__ }), \
        sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str)

/* Copies all of them to `out`, one behind the other; returns the place behind the last. */
char *str_join(const struct str *parts, size_t n, char *out);

/* The decimal digits of `n`, at the end of `room`. */
enum { STR_U64_MAX = 20 };
struct str str_of_u64(uint64_t n, char room[STR_U64_MAX]);

/* Copies `s` into `out` with a NUL, cut to fit `cap` (at least 1). Returns out. */
char *str_to_z(struct str s, char *out, size_t cap);

/* Equal, in a time that depends on the lengths only: for keys and tokens. */
bool str_eq_constant_time(struct str a, struct str b);
