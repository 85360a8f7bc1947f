/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/plan.h"
#include "test.h"

static void reads_both_shapes_of_billing(void)
{
    static const struct {
        const char *body;
        const char *tier;
        const char *quota;
        bool is_used_up;
    } rows[] = {
        { "{\"tier\":0,\"dailyUsage\":12,\"dailyLimit\":300,\"weeklyLimit\":900,"
          "\"hasReachedLimit\":false,\"limitReached\":{}}",
          "0", "12 of 300 used today, 900 a week", false },
        { "{\"tier\":\"pro\",\"dailyUsage\":300,\"dailyLimit\":300,\"hasReachedLimit\":true}",
          "pro", "300 of 300 used today", true },
        { "{\"dailyLimit\":300}", "", "? of 300 used today", false },
        { "{\"taskCreditsLimit\":50,\"taskCreditsUsage\":7.5,\"taskConcurrencyLimit\":2,"
          "\"taskConcurrencyUsage\":0}",
          "", "7.5 of 50 credits used, 2 at once", false },
        { "{\"taskCreditsLimit\":50}", "", "? of 50 credits used", false },
        { "{}", "", "", false },
        { "{\"tier\":{},\"dailyLimit\":null,\"hasReachedLimit\":1}", "", "", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan p;

        EXPECT_INT(plan_read(str_of(rows[i].body), &p), ERR_NONE);
        EXPECT_Z(p.tier, rows[i].tier);
        EXPECT_Z(p.quota, rows[i].quota);
        EXPECT_INT(p.is_used_up, rows[i].is_used_up);
    }
}

static void tells_numbers_too(void)
{
    struct plan p;

    EXPECT_INT(
        plan_read(STR("{\"tier\":1,\"dailyUsage\":12.5,\"dailyLimit\":300,\"weeklyUsage\":40,"
                      "\"weeklyLimit\":900,\"hasReachedLimit\":true,"
                      "\"limitReached\":{\"type\":\"daily\"}}"),
                  &p),
        ERR_NONE);
    EXPECT_INT(p.tier_rank, 1);
    EXPECT_INT(p.daily_usage * 10, 125);
    EXPECT_INT(p.daily_limit, 300);
    EXPECT_INT(p.weekly_usage, 40);
    EXPECT_INT(p.weekly_limit, 900);
    EXPECT_INT(p.credits_limit, -1);
    EXPECT_INT(p.tasks_max, -1);
    EXPECT_Z(p.limit_reached, "{\"type\":\"daily\"}");
    EXPECT_INT(plan_read(STR("{\"taskCreditsLimit\":50,\"taskCreditsUsage\":7.5,"
                             "\"taskConcurrencyLimit\":2,\"taskConcurrencyUsage\":0}"),
                         &p),
               ERR_NONE);
    EXPECT_INT(p.credits_limit, 50);
    EXPECT_INT(p.credits_usage * 10, 75);
    EXPECT_INT(p.tasks_max, 2);
    EXPECT_INT(p.tasks_running, 0);
    EXPECT_INT(p.daily_limit, -1);
    EXPECT_INT(p.tier_rank, -1);
    EXPECT_Z(p.limit_reached, "");
}

static void what_is_no_number_is_not_told(void)
{
    static const char *const rows[] = {
        "{\"dailyLimit\":\"300\",\"tier\":\"pro\",\"taskConcurrencyLimit\":2.5}",
        "{\"dailyLimit\":-1,\"tier\":-1,\"taskConcurrencyLimit\":-2}",
        "{\"dailyLimit\":1e999,\"tier\":1e0,\"taskConcurrencyLimit\":99999999999999999999}",
        "{\"dailyLimit\":null,\"tier\":{},\"limitReached\":null}",
        "{\"limitReached\":{}}",
    };
    struct plan p;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(plan_read(str_of(rows[i]), &p), ERR_NONE);
        EXPECT_INT(p.daily_limit, -1);
        EXPECT_INT(p.tier_rank, -1);
        EXPECT_INT(p.tasks_max, -1);
        EXPECT_Z(p.limit_reached, "");
    }
}

static void refuses_what_is_no_plan(void)
{
    static const char *const rows[] = { "", "[]", "null", "<html>", "{\"tier\":0" };
    struct plan p;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(plan_read(str_of(rows[i]), &p), ERR_BAD_INPUT);
}

static const struct test suite[] = {
    { "reads both shapes of billing", reads_both_shapes_of_billing },
    { "tells numbers too", tells_numbers_too },
    { "what is no number is not told", what_is_no_number_is_not_told },
    { "refuses what is no plan", refuses_what_is_no_plan },
};

TEST_MAIN(suite)
