/* SPDX-License-Identifier: Apache-2.0 */
/* What is written for each string of a recording, and what is known of them; see capture_redact.h.
 * The JSON around them is walked in capture_json.c. */
#include "cli/capture_redact_internal.h"

#include "base/encoding.h"
#include "base/mem.h"

enum { PIECE_MAX = 32 << 20, FORBIDDEN_MIN = 6, FORBIDDEN_WORD_MIN = 16, MASKED_MIN = 3 };

struct redact *redact_new(void)
{
    struct redact *r = mem_new(struct redact);

    arena_init(&r->arena);
    map_init(&r->names);
    map_init(&r->counts);
    map_init(&r->models);
    map_init(&r->masked);
    map_init(&r->streams);
    map_init(&r->forbidden);
    return r;
}

void redact_free(struct redact *r)
{
    if (!r)
        return;
    map_deinit(&r->names);
    map_deinit(&r->counts);
    map_deinit(&r->models);
    map_deinit(&r->masked);
    map_deinit(&r->streams);
    map_deinit(&r->forbidden);
    arena_deinit(&r->arena);
    mem_free(r);
}

void redact_restart(struct redact *r)
{
    map_deinit(&r->streams);
    map_init(&r->streams);
}

/* ---- names ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool has_digit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_digit(s.p[i]))
            return true;
    return false;
}

void redact_forbid(struct redact *r, struct str value)
{
    if (value.n >= FORBIDDEN_MIN && (has_digit(value) || value.n >= FORBIDDEN_WORD_MIN))
        (void)map_set(&r->forbidden, value, r);
}

/* {name}, {name-2}, {name-3}; with `always` the first is {name-1}. */
static const char *next_name(struct redact *r, const char *name, bool always)
{
    size_t *count = map_find(&r->counts, str_of(name));

    if (!count) {
        count = arena_new(&r->arena, size_t);
        (void)map_set(&r->counts, str_of(name), count);
    }
    ++*count;
    if (*count == 1 && !always)
        return arena_printf(&r->arena, "{%s}", name).p;
    return arena_printf(&r->arena, "{%s-%zu}", name, *count).p;
}

static void set_name(struct redact *r, struct str value, const char *placeholder)
{
    (void)map_set(&r->names, value, (void *)(uintptr_t)placeholder);
    if (has_digit(value)) /* a word may well be one of the protocol's, too */
        redact_forbid(r, value);
}

void redact_name(struct redact *r, const char *name, struct str value)
{
    if (value.n > 0 && !map_find(&r->names, value))
        set_name(r, value, next_name(r, name, false));
}

const char *redact_id(struct redact *r, struct str value)
{
    const char *known = map_find(&r->names, value);
    struct str prefix;

    if (known)
        return known;
    if (words_is_jwt(value)) {
        redact_name(r, "jwt", value);
        return map_find(&r->names, value);
    }
    if (words_is_uuid(value)) {
        set_name(r, value, next_name(r, "uuid", true));
        return map_find(&r->names, value);
    }
    prefix = words_id_prefix(value);
    known = next_name(r, "id", true);
    if (prefix.n > 0)
        known = arena_printf(&r->arena, "%.*s%s", STR_ARGS(prefix), known).p;
    set_name(r, value, known);
    return known;
}

/* ---- text ---- */

/* What stands for the character that `rest` begins with; braces would look like placeholders. */
static char cover(struct str rest, size_t *ret_length)
{
    char c = rest.p[0];

    *ret_length = utf8_sequence(rest);
    if (*ret_length != 1) {
        *ret_length = *ret_length ? *ret_length : 1;
        return 'x';
    }
    if (is_letter(c))
        return 'x';
    if (is_digit(c))
        return '0';
    if (c == '{')
        return '(';
    if (c == '}')
        return ')';
    return c;
}

static enum err add_covered(struct buf *out, struct str text)
{
    enum err err = ERR_NONE;
    size_t length;

    for (size_t i = 0; i < text.n && !err; i += length)
        err = buf_add_char(out, cover(str_from(text, i), &length));
    return err;
}

enum err redact_cover(struct redact *r, struct str text, struct buf *out)
{
    if (text.n >= MASKED_MIN)
        (void)map_set(&r->masked, text, r);
    return add_covered(out, text);
}

/* Two texts look like a beginning and its continuation, and are none: another letter for one. */
static void tell_apart(struct buf *covered, size_t within)
{
    for (size_t i = 0; i < within; i++)
        if (covered->p[i] == 'x' || covered->p[i] == 'y') {
            covered->p[i] = covered->p[i] == 'x' ? 'y' : 'x';
            return;
        } else if (is_digit(covered->p[i])) {
            covered->p[i] = covered->p[i] == '0' ? '1' : '0';
            return;
        }
}

static enum err cover_next(const struct stream *s, struct str text, struct buf *out)
{
    enum err err;

    if (s->text.n > 0 && str_starts(text, s->text)) {
        err = buf_add(out, s->covered);
        return err ? err : add_covered(out, str_from(text, s->text.n));
    }
    err = add_covered(out, text);
    if (!err && out->n > s->covered.n && str_starts(buf_str(out), s->covered))
        tell_apart(out, s->covered.n);
    return err;
}

enum err redact_cover_piece(struct redact *r, struct str stream, struct str text, struct buf *out)
{
    struct stream *s = map_find(&r->streams, stream);
    struct buf covered;
    enum err err;

    if (!s) {
        s = arena_new(&r->arena, struct stream);
        (void)map_set(&r->streams, stream, s);
    }
    if (text.n >= MASKED_MIN)
        (void)map_set(&r->masked, text, r);
    buf_init(&covered, PIECE_MAX);
    err = cover_next(s, text, &covered);
    if (!err) {
        s->text = arena_dup(&r->arena, text);
        s->covered = arena_dup(&r->arena, buf_str(&covered));
        err = buf_add(out, s->covered);
    }
    buf_deinit(&covered);
    return err;
}

/* ---- paths, queries, headers ---- */

static enum err add_segment(struct redact *r, struct str segment, struct buf *out)
{
    return buf_add(out, words_is_segment(segment) ? segment : str_of(redact_id(r, segment)));
}

enum err redact_path(struct redact *r, struct str path, struct buf *out)
{
    struct json_writer w;
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, PIECE_MAX);
    for (struct str rest = path; rest.p && !err;) {
        struct str segment = str_cut(rest, '/', &rest);

        err = add_segment(r, segment, &text);
        if (!err && rest.p)
            err = buf_add_char(&text, '/');
    }
    json_w_init(&w, out);
    json_w_str(&w, buf_str(&text));
    buf_deinit(&text);
    return err ? err : json_w_end(&w);
}

/* "user_1:org_2" is two. */
static enum err add_value(struct redact *r, struct str value, struct buf *out)
{
    struct buf plain;
    enum err err;

    buf_init(&plain, PIECE_MAX);
    err = percent_decode(&plain, value) ? buf_add(&plain, value) : ERR_NONE;
    for (struct str rest = buf_str(&plain); rest.p && !err;) {
        struct str part = str_cut(rest, ':', &rest);

        if (part.n > 0)
            err = buf_add(out, str_of(redact_id(r, part)));
        if (!err && rest.p)
            err = buf_add_char(out, ':');
    }
    buf_deinit(&plain);
    return err;
}

static enum err add_pair(struct redact *r, struct str pair, struct buf *out)
{
    struct str value;
    struct str key = str_cut(pair, '=', &value);
    enum err err;

    err = words_is_name(key) && !map_find(&r->names, key) ? buf_add(out, key)
                                                          : redact_cover(r, key, out);
    if (err || !value.p)
        return err;
    err = buf_add_char(out, '=');
    if (err)
        return err;
    return words_is_plain_pair(key, value) ? buf_add(out, value) : add_value(r, value, out);
}

enum err redact_query(struct redact *r, struct str query, struct buf *out)
{
    struct json_writer w;
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, PIECE_MAX);
    for (struct str rest = query; rest.p && !err;) {
        struct str pair = str_cut(rest, '&', &rest);

        err = add_pair(r, pair, &text);
        if (!err && rest.p)
            err = buf_add_char(&text, '&');
    }
    json_w_init(&w, out);
    json_w_str(&w, buf_str(&text));
    buf_deinit(&text);
    return err ? err : json_w_end(&w);
}

bool redact_header(struct str name, struct str value)
{
    return words_is_header(name, value);
}

/* ---- whether all is gone ---- */

static bool has_encoded(struct str text, struct str value,
                        enum err (*encode)(struct buf *out, struct str s))
{
    struct buf encoded;
    bool found;

    buf_init(&encoded, PIECE_MAX);
    found =
        !encode(&encoded, value) && encoded.n > 0 && str_find(text, buf_str(&encoded)) != SIZE_MAX;
    buf_deinit(&encoded);
    return found;
}

bool redact_leaks(const struct redact *r, struct str text)
{
    size_t cursor = 0;
    struct str value;

    while (map_next(&r->forbidden, &cursor, &value))
        if (str_find(text, value) != SIZE_MAX || has_encoded(text, value, percent_add) ||
            has_encoded(text, value, base64_add) || has_encoded(text, value, json_escape_add))
            return true;
    return false;
}
