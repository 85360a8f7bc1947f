/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API tells of an account: its plan, what is left of it. Both known
 * shapes of /billing are read. Pure, any thread.
 */
#pragma once

#include "base/buf.h"
#include "json/reader.h"

/* Numbers are what the service counts in (calls, credits: fractions may occur), -1 when they are
 * not told. */
struct plan {
    char tier[64];           /* "" when it is not told */
    int64_t tier_rank;       /* the tier, where it is a whole number */
    char quota[128];         /* "12 of 300 used today, 900 a week", "" when it is not told */
    bool is_used_up;         /* the service says that a limit is reached */
    char limit_reached[256]; /* which, as it stands (JSON); "" when it says nothing, or too much */
    double daily_usage;
    double daily_limit;
    double weekly_usage;
    double weekly_limit;
    double credits_usage;
    double credits_limit;
    int64_t tasks_running; /* taskConcurrencyUsage */
    int64_t tasks_max;     /* taskConcurrencyLimit */
};

/* ERR_BAD_INPUT when the text is no JSON object. */
MUST_USE enum err plan_read(struct str body, struct plan *ret);
