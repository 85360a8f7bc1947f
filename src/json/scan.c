/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two layers. pass_*() rushes over blocks of which all bytes are certainly fine and
 * stops in front of the first thing that wants a look, never inside an escape or a
 * character (scan_kinds.h). token_length() then looks at that one thing byte by byte, and is
 * the only judge of what is wrong: pass_*() may stop too early, but never too late.
 */
#include "json/scan.h"

#include "base/encoding.h"
#include "json/block.h"
#include "json/escape.h"
#include "json/scan_kinds.h"

/* Bytes of the escape at the backslash `p`, 0 when it is wrong. */
static size_t escape_length(const char *p, const char *end, bool lone)
{
    int32_t unit;
    int32_t next;

    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
    unit = escape_unit(p, end);
    if (unit < 0)
        return 0;
    if (unit < 0xD800 || unit > 0xDFFF)
        return ESCAPE_UNIT;
    next = escape_unit(p + ESCAPE_UNIT, end);
    if (unit < 0xDC00 && next >= 0xDC00 && next <= 0xDFFF)
        return 2 * ESCAPE_UNIT;
    return lone ? ESCAPE_UNIT : 0;
}

/* Bytes of the character or escape at `p`, which is no quote; 0 when it is wrong. */
static ALWAYS_INLINE size_t token_length(const char *p, const char *end, bool lone)
{
    unsigned char c = (unsigned char)*p;

    if (c >= 0x80)
        return utf8_sequence((struct str){ p, (size_t)(end - p) });
    if (c == '\\')
        return escape_length(p, end, lone);
    return c >= 0x20;
}

static const char *pass_string_by_8(const char *p, const char *end, bool *escaped)
{
    (void)escaped; /* it stops at each backslash */
    for (; end - p >= 8; p += 8) {
        uint64_t word = block_word(p);
        uint64_t stop = (word & EACH_BYTE(0x80)) | block_word_below(word, 0x20) |
                        block_word_equal(word, '"') | block_word_equal(word, '\\');

        if (stop)
            return p + __builtin_ctzll(stop) / 8;
    }
    return p;
}

static const char *pass_utf8_by_8(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t stop = block_word(p) & EACH_BYTE(0x80);

        if (stop)
            return p + __builtin_ctzll(stop) / 8;
    }
    return p;
}

static const struct {
    const char *(*pass_string)(const char *p, const char *end, bool *escaped);
    const char *(*pass_utf8)(const char *p, const char *end);
} kinds[] = {
    [SCAN_BY_8] = { pass_string_by_8, pass_utf8_by_8 },
#if BLOCK_SSE2
    [SCAN_SSE2] = { scan_pass_string_sse2, scan_pass_utf8_sse2 },
    [SCAN_AVX2] = { scan_pass_string_avx2, scan_pass_utf8_avx2 },
#endif
};

bool scan_can(enum scan_kind kind)
{
#if BLOCK_SSE2
    if (kind == SCAN_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
    return true;
#else
    return kind == SCAN_BY_8;
#endif
}

/* The widest one that the processor can do. */
static inline enum scan_kind best(void)
{
    if (scan_can(SCAN_AVX2))
        return SCAN_AVX2;
    return scan_can(SCAN_SSE2) ? SCAN_SSE2 : SCAN_BY_8;
}

static ALWAYS_INLINE bool is_plain(char c)
{
    return c != '\\' && (unsigned char)c < 0x80;
}

/* Never a part of scan_string(): the short strings there need not save its registers. */
__attribute__((noinline)) const char *scan_string_as(enum scan_kind kind, const char *p,
                                                     const char *end, bool lone, bool *ret_escaped)
{
    bool escaped = false;
    size_t n = 1;

    while (n) {
        p = kinds[kind].pass_string(p, end, &escaped);
        if (p == end || *p == '"')
            break;
        /* What wants a look comes in runs. */
        do {
            escaped |= *p == '\\';
            n = token_length(p, end, lone);
            p += n;
        } while (n && p < end && !is_plain(*p));
    }
    *ret_escaped = escaped;
    return p;
}

/* Most strings are short and plain up to their end, for which wide blocks would be too much. */
enum { SHORT = 64 };

const char *scan_string(const char *p, const char *end, bool lone, bool *ret_escaped)
{
#if BLOCK_SSE2
    for (const char *start = p; end - p >= 16 && p - start < SHORT; p += 16) {
        __m128i v = block_load(p);
        __m128i outside = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)); /* controls, and beyond ASCII */
        __m128i marks = _mm_or_si128(block_equal(v, '"'), block_equal(v, '\\'));
        uint32_t stops = block_bits(_mm_or_si128(outside, marks));

        if (!stops)
            continue;
        if (p[__builtin_ctz(stops)] != '"')
            break;
        *ret_escaped = false;
        return p + __builtin_ctz(stops);
    }
#endif
    return scan_string_as(best(), p, end, lone, ret_escaped);
}

const char *scan_utf8_as(enum scan_kind kind, const char *p, const char *end)
{
    size_t n = 1;

    while (n) {
        p = kinds[kind].pass_utf8(p, end);
        if (p == end)
            break;
        n = utf8_sequence((struct str){ p, (size_t)(end - p) });
        p += n;
    }
    return p;
}

const char *scan_utf8(const char *p, const char *end)
{
    const char *edge = end - p < SHORT ? end : p + SHORT;

    p = pass_utf8_by_8(p, edge);
    while (p < edge && (unsigned char)*p < 0x80)
        p++;
    return p == end ? end : scan_utf8_as(best(), p, end);
}
