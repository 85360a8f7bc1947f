/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object is cut at its members: what stands before a member (its lead: a comma and spaces)
 * goes with it, so that one that is dropped takes its comma along, and the first that is kept
 * leaves it behind.
 */
#include "provider/openai/body.h"

#include "json/reader.h"
#include "json/writer.h"

/* One member on its way. */
struct member {
    struct str lead; /* from the value before, or from the brace */
    struct str key;  /* with its quotes */
    struct str gap;  /* the colon and what is around it */
    struct str value;
    struct str name;   /* not NULL: what it is called now, plain text */
    struct str system; /* not NULL: goes in front of the system prompt */
    bool wants_usage;
    bool is_dropped;
};

/* The members of the object: from a list, or, where there is none, from its text. */
struct source {
    const struct json_member *members;
    size_t n;
    struct json json;
};

static bool next_member(struct source *s, struct json_member *ret)
{
    struct json_value value;

    if (s->members) {
        if (s->n == 0)
            return false;
        *ret = *s->members++;
        s->n--;
        return true;
    }
    if (!json_next_member(&s->json, &ret->key) || !json_read(&s->json, &value))
        return false;
    ret->value = value.raw;
    return true;
}

struct editor {
    const struct provider_edit *edits;
    size_t n;
    struct buf *out;
    enum err err;     /* sticks */
    struct str front; /* not copied: what no edit comes before; p NULL until there is an edit */
    const char *from; /* what was not edited since; not written yet */
    uint64_t met;     /* edits that found their member */
    uint64_t renames; /* of them, those that rename one: no other may go by its new name */
    bool is_written;  /* a member was */
};

static void add(struct editor *e, struct str s)
{
    if (!e->err)
        e->err = buf_add(e->out, s);
}

static void add_text(struct editor *e, struct str text)
{
    if (!e->err)
        e->err = json_escape_add(e->out, text);
}

static void add_quoted(struct editor *e, struct str text)
{
    add(e, STR("\""));
    add_text(e, text);
    add(e, STR("\""));
}

static struct str between(const char *from, const char *to)
{
    return (struct str){ from, (size_t)(to - from) };
}

/* ---- the system prompt ---- */

/* Where the text of a message's content begins, if the message is a system prompt. */
static const char *find_prompt(struct str message, char *ret_kind)
{
    struct json_value role = { .type = JSON_NONE };
    struct json_value content = { .type = JSON_NONE };
    struct json j;
    struct str key;

    json_init_checked(&j, message);
    if (!json_enter_object(&j))
        return NULL;
    while (json_next_member(&j, &key))
        json_read(&j, json_key_eq(key, STR("role"))      ? &role
                      : json_key_eq(key, STR("content")) ? &content
                                                         : &(struct json_value){ 0 });
    if (!str_eq(role.raw, STR("\"system\"")) && !str_eq(role.raw, STR("\"developer\"")))
        return NULL;
    if (content.type != JSON_STRING && content.type != JSON_ARRAY)
        return NULL;
    *ret_kind = content.raw.p[0];
    return content.raw.p + 1;
}

static bool is_empty_array(struct str rest)
{
    rest = str_trim(rest);
    return rest.n > 0 && rest.p[0] == ']';
}

/* `messages` with the text in front of what the model is told first. */
static void add_messages(struct editor *e, struct str value, struct str text)
{
    struct json_value first = { .type = JSON_NONE };
    const char *end = value.p + value.n;
    const char *at = NULL;
    char kind = '[';
    struct json j;

    json_init_checked(&j, value);
    if (!json_enter_array(&j)) {
        add(e, value);
        return;
    }
    if (json_next_item(&j) && json_read(&j, &first))
        at = find_prompt(first.raw, &kind);
    add(e, between(value.p, at ? at : value.p + 1));
    if (at && kind == '"') {
        add_text(e, text);
        add(e, STR("\\n\\n"));
    } else {
        add(e, at ? STR("{\"type\":\"text\",\"text\":") : STR("{\"role\":\"system\",\"content\":"));
        add_quoted(e, text);
        add(e, STR("}"));
        at = at ? at : value.p + 1;
        if (!is_empty_array(between(at, end)))
            add(e, STR(","));
    }
    add(e, between(at, end));
}

/* ---- members ---- */

static void add_usage(struct editor *e, struct str value)
{
    const struct provider_edit usage = { EDIT_SET, STR("include_usage"), STR("true") };

    if (value.n == 0 || value.p[0] != '{')
        add(e, STR("{\"include_usage\":true}"));
    else if (!e->err)
        e->err = body_edit(value, &usage, 1, e->out);
}

static bool is_called(const struct member *m, struct str name)
{
    return m->name.p ? str_eq(m->name, name) : json_key_eq(str_sub(m->key, 1, m->key.n - 2), name);
}

static struct str name_of(const struct provider_edit *edit)
{
    return edit->type == EDIT_SYSTEM  ? STR("messages")
           : edit->type == EDIT_USAGE ? STR("stream_options")
                                      : edit->name;
}

static void apply(struct member *m, const struct provider_edit *edit)
{
    switch (edit->type) {
    case EDIT_SET:
    case EDIT_REPLACE:
        m->value = edit->value;
        m->system = (struct str){ NULL, 0 };
        m->wants_usage = false;
        break;
    case EDIT_DROP:
        m->is_dropped = true;
        break;
    case EDIT_RENAME:
        m->name = edit->value;
        break;
    case EDIT_SYSTEM:
        m->system = edit->value;
        break;
    case EDIT_USAGE:
        m->wants_usage = true;
        break;
    }
}

/* Whether any concerns it. */
static bool apply_all(struct editor *e, struct member *m, size_t from)
{
    bool is_edited = false;

    for (size_t i = from; i < e->n && !m->is_dropped; i++)
        if (is_called(m, name_of(&e->edits[i]))) {
            e->met |= UINT64_C(1) << i;
            is_edited = true;
            apply(m, &e->edits[i]);
        } else if (e->renames >> i & 1 && is_called(m, e->edits[i].value)) {
            m->is_dropped = is_edited = true;
        }
    return is_edited;
}

/* What stands unedited up to `to` is written, the first of it kept as it lies. */
static void pass_on(struct editor *e, const char *to)
{
    struct str rest = between(e->from, to);

    if (e->front.p)
        add(e, rest);
    else
        e->front = rest;
}

/* Looks ahead, since the name may be taken before the member that takes it. */
static void find_renames(struct editor *e, struct source from)
{
    struct json_member member;
    uint64_t renames = 0;

    for (size_t i = 0; i < e->n; i++)
        if (e->edits[i].type == EDIT_RENAME)
            renames |= UINT64_C(1) << i;
    while (renames && next_member(&from, &member)) {
        struct member m = { .key = { member.key.p - 1, member.key.n + 2 }, .value = member.value };

        apply_all(e, &m, 0);
    }
    e->renames = e->met & renames;
    e->met = 0;
}

/* The comma stays behind where nothing stands before it any more. */
static void add_lead(struct editor *e, struct str lead)
{
    size_t comma = e->is_written ? SIZE_MAX : str_find_char(lead, ',');

    add(e, str_sub(lead, 0, comma));
    if (comma != SIZE_MAX)
        add(e, str_from(lead, comma + 1));
}

static void add_member(struct editor *e, const struct member *m)
{
    if (m->is_dropped)
        return;
    add_lead(e, m->lead);
    e->is_written = true;
    if (m->name.p)
        add_quoted(e, m->name);
    else
        add(e, m->key);
    add(e, m->gap);
    if (m->wants_usage)
        add_usage(e, m->value);
    else if (m->system.p)
        add_messages(e, m->value, m->system);
    else
        add(e, m->value);
}

/* What was to be set and was not there, at `end`. */
static void add_missing(struct editor *e, const char *end)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct provider_edit *edit = &e->edits[i];
        struct member m = { .lead = e->is_written ? STR(",") : STR(""), .gap = STR(":") };

        if (e->met >> i & 1 || (edit->type != EDIT_SET && edit->type != EDIT_USAGE))
            continue;
        pass_on(e, end);
        e->from = end;
        m.name = name_of(edit);
        apply(&m, edit);
        apply_all(e, &m, i + 1);
        add_member(e, &m);
    }
}

/* Returns where the last of them ends. */
static const char *edit_members(struct editor *e, struct source from, const char *at)
{
    struct json_member member;

    while (next_member(&from, &member)) {
        struct str key = member.key;
        struct member m = { .lead = between(at, key.p - 1),
                            .key = { key.p - 1, key.n + 2 },
                            .gap = between(key.p + key.n + 1, member.value.p),
                            .value = member.value };

        const char *end = member.value.p + member.value.n;

        /* The first that is left behind one that was dropped loses its comma. */
        if (apply_all(e, &m, 0) || (!e->is_written && e->front.p)) {
            pass_on(e, at);
            add_member(e, &m);
            e->from = end;
        } else {
            e->is_written = true;
        }
        at = end;
    }
    return at;
}

/* Leaves `e->from` where the rest of `in` begins. */
static enum err edit(struct editor *e, struct str in, struct source from)
{
    json_init_checked(&from.json, in);
    if (e->n > BODY_EDITS_MAX || !json_enter_object(&from.json))
        return ERR_BAD_INPUT;
    e->from = in.p;
    find_renames(e, from);
    add_missing(e, edit_members(e, from, from.json.p));
    return e->err;
}

enum err body_edit_members(struct str in, const struct json_member *members, size_t n_members,
                           const struct provider_edit *edits, size_t n, struct buf *out,
                           struct body_ends *ret)
{
    const struct source from = { .members = n_members ? members : NULL, .n = n_members };
    struct editor e = { .edits = edits, .n = n, .out = out };
    enum err err = edit(&e, in, from);

    if (!err)
        *ret = (struct body_ends){ e.front, between(e.from, in.p + in.n) };
    return err;
}

enum err body_edit(struct str in, const struct provider_edit *edits, size_t n, struct buf *out)
{
    struct editor e = { .edits = edits, .n = n, .out = out, .front = STR("") };
    enum err err = edit(&e, in, (struct source){ .members = NULL });

    return err ? err : buf_add(out, between(e.from, in.p + in.n));
}
