/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commas are the one thing to remember: need_comma is set behind each value and
 * cleared behind each opening byte and key. Depth is counted after a failure too,
 * so that json_w_end() can tell a caller's mistake from a full buffer.
 */
#include "json/writer.h"

#include "json/escape.h"
#include "json/reader.h"
#include "json/scan.h"

enum {
    PIECE = 512, /* bytes that are escaped on the stack at a time */
    SHORT = 64,  /* worth a look whether anything is to be escaped */
    ESCAPED = 6, /* bytes that one becomes at most */
};

static void put(struct json_writer *w, struct str s)
{
    if (!w->failed)
        w->failed = buf_add(w->out, s);
}

static void put_char(struct json_writer *w, char c)
{
    put(w, (struct str){ &c, 1 });
}

/* A value begins: the comma that is due goes before it. */
static void begin(struct json_writer *w)
{
    if (w->need_comma)
        put_char(w, ',');
    w->need_comma = true;
}

static void open(struct json_writer *w, char c)
{
    begin(w);
    put_char(w, c);
    w->depth++;
    w->need_comma = false;
}

static void close(struct json_writer *w, char c)
{
    BUG_ON(w->depth == 0);
    w->depth--;
    put_char(w, c);
    w->need_comma = true;
}

void json_w_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){ .out = out };
}

void json_w_object(struct json_writer *w)
{
    open(w, '{');
}

void json_w_object_end(struct json_writer *w)
{
    close(w, '}');
}

void json_w_array(struct json_writer *w)
{
    open(w, '[');
}

void json_w_array_end(struct json_writer *w)
{
    close(w, ']');
}

void json_w_key(struct json_writer *w, const char *name)
{
    struct str text = str_of(name);
    size_t size = text.n + w->need_comma + STR("\"\":").n;
    char *p = NULL;

    if (!w->failed)
        w->failed = buf_reserve(w->out, size, &p);
    if (!p)
        return;
    if (w->need_comma)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, text.p, text.n);
    p[text.n] = '"';
    p[text.n + 1] = ':';
    buf_commit(w->out, size);
    w->need_comma = false;
}

/* A short string is written where it belongs, when there is room whatever of it wants an escape;
 * false: nothing was written. */
static bool put_short(struct json_writer *w, struct str s)
{
    struct buf *b = w->out;
    size_t cap = b->cap < b->max ? b->cap : b->max;
    size_t most = s.n * ESCAPED;
    char *p;

    if (w->failed || s.n == 0 || s.n > SHORT || cap - b->n < most + STR(",\"\"").n + ESCAPE_SLACK ||
        scan_utf8(s.p, s.p + s.n) != s.p + s.n)
        return false;
    p = b->p + b->n;
    if (w->need_comma)
        *p++ = ',';
    *p++ = '"';
    escape_encode(s.p, s.p + s.n, &p, p + most);
    *p++ = '"';
    buf_commit(b, (size_t)(p - b->p) - b->n);
    w->need_comma = true;
    return true;
}

void json_w_str(struct json_writer *w, struct str s)
{
    if (put_short(w, s))
        return;
    put(w, w->need_comma ? STR(",\"") : STR("\""));
    w->need_comma = true;
    if (!w->failed)
        w->failed = json_escape_add(w->out, s);
    put_char(w, '"');
}

void json_w_int(struct json_writer *w, int64_t i)
{
    char room[STR_U64_MAX + 2];
    struct str text = str_of_u64(i < 0 ? 0 - (uint64_t)i : (uint64_t)i, room + 2);
    char *p = room + 2 + STR_U64_MAX - text.n;

    if (i < 0)
        *--p = '-';
    if (w->need_comma)
        *--p = ',';
    put(w, (struct str){ p, (size_t)(room + sizeof(room) - p) });
    w->need_comma = true;
}

void json_w_bool(struct json_writer *w, bool b)
{
    json_w_raw(w, b ? STR("true") : STR("false"));
}

void json_w_null(struct json_writer *w)
{
    json_w_raw(w, STR("null"));
}

void json_w_raw(struct json_writer *w, struct str json)
{
    begin(w);
    put(w, json);
}

void json_w_member_str(struct json_writer *w, const char *name, struct str s)
{
    json_w_key(w, name);
    json_w_str(w, s);
}

void json_w_member_int(struct json_writer *w, const char *name, int64_t i)
{
    json_w_key(w, name);
    json_w_int(w, i);
}

void json_w_member_bool(struct json_writer *w, const char *name, bool b)
{
    json_w_key(w, name);
    json_w_bool(w, b);
}

enum err json_w_end(struct json_writer *w)
{
    BUG_ON(w->depth);
    return w->failed;
}

/* Adds valid UTF-8. In pieces, so that the buffer's limit is held against the text. */
static enum err add_escaped(struct buf *out, const char *p, const char *end)
{
    char piece[PIECE + ESCAPE_SLACK];
    enum err err = ERR_NONE;

    while (p < end && !err) {
        char *to = piece;

        p = escape_encode(p, end, &to, piece + PIECE);
        err = buf_add(out, (struct str){ piece, (size_t)(to - piece) });
    }
    return err;
}

/* Adds what is no valid UTF-8, too. */
static enum err add_text(struct buf *out, struct str s)
{
    const char *p = s.p;
    const char *end = p + s.n;
    enum err err = ERR_NONE;

    while (p < end && !err) {
        const char *stop = scan_utf8(p, end);

        err = add_escaped(out, p, stop);
        if (!err && stop < end)
            err = buf_add(out, STR("\xEF\xBF\xBD"));
        p = stop < end ? stop + 1 : end;
    }
    return err;
}

enum err json_escape_add_between(struct buf *out, struct str before, struct str s,
                                 struct str behind)
{
    size_t n = out->n;
    enum err err;

    if (s.n <= SHORT && json_is_plain(s))
        return buf_add_all(out, STRS(before, s, behind));
    err = buf_add(out, before);
    if (!err)
        err = add_text(out, s);
    if (!err)
        err = buf_add(out, behind);
    if (err)
        buf_truncate(out, n);
    return err;
}

enum err json_escape_add(struct buf *out, struct str s)
{
    return json_escape_add_between(out, STR(""), s, STR(""));
}
