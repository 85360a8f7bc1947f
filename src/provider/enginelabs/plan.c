/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers are taken as they stand; what is missing is not mentioned. */
#include "provider/enginelabs/plan.h"

#include <stdio.h>

#include "provider/enginelabs/fields.h"

enum { NUMBER_MAX = 24 };

static bool is_true(struct str body, const char *name)
{
    struct json_value v;

    return !json_find(body, &v, name, NULL) && v.type == JSON_TRUE;
}

/* {"dailyUsage", "dailyLimit", "weeklyLimit"} */
static bool read_daily(struct str body, struct plan *ret)
{
    char used[NUMBER_MAX];
    char limit[NUMBER_MAX];
    char week[NUMBER_MAX];

    if (!field_member_scalar(body, "dailyLimit", limit, sizeof(limit)))
        return false;
    if (!field_member_scalar(body, "dailyUsage", used, sizeof(used)))
        str_to_z(STR("?"), used, sizeof(used));
    field_member_scalar(body, "weeklyLimit", week, sizeof(week));
    snprintf(ret->quota, sizeof(ret->quota), "%s of %s used today%s%s%s", used, limit,
             week[0] ? ", " : "", week, week[0] ? " a week" : "");
    return true;
}

/* The older {"taskCreditsLimit", "taskCreditsUsage", "taskConcurrencyLimit", ...} */
static bool read_credits(struct str body, struct plan *ret)
{
    char used[NUMBER_MAX];
    char limit[NUMBER_MAX];
    char at_once[NUMBER_MAX];

    if (!field_member_scalar(body, "taskCreditsLimit", limit, sizeof(limit)))
        return false;
    if (!field_member_scalar(body, "taskCreditsUsage", used, sizeof(used)))
        str_to_z(STR("?"), used, sizeof(used));
    field_member_scalar(body, "taskConcurrencyLimit", at_once, sizeof(at_once));
    snprintf(ret->quota, sizeof(ret->quota), "%s of %s credits used%s%s%s", used, limit,
             at_once[0] ? ", " : "", at_once, at_once[0] ? " at once" : "");
    return true;
}

static double number_of(const struct json_value *v)
{
    double d;

    return !json_double(v, &d) && d >= 0 && d < 1e15 ? d : -1;
}

static int64_t whole_of(const struct json_value *v)
{
    int64_t n;

    return !json_int(v, &n) && n >= 0 ? n : -1;
}

static double number_at(struct str body, const char *name)
{
    struct json_value v;

    return json_find(body, &v, name, NULL) ? -1 : number_of(&v);
}

static int64_t whole_at(struct str body, const char *name)
{
    struct json_value v;

    return json_find(body, &v, name, NULL) ? -1 : whole_of(&v);
}

static void read_numbers(struct str body, struct plan *ret)
{
    ret->tier_rank = whole_at(body, "tier");
    ret->daily_usage = number_at(body, "dailyUsage");
    ret->daily_limit = number_at(body, "dailyLimit");
    ret->weekly_usage = number_at(body, "weeklyUsage");
    ret->weekly_limit = number_at(body, "weeklyLimit");
    ret->credits_usage = number_at(body, "taskCreditsUsage");
    ret->credits_limit = number_at(body, "taskCreditsLimit");
    ret->tasks_running = whole_at(body, "taskConcurrencyUsage");
    ret->tasks_max = whole_at(body, "taskConcurrencyLimit");
}

/* An empty object says nothing; the inside of another one is not recorded anywhere. */
static void read_limit_reached(struct str body, struct plan *ret)
{
    struct json_value v;

    if (json_find(body, &v, "limitReached", NULL) || v.type == JSON_NONE || v.type == JSON_NULL ||
        v.raw.n >= sizeof(ret->limit_reached) || str_eq(v.raw, STR("{}")))
        return;
    str_to_z(v.raw, ret->limit_reached, sizeof(ret->limit_reached));
}

enum err plan_read(struct str body, struct plan *ret)
{
    struct plan plan = { 0 };
    struct json j;
    struct json_value v;
    enum err err;

    json_init(&j, body, JSON_DEPTH_MAX);
    json_read(&j, &v);
    err = json_end(&j);
    if (err)
        return err;
    if (v.type != JSON_OBJECT)
        return ERR_BAD_INPUT;
    field_member_scalar(body, "tier", plan.tier, sizeof(plan.tier));
    if (!read_daily(body, &plan))
        read_credits(body, &plan);
    read_numbers(body, &plan);
    read_limit_reached(body, &plan);
    plan.is_used_up = is_true(body, "hasReachedLimit");
    *ret = plan;
    return ERR_NONE;
}
