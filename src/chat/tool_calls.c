/* SPDX-License-Identifier: Apache-2.0 */
/* A call is found by the upstream's index; one with another id at the same index is another call.
 */
#include "chat/tool_calls.h"

#include "base/mem.h"

enum { NAME_MAX_BYTES = 64 * 1024 };

struct tool_call_draft {
    size_t index;    /* the upstream's */
    struct buf id;   /* as the client got it */
    bool is_made_up; /* the id is ours */
    struct buf name; /* for whole answers; else empty */
    struct buf arguments;
};

void tool_calls_init(struct tool_calls *t, struct str seed, size_t max)
{
    *t = (struct tool_calls){ .max = max, .seed = seed };
}

void tool_calls_deinit(struct tool_calls *t)
{
    for (size_t i = 0; i < t->n; i++) {
        buf_deinit(&t->list[i].id);
        buf_deinit(&t->list[i].name);
        buf_deinit(&t->list[i].arguments);
    }
    mem_free(t->list);
    tool_calls_init(t, t->seed, t->max);
}

/* The newest of that index. */
static struct tool_call_draft *find(const struct tool_calls *t, size_t index)
{
    for (size_t i = t->n; i > 0; i--)
        if (t->list[i - 1].index == index)
            return &t->list[i - 1];
    return NULL;
}

static bool is_another(const struct tool_call_draft *c, struct str id)
{
    return id.n > 0 && !c->is_made_up && !str_eq(buf_str(&c->id), id);
}

static enum err make_room(struct tool_calls *t)
{
    size_t cap = t->cap ? 2 * t->cap : 4;
    struct tool_call_draft *list;

    if (t->n == TOOL_CALLS_MAX)
        return ERR_TOO_BIG;
    if (t->n < t->cap)
        return ERR_NONE;
    list = mem_try_grow(t->list, cap * sizeof(*list));
    if (!list)
        return ERR_NOMEM;
    t->list = list;
    t->cap = cap;
    return ERR_NONE;
}

static enum err name_it(struct tool_calls *t, struct tool_call_draft *c,
                        const struct chat_tool_piece *piece)
{
    enum err err;

    c->is_made_up = piece->id.n == 0;
    err = c->is_made_up ? buf_addf(&c->id, "call_%.*s_%zu", STR_ARGS(t->seed), t->n)
                        : buf_add(&c->id, piece->id);
    return err ? err : buf_add(&c->name, piece->name);
}

static enum err begin(struct tool_calls *t, const struct chat_tool_piece *piece)
{
    struct tool_call_draft *c;
    enum err err = piece->name.n > 0 ? make_room(t) : ERR_BAD_INPUT;

    if (err)
        return err;
    c = &t->list[t->n];
    *c = (struct tool_call_draft){ .index = piece->index };
    buf_init(&c->id, NAME_MAX_BYTES);
    buf_init(&c->name, NAME_MAX_BYTES);
    buf_init(&c->arguments, t->max);
    err = name_it(t, c, piece);
    if (err) {
        buf_deinit(&c->id);
        buf_deinit(&c->name);
        return err;
    }
    t->n++;
    return ERR_NONE;
}

enum err tool_calls_add(struct tool_calls *t, const struct chat_tool_piece *piece,
                        struct chat_tool_piece *ret)
{
    struct tool_call_draft *c = find(t, piece->index);
    bool is_first = !c || is_another(c, piece->id);
    enum err err = is_first ? begin(t, piece) : ERR_NONE;

    if (err)
        return err;
    c = is_first ? &t->list[t->n - 1] : c;
    *ret =
        (struct chat_tool_piece){ .index = (size_t)(c - t->list), .arguments = piece->arguments };
    if (is_first) {
        ret->id = buf_str(&c->id);
        ret->name = buf_str(&c->name);
    }
    return t->max ? buf_add(&c->arguments, piece->arguments) : ERR_NONE;
}

const struct chat_tool_call *tool_calls_list(const struct tool_calls *t, struct arena *a)
{
    struct chat_tool_call *list = arena_alloc(a, t->n * sizeof(*list));

    for (size_t i = 0; i < t->n; i++)
        list[i] = (struct chat_tool_call){ .id = buf_str(&t->list[i].id),
                                           .name = buf_str(&t->list[i].name),
                                           .arguments = buf_str(&t->list[i].arguments) };
    return list;
}
