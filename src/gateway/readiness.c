/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/readiness.h"

#include <stdio.h>

#include "gateway/health.h"

/* What is known of the ways to an upstream. */
struct ways {
    size_t n;
    bool is_open; /* one of them is not closed by its circuit */
};

static void add_way(const struct gateway_worker *w, const char *upstream, const char *model,
                    struct ways *ways)
{
    ways->n++;
    if (!ways->is_open)
        ways->is_open = !health_is_open(w->gateway->health, str_of(upstream), str_of(model),
                                        loop_now_ms(w->loop));
}

/* By the section `models`. A star stands for names that nobody knows, so nor do their circuits. */
static void add_routes(const struct gateway_worker *w, size_t upstream, struct ways *ways)
{
    const struct settings *s = w->view->settings;

    for (size_t i = 0; i < s->n_routes; i++)
        for (size_t k = 0; k < s->routes[i].n_targets; k++) {
            const struct target_settings *t = &s->routes[i].targets[k];

            if (t->upstream == upstream)
                add_way(w, w->view->upstreams[upstream].name, t->model, ways);
        }
}

/* By its models, those that another upstream does not have before it. */
static void add_models(const struct gateway_worker *w, const struct route_table *t, size_t upstream,
                       struct ways *ways)
{
    const char *name = w->view->upstreams[upstream].name;
    struct routes_entry e;

    for (size_t i = 0; routes_entry_at(t->routes, i, &e); i++)
        if (strcmp(e.upstream, name) == 0)
            add_way(w, name, e.target->model, ways);
}

static struct ways find_ways(const struct gateway_worker *w, const struct route_table *t,
                             size_t upstream)
{
    const struct settings *s = w->view->settings;
    struct ways ways = { 0 };

    if (s->upstreams[upstream].takes_any_model)
        ways = (struct ways){ .n = 1, .is_open = true };
    if (s->n_routes > 0)
        add_routes(w, upstream, &ways);
    else
        add_models(w, t, upstream, &ways);
    return ways;
}

void readiness_of(const struct gateway_worker *w, const struct route_table *t, size_t i,
                  struct readiness *ret)
{
    const struct upstream *u = &w->view->upstreams[i];
    struct ways ways = find_ways(w, t, i);

    *ret = (struct readiness){ .is_asked = ways.n > 0 };
    ret->is_ready = u->provider->is_ready(u->shared, ret->why);
    if (!ret->is_ready)
        return;
    if (ways.n == 0 && t->lists[i].n == 0) {
        ret->is_ready = false;
        snprintf(ret->why, sizeof(ret->why),
                 "it lists no models: name them in its models, or in a route");
    } else if (ways.n > 0 && !ways.is_open) {
        ret->is_ready = false;
        snprintf(ret->why, sizeof(ret->why),
                 "all that leads to it failed too often lately, and is tried again in a while");
    }
}
