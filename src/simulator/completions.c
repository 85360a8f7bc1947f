/* SPDX-License-Identifier: Apache-2.0 */
/* POST /chat/completions: what is asked, whether it is proper, and the answer to it. */
#include <stdio.h>

#include "base/mem.h"
#include "simulator/answer.h"
#include "simulator/ask.h"
#include "simulator/call.h"
#include "simulator/play.h"

/* ---- checks ---- */

static bool check_native_limits(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;

    if (!c->account)
        return true;
    if (s->task_limit > 0 && c->account->tasks >= s->task_limit)
        return sim_call_refuse(c, 429, "rate_limit_exceeded", "%d tasks are running already",
                               c->account->tasks);
    if (s->enforce_limit && c->account->used >= s->daily_limit)
        return sim_call_refuse(c, 429, "insufficient_quota",
                               "You have reached your daily limit of %d messages", s->daily_limit);
    return true;
}

static bool is_served(const struct simulator *s, struct str model)
{
    struct str list = str_of(s->models[0] ? s->models : s->adapters);
    struct sim_adapter a;

    while (sim_adapter_next(&list, &a)) {
        struct str name = s->models[0] ? a.name : str_of(a.model);

        if (str_eq(name, STR("*")) || str_eq(name, model))
            return true;
    }
    return false;
}

bool sim_check_completion(struct sim_call *c)
{
    char what[SIM_WHAT_MAX];

    sim_call_keep_request(c);
    if (!sim_check_key(c) || !sim_check_json(c) || !sim_check_session(c))
        return false;
    c->ask = arena_new(&c->r->arena, struct sim_ask);
    if (sim_ask_read(c->r->body, &c->r->arena, c->ask, what))
        return sim_call_refuse(c, 400, NULL, "%s", what);
    c->adapter = c->ask->model;
    c->prompt = c->ask->prompts[c->ask->n_prompts - 1];
    if (!is_served(c->s, c->ask->model))
        return sim_call_refuse(c, 404, "model_not_found", "The model `%.*s` does not exist",
                               STR_ARGS(c->ask->model));
    if (!check_native_limits(c))
        return false;
    sim_call_wish(c);
    return true;
}

/* ---- the answer ---- */

/* At the first stop sequence, or behind so many tokens. */
static struct str cut(const struct sim_ask *ask, struct str text, bool *ret_is_cut)
{
    int64_t tokens = 0;

    for (size_t i = 0; i < ask->n_stops; i++)
        text = str_sub(text, 0, str_find(text, ask->stops[i]));
    for (size_t i = 0; ask->max_tokens >= 0 && i < text.n; i++) {
        bool begins =
            (unsigned char)text.p[i] > ' ' && (i == 0 || (unsigned char)text.p[i - 1] <= ' ');

        tokens += begins;
        if (tokens > ask->max_tokens) {
            *ret_is_cut = true;
            return str_sub(text, 0, i);
        }
    }
    return text;
}

static bool is_without_text(const struct sim_wish *w)
{
    return w->answer == SIM_ANSWER_DEMO && !w->is_wrong && (w->n_tools > 0 || w->n_raws > 0);
}

static enum err write_texts(struct sim_call *c, struct sim_completion *o)
{
    struct buf thinking;
    struct buf text;
    enum err err;

    buf_init(&text, SIM_ANSWER_MAX);
    buf_init(&thinking, SIM_ANSWER_MAX);
    err = sim_answer_write(c->wish, c->ask->prompts, c->ask->n_prompts, &text, &thinking);
    if (!is_without_text(c->wish))
        o->text = cut(c->ask, arena_dup(&c->r->arena, buf_str(&text)), &o->is_cut);
    o->thinking = arena_dup(&c->r->arena, buf_str(&thinking));
    buf_deinit(&text);
    buf_deinit(&thinking);
    return err;
}

static enum err make(struct sim_call *c, struct sim_completion *o)
{
    unsigned long long origin = c->origin;

    *o = (struct sim_completion){ .wish = c->wish,
                                  .model = c->ask->model,
                                  .n = c->ask->n,
                                  .has_logprobs = c->ask->has_logprobs,
                                  .include_usage = c->ask->include_usage,
                                  .prompt_tokens = c->ask->prompt_tokens };
    c->wish->model = c->ask->model;
    c->entry.turn = (int)c->ask->n_prompts;
    (void)snprintf(o->id, sizeof(o->id), "chatcmpl-%016llx", origin);
    return write_texts(c, o);
}

static enum err stream(struct sim_call *c, struct sim_completion *o)
{
    const struct sim_asker asker = { .prompt = c->prompt,
                                     .origin = c->origin,
                                     .account = sim_call_account(c) };
    const struct sim_fault *faults[SIM_FRAME_FAULTS_MAX];
    struct sim_chunks chunks;
    enum err err;

    o->faults = faults;
    o->n_faults =
        sim_faults_take_all(&c->s->faults, SIM_AT_CHUNKS, &asker, faults, SIM_FRAME_FAULTS_MAX);
    if (o->n_faults > 0 && !c->entry.fault)
        c->entry.fault = sim_fault_name((enum sim_kind)faults[0]->kind);
    err = sim_chunks_make(o, &chunks);
    if (!err)
        sim_play_stream(c, &chunks);
    o->faults = NULL;
    return err;
}

static enum err answer_whole(struct sim_call *c, const struct sim_completion *o)
{
    struct buf text;
    enum err err;

    buf_init(&text, SIM_COMPLETION_MAX);
    err = sim_completion_write(o, &text);
    if (!err)
        sim_play_whole(c, buf_str(&text));
    buf_deinit(&text);
    return err;
}

void sim_run_completion(struct sim_call *c)
{
    struct sim_completion o;
    enum err err = make(c, &o);

    if (c->account)
        c->account->used++;
    if (!err)
        err = c->ask->is_stream && sim_call_may_stream(c) ? stream(c, &o) : answer_whole(c, &o);
    if (err)
        (void)sim_call_refuse(c, 500, NULL, "the simulator's answer is %s", err_text(err));
}
