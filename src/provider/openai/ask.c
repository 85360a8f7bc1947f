/* SPDX-License-Identifier: Apache-2.0 */
/*     [TOKEN] --> FETCH --> (done)     a 401 to an OAuth token: both once more */
#include "provider/openai/ask.h"

#include "base/mem.h"
#include "provider/openai/status.h"

enum { REPLY_MAX = 8 << 20 };

struct ask {
    struct provider_instance *instance;
    size_t key;
    ask_done *done;
    void *arg;
    struct arena arena;
    struct wait wait;
    struct secret token; /* of a sign-in */
    bool is_renewed;
    struct fetch *fetch;
    struct task begin;
    struct task retire;
};

static void begin(void *arg);
static void on_token(void *arg, const struct notice *notice);
static void fetch(struct ask *a, struct str token);
static void on_reply(void *arg, const struct fetch_result *result);

static void free_ask(void *arg)
{
    struct ask *a = arg;

    secret_deinit(&a->token);
    arena_deinit(&a->arena);
    mem_free(a);
}

struct ask *ask_start(struct provider_instance *p, size_t key, ask_done *done, void *arg)
{
    struct ask *a = mem_new(struct ask);

    *a = (struct ask){ .instance = p, .key = key, .done = done, .arg = arg };
    arena_init(&a->arena);
    task_init(&a->begin, begin, a);
    task_init(&a->retire, free_ask, a);
    loop_defer(p->env.loop, &a->begin);
    return a;
}

static void retire(struct ask *a)
{
    struct provider_instance *p = a->instance;

    task_cancel(&a->begin);
    if (p->ports[a->key])
        oauth_leave(p->ports[a->key], &a->wait);
    if (a->fetch)
        fetch_cancel(TAKE(a->fetch));
    loop_retire(p->env.loop, &a->retire);
}

void ask_cancel(struct ask *a)
{
    if (a)
        retire(a);
}

bool ask_is_listless(const struct ask_result *result)
{
    return result->status == 404 || result->status == 405 || result->status == 501;
}

static void finish(struct ask *a, const struct ask_result *result)
{
    retire(a);
    a->done(a->arg, result);
}

static void fail_notice(struct ask *a, const struct notice *notice)
{
    struct failure f;

    notice_failure(notice, &a->arena, &f);
    finish(a, &(struct ask_result){ .failure = &f });
}

static void begin(void *arg)
{
    struct ask *a = arg;
    struct provider_instance *p = a->instance;
    struct notice notice;

    if (!p->ports[a->key]) {
        fetch(a, keys_secret(p->openai->keys, a->key));
        return;
    }
    switch (oauth_token(p->ports[a->key], &a->token, &notice, &a->wait, on_token, a)) {
    case OAUTH_READY:
        fetch(a, secret_reveal(&a->token));
        break;
    case OAUTH_WAITS:
        break;
    case OAUTH_FAILED:
        fail_notice(a, &notice);
        break;
    }
}

static void on_token(void *arg, const struct notice *notice)
{
    struct ask *a = arg;

    if (notice)
        fail_notice(a, notice);
    else
        begin(a);
}

size_t ask_headers(const struct openai_config *config, struct str token, struct arena *a,
                   struct http_header *headers, size_t n)
{
    if (token.n > 0)
        headers[n++] = (struct http_header){ STR("Authorization"),
                                             arena_join(a, STRS(STR("Bearer "), token)) };
    for (size_t i = 0; i < config->n_headers && n < HTTP_HEADERS_MAX; i++)
        headers[n++] = (struct http_header){ str_of(config->headers[i].name),
                                             secret_reveal(&config->headers[i].value) };
    return n;
}

struct str ask_hide(const struct openai_config *config, struct str token, struct arena *a,
                    struct str text)
{
    text = secret_hide(token, a, text);
    for (size_t i = 0; i < config->n_headers; i++)
        text = secret_hide(secret_reveal(&config->headers[i].value), a, text);
    return text;
}

static void fetch(struct ask *a, struct str token)
{
    const struct openai_config *config = a->instance->openai->config;
    const struct provider_env *env = &a->instance->env;
    struct http_header headers[HTTP_HEADERS_MAX] = { { STR("Accept"), STR("application/json") } };
    const struct http_call_params params = {
        .url = &config->base,
        .method = HTTP_GET,
        .target = STR("/models"),
        .headers = headers,
        .n_headers = ask_headers(config, token, &a->arena, headers, 1),
        .connect_timeout_ms = env->connect_timeout_ms,
        .head_timeout_ms = env->accept_timeout_ms,
        .idle_timeout_ms = env->accept_timeout_ms,
    };

    a->fetch = fetch_start(env->client, &params, REPLY_MAX,
                           env->connect_timeout_ms + env->accept_timeout_ms, on_reply, a);
}

static void fail_transport(struct ask *a, const struct http_outcome *outcome)
{
    struct failure f;

    failure_set(&f, &a->arena, status_of_transport(outcome->err),
                "Upstream \"%s\" did not answer GET /models: %s. Check the network and the "
                "upstream's base_url.",
                a->instance->openai->config->name, outcome->detail);
    finish(a, &(struct ask_result){ .failure = &f });
}

static void on_reply(void *arg, const struct fetch_result *result)
{
    struct ask *a = arg;
    const struct openai *o = a->instance->openai;
    struct oauth_port *port = a->instance->ports[a->key];
    int64_t wall_ms = loop_wall_ms(a->instance->env.loop);
    int status = result->head ? result->head->status : 0;
    struct answer_status told;
    struct failure f;

    a->fetch = NULL;
    if (result->outcome.err) {
        fail_transport(a, &result->outcome);
        return;
    }
    if (status >= 200 && status <= 299) {
        finish(a, &(struct ask_result){ .status = status, .body = result->body });
        return;
    }
    if (status == 401 && port && !a->is_renewed) {
        a->is_renewed = true;
        oauth_refused(port, secret_reveal(&a->token));
        begin(a);
        return;
    }
    told = status_read(result->head, wall_ms);
    status_failure(&f, &a->arena, o->config->name, &told,
                   ask_hide(o->config,
                            port ? secret_reveal(&a->token) : keys_secret(o->keys, a->key),
                            &a->arena, result->body));
    finish(a, &(struct ask_result){ .failure = &f, .status = status });
}
