/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629), part of encoding.h: checked by the table of well-formed
 * sequences (Unicode, table 3-7); runs of ASCII go up to 32 bytes at a time.
 */
#include "base/encoding.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_between(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* How long a sequence is by its first byte, and which second byte may follow. */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (is_between(c, 0xc2, 0xdf))
        return 2;
    if (is_between(c, 0xe0, 0xef)) {
        *low = c == 0xe0 ? 0xa0 : 0x80;  /* no overlong form */
        *high = c == 0xed ? 0x9f : 0xbf; /* no surrogate */
        return 3;
    }
    if (is_between(c, 0xf0, 0xf4)) {
        *low = c == 0xf0 ? 0x90 : 0x80;
        *high = c == 0xf4 ? 0x8f : 0xbf; /* nothing above U+10FFFF */
        return 4;
    }
    return 0;
}

size_t utf8_sequence(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low;
    unsigned char high;
    size_t n;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    n = lead(p[0], &low, &high);
    if (n == 0 || s.n < n || !is_between(p[1], low, high))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!is_between(p[i], 0x80, 0xbf))
            return 0;
    return n;
}

static inline uint64_t word_at(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

/* Length of the ASCII that `s` begins with. */
static size_t ascii_run(struct str s)
{
    const char *p = s.p;
    size_t at = 0;

    for (; s.n - at >= 32; at += 32)
        if ((word_at(p + at) | word_at(p + at + 8) | word_at(p + at + 16) | word_at(p + at + 24)) &
            HIGH_BITS)
            break;
    for (; s.n - at >= 8; at += 8)
        if (word_at(p + at) & HIGH_BITS)
            break;
    while (at < s.n && (unsigned char)p[at] < 0x80)
        at++;
    return at;
}

bool utf8_is_valid(struct str s)
{
    size_t at = 0;

    for (;;) {
        size_t n;

        at += ascii_run(str_from(s, at));
        if (at == s.n)
            return true;
        n = utf8_sequence(str_from(s, at));
        if (n == 0)
            return false;
        at += n;
    }
}

size_t utf8_count(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

size_t utf8_count_utf16(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        n += (size_t)((c & 0xc0) != 0x80) + (size_t)(c >= 0xf0);
    }
    return n;
}

static char tail(uint32_t c, unsigned shift)
{
    return (char)(0x80 | (c >> shift & 0x3f));
}

size_t utf8_put(uint32_t c, char out[4])
{
    BUG_ON(c >= 0x110000 || (c >= 0xd800 && c < 0xe000));
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = tail(c, 0);
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = tail(c, 6);
        out[2] = tail(c, 0);
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = tail(c, 12);
    out[2] = tail(c, 6);
    out[3] = tail(c, 0);
    return 4;
}
