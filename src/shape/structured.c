/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     SEEK --'{' or '['--> OPEN --> JSON --> BEHIND
 *       ^___________________/  no JSON: the brace was a word's
 *
 * A schema that takes neither objects nor arrays (a number, a word) leaves nothing to seek by: then
 * the whole text, without fence and white space, is the answer (WHOLE), and always held.
 */
#include "shape/structured.h"

enum state { SEEK, OPEN, JSON, BEHIND, BROKEN, WHOLE };

enum { QUOTE_MAX = 4000, WHY_MAX = 8 * 1024 };
_Static_assert(JSON_PREFIX_DEPTH == 64, "judge() says so");

static bool starts(const struct structured *s, char c)
{
    if (c == '{')
        return !s->schema || schema_may_begin(s->schema, JSON_OBJECT);
    return c == '[' && s->schema && schema_may_begin(s->schema, JSON_ARRAY);
}

static void restart(struct structured *s)
{
    s->state = starts(s, '{') || starts(s, '[') ? SEEK : WHOLE;
    s->json = (struct json_prefix){ 0 };
    s->n_open = 0;
    s->n_behind = 0;
    buf_clear(&s->text);
}

bool structured_init(struct structured *s, const struct chat_format *format, bool is_held,
                     struct arena *a, struct shape_sink out, struct failure *ret)
{
    struct str why;

    *s = (struct structured){ .out = out, .format = format, .is_held = is_held };
    buf_init(&s->text, STRUCTURED_MAX);
    if (format->type == CHAT_FORMAT_JSON_SCHEMA &&
        !schema_compile(format->schema, a, &s->schema, &why)) {
        failure_set(ret, a, FAILURE_BAD_REQUEST,
                    "The schema of the response format is no JSON Schema that this gateway can "
                    "use. %.*s. Correct the schema.",
                    STR_ARGS(why));
        ret->param = STR("response_format");
        return false;
    }
    restart(s);
    return true;
}

void structured_deinit(struct structured *s)
{
    buf_deinit(&s->text);
}

void structured_again(struct structured *s)
{
    s->is_repair = true;
    restart(s);
}

/* ---- text ---- */

static void drop(struct structured *s, struct str text)
{
    s->is_changed = s->is_changed || str_trim(text).n > 0;
}

/* Bytes of the answer. */
static enum err pass(struct structured *s, struct str text)
{
    enum err err = s->is_held || s->schema ? buf_add(&s->text, text) : ERR_NONE;

    if (err || s->is_held || text.n == 0)
        return err;
    s->is_out = true;
    return sink_text(&s->out, CHAT_TEXT, text);
}

static size_t seek(struct structured *s, struct str text)
{
    size_t i = 0;

    while (i < text.n && !starts(s, text.p[i]))
        i++;
    drop(s, str_sub(text, 0, i));
    if (i == text.n)
        return i;
    s->state = OPEN;
    s->json = (struct json_prefix){ 0 };
    s->n_open = 0;
    return i;
}

/* Until the brace has something behind it that JSON may have there. */
static enum err open_answer(struct structured *s, char c, size_t *ret_n)
{
    enum json_progress progress;

    *ret_n = json_prefix_add(&s->json, (struct str){ &c, 1 }, &progress);
    if (progress == JSON_BROKEN) {
        s->state = SEEK;
        s->is_changed = true;
        return ERR_NONE;
    }
    s->open[s->n_open++] = c;
    if (s->n_open == 1 || (str_is_space(c) && s->n_open < STRUCTURED_OPEN_MAX))
        return ERR_NONE;
    s->state = progress == JSON_WHOLE ? BEHIND : JSON;
    return pass(s, (struct str){ s->open, s->n_open });
}

static enum err read_json(struct structured *s, struct str text, size_t *ret_n)
{
    enum json_progress progress;

    *ret_n = json_prefix_add(&s->json, text, &progress);
    if (progress != JSON_OPEN)
        s->state = progress == JSON_WHOLE ? BEHIND : BROKEN;
    return pass(s, str_sub(text, 0, *ret_n));
}

static enum err read_text(struct structured *s, struct str text, size_t *ret_n)
{
    *ret_n = text.n;
    switch ((enum state)s->state) {
    case SEEK:
        *ret_n = seek(s, text);
        return ERR_NONE;
    case OPEN:
        return open_answer(s, text.p[0], ret_n);
    case JSON:
        return read_json(s, text, ret_n);
    case WHOLE:
        return buf_add(&s->text, text);
    case BEHIND:
    case BROKEN:
        break;
    }
    s->n_behind += text.n;
    drop(s, text);
    return ERR_NONE;
}

enum err structured_feed(struct structured *s, const struct chat_event *event)
{
    struct str text = event->text;
    enum err err = ERR_NONE;
    size_t n;

    if (event->type != CHAT_TEXT)
        return s->is_repair && event->type == CHAT_REASONING ? ERR_NONE : sink_put(&s->out, event);
    while (text.n > 0 && !err) {
        err = read_text(s, text, &n);
        text = str_from(text, n);
    }
    return err;
}

bool structured_is_done(const struct structured *s)
{
    return s->state == BROKEN || s->n_behind > STRUCTURED_BEHIND_MAX;
}

/* ---- end ---- */

/* Of a whole text that may be in a code fence: what is within. */
static struct str without_fence(struct str text)
{
    size_t line;

    text = str_trim(text);
    if (!str_starts(text, STR("```")) || !str_ends(text, STR("```")) || text.n < 6)
        return text;
    text = str_sub(text, 3, text.n - 6);
    line = str_find_char(text, '\n');
    return str_trim(line == SIZE_MAX ? text : str_from(text, line));
}

/* NULL when the answer is good; else what is wrong beside what `why` says. */
static const char *judge(struct structured *s, struct str answer, struct buf *why)
{
    switch ((enum state)s->state) {
    case BEHIND:
    case WHOLE:
        break;
    case SEEK:
    case OPEN:
        return "- there is no JSON in it\n";
    case JSON:
        return "- the JSON ends too early\n";
    case BROKEN:
        if (s->json.is_too_deep)
            return "- up to there it is right, but it is nested too deep: more than 64 arrays and "
                   "objects in one another\n";
        return "- it is right up to there, and what follows is no valid JSON\n";
    }
    switch (s->schema ? schema_check(s->schema, answer, why) : SCHEMA_FITS) {
    case SCHEMA_FITS:
        return NULL;
    case SCHEMA_UNDECIDED:
        return "- it takes too much work to check it: make it simpler\n";
    case SCHEMA_MISFIT:
        break;
    }
    return "";
}

static struct str repair_text(const struct structured *s, struct str answer, struct str why,
                              const char *more, struct arena *a)
{
    size_t n = answer.n < QUOTE_MAX ? answer.n : QUOTE_MAX;

    while (n < answer.n && n > 0 && ((unsigned char)answer.p[n] & 0xC0) == 0x80)
        n--;
    return arena_printf(a,
                        "Your last answer did not do:\n\n%.*s%s\n\n%.*s%s\nWrite the whole answer "
                        "once more, corrected: %s and nothing else.\n",
                        (int)n, n > 0 ? answer.p : "", n < answer.n ? "..." : "", STR_ARGS(why),
                        more,
                        s->schema ? "one JSON value that fits the JSON Schema" : "one JSON object");
}

enum structured_outcome structured_end(struct structured *s, struct arena *a, struct str *ret,
                                       enum err *ret_err)
{
    struct str answer = buf_str(&s->text);
    bool can_ask = !s->is_out && !s->is_repair;
    struct buf why;
    const char *wrong;

    if (s->state == WHOLE)
        answer = without_fence(answer);
    *ret = (struct str){ "", 0 };
    *ret_err = ERR_NONE;
    buf_init(&why, WHY_MAX);
    wrong = judge(s, answer, &why);
    if (wrong && can_ask)
        *ret = repair_text(s, answer, buf_str(&why), wrong, a);
    else if (wrong)
        *ret = arena_printf(a, "%.*s%s", STR_ARGS(buf_str(&why)), wrong);
    else if (s->is_held || s->state == WHOLE)
        *ret_err = sink_text(&s->out, CHAT_TEXT, answer);
    buf_deinit(&why);
    if (!wrong)
        return STRUCTURED_OK;
    return can_ask ? STRUCTURED_REPAIR : STRUCTURED_LOST;
}

enum err structured_cut(struct structured *s)
{
    return s->is_held ? sink_text(&s->out, CHAT_TEXT, buf_str(&s->text)) : ERR_NONE;
}
