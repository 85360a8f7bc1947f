/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai_responses_item.h"

enum { KEPT_MAX = 64 << 20 };

void response_item_init(struct response_item *item, const struct dialect_answer *answer,
                        enum item_type type, size_t index)
{
    static const char *const begins[] = {
        [ITEM_MESSAGE] = "msg", [ITEM_REASONING] = "rs", [ITEM_CALL] = "fc", [ITEM_CUSTOM] = "ctc"
    };

    *item = (struct response_item){ .type = type, .index = index };
    item->id =
        arena_printf(answer->arena, "%s_%.*s_%zu", begins[type], STR_ARGS(answer->id), index);
    buf_init(&item->text, KEPT_MAX);
}

bool response_is_whole(const struct dialect_end *end)
{
    return end->finish == CHAT_FINISH_STOP || end->finish == CHAT_FINISH_TOOL_CALLS;
}

const char *response_status(const struct dialect_end *end)
{
    return response_is_whole(end) ? "completed" : "incomplete";
}

static void write_empty_array(struct json_writer *w, const char *name)
{
    json_w_key(w, name);
    json_w_array(w);
    json_w_array_end(w);
}

/* ---- items ---- */

void response_write_part(struct json_writer *w, const struct response_item *item)
{
    json_w_object(w);
    json_w_member_str(w, "type",
                      item->type == ITEM_MESSAGE ? STR("output_text") : STR("summary_text"));
    json_w_member_str(w, "text", buf_str(&item->text));
    if (item->type == ITEM_MESSAGE) {
        write_empty_array(w, "annotations");
        write_empty_array(w, "logprobs");
    }
    json_w_object_end(w);
}

/* An item that only began has no part yet. */
static void write_parts(struct json_writer *w, const char *name, const struct response_item *item)
{
    json_w_key(w, name);
    json_w_array(w);
    if (item->is_done || item->text.n > 0)
        response_write_part(w, item);
    json_w_array_end(w);
}

static void write_call(struct json_writer *w, const struct response_item *item)
{
    json_w_member_str(w, "call_id", item->call_id);
    json_w_member_str(w, "name", item->name);
    if (item->type == ITEM_CALL)
        json_w_member_str(w, "arguments", buf_str(&item->text));
    else
        json_w_member_str(w, "input", item->is_done ? buf_str(&item->text) : STR(""));
}

void response_write_item(struct json_writer *w, const struct response_item *item)
{
    static const char *const types[] = { [ITEM_MESSAGE] = "message",
                                         [ITEM_REASONING] = "reasoning",
                                         [ITEM_CALL] = "function_call",
                                         [ITEM_CUSTOM] = "custom_tool_call" };

    json_w_object(w);
    json_w_member_str(w, "id", item->id);
    json_w_member_str(w, "type", str_of(types[item->type]));
    json_w_member_str(w, "status", item->is_done ? STR("completed") : STR("in_progress"));
    if (item->type == ITEM_CALL || item->type == ITEM_CUSTOM)
        write_call(w, item);
    if (item->type == ITEM_MESSAGE) {
        json_w_member_str(w, "role", STR("assistant"));
        write_parts(w, "content", item);
    }
    if (item->type == ITEM_REASONING)
        write_parts(w, "summary", item);
    json_w_object_end(w);
}

/* ---- responses ---- */

/* What the answer repeats of the request, and what stands there when the request does not say. */
static const struct {
    const char *name;
    const char *otherwise;
} repeated[] = {
    { "instructions", "null" },
    { "max_output_tokens", "null" },
    { "parallel_tool_calls", "true" },
    { "previous_response_id", "null" },
    { "reasoning", "{\"effort\":null,\"summary\":null}" },
    { "temperature", "null" },
    { "text", "{\"format\":{\"type\":\"text\"}}" },
    { "tool_choice", "\"auto\"" },
    { "tools", "[]" },
    { "top_p", "null" },
    { "metadata", "{}" },
};

static void write_repeated(struct json_writer *w, const struct chat_request *r)
{
    for (size_t i = 0; i < COUNT_OF(repeated); i++) {
        struct str value = str_of(repeated[i].otherwise);

        for (size_t k = 0; k < r->n_repeated; k++)
            if (strcmp(r->repeated[k].name, repeated[i].name) == 0)
                value = r->repeated[k].json;
        json_w_key(w, repeated[i].name);
        json_w_raw(w, value);
    }
}

static void write_usage(struct json_writer *w, const struct chat_usage *u)
{
    json_w_key(w, "usage");
    if (!u) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_member_int(w, "input_tokens", u->prompt_tokens);
    json_w_key(w, "input_tokens_details");
    json_w_object(w);
    json_w_member_int(w, "cached_tokens", u->cached_tokens);
    json_w_member_int(w, "cache_write_tokens", 0);
    json_w_object_end(w);
    json_w_member_int(w, "output_tokens", u->completion_tokens);
    json_w_key(w, "output_tokens_details");
    json_w_object(w);
    json_w_member_int(w, "reasoning_tokens", u->reasoning_tokens);
    json_w_object_end(w);
    json_w_member_int(w, "total_tokens", u->prompt_tokens + u->completion_tokens);
    if (u->estimated)
        json_w_member_bool(w, "x_estimated", true);
    json_w_object_end(w);
}

void response_write_failure(struct json_writer *w, const char *code, const struct failure *failure)
{
    json_w_member_str(w, "code", str_of(code));
    json_w_member_str(w, "message", failure->message);
    json_w_key(w, "param");
    if (failure->param.n > 0)
        json_w_str(w, failure->param);
    else
        json_w_null(w);
}

static void write_error(struct json_writer *w, const struct failure *failure)
{
    json_w_key(w, "error");
    if (!failure) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "code",
                      failure_status(failure) == 429 ? STR("rate_limit_exceeded")
                                                     : STR("server_error"));
    json_w_member_str(w, "message", failure->message);
    json_w_object_end(w);
}

static void write_incomplete(struct json_writer *w, const struct dialect_end *end)
{
    json_w_key(w, "incomplete_details");
    if (!end || response_is_whole(end)) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "reason",
                      end->finish == CHAT_FINISH_LENGTH ? STR("max_output_tokens")
                                                        : STR("content_filter"));
    json_w_object_end(w);
}

void response_write(struct json_writer *w, const struct dialect_answer *answer,
                    const struct response *response)
{
    json_w_object(w);
    json_w_member_str(w, "id", arena_printf(answer->arena, "resp_%.*s", STR_ARGS(answer->id)));
    json_w_member_str(w, "object", STR("response"));
    json_w_member_int(w, "created_at", answer->created_s);
    json_w_member_str(w, "status", str_of(response->status));
    json_w_member_bool(w, "background", false);
    write_error(w, response->failure);
    write_incomplete(w, response->end);
    json_w_member_str(w, "model", answer->model);
    json_w_key(w, "output");
    json_w_array(w);
    for (size_t i = 0; i < response->n; i++)
        response_write_item(w, &response->items[i]);
    json_w_array_end(w);
    json_w_member_bool(w, "store", answer->is_kept && !response->failure);
    json_w_member_str(w, "truncation", STR("disabled"));
    write_repeated(w, answer->request);
    write_usage(w, response->usage);
    json_w_object_end(w);
}
