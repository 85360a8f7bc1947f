/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat completion's body and its parameters. Known parameters are checked even where nothing
 * reads them yet, as OpenAI does: a wrong type is a mistake that its author wants to know about.
 * But an upstream that gets the body as it came is the better judge of what it can do: what only it
 * has to understand is a doubt (chat/request.h), not a refusal. Unknown members are passed over. Of
 * two members of one name the last wins, as in JSON.parse().
 */
#include "dialect/openai_chat_decode.h"

static const char *type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_NONE] = "nothing",   [JSON_NULL] = "null",        [JSON_FALSE] = "a boolean",
        [JSON_TRUE] = "a boolean", [JSON_NUMBER] = "a number",  [JSON_STRING] = "a string",
        [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
    };

    return names[type];
}

bool decoder_refuse(struct decoder *d, struct str param, const char *what)
{
    if (d->json.failed)
        return false;
    failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST, "%.*s %s.", STR_ARGS(param), what);
    d->failure->param = param;
    return false;
}

bool decoder_soften(struct decoder *d)
{
    if (d->failure->kind != FAILURE_BAD_REQUEST)
        return false; /* for want of memory, or bad JSON that the reader remembers */
    if (!d->request->doubt.kind)
        d->request->doubt = *d->failure;
    *d->failure = (struct failure){ 0 };
    return true;
}

bool decoder_expect(struct decoder *d, struct str param, enum json_type type, unsigned allowed,
                    const char *want)
{
    if (1u << type & allowed)
        return true;
    if (type == JSON_NONE)
        return decoder_refuse(d, param, "is missing");
    failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST, "%.*s must be %s, not %s.",
                STR_ARGS(param), want, type_name(type));
    d->failure->param = param;
    return false;
}

static bool out_of_memory(struct decoder *d)
{
    failure_set(d->failure, d->arena, FAILURE_OVERLOADED,
                "There is no memory for this request at the moment; try again later.");
    return false;
}

bool decoder_text(struct decoder *d, const struct json_value *v, struct str *ret)
{
    return json_text(v, d->arena, ret) == ERR_NONE || out_of_memory(d);
}

/* Room is 4 items, then doubles whenever it is full, at powers of two. */
void *decoder_grow(struct decoder *d, void *items, size_t n, size_t size)
{
    enum { FIRST = 4 };
    bool is_full = n == 0 || (n >= FIRST && (n & (n - 1)) == 0);
    char *room = items;

    if (is_full) {
        room = arena_try(d->arena, (n ? n * 2 : FIRST) * size);
        if (!room) {
            out_of_memory(d);
            return NULL;
        }
        if (n > 0)
            memcpy(room, items, n * size);
    }
    memset(room + n * size, 0, size);
    return room;
}

/* ---- parameters: a type, and for some a check of the value or a place for it ---- */

typedef bool read_value(struct decoder *d, struct str param, const struct json_value *v);

static bool read_model(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    return decoder_text(d, v, &d->request->model);
}

static bool read_stream(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    d->request->stream = v->type == JSON_TRUE;
    return true;
}

static bool check_whole(struct decoder *d, struct str param, const struct json_value *v)
{
    int64_t number;

    return json_int(v, &number) == ERR_NONE || decoder_refuse(d, param, "must be a whole number");
}

static bool check_n(struct decoder *d, struct str param, const struct json_value *v)
{
    int64_t n = 0;

    if (json_int(v, &n) == ERR_NONE && n == 1)
        return true;
    return decoder_refuse(d, param, "must be 1: this upstream gives one answer");
}

/* A string, or an array of them; `v` was checked when it was read. */
static bool check_stop(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json j;

    json_init(&j, v->raw, JSON_DEPTH_MAX);
    if (!json_enter_array(&j))
        return true;
    while (json_next_item(&j)) {
        if (!decoder_expect(d, param, json_peek(&j), ALLOW_STRING,
                            "a string or an array of strings"))
            return false;
        json_skip(&j);
    }
    return true;
}

/* null is fine for each of them and means the default. */
static const struct parameter {
    const char *name;
    unsigned allowed;
    bool is_ours; /* the gateway goes by it, whatever the upstream is */
    const char *want;
    read_value *read; /* NULL: the type is all that is checked */
} parameters[] = {
    { "model", ALLOW_STRING, true, "a string", read_model },
    { "stream", ALLOW_BOOL, true, "a boolean", read_stream },
    { "n", ALLOW_NUMBER, false, "a whole number", check_n },
    { "stop", ALLOW_STRING | ALLOW_ARRAY, false, "a string or an array of strings", check_stop },
    { "temperature", ALLOW_NUMBER, false, "a number", NULL },
    { "top_p", ALLOW_NUMBER, false, "a number", NULL },
    { "presence_penalty", ALLOW_NUMBER, false, "a number", NULL },
    { "frequency_penalty", ALLOW_NUMBER, false, "a number", NULL },
    { "max_tokens", ALLOW_NUMBER, false, "a whole number", check_whole },
    { "max_completion_tokens", ALLOW_NUMBER, false, "a whole number", check_whole },
    { "seed", ALLOW_NUMBER, false, "a whole number", check_whole },
    { "logprobs", ALLOW_BOOL, false, "a boolean", NULL },
    { "top_logprobs", ALLOW_NUMBER, false, "a whole number", check_whole },
    { "logit_bias", ALLOW_OBJECT, false, "an object", NULL },
    { "tools", ALLOW_ARRAY, false, "an array", NULL },
    { "tool_choice", ALLOW_STRING | ALLOW_OBJECT, false, "a string or an object", NULL },
    { "parallel_tool_calls", ALLOW_BOOL, false, "a boolean", NULL },
    { "functions", ALLOW_ARRAY, false, "an array", NULL },
    { "function_call", ALLOW_STRING | ALLOW_OBJECT, false, "a string or an object", NULL },
    { "response_format", ALLOW_OBJECT, false, "an object", NULL },
    { "reasoning_effort", ALLOW_STRING, false, "a string", NULL },
    { "user", ALLOW_STRING, false, "a string", NULL },
    { "metadata", ALLOW_OBJECT, false, "an object", NULL },
    { "store", ALLOW_BOOL, false, "a boolean", NULL },
};

static bool read_parameter(struct decoder *d, struct str key)
{
    struct json_value v;

    if (!json_read(&d->json, &v))
        return true;
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        const struct parameter *p = &parameters[i];
        struct str name = str_of(p->name);

        if (!json_key_eq(key, name))
            continue;
        if (decoder_expect(d, name, v.type, p->allowed | ALLOW_NULL, p->want) &&
            (v.type == JSON_NULL || !p->read || p->read(d, name, &v)))
            return true;
        return !p->is_ours && decoder_soften(d);
    }
    return true;
}

/* ---- the body ---- */

static bool read_stream_options(struct decoder *d)
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

static bool read_member(struct decoder *d, struct str key)
{
    if (json_key_eq(key, STR("messages")))
        return decoder_messages(d);
    if (json_key_eq(key, STR("stream_options")))
        return read_stream_options(d);
    return read_parameter(d, key);
}

static bool read_body(struct decoder *d)
{
    enum json_type type = json_peek(&d->json);
    struct str key;

    if (type != JSON_OBJECT && type != JSON_NONE) {
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body must be a JSON object, but at byte %zu begins %s.",
                    json_offset(&d->json), type_name(type));
        return false;
    }
    if (json_enter_object(&d->json))
        while (json_next_member(&d->json, &key))
            if (!read_member(d, key))
                return false;
    return true;
}

static void refuse_json(struct decoder *d, struct str body)
{
    if (body.n == 0)
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is empty; send a JSON object.");
    else if (d->json.failed == ERR_TOO_BIG)
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is nested more than %d levels deep at byte %zu.", JSON_DEPTH_MAX,
                    json_offset(&d->json));
    else
        failure_set(d->failure, d->arena, FAILURE_BAD_REQUEST,
                    "The body is not valid JSON: error at byte %zu of %zu.", json_offset(&d->json),
                    body.n);
}

bool openai_chat_decode(struct str body, struct arena *a, struct chat_request *ret,
                        struct failure *ret_failure)
{
    struct chat_request request = { 0 };
    struct failure failure = { 0 };
    struct decoder d = { .arena = a, .request = &request, .failure = &failure };

    json_init(&d.json, body, JSON_DEPTH_MAX);
    read_body(&d);
    if (!failure.kind && json_end(&d.json))
        refuse_json(&d, body);
    if (!failure.kind && request.n_messages == 0)
        decoder_refuse(&d, STR("messages"), "must hold at least one message");
    if (failure.kind) {
        *ret_failure = failure;
        return false;
    }
    request.raw = body;
    *ret = request;
    return true;
}
