/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom tools: a model calls them with free text instead of JSON. No upstream here knows them, so
 * each goes on as a function with one string, "input", and what it is called with comes back as a
 * custom call. The grammar that the text must follow is told to the model, not enforced.
 */
#include "dialect/openai_responses_decode.h"

#include <stdio.h>

static const char parameters[] =
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
    "\"required\":[\"input\"],\"additionalProperties\":false}";

/* Of {"type":"grammar","syntax":...,"definition":...}; other formats ask for nothing. */
static bool read_grammar(struct decoder *d, struct str param, const struct json_value *format,
                         struct str *ret_syntax, struct str *ret_definition)
{
    struct json_value syntax = { 0 }, definition = { 0 };
    const struct decoder_member members[] = { { "syntax", &syntax },
                                              { "definition", &definition } };

    decoder_members(format, members, COUNT_OF(members));
    return decoder_string_at(d, param, ".syntax", &syntax, false, ret_syntax) &&
           decoder_string_at(d, param, ".definition", &definition, false, ret_definition);
}

bool responses_custom_tool(struct decoder *d, struct str param, const struct json_value *format,
                           struct chat_tool *tool)
{
    static const char how[] = "The string \"input\" is the free text that this tool takes.";
    struct str syntax = STR(""), definition = STR("");
    struct str gap = tool->description.n ? STR("\n\n") : STR("");
    struct buf text;
    enum err err;
    char *room;

    if (!read_grammar(d, param, format, &syntax, &definition))
        return false;
    tool->is_custom = true;
    tool->parameters = str_of(parameters);
    buf_init(&text, tool->description.n + syntax.n + definition.n + 256);
    err = buf_addf(&text, "%.*s%.*s%s", STR_ARGS(tool->description), STR_ARGS(gap), how);
    if (!err && definition.n > 0)
        err = buf_addf(&text, " It must follow this grammar (%.*s):\n%.*s", STR_ARGS(syntax),
                       STR_ARGS(definition));
    room = err ? NULL : decoder_room(d, text.n);
    if (room) {
        memcpy(room, text.p, text.n);
        tool->description = (struct str){ room, text.n };
    }
    buf_deinit(&text);
    return room || decoder_no_memory(d);
}

bool responses_custom_arguments(struct decoder *d, struct str param, const struct json_value *input,
                                struct str *ret)
{
    size_t n = input->raw.n + sizeof("{\"input\":}") - 1;
    char *room;

    if (!decoder_expect(d, param, input->type, ALLOW_STRING, "a string"))
        return false;
    room = decoder_room(d, n + 1);
    if (!room)
        return false;
    snprintf(room, n + 1, "{\"input\":%.*s}", STR_ARGS(input->raw));
    *ret = (struct str){ room, n };
    return true;
}

/* Whether they are {"input": <a string>} and nothing else. */
static bool is_input(struct str arguments, struct json_value *ret)
{
    struct str key;
    struct json j;
    bool is_it;

    json_init(&j, arguments, JSON_DEPTH_MAX);
    is_it = json_enter_object(&j) && json_next_member(&j, &key) && json_key_eq(key, STR("input")) &&
            json_read(&j, ret) && ret->type == JSON_STRING;
    return is_it && !json_next_member(&j, &key) && json_end(&j) == ERR_NONE;
}

/* Arguments that the function does not take are shown as they are: the tool can tell its model. */
enum err responses_custom_input(struct str arguments, struct buf *out)
{
    struct json_value input;

    return is_input(arguments, &input) ? json_text_add(&input, out) : buf_add(out, arguments);
}
