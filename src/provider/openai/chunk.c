/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the object; members of a choice are gathered, since its index may come last. */
#include "provider/openai/chunk.h"

#include "chat/usage.h"

enum { PIECES_MAX = 65536 };

static const char too_deep[] = "more than 128 arrays and objects in one another";
static const char too_many[] = "more than 65536 pieces of an answer";
_Static_assert(JSON_DEPTH_MAX == 128 && PIECES_MAX == 65536, "say so above");

struct walk {
    struct json json;
    struct arena *arena;
    struct chunk *chunk;
    size_t pieces;
    struct piece spare; /* stands in for one that there is no room for */
    enum err err;       /* ERR_NOMEM, ERR_TOO_BIG */
};

/* Of a delta or message. */
struct said {
    struct json_value content;
    struct json_value refusal;
    struct json_value reasoning;
    struct json_value tool_calls;
    struct json_value function_call;
    bool is_object; /* the delta or message is */
};

/* Never NULL; after an error it is of no use. */
static struct piece *add_piece(struct walk *w, enum piece_type type, size_t choice)
{
    struct piece *p = NULL;

    if (w->pieces++ < PIECES_MAX)
        p = arena_try(w->arena, sizeof(*p));
    else
        w->err = ERR_TOO_BIG;
    if (!p) {
        w->err = w->err ? w->err : ERR_NOMEM;
        return &w->spare;
    }
    *p = (struct piece){ .type = type, .choice = choice };
    if (w->chunk->last)
        w->chunk->last->next = p;
    else
        w->chunk->first = p;
    w->chunk->last = p;
    return p;
}

/* Empty when it is no string. */
static struct str text_of(struct walk *w, const struct json_value *v)
{
    struct str text = { "", 0 };

    if (v->type == JSON_STRING && json_text(v, w->arena, &text))
        w->err = ERR_NOMEM;
    return text;
}

static size_t index_of(const struct json_value *v, size_t otherwise)
{
    int64_t i;

    return v->type == JSON_NUMBER && !json_int(v, &i) && i >= 0 ? (size_t)i : otherwise;
}

static void add_text(struct walk *w, enum piece_type type, size_t choice,
                     const struct json_value *v)
{
    struct str text = text_of(w, v);

    if (text.n > 0)
        add_piece(w, type, choice)->text = text;
}

/* ---- contents ---- */

static void note_flaw(struct walk *w, const char *flaw)
{
    if (!w->chunk->flaw)
        w->chunk->flaw = flaw;
}

/* Of a content that is an array: what is text in it. The value was checked when it was read first:
 * no errors here. */
static void add_part(struct walk *w, size_t choice, struct json *j)
{
    struct json_value type = { .type = JSON_NONE };
    struct json_value text = { .type = JSON_NONE };
    struct json_value other;
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        note_flaw(w, "a content with parts that are no objects");
        return;
    }
    while (json_next_member(j, &key))
        json_read(j, json_key_eq(key, STR("type"))                                       ? &type
                     : json_key_eq(key, STR("text")) || json_key_eq(key, STR("refusal")) ? &text
                                                                                         : &other);
    if (text.type != JSON_STRING ||
        (!str_eq(type.raw, STR("\"text\"")) && !str_eq(type.raw, STR("\"refusal\""))))
        note_flaw(w, "a content with parts that are no text");
    else
        add_text(w, PIECE_TEXT, choice, &text);
}

static void add_content(struct walk *w, size_t choice, const struct json_value *v)
{
    struct json j;

    if (v->type <= JSON_NULL || v->type == JSON_STRING) {
        add_text(w, PIECE_TEXT, choice, v);
        return;
    }
    json_init_checked(&j, v->raw);
    if (v->type != JSON_ARRAY || !json_enter_array(&j)) {
        note_flaw(w, "a content that is neither a text nor an array of parts");
        return;
    }
    while (json_next_item(&j))
        add_part(w, choice, &j);
}

/* ---- tool calls ---- */

struct call {
    struct json_value index;
    struct json_value id;
    struct json_value name;
    struct json_value arguments;
};

static void read_function(struct json *j, struct call *c)
{
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    while (json_next_member(j, &key))
        if (json_key_eq(key, STR("name")))
            json_read(j, &c->name);
        else if (json_key_eq(key, STR("arguments")))
            json_read(j, &c->arguments);
        else
            json_skip(j);
}

static void read_call(struct json *j, struct call *c)
{
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    while (json_next_member(j, &key))
        if (json_key_eq(key, STR("index")))
            json_read(j, &c->index);
        else if (json_key_eq(key, STR("id")))
            json_read(j, &c->id);
        else if (json_key_eq(key, STR("function")))
            read_function(j, c);
        else
            json_skip(j);
}

static void add_call(struct walk *w, size_t choice, const struct call *c, size_t place)
{
    struct chat_tool_piece *t = &add_piece(w, PIECE_TOOL, choice)->tool;

    t->index = index_of(&c->index, place);
    t->id = text_of(w, &c->id);
    t->name = text_of(w, &c->name);
    if (c->arguments.type > JSON_NULL && c->arguments.type != JSON_STRING &&
        c->arguments.type != JSON_OBJECT)
        note_flaw(w, "a tool call whose arguments are neither a text nor an object");
    /* Some servers give an object where a text is due. */
    t->arguments = c->arguments.type == JSON_OBJECT ? c->arguments.raw : text_of(w, &c->arguments);
}

/* Values were checked when they were read first: no errors here. */
static void add_calls(struct walk *w, size_t choice, const struct said *s)
{
    struct json j;

    if (s->function_call.type == JSON_OBJECT) {
        struct call c = { 0 };

        json_init_checked(&j, s->function_call.raw);
        read_function(&j, &c);
        add_call(w, choice, &c, 0);
    }
    if (s->tool_calls.type != JSON_ARRAY) {
        if (s->tool_calls.type > JSON_NULL)
            note_flaw(w, "tool calls that are no array");
        return;
    }
    json_init_checked(&j, s->tool_calls.raw);
    json_enter_array(&j);
    for (size_t i = 0; json_next_item(&j); i++) {
        struct call c = { 0 };

        read_call(&j, &c);
        add_call(w, choice, &c, i);
    }
}

/* ---- choices ---- */

/* Whether a value says anything at all. */
static bool is_something(const struct json_value *v)
{
    static const char *const nothing[] = { "null", "false", "0", "\"\"" };

    for (size_t i = 0; i < COUNT_OF(nothing); i++)
        if (str_eq(v->raw, str_of(nothing[i])))
            return false;
    return v->type != JSON_NONE;
}

static bool is_filled(const struct json_value *v)
{
    struct str inside = v->raw;

    if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
        return str_trim(str_sub(inside, 1, inside.n - 2)).n > 0;
    return is_something(v);
}

/* Where a member of a delta that is known goes; NULL: it is not. */
static struct json_value *place_of(struct said *s, struct str key)
{
    if (json_key_eq(key, STR("content")))
        return &s->content;
    if (json_key_eq(key, STR("refusal")))
        return &s->refusal;
    if (json_key_eq(key, STR("reasoning_content")) ||
        (json_key_eq(key, STR("reasoning")) && s->reasoning.type != JSON_STRING))
        return &s->reasoning;
    if (json_key_eq(key, STR("tool_calls")))
        return &s->tool_calls;
    return json_key_eq(key, STR("function_call")) ? &s->function_call : NULL;
}

static void read_said(struct walk *w, struct said *s)
{
    struct json *j = &w->json;
    struct json_value *place;
    struct json_value v;
    struct str key;

    if (!json_enter_object(j)) {
        json_skip(j);
        return;
    }
    s->is_object = true;
    while (json_next_member(j, &key) && json_read(j, &v)) {
        place = place_of(s, key);
        if (place)
            *place = v;
        if (!json_key_eq(key, STR("role")) && is_filled(&v))
            w->chunk->is_said = true;
    }
}

static enum chat_finish finish_of(struct str word)
{
    if (str_eq(word, STR("length")))
        return CHAT_FINISH_LENGTH;
    if (str_eq(word, STR("tool_calls")) || str_eq(word, STR("function_call")))
        return CHAT_FINISH_TOOL_CALLS;
    return str_eq(word, STR("content_filter")) ? CHAT_FINISH_FILTER : CHAT_FINISH_STOP;
}

static void judge_choice(struct walk *w, size_t choice, const struct said *s,
                         const struct json_value *finish)
{
    uint64_t bit = UINT64_C(1) << (choice < 63 ? choice : 63);

    w->chunk->choices |= bit;
    w->chunk->spoken |= s->is_object ? bit : 0;
    add_text(w, PIECE_REASONING, choice, &s->reasoning);
    add_content(w, choice, &s->content);
    add_text(w, PIECE_TEXT, choice, &s->refusal);
    add_calls(w, choice, s);
    if (finish->type == JSON_STRING && is_something(finish))
        add_piece(w, PIECE_FINISH, choice)->finish = finish_of(text_of(w, finish));
}

static void read_choice(struct walk *w, size_t place)
{
    struct json_value index = { .type = JSON_NONE };
    struct json_value finish = { .type = JSON_NONE };
    struct said said = { 0 };
    struct str key;

    if (!json_enter_object(&w->json)) {
        json_skip(&w->json);
        return;
    }
    while (json_next_member(&w->json, &key))
        if (json_key_eq(key, STR("delta")) || json_key_eq(key, STR("message")))
            read_said(w, &said);
        else if (json_key_eq(key, STR("index")))
            json_read(&w->json, &index);
        else if (json_key_eq(key, STR("finish_reason")))
            json_read(&w->json, &finish);
        else
            json_skip(&w->json);
    if (!w->json.failed)
        judge_choice(w, index_of(&index, place), &said, &finish);
}

static void read_choices(struct walk *w)
{
    if (!json_enter_array(&w->json)) {
        json_skip(&w->json);
        return;
    }
    for (size_t i = 0; json_next_item(&w->json); i++)
        read_choice(w, i);
}

/* ---- usage ---- */

static void read_usage(struct walk *w)
{
    struct usage_told told;

    if (!usage_read(&w->json, &w->chunk->usage, &told))
        return;
    w->chunk->has_usage = true;
    w->chunk->is_counted = told.has_prompt && told.has_completion;
}

static void read_error(struct walk *w)
{
    struct json_value v;

    if (json_read(&w->json, &v) && is_something(&v))
        w->chunk->error = v.raw;
}

/* What a chunk may have that only tells what was used. */
static bool is_of_frame(struct str key)
{
    static const char *const names[] = { "id",      "model",        "system_fingerprint",
                                         "created", "service_tier", "obfuscation" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_key_eq(key, str_of(names[i])))
            return true;
    return false;
}

static void read_other(struct walk *w, struct str key, bool *is_error)
{
    struct json_value v;

    if (!json_read(&w->json, &v))
        return;
    if (json_key_eq(key, STR("model")))
        w->chunk->model = w->chunk->n_models++ ? (struct str){ NULL, 0 } : v.raw;
    if (json_key_eq(key, STR("object")))
        *is_error = str_eq(v.raw, STR("\"error\""));
    else if (v.type != JSON_NULL && !is_of_frame(key))
        w->chunk->has_more = true;
}

static enum err end(struct walk *w)
{
    enum err err = json_end(&w->json);

    if (err || w->err)
        w->chunk->limit = err == ERR_TOO_BIG ? too_deep : w->err == ERR_TOO_BIG ? too_many : NULL;
    return err ? err : w->err;
}

enum err chunk_read(struct str json, struct arena *a, struct chunk *ret)
{
    struct walk w = { .arena = a, .chunk = ret };
    bool is_error = false;
    struct str key;

    *ret = (struct chunk){ 0 };
    json_init(&w.json, json, JSON_DEPTH_MAX);
    w.json.lone_surrogates = true;
    if (!json_enter_object(&w.json))
        return ERR_BAD_INPUT;
    while (json_next_member(&w.json, &key))
        if (json_key_eq(key, STR("choices")))
            read_choices(&w);
        else if (json_key_eq(key, STR("usage")))
            read_usage(&w);
        else if (json_key_eq(key, STR("error")))
            read_error(&w);
        else
            read_other(&w, key, &is_error);
    if (is_error && !ret->error.p)
        ret->error = json;
    return end(&w);
}
