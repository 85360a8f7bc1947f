/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles against ranks that were counted by hand. */
#include "bench/samples.h"

#include "test.h"

static void a_percentile_is_the_nearest_rank(void)
{
    static const struct {
        size_t n; /* samples n, n - 1, ... 1 */
        double share;
        uint32_t want;
    } rows[] = {
        { 1, 0, 1 },       { 1, 1, 1 },       { 2, 0.5, 1 },       { 2, 0.51, 2 },
        { 100, 0.5, 50 },  { 100, 0.99, 99 }, { 100, 0.991, 100 }, { 1000, 0.999, 999 },
        { 1000, 1, 1000 }, { 3, 0.5, 2 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct samples s = { .us = NULL };

        for (size_t k = rows[i].n; k > 0; k--)
            samples_add(&s, (int64_t)k);
        samples_sort(&s);
        EXPECT_INT(samples_percentile_us(&s, rows[i].share), rows[i].want);
        samples_deinit(&s);
    }
}

static void nothing_has_the_percentile_zero(void)
{
    struct samples s = { .us = NULL };

    samples_sort(&s);
    EXPECT_INT(samples_percentile_us(&s, 0.5), 0);
}

static void times_that_cannot_be_are_cut(void)
{
    struct samples s = { .us = NULL };

    samples_add(&s, -5);
    samples_add(&s, INT64_MAX);
    EXPECT_INT(s.us[0], 0);
    EXPECT_INT(s.us[1], 3600000000U);
    samples_deinit(&s);
}

static void what_is_too_many_is_counted(void)
{
    struct samples s = { .us = NULL };

    for (size_t i = 0; i < SAMPLES_MAX + 3; i++)
        samples_add(&s, 1);
    EXPECT_INT(s.n, SAMPLES_MAX);
    EXPECT_INT(s.dropped, 3);
    samples_deinit(&s);
}

static const struct test suite[] = {
    { "a percentile is the nearest rank", a_percentile_is_the_nearest_rank },
    { "nothing has the percentile zero", nothing_has_the_percentile_zero },
    { "times that cannot be are cut", times_that_cannot_be_are_cut },
    { "what is too many is counted", what_is_too_many_is_counted },
};

TEST_MAIN(suite)
