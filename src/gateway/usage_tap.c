/* SPDX-License-Identifier: Apache-2.0 */
/* It follows brackets and strings only: whether the answer is well-formed is the client's affair,
 * and what stands in the member is read by the reader. */
#include "gateway/usage_tap.h"

#include "chat/estimate.h"
#include "chat/usage.h"
#include "json/scan.h"

static bool is_json(struct str content_type)
{
    struct str type = str_trim(str_cut(content_type, ';', &(struct str){ NULL, 0 }));

    return str_eq_nocase(type, STR("application/json"));
}

static bool is_event_stream(struct str content_type)
{
    struct str type = str_trim(str_cut(content_type, ';', &(struct str){ NULL, 0 }));

    return str_eq_nocase(type, STR("text/event-stream"));
}

void usage_tap_start(struct usage_tap *t, struct str content_type, struct str content_encoding)
{
    t->is_events = is_event_stream(content_type);
    t->is_on = (t->is_events || is_json(content_type)) &&
               (content_encoding.n == 0 || str_eq_nocase(content_encoding, STR("identity")));
}

/* ---- the member ---- */

/* What it has in all is the prompt's, but for what is said to be the answer's. */
static bool add_up(const struct usage_told *told, struct chat_usage *u)
{
    if (!told->has_prompt)
        u->prompt_tokens =
            told->total > u->completion_tokens ? told->total - u->completion_tokens : 0;
    if (u->cached_tokens > u->prompt_tokens)
        u->cached_tokens = u->prompt_tokens;
    return told->has_prompt || told->has_completion || told->total >= 0;
}

static void take_usage(struct usage_tap *t)
{
    struct chat_usage u = { 0 };
    struct usage_told told;
    struct json j;

    json_init(&j, (struct str){ t->text, t->n }, JSON_DEPTH_MAX);
    if (!usage_read(&j, &u, &told) || json_end(&j) || !add_up(&told, &u))
        return;
    t->usage = u;
    t->has_usage = true;
}

/* ---- the way there ---- */

static void begin_document(struct usage_tap *t)
{
    t->depth = 0;
    t->in_string = t->is_escaped = t->is_key = t->is_taking = false;
    t->n_key = 0;
}

static void take(struct usage_tap *t, const char *p, size_t n)
{
    if (t->n + n > USAGE_TAP_MAX) {
        t->is_taking = false;
        return;
    }
    memcpy(t->text + t->n, p, n);
    t->n += n;
}

static void add_to_key(struct usage_tap *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n && t->n_key < UINT8_MAX; i++, t->n_key++)
        if (t->n_key < sizeof(t->key))
            t->key[t->n_key] = p[i];
}

static bool is_usage(const struct usage_tap *t)
{
    return t->n_key == sizeof(t->key) && memcmp(t->key, "usage", sizeof(t->key)) == 0;
}

static void open_bracket(struct usage_tap *t, char c)
{
    if (t->depth == 0)
        t->is_object = t->is_key = c == '{';
    t->is_taking = t->is_taking || (t->depth == 1 && c == '{' && t->is_object && is_usage(t));
    if (t->depth == 1)
        t->n = 0;
    t->depth++;
    t->n_key = 0;
}

static void close_bracket(struct usage_tap *t, char c)
{
    if (t->is_taking)
        take(t, &c, 1);
    if (t->depth > 0)
        t->depth--;
    if (t->depth != 1 || !t->is_taking)
        return;
    take_usage(t);
    t->is_taking = false;
}

static void open_string(struct usage_tap *t)
{
    t->in_string = true;
    if (t->depth == 1 && t->is_key)
        t->n_key = 0;
}

static void on_structure(struct usage_tap *t, char c)
{
    if (c == '"') {
        open_string(t);
    } else if (c == '{' || c == '[') {
        open_bracket(t, c);
    } else if (c == '}' || c == ']') {
        close_bracket(t, c);
        return;
    } else if (t->depth == 1 && c == ',') {
        t->is_key = t->is_object;
        t->n_key = 0;
    } else if (t->depth == 1 && c == ':') {
        t->is_key = false;
    } else if (t->is_events && (c == '\n' || c == '\r')) {
        begin_document(t);
    }
    if (t->is_taking)
        take(t, &c, 1);
}

/* Inside of a string, up to its closing quote or the end of what is here. A line end is in none,
 * so that one which an upstream left open ends with its event. */
static const char *pass_string(struct usage_tap *t, const char *p, const char *end)
{
    const char *from = p;
    size_t n;

    for (; p < end && t->in_string && *p != '\n'; p++)
        if (t->is_escaped)
            t->is_escaped = false;
        else if (*p == '\\')
            t->is_escaped = true;
        else
            t->in_string = *p != '"';
    n = (size_t)(p - from);
    if (t->is_taking)
        take(t, from, n);
    if (t->depth == 1 && t->is_key)
        add_to_key(t, from, t->in_string ? n : n - 1);
    if (p < end && *p == '\n')
        t->in_string = t->is_escaped = false;
    return p;
}

static bool is_structure(char c)
{
    return c == '"' || c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':' ||
           c == '\n' || c == '\r';
}

/* Outside of strings, up to what matters there. */
static const char *pass_values(struct usage_tap *t, const char *p, const char *end)
{
    const char *from = p;

    while (p < end && !is_structure(*p))
        p++;
    if (t->is_taking && p > from)
        take(t, from, (size_t)(p - from));
    return p;
}

void usage_tap_feed(struct usage_tap *t, struct str bytes)
{
    const char *p = bytes.p;
    const char *end = p + bytes.n;

    while (t->is_on && p < end) {
        if (t->in_string)
            p = pass_string(t, p, end);
        else
            p = pass_values(t, p, end);
        if (p < end && !t->in_string)
            on_structure(t, *p++);
    }
}

/* ---- the estimate ---- */

/* The texts of a request, of which everything else is settings. */
static bool is_text(struct str key)
{
    static const char *const names[] = { "input", "query",        "documents",
                                         "text",  "instructions", "prompt" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_key_eq(key, str_of(names[i])))
            return true;
    return false;
}

struct text_walk {
    const char *p;
    const char *end;
    struct arena *arena;
    bool counts; /* what follows belongs to a name of is_text() */
    int64_t tokens;
};

static int64_t tokens_of(struct str text)
{
    struct token_estimate e = { 0 };

    token_estimate_add(&e, text);
    return token_estimate_total(&e);
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* One that is cut, or wrong, counts as it stands, with what is behind it. */
static void walk_string(struct text_walk *w)
{
    struct json_value v = { .type = JSON_STRING, .raw.p = w->p };
    const char *close = scan_string(w->p + 1, w->end, true, &v.escaped);
    struct str text = { w->p + 1, (size_t)(w->end - w->p - 1) };

    w->p = w->end;
    if (close < w->end && *close == '"') {
        w->p = close + 1;
        close = skip_space(w->p, w->end);
        v.raw.n = (size_t)(w->p - v.raw.p);
        text.n = v.raw.n - 2;
        if (close < w->end && *close == ':') {
            w->counts = is_text(text);
            return;
        }
        if (v.escaped && w->counts && json_text(&v, w->arena, &text))
            return;
    }
    if (w->counts)
        w->tokens += tokens_of(text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A text may come as the numbers of its tokens. */
static void walk_number(struct text_walk *w)
{
    while (w->p < w->end && is_digit(*w->p))
        w->p++;
    w->tokens += w->counts;
}

int64_t usage_of_text(struct str content_type, struct str start, struct arena *a)
{
    struct text_walk w = { .arena = a };

    if (!is_json(content_type))
        return 0;
    w.p = start.p;
    w.end = start.p + (start.n < USAGE_TEXT_MAX ? start.n : USAGE_TEXT_MAX);
    while (w.p < w.end)
        if (*w.p == '"')
            walk_string(&w);
        else if (is_digit(*w.p))
            walk_number(&w);
        else
            w.p++;
    return w.tokens;
}
