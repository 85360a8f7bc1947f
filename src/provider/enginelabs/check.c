/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `check`: signs in anew, beside the token that answers run with, asks for plan and
 * models, and says of each part how it stands. Only what the service is known to serve is asked
 * for; no prompt is sent.
 *
 *     TOKEN --> BILLING --> MODELS --> (report)
 */
#include "base/mem.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/instance.h"
#include "provider/enginelabs/plan.h"

enum { FACTS_MAX = 8, REPLY_MAX = 1024 * 1024, MODELS_TEXT_MAX = 16384 };

enum check_step { CHECK_TOKEN, CHECK_BILLING, CHECK_MODELS };

struct check {
    struct list node; /* in the instance's list */
    struct provider_instance *instance;
    on_report *done;
    void *arg;
    enum check_step step;
    struct arena arena;
    struct wait wait;
    struct token token;
    struct fetch *fetch; /* running */
    struct task task;    /* the begin, then the end */
    struct provider_fact facts[FACTS_MAX];
    size_t n;
    bool is_unusable;
};

/* The life of a check, in order. */
static void begin(void *arg);
static void ask_token(struct check *c);
static void on_token(void *arg, const struct notice *notice);
static void ask(struct check *c, enum check_step step);
static void on_reply(void *arg, const struct fetch_result *result);
static void report(struct check *c);

static void release(struct check *c)
{
    list_remove(&c->node);
    task_cancel(&c->task);
    account_token_leave(roster_account(c->instance->roster, 0), &c->wait);
    if (c->fetch)
        fetch_cancel(c->fetch);
    token_deinit(&c->token);
    arena_deinit(&c->arena);
    mem_free(c);
}

void check_cancel_all(struct provider_instance *p)
{
    while (!list_is_empty(&p->checks))
        release(CONTAINER_OF(p->checks.next, struct check, node));
}

void check_start(struct provider_instance *p, on_report *done, void *arg)
{
    struct check *c = mem_new(struct check);

    c->instance = p;
    c->done = done;
    c->arg = arg;
    arena_init(&c->arena);
    list_add_tail(&p->checks, &c->node);
    task_init(&c->task, begin, c);
    loop_defer(p->env.loop, &c->task);
}

static void add_fact(struct check *c, const char *name, struct str value, bool is_problem)
{
    BUG_ON(c->n == FACTS_MAX);
    c->facts[c->n++] = (struct provider_fact){ str_of(name), value, is_problem };
    c->is_unusable = c->is_unusable || is_problem;
}

/* Nothing can be asked without a token. */
static void fail_account(struct check *c, const struct notice *notice)
{
    add_fact(c, "account", arena_dup(&c->arena, str_of(notice->message)), true);
    report(c);
}

static void begin(void *arg)
{
    struct check *c = arg;
    struct notice notice;

    if (account_renew(roster_account(c->instance->roster, 0), &notice, &c->wait, on_token, c) ==
        ACCOUNT_FAILED)
        fail_account(c, &notice);
}

static void ask_token(struct check *c)
{
    struct notice notice;

    switch (account_token(roster_account(c->instance->roster, 0), &c->token, &notice, &c->wait,
                          on_token, c)) {
    case ACCOUNT_READY:
        add_fact(c, "account", str_of(c->instance->config->account), false);
        if (c->token.organization_id[0])
            add_fact(c, "organization", str_of(c->token.organization_id), false);
        ask(c, CHECK_BILLING);
        break;
    case ACCOUNT_WAITS:
        break;
    case ACCOUNT_FAILED:
        fail_account(c, &notice);
        break;
    }
}

static void on_token(void *arg, const struct notice *notice)
{
    struct check *c = arg;

    if (notice)
        fail_account(c, notice);
    else
        ask_token(c);
}

static const char *target_of(enum check_step step)
{
    return step == CHECK_BILLING ? API_BILLING_TARGET : API_ADAPTERS_TARGET;
}

static void ask(struct check *c, enum check_step step)
{
    const struct provider_env *env = &c->instance->env;
    const char *origin = c->instance->config->origin;
    const struct http_header headers[] = {
        { STR("Authorization"), arena_printf(&c->arena, "Bearer %s", c->token.jwt.p) },
        { STR("Origin"), str_of(origin) },
        { STR("Referer"), arena_printf(&c->arena, "%s/", origin) },
    };
    const struct http_call_params params = {
        .url = &c->instance->config->api,
        .method = HTTP_GET,
        .target = str_of(target_of(step)),
        .headers = headers,
        .n_headers = COUNT_OF(headers),
        .connect_timeout_ms = env->connect_timeout_ms,
    };

    c->step = step;
    c->fetch = fetch_start(env->client, &params, REPLY_MAX,
                           env->connect_timeout_ms + env->accept_timeout_ms, on_reply, c);
}

static void take_billing(struct check *c, struct str body)
{
    struct plan plan;

    if (plan_read(body, &plan)) {
        add_fact(c, "quota", STR("unknown: /billing answered something that is no JSON object"),
                 false);
        return;
    }
    add_fact(c, "plan",
             plan.tier[0] ? arena_printf(&c->arena, "tier %s", plan.tier) : STR("not told"), false);
    if (plan.is_used_up)
        add_fact(c, "quota",
                 arena_printf(&c->arena,
                              "used up%s%s: wait until the service renews it, or use another "
                              "account",
                              plan.quota[0] ? ", " : "", plan.quota),
                 true);
    else
        add_fact(c, "quota",
                 plan.quota[0] ? arena_dup(&c->arena, str_of(plan.quota)) : STR("not told"), false);
}

/* Not every account is told its models: then those of the settings are what is used. */
static void add_configured_models(struct check *c, const char *why)
{
    const char *const *models = c->instance->config->models;
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, MODELS_TEXT_MAX);
    for (size_t i = 0; models && models[i] && !err; i++)
        err = buf_addf(&text, "%s%s", i > 0 ? ", " : "", models[i]);
    add_fact(c, "models",
             arena_printf(&c->arena, "%.*s (from the settings: %s)", STR_ARGS(buf_str(&text)), why),
             false);
    buf_deinit(&text);
}

static bool is_offered(struct str offered, const char *model)
{
    struct str item;

    while (str_next_item(&offered, &item))
        if (str_eq(item, str_of(model)))
            return true;
    return false;
}

/* The service minds names that it does not offer, so nothing should ask for one. */
static void compare_models(struct check *c, struct str offered)
{
    const struct enginelabs_config *config = c->instance->config;
    struct buf missing;
    enum err err = ERR_NONE;

    buf_init(&missing, MODELS_TEXT_MAX);
    for (size_t i = 0; config->models && config->models[i] && !err; i++)
        if (!is_offered(offered, config->models[i]))
            err = buf_addf(&missing, "%s%s", missing.n > 0 ? ", " : "", config->models[i]);
    if (missing.n > 0)
        add_fact(c, "not offered",
                 arena_printf(&c->arena, "%.*s: leave out of KNOWN_MODELS and DEFAULT_MODEL",
                              STR_ARGS(buf_str(&missing))),
                 config->default_model && !is_offered(offered, config->default_model));
    buf_deinit(&missing);
}

static void take_models(struct check *c, struct str body)
{
    struct buf text;

    buf_init(&text, MODELS_TEXT_MAX);
    if (plan_read_models(body, &text) || buf_is_empty(&text)) {
        add_configured_models(c, "the service names none");
    } else {
        add_fact(c, "models", arena_dup(&c->arena, buf_str(&text)), false);
        compare_models(c, buf_str(&text));
    }
    buf_deinit(&text);
}

/* A part that does not answer is a problem when the prompt would meet the same: no connection, a
 * browser check, our sign-in refused. */
static void take_failure(struct check *c, const struct fetch_result *result)
{
    const struct enginelabs_config *config = c->instance->config;
    const char *what =
        c->step == CHECK_BILLING ? "GET " API_BILLING_TARGET : "GET " API_ADAPTERS_TARGET;
    struct api_status s = { 0 };
    struct failure f;
    bool is_problem = true;

    if (result->outcome.err || !result->head) {
        api_transport_failure(&f, &c->arena, config, API_PEER_API, what, result->outcome.err,
                              result->outcome.detail);
    } else {
        s = api_status_of(result->head->status, result->head, loop_wall_ms(c->instance->env.loop));
        api_failure(&f, &c->arena, config, API_PEER_API, what, &s, result->body);
        is_problem = f.kind == FAILURE_CHALLENGE || f.kind == FAILURE_UPSTREAM_AUTH ||
                     f.kind == FAILURE_QUOTA;
    }
    if (c->step == CHECK_MODELS && !is_problem)
        add_configured_models(c, "the service did not list its own");
    else
        add_fact(c, c->step == CHECK_BILLING ? "quota" : "models", f.message, is_problem);
}

static void on_reply(void *arg, const struct fetch_result *result)
{
    struct check *c = arg;
    bool is_good = !result->outcome.err && result->head && result->head->status >= 200 &&
                   result->head->status <= 299;

    c->fetch = NULL;
    if (!is_good)
        take_failure(c, result);
    else if (c->step == CHECK_BILLING)
        take_billing(c, result->body);
    else
        take_models(c, result->body);
    if (c->step == CHECK_BILLING)
        ask(c, CHECK_MODELS);
    else
        report(c);
}

static void report(struct check *c)
{
    struct provider_report r = { .usable = !c->is_unusable, .facts = c->facts, .n = c->n };
    on_report *done = c->done;
    void *arg = c->arg;

    list_remove(&c->node);
    done(arg, &r);
    release(c);
}
