/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is copied whole, and once more behind each of its escapes, to where the rest
 * belongs there. All that is special in a block is found by one look: to look anew behind
 * each escape would wait for the one before, and escapes come every few bytes in code.
 */
#include "json/escape.h"

#include "json/block.h"

/* A hex digit's value, and 0x10000 for all else. */
static int32_t hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0x10000;
}

int32_t escape_unit(const char *p, const char *end)
{
    int32_t unit = 0;
    int32_t all = 0;

    if (end - p < ESCAPE_UNIT || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE_UNIT; i++) {
        int32_t digit = hex_digit(p[i]);

        all |= digit;
        unit = unit << 4 | (digit & 15);
    }
    return all & 0x10000 ? -1 : unit;
}

/* What the two-byte escape with that letter stands for. */
static ALWAYS_INLINE char meaning(char letter)
{
    static const char meanings[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
    };

    return meanings[(unsigned char)letter & 0x7F];
}

/* The backslashes of a block: a bit a byte, or the top bit of each 8. */
static ALWAYS_INLINE uint64_t backslashes(enum block_kind kind, const char *p)
{
#if BLOCK_SSE2
    if (kind == BLOCK_BY_16)
        return block_bits(block_equal(block_load(p), '\\'));
#endif
    (void)kind;
    return block_word_equal(block_word(p), '\\');
}

/* Decodes a block and, when an escape runs over it, one byte more. False when it stopped
 * earlier: in front of a \u escape, or with less than a block left. */
static ALWAYS_INLINE bool decode_block(enum block_kind kind, const char **p, const char *end,
                                       char **out)
{
    const unsigned bits = kind == BLOCK_BY_16 ? 1 : 8;
    const uint64_t pair = kind == BLOCK_BY_16 ? 3 : 0xFFFF;
    const char *block = *p;
    const char *next = block + block_size(kind);
    uint64_t slashes = backslashes(kind, block);

    block_copy(kind, block, *out);
    while (slashes) {
        unsigned bit = (unsigned)__builtin_ctzll(slashes) & ~(bits - 1);
        const char *slash = block + bit / bits;

        *out += slash - *p;
        *p = slash;
        if (slash[1] == 'u')
            return false;
        *(*out)++ = meaning(slash[1]);
        *p += 2;
        if (end - *p < block_size(kind))
            return false;
        block_copy(kind, *p, *out);
        slashes &= ~(pair << bit);
    }
    if (*p < next) {
        *out += next - *p;
        *p = next;
    }
    return true;
}

static ALWAYS_INLINE const char *decode(enum block_kind kind, const char *p, const char *end,
                                        char **ret_out)
{
    char *out = *ret_out;

    while (end - p >= block_size(kind) && decode_block(kind, &p, end, &out))
        continue;
    while (p < end && (*p != '\\' || p[1] != 'u')) {
        bool escaped = *p == '\\';

        *out++ = escaped ? meaning(p[1]) : *p;
        p += escaped ? 2 : 1;
    }
    *ret_out = out;
    return p;
}

const char *escape_decode(const char *p, const char *end, char **out)
{
    return decode(BLOCK_IN_USE, p, end, out);
}

const char *escape_decode_by_8(const char *p, const char *end, char **out)
{
    return decode(BLOCK_BY_8, p, end, out);
}

/* Writes the escape for `c`, which cannot stand for itself; returns its length. */
static ALWAYS_INLINE size_t put_escape(unsigned char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    out[0] = '\\';
    out[1] = letters[c];
    if (out[1])
        return 2;
    out[1] = 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static inline bool is_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The bytes of a block that cannot stand for themselves, as backslashes() gives them. */
static ALWAYS_INLINE uint64_t specials(enum block_kind kind, const char *p)
{
    uint64_t word;

#if BLOCK_SSE2
    if (kind == BLOCK_BY_16) {
        __m128i v = block_load(p);
        __m128i marks = _mm_or_si128(block_equal(v, '"'), block_equal(v, '\\'));

        return block_bits(_mm_or_si128(marks, block_controls(v)));
    }
#endif
    (void)kind;
    word = block_word(p);
    return block_word_equal(word, '"') | block_word_equal(word, '\\') |
           block_word_below(word, 0x20);
}

/* Encodes a block; false when it stopped behind an escape with less than a block left. */
static ALWAYS_INLINE bool encode_block(enum block_kind kind, const char **p, const char *end,
                                       char **out)
{
    const unsigned bits = kind == BLOCK_BY_16 ? 1 : 8;
    const char *block = *p;
    const char *next = block + block_size(kind);
    uint64_t left = specials(kind, block);

    block_copy(kind, block, *out);
    for (; left; left &= left - 1) {
        const char *special = block + (unsigned)__builtin_ctzll(left) / bits;

        *out += special - *p;
        *out += put_escape((unsigned char)*special, *out);
        *p = special + 1;
        if (end - *p < block_size(kind))
            return false;
        block_copy(kind, *p, *out);
    }
    *out += next - *p;
    *p = next;
    return true;
}

static ALWAYS_INLINE const char *encode(enum block_kind kind, const char *p, const char *end,
                                        char **ret_out, const char *limit)
{
    char *out = *ret_out;

    while (end - p >= block_size(kind) && out < limit && encode_block(kind, &p, end, &out))
        continue;
    while (p < end && out < limit) {
        if (is_special(*p))
            out += put_escape((unsigned char)*p, out);
        else
            *out++ = *p;
        p++;
    }
    *ret_out = out;
    return p;
}

const char *escape_encode(const char *p, const char *end, char **out, const char *limit)
{
    return encode(BLOCK_IN_USE, p, end, out, limit);
}

const char *escape_encode_by_8(const char *p, const char *end, char **out, const char *limit)
{
    return encode(BLOCK_BY_8, p, end, out, limit);
}
