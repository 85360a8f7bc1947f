/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a relay: its record. */
#include "base/metrics.h"
#include "gateway/relay_internal.h"

void relay_close_books(struct relay *x, enum record_outcome outcome, const struct failure *f)
{
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
}
