/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     event -> token_limit -> think_split -> tool_parser -> tool_check -> structured -> stops
 *           -> think_wrap -> out
 *
 * Tokens are counted first: the upstream made those of the markup, too. Stops come late: they are
 * the client's, about what it sees. A stage that has nothing to do is left out of the chain, which
 * is put together from its end.
 */
#include "shape/shaper.h"

#include "shape/tool_prompt.h"

struct shape_calls {
    struct tool_parser parser;
    struct tool_check check;
};

/* ---- the chain ---- */

static enum err feed_tokens(void *arg, const struct chat_event *event)
{
    return token_limit_feed(arg, event);
}

static enum err feed_split(void *arg, const struct chat_event *event)
{
    return think_split_feed(arg, event);
}

static enum err feed_parser(void *arg, const struct chat_event *event)
{
    return tool_parser_feed(arg, event);
}

static enum err feed_check(void *arg, const struct chat_event *event)
{
    return tool_check_feed(arg, event);
}

static enum err call_ended(void *arg, enum tool_call_end end)
{
    return tool_check_ended(arg, end);
}

static enum err feed_structured(void *arg, const struct chat_event *event)
{
    return structured_feed(arg, event);
}

static enum err feed_stops(void *arg, const struct chat_event *event)
{
    return stops_feed(arg, event);
}

static enum err feed_wrap(void *arg, const struct chat_event *event)
{
    return think_wrap_feed(arg, event);
}

static enum err count_calls(void *arg, const struct chat_event *event)
{
    struct shaper *s = arg;

    s->n_calls += event->type == CHAT_TOOL_CALL && event->tool->name.n > 0;
    return sink_put(&s->out, event);
}

static bool has_tools(const struct shape_config *c)
{
    return c->tools && c->tools->n > 0 && c->tools->choice != CHAT_CHOOSE_NONE;
}

static bool has_format(const struct shape_config *c)
{
    return c->format && c->format->type != CHAT_FORMAT_TEXT;
}

static bool init_stops(struct shaper *s, struct failure *ret)
{
    const struct chat_limits *l = s->config.limits;
    enum err err;

    if (!l || l->n_stops == 0)
        return true;
    err = stops_init(&s->stops, l->stops, l->n_stops, s->arena, s->first);
    s->first = (struct shape_sink){ feed_stops, &s->stops };
    if (!err)
        return true;
    if (err == ERR_TOO_BIG)
        failure_set(ret, s->arena, FAILURE_BAD_REQUEST,
                    "There are more stop sequences than this gateway watches for (%d, %d bytes in "
                    "all). Send fewer.",
                    STOPS_MAX, STOPS_BYTES_MAX);
    else
        failure_set(ret, s->arena, FAILURE_OVERLOADED,
                    "There is no memory for these stop sequences now. Try again later.");
    ret->param = STR("stop");
    return false;
}

static bool init_structured(struct shaper *s, struct failure *ret)
{
    struct shape_sink out = s->first;

    if (!has_format(&s->config))
        return true;
    s->structured = arena_new(s->arena, struct structured);
    s->first = (struct shape_sink){ feed_structured, s->structured };
    return structured_init(s->structured, s->config.format, s->config.is_held, s->arena, out, ret);
}

static void init_parser(struct shaper *s)
{
    struct tool_check *check = &s->calls->check;

    tool_parser_init(&s->calls->parser, s->config.seed + s->is_repair,
                     (struct shape_sink){ feed_check, check }, call_ended, check);
}

static bool init_calls(struct shaper *s, struct failure *ret)
{
    struct shape_sink out = s->first;

    if (!has_tools(&s->config))
        return true;
    s->calls = arena_new(s->arena, struct shape_calls);
    s->first = (struct shape_sink){ feed_parser, &s->calls->parser };
    init_parser(s);
    return tool_check_init(&s->calls->check, s->config.tools, s->config.is_held, s->arena, out,
                           ret);
}

static void init_texts(struct shaper *s)
{
    const struct chat_limits *l = s->config.limits;

    if (s->config.split_think) {
        think_split_init(&s->split, s->first);
        s->first = (struct shape_sink){ feed_split, &s->split };
    }
    if (l && l->max_tokens > 0) {
        token_limit_init(&s->tokens, l->max_tokens, s->first);
        s->first = (struct shape_sink){ feed_tokens, &s->tokens };
    }
}

bool shaper_init(struct shaper *s, const struct shape_config *config, struct arena *a,
                 struct shape_sink out, struct failure *ret)
{
    *s = (struct shaper){ .config = *config, .arena = a, .out = out, .first = out };
    if (has_tools(config))
        s->first = (struct shape_sink){ count_calls, s };
    if (config->wrap_think) {
        think_wrap_init(&s->wrap, s->first);
        s->first = (struct shape_sink){ feed_wrap, &s->wrap };
    }
    if (!init_stops(s, ret) || !init_structured(s, ret) || !init_calls(s, ret))
        return false;
    init_texts(s);
    return true;
}

void shaper_deinit(struct shaper *s)
{
    if (s->calls)
        tool_check_deinit(&s->calls->check);
    if (s->structured)
        structured_deinit(s->structured);
}

enum err shape_prompt(const struct shape_config *config, struct buf *out)
{
    bool tools = has_tools(config);
    size_t start = out->n;
    enum err err = tools ? tool_prompt_write(config->tools, out) : ERR_NONE;

    if (!err && tools && has_format(config))
        err = buf_add(out, STR("\n"));
    if (!err && has_format(config))
        err = format_prompt_write(config->format, tools, out);
    if (err)
        buf_truncate(out, start);
    return err;
}

/* ---- events ---- */

enum err shaper_feed(struct shaper *s, const struct chat_event *event)
{
    switch (event->type) {
    case CHAT_TEXT:
    case CHAT_REASONING:
        return sink_put(&s->first, event);
    case CHAT_TOOL_CALL: /* an upstream that was told of tools in words calls none itself */
        return s->calls ? count_calls(s, event) : sink_put(&s->first, event);
    case CHAT_RAW:
    case CHAT_USAGE:
    case CHAT_CHOICE_END:
    case CHAT_FINISH:
    case CHAT_ERROR:
        break;
    }
    return sink_put(&s->out, event);
}

static bool is_cut(const struct shaper *s)
{
    return s->tokens.is_spent || s->stops.is_stopped;
}

bool shaper_is_done(const struct shaper *s)
{
    if (is_cut(s))
        return true;
    if (s->calls)
        return s->calls->check.n_dropped > 0;
    return s->structured && structured_is_done(s->structured);
}

/* ---- end ---- */

static void fail(const struct shaper *s, struct str said, struct shape_result *ret)
{
    ret->verdict = SHAPE_FAILED;
    failure_set(&ret->failure, s->arena, FAILURE_PROTOCOL,
                "The model's answer is not what was asked for%s. Try again, ask for less, or "
                "choose another model. What is wrong:\n%.*s",
                s->is_repair ? ", also when it was asked to correct it" : "", STR_ARGS(said));
    ret->failure.prompt_accepted = true;
}

static void ask(struct str repair, struct shape_result *ret)
{
    ret->verdict = SHAPE_REPAIR;
    ret->repair = repair;
}

/* What is left in the stages before the judges. */
static enum err flush_texts(struct shaper *s)
{
    enum err err = s->config.split_think ? think_split_flush(&s->split) : ERR_NONE;

    return !err && s->calls ? tool_parser_flush(&s->calls->parser) : err;
}

/* Whether the answer was one of calls. */
static bool judge_calls(struct shaper *s, struct shape_result *ret)
{
    struct str said;

    if (!s->calls)
        return false;
    switch (tool_check_end(&s->calls->check, s->arena, &said)) {
    case TOOLS_NONE:
        return false;
    case TOOLS_CALLED:
        break;
    case TOOLS_REPAIR:
        ask(said, ret);
        break;
    case TOOLS_LOST:
        fail(s, said, ret);
        break;
    }
    return true;
}

static enum err judge_json(struct shaper *s, struct shape_result *ret)
{
    struct str said;
    enum err err;

    switch (structured_end(s->structured, s->arena, &said, &err)) {
    case STRUCTURED_OK:
        break;
    case STRUCTURED_REPAIR:
        ask(said, ret);
        break;
    case STRUCTURED_LOST:
        fail(s, said, ret);
        break;
    }
    return err;
}

/* A cut answer is not judged, and what may be markup is not text. */
static enum err judge(struct shaper *s, bool was_cut, struct shape_result *ret)
{
    enum err err;

    if (was_cut)
        return s->structured ? structured_cut(s->structured) : ERR_NONE;
    err = flush_texts(s);
    if (err || judge_calls(s, ret) || !s->structured)
        return err;
    return judge_json(s, ret);
}

static enum err flush_rest(struct shaper *s)
{
    enum err err = s->stops.n > 0 && !s->stops.is_stopped ? stops_flush(&s->stops) : ERR_NONE;

    return !err && s->config.wrap_think ? think_wrap_flush(&s->wrap) : err;
}

static bool is_exact(const struct shaper *s, bool was_cut)
{
    if (was_cut || is_cut(s) || s->is_repair || (s->structured && s->structured->is_changed))
        return false;
    return !s->calls || s->calls->check.n_dropped == 0;
}

static enum chat_finish finish_of(const struct shaper *s, enum chat_finish upstream)
{
    if (s->tokens.is_spent && !s->stops.is_stopped)
        return CHAT_FINISH_LENGTH;
    if (s->n_calls > 0 && (upstream == CHAT_FINISH_STOP || is_cut(s)))
        return CHAT_FINISH_TOOL_CALLS;
    return s->stops.is_stopped ? CHAT_FINISH_STOP : upstream;
}

enum err shaper_end(struct shaper *s, enum chat_finish finish, struct shape_result *ret)
{
    bool was_cut = is_cut(s) || finish == CHAT_FINISH_LENGTH || finish == CHAT_FINISH_FILTER;
    enum err err;

    *ret = (struct shape_result){ .verdict = SHAPE_DONE, .stop = SIZE_MAX };
    err = judge(s, was_cut, ret);
    if (err || ret->verdict == SHAPE_REPAIR)
        return err;
    err = flush_rest(s);
    ret->finish = finish_of(s, finish);
    ret->is_exact = is_exact(s, was_cut);
    if (s->stops.is_stopped)
        ret->stop = s->stops.matched;
    return err;
}

void shaper_again(struct shaper *s)
{
    bool is_for_calls = s->calls && s->calls->check.wrong.n > 0;

    s->is_repair = true;
    if (s->config.split_think)
        think_split_init(&s->split, s->split.out);
    if (s->calls) {
        init_parser(s);
        tool_check_again(&s->calls->check, is_for_calls);
    }
    if (s->structured)
        structured_again(s->structured);
}

void shaper_give_up(const struct shaper *s, struct shape_result *ret)
{
    fail(s, ret->repair, ret);
}
