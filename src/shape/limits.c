/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stop is looked for by Knuth, Morris and Pratt: how much of it the text so far ends with is
 * all there is to remember, and since that is a prefix of the stop, the text held back needs no
 * copy. Text that cannot begin a stop is passed over by a table of first bytes.
 *
 * The estimate of a text can fall by a token when it goes on (a space belongs to the word behind
 * it), so close to the limit it is asked behind every character; that it does not depend on how
 * the text was cut is worth more than the time.
 */
#include "shape/limits.h"

struct stop {
    struct str text;
    uint32_t *border; /* of each prefix: the longest proper prefix that it ends with, too */
    size_t n;         /* bytes of it that the text ends with */
};

/* ---- stops ---- */

static void find_borders(struct stop *s)
{
    uint32_t n = 0;

    s->border[0] = 0;
    for (uint32_t i = 1; i < s->text.n; i++) {
        while (n > 0 && s->text.p[i] != s->text.p[n])
            n = s->border[n - 1];
        if (s->text.p[i] == s->text.p[n])
            n++;
        s->border[i] = n;
    }
}

enum err stops_init(struct stops *s, const struct str *stops, size_t n, struct arena *a,
                    struct shape_sink out)
{
    size_t bytes = 0;

    *s = (struct stops){ .out = out, .n = n };
    for (size_t i = 0; i < n && i < STOPS_MAX; i++)
        bytes += stops[i].n;
    if (n > STOPS_MAX || bytes > STOPS_BYTES_MAX)
        return ERR_TOO_BIG;
    s->list = arena_alloc(a, n * sizeof(*s->list));
    for (size_t i = 0; i < n; i++) {
        BUG_ON(stops[i].n == 0);
        s->list[i] = (struct stop){ .text = stops[i],
                                    .border = arena_try(a, stops[i].n * sizeof(uint32_t)) };
        if (!s->list[i].border)
            return ERR_NOMEM;
        find_borders(&s->list[i]);
        s->is_first[(unsigned char)stops[i].p[0]] = true;
    }
    return ERR_NONE;
}

/* True when the stop is whole. */
static bool stop_add(struct stop *s, char c)
{
    while (s->n > 0 && s->text.p[s->n] != c)
        s->n = s->border[s->n - 1];
    if (s->text.p[s->n] == c)
        s->n++;
    return s->n == s->text.n;
}

/* Adds a byte to all; the longest that is whole now, else NULL. s->held is what may become one. */
static const struct stop *stops_add(struct stops *s, char c)
{
    const struct stop *whole = NULL;

    s->held.n = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct stop *stop = &s->list[i];

        if (stop_add(stop, c) && (!whole || stop->n > whole->n))
            whole = stop;
        if (stop->n > s->held.n)
            s->held = (struct str){ stop->text.p, stop->n };
    }
    return whole;
}

/* Gives out the first `n` bytes of `held` and `text`, which follows it. */
static enum err give(struct stops *s, struct str held, struct str text, size_t n)
{
    enum err err = sink_text(&s->out, CHAT_TEXT, str_sub(held, 0, n));

    if (!err && n > held.n)
        err = sink_text(&s->out, CHAT_TEXT, str_sub(text, 0, n - held.n));
    return err;
}

static enum err stops_text(struct stops *s, struct str text)
{
    const struct str held = s->held;
    const struct stop *whole = NULL;
    size_t i = 0;

    while (i < text.n && !whole) {
        char c = text.p[i++];

        if (s->held.n > 0 || s->is_first[(unsigned char)c])
            whole = stops_add(s, c);
    }
    if (!whole)
        return give(s, held, text, held.n + i - s->held.n);
    s->is_stopped = true;
    s->matched = (size_t)(whole - s->list);
    s->held.n = 0;
    return give(s, held, text, held.n + i - whole->text.n);
}

enum err stops_feed(struct stops *s, const struct chat_event *event)
{
    if (s->is_stopped)
        return ERR_NONE;
    return event->type == CHAT_TEXT && s->n > 0 ? stops_text(s, event->text)
                                                : sink_put(&s->out, event);
}

enum err stops_flush(struct stops *s)
{
    struct str held = s->held;

    s->held.n = 0;
    for (size_t i = 0; i < s->n; i++)
        s->list[i].n = 0;
    return sink_text(&s->out, CHAT_TEXT, held);
}

/* ---- tokens ---- */

/* No byte adds more tokens than this. */
enum { TOKENS_PER_BYTE = 4 };

void token_limit_init(struct token_limit *t, int64_t max, struct shape_sink out)
{
    *t = (struct token_limit){ .out = out, .max = max };
}

/* How much of `text` is within the limit; counts it. */
static struct str within(struct token_limit *t, struct str text)
{
    size_t end = 0;

    if (token_estimate_total(&t->said) + (int64_t)text.n * TOKENS_PER_BYTE <= t->max) {
        token_estimate_add(&t->said, text);
        return text;
    }
    while (end < text.n) {
        size_t next = end + 1;

        while (next < text.n && ((unsigned char)text.p[next] & 0xC0) == 0x80)
            next++;
        token_estimate_add(&t->said, str_sub(text, end, next - end));
        if (token_estimate_total(&t->said) > t->max) {
            t->is_spent = true;
            break;
        }
        end = next;
    }
    return str_sub(text, 0, end);
}

static enum err limit_tool(struct token_limit *t, const struct chat_tool_piece *piece)
{
    struct chat_tool_piece cut = *piece;

    if (within(t, piece->name).n < piece->name.n)
        return ERR_NONE; /* a call without a whole name is none */
    cut.arguments = within(t, piece->arguments);
    if (cut.arguments.n == 0 && cut.name.n == 0 && piece->arguments.n > 0)
        return ERR_NONE;
    return sink_tool(&t->out, &cut);
}

enum err token_limit_feed(struct token_limit *t, const struct chat_event *event)
{
    if (t->is_spent)
        return ERR_NONE;
    if (t->max == 0)
        return sink_put(&t->out, event);
    if (event->type == CHAT_TOOL_CALL)
        return limit_tool(t, event->tool);
    if (event->type != CHAT_TEXT && event->type != CHAT_REASONING)
        return sink_put(&t->out, event);
    return sink_text(&t->out, event->type, within(t, event->text));
}
