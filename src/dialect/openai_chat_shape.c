/* SPDX-License-Identifier: Apache-2.0 */
/* Tools and formats of a chat completion. */
#include "dialect/openai_chat_decode.h"

/* A tool in the making. */
struct tool_draft {
    struct json_value type;
    struct function_draft {
        enum json_type is; /* what there is in place of an object */
        struct json_value name;
        struct json_value description;
        struct json_value parameters;
        struct json_value strict;
    } function;
};

static void read_function(struct decoder *d, struct function_draft *f)
{
    const struct decoder_member members[] = { { "name", &f->name },
                                              { "description", &f->description },
                                              { "parameters", &f->parameters },
                                              { "strict", &f->strict } };

    *f = (struct function_draft){ 0 };
    f->is = decoder_read_members(d, members, COUNT_OF(members));
}

static bool judge_function(struct decoder *d, size_t i, const struct function_draft *f)
{
    struct chat_tool tool = { .is_strict = f->strict.type == JSON_TRUE };

    if (!decoder_tool_object(d, i, ".function", f->is) ||
        !decoder_tool_string(d, i, ".function.name", &f->name, true, &tool.name) ||
        !decoder_tool_string(d, i, ".function.description", &f->description, false,
                             &tool.description))
        return false;
    if (f->parameters.type > JSON_NULL &&
        !decoder_tool_object(d, i, ".function.parameters", f->parameters.type))
        return false;
    if (f->parameters.type == JSON_OBJECT)
        tool.parameters = f->parameters.raw;
    return decoder_add_tool(d, i, ".function.name", &tool);
}

static bool judge_tool(struct decoder *d, size_t i, const struct tool_draft *t)
{
    struct str word;

    if (!decoder_tool_string(d, i, ".type", &t->type, true, &word))
        return false;
    if (!str_eq(word, STR("function")))
        return decoder_refuse_word(d, decoder_tool_param(d, i, ".type"), word, "function");
    return judge_function(d, i, &t->function);
}

static bool read_tool(struct decoder *d, size_t i)
{
    enum json_type type = json_peek(&d->json);
    struct tool_draft t = { 0 };
    struct str key;

    if (!json_enter_object(&d->json))
        return json_skip(&d->json) && decoder_tool_object(d, i, "", type);
    while (json_next_member(&d->json, &key))
        if (json_key_eq(key, STR("type")))
            json_read(&d->json, &t.type);
        else if (json_key_eq(key, STR("function")))
            read_function(d, &t.function);
        else
            json_skip(&d->json);
    return !d->json.failed && judge_tool(d, i, &t);
}

bool openai_chat_tools(struct decoder *d)
{
    return decoder_read_tools(d, read_tool);
}

bool openai_chat_tool_choice(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value type = { 0 }, function = { 0 }, name = { 0 };
    const struct decoder_member members[] = { { "type", &type }, { "function", &function } };
    const struct decoder_member inner[] = { { "name", &name } };
    struct chat_tools *t = &d->request->tools;
    struct str word;

    if (v->type == JSON_STRING)
        return decoder_choice_word(d, param, v);
    decoder_members(v, members, COUNT_OF(members));
    decoder_members(&function, inner, COUNT_OF(inner));
    if (!decoder_string(d, STR("tool_choice.type"), &type, true, &word))
        return false;
    if (!str_eq(word, STR("function")))
        return decoder_refuse_word(d, STR("tool_choice.type"), word, "function");
    if (!decoder_string(d, STR("tool_choice.function.name"), &name, true, &t->named))
        return false;
    t->choice = CHAT_CHOOSE_NAMED;
    return true;
}

bool openai_chat_format(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    struct json_value type = { 0 }, schema = { 0 };
    const struct decoder_member members[] = { { "type", &type }, { "json_schema", &schema } };
    struct chat_format *f = &d->request->format;
    struct str word;

    *f = (struct chat_format){ 0 };
    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string(d, STR("response_format.type"), &type, true, &word))
        return false;
    if (str_eq(word, STR("json_schema")))
        return decoder_schema(d, STR("response_format.json_schema"), &schema, true);
    if (str_eq(word, STR("json_object")))
        f->type = CHAT_FORMAT_JSON_OBJECT;
    else if (!str_eq(word, STR("text")))
        return decoder_refuse_word(d, STR("response_format.type"), word,
                                   "text, json_object or json_schema");
    return true;
}
