/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/accounts.h"

#include <stdio.h>

#include "admin/handlers.h"

static const char *state_of(enum provider_standing standing)
{
    switch (standing) {
    case STANDING_READY:
    case STANDING_BUSY:
    case STANDING_RESTING:
        return "signed_in";
    case STANDING_SIGNED_OUT:
        return "signed_out";
    case STANDING_FAILING:
    case STANDINGS:
        break;
    }
    return "unknown";
}

static void write_text(struct json_writer *j, const char *name, struct str text)
{
    json_w_key(j, name);
    if (text.n)
        json_w_str(j, text);
    else
        json_w_null(j);
}

/* What cannot be counted is null. */
static void write_number(struct json_writer *j, const char *name, double number, bool is_known)
{
    char text[32];

    json_w_key(j, name);
    if (!is_known) {
        json_w_null(j);
        return;
    }
    snprintf(text, sizeof(text), "%.10g", number);
    json_w_raw(j, str_of(text));
}

/* When a quota begins anew the service does not say. */
static void write_quota(struct json_writer *j, const struct provider_quota *q)
{
    bool has_share = q->limit > 0 && q->used >= 0;

    json_w_object(j);
    json_w_member_str(j, "name", str_of(q->name));
    write_number(j, "used", q->used, q->used >= 0);
    write_number(j, "limit", q->limit, true);
    write_number(j, "share", has_share ? q->used / q->limit : 0, has_share);
    json_w_key(j, "resets");
    json_w_null(j);
    json_w_object_end(j);
}

static void write_cooldown(struct json_writer *j, const struct gateway_worker *w,
                           const struct provider_cooldown *c)
{
    json_w_object(j);
    write_text(j, "model", c->model);
    json_w_member_int(j, "until", (loop_wall_ms(w->loop) + c->left_ms + 999) / 1000);
    json_w_member_str(j, "why", c->why);
    json_w_object_end(j);
}

void account_write(struct json_writer *j, const struct gateway_worker *w, const char *upstream,
                   const struct provider_account *a, size_t waiting)
{
    json_w_object(j);
    json_w_member_str(j, "upstream", str_of(upstream));
    json_w_member_str(j, "name", a->name);
    json_w_member_str(j, "state", str_of(state_of(a->standing)));
    write_text(j, "problem", a->problem);
    write_text(j, "plan", a->plan);
    json_w_key(j, "quota");
    json_w_array(j);
    for (size_t i = 0; i < a->n_quotas; i++)
        write_quota(j, &a->quotas[i]);
    json_w_array_end(j);
    json_w_member_int(j, "running", a->running);
    json_w_key(j, "max_parallel");
    if (a->max_parallel)
        json_w_int(j, a->max_parallel);
    else
        json_w_null(j);
    json_w_member_int(j, "waiting", (int64_t)waiting);
    json_w_key(j, "cooldowns");
    json_w_array(j);
    for (size_t i = 0; i < a->n_cooldowns; i++)
        write_cooldown(j, w, &a->cooldowns[i]);
    json_w_array_end(j);
    json_w_object_end(j);
}

size_t accounts_of(const struct gateway_worker *w, const struct gateway_view *v, size_t i,
                   struct arena *a, const struct provider_account **ret, size_t *ret_waiting)
{
    const struct upstream *u = &v->upstreams[i];

    *ret_waiting = 0;
    if (!u->provider->accounts)
        return 0;
    return u->provider->accounts(u->shared, a, loop_now_ms(w->loop), ret, ret_waiting);
}

const struct provider_account *account_find(const struct provider_account *all, size_t n,
                                            struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(all[i].name, name))
            return &all[i];
    return NULL;
}

size_t upstream_find(const struct gateway_worker *w, struct str name)
{
    for (size_t i = 0; i < w->view->n_upstreams; i++)
        if (str_eq(str_of(w->view->upstreams[i].name), name))
            return i;
    return SIZE_MAX;
}

/* ---- handlers ---- */

/* What was never asked is asked behind this answer. */
static void write_upstream(struct json_writer *j, struct admin_call *c, size_t i)
{
    const struct gateway_view *v = c->worker->view;
    const struct provider_account *all = NULL;
    size_t waiting;
    size_t n = accounts_of(c->worker, v, i, &c->request->arena, &all, &waiting);

    for (size_t k = 0; k < n; k++)
        account_write(j, c->worker, v->upstreams[i].name, &all[k], waiting);
    if (v->upstreams[i].provider->prepare)
        v->upstreams[i].provider->prepare(v->instances[i]);
}

void admin_accounts(struct admin_call *c)
{
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_key(&j, "data");
    json_w_array(&j);
    for (size_t i = 0; i < c->worker->view->n_upstreams; i++)
        write_upstream(&j, c, i);
    json_w_array_end(&j);
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}

void admin_account_clear(struct admin_call *c)
{
    const struct gateway_view *v = c->worker->view;
    size_t i = upstream_find(c->worker, str_of(c->ids[0]));

    if (i == SIZE_MAX)
        gateway_reply_error(c->request, FAILURE_NOT_FOUND, "There is no upstream %s.", c->ids[0]);
    else if (!v->upstreams[i].provider->clear ||
             !v->upstreams[i].provider->clear(v->instances[i], str_of(c->ids[1])))
        gateway_reply_error(c->request, FAILURE_NOT_FOUND, "Upstream %s has no account %s.",
                            c->ids[0], c->ids[1]);
    else
        admin_done(c);
}
