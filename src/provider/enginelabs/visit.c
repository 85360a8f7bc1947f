/* SPDX-License-Identifier: Apache-2.0 */
/* A refused token is renewed once; a second refusal is the answer. */
#include "provider/enginelabs/visit.h"

#include "base/mem.h"

struct visit {
    struct visit_params params; /* target is in the arena */
    on_errand *done;
    void *arg;
    struct arena arena;
    struct wait wait;
    struct token token;
    bool is_renewed;
    struct errand *ask; /* running */
    struct task task;   /* the begin */
};

/* The life of a visit, in order. */
static void ask_token(void *arg);
static void on_token(void *arg, const struct notice *notice);
static void ask(struct visit *v);
static void on_answer(void *arg, const struct errand_result *result);
static void finish(struct visit *v, const struct errand_result *result);

struct visit *visit_start(const struct visit_params *params, on_errand *done, void *arg)
{
    struct visit *v = mem_new(struct visit);

    v->params = *params;
    v->done = done;
    v->arg = arg;
    arena_init(&v->arena);
    v->params.target = arena_dup(&v->arena, params->target);
    task_init(&v->task, ask_token, v);
    loop_defer(http_client_loop(params->client), &v->task);
    return v;
}

static void fail(struct visit *v, const struct notice *notice)
{
    struct failure f;

    notice_failure(notice, &v->arena, &f);
    finish(v, &(struct errand_result){ .failure = &f, .certainly_unsent = true });
}

static void ask_token(void *arg)
{
    struct visit *v = arg;
    struct notice notice;

    switch (account_token(v->params.account, &v->token, &notice, &v->wait, on_token, v)) {
    case ACCOUNT_READY:
        ask(v);
        break;
    case ACCOUNT_WAITS:
        break;
    case ACCOUNT_FAILED:
        fail(v, &notice);
        break;
    }
}

static void on_token(void *arg, const struct notice *notice)
{
    struct visit *v = arg;

    if (notice)
        fail(v, notice);
    else
        ask_token(v);
}

static void ask(struct visit *v)
{
    const struct errand_params params = { .config = v->params.config,
                                          .client = v->params.client,
                                          .jwt = secret_reveal(&v->token.jwt),
                                          .method = v->params.method,
                                          .target = v->params.target,
                                          .what = v->params.what,
                                          .connect_timeout_ms = v->params.connect_timeout_ms,
                                          .answer_timeout_ms = v->params.answer_timeout_ms };

    v->ask = errand_start(&params, on_answer, v);
}

static void on_answer(void *arg, const struct errand_result *result)
{
    struct visit *v = arg;

    v->ask = NULL;
    if (result->status.status != 401 || result->status.is_challenge) {
        finish(v, result);
        return;
    }
    account_token_refused(v->params.account, &v->token);
    token_deinit(&v->token);
    if (v->is_renewed) {
        finish(v, result);
        return;
    }
    v->is_renewed = true;
    ask_token(v);
}

static void release(struct visit *v)
{
    task_cancel(&v->task);
    account_token_leave(v->params.account, &v->wait);
    errand_cancel(v->ask);
    token_deinit(&v->token);
    arena_deinit(&v->arena);
    mem_free(v);
}

static void finish(struct visit *v, const struct errand_result *result)
{
    v->done(v->arg, result);
    release(v);
}

void visit_cancel(struct visit *v)
{
    if (v)
        release(v);
}
