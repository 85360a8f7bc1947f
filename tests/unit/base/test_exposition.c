/* SPDX-License-Identifier: Apache-2.0 */
/* Both text formats, and which one a client gets. */
#include "base/exposition.h"

#include "test.h"

static void write_all(enum exposition_format format, struct buf *out)
{
    const struct exposition_label odd = { STR("model"), STR("a\"b\\c\nd") };
    const struct exposition_label two[] = { { STR("a"), STR("") }, { STR("b"), STR("\xc3\xa9") } };
    struct exposition e;

    exposition_init(&e, out, format);
    exposition_family(&e, "sent_bytes_total", "counter", "Bytes.");
    exposition_sample(&e, "", &odd, 1, 7);
    exposition_family(&e, "process_cpu_seconds_total", "counter", "Seconds.");
    exposition_sample_us(&e, "", NULL, 0, 12000034);
    exposition_family(&e, "wait_seconds", "histogram", "Waits.");
    exposition_sample(&e, "_count", two, 2, -1);
    EXPECT(!exposition_end(&e));
}

static void writes_prometheus_text(void)
{
    struct buf out;

    buf_init(&out, 4096);
    write_all(EXPOSITION_PROMETHEUS, &out);
    EXPECT_STR(buf_str(&out), "# HELP enginelabs2api_sent_bytes_total Bytes.\n"
                              "# TYPE enginelabs2api_sent_bytes_total counter\n"
                              "enginelabs2api_sent_bytes_total{model=\"a\\\"b\\\\c\\nd\"} 7\n"
                              "# HELP process_cpu_seconds_total Seconds.\n"
                              "# TYPE process_cpu_seconds_total counter\n"
                              "process_cpu_seconds_total 12.000034\n"
                              "# HELP enginelabs2api_wait_seconds Waits.\n"
                              "# TYPE enginelabs2api_wait_seconds histogram\n"
                              "enginelabs2api_wait_seconds_count{a=\"\",b=\"\xc3\xa9\"} -1\n");
    buf_deinit(&out);
}

static void writes_openmetrics(void)
{
    struct buf out;

    buf_init(&out, 4096);
    write_all(EXPOSITION_OPENMETRICS, &out);
    EXPECT_STR(buf_str(&out), "# HELP enginelabs2api_sent_bytes Bytes.\n"
                              "# TYPE enginelabs2api_sent_bytes counter\n"
                              "# UNIT enginelabs2api_sent_bytes bytes\n"
                              "enginelabs2api_sent_bytes_total{model=\"a\\\"b\\\\c\\nd\"} 7\n"
                              "# HELP process_cpu_seconds Seconds.\n"
                              "# TYPE process_cpu_seconds counter\n"
                              "# UNIT process_cpu_seconds seconds\n"
                              "process_cpu_seconds_total 12.000034\n"
                              "# HELP enginelabs2api_wait_seconds Waits.\n"
                              "# TYPE enginelabs2api_wait_seconds histogram\n"
                              "# UNIT enginelabs2api_wait_seconds seconds\n"
                              "enginelabs2api_wait_seconds_count{a=\"\",b=\"\xc3\xa9\"} -1\n"
                              "# EOF\n");
    buf_deinit(&out);
}

static void says_when_it_is_not_whole(void)
{
    struct buf full;

    for (size_t max = 0; max < 60; max++) {
        struct exposition e;

        buf_init(&full, max);
        exposition_init(&e, &full, EXPOSITION_OPENMETRICS);
        exposition_family(&e, "timers", "gauge", "Timers.");
        EXPECT_INT(exposition_end(&e), ERR_TOO_BIG);
        buf_deinit(&full);
    }
}

static void gives_the_format_that_is_asked_for(void)
{
    static const struct {
        const char *accept;
        enum exposition_format want;
    } rows[] = {
        { "", EXPOSITION_PROMETHEUS },
        { "*/*", EXPOSITION_PROMETHEUS },
        { "text/plain", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text", EXPOSITION_OPENMETRICS },
        { "APPLICATION/OpenMetrics-Text ; version=1.0.0", EXPOSITION_OPENMETRICS },
        /* what Prometheus 2 sends */
        { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
          "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
          EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0.5, text/plain", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;q=0.5, text/plain;q=0.499", EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0.5, text/plain; q=0.5", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;q=0", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;q=0.001", EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0, */*", EXPOSITION_PROMETHEUS },
        { "text/html,application/xhtml+xml,*/*;q=0.8", EXPOSITION_PROMETHEUS },
        { "application/*;q=0.9, text/*;q=0.1", EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0.8, text/plain;q=0.x", EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0.8, text/plain;q=", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;q=0.8, text/plain;q=1.0", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;q=0.8, text/plain;q=0.9999", EXPOSITION_PROMETHEUS },
        { "application/openmetrics-text;;q=0.8;, ,text/plain;q=0", EXPOSITION_OPENMETRICS },
        { "application/openmetrics-text;q=0.2, */*;q=0.9", EXPOSITION_PROMETHEUS },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (exposition_choose(str_of(rows[i].accept)) != rows[i].want)
            fail_msg("%s", rows[i].accept);
}

static const struct test suite[] = {
    { "writes Prometheus text", writes_prometheus_text },
    { "writes OpenMetrics", writes_openmetrics },
    { "says when it is not whole", says_when_it_is_not_whole },
    { "gives the format that is asked for", gives_the_format_that_is_asked_for },
};

TEST_MAIN(suite)
