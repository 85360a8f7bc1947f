/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back: a stream of events, a whole answer, or an error's body. Each is checked, read
 * for what it says, and handed on: as it is with the client's name of the model in it, or as
 * events of ours.
 *
 * Raw events that say nothing yet (a role, an empty text) wait for the first that does: until then
 * another target may answer, and the client must not have got two beginnings.
 */
#include "provider/openai/body.h"
#include "provider/openai/call.h"

enum {
    ERROR_MAX = 1 << 20,     /* more of an error is not the client's as it is */
    PRELUDE_MAX = 64 * 1024, /* beyond it the answer has begun, whatever it says */
    SPLICED_MORE = 1 << 20,  /* what the client's name of the model may add */
    ERROR_WAIT_MS = 3000,    /* for an error's body; then it is as it is */
    ENCODING_QUOTED = 40,
    LINGER_MS = 250, /* for the body to end behind [DONE], so that its connection is kept */
};

static enum err on_chunk(void *arg, struct str data, bool is_error, const struct chunk *chunk);
static void on_linger(void *arg);
static void check_end(struct provider_call *c);

static const char *name_of(const struct provider_call *c)
{
    return c->instance->openai->config->name;
}

/* ---- queues of events ---- */

/* Before each event in a queue. */
struct event_head {
    size_t n_and_error; /* twice its length, and 1 when it is called an error */
};

static enum err queue_add(struct event_queue *q, struct str event, bool is_error)
{
    const struct event_head head = { event.n << 1 | is_error };
    size_t before = q->bytes.n;
    enum err err = buf_add(&q->bytes, (struct str){ (const char *)&head, sizeof(head) });

    if (!err)
        err = buf_add(&q->bytes, event);
    if (err)
        buf_truncate(&q->bytes, before);
    return err;
}

static bool queue_is_empty(const struct event_queue *q)
{
    return q->at == q->bytes.n;
}

/* The next event; it lives until the queue is touched again. */
static struct str queue_next(struct event_queue *q, bool *ret_is_error)
{
    struct event_head head;
    struct str event;

    memcpy(&head, q->bytes.p + q->at, sizeof(head));
    *ret_is_error = head.n_and_error & 1;
    event.n = head.n_and_error >> 1;
    event.p = q->bytes.p + q->at + sizeof(head);
    q->at += sizeof(head) + event.n;
    return event;
}

static void queue_clear(struct event_queue *q)
{
    buf_deinit(&q->bytes);
    q->at = 0;
}

/* ---- life ---- */

void answer_reset(struct provider_call *c)
{
    answer_free(c);
    buf_init(&c->kept, c->kept.max);
    buf_init(&c->prelude.bytes, PRELUDE_MAX);
    buf_init(&c->held.bytes, 2 * STREAM_EVENT_MAX);
    buf_init(&c->spliced, c->kept.max + SPLICED_MORE);
    buf_init(&c->said, STREAM_EVENT_MAX);
    buf_init(&c->thought, STREAM_EVENT_MAX);
    c->status = (struct answer_status){ 0 };
    c->type = (struct str){ "", 0 };
    c->has_ended = false;
    c->is_cut = false;
}

void answer_free(struct provider_call *c)
{
    if (c->has_stream)
        stream_deinit(&c->stream);
    c->has_stream = false;
    buf_deinit(&c->kept);
    queue_clear(&c->prelude);
    queue_clear(&c->held);
    buf_deinit(&c->spliced);
    buf_deinit(&c->said);
    buf_deinit(&c->thought);
}

/* ---- failures ---- */

/* `limit` of chunk_read(), if it said so. */
static void fail_err(struct provider_call *c, enum err err, const char *limit)
{
    if (err == ERR_NOMEM)
        openai_call_fail(
            c, FAILURE_OVERLOADED,
            "The gateway ran out of memory for the answer of upstream \"%s\". Try again "
            "later, or raise MEMORY_LIMIT.",
            name_of(c));
    else if (err == ERR_TOO_BIG && limit)
        openai_call_fail(
            c, FAILURE_PROTOCOL,
            "Upstream \"%s\" sent an event, or an answer, with %s. Try again; if it happens again, "
            "the upstream has a defect.",
            name_of(c), limit);
    else if (err == ERR_TOO_BIG)
        openai_call_fail(
            c, FAILURE_PROTOCOL,
            "Upstream \"%s\" sent more at once than this gateway takes: %d MiB an event, %zu "
            "MiB an answer.",
            name_of(c), STREAM_EVENT_MAX >> 20, c->kept.max >> 20);
    else
        openai_call_fail(
            c, FAILURE_PROTOCOL,
            "Upstream \"%s\" answered with something that is no JSON object. Check the "
            "upstream's base_url; if it happens now and then, the upstream has a defect.",
            name_of(c));
}

static void fail_inside(struct provider_call *c, struct str error, struct str whole)
{
    struct failure f;

    status_error_inside(&f, &c->arena, name_of(c), key_turn_hide(&c->turn, &c->arena, error),
                        key_turn_hide(&c->turn, &c->arena, whole));
    f.prompt_accepted = true;
    openai_call_finish(c, &f);
}

/* ---- the head ---- */

static enum answer_kind kind_of(const struct provider_call *c, const struct http_head *head)
{
    struct str type = http_value(head, "content-type");

    if (head->status < 200 || head->status > 299)
        return ANSWER_ERROR;
    if (!c->request.chat->stream)
        return ANSWER_WHOLE;
    /* Some servers stream events under another name, but never under these. */
    if (str_starts_nocase(type, STR("application/json")) ||
        str_starts_nocase(type, STR("text/html")))
        return ANSWER_MISTAKEN;
    return ANSWER_STREAM;
}

static bool is_encoded(struct str encoding)
{
    return encoding.n > 0 && !str_eq_nocase(encoding, STR("identity"));
}

void answer_begin(struct provider_call *c, const struct http_head *head)
{
    struct str encoding = str_trim(http_value(head, "content-encoding"));

    c->status = status_read(head, loop_wall_ms(c->instance->env.loop));
    c->kind = kind_of(c, head);
    if (c->kind == ANSWER_ERROR) {
        c->type = arena_dup(&c->arena, http_value(head, "content-type"));
        timer_arm(c->instance->env.loop, &c->linger, ERROR_WAIT_MS, on_linger, c);
        return;
    }
    if (is_encoded(encoding)) {
        openai_call_fail(c, FAILURE_PROTOCOL,
                         "Upstream \"%s\" answered with content-encoding: %.*s, though it was "
                         "asked for none (accept-encoding: identity). Turn that off there.",
                         name_of(c), STR_ARGS(str_sub(encoding, 0, ENCODING_QUOTED)));
        return;
    }
    if (c->phase >= PHASE_SENT) /* else the rest of it is on its way still */
        buf_deinit(&c->body);
    if (c->kind == ANSWER_STREAM) {
        stream_init(&c->stream, STREAM_EVENT_MAX, on_chunk, c);
        c->stream.n_choices = c->request.chat->n;
        c->has_stream = true;
    }
    openai_call_set_phase(c, PHASE_ACCEPTED);
}

/* ---- what it says ---- */

static enum err join(struct buf *out, struct str text)
{
    enum err err = buf_add(out, text);

    return err == ERR_TOO_BIG ? ERR_NONE : err; /* it is only counted */
}

/* What is in the pieces, for who counts. */
static enum err gather(struct provider_call *c, const struct chunk *chunk)
{
    enum err err = ERR_NONE;

    buf_clear(&c->said);
    buf_clear(&c->thought);
    for (const struct piece *p = chunk->first; p && !err; p = p->next) {
        err = join(p->type == PIECE_REASONING ? &c->thought : &c->said, p->text);
        if (!err && p->type == PIECE_TOOL)
            err = join(&c->said, p->tool.name);
        if (!err && p->type == PIECE_TOOL)
            err = join(&c->said, p->tool.arguments);
    }
    return err;
}

/* The one `model` is put in the place of the upstream's. */
static enum err splice_model(struct provider_call *c, struct str json, struct str model,
                             struct str *ret)
{
    struct str rest = str_from(json, (size_t)(model.p - json.p) + model.n);
    enum err err;

    *ret = json;
    if (str_eq(model, c->model_json))
        return ERR_NONE;
    buf_clear(&c->spliced);
    err = buf_add_all(&c->spliced,
                      STRS(str_sub(json, 0, (size_t)(model.p - json.p)), c->model_json, rest));
    *ret = buf_str(&c->spliced);
    return err;
}

/* What the client gets of a chunk that was read; good until the next. */
static enum err splice(struct provider_call *c, struct str json, const struct chunk *chunk,
                       bool without_usage, struct str *ret)
{
    const struct provider_edit edits[] = {
        { EDIT_REPLACE, STR("model"), c->model_json },
        { EDIT_DROP, STR("usage"), STR("") },
    };

    enum err err;

    if (chunk->model.p && !without_usage)
        return splice_model(c, json, chunk->model, ret);
    buf_clear(&c->spliced);
    err = body_edit(json, edits, without_usage ? 2 : 1, &c->spliced);
    *ret = buf_str(&c->spliced);
    return err;
}

static enum err emit_raw(struct provider_call *c, struct str json, struct str said,
                         struct str thought)
{
    const struct chat_event event = {
        .type = CHAT_RAW, .text = json, .said = said, .thought = thought
    };

    return openai_call_emit(c, &event) ? ERR_NONE : ERR_CANCELED;
}

/* The answer has begun. */
static enum err emit_prelude(struct provider_call *c)
{
    enum err err = ERR_NONE;
    bool is_error;

    if (!openai_call_set_phase(c, PHASE_ANSWERING))
        return ERR_CANCELED;
    while (!err && !queue_is_empty(&c->prelude))
        err = emit_raw(c, queue_next(&c->prelude, &is_error), STR(""), STR(""));
    if (!err)
        queue_clear(&c->prelude);
    return err;
}

static enum err take_raw(struct provider_call *c, struct str json, const struct chunk *chunk)
{
    /* We asked for it, not the client. */
    bool is_ours =
        chunk_is_usage(chunk) && c->request.chat->stream && !c->request.chat->include_usage;
    struct str spliced;
    enum err err;

    if (is_ours && !chunk->has_more)
        return ERR_NONE;
    err = splice(c, json, chunk, is_ours, &spliced);
    if (!err && c->phase < PHASE_ANSWERING && !chunk->first && !chunk->is_said &&
        c->kind == ANSWER_STREAM && queue_add(&c->prelude, spliced, false) == ERR_NONE)
        return ERR_NONE;
    if (!err)
        err = gather(c, chunk);
    if (!err)
        err = emit_prelude(c);
    return err ? err : emit_raw(c, spliced, buf_str(&c->said), buf_str(&c->thought));
}

static enum err take_piece(struct provider_call *c, const struct piece *p)
{
    static const enum chat_event_type types[] = {
        [PIECE_TEXT] = CHAT_TEXT,
        [PIECE_REASONING] = CHAT_REASONING,
        [PIECE_TOOL] = CHAT_TOOL_CALL,
        [PIECE_FINISH] = CHAT_CHOICE_END,
    };
    const struct chat_event event = { .type = types[p->type],
                                      .choice = p->choice,
                                      .text = p->text,
                                      .tool = &p->tool,
                                      .finish = p->finish };

    if (p->type == PIECE_FINISH && p->choice == 0)
        return ERR_NONE; /* FINISH will tell */
    if (!openai_call_set_phase(c, PHASE_ANSWERING))
        return ERR_CANCELED;
    return openai_call_emit(c, &event) ? ERR_NONE : ERR_CANCELED;
}

static void note(struct provider_call *c, const struct chunk *chunk)
{
    if (chunk->is_counted) {
        c->usage = chunk->usage;
        c->has_usage = true;
    }
    for (const struct piece *p = chunk->first; p; p = p->next)
        if (p->type == PIECE_FINISH && p->choice == 0)
            c->finish = p->finish;
}

/* ERR_CANCELED: the call is over. */
static enum err take(struct provider_call *c, struct str json, const struct chunk *chunk)
{
    enum err err = ERR_NONE;

    if (chunk->error.p) {
        fail_inside(c, chunk->error, json);
        return ERR_CANCELED;
    }
    note(c, chunk);
    if (c->request.wants_raw)
        return take_raw(c, json, chunk);
    if (chunk->flaw) {
        openai_call_fail(c, FAILURE_PROTOCOL,
                         "Upstream \"%s\" answered with %s, which this API cannot tell. Use "
                         "chat completions, or another model.",
                         name_of(c), chunk->flaw);
        return ERR_CANCELED;
    }
    for (const struct piece *p = chunk->first; p && !err; p = p->next)
        err = take_piece(c, p);
    return err;
}

/* ---- streams ---- */

static enum err on_chunk(void *arg, struct str data, bool is_error, const struct chunk *chunk)
{
    struct provider_call *c = arg;

    if (c->is_paused || !queue_is_empty(&c->held))
        return queue_add(&c->held, data, is_error);
    return take(c, data, chunk);
}

static void on_linger(void *arg)
{
    struct provider_call *c = arg;

    c->has_ended = true;
    c->is_cut = true;
    c->end_err = ERR_NONE;
    if (c->http)
        http_call_cancel(TAKE(c->http));
    check_end(c);
}

static void feed(struct provider_call *c, struct str bytes)
{
    enum err err;

    if (c->stream.is_done)
        return;
    err = stream_feed(&c->stream, bytes);
    if (c->state != CALL_ANSWER)
        return;
    if (err)
        fail_err(c, err, c->stream.limit);
    else if (c->stream.is_done)
        timer_arm(c->instance->env.loop, &c->linger, LINGER_MS, on_linger, c);
}

void answer_take(struct provider_call *c, struct str bytes)
{
    enum err err;

    if (c->kind == ANSWER_STREAM) {
        feed(c, bytes);
        return;
    }
    if (c->kind == ANSWER_ERROR)
        bytes = str_sub(bytes, 0, ERROR_MAX - c->kept.n);
    err = buf_add(&c->kept, bytes);
    if (c->kind == ANSWER_ERROR && c->kept.n == ERROR_MAX)
        on_linger(c);
    else if (err && c->kind != ANSWER_ERROR)
        fail_err(c, err, NULL);
}

/* One event that was held; its bytes were read before. */
static enum err take_held(struct provider_call *c)
{
    bool is_error;
    struct str json = queue_next(&c->held, &is_error);
    struct chunk chunk;
    struct arena a;
    enum err err;

    arena_init(&a);
    err = stream_read(json, is_error, &a, &chunk);
    if (!err)
        err = take(c, json, &chunk);
    arena_deinit(&a);
    return err;
}

void answer_go_on(struct provider_call *c)
{
    enum err err = ERR_NONE;

    while (!err && !c->is_paused && !queue_is_empty(&c->held))
        err = take_held(c);
    if (c->state != CALL_ANSWER || c->is_paused)
        return;
    if (err) {
        fail_err(c, err, NULL); /* its bounds were kept when it came */
        return;
    }
    queue_clear(&c->held);
    if (c->http)
        http_call_resume(c->http);
    check_end(c);
}

/* ---- the end ---- */

/* Nothing was said, and nobody said that this is all. */
static bool is_empty(const struct provider_call *c)
{
    return c->phase < PHASE_ANSWERING && !c->stream.finished;
}

static void fail_no_first(struct provider_call *c)
{
    openai_call_fail(c, FAILURE_PROTOCOL,
                     "Upstream \"%s\" answered without a message of choice 0. Try again; if it "
                     "happens again, the upstream has a defect.",
                     name_of(c));
}

static void end_stream(struct provider_call *c)
{
    bool is_nothing = is_empty(c) && c->stream.is_done;

    if (!stream_is_whole(&c->stream) && !is_nothing) {
        openai_call_fail(
            c, FAILURE_INTERRUPTED,
            "The stream of upstream \"%s\" ended before the answer was complete%s%s. Try "
            "again.",
            name_of(c), c->end_detail[0] ? ": " : "", c->end_detail);
        return;
    }
    if (is_empty(c)) {
        openai_call_fail(c, FAILURE_PROTOCOL,
                         "The stream of upstream \"%s\" ended without an answer. Try again; if it "
                         "happens again, check the upstream's base_url.",
                         name_of(c));
        return;
    }
    if (!c->request.wants_raw && !(c->stream.begun & 1)) {
        fail_no_first(c);
        return;
    }
    if (c->request.wants_raw && emit_prelude(c))
        return;
    openai_call_finish(c, NULL);
}

/* What came when one JSON text was to come. */
static void take_whole(struct provider_call *c, const struct chunk *chunk)
{
    enum err err;

    if (!chunk->error.p && c->kind == ANSWER_MISTAKEN) {
        openai_call_fail(c, FAILURE_PROTOCOL,
                         "Upstream \"%s\" was asked for a stream but answered with one JSON text.",
                         name_of(c));
        return;
    }
    if (!chunk->error.p && !chunk->choices) {
        openai_call_fail(c, FAILURE_PROTOCOL,
                         "Upstream \"%s\" answered with JSON that is no chat completion: it has no "
                         "choices. Check the upstream's base_url.",
                         name_of(c));
        return;
    }
    if (!chunk->error.p && !c->request.wants_raw && !(chunk->spoken & 1)) {
        fail_no_first(c);
        return;
    }
    err = take(c, buf_str(&c->kept), chunk);
    if (c->state != CALL_ANSWER)
        return;
    if (err)
        fail_err(c, err, NULL);
    else
        openai_call_finish(c, NULL);
}

static void end_whole(struct provider_call *c)
{
    struct chunk chunk;
    struct arena a;
    enum err err;

    if (c->end_err) {
        openai_call_fail(c, FAILURE_INTERRUPTED,
                         "Upstream \"%s\" broke off in the middle of its answer: %s. Try again.",
                         name_of(c), c->end_detail);
        return;
    }
    arena_init(&a);
    err = chunk_read(buf_str(&c->kept), &a, &chunk);
    if (err)
        fail_err(c, err, chunk.limit);
    else
        take_whole(c, &chunk);
    arena_deinit(&a);
}

/* Goes on with the end when it came and all before it is handed on. */
static void check_end(struct provider_call *c)
{
    if (!c->has_ended || c->is_paused || !queue_is_empty(&c->held) || c->state != CALL_ANSWER)
        return;
    switch (c->kind) {
    case ANSWER_STREAM:
        end_stream(c);
        break;
    case ANSWER_WHOLE:
    case ANSWER_MISTAKEN:
        end_whole(c);
        break;
    case ANSWER_ERROR:
        openai_call_refused(c);
        break;
    }
}

void answer_end(struct provider_call *c, const struct http_outcome *outcome)
{
    c->has_ended = true;
    c->is_cut = outcome->err != ERR_NONE;
    c->end_err = outcome->err;
    str_to_z(str_of(outcome->detail), c->end_detail, sizeof(c->end_detail));
    timer_disarm(&c->linger);
    check_end(c);
}
