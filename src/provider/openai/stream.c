/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a chat completion's stream. A server that leaves [DONE] out, or says it twice, has
 * said it all the same. */
#include "provider/openai/stream.h"

static enum err on_event(void *arg, const struct sse_event *ev);

void stream_init(struct stream *s, size_t max, stream_on_chunk *on_chunk, void *arg)
{
    *s = (struct stream){ .on_chunk = on_chunk, .arg = arg };
    frame_init(&s->frame);
    sse_init(&s->sse, max, on_event, s);
}

void stream_deinit(struct stream *s)
{
    sse_deinit(&s->sse);
    frame_deinit(&s->frame);
}

enum err stream_feed(struct stream *s, struct str in)
{
    return sse_feed(&s->sse, in);
}

/* Also without the line, or the two, that would end its event: some servers leave them out. */
static bool has_said_done(const struct stream *s)
{
    struct str line = buf_str(&s->sse.line);
    struct str data = buf_str(&s->sse.data);

    if (s->is_done)
        return true;
    if (data.n == 0 && str_starts(line, STR("data:")))
        data = str_from(line, 5);
    return str_eq(str_trim(data), STR("[DONE]"));
}

bool stream_is_whole(const struct stream *s)
{
    /* As bits of struct chunk.choices, that is as far as they can be counted. */
    size_t n = s->n_choices < 64 ? s->n_choices : 64;

    return s->begun == s->finished &&
           (has_said_done(s) || (s->begun && (size_t)__builtin_popcountll(s->begun) >= n));
}

enum err stream_read(struct str data, bool is_error, struct arena *a, struct chunk *ret)
{
    enum err err = chunk_read(data, a, ret);

    if (!is_error || (err && err != ERR_BAD_INPUT))
        return err;
    if (err)
        *ret = (struct chunk){ .error = data };
    if (!ret->error.p)
        ret->error = data;
    return ERR_NONE;
}

static void note_choices(struct stream *s, const struct chunk *c)
{
    s->begun |= c->choices;
    for (const struct piece *p = c->first; p; p = p->next)
        if (p->type == PIECE_FINISH)
            s->finished |= UINT64_C(1) << (p->choice < 63 ? p->choice : 63);
}

static enum err take_chunk(struct stream *s, const struct sse_event *ev, struct arena *a)
{
    bool is_error = str_eq(ev->type, STR("error"));
    struct chunk chunk;
    enum err err = ERR_NONE;

    if (is_error || !frame_read(&s->frame, ev->data, a, &chunk)) {
        err = stream_read(ev->data, is_error, a, &chunk);
        s->limit = chunk.limit;
        if (err)
            return err;
        frame_keep(&s->frame, ev->data, &chunk);
    }
    note_choices(s, &chunk);
    return s->on_chunk(s->arg, ev->data, is_error, &chunk);
}

static enum err on_event(void *arg, const struct sse_event *ev)
{
    struct stream *s = arg;
    struct str data = str_trim(ev->data);
    struct arena a;
    enum err err;

    if (s->is_done || data.n == 0)
        return ERR_NONE;
    if (str_eq(data, STR("[DONE]"))) {
        s->is_done = true;
        return ERR_NONE;
    }
    arena_init(&a);
    err = take_chunk(s, ev, &a);
    arena_deinit(&a);
    return err;
}
