/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a relay: its record, and a count for each row of the table of paths. */
#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/relay_internal.h"

static struct str label_of(const struct gateway_path *row)
{
    struct str path = str_of(row->path);

    return str_starts(path, STR("/v1/")) ? str_from(path, 3) : path;
}

void relay_close_books(struct relay *x, enum record_outcome outcome, const struct failure *f)
{
    struct gateway *g = x->worker->gateway;
    struct record *rec = x->record;

    rec->model = str_sub(x->name, 0, 200);
    rec->upstream = x->upstream ? x->upstream->name : "none";
    rec->account = x->account;
    rec->attempts = x->attempts;
    rec->bytes_in = x->came;
    if (x->upstream_since_us)
        rec->overhead_us = x->upstream_since_us - x->began_us - x->upstream_us;
    record_end(rec, outcome, x->status, f);
    metric_add(METRIC_EXCHANGES, -1);
    atomic_fetch_add(&g->relays[x->row - g->paths][outcome], 1);
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
        for (size_t k = 0; k < RECORD_OUTCOMES && !err; k++) {
            struct str label = label_of(&g->paths[i]);
            uint64_t n = count(g, i, k);

            if (n != UINT64_MAX)
                err = buf_addf(out,
                               "enginelabs2api_relays_total{endpoint=\"%.*s\",outcome=\"%s\"} "
                               "%llu\n",
                               STR_ARGS(label), record_outcome_name((enum record_outcome)k),
                               (unsigned long long)n);
        }
    }
    return err;
}
