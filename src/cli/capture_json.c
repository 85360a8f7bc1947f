/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and messages: walked for what they tell, and written anew; see capture_redact.h. */
#include "base/encoding.h"
#include "cli/capture_redact_internal.h"

enum { DEPTH = 64, NESTED_MAX = 4, TEXT_MAX = 32 << 20, DIGITS_KEPT = 6, DIGITS_MAX = 15 };

/* Where a walk is. */
struct walk {
    struct redact *r;
    struct json_writer writers[NESTED_MAX + 1]; /* of the text, of the JSON in its strings */
    struct json_writer *w;                      /* the one in use */
    struct arena arena;
    struct buf path; /* names of the members around */
    struct str id;   /* of the innermost object that has one */
    struct str type; /* likewise */
    unsigned nested; /* strings of JSON around */
    enum err failed;
};

static void begin_json(struct json *j, struct str text)
{
    json_init(j, text, DEPTH);
    j->lone_surrogates = true;
}

/* Whether `text` is one whole object or array. */
static bool is_json(struct str text, struct json_value *ret)
{
    struct json j;

    begin_json(&j, text);
    return json_read(&j, ret) && !json_end(&j) &&
           (ret->type == JSON_OBJECT || ret->type == JSON_ARRAY);
}

static struct str text_of(struct arena *a, const struct json_value *v)
{
    struct str text;

    return v->type == JSON_STRING && !json_text(v, a, &text) ? text : STR("");
}

/* ---- learning ---- */

static void learn_value(struct redact *r, struct arena *a, struct str key,
                        const struct json_value *v);

/* sub, sid and the organization's id. */
static void learn_token(struct redact *r, struct arena *a, struct str token)
{
    static const struct {
        const char *claim, *within, *name;
    } claims[] = { { "sub", NULL, "user" },
                   { "sid", NULL, "session" },
                   { "o", "id", "organization" },
                   { "org_id", NULL, "organization" } };
    struct str rest = token;
    struct str claims_text;
    struct json_value v;
    struct buf json;

    redact_name(r, "jwt", token);
    redact_forbid(r, str_cut(rest, '.', &rest));
    claims_text = str_cut(rest, '.', &rest);
    redact_forbid(r, claims_text);
    redact_forbid(r, rest);
    buf_init(&json, TEXT_MAX);
    if (!base64_decode(&json, claims_text))
        for (size_t i = 0; i < COUNT_OF(claims); i++)
            if (!json_find(buf_str(&json), &v, claims[i].claim, claims[i].within, NULL))
                redact_name(r, claims[i].name, text_of(a, &v));
    buf_deinit(&json);
}

static void learn_string(struct redact *r, struct arena *a, struct str key, struct str s)
{
    static const struct {
        const char *key, *name;
    } roles[] = { { "projectId", "project" },
                  { "workspaceId", "workspace" },
                  { "chatHistoryId", "chat" },
                  { "access_token", "access" },
                  { "refresh_token", "refresh" } };
    struct json_value v;

    if (words_is_jwt(s))
        learn_token(r, a, s);
    else if (is_json(s, &v))
        learn_value(r, a, key, &v);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (str_eq(key, str_of(roles[i].key)))
            redact_name(r, roles[i].name, s);
    if ((str_eq(key, STR("adapterName")) || str_eq(key, STR("modelKey"))) && words_is_model(s))
        (void)map_set(&r->models, s, r);
}

static void learn_object(struct redact *r, struct arena *a, struct str object)
{
    struct json_value v;
    struct str key;
    struct json j;

    begin_json(&j, object);
    (void)json_enter_object(&j);
    while (json_next_member(&j, &key) && json_read(&j, &v))
        learn_value(r, a, key, &v);
}

static void learn_value(struct redact *r, struct arena *a, struct str key,
                        const struct json_value *v)
{
    struct json_value item;
    struct json j;

    if (v->type == JSON_STRING)
        learn_string(r, a, key, text_of(a, v));
    if (v->type == JSON_OBJECT)
        learn_object(r, a, v->raw);
    if (v->type != JSON_ARRAY)
        return;
    begin_json(&j, v->raw);
    (void)json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item))
        learn_value(r, a, key, &item);
}

static void learn_model(struct redact *r, struct arena *a, struct str object, const char *key)
{
    struct json_value v;

    if (!json_find(object, &v, key, NULL) && words_is_model(text_of(a, &v)))
        (void)map_set(&r->models, text_of(a, &v), r);
}

static void learn_listed(struct redact *r, struct arena *a, struct str item)
{
    static const char *const keys[] = { "key", "model", "engineAgentKey", "provider" };
    struct json_value v;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        learn_model(r, a, item, keys[i]);
    if (!json_find(item, &v, "object", NULL) && str_eq(text_of(a, &v), STR("model")))
        learn_model(r, a, item, "id");
}

/* {"chatAdapters":[{"key":"gpt_5","model":"gpt-5","engineAgentKey":"GPT5","provider":"openai"}]},
 * or OpenAI's {"data":[{"id":"gpt-5","object":"model"}]} */
static void learn_models(struct redact *r, struct arena *a, struct str body)
{
    struct json_value list, item;
    struct json j;

    if (json_find(body, &list, "chatAdapters", NULL))
        return;
    if (list.type == JSON_NONE && json_find(body, &list, "data", NULL))
        return;
    if (list.type != JSON_ARRAY)
        return;
    begin_json(&j, list.raw);
    (void)json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &item))
        if (item.type == JSON_OBJECT)
            learn_listed(r, a, item.raw);
}

void redact_learn_body(struct redact *r, struct str body)
{
    struct json_value v;
    struct arena a;

    if (!is_json(body, &v))
        return;
    arena_init(&a);
    if (!json_find(body, &v, "response", "id", NULL) && str_starts(text_of(&a, &v), STR("client_")))
        redact_name(r, "client", text_of(&a, &v));
    learn_models(r, &a, body);
    (void)is_json(body, &v);
    learn_value(r, &a, STR(""), &v);
    arena_deinit(&a);
}

void redact_learn_asked(struct redact *r, struct str body)
{
    struct arena a;

    arena_init(&a);
    learn_model(r, &a, body, "model");
    arena_deinit(&a);
}

void redact_learn_path(struct redact *r, struct str path)
{
    struct str before = STR("");

    for (struct str rest = path; rest.p;) {
        struct str segment = str_cut(rest, '/', &rest);

        if (str_eq(before, STR("sessions")))
            redact_name(r, "session", segment);
        if (str_eq(before, STR("chat-histories")))
            redact_name(r, "chat", segment);
        before = segment;
    }
}

void redact_learn_query(struct redact *r, struct str query)
{
    for (struct str rest = query; rest.p;) {
        struct str value;
        struct str pair = str_cut(rest, '&', &rest);
        struct str key = str_cut(pair, '=', &value);

        if (str_eq(key, STR("organization_id")))
            redact_name(r, "organization", value);
        if (str_eq(key, STR("workspaceId")))
            redact_name(r, "workspace", value);
        if (!str_eq(key, STR("token")))
            continue;
        redact_name(r, "user", str_cut(value, ':', &value));
        redact_name(r, "organization", value);
    }
}

/* ---- writing ---- */

static void write_value(struct walk *k, struct str key, const struct json_value *v);

static void fail(struct walk *k, enum err err)
{
    k->failed = k->failed ? k->failed : err;
}

/* JSON in a string stays that, with the white space around it. */
static void write_nested(struct walk *k, struct str s, const struct json_value *v)
{
    size_t head = (size_t)(v->raw.p - s.p);
    struct buf text;

    buf_init(&text, TEXT_MAX);
    fail(k, buf_add(&text, str_sub(s, 0, head)));
    k->w = &k->writers[++k->nested];
    json_w_init(k->w, &text);
    write_value(k, STR(""), v);
    fail(k, json_w_end(k->w));
    k->w = &k->writers[--k->nested];
    fail(k, buf_add(&text, str_from(s, head + v->raw.n)));
    json_w_str(k->w, buf_str(&text));
    buf_deinit(&text);
}

static void write_text(struct walk *k, struct str s)
{
    struct str stream = arena_printf(&k->arena, "%.*s %.*s %.*s", STR_ARGS(buf_str(&k->path)),
                                     STR_ARGS(k->id), STR_ARGS(k->type));
    struct buf text;

    buf_init(&text, TEXT_MAX);
    fail(k, redact_cover_piece(k->r, stream, s, &text));
    json_w_str(k->w, buf_str(&text));
    buf_deinit(&text);
}

static bool may_stay(const struct walk *k, struct str key, struct str s)
{
    if (map_find(&k->r->names, s))
        return false;
    return words_is_enum(key, s) ||
           ((words_holds_model(key) || words_holds_id(key)) && map_find(&k->r->models, s));
}

/* A model's name elsewhere is covered and no id, or it would be one where it may stay. */
static bool is_id(const struct walk *k, struct str key, struct str s)
{
    if (map_find(&k->r->names, s) || words_is_jwt(s) || words_holds_id(key))
        return true;
    return words_is_id(s) && !words_holds_text(key) && !map_find(&k->r->models, s);
}

static void write_string(struct walk *k, struct str key, struct str s)
{
    struct json_value v;

    if (s.n == 0 || may_stay(k, key, s))
        json_w_str(k->w, s);
    else if (k->nested < NESTED_MAX && is_json(s, &v))
        write_nested(k, s, &v);
    else if (is_id(k, key, s))
        json_w_str(k->w, str_of(redact_id(k->r, s)));
    else
        write_text(k, s);
}

/* Large numbers are moments or ids: nines, so that what ends some day has not ended yet. */
static void write_number(struct walk *k, struct str raw, bool is_id)
{
    char out[DIGITS_MAX + 2];
    size_t digits = 0;
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++)
        digits += raw.p[i] >= '0' && raw.p[i] <= '9';
    if (digits <= DIGITS_KEPT && !is_id) {
        json_w_raw(k->w, raw);
        return;
    }
    for (size_t i = 0; i < raw.n && n < DIGITS_MAX; i++)
        if (raw.p[i] == '.' || raw.p[i] == 'e' || raw.p[i] == 'E')
            break;
        else
            out[n++] = raw.p[i] == '-' ? '-' : '9';
    json_w_raw(k->w, (struct str){ out, n });
}

static bool is_name_kept(const struct walk *k, struct str key)
{
    if (map_find(&k->r->names, key))
        return false;
    return words_is_member(key) || (words_is_name(key) && !map_find(&k->r->masked, key));
}

static void write_member(struct walk *k, struct str key, const struct json_value *v)
{
    struct str name = is_name_kept(k, key) ? key : str_of(redact_id(k->r, key));
    size_t before = k->path.n;

    json_w_key(k->w, arena_dup(&k->arena, name).p);
    fail(k, buf_add_char(&k->path, '.'));
    fail(k, buf_add(&k->path, name));
    write_value(k, key, v);
    buf_truncate(&k->path, before);
}

static void write_object(struct walk *k, struct str object)
{
    struct str id = k->id, type = k->type;
    struct json_value v;
    struct str key;
    struct json j;

    if (!json_find(object, &v, "id", NULL) && v.type == JSON_STRING)
        k->id = text_of(&k->arena, &v);
    if (!json_find(object, &v, "type", NULL) && v.type == JSON_STRING)
        k->type = text_of(&k->arena, &v);
    json_w_object(k->w);
    begin_json(&j, object);
    (void)json_enter_object(&j);
    while (json_next_member(&j, &key) && json_read(&j, &v))
        write_member(k, key, &v);
    json_w_object_end(k->w);
    k->id = id;
    k->type = type;
}

static void write_array(struct walk *k, struct str key, struct str array)
{
    struct json_value v;
    struct json j;

    json_w_array(k->w);
    begin_json(&j, array);
    (void)json_enter_array(&j);
    while (json_next_item(&j) && json_read(&j, &v))
        write_value(k, key, &v);
    json_w_array_end(k->w);
}

static void write_value(struct walk *k, struct str key, const struct json_value *v)
{
    switch (v->type) {
    case JSON_OBJECT:
        write_object(k, v->raw);
        break;
    case JSON_ARRAY:
        write_array(k, key, v->raw);
        break;
    case JSON_STRING:
        write_string(k, key, text_of(&k->arena, v));
        break;
    case JSON_NUMBER:
        write_number(k, v->raw, words_holds_id(key));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_w_bool(k->w, v->type == JSON_TRUE);
        break;
    case JSON_NULL:
    case JSON_NONE:
        json_w_null(k->w);
    }
}

static enum err write_plain(struct redact *r, struct str body, struct json_writer *w)
{
    struct str word = str_trim(body);
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, TEXT_MAX);
    if (!str_eq(word, STR("ping")) && !str_eq(word, STR("pong")) && !str_eq(word, STR("\"pong\"")))
        err = redact_cover(r, body, &text);
    json_w_str(w, text.n > 0 ? buf_str(&text) : body);
    buf_deinit(&text);
    return err;
}

enum err redact_body(struct redact *r, struct str body, struct buf *out)
{
    struct walk k = { .r = r };
    struct json_value v;
    enum err err;

    k.w = &k.writers[0];
    json_w_init(k.w, out);
    if (!is_json(body, &v)) {
        err = write_plain(r, body, k.w);
        return err ? err : json_w_end(k.w);
    }
    arena_init(&k.arena);
    buf_init(&k.path, TEXT_MAX);
    write_value(&k, STR(""), &v);
    buf_deinit(&k.path);
    arena_deinit(&k.arena);
    return k.failed ? k.failed : json_w_end(k.w);
}

/* ---- streams of events ---- */

static const char data_field[] = "data:";

/* What stands behind "data:"; empty for another line. */
static struct str data_of(struct str line)
{
    return str_starts(line, str_of(data_field)) ? str_trim(str_from(line, sizeof(data_field) - 1))
                                                : STR("");
}

void redact_learn_events(struct redact *r, struct str body)
{
    for (struct str rest = body; rest.p;)
        redact_learn_body(r, data_of(str_cut(rest, '\n', &rest)));
}

/* "event: NAME" */
static enum err add_field(struct redact *r, struct str line, struct buf *out)
{
    static const char *const fields[] = { "data:", "event:", "id:", "retry:" };
    enum err err;

    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (str_starts(line, str_of(fields[i]))) {
            err = buf_add(out, str_of(fields[i]));
            return err ? err : redact_cover(r, str_from(line, strlen(fields[i])), out);
        }
    return redact_cover(r, line, out);
}

/* Its form stays: fields, comments, blank lines, line ends. */
static enum err add_line(struct redact *r, struct str line, struct buf *out)
{
    struct str data = data_of(line);
    struct json_value v;
    enum err err;

    if (str_eq(data, STR("[DONE]")))
        return buf_add(out, line);
    if (!is_json(data, &v))
        return add_field(r, line, out);
    err = buf_add(out, str_sub(line, 0, (size_t)(data.p - line.p)));
    if (!err)
        err = redact_body(r, data, out);
    return err ? err : buf_add(out, str_from(line, (size_t)(data.p - line.p) + data.n));
}

enum err redact_events(struct redact *r, struct str body, struct buf *out)
{
    struct json_writer w;
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, TEXT_MAX);
    for (struct str rest = body; rest.p && !err;) {
        err = add_line(r, str_cut(rest, '\n', &rest), &text);
        if (!err && rest.p)
            err = buf_add_char(&text, '\n');
    }
    json_w_init(&w, out);
    json_w_str(&w, buf_str(&text));
    buf_deinit(&text);
    return err ? err : json_w_end(&w);
}
