/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's share of the gateway: connections, its port of the store, its instance of each
 * upstream. A setup is seen through a view; views of several setups have the instances of unchanged
 * upstreams in common, and an instance is detached with the last view that has it.
 */
#include "base/mem.h"
#include "gateway/crew.h"
#include "gateway/gateway.h"
#include "keys/key_ring.h"
#include "ledger/ledger.h"
#include "trace/tracer.h"

/* An instance. Holds the process-wide part of its upstream, not the setup it came with. */
struct attached {
    struct list node; /* of gateway_worker.attached */
    struct gateway_worker *worker;
    void *held;
    void (*drop)(void *held); /* NULL: nothing is held */
    const struct provider_ops *provider;
    void *shared;
    struct provider_instance *instance;
    unsigned views;
};

/* ---- setups ---- */

void gateway_setup_ref(struct gateway_setup *s)
{
    atomic_fetch_add(&s->refs, 1);
}

void gateway_setup_unref(struct gateway_setup *s)
{
    if (atomic_fetch_sub(&s->refs, 1) == 1 && s->release)
        s->release(s);
}

/* ---- instances ---- */

static void on_store_closed(void *arg)
{
    struct gateway_worker *w = arg;

    http_client_free(w->client);
    connector_free(w->connector);
    w->closed(w->closed_arg);
}

static void on_spare_closed(void *arg)
{
    struct gateway_worker *w = arg;

    store_port_close(w->store, on_store_closed, w);
}

static void on_traced(void *arg)
{
    struct gateway_worker *w = arg;

    key_watch_close(TAKE(w->keys));
    ledger_close(TAKE(w->ledger));
    if (w->spare)
        store_port_close(TAKE(w->spare), on_spare_closed, w);
    else
        on_spare_closed(w);
}

/* The store is the last thing that instances stand on. */
static void close_if_empty(struct gateway_worker *w)
{
    if (!w->closed || !list_is_empty(&w->attached))
        return;
    if (w->tracer)
        tracer_close(TAKE(w->tracer), on_traced, w);
    else
        on_traced(w);
}

static void on_detached(void *arg)
{
    struct attached *a = arg;
    struct gateway_worker *w = a->worker;

    list_remove(&a->node);
    if (a->drop)
        a->drop(a->held);
    mem_free(a);
    close_if_empty(w);
}

static struct attached *find(const struct gateway_worker *w, const void *shared)
{
    LIST_EACH (node, &w->attached) {
        struct attached *a = CONTAINER_OF(node, struct attached, node);

        if (a->shared == shared && a->views > 0)
            return a;
    }
    return NULL;
}

static struct attached *attach(struct gateway_worker *w, struct gateway_setup *s, size_t i)
{
    const struct upstream *u = &s->upstreams[i];
    struct attached *a = mem_new(struct attached);
    const struct provider_env env = {
        .loop = w->loop,
        .client = w->client,
        .store = w->store,
        .conversation_ttl_ms = s->settings->conversation_ttl_ms,
        .connect_timeout_ms = s->settings->connect_timeout_ms,
        .accept_timeout_ms = s->settings->accept_timeout_ms,
    };

    a->worker = w;
    a->held = s->hold ? s->hold(s, i) : NULL;
    a->drop = s->drop;
    a->provider = u->provider;
    a->shared = u->shared;
    a->instance = u->provider->attach(u->shared, &env);
    list_add_tail(&w->attached, &a->node);
    return a;
}

/* ---- views ---- */

static struct gateway_view *view_new(struct gateway_worker *w, struct gateway_setup *s)
{
    struct gateway_view *v = mem_new(struct gateway_view);

    gateway_setup_ref(s);
    *v = (struct gateway_view){ .settings = s->settings,
                                .upstreams = s->upstreams,
                                .n_upstreams = s->n_upstreams,
                                .routes = s->routes,
                                .setup = s,
                                .worker = w,
                                .refs = 1 };
    v->instances = mem_alloc_array(v->n_upstreams, sizeof(struct provider_instance *));
    v->attached = mem_alloc_array(v->n_upstreams, sizeof(struct attached *));
    for (size_t i = 0; i < v->n_upstreams; i++) {
        struct attached *a = find(w, s->upstreams[i].shared);

        if (!a)
            a = attach(w, s, i);
        a->views++;
        v->attached[i] = a;
        v->instances[i] = a->instance;
    }
    return v;
}

struct gateway_view *gateway_view_ref(struct gateway_worker *w)
{
    w->view->refs++;
    return w->view;
}

/* No instance is on the stack. */
static void end_view(void *arg)
{
    struct gateway_view *v = arg;

    for (size_t i = 0; i < v->n_upstreams; i++)
        if (--v->attached[i]->views == 0)
            v->attached[i]->provider->detach(v->attached[i]->instance, on_detached, v->attached[i]);
    if (v->n_upstreams == 0)
        close_if_empty(v->worker);
    gateway_setup_unref(v->setup);
    mem_free(v->instances);
    mem_free(v->attached);
    mem_free(v);
}

void gateway_view_unref(struct gateway_view *v)
{
    if (--v->refs > 0)
        return;
    task_init(&v->end, end_view, v);
    loop_defer(v->worker->loop, &v->end);
}

/* ---- the share ---- */

/* Rows are for a store that can be asked for them by more than their number. */
static void set_ledger(struct gateway_worker *w)
{
    const struct settings *s = w->view->settings;
    bool has_rows = strcmp(store_name(w->gateway->store), "sqlite") == 0;

    ledger_set(w->ledger, &(struct ledger_params){ .sums_ttl_ms = s->usage_retention_ms,
                                                   .rows_max = has_rows ? s->usage_rows : 0 });
}

/* Its settings do not change without a restart. */
static void open_tracer(struct gateway_worker *w)
{
    const struct settings *s = w->view->settings;

    if (s->otel_endpoint.path)
        w->tracer = tracer_open(w->loop, w->client,
                                &(struct tracer_params){ .url = &s->otel_endpoint,
                                                         .headers = secret_reveal(&s->otel_headers),
                                                         .service = str_of(s->otel_service),
                                                         .version = str_of(w->gateway->version) });
}

/* Kept connections are used again best when all that were open at once stay; the descriptors they
 * hold are of a share of all workers. */
static void limit_client(const struct gateway *g, struct http_client_limits *ret)
{
    http_client_limits_default(ret);
    if (g->max_idle > ret->max_idle)
        ret->max_idle = g->max_idle;
}

void gateway_share_open(struct gateway_worker *w, struct gateway *g, struct loop *l)
{
    struct http_client_limits limits;

    w->gateway = g;
    w->loop = l;
    list_init(&w->exchanges);
    list_init(&w->relays);
    list_init(&w->attached);
    limit_client(g, &limits);
    w->connector = connector_new(l, g->trust, &g->setup->settings->proxies);
    connector_set_tap(w->connector, g->tap);
    w->client = http_client_new(w->connector, &limits);
    w->store = store_port_open(g->store, l);
    if (g->spare)
        w->spare = store_port_open(g->spare, l);
    if (g->keys)
        w->keys = key_watch_open(g->keys, l, w->store);
    w->view = view_new(w, g->setup);
    open_tracer(w);
    w->ledger = ledger_open(l, w->store, &(struct ledger_params){ 0 });
    set_ledger(w);
    if (g->crew)
        crew_join(g->crew, w);
}

void gateway_share_switch(struct gateway_worker *w, struct gateway_setup *s)
{
    struct gateway_view *old = w->view;

    w->view = view_new(w, s);
    set_ledger(w);
    gateway_view_unref(old);
}

void gateway_share_close(struct gateway_worker *w, void (*closed)(void *arg), void *arg)
{
    if (w->gateway->crew)
        crew_leave(w->gateway->crew, w);
    w->closed = closed;
    w->closed_arg = arg;
    gateway_view_unref(TAKE(w->view));
}
