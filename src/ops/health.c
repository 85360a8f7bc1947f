/* SPDX-License-Identifier: Apache-2.0 */
/* What runs, whether it lives, and whether it can answer. */
#include "admin/page.h"
#include "gateway/readiness.h"
#include "ops/ops.h"
#include "json/writer.h"

void handle_root(struct gateway_worker *w, struct http_request *r)
{
    const struct gateway *g = w->gateway;
    struct json_writer j;
    struct buf out;

    if (page_answers(w, r))
        return;
    buf_init(&out, 4096);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "name", STR("enginelabs-2api"));
    json_w_member_str(&j, "version", str_of(g->version));
    json_w_member_str(&j, "state", atomic_load(&g->draining) ? STR("draining") : STR("running"));
    json_w_member_bool(&j, "demo", g->demo);
    json_w_member_int(&j, "uptime_s", (loop_now_ms(w->loop) - g->started_ms) / 1000);
    json_w_object_end(&j);
    gateway_reply_written(r, 200, &j);
    buf_deinit(&out);
}

void handle_healthz(struct gateway_worker *w, struct http_request *r)
{
    (void)w;
    gateway_reply_json(r, 200, STR("{\"status\":\"ok\"}"));
}

static void write_part(struct json_writer *j, const char *name, bool ready, const char *why)
{
    json_w_object(j);
    json_w_member_str(j, "name", str_of(name));
    json_w_member_bool(j, "ready", ready);
    if (!ready || why[0])
        json_w_member_str(j, "problem", str_of(why));
    json_w_object_end(j);
}

/* One that works is enough to answer. */
static bool any_upstream_is_ready(const struct gateway_worker *w, const struct route_table *t)
{
    struct readiness r = { .is_ready = false };

    for (size_t i = 0; i < w->view->n_upstreams && !(r.is_ready && r.is_asked); i++)
        readiness_of(w, t, i, &r);
    return r.is_ready && r.is_asked;
}

static void write_upstreams(const struct gateway_worker *w, const struct route_table *t,
                            struct json_writer *j)
{
    for (size_t i = 0; i < w->view->n_upstreams; i++) {
        const struct upstream *u = &w->view->upstreams[i];
        struct readiness r;

        readiness_of(w, t, i, &r);
        write_part(j, u->name, r.is_ready, r.why);
        if (u->provider->prepare)
            u->provider->prepare(w->view->instances[i]);
    }
}

/* Targets that are passed over as long as there are others. */
static void write_circuits(struct gateway_worker *w, struct json_writer *j)
{
    int64_t now_ms = loop_now_ms(w->loop);
    struct health_problem p;

    for (size_t i = 0; health_problem_at(w->gateway->health, now_ms, i, &p); i++)
        write_part(j, p.target, false, p.why);
}

void handle_readyz(struct gateway_worker *w, struct http_request *r)
{
    struct gateway *g = w->gateway;
    struct route_table *t = route_book_ref(w->view->routes);
    bool draining = atomic_load(&g->draining);
    char store_why[STORE_PROBLEM_MAX] = "";
    bool store = store_is_ready(g->store, store_why);
    bool ready = any_upstream_is_ready(w, t) && store && !draining;
    struct json_writer j;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_w_init(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "status", ready ? STR("ready") : STR("not ready"));
    json_w_key(&j, "parts");
    json_w_array(&j);
    write_part(&j, "gateway", !draining, draining ? "it is shutting down" : "");
    write_upstreams(w, t, &j);
    write_circuits(w, &j);
    write_part(&j, "store", store, store_why);
    json_w_array_end(&j);
    json_w_object_end(&j);
    gateway_reply_written(r, ready ? 200 : 503, &j);
    buf_deinit(&out);
    route_book_unref(w->view->routes, t);
}
