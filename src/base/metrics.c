/* SPDX-License-Identifier: Apache-2.0 */
/* Relaxed atomics: each number is exact, two read together need not fit each other. */
#include "base/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>

static const struct {
    const char *name;
    const char *type;
    const char *help;
} metrics[] = {
#define X(id, name, type, help) [id] = { name, type, help },
    METRIC_LIST(X)
#undef X
};

static _Atomic int64_t values[METRIC_COUNT];
static atomic_bool are_left_out[METRIC_COUNT];

void metric_add(enum metric m, int64_t n)
{
    atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

int64_t metric_get(enum metric m)
{
    return atomic_load_explicit(&values[m], memory_order_relaxed);
}

void metric_leave_out(enum metric m, bool is_left_out)
{
    atomic_store_explicit(&are_left_out[m], is_left_out, memory_order_relaxed);
}

void metrics_write(struct exposition *e)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (atomic_load_explicit(&are_left_out[i], memory_order_relaxed))
            continue;
        exposition_family(e, metrics[i].name, metrics[i].type, metrics[i].help);
        exposition_sample(e, "", NULL, 0, metric_get((enum metric)i));
    }
}
