/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     GAP --'<'--> TAG --> BODY --'{'--> ARGUMENTS --> TAIL --> end tag --> GAP
 *      |            |       |  \'<'--> EMPTY (no arguments) -----------------^
 *      v            v       v                \ no JSON: SKIP to the end tag -^
 *     TEXT <--------+-------+   give_back()
 *
 * GAP is the beginning, and what follows a call: white space there belongs to no text when a call
 * follows it. All that is held is in `held`, so giving back is one event; when that text has
 * another '<' that may begin a tag, it is read again from there.
 */
#include "shape/tool_parser.h"

enum state { GAP, TEXT, TAG, BODY, EMPTY, ARGUMENTS, TAIL, END, SKIP };

static enum err parse(struct tool_parser *p, struct str text);

void tool_parser_init(struct tool_parser *p, uint64_t seed, struct shape_sink out,
                      enum err (*ended)(void *arg, enum tool_call_end end), void *arg)
{
    *p = (struct tool_parser){ .out = out, .ended = ended, .arg = arg, .seed = seed, .state = GAP };
}

/* ---- calls ---- */

/* splitmix64 (public domain, Vigna): any seed gives a fine sequence. */
static uint64_t next_random(struct tool_parser *p)
{
    uint64_t x = p->seed += 0x9E3779B97F4A7C15;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

static void make_id(struct tool_parser *p)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    size_t n = strlen("call_");

    memcpy(p->id, "call_", n);
    while (n < TOOL_ID_LEN) {
        uint64_t bits = next_random(p);

        for (int i = 0; i < 12; i++, bits >>= 5)
            p->id[n++] = letters[bits & 31];
    }
}

static enum err put_piece(struct tool_parser *p, struct str id, struct str name,
                          struct str arguments)
{
    const struct chat_tool_piece piece = { p->n_calls, id, name, arguments };

    return sink_tool(&p->out, &piece);
}

static enum err begin_call(struct tool_parser *p)
{
    make_id(p);
    p->n_held = 0;
    p->json = (struct json_prefix){ 0 };
    return put_piece(p, (struct str){ p->id, TOOL_ID_LEN }, tool_tag_name(&p->open),
                     (struct str){ NULL, 0 });
}

static enum err end_call(struct tool_parser *p, enum tool_call_end end, enum state next)
{
    p->n_calls++;
    p->state = (uint8_t)next;
    p->n_held = 0;
    p->tag = (struct tool_tag){ 0 };
    return p->ended(p->arg, end);
}

static enum err call_without_arguments(struct tool_parser *p)
{
    enum err err = begin_call(p);

    if (!err)
        err = put_piece(p, (struct str){ NULL, 0 }, (struct str){ NULL, 0 }, STR("{}"));
    return err ? err : end_call(p, TOOL_CALL_WHOLE, GAP);
}

/* Takes what belongs to the arguments; the rest is *text. */
static enum err read_arguments(struct tool_parser *p, struct str *text)
{
    const struct str none = { NULL, 0 };
    enum json_progress progress;
    size_t n = json_prefix_add(&p->json, *text, &progress);
    enum err err = n > 0 ? put_piece(p, none, none, str_sub(*text, 0, n)) : ERR_NONE;

    *text = str_from(*text, n);
    if (err || progress == JSON_OPEN)
        return err;
    p->is_end_owed = progress == JSON_WHOLE;
    return progress == JSON_WHOLE
               ? end_call(p, TOOL_CALL_WHOLE, TAIL)
               : end_call(p, p->json.is_too_deep ? TOOL_CALL_DEEP : TOOL_CALL_BROKEN, SKIP);
}

/* ---- text ---- */

/* The last '<' behind the first byte that may begin a tag; `n` when there is none. */
static size_t find_restart(const struct tool_parser *p, const char *text, size_t n)
{
    for (size_t i = n; i-- > 1;)
        if (text[i] == '<' && (text[i - 1] == '\n' || p->is_end_owed))
            return i;
    return n;
}

/* What is held is no call. */
static enum err give_back(struct tool_parser *p)
{
    char text[TOOL_HELD_MAX];
    size_t n = p->n_held;
    size_t restart;
    enum err err;

    memcpy(text, p->held, n);
    restart = find_restart(p, text, n);
    p->n_held = 0;
    p->state = TEXT;
    p->at_line = restart > 0 && text[restart - 1] == '\n';
    err = sink_text(&p->out, CHAT_TEXT, (struct str){ text, restart });
    return err || restart == n ? err : parse(p, (struct str){ text + restart, n - restart });
}

/* Behind a call that had no end tag: what came instead is read as if the tag had been there. */
static enum err go_on_without_end(struct tool_parser *p)
{
    char text[TOOL_TAG_MAX];
    size_t n = p->n_held;

    memcpy(text, p->held, n);
    p->n_held = 0;
    p->state = GAP;
    return parse(p, (struct str){ text, n });
}

/* ---- what is held ---- */

/* Begins a tag with the byte that is held last. */
static enum err begin_tag(struct tool_parser *p, enum state state)
{
    p->tag = (struct tool_tag){ 0 };
    p->state = (uint8_t)state;
    tool_tag_add(&p->tag, '<', TAG_OPENING);
    return ERR_NONE;
}

static enum err add_to_tag(struct tool_parser *p, char c)
{
    unsigned takes = p->state == TAG ? TAG_OPENING : TAG_CLOSING;

    if (p->state == TAG && p->is_end_owed)
        takes = p->at_line ? TAG_OPENING | TAG_CLOSING : TAG_CLOSING;
    switch (tool_tag_add(&p->tag, c, takes)) {
    case TAG_MORE:
        return ERR_NONE;
    case TAG_NOT:
        return p->state == END ? go_on_without_end(p) : give_back(p);
    case TAG_DONE:
        break;
    }
    if (p->state == EMPTY)
        return call_without_arguments(p);
    if (!p->tag.is_end) {
        p->open = p->tag;
        p->state = BODY;
        return ERR_NONE;
    }
    p->is_end_owed = false;
    p->n_held = 0;
    p->state = GAP;
    return ERR_NONE;
}

static enum err hold_gap(struct tool_parser *p, char c)
{
    p->at_line = true;
    if (c == '<')
        return begin_tag(p, TAG);
    return str_is_space(c) && p->n_held < TOOL_SPACE_MAX ? ERR_NONE : give_back(p);
}

/* Behind the tag: the object, or the end tag of a call without arguments. */
static enum err hold_body(struct tool_parser *p, char c)
{
    enum err err;

    if (c == '<')
        return begin_tag(p, EMPTY);
    if (c != '{')
        return str_is_space(c) && p->n_held + TOOL_TAG_MAX < TOOL_HELD_MAX ? ERR_NONE
                                                                           : give_back(p);
    p->state = ARGUMENTS;
    err = begin_call(p);
    return err ? err : parse(p, STR("{"));
}

static enum err hold_tail(struct tool_parser *p, char c)
{
    if (c == '<')
        return begin_tag(p, END);
    if (!str_is_space(c))
        return go_on_without_end(p);
    p->n_held = 0;
    return ERR_NONE;
}

/* Looks for the end tag in what is thrown away. */
static void skip(struct tool_parser *p, char c)
{
    enum tool_tag_step step = tool_tag_add(&p->tag, c, TAG_CLOSING);

    p->n_held = 0;
    if (step == TAG_MORE)
        return;
    p->tag = (struct tool_tag){ 0 };
    if (step == TAG_DONE)
        p->state = GAP;
    else if (c == '<')
        tool_tag_add(&p->tag, c, TAG_CLOSING);
}

static enum err hold(struct tool_parser *p, char c)
{
    p->held[p->n_held++] = c;
    switch ((enum state)p->state) {
    case GAP:
        return hold_gap(p, c);
    case BODY:
        return hold_body(p, c);
    case TAIL:
        return hold_tail(p, c);
    case SKIP:
        skip(p, c);
        return ERR_NONE;
    case TAG:
    case EMPTY:
    case END:
        return add_to_tag(p, c);
    case TEXT:
    case ARGUMENTS:
        break;
    }
    return ERR_NONE;
}

/* Gives out the text up to a '<' that may begin a tag, which is held; the rest is *text. */
static enum err pass_text(struct tool_parser *p, struct str *text)
{
    struct str all = *text;
    size_t i = 0;
    enum err err;

    while (i < all.n && !(all.p[i] == '<' && (p->at_line || p->is_end_owed)))
        p->at_line = all.p[i++] == '\n';
    *text = str_from(all, i + 1);
    err = sink_text(&p->out, CHAT_TEXT, str_sub(all, 0, i));
    if (err || i == all.n)
        return err;
    p->held[p->n_held++] = '<';
    return begin_tag(p, TAG);
}

static enum err parse(struct tool_parser *p, struct str text)
{
    enum err err = ERR_NONE;

    while (text.n > 0 && !err) {
        if (p->state == TEXT) {
            err = pass_text(p, &text);
        } else if (p->state == ARGUMENTS) {
            err = read_arguments(p, &text);
        } else {
            err = hold(p, text.p[0]);
            text = str_from(text, 1);
        }
    }
    return err;
}

enum err tool_parser_feed(struct tool_parser *p, const struct chat_event *event)
{
    return event->type == CHAT_TEXT ? parse(p, event->text) : sink_put(&p->out, event);
}

/* The rest of what is held, which nothing can follow. */
static enum err give_rest(struct tool_parser *p)
{
    struct str rest = { p->held, p->n_held };

    p->n_held = 0;
    return sink_text(&p->out, CHAT_TEXT, rest);
}

enum err tool_parser_flush(struct tool_parser *p)
{
    enum state state = (enum state)p->state;

    p->state = TEXT;
    if (state == ARGUMENTS)
        return end_call(p, TOOL_CALL_BROKEN, TEXT);
    if (state == END || state == TAIL || (state == GAP && p->n_calls > 0))
        p->n_held = 0;
    return give_rest(p);
}
