/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/check_all.h"

#include "base/mem.h"
#include "gateway/route_book.h"

enum { JSON_MAX = 16 << 20 };

struct check_all {
    struct gateway_worker *worker;
    struct gateway_view *view; /* held */
    size_t at;                 /* the upstream that is asked */
    bool *answers;             /* each upstream that was */
    bool is_canceled;          /* what is still told is of no use */
    struct task end;
    bool is_usable;
    struct buf out;
    struct json_writer j;
    on_checked *done;
    void *arg;
};

static void ask(struct check_all *c);

static void write_fact(struct json_writer *j, const struct provider_fact *f)
{
    json_w_object(j);
    json_w_member_str(j, "name", f->name);
    json_w_member_str(j, "value", f->value);
    json_w_member_bool(j, "problem", f->is_problem);
    if (f->has_share)
        json_w_member_int(j, "used_percent", f->share);
    json_w_object_end(j);
}

static void on_report_done(void *arg, const struct provider_report *report)
{
    struct check_all *c = arg;
    struct json_writer *j = &c->j;

    if (c->is_canceled)
        return;
    c->answers[c->at] = report->answers;
    c->is_usable = c->is_usable && report->usable;
    json_w_object(j);
    json_w_member_str(j, "name", str_of(c->view->upstreams[c->at].name));
    json_w_member_bool(j, "usable", report->usable);
    json_w_key(j, "facts");
    json_w_array(j);
    for (size_t i = 0; i < report->n; i++)
        write_fact(j, &report->facts[i]);
    json_w_array_end(j);
    json_w_object_end(j);
    c->at++;
    ask(c);
}

/* ---- the routes ---- */

/* Why a target can answer nobody; empty where nothing is known against it. */
static struct str problem_of(const struct check_all *c, const struct route_table *t,
                             const struct target_settings *target)
{
    const size_t upstream = target->upstream;

    if (!c->answers[upstream])
        return STR("the upstream cannot be used: see above");
    if (strchr(target->model, '*') || t->lists[upstream].n == 0 ||
        route_table_model(t, upstream, str_of(target->model)))
        return STR("");
    return STR("the upstream does not list this model: choose one of those above");
}

static void write_target(struct check_all *c, const struct route_table *t,
                         const struct route_settings *route, const struct target_settings *target)
{
    struct json_writer *j = &c->j;
    struct str problem = problem_of(c, t, target);

    c->is_usable = c->is_usable && problem.n == 0;
    json_w_object(j);
    json_w_member_str(j, "upstream", str_of(c->view->upstreams[target->upstream].name));
    json_w_member_str(j, "model", str_of(target->model));
    if (route->strategy == ROUTE_WEIGHTED)
        json_w_member_int(j, "weight", target->weight);
    json_w_member_str(j, "problem", problem);
    json_w_object_end(j);
}

static void write_route(struct check_all *c, const struct route_table *t,
                        const struct route_settings *route)
{
    struct json_writer *j = &c->j;

    json_w_object(j);
    json_w_member_str(j, "name", str_of(route->name));
    json_w_member_str(j, "strategy",
                      route->strategy == ROUTE_WEIGHTED ? STR("weighted") : STR("fallback"));
    json_w_key(j, "aliases");
    json_w_array(j);
    for (size_t i = 0; route->aliases && route->aliases[i]; i++)
        json_w_str(j, str_of(route->aliases[i]));
    json_w_array_end(j);
    json_w_key(j, "targets");
    json_w_array(j);
    for (size_t i = 0; i < route->n_targets; i++)
        write_target(c, t, route, &route->targets[i]);
    json_w_array_end(j);
    json_w_object_end(j);
}

static void write_routes(struct check_all *c)
{
    const struct gateway_view *v = c->view;
    struct route_table *t = route_book_ref(v->routes);

    json_w_key(&c->j, "routes");
    json_w_array(&c->j);
    for (size_t i = 0; i < v->settings->n_routes; i++)
        write_route(c, t, &v->settings->routes[i]);
    json_w_array_end(&c->j);
    route_book_unref(v->routes, t);
}

/* ---- the whole ---- */

static void write_store(struct check_all *c)
{
    char why[STORE_PROBLEM_MAX];

    json_w_key(&c->j, "store");
    if (store_is_ready(c->worker->gateway->store, why))
        json_w_null(&c->j);
    else
        json_w_str(&c->j, str_of(why));
}

static void finish(struct check_all *c)
{
    on_checked *done = c->done;

    json_w_array_end(&c->j);
    write_store(c);
    write_routes(c);
    json_w_member_bool(&c->j, "usable", c->is_usable);
    json_w_object_end(&c->j);
    done(c->arg, c->is_usable, json_w_end(&c->j) ? STR("{}") : buf_str(&c->out));
    check_all_cancel(c);
}

static void ask(struct check_all *c)
{
    const struct gateway_view *v = c->view;

    if (c->at == v->n_upstreams)
        finish(c);
    else
        v->upstreams[c->at].provider->check(v->instances[c->at], on_report_done, c);
}

struct check_all *check_all_start(struct gateway_worker *w, on_checked *done, void *arg)
{
    struct check_all *c = mem_new(struct check_all);

    c->worker = w;
    c->view = gateway_view_ref(w);
    c->answers = mem_alloc_array(c->view->n_upstreams, sizeof(*c->answers));
    c->is_usable = true;
    c->done = done;
    c->arg = arg;
    buf_init(&c->out, JSON_MAX);
    json_w_init(&c->j, &c->out);
    json_w_object(&c->j);
    json_w_key(&c->j, "upstreams");
    json_w_array(&c->j);
    ask(c);
    return c;
}

static void free_check(void *arg)
{
    struct check_all *c = arg;

    buf_deinit(&c->out);
    mem_free(c->answers);
    mem_free(c);
}

/* The instances may only be detached at the end of this turn. */
void check_all_cancel(struct check_all *c)
{
    c->is_canceled = true;
    gateway_view_unref(c->view);
    task_init(&c->end, free_check, c);
    loop_retire(c->worker->loop, &c->end);
}
