/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two layers. pass_*() rushes over blocks of which all bytes are certainly fine and
 * stops in front of the first thing that wants a look, never inside an escape or a
 * character. token_length() then looks at that one thing byte by byte, and is the
 * only judge of what is wrong: pass_*() may stop too early, but never too late.
 */
#include "json/scan.h"

#include "base/encoding.h"
#include "json/block.h"
#include "json/escape.h"

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

/* What to pass over: the inside of a string, or all that is UTF-8. */
enum rule { STRING, UTF8 };

static ALWAYS_INLINE const char *pass_by_8(enum rule rule, const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word = block_word(p);
        uint64_t stop = word & EACH_BYTE(0x80);

        if (rule == STRING)
            stop |= block_word_below(word, 0x20) | block_word_equal(word, '"') |
                    block_word_equal(word, '\\');
        if (stop)
            return p + __builtin_ctzll(stop) / 8;
        p += 8;
    }
    return p;
}

#if BLOCK_SSE2
/* What runs over the end of one block into the next. */
struct carry {
    uint64_t escape;    /* 1: the first byte there is escaped */
    uint64_t tails;     /* continuation bytes that are due there, a bit each */
    unsigned char last; /* the byte before, valid while `tails` is not 0 */
};

/* The bytes `c` of a block, and the same a byte later, where they have `carry->last` in front. */
static ALWAYS_INLINE uint64_t behind(const struct block_wide *w, unsigned char c,
                                     const struct carry *carry)
{
    return block_wide_equal(w, c) << 1 | (carry->tails && carry->last == c);
}

/* The bytes at which the block breaks the rules of UTF-8 (RFC 3629 4): continuation bytes are
 * where they are due and nowhere else; some heads allow but a part of them; some do not exist. */
static ALWAYS_INLINE uint64_t wrong_utf8(const struct block_wide *w, uint64_t high,
                                         const char *bytes, struct carry *carry)
{
    uint64_t tails = block_wide_high_below(w, 0xC0);
    uint64_t heads34 = high & ~block_wide_high_below(w, 0xE0);
    uint64_t heads4 = 0;
    uint64_t due = carry->tails | (high & ~tails) << 1 | heads34 << 2;
    uint64_t wrong = block_wide_equal(w, 0xC0) | block_wide_equal(w, 0xC1);

    if (heads34 | carry->tails) {
        uint64_t under_a0 = block_wide_high_below(w, 0xA0);

        heads4 = high & ~block_wide_high_below(w, 0xF0);
        wrong |= (behind(w, 0xE0, carry) & under_a0) | (behind(w, 0xED, carry) & ~under_a0);
    }
    if (heads4 | carry->tails) {
        uint64_t under_90 = block_wide_high_below(w, 0x90);

        due |= heads4 << 3;
        wrong |= high & ~block_wide_high_below(w, 0xF5);
        wrong |= (behind(w, 0xF0, carry) & under_90) | (behind(w, 0xF4, carry) & ~under_90);
    }
    wrong |= due ^ tails;
    carry->tails = (high & ~tails) >> 63 | heads34 >> 62 | heads4 >> 61;
    carry->last = (unsigned char)bytes[BLOCK_WIDE - 1];
    return wrong;
}

/* From the start of a block to that of the escape or character which runs into it. */
static ALWAYS_INLINE const char *back_up(const char *p, const struct carry *carry)
{
    p -= carry->escape;
    if (carry->tails)
        do
            p--;
        while (((unsigned char)*p & 0xC0) == 0x80);
    return p;
}

/* The letters of two-byte escapes, quotes and backslashes aside. */
static ALWAYS_INLINE __m128i escape_letters(__m128i v)
{
    __m128i b_or_f = block_equal(_mm_and_si128(v, _mm_set1_epi8(~4)), 'b');
    __m128i r_or_n = _mm_or_si128(block_equal(v, 'r'), block_equal(v, 'n'));
    __m128i t_or_slash = _mm_or_si128(block_equal(v, 't'), block_equal(v, '/'));

    return _mm_or_si128(b_or_f, _mm_or_si128(r_or_n, t_or_slash));
}

static ALWAYS_INLINE uint64_t wide_escape_letters(const struct block_wide *w)
{
    return block_wide_bits(escape_letters(w->v[0]), escape_letters(w->v[1]),
                           escape_letters(w->v[2]), escape_letters(w->v[3]));
}

/* Where the block stops: an offset, -1 for the escape that runs into it, or one of these. */
enum { NOWHERE = BLOCK_WIDE, IN_WRONG_UTF8 };

static ALWAYS_INLINE int block_stop(enum rule rule, const char *bytes, struct carry *carry,
                                    bool *escaped)
{
    struct block_wide w = block_wide_load(bytes);
    uint64_t high = block_wide_high(&w);
    uint64_t backslashes = 0;
    uint64_t by_escape = 0;
    uint64_t stop = 0;
    uint64_t seen;

    if (rule == STRING) {
        uint64_t quotes = block_wide_equal(&w, '"');

        backslashes = block_wide_equal(&w, '\\');
        stop = block_wide_controls(&w);
        if (backslashes | carry->escape) {
            by_escape = block_escaped(backslashes, &carry->escape);
            stop |= by_escape & ~(quotes | backslashes | wide_escape_letters(&w));
        }
        stop |= quotes & ~by_escape;
    }
    /* What is behind the first stop is not of this string. */
    seen = stop ^ (stop - 1);
    if ((high | carry->tails) && (wrong_utf8(&w, high, bytes, carry) & seen))
        return IN_WRONG_UTF8;
    *escaped |= (backslashes & seen) != 0;
    if (!stop)
        return NOWHERE;
    return __builtin_ctzll(stop) - (int)(by_escape >> __builtin_ctzll(stop) & 1);
}

/* Passes over plain text and two-byte escapes; stops at all else. The last block has NULs behind
 * the end, which stop as well or, behind a character that is cut, are no UTF-8. */
static ALWAYS_INLINE const char *pass_by_64(enum rule rule, const char *p, const char *end,
                                            bool *escaped)
{
    struct carry carry = { 0 };

    while (p < end) {
        const struct carry carried = carry;
        bool is_last = end - p < BLOCK_WIDE;
        char padded[BLOCK_WIDE];
        int at = block_stop(rule, is_last ? block_wide_pad(p, end, padded) : p, &carry, escaped);

        if (at < NOWHERE)
            return p + at;
        if (at == IN_WRONG_UTF8)
            return back_up(p, &carried);
        p = is_last ? end : p + BLOCK_WIDE;
    }
    return back_up(p, &carry);
}
#endif

static ALWAYS_INLINE const char *pass(enum block_kind kind, enum rule rule, const char *p,
                                      const char *end, bool *escaped)
{
#if BLOCK_SSE2
    if (kind == BLOCK_BY_16)
        return pass_by_64(rule, p, end, escaped);
#endif
    (void)kind;
    (void)escaped;
    return pass_by_8(rule, p, end);
}

static ALWAYS_INLINE bool is_plain(char c)
{
    return c != '\\' && (unsigned char)c < 0x80;
}

static ALWAYS_INLINE const char *string_end(enum block_kind kind, const char *p, const char *end,
                                            bool lone, bool *ret_escaped)
{
    bool escaped = false;
    size_t n = 1;

    while (n) {
        p = pass(kind, STRING, p, end, &escaped);
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

/* Apart, so that those in which nothing wants a look need not save its registers. */
static __attribute__((noinline)) const char *string_end_in_use(const char *p, const char *end,
                                                               bool lone, bool *ret_escaped)
{
    return string_end(BLOCK_IN_USE, p, end, lone, ret_escaped);
}

/* Most strings are short and plain up to their end, for which blocks of 64 would be too much. */
const char *scan_string(const char *p, const char *end, bool lone, bool *ret_escaped)
{
#if BLOCK_SSE2
    for (; end - p >= 16; p += 16) {
        __m128i v = block_load(p);
        __m128i special = _mm_or_si128(block_equal(v, '\\'), block_controls(v));
        uint32_t wants_a_look = block_bits(_mm_or_si128(special, v));
        uint32_t quotes = block_bits(block_equal(v, '"'));

        if (quotes & (wants_a_look - 1) & ~wants_a_look) {
            *ret_escaped = false;
            return p + __builtin_ctz(quotes);
        }
        if (wants_a_look)
            break;
    }
#endif
    return string_end_in_use(p, end, lone, ret_escaped);
}

const char *scan_string_by_8(const char *p, const char *end, bool lone, bool *ret_escaped)
{
    return string_end(BLOCK_BY_8, p, end, lone, ret_escaped);
}

static ALWAYS_INLINE const char *utf8_end(enum block_kind kind, const char *p, const char *end)
{
    bool escaped = false;
    size_t n = 1;

    while (n) {
        p = pass(kind, UTF8, p, end, &escaped);
        if (p == end)
            break;
        n = utf8_sequence((struct str){ p, (size_t)(end - p) });
        p += n;
    }
    return p;
}

const char *scan_utf8(const char *p, const char *end)
{
    return utf8_end(BLOCK_IN_USE, p, end);
}

const char *scan_utf8_by_8(const char *p, const char *end)
{
    return utf8_end(BLOCK_BY_8, p, end);
}
