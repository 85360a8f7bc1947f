/* SPDX-License-Identifier: Apache-2.0 */
/* Tools and formats of a chat completion. */
#include "dialect/openai_chat_decode.h"

static bool judge_function(struct decoder *d, size_t i, const struct json_value *function)
{
    struct json_value name = { 0 }, description = { 0 }, parameters = { 0 }, strict = { 0 };
    const struct decoder_member members[] = { { "name", &name },
                                              { "description", &description },
                                              { "parameters", &parameters },
                                              { "strict", &strict } };
    struct chat_tool tool = { 0 };

    if (!decoder_tool_object(d, i, ".function", function))
        return false;
    decoder_members(function, members, COUNT_OF(members));
    if (!decoder_tool_string(d, i, ".function.name", &name, true, &tool.name) ||
        !decoder_tool_string(d, i, ".function.description", &description, false, &tool.description))
        return false;
    if (parameters.type > JSON_NULL &&
        !decoder_tool_object(d, i, ".function.parameters", &parameters))
        return false;
    if (parameters.type == JSON_OBJECT)
        tool.parameters = parameters.raw;
    tool.is_strict = strict.type == JSON_TRUE;
    return decoder_add_tool(d, i, ".function.name", &tool);
}

static bool judge_tool(struct decoder *d, size_t i, const struct json_value *v)
{
    struct json_value type = { 0 }, function = { 0 };
    const struct decoder_member members[] = { { "type", &type }, { "function", &function } };
    struct str word;

    if (!decoder_tool_object(d, i, "", v))
        return false;
    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_tool_string(d, i, ".type", &type, true, &word))
        return false;
    if (!str_eq(word, STR("function")))
        return decoder_refuse_word(d, decoder_tool_param(d, i, ".type"), word, "function");
    return judge_function(d, i, &function);
}

bool openai_chat_tools(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    return decoder_read_tools(d, v, judge_tool);
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
