/* SPDX-License-Identifier: Apache-2.0 */
/* What clients can ask for, where it leads, and how the targets fare. */
#include "admin/handlers.h"
#include "gateway/health.h"
#include "gateway/route_book.h"

static void write_until(struct json_writer *j, const struct gateway_worker *w, int64_t left_ms)
{
    json_w_key(j, "until");
    if (left_ms)
        json_w_int(j, (loop_wall_ms(w->loop) + left_ms + 999) / 1000);
    else
        json_w_null(j);
}

static void write_target(struct json_writer *j, const struct gateway_worker *w,
                         const struct target_settings *t, bool is_weighted)
{
    const char *upstream = w->view->upstreams[t->upstream].name;
    unsigned percent;
    int64_t left_ms;
    const char *health = health_state(w->gateway->health, str_of(upstream), str_of(t->model),
                                      loop_now_ms(w->loop), &percent, &left_ms);

    json_w_object(j);
    json_w_member_str(j, "upstream", str_of(upstream));
    json_w_member_str(j, "model", str_of(t->model));
    json_w_key(j, "weight");
    if (is_weighted)
        json_w_int(j, t->weight);
    else
        json_w_null(j);
    json_w_member_str(j, "health", str_of(health));
    write_until(j, w, left_ms);
    json_w_member_int(j, "failures_percent", percent);
    json_w_object_end(j);
}

static void begin_route(struct json_writer *j, const char *model, const char *const *aliases,
                        bool is_weighted)
{
    json_w_object(j);
    json_w_member_str(j, "model", str_of(model));
    json_w_key(j, "aliases");
    json_w_array(j);
    for (size_t i = 0; aliases && aliases[i]; i++)
        json_w_str(j, str_of(aliases[i]));
    json_w_array_end(j);
    json_w_member_str(j, "strategy", is_weighted ? STR("weighted") : STR("fallback"));
    json_w_key(j, "targets");
    json_w_array(j);
}

static void end_route(struct json_writer *j)
{
    json_w_array_end(j);
    json_w_object_end(j);
}

static void write_routes(struct json_writer *j, const struct gateway_worker *w)
{
    const struct settings *s = w->view->settings;

    for (size_t i = 0; i < s->n_routes; i++) {
        const struct route_settings *route = &s->routes[i];
        bool is_weighted = route->strategy == ROUTE_WEIGHTED;

        begin_route(j, route->name, route->aliases, is_weighted);
        for (size_t k = 0; k < route->n_targets; k++)
            write_target(j, w, &route->targets[k], is_weighted);
        end_route(j);
    }
}

/* Without routes every model goes by its own name. */
static void write_models(struct json_writer *j, const struct gateway_worker *w)
{
    struct route_table *t = route_book_ref(w->view->routes);
    struct routes_entry e;

    for (size_t i = 0; routes_entry_at(t->routes, i, &e); i++) {
        begin_route(j, e.id, NULL, false);
        write_target(j, w, e.target, false);
        end_route(j);
    }
    route_book_unref(w->view->routes, t);
}

void admin_routes(struct admin_call *c)
{
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_key(&j, "data");
    json_w_array(&j);
    if (c->worker->view->settings->has_routes)
        write_routes(&j, c->worker);
    else
        write_models(&j, c->worker);
    json_w_array_end(&j);
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}
