/* SPDX-License-Identifier: Apache-2.0 */
/* What an update says; see update.h. Halves of pairs are looked for only where U+FFFD turned up. */
#include "provider/enginelabs/update.h"

#include "json/escape.h"

bool update_says(const struct json_value *v, struct str word)
{
    return v->type == JSON_STRING && str_eq(str_sub(v->raw, 1, v->raw.n - 2), word);
}

/* ---- halves of surrogate pairs ---- */

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The first escaped half in `s` that stands alone, NULL for none. The escapes are whole. */
static const char *find_half(struct str s)
{
    const char *end = s.p + s.n;
    const char *p = s.p;

    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        int32_t unit = escape_unit(p, end);

        if (is_high(unit) && is_low(escape_unit(p + ESCAPE_UNIT, end)))
            p += 2 * ESCAPE_UNIT;
        else if (is_high(unit) || is_low(unit))
            return p;
        else
            p += unit < 0 ? 2 : ESCAPE_UNIT;
    }
    return NULL;
}

static struct str inside(const struct json_value *v)
{
    return str_sub(v->raw, 1, v->raw.n - 2);
}

/* Whether `text`, decoded from `v`, may hold what was half a pair. */
static bool may_have_half(const struct json_value *v, struct str text)
{
    return v->escaped && str_find_char(text, '\xef') != SIZE_MAX &&
           str_find(text, STR("\xef\xbf\xbd")) != SIZE_MAX;
}

static size_t count_halves(struct str s)
{
    const char *half;
    size_t n = 0;

    for (; (half = find_half(s)); n++)
        s = str_from(s, (size_t)(half - s.p) + ESCAPE_UNIT);
    return n;
}

/* Decodes what is between the halves, and copies those as they stand. */
static enum err unpack_with_halves(struct str s, struct buf *out)
{
    const char *half;
    enum err err;

    do {
        half = find_half(s);
        struct str part = str_sub(s, 0, half ? (size_t)(half - s.p) : s.n);
        /* json_text_add() passes over what stands in the quotes' place. */
        const struct json_value v = { JSON_STRING, { part.p - 1, part.n + 2 }, true };

        err = json_text_add(&v, out);
        if (!err && half)
            err = buf_add(out, (struct str){ half, ESCAPE_UNIT });
        s = str_from(s, part.n + ESCAPE_UNIT);
    } while (!err && half);
    return err;
}

enum err update_unpack(const struct json_value *buffer, struct buf *out)
{
    size_t before = out->n;
    enum err err = json_text_add(buffer, out);

    if (err || !may_have_half(buffer, str_from(buf_str(out), before)) || !find_half(inside(buffer)))
        return err;
    buf_truncate(out, before);
    return unpack_with_halves(inside(buffer), out);
}

/* ---- members ---- */

struct members {
    struct json_value id;
    struct json_value type;
    struct json_value role;
    struct json_value content; /* of the message itself */
    struct json_value chat_content;
    struct json_value chat_id;
};

static void read_chat(struct json *j, struct members *m)
{
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    while (json_next_member(j, &key)) {
        if (str_eq(key, STR("content")))
            json_read(j, &m->chat_content);
        else if (str_eq(key, STR("id")))
            json_read(j, &m->chat_id);
        else
            json_skip(j);
    }
}

static enum err read_members(struct str text, struct members *m)
{
    struct json j;
    struct str key;

    *m = (struct members){ .id = { .type = JSON_NONE } };
    json_init(&j, text, UPDATE_DEPTH_MAX);
    j.lone_surrogates = true;
    if (!json_enter_object(&j))
        return ERR_BAD_INPUT;
    while (json_next_member(&j, &key)) {
        if (str_eq(key, STR("id")))
            json_read(&j, &m->id);
        else if (str_eq(key, STR("type")))
            json_read(&j, &m->type);
        else if (str_eq(key, STR("chat")))
            read_chat(&j, m);
        else if (str_eq(key, STR("role")))
            json_read(&j, &m->role);
        else if (str_eq(key, STR("content")))
            json_read(&j, &m->content);
        else
            json_skip(&j);
    }
    return json_end(&j);
}

/* What has a type of its own, such as a tool run, is no text even if the assistant says it. */
static enum update_kind kind_of(const struct members *m)
{
    if (update_says(&m->role, STR("user")))
        return UPDATE_ECHO;
    if (update_says(&m->type, STR("chat")))
        return UPDATE_TEXT;
    if (update_says(&m->type, STR("thinking")))
        return UPDATE_REASONING;
    if (m->type.type != JSON_NONE && m->type.type != JSON_NULL)
        return UPDATE_OTHER;
    return update_says(&m->role, STR("assistant")) ? UPDATE_TEXT : UPDATE_OTHER;
}

static bool is_id(const struct json_value *v)
{
    return v->type == JSON_STRING || v->type == JSON_NUMBER;
}

enum err update_read(struct str text, struct update *ret)
{
    struct members m;
    enum err err = read_members(text, &m);
    bool has_content;

    if (err)
        return ERR_BAD_INPUT;
    ret->kind = kind_of(&m);
    ret->id = is_id(&m.id) ? m.id : m.chat_id;
    ret->content = m.chat_content.type != JSON_NONE ? m.chat_content : m.content;
    has_content = ret->content.type == JSON_STRING || ret->content.type == JSON_ARRAY;
    if (!has_content && ret->kind != UPDATE_ECHO)
        ret->kind = UPDATE_OTHER;
    return ERR_NONE;
}

/* ---- text ---- */

static enum err string_text(const struct json_value *v, struct buf *text, struct piece *ret)
{
    enum err err;

    *ret = (struct piece){ inside(v), 0, 0, 0 };
    if (!v->escaped)
        return ret->text.n > text->max ? ERR_TOO_BIG : ERR_NONE;
    buf_clear(text);
    err = json_text_add_piece(v, text, &ret->head, &ret->tail);
    if (err)
        return err;
    ret->text = buf_str(text);
    if (may_have_half(v, ret->text))
        ret->lost = count_halves(inside(v)) - (ret->head ? 1 : 0) - (ret->tail ? 1 : 0);
    return ERR_NONE;
}

static void append(void *arg, struct str text)
{
    BUG_ON(buf_add(arg, text));
}

/* One of the blocks behind the others, so that halves meet there, too. */
static enum err add_block(const struct json_value *v, struct buf *block, struct joiner *out,
                          struct piece *whole)
{
    struct piece p;
    enum err err = string_text(v, block, &p);

    if (err)
        return err;
    if (!out->emitted && !out->pending && !whole->head) {
        whole->head = p.head;
        p.head = 0;
    }
    joiner_add(out, &p);
    return ERR_NONE;
}

/* The text of {"type":"text","text":"..."}; JSON_NONE of any other block. */
static void read_block(struct json *j, struct json_value *ret)
{
    struct json_value type = { .type = JSON_NONE };
    struct str key;

    *ret = type;
    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    while (json_next_member(j, &key)) {
        if (str_eq(key, STR("type")))
            json_read(j, &type);
        else if (str_eq(key, STR("text")))
            json_read(j, ret);
        else
            json_skip(j);
    }
    if (!update_says(&type, STR("text")) || ret->type != JSON_STRING)
        ret->type = JSON_NONE;
}

static enum err blocks_text(const struct json_value *v, struct buf *text, struct buf *block,
                            struct piece *ret)
{
    struct joiner whole = { .emit = append, .arg = text };
    struct json_value part;
    enum err err;
    struct json j;
    char *room;

    buf_clear(text);
    err = buf_reserve(text, v->raw.n, &room); /* what is decoded is shorter */
    json_init(&j, v->raw, UPDATE_DEPTH_MAX);
    j.lone_surrogates = true;
    json_enter_array(&j);
    while (!err && json_next_item(&j)) {
        read_block(&j, &part);
        if (part.type != JSON_NONE)
            err = add_block(&part, block, &whole, ret);
    }
    ret->text = buf_str(text);
    ret->tail = whole.pending;
    ret->lost = whole.lost;
    return err ? err : json_end(&j);
}

enum err update_text(const struct json_value *content, struct buf *text, struct buf *block,
                     struct piece *ret)
{
    *ret = (struct piece){ STR(""), 0, 0, 0 };
    return content->type == JSON_STRING ? string_text(content, text, ret)
                                        : blocks_text(content, text, block, ret);
}
