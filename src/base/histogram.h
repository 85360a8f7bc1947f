/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times in buckets: where a time falls, and what many of them say. The bounds are fixed, so that
 * sums over labels, processes and days are sums of counts. Pure; series.h counts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum histogram_range {
    HISTOGRAM_FAST, /* 100 us to 10 s: what the gateway does itself */
    HISTOGRAM_SLOW, /* 5 ms to 10 min: what models take */
    HISTOGRAM_RANGES,
};

enum { HISTOGRAM_BOUNDS = 16, HISTOGRAM_BUCKETS = HISTOGRAM_BOUNDS + 1 };

struct histogram_bound {
    int64_t us;       /* the largest time of its bucket */
    const char *text; /* in seconds: the label `le` */
};

/* HISTOGRAM_BOUNDS of them, rising; the last bucket is for what is above. */
const struct histogram_bound *histogram_bounds(enum histogram_range range);

/* The bucket of a time; negative ones count as 0. */
size_t histogram_bucket(enum histogram_range range, int64_t us);

/* Counts that were read at one moment. */
struct histogram {
    enum histogram_range range;
    int64_t buckets[HISTOGRAM_BUCKETS];
    int64_t sum_us;
};

int64_t histogram_count(const struct histogram *h);

/* What came since `before`, an older reading of the same. */
void histogram_since(struct histogram *h, const struct histogram *before);

/* The time that this share of them (0.5, 0.99) does not exceed, as far as buckets tell: evenly
 * spread within one, and what is above all bounds counts as the last. -1: there are none. */
int64_t histogram_quantile_us(const struct histogram *h, double share);
