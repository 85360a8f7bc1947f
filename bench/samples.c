/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/samples.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static const int64_t HOUR_US = INT64_C(3600) * 1000 * 1000;

void samples_deinit(struct samples *s)
{
    mem_free(s->us);
    *s = (struct samples){ .us = NULL };
}

void samples_add(struct samples *s, int64_t us)
{
    if (s->n == SAMPLES_MAX) {
        s->dropped++;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->us = mem_grow_array(s->us, s->cap, sizeof(*s->us));
    }
    s->us[s->n++] = (uint32_t)(us < 0 ? 0 : us > HOUR_US ? HOUR_US : us);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
    if (s->n)
        qsort(s->us, s->n, sizeof(*s->us), compare);
}

uint32_t samples_percentile_us(const struct samples *s, double share)
{
    size_t rank = (size_t)ceil(share * (double)s->n);

    if (!s->n)
        return 0;
    return s->us[rank ? rank - 1 : 0];
}
