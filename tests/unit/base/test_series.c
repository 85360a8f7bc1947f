/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by labels: counted from many threads, found again, bounded, written. */
#include "base/series.h"

#include <pthread.h>

#include "test.h"

enum { THREADS = 4, ROUNDS = 20000, NAMES = 50 };

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char name[32];
        struct str value;

        snprintf(name, sizeof(name), "operation %d", i % NAMES);
        value = str_of(name);
        series_observe(series_row(SERIES_STORE, &value), i % 1000, 1);
    }
    return NULL;
}

/* All threads make the same rows at once. */
static void no_count_is_lost_between_threads(void)
{
    pthread_t threads[THREADS];
    struct histogram h;

    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_join(threads[i], NULL), 0);
    series_histogram(SERIES_STORE, &h);
    EXPECT_INT(histogram_count(&h), THREADS * ROUNDS);
    EXPECT_INT(h.sum_us, (int64_t)THREADS * ROUNDS / 1000 * 499500);
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        struct str value;

        snprintf(name, sizeof(name), "operation %d", i);
        value = str_of(name);
        EXPECT(series_row(SERIES_STORE, &value) == series_row(SERIES_STORE, &value));
    }
}

static struct buf out;

static bool has(const char *line)
{
    return str_find(buf_str(&out), str_of(line)) != SIZE_MAX;
}

static void write_all(void)
{
    struct exposition e;

    buf_init(&out, 16 << 20);
    exposition_init(&e, &out, EXPOSITION_PROMETHEUS);
    series_write(&e);
    EXPECT(!exposition_end(&e));
}

/* One that counted shows all outcomes, so that a rate has something to begin with. */
static void writes_rows_with_all_their_cells(void)
{
    const struct str values[] = { STR("openai_chat"), STR("/chat/completions"), STR("cto"),
                                  STR("GPT\"5") };

    series_add(series_row(SERIES_REQUESTS, values), 1, 3);
    series_add(series_row(SERIES_FAILURES, values), 0, 2);
    EXPECT_INT(series_total(SERIES_REQUESTS, 1), 3);
    write_all();
    EXPECT(has("# TYPE enginelabs2api_requests_total counter\n"));
    EXPECT(has("enginelabs2api_requests_total{dialect=\"openai_chat\","
               "endpoint=\"/chat/completions\",upstream=\"cto\",model=\"GPT\\\"5\","
               "outcome=\"failed\"} 3\n"));
    EXPECT(has("model=\"GPT\\\"5\",outcome=\"completed\"} 0\n"));
    EXPECT(has("enginelabs2api_request_failures_total{upstream=\"openai_chat\","
               "code=\"/chat/completions\"} 2\n"));
    buf_deinit(&out);
}

static void writes_histograms(void)
{
    series_observe(series_row(SERIES_OVERHEAD, NULL), 100, 1);
    series_observe(series_row(SERIES_OVERHEAD, NULL), 101, 2);
    series_observe(series_row(SERIES_OVERHEAD, NULL), 90000000, 1);
    write_all();
    EXPECT(has("# TYPE enginelabs2api_gateway_overhead_seconds histogram\n"
               "enginelabs2api_gateway_overhead_seconds_bucket{le=\"0.0001\"} 1\n"
               "enginelabs2api_gateway_overhead_seconds_bucket{le=\"0.00025\"} 3\n"));
    EXPECT(has("enginelabs2api_gateway_overhead_seconds_bucket{le=\"10.0\"} 3\n"
               "enginelabs2api_gateway_overhead_seconds_bucket{le=\"+Inf\"} 4\n"
               "enginelabs2api_gateway_overhead_seconds_sum 90.000302\n"
               "enginelabs2api_gateway_overhead_seconds_count 4\n"));
    buf_deinit(&out);
}

static void count_tokens(const char *upstream, int upstream_n, const char *model, int model_n)
{
    char names[2][32];
    struct str values[2];

    snprintf(names[0], sizeof(names[0]), "%s %d", upstream, upstream_n);
    snprintf(names[1], sizeof(names[1]), "%s %d", model, model_n);
    values[0] = str_of(names[0]);
    values[1] = str_of(names[1]);
    series_add(series_row(SERIES_TOKENS, values), 0, 1);
}

static size_t token_rows(void)
{
    size_t rows = 0;

    for (struct str rest = buf_str(&out), line; rest.n;) {
        line = str_cut(rest, '\n', &rest);
        rows += str_starts(line, STR("enginelabs2api_tokens_total{")) &&
                str_find(line, STR("\"input\"")) != SIZE_MAX;
    }
    return rows;
}

/* Whatever names come, there are so many rows; nothing that was counted is lost. */
static void rows_are_bounded(void)
{
    for (int i = 0; i < SERIES_ROWS_MAX; i++)
        count_tokens("upstream", i / 50, "model", i);
    write_all();
    EXPECT(has("upstream=\"upstream 0\",model=\"model 0\",direction=\"input\"} 1\n"));
    EXPECT(has("upstream=\"upstream 19\",model=\"other\",direction=\"input\"} 50\n"));
    EXPECT(token_rows() < SERIES_ROWS_MAX);
    buf_deinit(&out);
    for (int i = 0; i < SERIES_ROWS_MAX; i++)
        count_tokens("another", i, "model", 0);
    write_all();
    EXPECT(has("upstream=\"another 0\",model=\"other\",direction=\"input\"} 1\n"));
    EXPECT(has("upstream=\"other\",model=\"other\",direction=\"input\"} "));
    EXPECT_INT(token_rows(), SERIES_ROWS_MAX + 1);
    EXPECT_INT(series_total(SERIES_TOKENS, 0), 2 * SERIES_ROWS_MAX);
    buf_deinit(&out);
}

static void what_is_no_text_is_other(void)
{
    char room[SERIES_VALUE_MAX + 1];
    const struct str other[] = { STR("a"), STR("other") };
    const struct str bad[] = { STR("a"), STR("\xff") };
    struct str longest[] = { STR("a"), { room, SERIES_VALUE_MAX } };
    struct series_row *row = series_row(SERIES_DURATION, other);

    memset(room, 'x', sizeof(room));
    EXPECT(series_row(SERIES_DURATION, bad) == row);
    EXPECT(series_row(SERIES_DURATION, longest) != row);
    longest[1].n++;
    EXPECT(series_row(SERIES_DURATION, longest) == row);
}

static const struct test suite[] = {
    { "no count is lost between threads", no_count_is_lost_between_threads },
    { "writes rows with all their cells", writes_rows_with_all_their_cells },
    { "writes histograms", writes_histograms },
    { "rows are bounded", rows_are_bounded },
    { "what is no text is other", what_is_no_text_is_other },
};

TEST_MAIN(suite)
