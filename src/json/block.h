/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes looked at many at a time: 16 in a vector (SSE2), or 8 in a machine word (SWAR).
 * Where there is SSE2 both kinds are built, so that tests can hold one against the other;
 * -DJSON_SWAR leaves only the plain one. For scan.c, skip.c, escape.c and the estimate of tokens;
 * wide.h has more.
 */
#pragma once

#include "base/str.h"

#if defined(__SSE2__) && !defined(JSON_SWAR)
#include <emmintrin.h>
#define BLOCK_SSE2 1
#else
#define BLOCK_SSE2 0
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Handed down as a constant through inline functions, it leaves no branch. */
enum block_kind { BLOCK_BY_8, BLOCK_BY_16, BLOCK_IN_USE = BLOCK_SSE2 ? BLOCK_BY_16 : BLOCK_BY_8 };

static ALWAYS_INLINE ptrdiff_t block_size(enum block_kind kind)
{
    return kind == BLOCK_BY_16 ? 16 : 8;
}

/* Copies a block; `p` and `out` may be anywhere. The builtin, since with _FORTIFY_SOURCE=3
 * memcpy() would count what is left of `out` for each block (measured: three times as slow). */
static ALWAYS_INLINE void block_copy(enum block_kind kind, const char *p, char *out)
{
    __builtin_memcpy(out, p, kind == BLOCK_BY_16 ? 16 : 8);
}

/* Eight bytes as a number whose lowest byte is the first. */
static ALWAYS_INLINE uint64_t block_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* The top bit of each byte below `limit`, which is 0x80 at most. Exact: nothing is carried
 * from one byte into the next. */
static ALWAYS_INLINE uint64_t block_word_below(uint64_t word, unsigned limit)
{
    uint64_t sum = (word & EACH_BYTE(0x7F)) + EACH_BYTE(0x80u - limit);

    return ~(sum | word) & EACH_BYTE(0x80);
}

static ALWAYS_INLINE uint64_t block_word_equal(uint64_t word, unsigned char c)
{
    return block_word_below(word ^ EACH_BYTE((uint64_t)c), 1);
}

#if BLOCK_SSE2
static ALWAYS_INLINE __m128i block_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* One bit a byte, the first byte's lowest: its top bit. */
static ALWAYS_INLINE uint32_t block_bits(__m128i v)
{
    return (uint32_t)_mm_movemask_epi8(v);
}

static ALWAYS_INLINE __m128i block_equal(__m128i v, unsigned char c)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8((char)c));
}

/* The control bytes (RFC 8259 7): those below 0x20. */
static ALWAYS_INLINE __m128i block_controls(__m128i v)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
}

/* The bytes that a backslash escapes: in a run of them each second one, and what is behind an
 * odd one. The borrows of one subtraction tell odd runs from even ones (as simdjson does it).
 * *carry is 1 when the first byte is escaped, then when that of the next block is. */
static ALWAYS_INLINE uint64_t block_escaped(uint64_t backslashes, uint64_t *carry)
{
    const uint64_t odd = UINT64_C(0xAAAAAAAAAAAAAAAA);
    uint64_t starts = backslashes & ~*carry;
    uint64_t pairs = (((starts << 1) | odd) - starts) ^ odd;
    uint64_t escaped = pairs ^ (backslashes | *carry);

    *carry = (pairs & backslashes) >> 63;
    return escaped;
}
#endif
