/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong, in words, and what to do about it: from what is known, nobody is asked. */
#include <stdio.h>

#include "admin/accounts.h"
#include "admin/handlers.h"
#include "gateway/health.h"
#include "gateway/readiness.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

/* `code` is for who says it in another language: the page. */
static void write_problem(struct json_writer *j, enum severity severity, const char *code,
                          const char *what, struct str problem, const char *remedy)
{
    json_w_object(j);
    json_w_member_str(j, "code", str_of(code));
    json_w_member_str(j, "what", str_of(what));
    json_w_member_str(j, "problem", problem);
    json_w_member_str(j, "remedy", str_of(remedy));
    json_w_member_str(j, "severity", severity == SEVERITY_ERROR ? STR("error") : STR("warning"));
    json_w_object_end(j);
}

static void write_process(struct json_writer *j, const struct gateway_worker *w)
{
    const struct settings *s = w->view->settings;
    char why[STORE_PROBLEM_MAX] = "";
    char text[128];

    if (atomic_load(&w->gateway->draining))
        write_problem(j, SEVERITY_WARNING, "draining", "gateway", STR("It is shutting down."),
                      "Nothing: running answers finish within SHUTDOWN_TIMEOUT.");
    if (!store_is_ready(w->gateway->store, why))
        write_problem(j, SEVERITY_ERROR, "store", "store", str_of(why),
                      "See to the disk or the server of STORE_URL; conversations go on from "
                      "transcripts meanwhile.");
    if (!secret_is_set(&s->api_master_key) && !s->listen.is_unix &&
        !endpoint_is_loopback(&s->listen))
        write_problem(j, SEVERITY_WARNING, "open", "API_MASTER_KEY",
                      STR("There is none, so that whoever reaches the gateway may use it."),
                      "Set API_MASTER_KEY, and give each client a key of its own.");
    if (secret_eq(&s->api_master_key, secret_reveal(&s->admin_key)))
        write_problem(j, SEVERITY_WARNING, "same_key", "ADMIN_KEY",
                      STR("It is the API_MASTER_KEY, too: each client can operate the gateway."),
                      "Set another ADMIN_KEY (for example: openssl rand -hex 32), and reload.");
    if (log_dropped() > 0) {
        snprintf(text, sizeof(text), "%llu lines were dropped, since nobody read them in time.",
                 (unsigned long long)log_dropped());
        write_problem(j, SEVERITY_WARNING, "log", "log", str_of(text),
                      "See whether who reads standard error keeps up, or raise LOG_LEVEL.");
    }
}

static void write_standing(struct json_writer *j, const struct upstream *u, const char *what,
                           const struct provider_account *a)
{
    bool is_ours = strcmp(u->provider->name, "enginelabs") == 0;

    if (a->standing != STANDING_SIGNED_OUT)
        write_problem(j, SEVERITY_WARNING, "account", what, a->problem,
                      "Check it again in a while; what was wrong is tried again by itself.");
    else if (is_ours)
        write_problem(j, SEVERITY_ERROR, "signed_out", what, a->problem,
                      "Sign in at cto.new, put the new cookie into the settings, and reload.");
    else
        write_problem(j, SEVERITY_ERROR, "key_refused", what, a->problem,
                      "Put a key that is good into the upstream's api_keys, and reload.");
}

static void write_account(struct json_writer *j, const struct upstream *u,
                          const struct provider_account *a, struct arena *arena)
{
    const char *what = arena_printf(arena, "account %s/%.*s", u->name, STR_ARGS(a->name)).p;

    if (a->problem.n)
        write_standing(j, u, what, a);
    for (size_t i = 0; i < a->n_cooldowns; i++) {
        const struct provider_cooldown *c = &a->cooldowns[i];

        write_problem(j, SEVERITY_WARNING, "rest", what,
                      arena_printf(arena, "It rests for %.*s, %lld s more: %.*s",
                                   STR_ARGS(c->model.n ? c->model : STR("all models")),
                                   (long long)((c->left_ms + 999) / 1000), STR_ARGS(c->why)),
                      "Wait, or end the rest here if the reason is gone.");
    }
}

static void write_upstream(struct json_writer *j, struct admin_call *c, const struct route_table *t,
                           size_t i)
{
    const struct gateway_view *v = c->worker->view;
    const struct provider_account *all = NULL;
    struct arena *a = &c->request->arena;
    struct readiness r;
    size_t waiting;
    size_t n = accounts_of(c->worker, v, i, a, &all, &waiting);

    readiness_of(c->worker, t, i, &r);
    if (!r.is_ready)
        write_problem(j, r.is_asked ? SEVERITY_ERROR : SEVERITY_WARNING, "upstream",
                      arena_printf(a, "upstream %s", v->upstreams[i].name).p, str_of(r.why),
                      "Check its accounts here, or run: enginelabs-2api check");
    for (size_t k = 0; k < n; k++)
        write_account(j, &v->upstreams[i], &all[k], a);
}

static void write_circuits(struct json_writer *j, struct admin_call *c)
{
    int64_t now_ms = loop_now_ms(c->worker->loop);
    struct health_problem p;

    for (size_t i = 0; health_problem_at(c->worker->gateway->health, now_ms, i, &p); i++)
        write_problem(j, SEVERITY_WARNING, "target",
                      arena_printf(&c->request->arena, "target %s", p.target).p, str_of(p.why),
                      "See to that upstream. The gateway tries it again by itself.");
}

void admin_problems(struct admin_call *c)
{
    struct route_table *t = route_book_ref(c->worker->view->routes);
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_key(&j, "data");
    json_w_array(&j);
    write_process(&j, c->worker);
    for (size_t i = 0; i < c->worker->view->n_upstreams; i++)
        write_upstream(&j, c, t, i);
    write_circuits(&j, c);
    json_w_array_end(&j);
    json_w_object_end(&j);
    route_book_unref(c->worker->view->routes, t);
    admin_answer_end(c, 200, &j);
}
