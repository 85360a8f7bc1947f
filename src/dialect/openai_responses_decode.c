/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A responses request and its parameters. One that goes on from a kept answer gets its record with
 * the request (chat_request.past): those messages come first. Tools that OpenAI's servers would run
 * are dropped where the model may do without.
 */
#include "dialect/openai_responses_decode.h"

/* ---- tools ---- */

static bool may_be_missed(struct str type)
{
    static const char *const types[] = { "namespace", "image_generation", "tool_search" };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(type, str_of(types[i])))
            return true;
    return str_starts(type, STR("web_search"));
}

struct tool_draft {
    struct json_value type;
    struct json_value name;
    struct json_value description;
    struct json_value parameters;
    struct json_value strict;
    struct json_value format;
};

static bool judge_tool(struct decoder *d, size_t i, const struct tool_draft *t)
{
    struct chat_tool tool = { .is_strict = t->strict.type == JSON_TRUE };
    struct str type;

    if (!decoder_tool_string(d, i, ".type", &t->type, true, &type))
        return false;
    if (may_be_missed(type))
        return true;
    if (!str_eq(type, STR("function")) && !str_eq(type, STR("custom")))
        return decoder_refuse_word(d, decoder_tool_param(d, i, ".type"), type,
                                   "function or custom");
    if (!decoder_tool_string(d, i, ".name", &t->name, true, &tool.name) ||
        !decoder_tool_string(d, i, ".description", &t->description, false, &tool.description))
        return false;
    if (str_eq(type, STR("custom")))
        return responses_custom_tool(d, decoder_tool_param(d, i, ".format"), &t->format, &tool) &&
               decoder_add_tool(d, i, ".name", &tool);
    if (t->parameters.type > JSON_NULL) {
        if (!decoder_tool_object(d, i, ".parameters", t->parameters.type))
            return false;
        tool.parameters = t->parameters.raw;
    }
    return decoder_add_tool(d, i, ".name", &tool);
}

static bool read_tool(struct decoder *d, size_t i)
{
    struct tool_draft t = { 0 };
    const struct decoder_member members[] = { { "type", &t.type },
                                              { "name", &t.name },
                                              { "description", &t.description },
                                              { "parameters", &t.parameters },
                                              { "strict", &t.strict },
                                              { "format", &t.format } };
    enum json_type type = decoder_read_members(d, members, COUNT_OF(members));

    return !d->json.failed && decoder_tool_object(d, i, "", type) && judge_tool(d, i, &t);
}

static bool read_tools(struct decoder *d)
{
    struct json_value whole = { .type = json_peek(&d->json), .raw.p = d->json.p };

    if (!decoder_read_tools(d, read_tool))
        return false;
    whole.raw.n = (size_t)(d->json.p - whole.raw.p);
    return whole.type == JSON_NULL || decoder_repeat(d, STR("tools"), &whole);
}

static bool read_choice(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value type = { 0 }, name = { 0 };
    const struct decoder_member members[] = { { "type", &type }, { "name", &name } };
    struct chat_tools *t = &d->request->tools;
    struct str word;

    if (v->type == JSON_STRING)
        return decoder_choice_word(d, param, v) && decoder_repeat(d, param, v);
    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string(d, STR("tool_choice.type"), &type, true, &word))
        return false;
    if (!str_eq(word, STR("function")) && !str_eq(word, STR("custom")))
        return decoder_refuse_word(d, STR("tool_choice.type"), word, "function or custom");
    t->choice = CHAT_CHOOSE_NAMED;
    return decoder_string(d, STR("tool_choice.name"), &name, true, &t->named) &&
           decoder_repeat(d, param, v);
}

static bool read_serial(struct decoder *d, struct str param, const struct json_value *v)
{
    d->request->tools.is_serial = v->type == JSON_FALSE;
    return decoder_repeat(d, param, v);
}

static bool judge_choice(struct decoder *d)
{
    const struct chat_tools *t = &d->request->tools;

    if (t->choice == CHAT_CHOOSE_REQUIRED && t->n == 0)
        return decoder_refuse(d, STR("tool_choice"),
                              "needs tools; those that OpenAI's servers run are not here");
    return decoder_judge_named(d, STR("tool_choice.name"), "is none of the tools");
}

/* ---- the rest ---- */

static bool read_text(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value format = { 0 }, type = { 0 };
    const struct decoder_member outer[] = { { "format", &format } };
    const struct decoder_member inner[] = { { "type", &type } };
    struct chat_format *f = &d->request->format;
    struct str word;

    *f = (struct chat_format){ 0 };
    decoder_members(v, outer, COUNT_OF(outer));
    if (format.type <= JSON_NULL)
        return true;
    if (!decoder_expect(d, STR("text.format"), format.type, ALLOW_OBJECT, "an object"))
        return false;
    decoder_members(&format, inner, COUNT_OF(inner));
    if (!decoder_string(d, STR("text.format.type"), &type, true, &word))
        return false;
    if (str_eq(word, STR("json_schema")))
        return decoder_schema(d, STR("text.format"), &format, true) && decoder_repeat(d, param, v);
    if (str_eq(word, STR("json_object")))
        f->type = CHAT_FORMAT_JSON_OBJECT;
    else if (!str_eq(word, STR("text")))
        return decoder_refuse_word(d, STR("text.format.type"), word,
                                   "text, json_object or json_schema");
    return decoder_repeat(d, param, v);
}

static bool read_limit(struct decoder *d, struct str param, const struct json_value *v)
{
    return decoder_read_limit(d, param, v) && decoder_repeat(d, param, v);
}

static bool pass_on(struct decoder *d, struct str param, const struct json_value *v)
{
    return decoder_pass_on(d, param, v) && decoder_repeat(d, param, v);
}

/* Thoughts are shown: clients that want none do not look at them. */
static bool read_instructions(struct decoder *d, struct str param, const struct json_value *v)
{
    struct responses_draft *draft = d->more;

    draft->instructions = *v;
    return decoder_repeat(d, param, v);
}

/* Whoever asked for the decoding has found it, unless there is nothing to be found in. */
static bool read_previous(struct decoder *d, struct str param, const struct json_value *v)
{
    if (d->request->past.n == 0)
        return decoder_refuse(d, param, "is not known here: send the whole history as input");
    return decoder_repeat(d, param, v);
}

static bool refuse_kept(struct decoder *d, struct str param, UNUSED const struct json_value *v)
{
    return decoder_refuse(d, param,
                          "is not known here: name the answer before as previous_response_id, or "
                          "send the whole history as input");
}

static bool read_store(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    d->request->keeps = v->type == JSON_TRUE;
    return true;
}

static bool refuse_any(struct decoder *d, struct str param, UNUSED const struct json_value *v)
{
    return decoder_refuse(d, param, "is not known here: leave it out");
}

static bool refuse_true(struct decoder *d, struct str param, const struct json_value *v)
{
    return v->type == JSON_FALSE || decoder_refuse(d, param, "must be false");
}

static bool refuse_number(struct decoder *d, struct str param, const struct json_value *v)
{
    return str_eq(v->raw, STR("0")) || decoder_refuse(d, param, "must be 0");
}

static const struct decoder_parameter parameters[] = {
    { "model", ALLOW_STRING, true, "a string", decoder_read_model },
    { "input", ALLOW_STRING | ALLOW_ARRAY, true, "a string or an array of items", responses_input },
    { "instructions", ALLOW_STRING, true, "a string", read_instructions },
    { "stream", ALLOW_BOOL, true, "a boolean", decoder_read_stream },
    { "max_output_tokens", ALLOW_NUMBER, true, "a whole number", read_limit },
    { "temperature", ALLOW_NUMBER, true, "a number", pass_on },
    { "top_p", ALLOW_NUMBER, true, "a number", pass_on },
    { "tool_choice", ALLOW_STRING | ALLOW_OBJECT, true, "a string or an object", read_choice },
    { "parallel_tool_calls", ALLOW_BOOL, true, "a boolean", read_serial },
    { "text", ALLOW_OBJECT, true, "an object", read_text },
    { "reasoning", ALLOW_OBJECT, true, "an object", decoder_repeat },
    { "metadata", ALLOW_OBJECT, true, "an object", decoder_repeat },
    { "truncation", ALLOW_STRING, true, "a string", NULL },
    { "store", ALLOW_BOOL, true, "a boolean", read_store },
    { "include", ALLOW_ARRAY, true, "an array", NULL },
    { "background", ALLOW_BOOL, true, "a boolean", refuse_true },
    { "top_logprobs", ALLOW_NUMBER, true, "a whole number", refuse_number },
    { "previous_response_id", ALLOW_STRING, true, "a string", read_previous },
    { "conversation", ALLOW_STRING | ALLOW_OBJECT, true, "a string or an object", refuse_kept },
    { "prompt", ALLOW_OBJECT, true, "an object", refuse_any },
};

static bool read_member(struct decoder *d, struct str key)
{
    if (json_key_eq(key, STR("tools")))
        return read_tools(d);
    return decoder_parameter(d, parameters, COUNT_OF(parameters), key);
}

/* In front of all others. */
static bool add_instructions(struct decoder *d, const struct json_value *v)
{
    struct chat_request *r = d->request;
    struct chat_message *list;
    struct chat_part *part;

    if (v->type != JSON_STRING)
        return true;
    list = decoder_grow(d, r->messages, r->n_messages, sizeof(*list));
    part = decoder_grow(d, NULL, 0, sizeof(*part));
    if (!list || !part || !decoder_text(d, v, &part->text))
        return false;
    memmove(list + 1, list, r->n_messages * sizeof(*list));
    list[0] = (struct chat_message){ .role = CHAT_SYSTEM, .parts = part, .n_parts = 1 };
    r->messages = list;
    r->n_messages++;
    return true;
}

bool responses_decode(struct str body, struct arena *a, struct chat_request *ret,
                      struct failure *ret_failure)
{
    struct chat_request request = { .include_usage = true, .keeps = true, .past = ret->past };
    struct failure failure = { 0 };
    struct responses_draft draft = { .reasoning = STR("") };
    struct decoder d = { .arena = a, .request = &request, .failure = &failure, .more = &draft };

    if (request.past.n > 0 && !responses_past(&d, request.past)) {
        *ret_failure = failure;
        return false;
    }
    draft.n_past = request.n_messages;
    if (decoder_body(&d, body, read_member) && request.n_messages == draft.n_past)
        decoder_refuse(&d, STR("input"), "must hold a text or at least one message");
    if (failure.kind || !add_instructions(&d, &draft.instructions) || !judge_choice(&d)) {
        *ret_failure = failure;
        return false;
    }
    *ret = request;
    return true;
}
