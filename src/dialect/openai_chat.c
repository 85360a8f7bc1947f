/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's chat completions: what goes out. All chunks of a stream begin with the same bytes (id,
 * time, model), which are built once; a piece of text is then its escapes between copies. A
 * function that fails leaves the buffer as it was, so that half a chunk never goes out.
 */
#include "dialect/openai_chat_decode.h"
#include "dialect/openai_wire.h"

/* The one choice of a chunk, behind its index, and behind its delta. */
#define DELTA ",\"delta\":{"
#define DELTA_END "},\"logprobs\":null,\"finish_reason\":null}"

struct encoder {
    struct str prefix; /* "data: {"id":...,"choices":[", in the answer's arena */
    struct str ending; /* from behind the choices to the end of the event */
    struct str before; /* a piece of the first choice's text, and ... */
    struct str behind; /* ... what follows it to the end of the event, in the answer's arena */
    bool include_usage;
    size_t n; /* choices */
};

/* ---- streams ---- */

static enum err begin_chunk(const struct encoder *e, size_t choice, struct buf *out)
{
    enum err err = buf_add(out, e->prefix);

    if (!err)
        err = choice ? buf_addf(out, "{\"index\":%zu", choice) : buf_add(out, STR("{\"index\":0"));
    return err;
}

/* A chunk of one choice: `head`, the escaped `text`, `tail`. */
static enum err add_chunk(const struct encoder *e, size_t choice, struct str head, struct str text,
                          struct str tail, struct buf *out)
{
    size_t before = out->n;
    enum err err = begin_chunk(e, choice, out);

    if (!err)
        err = json_escape_add_between(out, head, text, tail);
    if (!err)
        err = buf_add(out, e->ending);
    if (err)
        buf_truncate(out, before);
    return err;
}

/* Most chunks of a stream are of one kind. */
static enum err prepare_text(struct encoder *e, struct arena *a)
{
    const struct str first = STR("{\"index\":0" DELTA "\"content\":\"");
    const struct str last = STR("\"" DELTA_END);
    char *p = arena_try(a, e->prefix.n + first.n + last.n + e->ending.n);
    char *behind;

    if (!p)
        return ERR_NOMEM;
    behind = str_join(STRS(e->prefix, first), p);
    e->before = (struct str){ p, (size_t)(behind - p) };
    p = str_join(STRS(last, e->ending), behind);
    e->behind = (struct str){ behind, (size_t)(p - behind) };
    return ERR_NONE;
}

static enum err stream_begin(void *encoder, const struct dialect_answer *answer, struct buf *out)
{
    struct encoder *e = encoder;
    enum err err = openai_prefix(answer, "chatcmpl-", "chat.completion.chunk", &e->prefix);

    if (err)
        return err;
    e->include_usage = answer->request->include_usage;
    e->ending = e->include_usage ? STR("],\"usage\":null}\n\n") : STR("]}\n\n");
    err = prepare_text(e, answer->arena);
    e->n = answer->request->n ? answer->request->n : 1;
    for (size_t i = 0; i < e->n && !err; i++)
        err = add_chunk(e, i, STR(DELTA "\"role\":\"assistant\",\"content\":\""), STR(""),
                        STR("\"" DELTA_END), out);
    return err;
}

static enum err stream_text(void *encoder, size_t choice, struct str text, struct buf *out)
{
    const struct encoder *e = encoder;

    if (choice == 0)
        return json_escape_add_between(out, e->before, text, e->behind);
    return add_chunk(e, choice, STR(DELTA "\"content\":\""), text, STR("\"" DELTA_END), out);
}

static enum err stream_reasoning(void *encoder, size_t choice, struct str text, struct buf *out)
{
    return add_chunk(encoder, choice, STR(DELTA "\"reasoning_content\":\""), text,
                     STR("\"" DELTA_END), out);
}

/* What comes with the first piece of a call only. */
static enum err add_tool_name(const struct chat_tool_piece *piece, struct buf *out)
{
    enum err err = buf_add(out, STR("\"id\":\""));

    if (!err)
        err = json_escape_add(out, piece->id);
    if (!err)
        err = buf_add(out, STR("\",\"type\":\"function\","));
    return err;
}

static enum err add_tool_function(const struct chat_tool_piece *piece, struct buf *out)
{
    enum err err = buf_add(out, STR("\"function\":{"));

    if (!err && piece->id.n > 0) {
        err = buf_add(out, STR("\"name\":\""));
        if (!err)
            err = json_escape_add(out, piece->name);
        if (!err)
            err = buf_add(out, STR("\","));
    }
    if (!err)
        err = buf_add(out, STR("\"arguments\":\""));
    if (!err)
        err = json_escape_add(out, piece->arguments);
    return err ? err : buf_add(out, STR("\"}}]" DELTA_END));
}

static enum err stream_tool(void *encoder, size_t choice, const struct chat_tool_piece *piece,
                            struct buf *out)
{
    const struct encoder *e = encoder;
    size_t before = out->n;
    enum err err = begin_chunk(e, choice, out);

    if (!err)
        err = buf_addf(out, DELTA "\"tool_calls\":[{\"index\":%zu,", piece->index);
    if (!err && piece->id.n > 0)
        err = add_tool_name(piece, out);
    if (!err)
        err = add_tool_function(piece, out);
    if (!err)
        err = buf_add(out, e->ending);
    if (err)
        buf_truncate(out, before);
    return err;
}

static enum err add_usage_chunk(const struct encoder *e, const struct chat_usage *usage,
                                struct buf *out)
{
    enum err err = buf_add(out, e->prefix);
    struct json_writer w;

    if (!err)
        err = buf_add(out, STR("],\"usage\":"));
    if (err)
        return err;
    json_w_init(&w, out);
    openai_write_usage(&w, usage);
    err = json_w_end(&w);
    if (!err)
        err = buf_add(out, STR("}\n\n"));
    return err;
}

static enum err stream_choice_end(void *encoder, size_t choice, const struct dialect_end *end,
                                  struct buf *out)
{
    return add_chunk(encoder, choice, STR(DELTA "},\"logprobs\":null,\"finish_reason\":\""),
                     str_of(openai_finish_name(end->finish)), STR("\"}"), out);
}

static enum err stream_end(void *encoder, const struct chat_usage *usage, struct buf *out)
{
    const struct encoder *e = encoder;
    size_t before = out->n;
    enum err err = e->include_usage && usage ? add_usage_chunk(e, usage, out) : ERR_NONE;

    if (!err)
        err = buf_add(out, STR("data: [DONE]\n\n"));
    if (err)
        buf_truncate(out, before);
    return err;
}

/* ---- what an upstream wrote ---- */

/* A line end inside JSON is white space, but in a stream it begins another line of the event. */
static enum err add_data_lines(struct str json, struct buf *out)
{
    enum err err = ERR_NONE;

    while (!err && json.p) {
        struct str line = str_cut(json, '\n', &json);

        err = buf_add(out, STR("data: "));
        if (!err)
            err = buf_add(out, line);
        if (!err)
            err = buf_add_char(out, '\n');
    }
    return err ? err : buf_add_char(out, '\n');
}

static enum err stream_raw(struct str json, struct buf *out)
{
    size_t before = out->n;
    enum err err = add_data_lines(json, out);

    if (err)
        buf_truncate(out, before);
    return err;
}

static enum err stream_raw_end(struct buf *out)
{
    return buf_add(out, STR("data: [DONE]\n\n"));
}

/* ---- whole answers ---- */

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

static void write_tool_calls(struct json_writer *w, const struct dialect_choice *choice)
{
    if (choice->n_tool_calls == 0)
        return;
    json_w_key(w, "tool_calls");
    json_w_array(w);
    for (size_t i = 0; i < choice->n_tool_calls; i++)
        write_tool_call(w, &choice->tool_calls[i]);
    json_w_array_end(w);
}

static void write_message(struct json_writer *w, const struct dialect_choice *choice)
{
    json_w_key(w, "message");
    json_w_object(w);
    json_w_member_str(w, "role", STR("assistant"));
    json_w_key(w, "content");
    if (choice->text.n == 0 && choice->n_tool_calls > 0)
        json_w_null(w);
    else
        json_w_str(w, choice->text);
    if (choice->reasoning.n > 0)
        json_w_member_str(w, "reasoning_content", choice->reasoning);
    write_tool_calls(w, choice);
    json_w_key(w, "refusal");
    json_w_null(w);
    json_w_object_end(w);
}

static void write_choice(struct json_writer *w, size_t index, const struct dialect_choice *choice)
{
    json_w_object(w);
    json_w_member_int(w, "index", (int64_t)index);
    write_message(w, choice);
    json_w_key(w, "logprobs");
    json_w_null(w);
    json_w_member_str(w, "finish_reason", str_of(openai_finish_name(choice->end.finish)));
    json_w_object_end(w);
}

static enum err write_whole(const struct dialect_answer *answer, const struct dialect_whole *whole,
                            struct buf *out)
{
    size_t before = out->n;
    struct json_writer w;
    enum err err;

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "id", arena_printf(answer->arena, "chatcmpl-%.*s", STR_ARGS(answer->id)));
    json_w_member_str(&w, "object", STR("chat.completion"));
    json_w_member_int(&w, "created", answer->created_s);
    json_w_member_str(&w, "model", answer->model);
    json_w_key(&w, "choices");
    json_w_array(&w);
    for (size_t i = 0; i < whole->n_choices; i++)
        write_choice(&w, i, &whole->choices[i]);
    json_w_array_end(&w);
    json_w_key(&w, "usage");
    openai_write_usage(&w, &whole->usage);
    json_w_key(&w, "system_fingerprint");
    json_w_null(&w);
    json_w_object_end(&w);
    err = json_w_end(&w);
    if (err)
        buf_truncate(out, before);
    return err;
}

const struct dialect_ops dialect_openai_chat = {
    .name = "openai_chat",
    .encoder_size = sizeof(struct encoder),
    .params = { "stop", "max_tokens", "tools", "response_format", "n" },
    .decode = openai_chat_decode,
    .stream_begin = stream_begin,
    .stream_text = stream_text,
    .stream_reasoning = stream_reasoning,
    .stream_tool = stream_tool,
    .stream_choice_end = stream_choice_end,
    .stream_end = stream_end,
    .stream_error = openai_stream_error,
    .stream_keepalive = openai_keepalive,
    .stream_raw = stream_raw,
    .stream_raw_end = stream_raw_end,
    .whole = write_whole,
    .error = openai_error,
};
