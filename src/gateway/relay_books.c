/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a relay: its record, and what it took. */
#include "base/metrics.h"
#include "gateway/relay_internal.h"

static void count_text(struct relay *x)
{
    x->text_bytes = x->start.n < USAGE_TEXT_MAX ? x->start.n : USAGE_TEXT_MAX;
    x->text_tokens = usage_of_text(http_value(&x->request->head, "content-type"),
                                   buf_str(&x->start), &x->request->arena);
}

/* The estimate for so many bytes of the body, made when it is asked for first. */
static int64_t tokens_of(struct relay *x, uint64_t bytes)
{
    if (!(x->row->needs & PATH_TOKENS))
        return 0;
    if (x->text_bytes == 0)
        count_text(x);
    if (bytes <= x->text_bytes || x->text_bytes == 0)
        return x->text_tokens;
    return (int64_t)((double)x->text_tokens * ((double)bytes / (double)x->text_bytes));
}

struct admission_need relay_need(struct relay *x)
{
    const struct http_head *h = &x->request->head;
    uint64_t bytes = h->framing == HTTP_BODY_LENGTH ? h->content_length : x->start.n;
    struct chat_usage u = { 0 };

    if (!admission_asks_need(x->record))
        return (struct admission_need){ 0 };
    u.prompt_tokens = tokens_of(x, bytes);
    return (struct admission_need){ .tokens = u.prompt_tokens,
                                    .micros = record_cost(x->worker, x->name, &u) };
}

/* What was refused before it went out took nothing; what went out, and was not counted, is
 * estimated. */
static void add_usage(struct relay *x)
{
    struct chat_usage *u = &x->record->usage;

    if (x->tap.has_usage) {
        *u = x->tap.usage;
    } else if (x->was_sent) {
        u->prompt_tokens = tokens_of(x, x->came);
        u->estimated = u->prompt_tokens > 0;
    }
}

void relay_close_books(struct relay *x, enum record_outcome outcome, const struct failure *f)
{
    struct record *rec = x->record;

    rec->model = str_sub(x->name, 0, 200);
    rec->upstream = x->upstream ? x->upstream->name : "none";
    rec->account = x->account;
    rec->attempts = x->attempts;
    rec->bytes_in = x->came;
    add_usage(x);
    if (x->upstream_since_us)
        rec->overhead_us = x->upstream_since_us - x->began_us - x->upstream_us;
    record_end(rec, outcome, x->status, f);
    metric_add(METRIC_EXCHANGES, -1);
}
