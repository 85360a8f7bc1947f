/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for chat completions; see ask.h. */
#include "simulator/ask.h"

enum { TEXT_MAX = 33554432 };

struct reader {
    struct arena *arena;
    struct sim_ask *ask;
    size_t cap; /* of prompts */
    char *what;
};

typedef enum err read_member(struct reader *r, const struct json_value *v);

static enum err wrong(struct reader *r, const char *member, const char *takes)
{
    return sim_complain(r->what, "'%s' %s", member, takes);
}

static enum err read_bool(struct reader *r, const struct json_value *v, const char *name, bool *ret)
{
    *ret = v->type == JSON_TRUE;
    if (v->type == JSON_TRUE || v->type == JSON_FALSE || v->type == JSON_NULL)
        return ERR_NONE;
    return wrong(r, name, "must be a boolean");
}

/* ---- messages ---- */

static enum err add_part(struct reader *r, const struct json_value *part, struct buf *out)
{
    struct json_value type;
    struct json_value text;

    if (part->type != JSON_OBJECT || json_find(part->raw, &type, "type", NULL) ||
        type.type != JSON_STRING)
        return wrong(r, "messages", "have a content part without a type");
    if (!str_eq(type.raw, STR("\"text\"")))
        return ERR_NONE;
    if (json_find(part->raw, &text, "text", NULL) || text.type != JSON_STRING)
        return wrong(r, "messages", "have a text part without text");
    if (out->n > 0 && buf_add_char(out, '\n'))
        return ERR_TOO_BIG;
    return json_text_add(&text, out);
}

static enum err add_content(struct reader *r, const struct json_value *content, struct buf *out)
{
    struct json_value part;
    struct json j;
    enum err err = ERR_NONE;

    if (content->type == JSON_STRING)
        return json_text_add(content, out);
    if (content->type == JSON_NULL || content->type == JSON_NONE)
        return ERR_NONE;
    json_init(&j, content->raw, JSON_DEPTH_MAX);
    if (!json_enter_array(&j))
        return wrong(r, "messages", "have a content that is no string and no array");
    while (!err && json_next_item(&j)) {
        if (json_read(&j, &part))
            err = add_part(r, &part, out);
    }
    return err;
}

static bool asks(struct str role)
{
    return str_eq(role, STR("\"user\"")) || str_eq(role, STR("\"tool\"")) ||
           str_eq(role, STR("\"function\""));
}

static bool is_role(struct str role)
{
    return asks(role) || str_eq(role, STR("\"system\"")) || str_eq(role, STR("\"developer\"")) ||
           str_eq(role, STR("\"assistant\""));
}

static enum err check_message(struct reader *r, const struct json_value *v,
                              struct json_value *ret_role, struct json_value *ret_content)
{
    struct json_value id;

    if (v->type != JSON_OBJECT || json_find(v->raw, ret_role, "role", NULL) ||
        json_find(v->raw, ret_content, "content", NULL) ||
        json_find(v->raw, &id, "tool_call_id", NULL))
        return wrong(r, "messages", "must hold objects");
    if (!is_role(ret_role->raw))
        return wrong(r, "messages", "have one with an unknown role, or without");
    if (str_eq(ret_role->raw, STR("\"tool\"")) && id.type != JSON_STRING)
        return wrong(r, "messages", "have one of a tool without tool_call_id");
    return ERR_NONE;
}

static enum err read_message(struct reader *r, const struct json_value *v)
{
    struct sim_ask *ask = r->ask;
    struct json_value content = { .type = JSON_NONE };
    struct json_value role = { .type = JSON_NONE };
    struct buf text;
    enum err err = check_message(r, v, &role, &content);

    if (err)
        return err;
    buf_init(&text, TEXT_MAX);
    err = add_content(r, &content, &text);
    ask->prompt_tokens += sim_count_tokens(buf_str(&text));
    if (!err && asks(role.raw) && ask->n_prompts < r->cap)
        ask->prompts[ask->n_prompts++] = arena_dup(r->arena, buf_str(&text));
    buf_deinit(&text);
    return err;
}

static size_t count_items(struct str array)
{
    struct json j;
    size_t n = 0;

    json_init(&j, array, JSON_DEPTH_MAX);
    if (json_enter_array(&j))
        for (; json_next_item(&j); n++)
            json_skip(&j);
    return n;
}

static enum err read_messages(struct reader *r, const struct json_value *v)
{
    struct json_value message;
    struct json j;
    enum err err = ERR_NONE;

    r->cap = v->type == JSON_ARRAY ? count_items(v->raw) : 0;
    if (r->cap == 0)
        return wrong(r, "messages", "must be an array with at least one message");
    r->ask->prompts = arena_alloc(r->arena, r->cap * sizeof(*r->ask->prompts));
    json_init(&j, v->raw, JSON_DEPTH_MAX);
    (void)json_enter_array(&j);
    while (!err && json_next_item(&j)) {
        if (json_read(&j, &message))
            err = read_message(r, &message);
    }
    return err;
}

/* ---- the other members ---- */

static enum err read_model(struct reader *r, const struct json_value *v)
{
    if (v->type != JSON_STRING || json_text(v, r->arena, &r->ask->model))
        return wrong(r, "model", "must be a string");
    return ERR_NONE;
}

static enum err read_stream(struct reader *r, const struct json_value *v)
{
    return read_bool(r, v, "stream", &r->ask->is_stream);
}

static enum err read_logprobs(struct reader *r, const struct json_value *v)
{
    return read_bool(r, v, "logprobs", &r->ask->has_logprobs);
}

static enum err read_options(struct reader *r, const struct json_value *v)
{
    struct json_value usage;

    if (v->type == JSON_NULL)
        return ERR_NONE;
    if (v->type != JSON_OBJECT || json_find(v->raw, &usage, "include_usage", NULL))
        return wrong(r, "stream_options", "must be an object");
    if (usage.type == JSON_NONE)
        return ERR_NONE;
    return read_bool(r, &usage, "stream_options.include_usage", &r->ask->include_usage);
}

static enum err read_n(struct reader *r, const struct json_value *v)
{
    int64_t n = 1;

    if (v->type != JSON_NULL && (json_int(v, &n) || n < 1 || n > SIM_CHOICES_MAX))
        return wrong(r, "n", "must be 1 to 8");
    r->ask->n = (int)n;
    return ERR_NONE;
}

static enum err read_max_tokens(struct reader *r, const struct json_value *v)
{
    if (v->type == JSON_NULL)
        return ERR_NONE;
    if (json_int(v, &r->ask->max_tokens) || r->ask->max_tokens < 1)
        return wrong(r, "max_tokens", "must be a number above 0");
    return ERR_NONE;
}

static enum err add_stop(struct reader *r, const struct json_value *v)
{
    if (r->ask->n_stops == SIM_STOPS_MAX || v->type != JSON_STRING || v->raw.n == 2 ||
        json_text(v, r->arena, &r->ask->stops[r->ask->n_stops]))
        return wrong(r, "stop", "must be a string or an array of up to 4");
    r->ask->n_stops++;
    return ERR_NONE;
}

static enum err read_stop(struct reader *r, const struct json_value *v)
{
    struct json_value item;
    struct json j;
    enum err err = ERR_NONE;

    if (v->type == JSON_NULL)
        return ERR_NONE;
    json_init(&j, v->raw, 4);
    if (!json_enter_array(&j))
        return add_stop(r, v);
    while (!err && json_next_item(&j)) {
        if (json_read(&j, &item))
            err = add_stop(r, &item);
    }
    return err;
}

static const struct {
    const char *name;
    read_member *read;
} members[] = {
    { "model", read_model },
    { "messages", read_messages },
    { "stream", read_stream },
    { "stream_options", read_options },
    { "n", read_n },
    { "max_tokens", read_max_tokens },
    { "stop", read_stop },
    { "max_completion_tokens", read_max_tokens },
    { "logprobs", read_logprobs },
};

static enum err read_any(struct reader *r, struct str name, const struct json_value *v)
{
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (str_eq(name, str_of(members[i].name)))
            return members[i].read(r, v);
    return ERR_NONE;
}

enum err sim_ask_read(struct str body, struct arena *a, struct sim_ask *ret, char *what)
{
    struct reader r = { .arena = a, .ask = ret, .what = what };
    struct json_value v;
    struct str name;
    struct json j;

    *ret = (struct sim_ask){ .n = 1, .max_tokens = -1 };
    json_init(&j, body, JSON_DEPTH_MAX);
    if (!json_enter_object(&j))
        return sim_complain(what, "the body must be a JSON object");
    while (json_next_member(&j, &name))
        if (json_read(&j, &v) && read_any(&r, name, &v))
            return ERR_BAD_INPUT;
    if (json_end(&j))
        return sim_complain(what, "the body is no valid JSON at byte %zu", json_offset(&j));
    if (!ret->model.p)
        return sim_complain(what, "you must provide a 'model' parameter");
    if (ret->n_prompts == 0)
        return sim_complain(what, "'messages' must hold one of a user");
    return ERR_NONE;
}
