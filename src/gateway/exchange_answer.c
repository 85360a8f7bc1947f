/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange sends to its client: a stream as the pieces come, or one whole
 * answer at the end. A cut answer never looks like a whole one.
 */
#include "gateway/exchange_internal.h"

/* ---- usage ---- */

static void count_prompt(const struct chat_request *chat, struct token_estimate *e)
{
    for (size_t i = 0; i < chat->n_messages; i++) {
        const struct chat_message *m = &chat->messages[i];

        for (size_t k = 0; k < m->n_parts; k++)
            if (m->parts[k].type == CHAT_PART_TEXT)
                token_estimate_add(e, m->parts[k].text);
        for (size_t k = 0; k < m->n_tool_calls; k++) {
            token_estimate_add(e, m->tool_calls[k].name);
            token_estimate_add(e, m->tool_calls[k].arguments);
        }
    }
}

static void estimate_usage(struct exchange *x)
{
    struct token_estimate prompt = { 0 };
    struct chat_usage *u = &x->usage;

    count_prompt(&x->chat, &prompt);
    u->prompt_tokens = token_estimate_total(&prompt);
    u->reasoning_tokens = token_estimate_total(&x->reasoning_tokens);
    u->completion_tokens = token_estimate_total(&x->said_tokens) + u->reasoning_tokens;
    u->estimated = true;
}

const struct chat_usage *answer_usage(struct exchange *x)
{
    if (!x->has_usage)
        estimate_usage(x);
    x->has_usage = true;
    return &x->usage;
}

/* ---- streams ---- */

static void sent(struct exchange *x)
{
    x->wrote_ms = loop_now_ms(x->worker->loop);
    http_reply_written(x->request);
}

void answer_commit(struct exchange *x)
{
    static const char type[] = "text/event-stream; charset=utf-8";
    const struct http_header headers[] = {
        { STR("content-type"), str_of(type) },
        { STR("cache-control"), STR("no-cache") },
        { STR("x-accel-buffering"), STR("no") },
    };

    if (http_reply_is_begun(x->request))
        return;
    timer_disarm(&x->commit);
    exchange_set_headers(x);
    http_reply_begin(x->request, 200, headers, COUNT_OF(headers));
}

static enum err begin_stream(struct exchange *x)
{
    answer_commit(x);
    if (x->encoder)
        return ERR_NONE;
    x->encoder = arena_alloc(&x->request->arena, x->dialect->encoder_size);
    return x->dialect->stream_begin(x->encoder, &x->answer, http_reply_buf(x->request));
}

void answer_keepalive(struct exchange *x)
{
    static const char comment[] = ": keep-alive\n\n";

    answer_commit(x);
    if (x->encoder) {
        if (x->dialect->stream_keepalive(x->encoder, http_reply_buf(x->request)) == ERR_NONE)
            sent(x);
    } else {
        http_reply_write(x->request, str_of(comment));
        x->wrote_ms = loop_now_ms(x->worker->loop);
    }
}

static enum err stream_piece(struct exchange *x, const struct chat_event *event)
{
    struct buf *out;
    enum err err = begin_stream(x);

    if (err)
        return err;
    out = http_reply_buf(x->request);
    if (event->type == CHAT_TEXT)
        err = x->dialect->stream_text(x->encoder, event->text, out);
    else
        err = x->dialect->stream_reasoning(x->encoder, event->text, out);
    if (!err)
        sent(x);
    return err;
}

static enum err stream_raw(struct exchange *x, struct str json)
{
    enum err err;

    answer_commit(x);
    err = x->dialect->stream_raw(json, http_reply_buf(x->request));
    if (!err)
        sent(x);
    return err;
}

static enum err raw_piece(struct exchange *x, const struct chat_event *event)
{
    token_estimate_add(&x->said_tokens, event->said);
    token_estimate_add(&x->reasoning_tokens, event->thought);
    return x->chat.stream ? stream_raw(x, event->text) : buf_add(&x->text, event->text);
}

/* No dialect here has tool calls of its own yet: they only count. */
static enum err tool_piece(struct exchange *x, const struct chat_tool_piece *piece)
{
    token_estimate_add(&x->said_tokens, piece->name);
    token_estimate_add(&x->said_tokens, piece->arguments);
    return ERR_NONE;
}

enum err answer_piece(struct exchange *x, const struct chat_event *event)
{
    if (event->type == CHAT_RAW)
        return raw_piece(x, event);
    if (event->type == CHAT_TOOL_CALL)
        return tool_piece(x, event->tool);
    if (event->type == CHAT_TEXT) {
        fingerprint_text_add(&x->said, event->text);
        token_estimate_add(&x->said_tokens, event->text);
    } else {
        token_estimate_add(&x->reasoning_tokens, event->text);
    }
    if (x->chat.stream)
        return stream_piece(x, event);
    return buf_add(event->type == CHAT_TEXT ? &x->text : &x->reasoning, event->text);
}

/* ---- ends ---- */

/* What the headers could not say: they had to go out before somebody answered. */
static enum err say_target(struct exchange *x)
{
    if (!x->is_committed_early)
        return ERR_NONE;
    return buf_addf(http_reply_buf(x->request), ": upstream=%s attempts=%u\n\n", x->upstream->name,
                    x->attempts);
}

/* The upstream has said how it finished, and what was used; a raw answer gets no word of ours. */
static enum err end_stream(struct exchange *x)
{
    enum err err;

    if (x->is_raw) {
        answer_commit(x);
        return x->dialect->stream_raw_end(http_reply_buf(x->request));
    }
    err = begin_stream(x);
    if (err)
        return err;
    return x->dialect->stream_finish(x->encoder, x->finish, answer_usage(x),
                                     http_reply_buf(x->request));
}

static void finish_stream(struct exchange *x)
{
    if (say_target(x) || end_stream(x)) {
        http_reply_abort(x->request);
        return;
    }
    sent(x);
    http_reply_end(x->request);
}

static void finish_whole(struct exchange *x)
{
    const struct dialect_whole whole = { .text = buf_str(&x->text),
                                         .reasoning = buf_str(&x->reasoning),
                                         .finish = x->finish,
                                         .usage = *answer_usage(x) };
    const struct failure nomem = { .kind = FAILURE_OVERLOADED,
                                   .message =
                                       STR("The gateway ran out of memory for this answer; try "
                                           "again, or raise MEMORY_LIMIT."),
                                   .prompt_accepted = true };
    struct buf out;

    buf_init(&out, 6 * (size_t)ANSWER_MAX);
    if (x->dialect->whole(&x->answer, &whole, &out))
        gateway_reply_failure(x->request, x->dialect, &nomem);
    else
        gateway_reply_json(x->request, 200, buf_str(&out));
    buf_deinit(&out);
}

void answer_finish(struct exchange *x)
{
    if (!http_reply_is_begun(x->request))
        exchange_set_headers(x);
    if (x->chat.stream)
        finish_stream(x);
    else if (x->is_raw)
        gateway_reply_json(x->request, 200, buf_str(&x->text));
    else
        finish_whole(x);
}

/* An error that the upstream sent in the middle of a stream that the client reads as it is. */
static enum err fail_stream(struct exchange *x, const struct failure *f)
{
    enum err err = x->is_raw ? ERR_NONE : begin_stream(x);
    struct buf *out = http_reply_buf(x->request);

    if (err)
        return err;
    if (x->is_raw && f->body.n > 0)
        return x->dialect->stream_raw(f->body, out);
    return x->dialect->stream_error(x->encoder, f, out);
}

void answer_failure(struct exchange *x, const struct failure *f)
{
    if (!http_reply_is_begun(x->request)) {
        exchange_set_headers(x);
        gateway_reply_failure(x->request, x->dialect, f);
        return;
    }
    if (say_target(x) || fail_stream(x, f)) {
        http_reply_abort(x->request);
        return;
    }
    sent(x);
    http_reply_end(x->request);
}
