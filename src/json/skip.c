/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixty-four bytes at a time, a bit a byte: which quotes are no escaped ones, what lies between
 * them, and which brackets do not (as simdjson finds its structure).
 */
#include "json/skip.h"

#include "json/block.h"

const char *skip_nested_by_1(const char *p, const char *end)
{
    bool in_string = false;
    size_t depth = 0;

    for (; p < end; p++) {
        if (*p == '"')
            in_string = !in_string;
        else if (in_string)
            p += *p == '\\' && end - p > 1;
        else if (*p == '[' || *p == '{')
            depth++;
        else if ((*p == ']' || *p == '}') && --depth == 0)
            return p + 1;
    }
    return end;
}

#if BLOCK_SSE2
enum { WIDE = 64 };

/* What runs over the end of one block into the next. */
struct carry {
    uint64_t escape; /* 1: the first byte there is escaped */
    uint64_t string; /* all ones: it begins inside a string */
    size_t depth;    /* brackets that are open */
};

/* What there is in a block. */
struct found {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t opening;
    uint64_t closing;
};

static ALWAYS_INLINE struct found look(const char *p)
{
    struct found f = { 0 };

    for (unsigned i = 0; i < WIDE; i += 16) {
        __m128i v = block_load(p + i);
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20)); /* [ to {, ] to } */

        f.quotes |= (uint64_t)block_bits(block_equal(v, '"')) << i;
        f.backslashes |= (uint64_t)block_bits(block_equal(v, '\\')) << i;
        f.opening |= (uint64_t)block_bits(block_equal(folded, '{')) << i;
        f.closing |= (uint64_t)block_bits(block_equal(folded, '}')) << i;
    }
    return f;
}

/* Each bit: whether the bits up to it, itself included, are an odd number. */
static ALWAYS_INLINE uint64_t parity_so_far(uint64_t bits)
{
    for (unsigned shift = 1; shift < WIDE; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* Counts the brackets of a block; the place behind the last one to close, or 0. */
static ALWAYS_INLINE unsigned count(struct found f, struct carry *carry)
{
    uint64_t escaped =
        f.backslashes | carry->escape ? block_escaped(f.backslashes, &carry->escape) : 0;
    uint64_t quotes = f.quotes & ~escaped;
    uint64_t inside = carry->string;
    uint64_t brackets;

    if (quotes) {
        inside ^= parity_so_far(quotes);
        carry->string = inside >> 63 ? UINT64_MAX : 0;
    }
    for (brackets = (f.opening | f.closing) & ~inside; brackets; brackets &= brackets - 1) {
        uint64_t bit = brackets & -brackets;

        carry->depth += f.opening & bit ? 1 : (size_t)-1;
        if (carry->depth == 0)
            return (unsigned)__builtin_ctzll(bit) + 1;
    }
    return 0;
}

const char *skip_nested(const char *p, const char *end)
{
    struct carry carry = { 0 };
    unsigned at;

    for (; end - p >= WIDE; p += WIDE) {
        at = count(look(p), &carry);
        if (at)
            return p + at;
    }
    if (p < end) {
        char last[WIDE] = { 0 };

        memcpy(last, p, (size_t)(end - p));
        at = count(look(last), &carry);
        if (at)
            return p + at;
    }
    return end;
}
#else
const char *skip_nested(const char *p, const char *end)
{
    return skip_nested_by_1(p, end);
}
#endif
