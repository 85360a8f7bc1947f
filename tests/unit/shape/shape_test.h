/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came out of a stage, written as one line, in which it does not matter how texts were cut:
 * text as it is, "[think:...]", "[call 0 id name:arguments]". And texts of chance, cut by chance.
 */
#pragma once

#include "base/buf.h"
#include "shape/sink.h"
#include "storm.h"
#include "test.h"

enum { HEARD_MAX = 1 << 20 };

struct heard {
    struct buf line;
    enum chat_event_type open; /* CHAT_TEXT: nothing to close */
    size_t index;              /* of the open call */
};

static inline void heard_add(struct heard *h, struct str s)
{
    EXPECT_INT(buf_add(&h->line, s), ERR_NONE);
}

static inline void heard_close(struct heard *h)
{
    if (h->open != CHAT_TEXT)
        heard_add(h, STR("]"));
    h->open = CHAT_TEXT;
}

static inline void heard_tool(struct heard *h, const struct chat_tool_piece *t)
{
    if (h->open != CHAT_TOOL_CALL || h->index != t->index || t->name.n > 0) {
        heard_close(h);
        EXPECT_INT(buf_addf(&h->line, "[call %zu %.*s %.*s:", t->index, STR_ARGS(t->id),
                            STR_ARGS(t->name)),
                   ERR_NONE);
        h->open = CHAT_TOOL_CALL;
        h->index = t->index;
    }
    heard_add(h, t->arguments);
}

static inline enum err heard_put(void *arg, const struct chat_event *event)
{
    struct heard *h = arg;

    if (event->type == CHAT_TOOL_CALL) {
        heard_tool(h, event->tool);
        return ERR_NONE;
    }
    EXPECT(event->text.n > 0);
    if (h->open != event->type)
        heard_close(h);
    if (h->open != event->type && event->type == CHAT_REASONING)
        heard_add(h, STR("[think:"));
    h->open = event->type;
    heard_add(h, event->text);
    return ERR_NONE;
}

static inline struct shape_sink heard_init(struct heard *h)
{
    *h = (struct heard){ .open = CHAT_TEXT };
    buf_init(&h->line, HEARD_MAX);
    return (struct shape_sink){ heard_put, h };
}

static inline struct str heard_line(struct heard *h)
{
    heard_close(h);
    return buf_str(&h->line);
}

typedef enum err feed_fn(void *stage, const struct chat_event *event);

static inline bool is_inside_char(struct str text, size_t at)
{
    return at < text.n && ((unsigned char)text.p[at] & 0xC0) == 0x80;
}

/* Feeds `text` cut at `cut` (0: in one piece; SIZE_MAX: by chance), between characters only. */
static inline void feed_cut(feed_fn *feed, void *stage, enum chat_event_type type, struct str text,
                            size_t cut)
{
    size_t from = 0;

    while (from < text.n) {
        size_t to = cut == SIZE_MAX ? from + 1 + dice(5) : from < cut ? cut : text.n;
        struct chat_event event = { .type = type };

        while (is_inside_char(text, to))
            to++;
        event.text = str_sub(text, from, to - from);
        EXPECT_INT(feed(stage, &event), ERR_NONE);
        from += event.text.n;
    }
}

/* `n` of the words (separated by spaces; '_' is a space, '~' a line end), in `out` of `cap`. */
static inline struct str dice_text(const char *words, unsigned n, char *out, size_t cap)
{
    struct str list[128];
    struct str rest = str_of(words);
    size_t n_words = 0;
    size_t used = 0;

    while (rest.p && n_words < COUNT_OF(list))
        list[n_words++] = str_cut(rest, ' ', &rest);
    for (unsigned i = 0; i < n; i++) {
        struct str word = list[dice((unsigned)n_words)];

        if (used + word.n > cap)
            break;
        for (size_t k = 0; k < word.n; k++)
            out[used++] = (char)(word.p[k] == '_' ? ' ' : word.p[k] == '~' ? '\n' : word.p[k]);
    }
    return (struct str){ out, used };
}
