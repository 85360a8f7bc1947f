/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `check`: signs each account in anew, beside the token that answers run with, asks
 * for plan and models, and says of each part how it stands. Only what the service is known to serve
 * is asked for; no prompt is sent.
 *
 *     TOKEN --> BILLING --> MODELS --> (the next account, then the report)
 *       ^_____________________/
 */
#include "base/mem.h"
#include "provider/enginelabs/adapters.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/instance.h"
#include "provider/enginelabs/plan.h"

enum { FACTS_MAX = 16, /* of one account */ REPLY_MAX = 1024 * 1024, MODELS_TEXT_MAX = 16384 };

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
    struct fetch *fetch;         /* running */
    struct task task;            /* the begin, then the end */
    size_t account;              /* the one that is asked */
    size_t from;                 /* its first fact */
    struct provider_fact *facts; /* in the arena */
    size_t n;
    bool is_unusable;
    bool has_good; /* an account without a problem */
};

/* The life of a check, in order. */
static void begin(void *arg);
static void ask_token(struct check *c);
static void on_token(void *arg, const struct notice *notice);
static void ask(struct check *c, enum check_step step);
static void on_reply(void *arg, const struct fetch_result *result);
static void next_account(struct check *c);
static void report(struct check *c);

static struct account_port *port_of(const struct check *c)
{
    return roster_account(c->instance->roster, c->account);
}

static const struct enginelabs_config *config_of(const struct check *c)
{
    return roster_config(c->instance->roster, c->account);
}

static size_t n_accounts(const struct check *c)
{
    return roster_size(c->instance->upstream->roster);
}

static void release(struct check *c)
{
    list_remove(&c->node);
    task_cancel(&c->task);
    if (c->account < n_accounts(c))
        account_token_leave(port_of(c), &c->wait);
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
    c->facts = arena_alloc(&c->arena, n_accounts(c) * FACTS_MAX * sizeof(*c->facts));
    list_add_tail(&p->checks, &c->node);
    task_init(&c->task, begin, c);
    loop_defer(p->env.loop, &c->task);
}

static void add_fact(struct check *c, const char *name, struct str value, bool is_problem)
{
    BUG_ON(c->n == n_accounts(c) * FACTS_MAX);
    c->facts[c->n++] =
        (struct provider_fact){ .name = str_of(name), .value = value, .is_problem = is_problem };
    c->is_unusable = c->is_unusable || is_problem;
}

/* ---- rests, which a check ends: the user may have done something about them ---- */

static void add_rest(void *arg, struct str model, int64_t left_ms, const struct notice *why)
{
    struct check *c = arg;

    if (c->n - c->from < FACTS_MAX / 2) /* the first few tell enough */
        add_fact(c, "rested",
                 arena_printf(&c->arena, "%.*s%s for %lld s more; tried again from now on (%s)",
                              STR_ARGS(model), model.n ? "" : "all models",
                              (long long)(left_ms + 999) / 1000, why->message),
                 false);
}

static void add_rests(struct check *c)
{
    roster_each_rest(c->instance->roster, c->account, add_rest, c);
    roster_clear(c->instance->roster, c->account);
}

/* Nothing can be asked without a token. */
static void fail_account(struct check *c, const struct notice *notice)
{
    add_fact(c, "state", arena_dup(&c->arena, str_of(notice->message)), true);
    next_account(c);
}

static void begin(void *arg)
{
    struct check *c = arg;
    struct notice notice;

    c->from = c->n;
    add_fact(c, "account", str_of(config_of(c)->account), false);
    add_rests(c);
    if (account_renew(port_of(c), &notice, &c->wait, on_token, c) == ACCOUNT_FAILED)
        fail_account(c, &notice);
}

static void ask_token(struct check *c)
{
    struct notice notice;

    switch (account_token(port_of(c), &c->token, &notice, &c->wait, on_token, c)) {
    case ACCOUNT_READY:
        add_fact(c, "state", STR("signed in"), false);
        if (c->token.organization_id[0])
            add_fact(c, "organization", arena_dup(&c->arena, str_of(c->token.organization_id)),
                     false);
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
    const char *origin = config_of(c)->origin;
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

/* To the quota, which was added last. */
static void add_share(struct check *c, const struct plan *plan)
{
    double limit = plan->daily_limit > 0 ? plan->daily_limit : plan->credits_limit;
    double used = plan->daily_limit > 0 ? plan->daily_usage : plan->credits_usage;

    if (limit <= 0 || used < 0)
        return;
    c->facts[c->n - 1].has_share = true;
    c->facts[c->n - 1].share = (unsigned)(used / limit * 100 < 1000 ? used / limit * 100 : 1000);
}

static void take_billing(struct check *c, struct str body)
{
    struct plan plan;

    if (plan_read(body, &plan)) {
        add_fact(c, "quota", STR("unknown: /billing answered something that is no JSON object"),
                 false);
        return;
    }
    roster_told(c->instance->roster, c->account, &plan);
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
    add_share(c, &plan);
}

/* Not every account is told its models: then those of the settings are what is used. */
static void add_configured_models(struct check *c, const char *why)
{
    const char *const *models = config_of(c)->models;
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

/* A request may name it by either of its keys. */
static bool is_offered(const struct adapter *models, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (models[i].is_enabled &&
            (strcmp(models[i].agent_key, name) == 0 || strcmp(models[i].key, name) == 0))
            return true;
    return false;
}

/* The service minds names that it does not offer, so nothing should ask for one. */
static void compare_models(struct check *c, const struct adapter *models, size_t n)
{
    const struct enginelabs_config *config = config_of(c);
    struct buf missing;
    enum err err = ERR_NONE;

    buf_init(&missing, MODELS_TEXT_MAX);
    for (size_t i = 0; config->models && config->models[i] && !err; i++)
        if (!is_offered(models, n, config->models[i]))
            err = buf_addf(&missing, "%s%s", missing.n > 0 ? ", " : "", config->models[i]);
    if (missing.n > 0)
        add_fact(c, "not offered",
                 arena_printf(&c->arena, "%.*s: leave out of KNOWN_MODELS and DEFAULT_MODEL",
                              STR_ARGS(buf_str(&missing))),
                 config->default_model && !is_offered(models, n, config->default_model));
    buf_deinit(&missing);
}

static void add_models(struct check *c, const struct adapter *models, size_t n)
{
    struct buf text;
    enum err err = ERR_NONE;

    buf_init(&text, MODELS_TEXT_MAX);
    for (size_t i = 0; i < n && !err; i++) {
        struct str name = adapter_name(&models[i], config_of(c)->protocol);

        if (models[i].is_enabled && name.n > 0)
            err = buf_addf(&text, "%s%.*s", text.n > 0 ? ", " : "", STR_ARGS(name));
    }
    add_fact(c, "models", arena_dup(&c->arena, buf_str(&text)), false);
    buf_deinit(&text);
}

static void take_models(struct check *c, struct str body)
{
    struct adapter *models = mem_alloc_array(ADAPTERS_MAX, sizeof(*models));
    size_t n = 0;

    if (adapters_read(body, models, &n) || n == 0) {
        add_configured_models(c, "the service names none");
    } else {
        add_models(c, models, n);
        compare_models(c, models, n);
    }
    mem_free(models);
}

/* A part that does not answer is a problem when the prompt would meet the same: no connection, a
 * browser check, our sign-in refused. */
static void take_failure(struct check *c, const struct fetch_result *result)
{
    const struct enginelabs_config *config = config_of(c);
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
        next_account(c);
}

/* The facts of this account have no problem among them. */
static bool is_account_good(const struct check *c)
{
    for (size_t i = c->from; i < c->n; i++)
        if (c->facts[i].is_problem)
            return false;
    return true;
}

static void next_account(struct check *c)
{
    c->has_good = c->has_good || is_account_good(c);
    token_deinit(&c->token);
    c->account++;
    if (c->account == n_accounts(c)) {
        report(c);
        return;
    }
    task_init(&c->task, begin, c);
    loop_defer(c->instance->env.loop, &c->task);
}

static void report(struct check *c)
{
    struct provider_report r = {
        .usable = !c->is_unusable, .answers = c->has_good, .facts = c->facts, .n = c->n
    };
    on_report *done = c->done;
    void *arg = c->arg;

    list_remove(&c->node);
    done(arg, &r);
    release(c);
}
