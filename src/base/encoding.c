/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text encodings. Encoders ask for their whole output at once; decoders fail
 * with the buffer as it was.
 */
#include "base/encoding.h"

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

/* 1 to 3 bytes as 4 characters. */
static void encode_group(const unsigned char *in, size_t n, char *out)
{
    uint32_t v = (uint32_t)in[0] << 16;

    if (n > 1)
        v |= (uint32_t)in[1] << 8;
    if (n > 2)
        v |= in[2];
    out[0] = base64_letters[v >> 18];
    out[1] = base64_letters[v >> 12 & 63];
    out[2] = base64_letters[n > 1 ? v >> 6 & 63 : 64];
    out[3] = base64_letters[n > 2 ? v & 63 : 64];
}

enum err base64_add(struct buf *out, struct str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.p;
    size_t groups = bytes.n / 3 + (bytes.n % 3 != 0);
    char *room;
    enum err err;

    if (groups > SIZE_MAX / 4)
        return ERR_TOO_BIG;
    err = buf_reserve(out, groups * 4, &room);
    if (err)
        return err;
    for (size_t i = 0; i < groups; i++) {
        size_t left = bytes.n - i * 3;

        encode_group(in + i * 3, left < 3 ? left : 3, room + i * 4);
    }
    buf_commit(out, groups * 4);
    return ERR_NONE;
}

/* The value of a letter of either alphabet, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Cuts correct padding off; wrong padding stays and is no letter. */
static struct str without_padding(struct str text)
{
    if (text.n == 0 || text.n % 4 != 0)
        return text;
    for (int i = 0; i < 2 && text.p[text.n - 1] == '='; i++)
        text.n--;
    return text;
}

enum err base64_decode(struct buf *out, struct str text)
{
    uint32_t bits = 0;
    size_t n = 0;
    char *room;
    enum err err;

    text = without_padding(text);
    if (text.n % 4 == 1)
        return ERR_BAD_INPUT;
    err = buf_reserve(out, text.n / 4 * 3 + text.n % 4 * 3 / 4, &room);
    if (err)
        return err;
    for (size_t i = 0; i < text.n; i++) {
        int value = base64_value(text.p[i]);

        if (value < 0)
            return ERR_BAD_INPUT;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            room[n++] = (char)(bits >> (6 - i % 4 * 2) & 0xff);
    }
    buf_commit(out, n);
    return ERR_NONE;
}

void hex_encode(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}

/* Of one digit, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20) - 'a' + 10;
    return -1;
}

enum err hex_decode(struct str text, unsigned char *out)
{
    if (text.n % 2 != 0)
        return ERR_BAD_INPUT;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);

        if (high < 0 || low < 0)
            return ERR_BAD_INPUT;
        out[i / 2] = (unsigned char)(high << 4 | low);
    }
    return ERR_NONE;
}

/* RFC 3986 2.3 */
static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

enum err percent_add(struct buf *out, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    char *room;
    enum err err;

    for (size_t i = 0; i < s.n; i++)
        n += is_unreserved(s.p[i]) ? 1 : 3;
    err = buf_reserve(out, n, &room);
    if (err)
        return err;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_unreserved(s.p[i])) {
            *room++ = s.p[i];
            continue;
        }
        *room++ = '%';
        *room++ = digits[c >> 4];
        *room++ = digits[c & 15];
    }
    buf_commit(out, n);
    return ERR_NONE;
}

/* The byte that stands at `i`, and how many bytes stand for it; 0 for a '%' without two digits. */
static size_t percent_byte(struct str s, size_t i, char *ret)
{
    int high, low;

    *ret = s.p[i];
    if (s.p[i] != '%')
        return 1;
    if (s.n - i < 3)
        return 0;
    high = hex_value(s.p[i + 1]);
    low = hex_value(s.p[i + 2]);
    *ret = (char)(high * 16 + low);
    return high < 0 || low < 0 ? 0 : 3;
}

enum err percent_decode(struct buf *out, struct str s)
{
    size_t before = out->n;
    enum err err = ERR_NONE;
    size_t used;
    char c;

    for (size_t i = 0; i < s.n && !err; i += used) {
        used = percent_byte(s, i, &c);
        err = used ? buf_add_char(out, c) : ERR_BAD_INPUT;
    }
    if (err)
        buf_truncate(out, before);
    return err;
}
