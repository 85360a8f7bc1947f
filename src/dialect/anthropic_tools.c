/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools of a messages request. Those that Anthropic's servers would run themselves are dropped: the
 * model may do without. Those without a schema that only Anthropic's own models know are refused.
 */
#include "dialect/anthropic_decode.h"

static bool runs_at_anthropic(struct str type)
{
    static const char *const begins[] = { "web_search_", "web_fetch_", "code_execution_",
                                          "tool_search_tool_" };

    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (str_starts(type, str_of(begins[i])))
            return true;
    return false;
}

struct tool_draft {
    struct json_value type;
    struct json_value name;
    struct json_value description;
    struct json_value schema;
    struct json_value strict;
};

static bool judge_tool(struct decoder *d, size_t i, const struct tool_draft *t)
{
    struct chat_tool tool = { .is_strict = t->strict.type == JSON_TRUE };
    struct str type;

    if (!decoder_tool_string(d, i, ".type", &t->type, false, &type))
        return false;
    if (runs_at_anthropic(type))
        return true;
    if (type.n > 0 && !str_eq(type, STR("custom")))
        return decoder_refuse_word(d, decoder_tool_param(d, i, ".type"), type,
                                   "custom: only Anthropic's models know this tool's arguments");
    if (!decoder_tool_string(d, i, ".name", &t->name, true, &tool.name) ||
        !decoder_tool_string(d, i, ".description", &t->description, false, &tool.description) ||
        !decoder_tool_object(d, i, ".input_schema", t->schema.type))
        return false;
    tool.parameters = t->schema.raw;
    return decoder_add_tool(d, i, ".name", &tool);
}

static bool read_tool(struct decoder *d, size_t i)
{
    struct tool_draft t = { 0 };
    const struct decoder_member members[] = { { "type", &t.type },
                                              { "name", &t.name },
                                              { "description", &t.description },
                                              { "input_schema", &t.schema },
                                              { "strict", &t.strict } };
    enum json_type type = decoder_read_members(d, members, COUNT_OF(members));

    return !d->json.failed && decoder_tool_object(d, i, "", type) && judge_tool(d, i, &t);
}

bool anthropic_tools(struct decoder *d)
{
    return decoder_read_tools(d, read_tool);
}

bool anthropic_tool_choice(struct decoder *d, UNUSED struct str param, const struct json_value *v)
{
    static const char *const words[] = { [CHAT_CHOOSE_AUTO] = "auto",
                                         [CHAT_CHOOSE_NONE] = "none",
                                         [CHAT_CHOOSE_REQUIRED] = "any",
                                         [CHAT_CHOOSE_NAMED] = "tool" };
    struct json_value type = { 0 }, name = { 0 }, serial = { 0 };
    const struct decoder_member members[] = { { "type", &type },
                                              { "name", &name },
                                              { "disable_parallel_tool_use", &serial } };
    struct chat_tools *t = &d->request->tools;
    struct str word;

    decoder_members(v, members, COUNT_OF(members));
    if (!decoder_string(d, STR("tool_choice.type"), &type, true, &word))
        return false;
    t->is_serial = serial.type == JSON_TRUE;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        t->choice = (enum chat_tool_choice)i;
        if (str_eq(word, str_of(words[i])))
            return decoder_string(d, STR("tool_choice.name"), &name, t->choice == CHAT_CHOOSE_NAMED,
                                  &t->named);
    }
    return decoder_refuse_word(d, STR("tool_choice.type"), word, "auto, any, tool or none");
}

bool anthropic_judge_choice(struct decoder *d)
{
    const struct chat_tools *t = &d->request->tools;

    if (t->choice == CHAT_CHOOSE_REQUIRED && t->n == 0)
        return decoder_refuse(d, STR("tool_choice"),
                              "needs tools; those that Anthropic's servers run are not here");
    return decoder_judge_named(
        d, STR("tool_choice.name"),
        "is none of the tools; those that Anthropic's servers run are not here");
}
