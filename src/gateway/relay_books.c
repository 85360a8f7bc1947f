/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a relay: its log line, and a count for each row of the table of paths. */
#include "base/metrics.h"
#include "gateway/relay_internal.h"

static const char *const outcomes[RELAY_ENDINGS] = { "completed", "failed", "client left" };
static const char *const labels[RELAY_ENDINGS] = { "completed", "failed", "canceled" };

static struct str label_of(const struct gateway_path *row)
{
    struct str path = str_of(row->path);

    return str_starts(path, STR("/v1/")) ? str_from(path, 3) : path;
}

static void log_relay(struct relay *x, enum relay_ending ending, const struct failure *f)
{
    const struct failure_row *row = f ? failure_row(f->kind) : NULL;
    int64_t now = loop_now_ms(x->worker->loop);
    /* 499 is what proxies log for a client that did not wait. */
    int status = f ? failure_status(f) : ending == RELAY_CANCELED ? 499 : x->status;
    struct log_field fields[] = {
        LOG_Z("request_id", x->request->id),
        LOG_Z("outcome", outcomes[ending]),
        LOG_STR("endpoint", label_of(x->row)),
        LOG_Z("method", http_method_name(x->request->head.method)),
        LOG_STR("model", str_sub(x->name, 0, 200)),
        LOG_Z("upstream", x->upstream ? x->upstream->name : "none"),
        LOG_STR("account", x->account),
        LOG_INT("attempts", x->attempts),
        LOG_INT("duration_ms", now - x->started_ms),
        LOG_INT("request_bytes", (int64_t)x->came),
        LOG_INT("response_bytes", (int64_t)x->sent),
        LOG_INT("status", status),
        LOG_Z("code", row && row->code ? row->code : "none"),
        LOG_STR("error", f ? f->message : STR("")),
    };

    log_write(f ? LOG_WARN : LOG_INFO, "relay", fields, COUNT_OF(fields) - (f ? 0U : 2U));
}

void relay_close_books(struct relay *x, enum relay_ending ending, const struct failure *f)
{
    static const enum metric counters[RELAY_ENDINGS] = { METRIC_EXCHANGES_DONE,
                                                         METRIC_EXCHANGES_FAILED,
                                                         METRIC_EXCHANGES_CANCELED };
    struct gateway *g = x->worker->gateway;

    metric_add(METRIC_EXCHANGES, -1);
    metric_add(counters[ending], 1);
    atomic_fetch_add(&g->relays[x->row - g->paths][ending], 1);
    if (log_is_on(f ? LOG_WARN : LOG_INFO))
        log_relay(x, ending, f);
}

/* Rows of one label: another method, or without the /v1. The first stands for all. */
static uint64_t count(const struct gateway *g, size_t first, size_t ending)
{
    struct str label = label_of(&g->paths[first]);
    uint64_t n = 0;

    for (size_t i = 0; g->paths[i].path; i++) {
        if (!str_eq(label_of(&g->paths[i]), label))
            continue;
        if (i < first)
            return UINT64_MAX;
        n += atomic_load(&g->relays[i][ending]);
    }
    return n;
}

enum err relay_write_metrics(const struct gateway *g, struct buf *out)
{
    enum err err =
        buf_add(out, STR("# HELP enginelabs2api_relays_total Requests that were passed on "
                         "to another endpoint of an upstream.\n"
                         "# TYPE enginelabs2api_relays_total counter\n"));

    for (size_t i = 0; g->paths[i].path && !err; i++) {
        if (!(g->paths[i].needs & PATH_STREAM))
            continue;
        for (size_t k = 0; k < RELAY_ENDINGS && !err; k++) {
            struct str label = label_of(&g->paths[i]);
            uint64_t n = count(g, i, k);

            if (n != UINT64_MAX)
                err = buf_addf(out,
                               "enginelabs2api_relays_total{endpoint=\"%.*s\",outcome=\"%s\"} "
                               "%llu\n",
                               STR_ARGS(label), labels[k], (unsigned long long)n);
        }
    }
    return err;
}
