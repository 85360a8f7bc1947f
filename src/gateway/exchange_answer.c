/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange sends to its client: a stream as the pieces come, or one whole
 * answer at the end. A cut answer never looks like a whole one.
 */
#include "gateway/exchange_internal.h"

/* ---- choices ---- */

static void release_choices(void *arg)
{
    struct exchange *x = arg;

    exchange_shape_drop(x);
    for (size_t i = 0; i < x->n_choices; i++) {
        buf_deinit(&x->choices[i].text);
        buf_deinit(&x->choices[i].reasoning);
        tool_calls_deinit(&x->choices[i].tool_calls);
    }
}

void answer_init(struct exchange *x)
{
    struct arena *a = &x->request->arena;
    size_t kept = x->chat.stream ? 0 : ANSWER_MAX;

    x->n_choices = x->chat.n ? x->chat.n : 1;
    x->choices = arena_alloc(a, x->n_choices * sizeof(*x->choices));
    for (size_t i = 0; i < x->n_choices; i++) {
        struct exchange_choice *c = &x->choices[i];
        struct str seed = i ? arena_printf(a, "%.*s_%zu", STR_ARGS(x->answer.id), i) : x->answer.id;

        buf_init(&c->text, ANSWER_MAX);
        buf_init(&c->reasoning, ANSWER_MAX);
        tool_calls_init(&c->tool_calls, seed, kept);
    }
    arena_on_release(a, release_choices, x);
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
    if (x->dialect->counts_first)
        x->answer.prompt_tokens = exchange_prompt_tokens(x);
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

static enum err encode_piece(struct exchange *x, const struct chat_event *event, struct buf *out)
{
    const struct dialect_ops *d = x->dialect;

    if (event->type == CHAT_TEXT)
        return d->stream_text(x->encoder, event->choice, event->text, out);
    if (event->type == CHAT_TOOL_CALL)
        return d->stream_tool(x->encoder, event->choice, event->tool, out);
    return x->chat.hides_reasoning
               ? ERR_NONE
               : d->stream_reasoning(x->encoder, event->choice, event->text, out);
}

static enum err stream_piece(struct exchange *x, const struct chat_event *event)
{
    enum err err = begin_stream(x);

    if (!err)
        err = encode_piece(x, event, http_reply_buf(x->request));
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
    return x->chat.stream ? stream_raw(x, event->text) : buf_add(&x->choices[0].text, event->text);
}

static enum err tool_piece(struct exchange *x, const struct chat_event *event)
{
    struct chat_tool_piece piece;
    const struct chat_event whole = { .type = CHAT_TOOL_CALL,
                                      .choice = event->choice,
                                      .tool = &piece };
    enum err err;

    x->arguments_n += event->tool->arguments.n;
    if (x->chat.stream && x->arguments_n > STREAM_ARGUMENTS_MAX)
        return ERR_TOO_BIG;
    err = tool_calls_add(&x->choices[event->choice].tool_calls, event->tool, &piece);
    if (err)
        return err;
    usage_called(x, &piece);
    return x->chat.stream ? stream_piece(x, &whole) : ERR_NONE;
}

static enum err text_piece(struct exchange *x, const struct chat_event *event)
{
    struct exchange_choice *c = &x->choices[event->choice];

    if (event->type == CHAT_TEXT && event->choice == x->choice)
        fingerprint_text_add(&x->said, event->text);
    if (x->chat.stream)
        return stream_piece(x, event);
    return buf_add(event->type == CHAT_TEXT ? &c->text : &c->reasoning, event->text);
}

enum err answer_piece(struct exchange *x, const struct chat_event *event)
{
    x->is_told = true;
    if (event->type == CHAT_RAW)
        return raw_piece(x, event);
    return event->type == CHAT_TOOL_CALL ? tool_piece(x, event) : text_piece(x, event);
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

static enum err end_choices(struct exchange *x)
{
    enum err err = begin_stream(x);

    for (size_t i = 0; i < x->n_choices && !err; i++)
        err = x->dialect->stream_choice_end(x->encoder, i, &x->choices[i].end,
                                            http_reply_buf(x->request));
    return err;
}

/* What is there goes out: nothing more comes, but the client may not take it for whole if `err`. */
static void end_stream(struct exchange *x, enum err err)
{
    if (err) {
        http_reply_abort(x->request);
        return;
    }
    sent(x);
    http_reply_end(x->request);
}

static void write_end(struct exchange *x)
{
    end_stream(x, x->dialect->stream_end(x->encoder, &x->whole.usage, http_reply_buf(x->request)));
}

/* The upstream has said how it finished, and what was used; a raw answer gets no word of ours. */
static void finish_stream(struct exchange *x)
{
    enum err err = say_target(x);

    if (x->is_raw) {
        answer_commit(x);
        end_stream(x, err ? err : x->dialect->stream_raw_end(http_reply_buf(x->request)));
        return;
    }
    if (err || end_choices(x)) {
        http_reply_abort(x->request);
        return;
    }
    sent(x);
    x->whole.usage = *answer_usage(x);
    exchange_keep(x, write_end);
}

static const struct dialect_choice *whole_choices(struct exchange *x)
{
    struct dialect_choice *list = arena_alloc(&x->request->arena, x->n_choices * sizeof(*list));

    for (size_t i = 0; i < x->n_choices; i++) {
        const struct exchange_choice *c = &x->choices[i];

        list[i] = (struct dialect_choice){ .text = buf_str(&c->text),
                                           .tool_calls =
                                               tool_calls_list(&c->tool_calls, &x->request->arena),
                                           .n_tool_calls = c->tool_calls.n,
                                           .end = c->end };
        if (!x->chat.hides_reasoning)
            list[i].reasoning = buf_str(&c->reasoning);
    }
    return list;
}

static void write_whole(struct exchange *x)
{
    const struct failure nomem = { .kind = FAILURE_OVERLOADED,
                                   .message =
                                       STR("The gateway ran out of memory for this answer; try "
                                           "again, or raise MEMORY_LIMIT."),
                                   .prompt_accepted = true };
    struct buf out;

    buf_init(&out, 6 * (size_t)ANSWER_MAX);
    if (x->dialect->whole(&x->answer, &x->whole, &out))
        gateway_reply_failure(x->request, x->dialect, &nomem);
    else
        gateway_reply_json(x->request, 200, buf_str(&out));
    buf_deinit(&out);
}

static void finish_whole(struct exchange *x)
{
    x->whole = (struct dialect_whole){ .choices = whole_choices(x),
                                       .n_choices = x->n_choices,
                                       .usage = *answer_usage(x) };
    exchange_keep(x, write_whole);
}

void answer_finish(struct exchange *x)
{
    if (!http_reply_is_begun(x->request))
        exchange_set_headers(x);
    if (x->chat.stream)
        finish_stream(x);
    else if (x->is_raw)
        gateway_reply_json(x->request, 200, buf_str(&x->choices[0].text));
    else
        finish_whole(x);
}

/* In a stream that the client reads as it is the upstream's bytes tell of the error, if they can:
 * there is no status any more. */
static enum err fail_stream(struct exchange *x, const struct failure *f)
{
    enum err err = x->is_raw ? ERR_NONE : begin_stream(x);
    struct buf *out = http_reply_buf(x->request);
    struct failure named = *f;

    if (err)
        return err;
    if (x->is_raw && f->body_has_error && f->body.n > 0)
        return x->dialect->stream_raw(f->body, out);
    named.request_id = str_of(x->request->id);
    return x->dialect->stream_error(x->encoder, &named, out);
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
