/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of text alone is written as a string, which every server understands. What an assistant
 * thought goes back only with its tool calls, where models go on thinking; elsewhere several
 * servers refuse it. The limit is called max_tokens, the name that most servers know (a target can
 * rename it).
 */
#include "provider/openai/request_write.h"

#include "json/writer.h"

static void write_part(struct json_writer *w, const struct chat_part *part)
{
    json_w_object(w);
    if (part->type == CHAT_PART_TEXT) {
        json_w_member_str(w, "type", STR("text"));
        json_w_member_str(w, "text", part->text);
    } else {
        json_w_member_str(w, "type", STR("image_url"));
        json_w_key(w, "image_url");
        json_w_object(w);
        json_w_member_str(w, "url", part->text);
        json_w_object_end(w);
    }
    json_w_object_end(w);
}

static void write_content(struct json_writer *w, const struct chat_message *m)
{
    json_w_key(w, "content");
    if (m->n_parts == 0 && m->n_tool_calls > 0) {
        json_w_null(w);
        return;
    }
    if (m->n_parts == 0 || (m->n_parts == 1 && m->parts[0].type == CHAT_PART_TEXT)) {
        json_w_str(w, m->n_parts ? m->parts[0].text : STR(""));
        return;
    }
    json_w_array(w);
    for (size_t i = 0; i < m->n_parts; i++)
        write_part(w, &m->parts[i]);
    json_w_array_end(w);
}

static void write_tool_call(struct json_writer *w, const struct chat_tool_call *call)
{
    json_w_object(w);
    json_w_member_str(w, "id", call->id);
    json_w_member_str(w, "type", STR("function"));
    json_w_key(w, "function");
    json_w_object(w);
    json_w_member_str(w, "name", call->name);
    json_w_member_str(w, "arguments", call->arguments);
    json_w_object_end(w);
    json_w_object_end(w);
}

static void write_message(struct json_writer *w, const struct chat_message *m)
{
    json_w_object(w);
    json_w_member_str(w, "role", str_of(chat_role_name(m->role)));
    write_content(w, m);
    if (m->role == CHAT_TOOL)
        json_w_member_str(w, "tool_call_id", m->tool_call_id);
    if (m->n_tool_calls > 0 && m->reasoning.n > 0)
        json_w_member_str(w, "reasoning_content", m->reasoning);
    if (m->n_tool_calls > 0) {
        json_w_key(w, "tool_calls");
        json_w_array(w);
        for (size_t i = 0; i < m->n_tool_calls; i++)
            write_tool_call(w, &m->tool_calls[i]);
        json_w_array_end(w);
    }
    json_w_object_end(w);
}

/* ---- tools ---- */

static void write_tool(struct json_writer *w, const struct chat_tool *tool)
{
    json_w_object(w);
    json_w_member_str(w, "type", STR("function"));
    json_w_key(w, "function");
    json_w_object(w);
    json_w_member_str(w, "name", tool->name);
    if (tool->description.n > 0)
        json_w_member_str(w, "description", tool->description);
    if (tool->parameters.n > 0) {
        json_w_key(w, "parameters");
        json_w_raw(w, tool->parameters);
    }
    if (tool->is_strict)
        json_w_member_bool(w, "strict", true);
    json_w_object_end(w);
    json_w_object_end(w);
}

static void write_tool_choice(struct json_writer *w, const struct chat_tools *tools)
{
    json_w_key(w, "tool_choice");
    if (tools->choice != CHAT_CHOOSE_NAMED) {
        json_w_str(w, tools->choice == CHAT_CHOOSE_NONE ? STR("none") : STR("required"));
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "type", STR("function"));
    json_w_key(w, "function");
    json_w_object(w);
    json_w_member_str(w, "name", tools->named);
    json_w_object_end(w);
    json_w_object_end(w);
}

static void write_tools(struct json_writer *w, const struct chat_tools *tools)
{
    if (tools->n == 0)
        return;
    json_w_key(w, "tools");
    json_w_array(w);
    for (size_t i = 0; i < tools->n; i++)
        write_tool(w, &tools->list[i]);
    json_w_array_end(w);
    if (tools->choice != CHAT_CHOOSE_AUTO)
        write_tool_choice(w, tools);
    if (tools->is_serial)
        json_w_member_bool(w, "parallel_tool_calls", false);
}

/* ---- the rest ---- */

static void write_schema(struct json_writer *w, const struct chat_format *f)
{
    json_w_key(w, "json_schema");
    json_w_object(w);
    json_w_member_str(w, "name", f->name.n ? f->name : STR("answer"));
    if (f->description.n > 0)
        json_w_member_str(w, "description", f->description);
    json_w_key(w, "schema");
    json_w_raw(w, f->schema);
    if (f->is_strict)
        json_w_member_bool(w, "strict", true);
    json_w_object_end(w);
}

static void write_format(struct json_writer *w, const struct chat_format *f)
{
    if (f->type == CHAT_FORMAT_TEXT)
        return;
    json_w_key(w, "response_format");
    json_w_object(w);
    json_w_member_str(w, "type",
                      f->type == CHAT_FORMAT_JSON_OBJECT ? STR("json_object") : STR("json_schema"));
    if (f->type == CHAT_FORMAT_JSON_SCHEMA)
        write_schema(w, f);
    json_w_object_end(w);
}

static void write_limits(struct json_writer *w, const struct chat_limits *l)
{
    if (l->max_tokens > 0)
        json_w_member_int(w, "max_tokens", l->max_tokens);
    if (l->n_stops == 0)
        return;
    json_w_key(w, "stop");
    json_w_array(w);
    for (size_t i = 0; i < l->n_stops; i++)
        json_w_str(w, l->stops[i]);
    json_w_array_end(w);
}

static void write_stream(struct json_writer *w, bool stream)
{
    json_w_member_bool(w, "stream", stream);
    if (!stream)
        return;
    json_w_key(w, "stream_options");
    json_w_object(w);
    json_w_member_bool(w, "include_usage", true);
    json_w_object_end(w);
}

enum err request_write(const struct chat_request *chat, struct str model, struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "model", model);
    json_w_key(&w, "messages");
    json_w_array(&w);
    for (size_t i = 0; i < chat->n_messages; i++)
        write_message(&w, &chat->messages[i]);
    json_w_array_end(&w);
    write_tools(&w, &chat->tools);
    write_format(&w, &chat->format);
    write_limits(&w, &chat->limits);
    if (chat->n > 1)
        json_w_member_int(&w, "n", (int64_t)chat->n);
    for (size_t i = 0; i < chat->n_parameters; i++) {
        json_w_key(&w, chat->parameters[i].name);
        json_w_raw(&w, chat->parameters[i].json);
    }
    write_stream(&w, chat->stream);
    json_w_object_end(&w);
    return json_w_end(&w);
}
