/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rushes over strings, for one kind of vectors: scan_sse2.c and scan_avx2.c are this file,
 * compiled for each. It has two functions of those in scan_kinds.h.
 */
#include "json/scan_kinds.h"
#include "json/wide.h"

/* What to pass over: the inside of a string, or all that is UTF-8. */
enum rule { STRING, UTF8 };

/* What runs over the end of one block into the next. */
struct carry {
    uint64_t escape;    /* 1: the first byte there is escaped */
    uint64_t escapes;   /* not 0: there were backslashes */
    uint64_t tails;     /* continuation bytes that are due there, a bit each */
    unsigned char last; /* the byte before, valid while `tails` is not 0 */
};

/* The bytes `c` of a block, and the same a byte later, where they have `carry->last` in front. */
static ALWAYS_INLINE uint64_t behind(const struct wide *w, unsigned char c,
                                     const struct carry *carry)
{
    return wide_equal(w, c) << 1 | (carry->tails && carry->last == c);
}

/* The bytes at which the block breaks the rules of UTF-8 (RFC 3629 4): continuation bytes are
 * where they are due and nowhere else; some heads allow but a part of them; some do not exist. */
static ALWAYS_INLINE uint64_t wrong_utf8(const struct wide *w, uint64_t high, const char *bytes,
                                         struct carry *carry)
{
    uint64_t tails = wide_high_below(w, 0xC0);
    uint64_t heads34 = high & ~wide_high_below(w, 0xE0);
    uint64_t heads4 = 0;
    uint64_t due = carry->tails | (high & ~tails) << 1 | heads34 << 2;
    uint64_t wrong = wide_high_below(w, 0xC2) & ~tails; /* 0xC0 and 0xC1 */

    if (heads34 | carry->tails) {
        uint64_t under_a0 = wide_high_below(w, 0xA0);

        heads4 = high & ~wide_high_below(w, 0xF0);
        wrong |= (behind(w, 0xE0, carry) & under_a0) | (behind(w, 0xED, carry) & ~under_a0);
    }
    if (heads4 | carry->tails) {
        uint64_t under_90 = wide_high_below(w, 0x90);

        due |= heads4 << 3;
        wrong |= high & ~wide_high_below(w, 0xF5);
        wrong |= (behind(w, 0xF0, carry) & under_90) | (behind(w, 0xF4, carry) & ~under_90);
    }
    wrong |= due ^ tails;
    carry->tails = (high & ~tails) >> 63 | heads34 >> 62 | heads4 >> 61;
    carry->last = (unsigned char)bytes[WIDE - 1];
    return wrong;
}

/* From the start of a block to that of the escape or character which runs into it. */
static ALWAYS_INLINE const char *back_up(const char *p, uint64_t escape, uint64_t tails)
{
    p -= escape;
    if (tails)
        do
            p--;
        while (((unsigned char)*p & 0xC0) == 0x80);
    return p;
}

/* Where the block stops: an offset, -1 for the escape that runs into it, or one of these. */
enum { NOWHERE = WIDE, IN_WRONG_UTF8 };

static ALWAYS_INLINE int stop_in(enum rule rule, const char *bytes, struct carry *carry)
{
    struct wide w = wide_load(bytes);
    uint64_t outside = wide_low_or_high(&w);
    uint64_t high = outside ? wide_high(&w) : 0;
    uint64_t backslashes = 0;
    uint64_t by_escape = 0;
    uint64_t stop = 0;
    uint64_t seen;

    if (rule == STRING) {
        uint64_t quotes = wide_equal(&w, '"');

        backslashes = wide_equal(&w, '\\');
        stop = outside & ~high;
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
    carry->escapes |= backslashes & seen;
    if (!stop)
        return NOWHERE;
    return __builtin_ctzll(stop) - (int)(by_escape >> __builtin_ctzll(stop) & 1);
}

/* Passes over plain text and two-byte escapes; stops at all else. The last block has NULs behind
 * the end, which stop as well or, behind a character that is cut, are no UTF-8. */
static ALWAYS_INLINE const char *pass(enum rule rule, const char *p, const char *end, bool *escaped)
{
    struct carry carry = { 0 };
    uint64_t escape = 0; /* what the carry was in front of the block */
    uint64_t tails = 0;
    char padded[WIDE];
    int at = NOWHERE;

    for (; end - p >= WIDE; p += WIDE) {
        at = stop_in(rule, p, &carry);
        if (at != NOWHERE)
            break;
        escape = carry.escape;
        tails = carry.tails;
    }
    if (at == NOWHERE && p < end) {
        at = stop_in(rule, wide_pad(p, end, padded), &carry);
        if (at == NOWHERE) {
            escape = carry.escape;
            tails = carry.tails;
            p = end;
        }
    }
    *escaped |= carry.escapes != 0;
    return at < NOWHERE ? p + at : back_up(p, escape, tails);
}

#define PASTE(name, kind) name##_##kind
#define OF_KIND(name, kind) PASTE(name, kind)

const char *OF_KIND(scan_pass_string, KIND)(const char *p, const char *end, bool *escaped)
{
    return pass(STRING, p, end, escaped);
}

const char *OF_KIND(scan_pass_utf8, KIND)(const char *p, const char *end)
{
    bool escaped = false;

    return pass(UTF8, p, end, &escaped);
}
