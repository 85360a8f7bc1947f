/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of chat completions; see completion.h. Ids and times follow from the prompt. */
#include "simulator/completion.h"

#include <stdio.h>

enum { CREATED_S = 1700000000, MARK_MAX = 32 };

int64_t sim_count_tokens(struct str text)
{
    bool is_word = false;
    int64_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        bool is_space = (unsigned char)text.p[i] <= ' ';

        n += !is_space && !is_word;
        is_word = !is_space;
    }
    return n;
}

enum err sim_choice_mark(int choice, struct buf *out)
{
    return choice > 0 ? buf_addf(out, " (choice %d)", choice) : ERR_NONE;
}

static void write_top(const struct sim_completion *o, const char *object, struct json_writer *w)
{
    json_w_member_str(w, "id", str_of(o->id));
    json_w_member_str(w, "object", str_of(object));
    json_w_member_int(w, "created", CREATED_S);
    json_w_member_str(w, "model", o->model);
    json_w_member_str(w, "system_fingerprint", STR("fp_simulator"));
}

static void write_usage(const struct sim_completion *o, struct json_writer *w)
{
    int64_t thought = sim_count_tokens(o->thinking);
    int64_t said = sim_count_tokens(o->text) + thought;

    for (size_t i = 0; i < o->wish->n_tools; i++)
        said += 1 + sim_count_tokens(o->wish->tools[i].arguments);
    said *= o->n;
    json_w_key(w, "usage");
    json_w_object(w);
    json_w_member_int(w, "prompt_tokens", o->prompt_tokens);
    json_w_member_int(w, "completion_tokens", said);
    json_w_member_int(w, "total_tokens", o->prompt_tokens + said);
    json_w_key(w, "completion_tokens_details");
    json_w_object(w);
    json_w_member_int(w, "reasoning_tokens", thought * o->n);
    json_w_object_end(w);
    json_w_object_end(w);
}

static struct str finish_reason(const struct sim_completion *o)
{
    if (o->is_cut)
        return STR("length");
    return o->wish->n_tools > 0 ? STR("tool_calls") : STR("stop");
}

/* One token for the whole of `text`. */
static void write_logprobs(const struct sim_completion *o, struct str text, struct json_writer *w)
{
    json_w_key(w, "logprobs");
    if (!o->has_logprobs || text.n == 0) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_key(w, "content");
    json_w_array(w);
    json_w_object(w);
    json_w_member_str(w, "token", text);
    json_w_key(w, "logprob");
    json_w_raw(w, STR("-0.25"));
    json_w_key(w, "bytes");
    json_w_array(w);
    for (size_t i = 0; i < text.n; i++)
        json_w_int(w, (unsigned char)text.p[i]);
    json_w_array_end(w);
    json_w_key(w, "top_logprobs");
    json_w_array(w);
    json_w_array_end(w);
    json_w_object_end(w);
    json_w_array_end(w);
    json_w_object_end(w);
}

static void write_tool(const struct sim_completion *o, size_t tool, int choice, bool is_delta,
                       struct str arguments, struct json_writer *w)
{
    char id[64];

    (void)snprintf(id, sizeof(id), "call_%.16s_%d_%zu", o->id + 9, choice, tool);
    json_w_object(w);
    if (is_delta)
        json_w_member_int(w, "index", (int64_t)tool);
    json_w_member_str(w, "id", str_of(id));
    json_w_member_str(w, "type", STR("function"));
    json_w_key(w, "function");
    json_w_object(w);
    json_w_member_str(w, "name", o->wish->tools[tool].name);
    json_w_member_str(w, "arguments", arguments);
    json_w_object_end(w);
    json_w_object_end(w);
}

/* ---- whole ---- */

static void write_message(const struct sim_completion *o, int choice, struct str text,
                          struct json_writer *w)
{
    const struct sim_wish *wish = o->wish;

    json_w_key(w, "message");
    json_w_object(w);
    json_w_member_str(w, "role", STR("assistant"));
    json_w_key(w, "content");
    if (o->text.p)
        json_w_str(w, text);
    else
        json_w_null(w);
    if (o->thinking.n > 0)
        json_w_member_str(w, "reasoning_content", o->thinking);
    json_w_key(w, "refusal");
    json_w_null(w);
    if (wish->n_tools > 0) {
        json_w_key(w, "tool_calls");
        json_w_array(w);
        for (size_t i = 0; i < wish->n_tools; i++)
            write_tool(o, i, choice, false, wish->tools[i].arguments, w);
        json_w_array_end(w);
    }
    json_w_object_end(w);
}

static void write_choice(const struct sim_completion *o, int choice, struct json_writer *w)
{
    struct buf text;

    buf_init(&text, o->text.n + MARK_MAX);
    if (buf_add(&text, o->text) || sim_choice_mark(choice, &text))
        w->failed = ERR_NOMEM;
    json_w_object(w);
    json_w_member_int(w, "index", choice);
    write_message(o, choice, buf_str(&text), w);
    write_logprobs(o, buf_str(&text), w);
    json_w_member_str(w, "finish_reason", finish_reason(o));
    json_w_object_end(w);
    buf_deinit(&text);
}

enum err sim_completion_write(const struct sim_completion *o, struct buf *out)
{
    struct json_writer w;

    if (o->wish->n_raws > 0)
        return buf_add(out, o->wish->raws[o->wish->n_raws - 1]);
    json_w_init(&w, out);
    json_w_object(&w);
    write_top(o, "chat.completion", &w);
    json_w_key(&w, "choices");
    json_w_array(&w);
    for (int i = 0; i < o->n; i++)
        write_choice(o, i, &w);
    json_w_array_end(&w);
    write_usage(o, &w);
    json_w_object_end(&w);
    return json_w_end(&w);
}

/* ---- chunks ---- */

static void write_tool_delta(const struct sim_completion *o, const struct sim_delta_chunk *d,
                             struct json_writer *w)
{
    json_w_key(w, "tool_calls");
    json_w_array(w);
    if (d->kind == SIM_DELTA_TOOL) {
        write_tool(o, d->tool, d->choice, true, STR(""), w);
    } else {
        json_w_object(w);
        json_w_member_int(w, "index", (int64_t)d->tool);
        json_w_key(w, "function");
        json_w_object(w);
        json_w_member_str(w, "arguments", d->text);
        json_w_object_end(w);
        json_w_object_end(w);
    }
    json_w_array_end(w);
}

static void write_delta(const struct sim_completion *o, const struct sim_delta_chunk *d,
                        struct json_writer *w)
{
    json_w_key(w, "delta");
    json_w_object(w);
    switch (d->kind) {
    case SIM_DELTA_ROLE:
        json_w_member_str(w, "role", STR("assistant"));
        json_w_member_str(w, "content", STR(""));
        break;
    case SIM_DELTA_TEXT:
        json_w_member_str(w, "content", d->text);
        break;
    case SIM_DELTA_THINKING:
        json_w_member_str(w, "reasoning_content", d->text);
        break;
    case SIM_DELTA_TOOL:
    case SIM_DELTA_ARGUMENTS:
        write_tool_delta(o, d, w);
        break;
    case SIM_DELTA_FINISH:
    case SIM_DELTA_USAGE:
    case SIM_DELTA_NOTHING:
        break;
    }
    json_w_object_end(w);
}

static void write_delta_choice(const struct sim_completion *o, const struct sim_delta_chunk *d,
                               struct json_writer *w)
{
    json_w_object(w);
    json_w_member_int(w, "index", d->choice);
    write_delta(o, d, w);
    write_logprobs(o, d->kind == SIM_DELTA_TEXT ? d->text : STR(""), w);
    json_w_key(w, "finish_reason");
    if (d->kind == SIM_DELTA_FINISH)
        json_w_str(w, finish_reason(o));
    else
        json_w_null(w);
    json_w_object_end(w);
}

enum err sim_chunk_write(const struct sim_completion *o, const struct sim_delta_chunk *d,
                         struct buf *out)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    write_top(o, "chat.completion.chunk", &w);
    json_w_key(&w, "choices");
    json_w_array(&w);
    if (d->kind != SIM_DELTA_USAGE && d->kind != SIM_DELTA_NOTHING)
        write_delta_choice(o, d, &w);
    json_w_array_end(&w);
    if (d->kind == SIM_DELTA_USAGE) {
        write_usage(o, &w);
    } else if (o->include_usage) {
        json_w_key(&w, "usage");
        json_w_null(&w);
    }
    json_w_object_end(&w);
    return json_w_end(&w);
}
