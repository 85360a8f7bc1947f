/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway at a glance: from counters that there are anyway. */
#include <limits.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "admin/handlers.h"
#include "base/metrics.h"
#include "base/process.h"
#include "base/series.h"
#include "gateway/minutes.h"

static void write_store(const struct gateway *g, struct json_writer *j)
{
    char why[STORE_PROBLEM_MAX] = "";
    bool is_ready = store_is_ready(g->store, why);

    json_w_key(j, "store");
    json_w_object(j);
    json_w_member_str(j, "name", str_of(store_name(g->store)));
    json_w_member_bool(j, "ready", is_ready);
    json_w_key(j, "problem");
    if (is_ready)
        json_w_null(j);
    else
        json_w_str(j, str_of(why));
    json_w_object_end(j);
}

static void write_times(struct json_writer *j, const char *name, enum series series)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 } };
    struct histogram h;

    series_histogram(series, &h);
    json_w_key(j, name);
    if (histogram_count(&h) == 0) {
        json_w_null(j);
        return;
    }
    json_w_object(j);
    for (size_t i = 0; i < COUNT_OF(quantiles); i++)
        json_w_member_int(j, quantiles[i].name,
                          histogram_quantile_us(&h, quantiles[i].share) / 1000);
    json_w_object_end(j);
}

/* Of several gateways behind one name, which this is. */
static void write_process(struct json_writer *j)
{
    char host[HOST_NAME_MAX + 1] = "";

    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    json_w_member_str(j, "host", str_of(host));
    json_w_member_int(j, "process", getpid());
}

void admin_write_overview(const struct gateway_worker *w, struct json_writer *j)
{
    const struct gateway *g = w->gateway;
    int64_t failed = metric_get(METRIC_EXCHANGES_FAILED);
    int64_t canceled = metric_get(METRIC_EXCHANGES_CANCELED);

    json_w_member_str(j, "version", str_of(g->version));
    write_process(j);
    json_w_member_bool(j, "demo", g->demo);
    json_w_member_int(j, "uptime_s", (loop_now_ms(w->loop) - g->started_ms) / 1000);
    json_w_member_str(j, "state", atomic_load(&g->draining) ? STR("draining") : STR("running"));
    write_store(g, j);
    json_w_member_int(j, "running", metric_get(METRIC_EXCHANGES));
    json_w_member_int(j, "connections", (int64_t)atomic_load(&g->connections));
    json_w_member_int(j, "requests", metric_get(METRIC_EXCHANGES_DONE) + failed + canceled);
    json_w_member_int(j, "failed", failed);
    json_w_member_int(j, "canceled", canceled);
    json_w_member_int(j, "prompt_tokens", series_total(SERIES_TOKENS, 0));
    json_w_member_int(j, "completion_tokens", series_total(SERIES_TOKENS, 1));
    write_times(j, "first_token_ms", SERIES_FIRST_TOKEN);
    write_times(j, "duration_ms", SERIES_DURATION);
    json_w_member_int(j, "memory_bytes", process_resident_bytes());
    json_w_member_int(j, "cpu_ms", process_cpu_us() / 1000);
}

static void write_minute(struct json_writer *j, const struct minute *m)
{
    json_w_object(j);
    json_w_member_int(j, "at", m->at_s);
    json_w_member_int(j, "requests", m->requests);
    json_w_member_int(j, "failed", m->failed);
    json_w_member_int(j, "prompt_tokens", m->prompt_tokens);
    json_w_member_int(j, "completion_tokens", m->completion_tokens);
    json_w_key(j, "first_token_ms");
    if (m->first_tokens)
        json_w_int(j, m->first_token_ms / m->first_tokens);
    else
        json_w_null(j);
    json_w_object_end(j);
}

void admin_overview(struct admin_call *c)
{
    struct minute minutes[MINUTES];
    struct json_writer j;
    struct buf out;

    minutes_read(c->worker->gateway->minutes, loop_wall_ms(c->worker->loop), minutes);
    admin_answer(&j, &out);
    json_w_object(&j);
    admin_write_overview(c->worker, &j);
    json_w_key(&j, "minutes");
    json_w_array(&j);
    for (size_t i = 0; i < MINUTES; i++)
        write_minute(&j, &minutes[i]);
    json_w_array_end(&j);
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}
