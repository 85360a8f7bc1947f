/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets, and quantiles against the times that were counted. */
#include "base/histogram.h"

#include <stdlib.h>

#include "test.h"

static void each_time_has_its_bucket(void)
{
    for (int range = 0; range < HISTOGRAM_RANGES; range++) {
        const struct histogram_bound *b = histogram_bounds((enum histogram_range)range);

        EXPECT_INT(histogram_bucket((enum histogram_range)range, -5), 0);
        for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
            EXPECT(strtod(b[i].text, NULL) * 1e6 == (double)b[i].us);
            EXPECT(i == 0 || b[i].us > b[i - 1].us);
            EXPECT_INT(histogram_bucket((enum histogram_range)range, b[i].us), i);
            EXPECT_INT(histogram_bucket((enum histogram_range)range, b[i].us + 1), i + 1);
        }
        EXPECT_INT(histogram_bucket((enum histogram_range)range, INT64_MAX), HISTOGRAM_BOUNDS);
    }
}

static void count_time(struct histogram *h, int64_t us)
{
    h->buckets[histogram_bucket(h->range, us)]++;
    h->sum_us += us;
}

static void a_quantile_is_in_the_bucket_of_the_true_one(void)
{
    static const double shares[] = { 0.01, 0.5, 0.9, 0.99, 1 };
    struct histogram h = { .range = HISTOGRAM_FAST };

    EXPECT_INT(histogram_quantile_us(&h, 0.5), -1);
    for (int64_t us = 1; us <= 100000; us++) /* evenly spread up to 0.1 s */
        count_time(&h, us);
    EXPECT_INT(histogram_count(&h), 100000);
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        int64_t want = (int64_t)(shares[i] * 100000);
        int64_t got = histogram_quantile_us(&h, shares[i]);

        EXPECT(got >= want - 1 && got <= want + 1);
    }
}

static void few_times_and_long_ones(void)
{
    struct histogram h = { .range = HISTOGRAM_SLOW };

    count_time(&h, 4000000);
    EXPECT(histogram_quantile_us(&h, 0.5) > 3000000);
    EXPECT(histogram_quantile_us(&h, 1) == 5000000);
    count_time(&h, 3600000000);
    EXPECT_INT(histogram_quantile_us(&h, 0.99), 600000000);
    EXPECT(histogram_quantile_us(&h, 0) == 0);
}

static void tells_what_came_since(void)
{
    struct histogram before = { .range = HISTOGRAM_FAST };
    struct histogram h;

    for (int i = 0; i < 1000; i++)
        count_time(&before, 50);
    h = before;
    count_time(&h, 2000000);
    histogram_since(&h, &before);
    EXPECT_INT(histogram_count(&h), 1);
    EXPECT_INT(h.sum_us, 2000000);
    EXPECT(histogram_quantile_us(&h, 0.5) > 1000000);
}

static const struct test suite[] = {
    { "each time has its bucket", each_time_has_its_bucket },
    { "a quantile is in the bucket of the true one", a_quantile_is_in_the_bucket_of_the_true_one },
    { "few times, and long ones", few_times_and_long_ones },
    { "tells what came since", tells_what_came_since },
};

TEST_MAIN(suite)
