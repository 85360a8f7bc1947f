/* SPDX-License-Identifier: Apache-2.0 */
/* Times that were measured, and their percentiles. Bounded: beyond SAMPLES_MAX they are counted
 * only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SAMPLES_MAX = 4 << 20 };

struct samples {
    uint32_t *us; /* owned; NULL while nothing was added */
    size_t n;
    size_t cap;
    size_t dropped;
};

void samples_deinit(struct samples *s);

/* Less than nothing is nothing; more than an hour is an hour. */
void samples_add(struct samples *s, int64_t us);

/* Sorts: before samples_percentile_us(). */
void samples_sort(struct samples *s);

/* The nearest rank: of the sorted samples the least one that `share` (0 to 1) of all do not exceed.
 * 0 without samples. */
uint32_t samples_percentile_us(const struct samples *s, double share);
