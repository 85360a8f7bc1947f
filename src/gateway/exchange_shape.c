/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between the provider's events and the client: the shaper, where the present target's
 * upstream does not do all that is asked (shape/shaper.h). One shaper makes one answer; where
 * there is one and several answers are asked for, each of them has a call of its own.
 */
#include "base/random.h"
#include "gateway/exchange_internal.h"
#include "json/reader.h"

enum { INSTRUCTIONS_MAX = 64 << 20, NAME_QUOTED = 64 };
_Static_assert(JSON_DEPTH_MAX == 128, "judge_calls() says so");

void exchange_shape_drop(struct exchange *x)
{
    if (x->shaper)
        shaper_deinit(x->shaper);
    x->shaper = NULL;
}

static enum err on_shaped(void *arg, const struct chat_event *event)
{
    struct exchange *x = arg;
    struct chat_event own = *event;

    own.choice = x->choice;
    return answer_piece(x, &own);
}

/* The shaper names members of a chat completion; the client wrote its own dialect's. */
static void rename_param(const struct exchange *x, struct failure *f)
{
    static const struct {
        const char *name;
        enum dialect_wish wish;
    } names[] = { { "stop", DIALECT_STOP }, { "response_format", DIALECT_FORMAT } };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(f->param, str_of(names[i].name)) && x->dialect->params[names[i].wish])
            f->param = str_of(x->dialect->params[names[i].wish]);
}

static bool write_instructions(struct exchange *x, const struct shape_config *config,
                               struct failure *f)
{
    struct buf text;
    enum err err;

    buf_init(&text, INSTRUCTIONS_MAX);
    err = shape_prompt(config, &text);
    if (!err)
        x->instructions = arena_dup(&x->request->arena, buf_str(&text));
    else
        failure_set(f, &x->request->arena, FAILURE_OVERLOADED,
                    "There is no memory for what the model is to be told of tools and format "
                    "(%s). Send less of them, or try again later.",
                    err_text(err));
    buf_deinit(&text);
    return !err;
}

/* Arguments are judged at the end, and a conversation's calls are compared with those that come
 * back: so they are kept. */
static void keep_calls(struct exchange *x, size_t max)
{
    for (size_t i = 0; x->chat.stream && i < x->n_choices; i++)
        x->choices[i].tool_calls.max = max;
}

bool exchange_shape_begin(struct exchange *x, struct failure *f)
{
    const struct target_settings *t = x->steps[x->step].target;
    struct shape_config config;
    bool is_shaped;

    exchange_shape_drop(x);
    x->instructions = x->repair = STR("");
    is_shaped = !x->is_raw &&
                exchange_shape_config(x, t, x->provider->capabilities, &x->shape_limits, &config);
    x->is_serial =
        !x->is_raw && x->n_choices > 1 && (is_shaped || !(x->provider->capabilities & PROVIDER_N));
    keep_calls(x, is_shaped && config.tools ? TOOL_ARGUMENTS_MAX : STREAM_ARGUMENTS_MAX);
    if (!is_shaped)
        return true;
    config.seed = random_u64();
    x->shaper = arena_new(&x->request->arena, struct shaper);
    if (!shaper_init(x->shaper, &config, &x->request->arena, (struct shape_sink){ on_shaped, x },
                     f)) {
        rename_param(x, f);
        return false;
    }
    return write_instructions(x, &config, f);
}

enum err exchange_take(struct exchange *x, const struct chat_event *event)
{
    struct chat_event own = *event;

    if (!x->is_raw && event->choice >= (x->is_serial ? 1 : x->n_choices))
        return ERR_NONE;
    usage_heard(x, event);
    if (x->shaper)
        return shaper_feed(x->shaper, event);
    own.choice += x->choice;
    return answer_piece(x, &own);
}

/* Some upstreams call tools and say that they only stopped. */
static enum chat_finish finish_of(const struct exchange_choice *c, enum chat_finish finish)
{
    return finish == CHAT_FINISH_STOP && c->tool_calls.n > 0 ? CHAT_FINISH_TOOL_CALLS : finish;
}

void exchange_end_choice(struct exchange *x, size_t choice, const struct chat_event *event)
{
    struct exchange_choice *c = &x->choices[choice];

    c->end.finish = finish_of(c, event->finish);
    c->end.stop = event->stop.n ? arena_dup(&x->request->arena, event->stop) : STR("");
}

/* A stop that we watch for is told by us, any other by who found it. */
static void end_shaped(struct exchange *x, const struct chat_event *event,
                       const struct shape_result *result)
{
    struct exchange_choice *c = &x->choices[x->choice];

    c->end.finish = finish_of(c, result->finish);
    c->end.stop = event->stop.n ? arena_dup(&x->request->arena, event->stop) : STR("");
    if (result->stop != SIZE_MAX) {
        c->end.finish = result->finish;
        c->end.stop = x->shape_limits.stops[result->stop];
    }
}

static enum err judge_arguments(struct str arguments)
{
    struct json_value v;
    struct json j;

    if (str_trim(arguments).n == 0)
        return ERR_NONE; /* some leave them out where a tool takes none */
    json_init(&j, arguments, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    json_read(&j, &v);
    return json_end(&j);
}

/* Calls that the upstream makes itself: a client could only break on arguments that are no JSON. */
static bool judge_calls(struct exchange *x, const struct exchange_choice *c,
                        struct shape_result *ret)
{
    const struct chat_tool_call *calls = tool_calls_list(&c->tool_calls, &x->request->arena);
    enum err err = ERR_NONE;
    size_t i = 0;

    while (i < c->tool_calls.n && !(err = judge_arguments(calls[i].arguments)))
        i++;
    if (!err)
        return true;
    ret->verdict = SHAPE_FAILED;
    failure_set(&ret->failure, &x->request->arena, FAILURE_PROTOCOL,
                "The upstream ended a call of tool \"%.*s\" whose arguments are %s. Try again, or "
                "choose another model.",
                STR_ARGS(str_sub(calls[i].name, 0, NAME_QUOTED)),
                err == ERR_TOO_BIG ? "nested too deep: more than 128 arrays and objects in one "
                                     "another"
                                   : "no valid JSON");
    ret->failure.prompt_accepted = true;
    return false;
}

/* Whether the calls are there that the upstream says it made, and the client's API has any. */
static bool judge_count(struct exchange *x, const struct exchange_choice *c,
                        struct shape_result *ret)
{
    const char *flaw = NULL;

    if (c->tool_calls.n == 0 && c->end.finish == CHAT_FINISH_TOOL_CALLS)
        flaw = "says that it called a tool, and names no call";
    if (c->tool_calls.n > 0 && !x->dialect->params[DIALECT_TOOLS])
        flaw = "called a tool, although none was offered to it and this API knows none";
    if (!flaw)
        return true;
    ret->verdict = SHAPE_FAILED;
    failure_set(&ret->failure, &x->request->arena, FAILURE_PROTOCOL,
                "The upstream %s. Try again, or choose another model.", flaw);
    ret->failure.prompt_accepted = true;
    return false;
}

/* Of an answer that was cut, the last call is, too, and says so. */
static void judge_choices(struct exchange *x, struct shape_result *ret)
{
    size_t n = x->is_serial ? x->choice + 1 : x->n_choices;

    for (size_t i = x->choice; i < n; i++) {
        const struct exchange_choice *c = &x->choices[i];
        bool was_cut = c->end.finish == CHAT_FINISH_LENGTH || c->end.finish == CHAT_FINISH_FILTER;

        if (!judge_count(x, c, ret) || (!was_cut && !judge_calls(x, c, ret)))
            return;
    }
}

enum err exchange_end_answer(struct exchange *x, const struct chat_event *event,
                             struct shape_result *ret)
{
    const struct tool_calls *calls = &x->choices[x->choice].tool_calls;
    enum err err;

    if (!x->shaper) {
        *ret = (struct shape_result){ .verdict = SHAPE_DONE, .is_exact = true };
        exchange_end_choice(x, x->choice, event);
    } else {
        err = shaper_end(x->shaper, event->finish, ret);
        if (err)
            return err;
        if (ret->verdict == SHAPE_DONE)
            end_shaped(x, event, ret);
    }
    if (ret->verdict == SHAPE_DONE && !x->is_raw && !(x->shaper && x->shaper->calls))
        judge_choices(x, ret);
    /* Without their arguments nobody could tell whether the client gives them back. */
    ret->is_exact = ret->is_exact && (calls->n == 0 || calls->max > 0);
    return ERR_NONE;
}

struct fingerprint_said exchange_said(struct exchange *x)
{
    const struct tool_calls *calls = &x->choices[x->choice].tool_calls;

    return (struct fingerprint_said){ .text = x->said,
                                      .tool_calls = tool_calls_list(calls, &x->request->arena),
                                      .n_tool_calls = calls->n,
                                      .tools = &x->chat.tools };
}
