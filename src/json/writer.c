/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commas are the one thing to remember: need_comma is set behind each value and
 * cleared behind each opening byte and key. Depth is counted after a failure too,
 * so that json_w_end() can tell a caller's mistake from a full buffer.
 */
#include "json/writer.h"

#include "json/escape.h"
#include "json/scan.h"

enum { PIECE = 512 }; /* bytes that are escaped on the stack at a time */

static void put(struct json_writer *w, struct str s)
{
    if (!w->failed)
        w->failed = buf_add(w->out, s);
}

static void put_all(struct json_writer *w, const struct str *parts, size_t n)
{
    if (!w->failed)
        w->failed = buf_add_all(w->out, parts, n);
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
    const struct str parts[] = { w->need_comma ? STR(",\"") : STR("\""), str_of(name), STR("\":") };

    put_all(w, parts, COUNT_OF(parts));
    w->need_comma = false;
}

void json_w_str(struct json_writer *w, struct str s)
{
    put(w, w->need_comma ? STR(",\"") : STR("\""));
    w->need_comma = true;
    if (!w->failed)
        w->failed = json_escape_add(w->out, s);
    put_char(w, '"');
}

void json_w_int(struct json_writer *w, int64_t i)
{
    char digits[STR_U64_MAX];
    uint64_t n = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    const struct str parts[] = { w->need_comma ? STR(",") : STR(""), i < 0 ? STR("-") : STR(""),
                                 str_of_u64(n, digits) };

    put_all(w, parts, COUNT_OF(parts));
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

enum err json_escape_add(struct buf *out, struct str s)
{
    const char *p = s.p ? s.p : "";
    const char *end = p + s.n;
    size_t before = out->n;
    enum err err = ERR_NONE;

    while (p < end && !err) {
        const char *stop = scan_utf8(p, end);

        err = add_escaped(out, p, stop);
        if (!err && stop < end)
            err = buf_add(out, STR("\xEF\xBF\xBD"));
        p = stop < end ? stop + 1 : end;
    }
    if (err)
        buf_truncate(out, before);
    return err;
}
