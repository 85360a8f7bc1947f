/* SPDX-License-Identifier: Apache-2.0 */
/* A tag begins with '<' and has no other one in it, so text that fails to be a tag can only begin
 * one anew with the byte that failed. */
#include "shape/think.h"

enum state {
    START,  /* white space, then perhaps the tag */
    OPEN,   /* behind the tag: white space is passed over */
    INSIDE, /* reasoning */
    CLOSED, /* behind the end: white space is passed over */
    TEXT,
};

void think_split_init(struct think_split *t, struct shape_sink out)
{
    *t = (struct think_split){ .out = out, .state = START };
}

/* The text has no tag, or it would not be at the beginning. */
static enum err give_start(struct think_split *t)
{
    struct str tag = str_sub(STR("<think>"), 0, t->n_tag);
    enum err err = sink_text(&t->out, CHAT_TEXT, (struct str){ t->space, t->n_space });

    t->state = TEXT;
    t->n_tag = 0;
    t->n_space = 0;
    return err ? err : sink_text(&t->out, CHAT_TEXT, tag);
}

static enum err read_start(struct think_split *t, struct str *text)
{
    const struct str tag = STR("<think>");
    char c = text->p[0];

    if (t->n_tag == 0 && str_is_space(c) && t->n_space < sizeof(t->space)) {
        t->space[t->n_space++] = c;
    } else if (c == tag.p[t->n_tag]) {
        if (++t->n_tag == tag.n)
            t->state = OPEN;
    } else {
        return give_start(t);
    }
    *text = str_from(*text, 1);
    return ERR_NONE;
}

/* Gives out reasoning up to what may be the end tag. */
static enum err read_inside(struct think_split *t, struct str *text)
{
    const struct str tag = STR("</think>");
    struct str all = *text;
    size_t held = t->n_tag;
    size_t i = 0;
    enum err err = ERR_NONE;

    while (i < all.n && t->n_tag < tag.n) {
        t->n_tag = all.p[i] == tag.p[t->n_tag] ? t->n_tag + 1 : all.p[i] == tag.p[0];
        i++;
    }
    *text = str_from(all, i);
    if (held + i > t->n_tag) { /* what was held is no tag */
        err = sink_text(&t->out, CHAT_REASONING, str_sub(tag, 0, held));
        if (!err)
            err = sink_text(&t->out, CHAT_REASONING, str_sub(all, 0, i - t->n_tag));
    }
    if (t->n_tag == tag.n) {
        t->state = CLOSED;
        t->n_tag = 0;
    }
    return err;
}

static enum err split(struct think_split *t, struct str text)
{
    enum err err = ERR_NONE;

    while (text.n > 0 && !err) {
        switch ((enum state)t->state) {
        case START:
            err = read_start(t, &text);
            break;
        case OPEN:
        case CLOSED:
            if (str_is_space(text.p[0])) {
                text = str_from(text, 1);
            } else {
                t->state = t->state == OPEN ? INSIDE : TEXT;
                t->n_tag = 0;
            }
            break;
        case INSIDE:
            err = read_inside(t, &text);
            break;
        case TEXT:
            return sink_text(&t->out, CHAT_TEXT, text);
        }
    }
    return err;
}

enum err think_split_feed(struct think_split *t, const struct chat_event *event)
{
    return event->type == CHAT_TEXT && t->state != TEXT ? split(t, event->text)
                                                        : sink_put(&t->out, event);
}

enum err think_split_flush(struct think_split *t)
{
    size_t n = t->n_tag;

    if (t->state == START)
        return give_start(t);
    t->n_tag = 0;
    return t->state == INSIDE ? sink_text(&t->out, CHAT_REASONING, str_sub(STR("</think>"), 0, n))
                              : ERR_NONE;
}

/* ---- tags for clients ---- */

void think_wrap_init(struct think_wrap *t, struct shape_sink out)
{
    *t = (struct think_wrap){ .out = out };
}

enum err think_wrap_feed(struct think_wrap *t, const struct chat_event *event)
{
    enum err err = ERR_NONE;

    if (event->type != CHAT_REASONING) {
        if (event->type == CHAT_TEXT || event->type == CHAT_TOOL_CALL)
            err = think_wrap_flush(t);
        return err ? err : sink_put(&t->out, event);
    }
    if (!t->is_open)
        err = sink_text(&t->out, CHAT_TEXT, STR("<think>\n"));
    t->is_open = true;
    return err ? err : sink_text(&t->out, CHAT_TEXT, event->text);
}

enum err think_wrap_flush(struct think_wrap *t)
{
    bool was_open = t->is_open;

    t->is_open = false;
    return was_open ? sink_text(&t->out, CHAT_TEXT, STR("\n</think>\n\n")) : ERR_NONE;
}
