/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway holds of this provider: its table, its upstream, its part on each worker. */
#include "base/clock.h"
#include "base/mem.h"
#include "provider/openai/call.h"
#include "provider/openai/relay.h"

struct openai *openai_new(const struct openai_config *config, struct openai *old)
{
    struct openai *o = mem_new(struct openai);

    o->config = config;
    o->keys = keys_new(config);
    o->models = models_new(config->models);
    if (old && url_eq(&config->base, &old->config->base))
        models_inherit(o->models, old->models);
    return o;
}

void openai_free(struct openai *o)
{
    if (!o)
        return;
    keys_free(o->keys);
    models_free(o->models);
    mem_free(o);
}

size_t openai_models(struct openai *o, struct arena *a, const struct str **ret)
{
    return models_get(o->models, a, ret);
}

static struct provider_instance *attach(void *upstream, const struct provider_env *env)
{
    struct openai *o = upstream;
    struct provider_instance *p = mem_new(struct provider_instance);

    p->openai = o;
    p->env = *env;
    list_init(&p->checks);
    p->ports = mem_alloc_array(keys_count(o->keys), sizeof(struct oauth_port *));
    for (size_t i = 0; i < keys_count(o->keys); i++)
        if (keys_oauth(o->keys, i))
            p->ports[i] = oauth_port_open(keys_oauth(o->keys, i), env);
    discover_models(p);
    return p;
}

static void on_closed(void *arg)
{
    struct provider_instance *p = arg;
    void (*detached)(void *) = p->detached;
    void *detached_arg = p->detached_arg;

    if (p->n_open > 0 && --p->n_open > 0)
        return;
    mem_free(p->ports);
    mem_free(p);
    detached(detached_arg);
}

static void detach(struct provider_instance *p, void (*detached)(void *arg), void *arg)
{
    size_t n = keys_count(p->openai->keys);

    BUG_ON(p->calls > 0);
    p->detached = detached;
    p->detached_arg = arg;
    openai_check_cancel_all(p);
    discover_end(p);
    for (size_t i = 0; i < n; i++)
        p->n_open += p->ports[i] != NULL;
    task_init(&p->end, on_closed, p);
    if (p->n_open == 0)
        loop_defer(p->env.loop, &p->end);
    for (size_t i = 0; i < n; i++)
        if (p->ports[i])
            oauth_port_close(p->ports[i], on_closed, p);
}

static void prepare(struct provider_instance *p)
{
    for (size_t i = 0; i < keys_count(p->openai->keys); i++)
        if (p->ports[i])
            oauth_prepare(p->ports[i]);
    discover_models(p);
}

static bool is_ready(void *upstream, char *why)
{
    struct openai *o = upstream;

    return keys_are_ready(o->keys, clock_now_ms(), why) &&
           (atomic_load(&o->is_listless) || models_are_known(o->models, why));
}

static void census(void *upstream, int64_t now_ms, struct provider_census *to)
{
    struct openai *o = upstream;

    keys_census(o->keys, now_ms, to);
}

/* Nothing waits for a key: those that all rest refuse at once. */
static size_t accounts(void *upstream, struct arena *a, int64_t now_ms,
                       const struct provider_account **ret, size_t *ret_waiting)
{
    struct openai *o = upstream;

    *ret_waiting = 0;
    return keys_report(o->keys, a, now_ms, ret);
}

static bool clear(struct provider_instance *p, struct str account)
{
    return keys_clear(p->openai->keys, account);
}

static size_t list_models(void *upstream, struct arena *a, const struct provider_model **ret)
{
    const struct str *names;
    size_t n = openai_models(upstream, a, &names);
    struct provider_model *models = arena_alloc(a, (n + 1) * sizeof(*models));

    for (size_t i = 0; i < n; i++)
        models[i] = (struct provider_model){ .name = names[i] };
    *ret = models;
    return n;
}

static unsigned list_turn(void *upstream)
{
    return models_turn(((struct openai *)upstream)->models);
}

const struct provider_ops provider_openai = {
    .name = "openai",
    .capabilities = PROVIDER_RAW | PROVIDER_STOP | PROVIDER_LIMITS | PROVIDER_TOOLS |
                    PROVIDER_SCHEMA | PROVIDER_N | PROVIDER_LATE | PROVIDER_IMAGES,
    .attach = attach,
    .detach = detach,
    .prepare = prepare,
    .start = openai_call_start,
    .pause = openai_call_pause,
    .resume = openai_call_resume,
    .settle = openai_call_settle,
    .release = openai_call_release,
    .models = list_models,
    .models_turn = list_turn,
    .is_ready = is_ready,
    .census = census,
    .accounts = accounts,
    .clear = clear,
    .check = openai_check_start,
    .relay = &openai_relay,
};
