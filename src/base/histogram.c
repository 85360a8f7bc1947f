/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

static const struct histogram_bound bounds[HISTOGRAM_RANGES][HISTOGRAM_BOUNDS] = {
    [HISTOGRAM_FAST] = { { 100, "0.0001" },
                         { 250, "0.00025" },
                         { 500, "0.0005" },
                         { 1000, "0.001" },
                         { 2500, "0.0025" },
                         { 5000, "0.005" },
                         { 10000, "0.01" },
                         { 25000, "0.025" },
                         { 50000, "0.05" },
                         { 100000, "0.1" },
                         { 250000, "0.25" },
                         { 500000, "0.5" },
                         { 1000000, "1.0" },
                         { 2500000, "2.5" },
                         { 5000000, "5.0" },
                         { 10000000, "10.0" } },
    [HISTOGRAM_SLOW] = { { 5000, "0.005" },
                         { 25000, "0.025" },
                         { 100000, "0.1" },
                         { 250000, "0.25" },
                         { 500000, "0.5" },
                         { 1000000, "1.0" },
                         { 2000000, "2.0" },
                         { 3000000, "3.0" },
                         { 5000000, "5.0" },
                         { 10000000, "10.0" },
                         { 20000000, "20.0" },
                         { 30000000, "30.0" },
                         { 60000000, "60.0" },
                         { 120000000, "120.0" },
                         { 300000000, "300.0" },
                         { 600000000, "600.0" } },
};

const struct histogram_bound *histogram_bounds(enum histogram_range range)
{
    return bounds[range];
}

size_t histogram_bucket(enum histogram_range range, int64_t us)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && us > bounds[range][i].us)
        i++;
    return i;
}

int64_t histogram_count(const struct histogram *h)
{
    int64_t n = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        n += h->buckets[i];
    return n;
}

void histogram_since(struct histogram *h, const struct histogram *before)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] -= before->buckets[i];
    h->sum_us -= before->sum_us;
}

int64_t histogram_quantile_us(const struct histogram *h, double share)
{
    double rank = share * (double)histogram_count(h);
    int64_t below = 0, from, to;
    size_t i = 0;

    if (histogram_count(h) == 0)
        return -1;
    while (i < HISTOGRAM_BOUNDS && (double)(below + h->buckets[i]) < rank)
        below += h->buckets[i++];
    if (i == HISTOGRAM_BOUNDS)
        return bounds[h->range][HISTOGRAM_BOUNDS - 1].us;
    from = i > 0 ? bounds[h->range][i - 1].us : 0;
    to = bounds[h->range][i].us;
    if (h->buckets[i] == 0)
        return from;
    return from + (int64_t)((double)(to - from) * (rank - (double)below) / (double)h->buckets[i]);
}
