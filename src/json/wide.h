/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixty-four bytes at once, whose bits fill a word, in four vectors of SSE2; in two of AVX2 in a
 * file that is compiled for it and says WIDE_AVX2 (one of AVX-512 was no faster). For scan_wide.h
 * and the estimate of tokens.
 */
#pragma once

#include <immintrin.h>

#include "json/block.h"

enum { WIDE = 64 };

/* What differs: a vector, and what a comparison says of its bytes. Comparisons combine by |. */
#if defined(WIDE_AVX2)
typedef __m256i wide_part;
typedef __m256i wide_which;
enum { WIDE_PARTS = 2 };

static ALWAYS_INLINE wide_part wide_part_load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static ALWAYS_INLINE uint64_t wide_part_bits(wide_which which)
{
    return (uint32_t)_mm256_movemask_epi8(which);
}

static ALWAYS_INLINE wide_which wide_part_high(wide_part v)
{
    return v;
}

static ALWAYS_INLINE wide_which wide_part_equal(wide_part v, unsigned char c)
{
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)c));
}

/* As signed numbers: bytes beyond ASCII are below all others. */
static ALWAYS_INLINE wide_which wide_part_below(wide_part v, unsigned char limit)
{
    return _mm256_cmpgt_epi8(_mm256_set1_epi8((char)limit), v);
}

/* Those of two-byte escapes: their low halves tell them apart, but for that of `r`. */
static ALWAYS_INLINE wide_which wide_part_escape_letters(wide_part v)
{
    const wide_part by_low_half =
        _mm256_setr_epi8(-1, 0, 'b', 0, 't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/', /**/
                         -1, 0, 'b', 0, 't', 0, 'f', 0, 0, 0, 0, 0, 0, 0, 'n', '/');

    return _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(by_low_half, v), v),
                           wide_part_equal(v, 'r'));
}
#else
typedef __m128i wide_part;
typedef __m128i wide_which;
enum { WIDE_PARTS = 4 };

static ALWAYS_INLINE wide_part wide_part_load(const char *p)
{
    return block_load(p);
}

static ALWAYS_INLINE uint64_t wide_part_bits(wide_which which)
{
    return block_bits(which);
}

static ALWAYS_INLINE wide_which wide_part_high(wide_part v)
{
    return v;
}

static ALWAYS_INLINE wide_which wide_part_equal(wide_part v, unsigned char c)
{
    return block_equal(v, c);
}

/* As signed numbers: bytes beyond ASCII are below all others. */
static ALWAYS_INLINE wide_which wide_part_below(wide_part v, unsigned char limit)
{
    return _mm_cmplt_epi8(v, _mm_set1_epi8((char)limit));
}
static ALWAYS_INLINE wide_which wide_part_escape_letters(wide_part v)
{
    wide_which b_or_f = block_equal(_mm_and_si128(v, _mm_set1_epi8(~4)), 'b');
    wide_which r_or_n = _mm_or_si128(block_equal(v, 'r'), block_equal(v, 'n'));
    wide_which t_or_slash = _mm_or_si128(block_equal(v, 't'), block_equal(v, '/'));

    return _mm_or_si128(b_or_f, _mm_or_si128(r_or_n, t_or_slash));
}
#endif

struct wide {
    wide_part v[WIDE_PARTS];
};

/* Each part of a block; at -O2 gcc unrolls such loops only when told to. */
#define EACH_PART(i) _Pragma("GCC unroll 4") for (int i = 0; i < WIDE_PARTS; i++)

/* Of the block's bits, a bit a byte and the first byte's lowest, those of part `i`. */
static ALWAYS_INLINE uint64_t wide_bits(wide_which which, int i)
{
    return wide_part_bits(which) << (i * (WIDE / WIDE_PARTS));
}

static ALWAYS_INLINE struct wide wide_load(const char *p)
{
    struct wide w;

    EACH_PART (i)
        w.v[i] = wide_part_load(p + i * (WIDE / WIDE_PARTS));
    return w;
}

/* What is left, less than a block, with NULs behind it in `room`, which is returned. */
static ALWAYS_INLINE const char *wide_pad(const char *p, const char *end, char room[WIDE])
{
    memset(room, 0, WIDE);
    memcpy(room, p, (size_t)(end - p));
    return room;
}

/* The bytes beyond ASCII. */
static ALWAYS_INLINE uint64_t wide_high(const struct wide *w)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(wide_part_high(w->v[i]), i);
    return bits;
}

static ALWAYS_INLINE uint64_t wide_equal(const struct wide *w, unsigned char c)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(wide_part_equal(w->v[i], c), i);
    return bits;
}

/* The control bytes (RFC 8259 7), those below 0x20, and those beyond ASCII. */
static ALWAYS_INLINE uint64_t wide_low_or_high(const struct wide *w)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(wide_part_below(w->v[i], 0x20), i);
    return bits;
}

/* Of the bytes beyond ASCII those below `limit`. */
static ALWAYS_INLINE uint64_t wide_high_below(const struct wide *w, unsigned char limit)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(wide_part_below(w->v[i], limit), i);
    return bits;
}

/* The letters of two-byte escapes (RFC 8259 7), quotes and backslashes aside. */
static ALWAYS_INLINE uint64_t wide_escape_letters(const struct wide *w)
{
    uint64_t bits = 0;

    EACH_PART (i)
        bits |= wide_bits(wide_part_escape_letters(w->v[i]), i);
    return bits;
}
