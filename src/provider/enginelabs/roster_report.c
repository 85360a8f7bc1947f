/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts as they stand, for people. */
#include "provider/account.h"
#include "provider/enginelabs/roster_internal.h"

struct rests {
    struct arena *arena;
    struct provider_cooldown *at;
    size_t n;
};

static void add_rest(void *arg, struct str model, int64_t left_ms, const struct notice *why)
{
    struct rests *r = arg;

    if (r->n < COOLDOWNS_MAX)
        r->at[r->n++] = (struct provider_cooldown){ arena_dup(r->arena, model), left_ms,
                                                    arena_dup(r->arena, str_of(why->message)) };
}

static void add_quota(struct provider_account *to, const char *name, double used, double limit)
{
    if (limit >= 0 && to->n_quotas < PROVIDER_QUOTAS_MAX)
        to->quotas[to->n_quotas++] = (struct provider_quota){ name, used, limit };
}

static void add_plan(struct provider_account *to, struct arena *a, const struct plan *plan)
{
    to->plan = arena_dup(a, str_of(plan->tier));
    add_quota(to, "day", plan->daily_usage, plan->daily_limit);
    add_quota(to, "week", plan->weekly_usage, plan->weekly_limit);
    add_quota(to, "credits", plan->credits_usage, plan->credits_limit);
}

static struct str problem_of(const struct seat *s, struct arena *a)
{
    struct notice notice;
    char why[128] = "";

    if (account_is_out(s->account, &notice))
        return arena_dup(a, str_of(notice.message));
    if (!account_is_ready(s->account, why))
        return arena_dup(a, str_of(why));
    if (s->has_plan && s->plan.is_used_up)
        return STR("its quota is used up: wait until the service renews it");
    return STR("");
}

/* Under the lock. */
static void report(const struct seat *s, struct arena *a, int64_t now_ms,
                   struct provider_account *to)
{
    struct rests rests = { .arena = a };

    to->name = arena_dup(a, str_of(s->config->account));
    to->standing = seat_standing(s, now_ms);
    to->problem = problem_of(s, a);
    to->running = s->leases;
    to->max_parallel = s->limit;
    if (s->has_plan)
        add_plan(to, a, &s->plan);
    if (s->rests.n == 0)
        return;
    rests.at = arena_alloc(a, COOLDOWNS_MAX * sizeof(*rests.at));
    cooldowns_each(&s->rests, now_ms, add_rest, &rests);
    to->cooldowns = rests.at;
    to->n_cooldowns = rests.n;
}

size_t roster_report(struct roster *p, struct arena *a, int64_t now_ms,
                     const struct provider_account **ret, size_t *ret_waiting)
{
    struct provider_account *all = arena_alloc(a, p->n * sizeof(*all));

    roster_lock(p);
    for (size_t i = 0; i < p->n; i++)
        report(&p->seats[i], a, now_ms, &all[i]);
    *ret_waiting = p->n_line;
    roster_unlock(p);
    *ret = all;
    return p->n;
}
