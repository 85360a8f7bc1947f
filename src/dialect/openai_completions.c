/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's former completions: the prompt is what a user says, the answer its text. A function that
 * fails leaves the buffer as it was, so that half a chunk never goes out.
 */
#include <stdio.h>

#include "dialect/decoder.h"
#include "dialect/openai_wire.h"

/* ---- what comes in ---- */

static bool set_prompt(struct decoder *d, struct str text)
{
    struct chat_part *part = decoder_grow(d, NULL, 0, sizeof(*part));
    struct chat_message *message = decoder_grow(d, NULL, 0, sizeof(*message));

    if (!part || !message)
        return false;
    *part = (struct chat_part){ CHAT_PART_TEXT, text };
    *message = (struct chat_message){ .role = CHAT_USER, .parts = part, .n_parts = 1 };
    d->request->messages = message;
    d->request->n_messages = 1;
    return true;
}

/* An array is a list of prompts, or of tokens. */
static bool read_prompt(struct decoder *d, struct str param, const struct json_value *v)
{
    struct json_value first = *v, second;
    struct str text;
    struct json j;

    if (v->type == JSON_ARRAY) {
        json_init_checked(&j, v->raw);
        json_enter_array(&j);
        if (!json_next_item(&j) || !json_read(&j, &first))
            return decoder_refuse(d, param, "must hold a prompt");
        if (first.type != JSON_STRING)
            return decoder_refuse(d, param, "must be text: tokens are not known here");
        if (json_next_item(&j) && json_read(&j, &second))
            return decoder_refuse(d, param, "must hold one prompt: send one request for each");
    }
    return decoder_text(d, &first, &text) && set_prompt(d, text);
}

static bool refuse_suffix(struct decoder *d, struct str param, const struct json_value *v)
{
    return str_eq(v->raw, STR("\"\"")) ||
           decoder_refuse(d, param, "is not known here: no upstream writes what stands between");
}

static bool refuse_true(struct decoder *d, struct str param, const struct json_value *v)
{
    return v->type == JSON_FALSE || decoder_refuse(d, param, "must be false");
}

static bool refuse_above(struct decoder *d, struct str param, const struct json_value *v,
                         int64_t most, const char *what)
{
    int64_t n;

    if (json_int(v, &n))
        return decoder_refuse(d, param, "must be a whole number");
    return n <= most || decoder_refuse(d, param, what);
}

static bool check_best_of(struct decoder *d, struct str param, const struct json_value *v)
{
    return refuse_above(d, param, v, 1, "must be 1: answers are not compared here");
}

static bool check_logprobs(struct decoder *d, struct str param, const struct json_value *v)
{
    return refuse_above(d, param, v, -1, "is not known here: leave it out");
}

static const struct decoder_parameter parameters[] = {
    { "model", ALLOW_STRING, true, "a string", decoder_read_model },
    { "prompt", ALLOW_STRING | ALLOW_ARRAY, true, "a string", read_prompt },
    { "stream", ALLOW_BOOL, true, "a boolean", decoder_read_stream },
    { "n", ALLOW_NUMBER, true, "a whole number", decoder_read_n },
    { "stop", ALLOW_STRING | ALLOW_ARRAY, true, "a string or an array of strings",
      decoder_read_stops },
    { "max_tokens", ALLOW_NUMBER, true, "a whole number", decoder_read_limit },
    { "temperature", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "top_p", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "presence_penalty", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "frequency_penalty", ALLOW_NUMBER, true, "a number", decoder_pass_on },
    { "seed", ALLOW_NUMBER, true, "a whole number", decoder_pass_on },
    { "user", ALLOW_STRING, true, "a string", decoder_pass_on },
    { "suffix", ALLOW_STRING, true, "a string", refuse_suffix },
    { "echo", ALLOW_BOOL, true, "a boolean", refuse_true },
    { "best_of", ALLOW_NUMBER, true, "a whole number", check_best_of },
    { "logprobs", ALLOW_NUMBER, true, "a whole number", check_logprobs },
    { "logit_bias", ALLOW_OBJECT, true, "an object", decoder_refuse_bias },
};

static bool read_member(struct decoder *d, struct str key)
{
    if (json_key_eq(key, STR("stream_options")))
        return decoder_stream_options(d);
    return decoder_parameter(d, parameters, COUNT_OF(parameters), key);
}

static bool decode(struct str body, struct arena *a, struct chat_request *ret,
                   struct failure *ret_failure)
{
    struct chat_request request = { .hides_reasoning = true };
    struct failure failure = { 0 };
    struct decoder d = { .arena = a, .request = &request, .failure = &failure };

    if (decoder_body(&d, body, read_member) && request.n_messages == 0)
        decoder_refuse(&d, STR("prompt"), "is missing");
    if (failure.kind) {
        *ret_failure = failure;
        return false;
    }
    *ret = request;
    return true;
}

/* ---- what goes out ---- */

struct encoder {
    struct str prefix; /* in the answer's arena */
    bool include_usage;
};

static enum err stream_begin(void *encoder, const struct dialect_answer *answer,
                             UNUSED struct buf *out)
{
    struct encoder *e = encoder;

    e->include_usage = answer->request->include_usage;
    return openai_prefix(answer, "cmpl-", "text_completion", &e->prefix);
}

/* `finish` as JSON. */
static enum err add_chunk(const struct encoder *e, size_t choice, struct str text,
                          const char *finish, struct buf *out)
{
    size_t before = out->n;
    enum err err = buf_add(out, e->prefix);

    if (!err)
        err = buf_add(out, STR("{\"text\":\""));
    if (!err)
        err = json_escape_add(out, text);
    if (!err)
        err = buf_addf(out, "\",\"index\":%zu,\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n",
                       choice, finish, e->include_usage ? ",\"usage\":null" : "");
    if (err)
        buf_truncate(out, before);
    return err;
}

static enum err stream_text(void *encoder, size_t choice, struct str text, struct buf *out)
{
    return add_chunk(encoder, choice, text, "null", out);
}

/* Thoughts are hidden, and no tools can be asked for. */
static enum err stream_reasoning(UNUSED void *encoder, UNUSED size_t choice, UNUSED struct str text,
                                 UNUSED struct buf *out)
{
    return ERR_NONE;
}

static enum err stream_tool(UNUSED void *encoder, UNUSED size_t choice,
                            UNUSED const struct chat_tool_piece *piece, UNUSED struct buf *out)
{
    return ERR_NONE;
}

static const char *finish_name(enum chat_finish finish)
{
    return openai_finish_name(finish == CHAT_FINISH_TOOL_CALLS ? CHAT_FINISH_STOP : finish);
}

static enum err stream_choice_end(void *encoder, size_t choice, const struct dialect_end *end,
                                  struct buf *out)
{
    char quoted[32];

    snprintf(quoted, sizeof(quoted), "\"%s\"", finish_name(end->finish));
    return add_chunk(encoder, choice, STR(""), quoted, out);
}

static enum err add_usage_chunk(const struct encoder *e, const struct chat_usage *usage,
                                struct buf *out)
{
    struct json_writer w;
    enum err err = buf_add(out, e->prefix);

    if (!err)
        err = buf_add(out, STR("],\"usage\":"));
    if (err)
        return err;
    json_w_init(&w, out);
    openai_write_usage(&w, usage);
    err = json_w_end(&w);
    return err ? err : buf_add(out, STR("}\n\n"));
}

static enum err stream_end(void *encoder, const struct chat_usage *usage, struct buf *out)
{
    const struct encoder *e = encoder;
    size_t before = out->n;
    enum err err = e->include_usage ? add_usage_chunk(e, usage, out) : ERR_NONE;

    if (!err)
        err = buf_add(out, STR("data: [DONE]\n\n"));
    if (err)
        buf_truncate(out, before);
    return err;
}

static void write_choice(struct json_writer *w, size_t index, const struct dialect_choice *c)
{
    json_w_object(w);
    json_w_member_str(w, "text", c->text);
    json_w_member_int(w, "index", (int64_t)index);
    json_w_key(w, "logprobs");
    json_w_null(w);
    json_w_member_str(w, "finish_reason", str_of(finish_name(c->end.finish)));
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
    json_w_member_str(&w, "id", arena_printf(answer->arena, "cmpl-%.*s", STR_ARGS(answer->id)));
    json_w_member_str(&w, "object", STR("text_completion"));
    json_w_member_int(&w, "created", answer->created_s);
    json_w_member_str(&w, "model", answer->model);
    json_w_key(&w, "choices");
    json_w_array(&w);
    for (size_t i = 0; i < whole->n_choices; i++)
        write_choice(&w, i, &whole->choices[i]);
    json_w_array_end(&w);
    json_w_key(&w, "usage");
    openai_write_usage(&w, &whole->usage);
    json_w_object_end(&w);
    err = json_w_end(&w);
    if (err)
        buf_truncate(out, before);
    return err;
}

const struct dialect_ops dialect_openai_completions = {
    .name = "openai_completions",
    .encoder_size = sizeof(struct encoder),
    .params = { "stop", "max_tokens", NULL, NULL, "n" },
    .decode = decode,
    .stream_begin = stream_begin,
    .stream_text = stream_text,
    .stream_reasoning = stream_reasoning,
    .stream_tool = stream_tool,
    .stream_choice_end = stream_choice_end,
    .stream_end = stream_end,
    .stream_error = openai_stream_error,
    .stream_keepalive = openai_keepalive,
    .whole = write_whole,
    .error = openai_error,
};
