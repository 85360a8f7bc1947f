/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway holds of this provider: its table, its upstream, its part on each worker. */
#include "base/mem.h"
#include "provider/enginelabs/call.h"
#include "json/writer.h"

/* Another service has other models, and other organizations to set one for. */
static void inherit(struct enginelabs *e, struct enginelabs *old)
{
    roster_inherit(e->roster, old->roster);
    if (!url_eq(&e->config->api, &old->config->api))
        return;
    catalog_inherit(e->catalog, old->catalog);
    e->pins = pins_ref(old->pins);
}

struct enginelabs *enginelabs_new(const struct enginelabs_config *accounts, size_t n,
                                  struct enginelabs *old)
{
    struct enginelabs *e = mem_new(struct enginelabs);

    e->config = accounts;
    e->roster = roster_new(accounts, n);
    e->catalog = catalog_new(accounts[0].models);
    if (old)
        inherit(e, old);
    if (!e->pins)
        e->pins = pins_new(accounts[0].name);
    for (size_t i = 0; i < n; i++)
        e->surveys[i] = survey_new();
    return e;
}

void enginelabs_free(struct enginelabs *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < roster_size(e->roster); i++)
        survey_free(e->surveys[i]);
    catalog_free(e->catalog);
    pins_unref(e->pins);
    roster_free(e->roster);
    mem_free(e);
}

static struct provider_instance *attach(void *upstream, const struct provider_env *env)
{
    struct enginelabs *e = upstream;
    struct provider_instance *p = mem_new(struct provider_instance);

    p->upstream = e;
    p->config = e->config;
    p->env = *env;
    list_init(&p->checks);
    list_init(&p->posts);
    list_init(&p->orphans);
    list_init(&p->drains);
    p->roster = roster_port_open(e->roster, env->client, env->store, env->connect_timeout_ms,
                                 env->accept_timeout_ms);
    p->pins = pin_port_open(e->pins, env->store, env->loop);
    p->upkeep = upkeep_open(p);
    return p;
}

static void on_roster_closed(void *arg)
{
    struct provider_instance *p = arg;
    void (*detached)(void *) = p->detached;
    void *detached_arg = p->detached_arg;

    mem_free(p);
    detached(detached_arg);
}

static void detach(struct provider_instance *p, void (*detached)(void *arg), void *arg)
{
    BUG_ON(p->calls > 0);
    p->detached = detached;
    p->detached_arg = arg;
    check_cancel_all(p);
    wire_cancel_posts(p);
    orphan_cancel_all(p);
    drain_end_all(p);
    upkeep_close(p->upkeep);
    pin_port_close(p->pins);
    roster_port_close(p->roster, on_roster_closed, p);
}

static void prepare(struct provider_instance *p)
{
    roster_prepare(p->roster);
    upkeep_prepare(p->upkeep);
}

static bool is_ready(void *upstream, char *why)
{
    struct enginelabs *e = upstream;

    return roster_is_ready(e->roster, why);
}

static void census(void *upstream, int64_t now_ms, struct provider_census *to)
{
    struct enginelabs *e = upstream;

    roster_census(e->roster, now_ms, to);
}

static size_t accounts(void *upstream, struct arena *a, int64_t now_ms,
                       const struct provider_account **ret, size_t *ret_waiting)
{
    struct enginelabs *e = upstream;

    return roster_report(e->roster, a, now_ms, ret, ret_waiting);
}

static bool clear(struct provider_instance *p, struct str account)
{
    char name[256];
    int i = roster_find(p->upstream->roster, str_to_z(account, name, sizeof(name)));

    if (i < 0)
        return false;
    roster_clear(p->roster, (size_t)i);
    return true;
}

/* What the service tells of a model, for clients. */
static struct str members_of(struct arena *a, const struct adapter *m)
{
    struct json_writer w;
    struct buf out;
    struct str members;

    buf_init(&out, 4096);
    json_w_init(&w, &out);
    json_w_object(&w);
    json_w_member_str(&w, "key", str_of(m->key));
    json_w_member_str(&w, "engineAgentKey", str_of(m->agent_key));
    json_w_member_str(&w, "model", str_of(m->model));
    json_w_member_str(&w, "provider", str_of(m->provider));
    json_w_member_int(&w, "minimumTier", m->minimum_tier);
    json_w_key(&w, "usageMultiplier");
    json_w_raw(&w, arena_printf(a, "%.10g", m->usage_multiplier));
    json_w_member_bool(&w, "supportsImages", m->supports_images);
    json_w_object_end(&w);
    members = json_w_end(&w) ? STR("") : arena_dup(a, buf_str(&out));
    buf_deinit(&out);
    return members;
}

/* One name of a model; false: it has none there. */
static bool add_name(struct provider_model *to, struct arena *a, const struct adapter *m,
                     enum enginelabs_protocol protocol)
{
    struct str name = adapter_name(m, protocol);

    if (name.n > 0)
        *to = (struct provider_model){ arena_dup(a, name), members_of(a, m) };
    return name.n > 0;
}

/* In protocol project the other name of a model is one too: DEFAULT_MODEL is such a name, and who
 * asked for it before the list was known goes on doing so. */
static size_t add_names(struct provider_model *to, struct arena *a, const struct adapter *m,
                        enum enginelabs_protocol protocol)
{
    size_t n = add_name(to, a, m, protocol);

    if (n > 0 && protocol == PROTOCOL_PROJECT && strcmp(m->key, m->agent_key) != 0)
        n += add_name(to + n, a, m, PROTOCOL_CLASSIC);
    return n;
}

static size_t models(void *upstream, struct arena *a, const struct provider_model **ret)
{
    struct enginelabs *e = upstream;
    struct catalog_list *list = catalog_ref(e->catalog);
    struct provider_model *models = arena_alloc(a, (2 * list->n + 1) * sizeof(*models));
    size_t n = 0;

    for (size_t i = 0; i < list->n && !list->is_configured; i++)
        if (list->models[i].is_enabled)
            n += add_names(&models[n], a, &list->models[i], e->config->protocol);
    catalog_unref(e->catalog, list);
    *ret = models;
    return n;
}

static unsigned models_turn(void *upstream)
{
    return atomic_load(&((struct enginelabs *)upstream)->models_turn);
}

const struct provider_ops provider_enginelabs = {
    .name = "enginelabs",
    .attach = attach,
    .detach = detach,
    .models = models,
    .models_turn = models_turn,
    .prepare = prepare,
    .start = call_start,
    .pause = call_pause,
    .resume = call_resume,
    .settle = call_settle,
    .release = call_release,
    .is_ready = is_ready,
    .census = census,
    .accounts = accounts,
    .clear = clear,
    .check = check_start,
};
