/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What values mean: the text of strings, numbers as integers and doubles, members
 * by name. All of it works on slices that the reader has checked, so escapes are
 * known to be whole; only surrogate halves that `lone_surrogates` let through remain.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "base/mem.h"
#include "json/block.h"
#include "json/escape.h"
#include "json/reader.h"

enum {
    PIECE = 512,       /* bytes that are decoded on the stack at a time */
    NUMBER_SHORT = 64, /* bytes of a number that need no heap */
    REPLACEMENT = 0xFFFD,
};

static bool is_high(int32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Decodes the \u escape, or the pair of them, at `*p`. */
static uint32_t take_unicode(const char **p, const char *end)
{
    int32_t unit = escape_unit(*p, end);
    int32_t next;

    *p += ESCAPE_UNIT;
    if (!is_high(unit))
        return is_low(unit) ? REPLACEMENT : (uint32_t)unit;
    next = escape_unit(*p, end);
    if (!is_low(next))
        return REPLACEMENT;
    *p += ESCAPE_UNIT;
    return 0x10000u + ((uint32_t)(unit & 0x3FF) << 10 | (uint32_t)(next & 0x3FF));
}

/* Decodes some of what is left of a string: up to a \u escape, that included. */
static const char *decode(const char *p, const char *end, char **out)
{
    p = escape_decode(p, end, out);
    if (p < end)
        *out += utf8_put(take_unicode(&p, end), *out);
    return p;
}

/* The bytes between the quotes. */
static struct str inside(const struct json_value *v)
{
    return (struct str){ v->raw.p + 1, v->raw.n - 2 };
}

/* Decoded text is never longer than what it was decoded from. */
enum err json_text(const struct json_value *v, struct arena *a, struct str *ret)
{
    struct str in;
    const char *p;
    char *start;
    char *out;

    if (v->type != JSON_STRING)
        return ERR_BAD_INPUT;
    in = inside(v);
    if (!v->escaped) {
        *ret = in;
        return ERR_NONE;
    }
    start = arena_try(a, in.n + ESCAPE_SLACK);
    if (!start)
        return ERR_NOMEM;
    p = in.p;
    out = start;
    while (p < in.p + in.n)
        p = decode(p, in.p + in.n, &out);
    *ret = (struct str){ start, (size_t)(out - start) };
    return ERR_NONE;
}

/* Decodes the next piece of what is left of a string. */
static struct str take_piece(const char **p, const char *end, char piece[PIECE + ESCAPE_SLACK])
{
    char *to = piece;

    while (*p < end && to < piece + PIECE / 2) {
        const char *stop = end - *p > PIECE / 2 ? *p + PIECE / 2 : end;

        *p = escape_decode(*p, stop, &to);
        if (*p < stop)
            to += utf8_put(take_unicode(p, end), to);
    }
    return (struct str){ piece, (size_t)(to - piece) };
}

void json_text_pieces(const struct json_value *v, json_take_piece *take, void *arg)
{
    char piece[PIECE + ESCAPE_SLACK];
    const char *end;
    const char *p;

    if (v->type != JSON_STRING)
        return;
    p = inside(v).p;
    end = p + inside(v).n;
    if (!v->escaped)
        take(arg, inside(v));
    while (v->escaped && p < end)
        take(arg, take_piece(&p, end, piece));
}

/* In pieces, so that the buffer's limit is held against the decoded text. */
static enum err add_decoded(struct str in, struct buf *out)
{
    char piece[PIECE + ESCAPE_SLACK];
    const char *end = in.p + in.n;
    size_t before = out->n;
    const char *p = in.p;
    enum err err = ERR_NONE;

    while (p < end && !err)
        err = buf_add(out, take_piece(&p, end, piece));
    if (err)
        buf_truncate(out, before);
    return err;
}

enum err json_text_add(const struct json_value *v, struct buf *out)
{
    if (v->type != JSON_STRING)
        return ERR_BAD_INPUT;
    return v->escaped ? add_decoded(inside(v), out) : buf_add(out, inside(v));
}

/* The code unit of the \u escape that ends `in`, -1 when it ends otherwise. A backslash behind
 * an odd number of others is one that they escape; what is in front of `in` is none. */
static int32_t last_unit(struct str in)
{
    const char *end = in.p + in.n;
    size_t slashes = 0;

    if (in.n < ESCAPE_UNIT)
        return -1;
    while (end[-ESCAPE_UNIT - 1 - (ptrdiff_t)slashes] == '\\')
        slashes++;
    return slashes % 2 ? -1 : escape_unit(end - ESCAPE_UNIT, end);
}

enum err json_text_add_piece(const struct json_value *v, struct buf *out, uint32_t *ret_head,
                             uint32_t *ret_tail)
{
    struct str in;
    int32_t head;
    int32_t tail;
    enum err err;

    if (v->type != JSON_STRING)
        return ERR_BAD_INPUT;
    in = inside(v);
    head = escape_unit(in.p, in.p + in.n);
    if (is_low(head))
        in = str_from(in, ESCAPE_UNIT);
    tail = last_unit(in);
    if (is_high(tail))
        in.n -= ESCAPE_UNIT;
    err = v->escaped ? add_decoded(in, out) : buf_add(out, in);
    if (err)
        return err;
    *ret_head = is_low(head) ? (uint32_t)head : 0;
    *ret_tail = is_high(tail) ? (uint32_t)tail : 0;
    return ERR_NONE;
}

static inline bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

static inline bool are_8_plain(const char *p)
{
    uint64_t word = block_word(p);

    return !((word & EACH_BYTE(0x80)) | block_word_below(word, 0x20) | block_word_equal(word, '"') |
             block_word_equal(word, '\\'));
}

bool json_is_plain(struct str s)
{
    const char *p = s.p;
    const char *end = s.n > 0 ? p + s.n : p;

    for (; end - p >= 8; p += 8)
        if (!are_8_plain(p))
            return false;
    if (p == end)
        return true;
    if (s.n >= 8)
        return are_8_plain(end - 8);
    while (p < end && is_plain(*p))
        p++;
    return p == end;
}

enum err json_int(const struct json_value *v, int64_t *ret)
{
    bool negative;
    uint64_t magnitude;
    enum err err;

    if (v->type != JSON_NUMBER)
        return ERR_BAD_INPUT;
    negative = v->raw.p[0] == '-';
    err = str_to_u64(str_from(v->raw, negative), (uint64_t)INT64_MAX + negative, &magnitude);
    if (err)
        return err;
    *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
    return ERR_NONE;
}

/* strtod() wants a NUL, and the program's locale is "C". */
enum err json_double(const struct json_value *v, double *ret)
{
    char room[NUMBER_SHORT];
    char *copy = room;

    if (v->type != JSON_NUMBER)
        return ERR_BAD_INPUT;
    if (v->raw.n >= sizeof(room))
        copy = mem_try(v->raw.n + 1);
    if (!copy)
        return ERR_NOMEM;
    *ret = strtod(str_to_z(v->raw, copy, v->raw.n + 1), NULL);
    if (copy != room)
        mem_free(copy);
    return ERR_NONE;
}

/* Whether the text of `raw`, in which there is a backslash, is `name`. */
static bool escaped_eq(struct str raw, struct str name)
{
    const char *end = raw.p + raw.n;
    const char *p = raw.p;

    while (p < end) {
        char text[4 + ESCAPE_SLACK];
        char *to = text;

        p = *p == '\\' && p[1] == 'u' ? decode(p, end, &to) : escape_decode(p, p + 1, &to);
        if (!str_starts(name, (struct str){ text, (size_t)(to - text) }))
            return false;
        name = str_from(name, (size_t)(to - text));
    }
    return name.n == 0;
}

/* What is escaped is longer than its text. */
bool json_key_eq_escaped(struct str raw_key, struct str name)
{
    return memchr(raw_key.p, '\\', raw_key.n) && escaped_eq(raw_key, name);
}

/* The value of the first member `name` of the object `text`, which was checked. */
static struct json_value member(struct str text, struct str name)
{
    struct json_value v = { .type = JSON_NONE };
    struct str key;
    struct json j;

    json_init(&j, text, JSON_DEPTH_MAX);
    if (!json_enter_object(&j))
        return v;
    while (json_next_member(&j, &key)) {
        if (json_key_eq(key, name)) {
            json_read(&j, &v);
            return v;
        }
        json_skip(&j);
    }
    return v;
}

enum err json_find(struct str text, struct json_value *ret, ...)
{
    struct json_value v;
    const char *name;
    struct json j;
    va_list names;
    enum err err;

    json_init(&j, text, JSON_DEPTH_MAX);
    json_read(&j, &v);
    err = json_end(&j);
    if (err)
        return err;
    va_start(names, ret);
    while ((name = va_arg(names, const char *)))
        v = member(v.raw, str_of(name));
    va_end(names);
    *ret = v;
    return ERR_NONE;
}
