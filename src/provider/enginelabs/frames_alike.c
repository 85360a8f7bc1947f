/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates of one message are alike: what stands in front of the content's text and behind it is the
 * same, byte for byte. So that is remembered of an update that was taken apart, and the next one is
 * only compared with it. Behind the same bytes a reader stands where it stood before, inside a
 * string inside a string; a text that both of these may hold, and that ends neither, leaves it
 * there, and what follows is the same again. All else is taken apart.
 */
#include "provider/enginelabs/frames_internal.h"
#include "json/scan.h"

enum {
    ALIKE_MAX = 1024, /* bytes to be remembered */
    MISSED_MAX = 8,   /* updates in a row that were unlike the one before: none will be like it */
};

void frames_alike_init(struct alike *a)
{
    *a = (struct alike){ 0 };
    buf_init(&a->around, ALIKE_MAX);
}

/* ---- what is remembered ---- */

/* Where in the string `s` the byte stands that is byte `at` of its text; SIZE_MAX when a \u escape
 * stands before it. */
static size_t place_of(struct str s, size_t at)
{
    size_t i = 0;

    for (; at > 0 && i < s.n; at--) {
        if (s.p[i] == '\\' && s.p[++i] == 'u')
            return SIZE_MAX;
        i++;
    }
    return i;
}

enum err frames_learn(struct frames *f, struct str message, const struct json_value *buffer,
                      const struct update *u, struct message *m)
{
    struct alike *a = &f->alike;
    const struct json_value *c = &u->content;
    struct str in = str_sub(buffer->raw, 1, buffer->raw.n - 2);
    size_t text = (size_t)(c->raw.p - f->unpacked.p) + 1;
    size_t begin, end;
    enum err err;

    buf_clear(&a->around);
    if (a->missed == MISSED_MAX || c->type != JSON_STRING)
        return ERR_NONE;
    a->missed++;
    begin = place_of(in, text);
    end = place_of(in, text + c->raw.n - 2);
    if (end == SIZE_MAX)
        return ERR_NONE;
    a->before = (size_t)(in.p - message.p) + begin;
    a->kind = u->kind;
    a->message = m;
    end += (size_t)(in.p - message.p);
    err = buf_add_all(&a->around, STRS(str_sub(message, 0, a->before), str_from(message, end)));
    return err == ERR_TOO_BIG ? ERR_NONE : err;
}

/* ---- what is like it ---- */

/* The bytes where the content's text was. */
static bool cut_out(const struct alike *a, struct str message, struct str *ret)
{
    struct str around = buf_str(&a->around);

    if (around.n == 0 || message.n < around.n || memcmp(message.p, around.p, a->before) != 0)
        return false;
    *ret = str_sub(message, a->before, message.n - around.n);
    return memcmp(ret->p + ret->n, around.p + a->before, around.n - a->before) == 0;
}

/* Whether all of `s` may stand in a string, and ends none. */
static bool is_inside(struct str s, bool *ret_escaped)
{
    return scan_string(s.p, s.p + s.n, true, ret_escaped) == s.p + s.n;
}

/* The content as a value, from the bytes between its quotes: a string in a string. */
static bool read_content(struct frames *f, struct str in, struct json_value *ret)
{
    /* There are quotes around it, or what is in their place. */
    *ret = (struct json_value){ JSON_STRING, { in.p - 1, in.n + 2 }, false };
    if (json_is_plain(in))
        return true;
    if (!is_inside(in, &ret->escaped))
        return false;
    if (!ret->escaped)
        return true;
    buf_clear(&f->unpacked);
    if (buf_add_char(&f->unpacked, '"') || update_unpack(ret, &f->unpacked) ||
        !is_inside(str_from(buf_str(&f->unpacked), 1), &ret->escaped) ||
        buf_add_char(&f->unpacked, '"'))
        return false;
    ret->raw = buf_str(&f->unpacked);
    return true;
}

bool frames_is_alike(struct frames *f, struct str message, struct update *ret)
{
    struct alike *a = &f->alike;
    struct str in;

    if (message.n > f->max_bytes || !cut_out(a, message, &in) || a->message->past[0] ||
        a->message->begins_history || !read_content(f, in, &ret->content))
        return false;
    a->missed = 0;
    ret->kind = a->kind;
    ret->id = (struct json_value){ .type = JSON_NONE };
    return true;
}
