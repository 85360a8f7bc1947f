/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/check_all.h"

#include "base/mem.h"
#include "gateway/route_book.h"
#include "gateway/route_report.h"

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

struct told {
    struct check_all *check;
    const struct route_table *table;
};

static struct str find_problem(const struct told *told, const struct target_settings *target)
{
    const size_t upstream = target->upstream;

    if (!told->check->answers[upstream])
        return STR("the upstream cannot be used: see above");
    if (strchr(target->model, '*') || told->table->lists[upstream].n == 0 ||
        route_table_model(told->table, upstream, str_of(target->model)))
        return STR("");
    return STR("the upstream does not list this model: choose one of those above");
}

static struct str problem_of(void *arg, const struct target_settings *target)
{
    struct told *told = arg;
    struct str problem = find_problem(told, target);

    told->check->is_usable = told->check->is_usable && problem.n == 0;
    return problem;
}

static void write_routes(struct check_all *c)
{
    const struct gateway_view *v = c->view;
    struct route_table *t = route_book_ref(v->routes);

    route_report_write(&c->j, v->settings, problem_of, &(struct told){ c, t });
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
