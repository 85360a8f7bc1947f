/* SPDX-License-Identifier: Apache-2.0 */
/* Content of text alone is written as a string, which every server understands. */
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
    if (m->n_tool_calls > 0) {
        json_w_key(w, "tool_calls");
        json_w_array(w);
        for (size_t i = 0; i < m->n_tool_calls; i++)
            write_tool_call(w, &m->tool_calls[i]);
        json_w_array_end(w);
    }
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
    json_w_member_bool(&w, "stream", chat->stream);
    if (chat->stream) {
        json_w_key(&w, "stream_options");
        json_w_object(&w);
        json_w_member_bool(&w, "include_usage", true);
        json_w_object_end(&w);
    }
    json_w_object_end(&w);
    return json_w_end(&w);
}
