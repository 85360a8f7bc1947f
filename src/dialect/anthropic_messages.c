/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic's messages API: what goes out. An answer is a row of blocks, one open at a time; the
 * kind of what comes next opens another. A function that fails leaves the buffer as it was, so that
 * half an event never goes out.
 */
#include "dialect/anthropic_decode.h"
#include "json/writer.h"

enum block { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL };

struct encoder {
    enum block open;
    size_t index; /* of the open block, or of the next */
    size_t tool;  /* of BLOCK_TOOL: which call */
    size_t tools; /* calls that began */
    struct dialect_end end;
};

/* Clients send it back, and some drop thoughts without one. Nobody checks it. */
#define SIGNATURE "unsigned"

#define EVENT(name) "event: " name "\ndata: {\"type\":\"" name "\""

static const char *reason_name(const struct dialect_end *end)
{
    static const char *const names[] = {
        [CHAT_FINISH_STOP] = "end_turn",
        [CHAT_FINISH_LENGTH] = "max_tokens",
        [CHAT_FINISH_TOOL_CALLS] = "tool_use",
        [CHAT_FINISH_FILTER] = "refusal",
    };

    BUG_ON((size_t)end->finish >= COUNT_OF(names));
    return end->finish == CHAT_FINISH_STOP && end->stop.n > 0 ? "stop_sequence"
                                                              : names[end->finish];
}

/* Members that the API always has, and of which there is nothing to say here. */
static void write_nulls(struct json_writer *w, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_w_key(w, names[i]);
        json_w_null(w);
    }
}

static void write_end(struct json_writer *w, const struct dialect_end *end)
{
    static const char *const nothing[] = { "container", "stop_details" };

    write_nulls(w, nothing, COUNT_OF(nothing));
    json_w_member_str(w, "stop_reason", str_of(reason_name(end)));
    json_w_key(w, "stop_sequence");
    if (end->stop.n > 0)
        json_w_str(w, end->stop);
    else
        json_w_null(w);
}

/* What was read from a cache is not input here. A delta tells less. */
static void write_usage(struct json_writer *w, const struct chat_usage *u, bool is_delta)
{
    static const char *const nothing[] = { "server_tool_use", "cache_creation", "inference_geo",
                                           "service_tier", "speed" };
    int64_t cached = u->cached_tokens < u->prompt_tokens ? u->cached_tokens : u->prompt_tokens;

    json_w_key(w, "usage");
    json_w_object(w);
    json_w_member_int(w, "input_tokens", u->prompt_tokens - cached);
    json_w_member_int(w, "cache_creation_input_tokens", 0);
    json_w_member_int(w, "cache_read_input_tokens", cached);
    json_w_member_int(w, "output_tokens", u->completion_tokens);
    json_w_key(w, "output_tokens_details");
    json_w_object(w);
    json_w_member_int(w, "thinking_tokens", u->reasoning_tokens);
    json_w_object_end(w);
    write_nulls(w, nothing, is_delta ? 1 : COUNT_OF(nothing));
    if (u->estimated)
        json_w_member_bool(w, "x_estimated", true);
    json_w_object_end(w);
}

static void write_message_head(struct json_writer *w, const struct dialect_answer *answer)
{
    static const char *const nothing[] = { "diagnostics" };

    json_w_member_str(w, "id", arena_printf(answer->arena, "msg_%.*s", STR_ARGS(answer->id)));
    json_w_member_str(w, "type", STR("message"));
    json_w_member_str(w, "role", STR("assistant"));
    json_w_member_str(w, "model", answer->model);
    write_nulls(w, nothing, COUNT_OF(nothing));
}

/* ---- streams ---- */

static enum err cut_back(struct buf *out, size_t before, enum err err)
{
    if (err)
        buf_truncate(out, before);
    return err;
}

static enum err write_start(const struct dialect_answer *answer, struct buf *out)
{
    static const char *const nothing[] = { "container", "stop_details", "stop_reason",
                                           "stop_sequence" };
    const struct chat_usage usage = { .prompt_tokens = answer->prompt_tokens, .estimated = true };
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    write_message_head(&w, answer);
    json_w_key(&w, "content");
    json_w_array(&w);
    json_w_array_end(&w);
    write_nulls(&w, nothing, COUNT_OF(nothing));
    write_usage(&w, &usage, false);
    json_w_object_end(&w);
    return json_w_end(&w);
}

static enum err stream_begin(UNUSED void *encoder, const struct dialect_answer *answer,
                             struct buf *out)
{
    size_t before = out->n;
    enum err err = buf_add(out, STR(EVENT("message_start") ",\"message\":"));

    if (!err)
        err = write_start(answer, out);
    if (!err)
        err = buf_add(out, STR("}\n\n"));
    return cut_back(out, before, err);
}

static enum err add_delta(const struct encoder *e, struct str head, struct str text,
                          struct buf *out)
{
    enum err err = buf_addf(out, EVENT("content_block_delta") ",\"index\":%zu,\"delta\":{%.*s\"",
                            e->index, STR_ARGS(head));

    if (!err)
        err = json_escape_add(out, text);
    return err ? err : buf_add(out, STR("\"}}\n\n"));
}

static enum err close_block(struct encoder *e, struct buf *out)
{
    enum err err = ERR_NONE;

    if (e->open == BLOCK_NONE)
        return ERR_NONE;
    if (e->open == BLOCK_THINKING)
        err = add_delta(e, STR("\"type\":\"signature_delta\",\"signature\":"), STR(SIGNATURE), out);
    if (!err)
        err = buf_addf(out, EVENT("content_block_stop") ",\"index\":%zu}\n\n", e->index);
    if (!err) {
        e->open = BLOCK_NONE;
        e->index++;
    }
    return err;
}

static enum err open_block(struct encoder *e, enum block block, const char *members,
                           struct buf *out)
{
    enum err err;

    if (e->open == block)
        return ERR_NONE;
    err = close_block(e, out);
    if (!err)
        err =
            buf_addf(out, EVENT("content_block_start") ",\"index\":%zu,\"content_block\":{%s}}\n\n",
                     e->index, members);
    if (!err)
        e->open = block;
    return err;
}

/* `text` of a kind that has one block for all that comes in a row. Nothing is no block. */
static enum err add_text(struct encoder *e, enum block block, const char *members, struct str head,
                         struct str text, struct buf *out)
{
    const struct encoder was = *e;
    size_t before = out->n;
    enum err err;

    if (text.n == 0)
        return ERR_NONE;
    err = open_block(e, block, members, out);
    if (!err)
        err = add_delta(e, head, text, out);
    if (err)
        *e = was;
    return cut_back(out, before, err);
}

static enum err stream_text(void *encoder, UNUSED size_t choice, struct str text, struct buf *out)
{
    return add_text(encoder, BLOCK_TEXT, "\"type\":\"text\",\"text\":\"\"",
                    STR("\"type\":\"text_delta\",\"text\":"), text, out);
}

static enum err stream_reasoning(void *encoder, UNUSED size_t choice, struct str text,
                                 struct buf *out)
{
    return add_text(encoder, BLOCK_THINKING,
                    "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"",
                    STR("\"type\":\"thinking_delta\",\"thinking\":"), text, out);
}

static enum err open_tool(struct encoder *e, const struct chat_tool_piece *piece, struct buf *out)
{
    enum err err = close_block(e, out);

    if (!err)
        err = buf_addf(out,
                       EVENT("content_block_start") ",\"index\":%zu,\"content_block\":{\"type\":"
                                                    "\"tool_use\",\"id\":\"",
                       e->index);
    if (!err)
        err = json_escape_add(out, piece->id);
    if (!err)
        err = buf_add(out, STR("\",\"name\":\""));
    if (!err)
        err = json_escape_add(out, piece->name);
    if (!err)
        err = buf_add(out, STR("\",\"caller\":{\"type\":\"direct\"},\"input\":{}}}\n\n"));
    e->open = BLOCK_TOOL;
    e->tool = piece->index;
    e->tools++;
    return err;
}

/* A piece of a call whose block is closed already cannot be told. */
static enum err stream_tool(void *encoder, UNUSED size_t choice,
                            const struct chat_tool_piece *piece, struct buf *out)
{
    struct encoder *e = encoder;
    const struct encoder was = *e;
    size_t before = out->n;
    bool is_first = piece->index >= e->tools;
    enum err err = ERR_NONE;

    if (is_first)
        err = open_tool(e, piece, out);
    else if (piece->arguments.n > 0 && (e->open != BLOCK_TOOL || e->tool != piece->index))
        err = ERR_PROTOCOL;
    if (!err && piece->arguments.n > 0)
        err = add_delta(e, STR("\"type\":\"input_json_delta\",\"partial_json\":"), piece->arguments,
                        out);
    if (err)
        *e = was;
    return cut_back(out, before, err);
}

static enum err stream_choice_end(void *encoder, UNUSED size_t choice,
                                  const struct dialect_end *end, struct buf *out)
{
    struct encoder *e = encoder;
    size_t before = out->n;

    e->end = *end;
    return cut_back(out, before, close_block(e, out));
}

static enum err write_delta(const struct encoder *e, const struct chat_usage *usage,
                            struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "type", STR("message_delta"));
    json_w_key(&w, "delta");
    json_w_object(&w);
    write_end(&w, &e->end);
    json_w_object_end(&w);
    write_usage(&w, usage, true);
    json_w_object_end(&w);
    return json_w_end(&w);
}

static enum err stream_end(void *encoder, const struct chat_usage *usage, struct buf *out)
{
    size_t before = out->n;
    enum err err = buf_add(out, STR("event: message_delta\ndata: "));

    if (!err)
        err = write_delta(encoder, usage, out);
    if (!err)
        err = buf_add(out, STR("\n\n" EVENT("message_stop") "}\n\n"));
    return cut_back(out, before, err);
}

static enum err stream_keepalive(UNUSED void *encoder, struct buf *out)
{
    return buf_add(out, STR(EVENT("ping") "}\n\n"));
}

/* ---- errors ---- */

/* By this the vendor's client knows that it has to send its whole history. */
static void write_thread_details(struct json_writer *w)
{
    json_w_key(w, "details");
    json_w_object(w);
    json_w_member_str(w, "error_code", STR("thread_unsupported_request"));
    json_w_key(w, "unsupported");
    json_w_array(w);
    json_w_str(w, STR("thread"));
    json_w_array_end(w);
    json_w_object_end(w);
}

static enum err write_error(const struct failure *failure, struct buf *out)
{
    size_t before = out->n;
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "type", STR("error"));
    json_w_key(&w, "error");
    json_w_object(&w);
    json_w_member_str(&w, "type", str_of(failure_row(failure->kind)->anthropic_type));
    json_w_member_str(&w, "message", failure->message);
    if (failure->kind == FAILURE_NO_THREADS)
        write_thread_details(&w);
    json_w_object_end(&w);
    json_w_key(&w, "request_id");
    if (failure->request_id.n > 0)
        json_w_str(&w, failure->request_id);
    else
        json_w_null(&w);
    json_w_object_end(&w);
    return cut_back(out, before, json_w_end(&w));
}

static enum err stream_error(UNUSED void *encoder, const struct failure *failure, struct buf *out)
{
    size_t before = out->n;
    enum err err = buf_add(out, STR("event: error\ndata: "));

    if (!err)
        err = write_error(failure, out);
    if (!err)
        err = buf_add(out, STR("\n\n"));
    return cut_back(out, before, err);
}

/* ---- whole answers ---- */

static bool is_object(struct str json)
{
    struct json_value v;
    struct json j;

    json_init(&j, json, JSON_DEPTH_MAX);
    return json_peek(&j) == JSON_OBJECT && json_read(&j, &v) && json_end(&j) == ERR_NONE;
}

/* Arguments are an object in this API: what is none stands in one. */
static void write_input(struct json_writer *w, struct str arguments)
{
    json_w_key(w, "input");
    if (is_object(arguments)) {
        json_w_raw(w, str_trim(arguments));
        return;
    }
    json_w_object(w);
    if (str_trim(arguments).n > 0)
        json_w_member_str(w, "invalid_arguments", arguments);
    json_w_object_end(w);
}

static void write_tool_use(struct json_writer *w, const struct chat_tool_call *call)
{
    json_w_object(w);
    json_w_member_str(w, "type", STR("tool_use"));
    json_w_member_str(w, "id", call->id);
    json_w_member_str(w, "name", call->name);
    json_w_key(w, "caller");
    json_w_raw(w, STR("{\"type\":\"direct\"}"));
    write_input(w, call->arguments);
    json_w_object_end(w);
}

static void write_content(struct json_writer *w, const struct dialect_choice *c)
{
    json_w_key(w, "content");
    json_w_array(w);
    if (c->reasoning.n > 0) {
        json_w_object(w);
        json_w_member_str(w, "type", STR("thinking"));
        json_w_member_str(w, "thinking", c->reasoning);
        json_w_member_str(w, "signature", STR(SIGNATURE));
        json_w_object_end(w);
    }
    if (c->text.n > 0) {
        json_w_object(w);
        json_w_member_str(w, "type", STR("text"));
        json_w_member_str(w, "text", c->text);
        json_w_object_end(w); /* "citations" is left out: some clients take no null there */
    }
    for (size_t i = 0; i < c->n_tool_calls; i++)
        write_tool_use(w, &c->tool_calls[i]);
    json_w_array_end(w);
}

static enum err write_whole(const struct dialect_answer *answer, const struct dialect_whole *whole,
                            struct buf *out)
{
    size_t before = out->n;
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    write_message_head(&w, answer);
    write_content(&w, &whole->choices[0]);
    write_end(&w, &whole->choices[0].end);
    write_usage(&w, &whole->usage, false);
    json_w_object_end(&w);
    return cut_back(out, before, json_w_end(&w));
}

const struct dialect_ops dialect_anthropic_messages = {
    .name = "anthropic_messages",
    .encoder_size = sizeof(struct encoder),
    .counts_first = true,
    .id_header = "request-id",
    .params = { "stop_sequences", "max_tokens", "tools", "output_config.format", NULL },
    .decode = anthropic_decode,
    .stream_begin = stream_begin,
    .stream_text = stream_text,
    .stream_reasoning = stream_reasoning,
    .stream_tool = stream_tool,
    .stream_choice_end = stream_choice_end,
    .stream_end = stream_end,
    .stream_error = stream_error,
    .stream_keepalive = stream_keepalive,
    .whole = write_whole,
    .error = write_error,
};
