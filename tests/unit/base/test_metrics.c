/* SPDX-License-Identifier: Apache-2.0 */
/* Counting from many threads, and the Prometheus text. */
#include "base/metrics.h"

#include <pthread.h>

#include "test.h"

enum { THREADS = 4, ROUNDS = 10000 };

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(METRIC_REQUESTS, 1);
        metric_add(METRIC_CONNECTIONS, i % 2 ? -1 : 1);
    }
    return NULL;
}

static void no_count_is_lost_between_threads(void)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_join(threads[i], NULL), 0);
    EXPECT_INT(metric_get(METRIC_REQUESTS), THREADS * ROUNDS);
    EXPECT_INT(metric_get(METRIC_CONNECTIONS), 0);
}

static void writes_prometheus_text(void)
{
    struct exposition e;
    struct buf b;
    size_t lines = 0;

    metric_add(METRIC_TIMERS, -3);
    buf_init(&b, 1 << 16);
    exposition_init(&e, &b, EXPOSITION_PROMETHEUS);
    metrics_write(&e);
    EXPECT(!exposition_end(&e));
    EXPECT(str_find(buf_str(&b), STR("# HELP enginelabs2api_timers Timers armed now.\n"
                                     "# TYPE enginelabs2api_timers gauge\n"
                                     "enginelabs2api_timers -3\n")) != SIZE_MAX);
    for (size_t i = 0; i < b.n; i++)
        lines += b.p[i] == '\n';
    EXPECT_INT(lines, 3 * METRIC_COUNT);
    buf_deinit(&b);
}

static const struct test suite[] = {
    { "no count is lost between threads", no_count_is_lost_between_threads },
    { "writes Prometheus text", writes_prometheus_text },
};

TEST_MAIN(suite)
