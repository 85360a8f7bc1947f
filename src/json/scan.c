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
    uint32_t escape; /* 1: the first byte there is escaped */
    uint32_t tails;  /* continuation bytes that are due there, a bit each */
    __m128i block;   /* the block before, valid while `tails` is not 0 */
};

/*
 * The bytes of a block that a backslash escapes. Runs of backslashes are told even from odd by
 * the borrows of one subtraction (as simdjson does it).
 */
static ALWAYS_INLINE uint32_t escaped_bytes(uint32_t backslashes, struct carry *carry)
{
    const uint32_t odd = 0xAAAAAAAA;
    uint32_t starts = backslashes & ~carry->escape;
    uint32_t pairs = (((starts << 1) | odd) - starts) ^ odd;
    uint32_t escaped = pairs ^ (backslashes | carry->escape);

    carry->escape = (pairs & backslashes) >> 15 & 1;
    return escaped & 0xFFFF;
}

/* The letters of two-byte escapes. */
static ALWAYS_INLINE uint32_t escape_letters(__m128i v)
{
    __m128i b_or_f = block_equal(_mm_and_si128(v, _mm_set1_epi8(~4)), 'b');
    __m128i r_or_n = _mm_or_si128(block_equal(v, 'r'), block_equal(v, 'n'));
    __m128i t_or_slash = _mm_or_si128(block_equal(v, 't'), block_equal(v, '/'));

    return block_bits(_mm_or_si128(b_or_f, _mm_or_si128(r_or_n, t_or_slash)));
}

/* Of the bytes 0x80 to 0xFF those below `limit`: as signed numbers they keep their order. */
static ALWAYS_INLINE uint32_t high_below(__m128i v, unsigned char limit)
{
    return block_bits(_mm_cmplt_epi8(v, _mm_set1_epi8((char)limit)));
}

static ALWAYS_INLINE uint32_t equal(__m128i v, unsigned char c)
{
    return block_bits(block_equal(v, c));
}

/* The bytes at which the block breaks the rules of UTF-8 (RFC 3629 4): continuation bytes are
 * where they are due and nowhere else; some heads allow but a part of them; some do not exist. */
static ALWAYS_INLINE uint32_t wrong_utf8(__m128i v, uint32_t high, struct carry *carry)
{
    uint32_t tails = high_below(v, 0xC0);
    uint32_t heads = high & ~tails;
    uint32_t heads34 = high & ~high_below(v, 0xE0);
    uint32_t heads4 = high & ~high_below(v, 0xF0);
    uint32_t due = carry->tails | heads << 1 | heads34 << 2 | heads4 << 3;
    uint32_t under_90 = high_below(v, 0x90);
    uint32_t under_a0 = high_below(v, 0xA0);
    uint32_t wrong = due ^ tails;
    __m128i before = _mm_slli_si128(v, 1);

    if (carry->tails)
        before = _mm_or_si128(before, _mm_srli_si128(carry->block, 15));
    wrong |= equal(v, 0xC0) | equal(v, 0xC1) | (high & ~high_below(v, 0xF5));
    wrong |= (equal(before, 0xE0) & under_a0) | (equal(before, 0xED) & ~under_a0);
    wrong |= (equal(before, 0xF0) & under_90) | (equal(before, 0xF4) & ~under_90);
    carry->tails = due >> 16;
    carry->block = v;
    return wrong & 0xFFFF;
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

/* What there is in a block, a bit a byte. */
struct found {
    uint32_t quotes;
    uint32_t backslashes;
    uint32_t controls;
    uint32_t high; /* beyond ASCII */
};

static ALWAYS_INLINE struct found look(enum rule rule, __m128i v)
{
    struct found f = { .high = block_bits(v) };

    if (rule == STRING) {
        f.quotes = equal(v, '"');
        f.backslashes = equal(v, '\\');
        f.controls = block_bits(block_controls(v));
    }
    return f;
}

/* Passes over plain text and two-byte escapes; stops at all else. */
static ALWAYS_INLINE const char *pass_by_16(enum rule rule, const char *p, const char *end,
                                            bool *escaped)
{
    struct carry carry = { .block = _mm_setzero_si128() };

    for (; end - p >= 16; p += 16) {
        const struct carry carried = carry;
        __m128i v = block_load(p);
        struct found f = look(rule, v);
        uint32_t by_escape;
        uint32_t stop;
        uint32_t seen;

        if (!(f.quotes | f.backslashes | f.controls | f.high | carry.escape | carry.tails))
            continue;
        by_escape = escaped_bytes(f.backslashes, &carry);
        stop = f.controls | (f.quotes & ~by_escape) |
               (by_escape & ~(f.quotes | f.backslashes | escape_letters(v)));
        /* What is behind the first stop is not of this string. */
        seen = stop ^ (stop - 1);
        if ((f.high | carry.tails) && (wrong_utf8(v, f.high, &carry) & seen))
            return back_up(p, &carried);
        *escaped |= (f.backslashes & seen) != 0;
        if (stop) {
            unsigned at = (unsigned)__builtin_ctz(stop);

            return p + at - (by_escape >> at & 1);
        }
    }
    return back_up(p, &carry);
}
#endif

static ALWAYS_INLINE const char *pass(enum block_kind kind, enum rule rule, const char *p,
                                      const char *end, bool *escaped)
{
#if BLOCK_SSE2
    if (kind == BLOCK_BY_16)
        p = pass_by_16(rule, p, end, escaped);
    if (kind == BLOCK_BY_16 && end - p >= 16)
        return p;
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

#if BLOCK_SSE2
/* The length of a string that ends in its first block, with nothing in it that wants a look; else
 * 16 or more. Most keys and many values do. */
static ALWAYS_INLINE unsigned short_length(const char *p)
{
    __m128i v = block_load(p);
    struct found f = look(STRING, v);
    uint32_t wants_a_look = f.backslashes | f.controls | f.high;

    return f.quotes & (wants_a_look - 1) & ~wants_a_look
               ? (unsigned)__builtin_ctz(f.quotes | 1u << 16)
               : 16;
}
#endif

const char *scan_string(const char *p, const char *end, bool lone, bool *ret_escaped)
{
#if BLOCK_SSE2
    if (end - p >= 16) {
        unsigned n = short_length(p);

        if (n < 16) {
            *ret_escaped = false;
            return p + n;
        }
    }
#endif
    return string_end(BLOCK_IN_USE, p, end, lone, ret_escaped);
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
