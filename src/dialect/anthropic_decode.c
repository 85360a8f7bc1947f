/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A messages request and its parameters. docs/internals/dialects.md says what is passed on, what is
 * ignored and what is refused; unknown members are ignored, since clients send new ones all the
 * time.
 */
#include "dialect/anthropic_decode.h"

/* What is judged when the body is whole. */
struct gathered {
    struct json_value system;
};

/* Thoughts are shown to who asked for them. */
static bool read_thinking(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    struct json_value type = { 0 }, display = { 0 };
    const struct decoder_member members[] = { { "type", &type }, { "display", &display } };
    struct str word, shown;

    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string(d, STR("thinking.type"), &type, true, &word) ||
        !decoder_string(d, STR("thinking.display"), &display, false, &shown))
        return false;
    d->request->hides_reasoning = str_eq(word, STR("disabled")) || str_eq(shown, STR("omitted"));
    return true;
}

/* What this API promises of a schema is strict. */
static bool read_format(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value type = { 0 };
    const struct decoder_member members[] = { { "type", &type } };
    struct str at_type = arena_printf(d->arena, "%.*s.type", STR_ARGS(param));
    struct str word;

    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string(d, at_type, &type, true, &word))
        return false;
    if (!str_eq(word, STR("json_schema")))
        return decoder_refuse_word(d, at_type, word, "json_schema");
    if (!decoder_schema(d, param, v, false))
        return false;
    d->request->format.is_strict = true;
    return true;
}

static bool read_output(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    static const char name[] = "output_config.format";
    struct json_value format = { 0 };
    const struct decoder_member members[] = { { "format", &format } };

    decoder_members(v, members, COUNT_OF(members));
    if (format.type <= JSON_NULL)
        return true;
    return decoder_expect(d, str_of(name), format.type, ALLOW_OBJECT, "an object") &&
           read_format(d, str_of(name), &format);
}

static bool refuse_items(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json j;

    json_init_checked(&j, v->raw);
    json_enter_array(&j);
    return !json_next_item(&j) ||
           decoder_refuse(d, param, "must be empty: no upstream here runs tools by itself");
}

static bool refuse_container(struct decoder *d, struct str param, UNUSED const struct json_value *v)
{
    return decoder_refuse(d, param, "is not known here: leave it out");
}

/* A thread that goes on brings neither its history nor its tools: whoever begins one is told at
 * once. */
static bool refuse_thread(struct decoder *d, struct str param, UNUSED const struct json_value *v)
{
    decoder_refuse(d, param, "is not known here: send the whole history without it");
    d->failure->kind = FAILURE_NO_THREADS;
    return false;
}

static const struct decoder_parameter parameters[] = {
    { "model", ALLOW_STRING, true, "a string", decoder_read_model },
    { "stream", ALLOW_BOOL, true, "a boolean", decoder_read_stream },
    { "max_tokens", ALLOW_NUMBER, true, "a whole number", decoder_read_limit },
    { "stop_sequences", ALLOW_ARRAY, true, "an array of strings", decoder_read_stops },
    { "temperature", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "top_p", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "top_k", ALLOW_NUMBER, true, "a number", NULL },
    { "tool_choice", ALLOW_OBJECT, true, "an object", anthropic_tool_choice },
    { "thinking", ALLOW_OBJECT, true, "an object", read_thinking },
    { "output_config", ALLOW_OBJECT, true, "an object", read_output },
    { "output_format", ALLOW_OBJECT, true, "an object", read_format },
    { "metadata", ALLOW_OBJECT, true, "an object", NULL },
    { "service_tier", ALLOW_STRING, true, "a string", NULL },
    { "mcp_servers", ALLOW_ARRAY, true, "an array", refuse_items },
    { "container", ALLOW_STRING | ALLOW_OBJECT, true, "a string or an object", refuse_container },
    { "thread", ALLOW_OBJECT, true, "an object", refuse_thread },
};

static bool read_member(struct decoder *d, struct str key)
{
    struct gathered *g = d->more;

    if (json_key_eq(key, STR("messages")))
        return anthropic_messages(d);
    if (json_key_eq(key, STR("tools")))
        return anthropic_tools(d);
    if (json_key_eq(key, STR("system"))) {
        json_read(&d->json, &g->system);
        return true;
    }
    return decoder_parameter(d, parameters, COUNT_OF(parameters), key);
}

bool anthropic_decode(struct str body, struct arena *a, struct chat_request *ret,
                      struct failure *ret_failure)
{
    struct chat_request request = { .hides_reasoning = true, .include_usage = true };
    struct failure failure = { 0 };
    struct gathered more = { .system = { .type = JSON_NONE } };
    struct decoder d = { .arena = a, .request = &request, .failure = &failure, .more = &more };

    if (decoder_body(&d, body, read_member) && request.n_messages == 0)
        decoder_refuse(&d, STR("messages"), "must hold at least one message");
    if (failure.kind || !anthropic_system(&d, &more.system) || !anthropic_judge_choice(&d)) {
        *ret_failure = failure;
        return false;
    }
    *ret = request;
    return true;
}
