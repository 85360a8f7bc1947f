/* SPDX-License-Identifier: Apache-2.0 */
/* Short, since it is paid for with each new chat; what models get wrong is said in so many words.
 */
#include "shape/tool_prompt.h"

#include "json/writer.h"

struct text {
    struct buf *out;
    enum err failed; /* the first one */
};

static void add(struct text *t, struct str s)
{
    if (!t->failed)
        t->failed = buf_add(t->out, s);
}

static void add_escaped(struct text *t, struct str s)
{
    if (!t->failed)
        t->failed = json_escape_add(t->out, s);
}

/* JSON without the white space between its tokens. */
static void add_compact(struct text *t, struct str json)
{
    size_t from = 0;
    bool in_string = false;

    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            add(t, str_sub(json, from, i - from));
            from = i + 1;
        }
    }
    add(t, str_from(json, from));
}

bool tool_is_offered(const struct chat_tools *tools, const struct chat_tool *tool)
{
    return tools->choice == CHAT_CHOOSE_NAMED ? str_eq(tool->name, tools->named)
                                              : tools->choice != CHAT_CHOOSE_NONE;
}

static void add_tool(struct text *t, const struct chat_tool *tool)
{
    add(t, STR("\n\""));
    add_escaped(t, tool->name);
    add(t, STR("\""));
    if (tool->description.n > 0)
        add(t, STR(": "));
    add(t, tool->description);
    add(t, STR("\n"));
    if (tool->parameters.n > 0)
        add_compact(t, tool->parameters);
    else
        add(t, STR("{\"type\":\"object\"}"));
    add(t, STR("\n"));
}

static struct str rule_of(const struct chat_tools *tools)
{
    switch (tools->choice) {
    case CHAT_CHOOSE_REQUIRED:
        return STR("Your answer must hold a call.\n");
    case CHAT_CHOOSE_NAMED:
        return STR("Your answer must hold a call of the tool below.\n");
    case CHAT_CHOOSE_AUTO:
    case CHAT_CHOOSE_NONE:
        break;
    }
    return STR("Call a tool only when it helps; otherwise answer as usual.\n");
}

enum err tool_prompt_write(const struct chat_tools *tools, struct buf *out)
{
    struct text t = { .out = out };
    size_t start = out->n;

    if (tools->n == 0 || tools->choice == CHAT_CHOOSE_NONE)
        return ERR_NONE;
    add(&t, STR("You can call tools. A call is written exactly so, on lines of its own:\n\n"
                "<tool_call name=\"NAME\">\n{\"parameter\": \"value\"}\n</tool_call>\n\n"
                "Between the tags stands one JSON object that fits the tool's JSON Schema; no "
                "comments, no code fence around the call.\n"));
    add(&t, tools->is_serial ? STR("Make at most one call in an answer.\n")
                             : STR("You may make several calls, one behind the other.\n"));
    add(&t, STR("Stop behind your last call: the results come with the next message. Never write "
                "a result yourself.\n"));
    add(&t, rule_of(tools));
    add(&t, STR("\nThe tools, each with the JSON Schema of its parameters:\n"));
    for (size_t i = 0; i < tools->n; i++)
        if (tool_is_offered(tools, &tools->list[i]))
            add_tool(&t, &tools->list[i]);
    if (t.failed)
        buf_truncate(out, start);
    return t.failed;
}

enum err format_prompt_write(const struct chat_format *format, bool has_tools, struct buf *out)
{
    struct text t = { .out = out };
    bool is_schema = format->type == CHAT_FORMAT_JSON_SCHEMA;
    size_t start = out->n;

    if (format->type == CHAT_FORMAT_TEXT)
        return ERR_NONE;
    add(&t, has_tools ? STR("When your answer is no tool call, it is ") : STR("Your answer is "));
    add(&t,
        is_schema ? STR("one JSON value that fits the JSON Schema below") : STR("one JSON object"));
    add(&t, STR(", and nothing else: no words before or behind it, no comments, no code fence.\n"));
    if (is_schema && format->description.n > 0) {
        add(&t, STR("\nWhat it is: "));
        add(&t, format->description);
        add(&t, STR("\n"));
    }
    if (is_schema) {
        add(&t, STR("\n"));
        add_compact(&t, format->schema);
        add(&t, STR("\n"));
    }
    if (t.failed)
        buf_truncate(out, start);
    return t.failed;
}
