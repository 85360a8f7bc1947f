/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters that dialects have in common: who is asked, where the answer stops, what it is. */
#include "dialect/decoder.h"

enum { STOPS_MAX = 64, TOOLS_MAX = 4096, TOOL_NAME_MAX = 256 };

bool decoder_parameter(struct decoder *d, const struct decoder_parameter *table, size_t n,
                       struct str key)
{
    struct json_value v;

    if (!json_read(&d->json, &v))
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct decoder_parameter *p = &table[i];
        struct str name = str_of(p->name);

        if (!json_key_eq(key, name))
            continue;
        if (decoder_expect(d, name, v.type, p->allowed | ALLOW_NULL, p->want) &&
            ((v.type == JSON_NULL) || !p->read || p->read(d, name, &v)))
            return true;
        return !p->is_ours && decoder_soften(d);
    }
    return true;
}

bool decoder_read_model(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    return decoder_text(d, v, &d->request->model);
}

bool decoder_read_stream(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    d->request->stream = v->type == JSON_TRUE;
    return true;
}

bool decoder_read_whole(struct decoder *d, struct str param, const struct json_value *v)
{
    int64_t number;

    return json_int(v, &number) == ERR_NONE || decoder_refuse(d, param, "must be a whole number");
}

bool decoder_read_limit(struct decoder *d, struct str param, const struct json_value *v)
{
    int64_t number;

    if (json_int(v, &number))
        return decoder_refuse(d, param, "must be a whole number");
    if (number < 1)
        return decoder_refuse(d, param, "must be at least 1");
    d->request->limits.max_tokens = number;
    return true;
}

bool decoder_read_n(struct decoder *d, struct str param, const struct json_value *v)
{
    int64_t n;

    if (json_int(v, &n) || n < 1 || n > CHAT_CHOICES_MAX)
        return decoder_refuse(d, param, "must be a whole number from 1 to 128");
    d->request->n = (size_t)n;
    return true;
}

bool decoder_refuse_bias(struct decoder *d, struct str param, const struct json_value *v)
{
    struct str key;
    struct json j;

    json_init_checked(&j, v->raw);
    json_enter_object(&j);
    return !json_next_member(&j, &key) ||
           decoder_refuse(d, param, "must be empty: this upstream has no tokens to weigh");
}

bool decoder_stream_options(struct decoder *d)
{
    struct json_value usage = { .type = JSON_NULL };
    enum json_type type = json_peek(&d->json);
    struct str key;

    if (!decoder_expect(d, STR("stream_options"), type, ALLOW_OBJECT | ALLOW_NULL, "an object"))
        return false;
    d->request->include_usage = false;
    if (!json_enter_object(&d->json)) {
        json_skip(&d->json);
        return true;
    }
    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("include_usage")))
            json_read(&d->json, &usage);
        else
            json_skip(&d->json);
    d->request->include_usage = usage.type == JSON_TRUE;
    return d->json.failed || decoder_expect(d, STR("stream_options.include_usage"), usage.type,
                                            ALLOW_BOOL | ALLOW_NULL, "a boolean");
}

/* ---- stop ---- */

static bool add_stop(struct decoder *d, struct str param, const struct json_value *v)
{
    struct chat_limits *l = &d->request->limits;
    struct str *stops;

    if (!decoder_expect(d, param, v->type, ALLOW_STRING, "a string or an array of strings"))
        return false;
    if (l->n_stops == STOPS_MAX)
        return decoder_refuse(d, param, "has more than 64 items");
    stops = decoder_grow(d, d->stops, l->n_stops, sizeof(*stops));
    if (!stops || !decoder_text(d, v, &stops[l->n_stops]))
        return false;
    if (stops[l->n_stops].n == 0)
        return decoder_refuse(d, param, "must not be empty text");
    l->stops = d->stops = stops;
    l->n_stops++;
    return true;
}

bool decoder_read_stops(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value item;
    struct json j;

    d->request->limits.n_stops = 0;
    json_init_checked(&j, v->raw);
    if (!json_enter_array(&j))
        return add_stop(d, param, v);
    while (json_next_item(&j) && json_read(&j, &item))
        if (!add_stop(d, param, &item))
            return false;
    return true;
}

/* ---- what is passed on ---- */

/* Of two of one name the last counts. */
static bool add_parameter(struct decoder *d, struct chat_parameter **list, size_t *n,
                          struct str param, const struct json_value *v)
{
    struct chat_parameter *grown;

    for (size_t i = 0; i < *n; i++)
        if ((*list)[i].name == param.p) {
            (*list)[i].json = v->raw;
            return true;
        }
    grown = decoder_grow(d, *list, *n, sizeof(*grown));
    if (!grown)
        return false;
    grown[(*n)++] = (struct chat_parameter){ param.p, v->raw };
    *list = grown;
    return true;
}

bool decoder_pass_on(struct decoder *d, struct str param, const struct json_value *v)
{
    struct chat_request *r = d->request;
    bool is_good = add_parameter(d, &d->parameters, &r->n_parameters, param, v);

    r->parameters = d->parameters;
    return is_good;
}

bool decoder_repeat(struct decoder *d, struct str param, const struct json_value *v)
{
    struct chat_request *r = d->request;
    bool is_good = add_parameter(d, &d->repeated, &r->n_repeated, param, v);

    r->repeated = d->repeated;
    return is_good;
}

/* ---- formats and tools ---- */

bool decoder_choice_word(struct decoder *d, struct str param, const struct json_value *v)
{
    struct chat_tools *t = &d->request->tools;
    struct str word;

    if (!decoder_text(d, v, &word))
        return false;
    if (str_eq(word, STR("auto")))
        t->choice = CHAT_CHOOSE_AUTO;
    else if (str_eq(word, STR("none")))
        t->choice = CHAT_CHOOSE_NONE;
    else if (str_eq(word, STR("required")))
        t->choice = CHAT_CHOOSE_REQUIRED;
    else
        return decoder_refuse_word(d, param, word, "none, auto, required or an object");
    return true;
}

bool decoder_schema(struct decoder *d, struct str param, const struct json_value *v,
                    bool needs_name)
{
    struct json_value name = { 0 }, description = { 0 }, schema = { 0 }, strict = { 0 };
    const struct decoder_member members[] = { { "name", &name },
                                              { "description", &description },
                                              { "schema", &schema },
                                              { "strict", &strict } };
    struct chat_format *f = &d->request->format;
    struct str at_schema = arena_printf(d->arena, "%.*s.schema", STR_ARGS(param));

    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string_at(d, param, ".name", &name, needs_name, &f->name) ||
        !decoder_string_at(d, param, ".description", &description, false, &f->description))
        return false;
    if (!decoder_expect(d, at_schema, schema.type, ALLOW_OBJECT, "an object"))
        return false;
    f->type = CHAT_FORMAT_JSON_SCHEMA;
    f->schema = schema.raw;
    f->is_strict = strict.type == JSON_TRUE;
    return true;
}

static bool has_tool(const struct chat_tools *t, struct str name)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->list[i].name, name))
            return true;
    return false;
}

bool decoder_judge_named(struct decoder *d, struct str param, const char *what)
{
    const struct chat_tools *t = &d->request->tools;

    return t->choice != CHAT_CHOOSE_NAMED || has_tool(t, t->named) ||
           decoder_refuse(d, param, what);
}

struct str decoder_tool_param(struct decoder *d, size_t i, const char *rest)
{
    return decoder_at(d, STR("tools"), i, rest);
}

bool decoder_tool_string(struct decoder *d, size_t i, const char *rest, const struct json_value *v,
                         bool must, struct str *ret)
{
    if (v->type == JSON_STRING)
        return decoder_text(d, v, ret);
    return decoder_string(d, decoder_tool_param(d, i, rest), v, must, ret);
}

bool decoder_tool_object(struct decoder *d, size_t i, const char *rest, enum json_type type)
{
    return type == JSON_OBJECT ||
           decoder_expect(d, decoder_tool_param(d, i, rest), type, ALLOW_OBJECT, "an object");
}

/* Models write names, and read them between quotes. */
static const char *problem_of_name(const struct decoder *d, struct str name)
{
    if (name.n == 0)
        return "must not be empty text";
    if (name.n > TOOL_NAME_MAX)
        return "is longer than 256 bytes";
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f || name.p[i] == '"' ||
            name.p[i] == '\\')
            return "must have no quotes, backslashes and control characters";
    return map_find(&d->tool_names, name) ? "is the name of another tool, too" : NULL;
}

bool decoder_add_tool(struct decoder *d, size_t i, const char *rest, const struct chat_tool *tool)
{
    const char *problem = problem_of_name(d, tool->name);
    struct chat_tools *t = &d->request->tools;
    struct chat_tool *list;

    if (t->n == TOOLS_MAX)
        return decoder_refuse(d, STR("tools"), "has more than 4096 items");
    if (problem)
        return decoder_refuse(d, decoder_tool_param(d, i, rest), problem);
    list = decoder_grow(d, d->tools, t->n, sizeof(*list));
    if (!list)
        return false;
    list[t->n++] = *tool;
    t->list = d->tools = list;
    map_set(&d->tool_names, tool->name, d);
    return true;
}

bool decoder_read_tools(struct decoder *d, decoder_read_tool *read)
{
    enum json_type type = json_peek(&d->json);
    bool is_good = true;

    if (!json_enter_array(&d->json)) {
        return !json_skip(&d->json) ||
               decoder_expect(d, STR("tools"), type, ALLOW_ARRAY | ALLOW_NULL, "an array") ||
               decoder_soften(d);
    }
    d->request->tools.n = 0;
    map_init(&d->tool_names);
    for (size_t i = 0; is_good && json_next_item(&d->json); i++)
        is_good = read(d, i) || d->json.failed || decoder_soften(d);
    map_deinit(&d->tool_names);
    return is_good;
}
