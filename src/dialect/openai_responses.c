/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's responses: what goes out. An answer is a list of items; each tells when it begins, what
 * comes, and what all of it was, and the last event tells the whole answer again, so it is kept
 * here. Texts and thoughts end when something else begins; calls of tools end with the answer,
 * since their pieces may come in turns. A function that fails leaves the buffer as it was.
 */
#include "dialect/openai_responses_item.h"
#include "dialect/openai_wire.h"

enum { ITEMS_MAX = 4096 };

struct encoder {
    const struct dialect_answer *answer;
    int64_t sequence;
    struct response_item *items; /* ITEMS_MAX at most; in the answer's arena */
    size_t n;
    struct dialect_end end;
};

/* ---- events ---- */

static const struct {
    const char *delta, *done, *text; /* `text` is the member of `done` */
    const char *part_added, *part_done;
} words[] = {
    [ITEM_MESSAGE] = { "response.output_text.delta", "response.output_text.done", "text",
                       "response.content_part.added", "response.content_part.done" },
    [ITEM_REASONING] = { "response.reasoning_summary_text.delta",
                         "response.reasoning_summary_text.done", "text",
                         "response.reasoning_summary_part.added",
                         "response.reasoning_summary_part.done" },
    [ITEM_CALL] = { "response.function_call_arguments.delta",
                    "response.function_call_arguments.done", "arguments", NULL, NULL },
    [ITEM_CUSTOM] = { "response.custom_tool_call_input.delta",
                      "response.custom_tool_call_input.done", "input", NULL, NULL },
};

static void begin_event(struct encoder *e, struct json_writer *w, const char *type)
{
    json_w_object(w);
    json_w_member_str(w, "type", str_of(type));
    json_w_member_int(w, "sequence_number", e->sequence++);
}

/* Begins "event: <type>\ndata: {"type":...". */
static enum err open_event(struct encoder *e, struct json_writer *w, const char *type,
                           struct buf *out)
{
    enum err err = buf_addf(out, "event: %s\ndata: ", type);

    json_w_init(w, out);
    if (!err)
        begin_event(e, w, type);
    return err;
}

static enum err close_event(struct json_writer *w)
{
    enum err err;

    json_w_object_end(w);
    err = json_w_end(w);
    return err ? err : buf_add(w->out, STR("\n\n"));
}

/* An event of an item: its id and place, and the index of the part that it is about. */
static enum err open_item_event(struct encoder *e, struct json_writer *w, const char *type,
                                const struct response_item *item, struct buf *out)
{
    enum err err = open_event(e, w, type, out);

    if (err)
        return err;
    json_w_member_str(w, "item_id", item->id);
    json_w_member_int(w, "output_index", (int64_t)item->index);
    if (item->type == ITEM_MESSAGE)
        json_w_member_int(w, "content_index", 0);
    if (item->type == ITEM_REASONING)
        json_w_member_int(w, "summary_index", 0);
    return ERR_NONE;
}

static enum err add_item_event(struct encoder *e, const char *type,
                               const struct response_item *item, struct buf *out)
{
    struct json_writer w;
    enum err err = open_event(e, &w, type, out);

    if (err)
        return err;
    json_w_member_int(&w, "output_index", (int64_t)item->index);
    json_w_key(&w, "item");
    response_write_item(&w, item);
    return close_event(&w);
}

/* With the part as it is, where the kind of item has parts. */
static enum err add_part_event(struct encoder *e, const char *type,
                               const struct response_item *item, struct buf *out)
{
    struct json_writer w;
    enum err err;

    if (!type)
        return ERR_NONE;
    err = open_item_event(e, &w, type, item, out);
    if (err)
        return err;
    json_w_key(&w, "part");
    response_write_part(&w, item);
    return close_event(&w);
}

static enum err add_text_event(struct encoder *e, const char *type, const char *member,
                               const struct response_item *item, struct str text, struct buf *out)
{
    bool is_done = type == words[item->type].done;
    struct json_writer w;
    enum err err = open_item_event(e, &w, type, item, out);

    if (err)
        return err;
    json_w_member_str(&w, member, text);
    if (is_done && item->type == ITEM_CALL)
        json_w_member_str(&w, "name", item->name);
    if (item->type == ITEM_MESSAGE) {
        json_w_key(&w, "logprobs");
        json_w_array(&w);
        json_w_array_end(&w);
    }
    return close_event(&w);
}

static enum err add_response_event(struct encoder *e, const char *type,
                                   const struct response *response, struct buf *out)
{
    struct json_writer w;
    enum err err = open_event(e, &w, type, out);

    if (err)
        return err;
    json_w_key(&w, "response");
    response_write(&w, e->answer, response);
    return close_event(&w);
}

/* ---- items ---- */

static void release_items(void *arg)
{
    struct encoder *e = arg;

    for (size_t i = 0; i < e->n; i++)
        buf_deinit(&e->items[i].text);
}

/* Room is 4 items, then doubles. */
static enum err make_room(struct encoder *e)
{
    bool is_full = e->n == 0 || (e->n >= 4 && (e->n & (e->n - 1)) == 0);
    struct response_item *items;

    if (e->n == ITEMS_MAX)
        return ERR_TOO_BIG;
    if (!is_full)
        return ERR_NONE;
    items = arena_try(e->answer->arena, (e->n ? e->n * 2 : 4) * sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    if (e->n > 0)
        memcpy(items, e->items, e->n * sizeof(*items));
    e->items = items;
    return ERR_NONE;
}

/* The input comes in one piece, when all of the arguments are there. */
static enum err end_custom(struct encoder *e, struct response_item *item, struct buf *out)
{
    struct buf arguments = item->text;
    enum err err;

    buf_init(&item->text, arguments.max);
    err = responses_custom_input(buf_str(&arguments), &item->text);
    buf_deinit(&arguments);
    if (!err && item->text.n > 0)
        err = add_text_event(e, words[item->type].delta, "delta", item, buf_str(&item->text), out);
    return err;
}

static enum err end_item(struct encoder *e, struct response_item *item, struct buf *out)
{
    enum err err = ERR_NONE;

    if (item->is_done)
        return ERR_NONE;
    if (item->type == ITEM_CUSTOM)
        err = end_custom(e, item, out);
    if (err)
        return err;
    err = add_text_event(e, words[item->type].done, words[item->type].text, item,
                         buf_str(&item->text), out);
    if (!err)
        err = add_part_event(e, words[item->type].part_done, item, out);
    item->is_done = true;
    return err ? err : add_item_event(e, "response.output_item.done", item, out);
}

static bool is_call(const struct response_item *item)
{
    return item->type == ITEM_CALL || item->type == ITEM_CUSTOM;
}

/* Calls of custom tools have a form of their own. */
static enum item_type type_of_call(const struct dialect_answer *answer, struct str name)
{
    const struct chat_tools *t = &answer->request->tools;

    for (size_t i = 0; i < t->n; i++)
        if (t->list[i].is_custom && str_eq(t->list[i].name, name))
            return ITEM_CUSTOM;
    return ITEM_CALL;
}

/* The text or the thoughts that are open. */
static enum err end_text(struct encoder *e, struct buf *out)
{
    struct response_item *last = e->n ? &e->items[e->n - 1] : NULL;

    return last && !is_call(last) ? end_item(e, last, out) : ERR_NONE;
}

static enum err begin_item(struct encoder *e, enum item_type type,
                           const struct chat_tool_piece *piece, struct buf *out)
{
    struct response_item *item;
    enum err err = end_text(e, out);

    if (!err)
        err = make_room(e);
    if (err)
        return err;
    item = &e->items[e->n];
    response_item_init(item, e->answer, type, e->n);
    if (piece) {
        item->call = piece->index;
        item->call_id = arena_dup(e->answer->arena, piece->id);
        item->name = arena_dup(e->answer->arena, piece->name);
    }
    err = add_item_event(e, "response.output_item.added", item, out);
    if (!err)
        err = add_part_event(e, words[type].part_added, item, out);
    e->n += !err;
    return err;
}

static enum err add_delta(struct encoder *e, struct response_item *item, struct str text,
                          struct buf *out)
{
    enum err err;

    if (text.n == 0)
        return ERR_NONE;
    err = buf_add(&item->text, text);
    if (err || item->type == ITEM_CUSTOM)
        return err;
    return add_text_event(e, words[item->type].delta, "delta", item, text, out);
}

/* What has ended, with its usage. */
static struct response ended(const struct encoder *e, const struct chat_usage *usage)
{
    return (struct response){ .status = response_status(&e->end),
                              .items = e->items,
                              .n = e->n,
                              .end = &e->end,
                              .usage = usage };
}

/* ---- streams ---- */

static enum err cut_back(struct buf *out, size_t before, enum err err)
{
    if (err)
        buf_truncate(out, before);
    return err;
}

static enum err stream_begin(void *encoder, const struct dialect_answer *answer, struct buf *out)
{
    static const struct response nothing = { .status = "in_progress" };
    struct encoder *e = encoder;
    size_t before = out->n;
    enum err err;

    e->answer = answer;
    arena_on_release(answer->arena, release_items, e);
    err = add_response_event(e, "response.created", &nothing, out);
    if (!err)
        err = add_response_event(e, "response.in_progress", &nothing, out);
    return cut_back(out, before, err);
}

static enum err add_text(struct encoder *e, enum item_type type, struct str text, struct buf *out)
{
    struct response_item *last = e->n ? &e->items[e->n - 1] : NULL;
    size_t before = out->n;
    enum err err = ERR_NONE;

    if (text.n == 0)
        return ERR_NONE;
    if (!last || last->type != type)
        err = begin_item(e, type, NULL, out);
    if (!err)
        err = add_delta(e, &e->items[e->n - 1], text, out);
    return cut_back(out, before, err);
}

static enum err stream_text(void *encoder, UNUSED size_t choice, struct str text, struct buf *out)
{
    return add_text(encoder, ITEM_MESSAGE, text, out);
}

static enum err stream_reasoning(void *encoder, UNUSED size_t choice, struct str text,
                                 struct buf *out)
{
    return add_text(encoder, ITEM_REASONING, text, out);
}

static struct response_item *find_call(const struct encoder *e, size_t call)
{
    for (size_t i = 0; i < e->n; i++)
        if (is_call(&e->items[i]) && e->items[i].call == call)
            return &e->items[i];
    return NULL;
}

static enum err stream_tool(void *encoder, UNUSED size_t choice,
                            const struct chat_tool_piece *piece, struct buf *out)
{
    struct encoder *e = encoder;
    struct response_item *item = find_call(e, piece->index);
    size_t before = out->n;
    enum err err = ERR_NONE;

    if (!item)
        err = begin_item(e, type_of_call(e->answer, piece->name), piece, out);
    if (!err)
        err = add_delta(e, item ? item : &e->items[e->n - 1], piece->arguments, out);
    return cut_back(out, before, err);
}

static enum err stream_choice_end(void *encoder, UNUSED size_t choice,
                                  const struct dialect_end *end, struct buf *out)
{
    struct encoder *e = encoder;
    size_t before = out->n;
    enum err err = ERR_NONE;

    e->end = *end;
    for (size_t i = 0; i < e->n && !err; i++)
        err = end_item(e, &e->items[i], out);
    return cut_back(out, before, err);
}

static enum err stream_end(void *encoder, const struct chat_usage *usage, struct buf *out)
{
    struct encoder *e = encoder;
    const struct response response = ended(e, usage);
    size_t before = out->n;
    const char *type = response_is_whole(&e->end) ? "response.completed" : "response.incomplete";

    return cut_back(out, before, add_response_event(e, type, &response, out));
}

/* Some clients look for the one, some for the other. */
static enum err stream_error(void *encoder, const struct failure *failure, struct buf *out)
{
    struct encoder *e = encoder;
    const struct response response = {
        .status = "failed", .items = e->items, .n = e->n, .failure = failure
    };
    const struct failure_row *row = failure_row(failure->kind);
    size_t before = out->n;
    struct json_writer w;
    enum err err = add_response_event(e, "response.failed", &response, out);

    if (!err)
        err = open_event(e, &w, "error", out);
    if (err)
        return cut_back(out, before, err);
    response_write_failure(&w, row->code ? row->code : row->type, failure);
    return cut_back(out, before, close_event(&w));
}

/* ---- whole answers ---- */

/* There is room. */
static enum err add_kept(struct encoder *e, enum item_type type, struct str text)
{
    struct response_item *item = &e->items[e->n];

    response_item_init(item, e->answer, type, e->n++);
    item->is_done = true;
    return buf_add(&item->text, text);
}

static enum err add_call(struct encoder *e, const struct chat_tool_call *call)
{
    enum item_type type = type_of_call(e->answer, call->name);

    if (type == ITEM_CALL)
        return add_kept(e, type, call->arguments);
    response_item_init(&e->items[e->n], e->answer, type, e->n);
    e->items[e->n].is_done = true;
    return responses_custom_input(call->arguments, &e->items[e->n++].text);
}

static enum err gather(struct encoder *e, const struct dialect_choice *c)
{
    enum err err = ERR_NONE;

    e->items = arena_alloc(e->answer->arena, (2 + c->n_tool_calls) * sizeof(*e->items));
    arena_on_release(e->answer->arena, release_items, e);
    if (c->reasoning.n > 0)
        err = add_kept(e, ITEM_REASONING, c->reasoning);
    if (!err && c->text.n > 0)
        err = add_kept(e, ITEM_MESSAGE, c->text);
    for (size_t i = 0; i < c->n_tool_calls && !err; i++) {
        err = add_call(e, &c->tool_calls[i]);
        e->items[e->n - 1].call_id = c->tool_calls[i].id;
        e->items[e->n - 1].name = c->tool_calls[i].name;
    }
    return err;
}

/* An encoder as a stream of the same answer would leave it. */
static enum err encode_whole(const struct dialect_answer *answer, const struct dialect_whole *whole,
                             struct encoder **ret)
{
    struct encoder *e = arena_new(answer->arena, struct encoder);

    e->answer = answer;
    e->end = whole->choices[0].end;
    *ret = e;
    return gather(e, &whole->choices[0]);
}

static enum err write_whole(const struct dialect_answer *answer, const struct dialect_whole *whole,
                            struct buf *out)
{
    size_t before = out->n;
    struct response response;
    struct json_writer w;
    struct encoder *e;
    enum err err = encode_whole(answer, whole, &e);

    if (err)
        return err;
    response = ended(e, &whole->usage);
    json_w_init(&w, out);
    response_write(&w, answer, &response);
    return cut_back(out, before, json_w_end(&w));
}

static enum err write_record(void *encoder, const struct dialect_answer *answer,
                             const struct dialect_whole *whole, struct buf *out)
{
    size_t before = out->n;
    struct response response;
    struct json_writer w;
    struct encoder *e = encoder;
    enum err err = e ? ERR_NONE : encode_whole(answer, whole, &e);

    if (err)
        return err;
    response = ended(e, &whole->usage);
    json_w_init(&w, out);
    response_write_record(&w, answer, &response);
    return cut_back(out, before, json_w_end(&w));
}

const struct dialect_ops dialect_openai_responses = {
    .name = "openai_responses",
    .encoder_size = sizeof(struct encoder),
    .params = { NULL, "max_output_tokens", "tools", "text.format", NULL },
    .decode = responses_decode,
    .stream_begin = stream_begin,
    .stream_text = stream_text,
    .stream_reasoning = stream_reasoning,
    .stream_tool = stream_tool,
    .stream_choice_end = stream_choice_end,
    .stream_end = stream_end,
    .stream_error = stream_error,
    .stream_keepalive = openai_keepalive,
    .whole = write_whole,
    .record = write_record,
    .error = openai_error,
};
