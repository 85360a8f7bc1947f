/* SPDX-License-Identifier: Apache-2.0 */
/* The last hour by its minutes. */
#include "gateway/minutes.h"
#include "test.h"

static const int64_t START_MS = 1790000040000; /* a whole minute */

static void add(struct minutes *m, int64_t at_ms, int64_t tokens)
{
    minutes_add(m, START_MS + at_ms,
                &(struct minute){ .requests = 1, .failed = tokens == 0, .prompt_tokens = tokens });
}

static void adds_up_what_is_of_one_minute(void)
{
    struct minutes *m = minutes_new();
    struct minute all[MINUTES];

    add(m, 0, 5);
    add(m, 59999, 7);
    add(m, 60000, 0);
    minutes_read(m, START_MS + 61000, all);
    EXPECT_INT(all[59].at_s, START_MS / 1000 + 60);
    EXPECT_INT(all[59].requests, 1);
    EXPECT_INT(all[59].failed, 1);
    EXPECT_INT(all[58].requests, 2);
    EXPECT_INT(all[58].prompt_tokens, 12);
    EXPECT_INT(all[57].requests, 0);
    EXPECT_INT(all[0].at_s, START_MS / 1000 - 58 * 60);
    minutes_free(m);
}

static void forgets_what_is_older(void)
{
    struct minutes *m = minutes_new();
    struct minute all[MINUTES];

    add(m, 0, 5);
    minutes_read(m, START_MS + 59 * 60000, all);
    EXPECT_INT(all[0].requests, 1);
    minutes_read(m, START_MS + 60 * 60000, all);
    for (size_t i = 0; i < MINUTES; i++)
        EXPECT_INT(all[i].requests, 0);
    add(m, 60 * 60000, 1); /* in the place of the first */
    minutes_read(m, START_MS + 60 * 60000, all);
    EXPECT_INT(all[59].requests, 1);
    EXPECT_INT(all[59].prompt_tokens, 1);
    minutes_free(m);
}

static const struct test suite[] = {
    { "adds up what is of one minute", adds_up_what_is_of_one_minute },
    { "forgets what is older", forgets_what_is_older },
};

TEST_MAIN(suite)
