/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a request, told to everybody who wants to know of it. */
#include "gateway/record.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/series.h"
#include "gateway/minutes.h"
#include "gateway/record_trace.h"
#include "ledger/ledger.h"
#include "ledger/price.h"

const char *record_outcome_name(enum record_outcome outcome)
{
    static const char *const names[RECORD_OUTCOMES] = { "completed", "failed", "canceled" };

    return names[outcome];
}

/* What is below a prefix is left out, so that there are few of them. */
static struct str endpoint_of(const struct gateway_path *row)
{
    struct str path = row ? str_of(row->path) : STR("");

    return str_starts(path, STR("/v1/")) ? str_from(path, 3) : path;
}

/* Of names that clients make up there may be any number. */
static struct str model_of(const struct record *rec)
{
    if (rec->known_model.n)
        return rec->known_model;
    return rec->model.n ? STR("other") : STR("none");
}

static void log_record(const struct record *rec)
{
    bool has_failed = rec->error.n > 0;
    char trace_id[2 * TRACE_ID_LEN + 1] = "", span_id[2 * SPAN_ID_LEN + 1] = "";

    record_trace_ids(rec, trace_id, span_id);

    const struct log_field fields[] = {
        LOG_Z("request_id", rec->request->id),
        LOG_Z("trace_id", trace_id),
        LOG_Z("span_id", span_id),
        LOG_Z("outcome", rec->outcome == RECORD_CANCELED && !has_failed
                             ? "client left"
                             : record_outcome_name(rec->outcome)),
        LOG_STR("key", rec->principal->id),
        LOG_Z("dialect", rec->dialect),
        LOG_STR("endpoint", rec->endpoint),
        LOG_Z("method", http_method_name(rec->request->head.method)),
        LOG_STR("model", model_of(rec)),
        LOG_STR("requested_model", rec->model),
        LOG_Z("upstream", rec->upstream),
        LOG_STR("account", rec->account),
        LOG_STR("chat", rec->chat),
        LOG_INT("attempts", rec->attempts),
        LOG_INT("stream", rec->is_stream),
        LOG_INT("duration_ms", rec->duration_ms),
        LOG_INT("first_token_ms", rec->first_token_ms),
        LOG_INT("queued_ms", rec->queued_ms),
        LOG_INT("prompt_tokens", rec->usage.prompt_tokens),
        LOG_INT("completion_tokens", rec->usage.completion_tokens),
        LOG_INT("reasoning_tokens", rec->usage.reasoning_tokens),
        LOG_INT("cached_tokens", rec->usage.cached_tokens),
        LOG_INT("estimated", rec->usage.estimated),
        LOG_INT("cost_micros", rec->cost_micros),
        LOG_Z("finish", rec->finish),
        LOG_INT("request_bytes", (int64_t)rec->bytes_in),
        LOG_INT("response_bytes", (int64_t)rec->bytes_out),
        LOG_INT("status", rec->status),
        LOG_Z("code", rec->code),
        LOG_STR("error", rec->error),
    };

    log_write(has_failed ? LOG_WARN : LOG_INFO, "exchange", fields,
              COUNT_OF(fields) - (has_failed ? 0U : 2U));
}

static void add_usage(const struct record *rec)
{
    const struct chat_usage *u = &rec->usage;

    ledger_add(rec->worker->ledger,
               &(struct ledger_row){ .wall_ms = rec->started_wall_ms,
                                     .request_id = str_of(rec->request->id),
                                     .key = rec->principal->id,
                                     .dialect = str_of(rec->dialect),
                                     .endpoint = rec->endpoint,
                                     .model = model_of(rec),
                                     .requested_model = rec->model,
                                     .upstream = str_of(rec->upstream),
                                     .account = rec->account,
                                     .prompt_tokens = u->prompt_tokens,
                                     .completion_tokens = u->completion_tokens,
                                     .reasoning_tokens = u->reasoning_tokens,
                                     .cached_tokens = u->cached_tokens,
                                     .estimated = u->estimated,
                                     .cost_micros = rec->cost_micros,
                                     .status = rec->status,
                                     .has_failed = rec->outcome == RECORD_FAILED,
                                     .aborted = rec->outcome == RECORD_CANCELED,
                                     .finish = str_of(rec->finish),
                                     .first_token_ms = rec->first_token_ms,
                                     .duration_ms = rec->duration_ms,
                                     .attempts = rec->attempts,
                                     .bytes_in = rec->bytes_in,
                                     .bytes_out = rec->bytes_out });
}

/* The request is over for everybody: its last byte was written, or its client is gone. */
static void tell(void *arg)
{
    struct record *rec = arg;

    if (!rec->is_ended)
        return;
    rec->bytes_out = rec->request->sent;
    if (rec->worker->ledger)
        add_usage(rec);
    if (rec->trace)
        record_trace_tell(rec);
    if (log_is_on(rec->error.n > 0 ? LOG_WARN : LOG_INFO))
        log_record(rec);
}

struct record *record_begin(struct gateway_worker *w, struct http_request *r, const char *dialect)
{
    struct record *rec = arena_new(&r->arena, struct record);
    const struct request_context *context = request_context_of(r);

    rec->worker = w;
    rec->request = r;
    rec->principal = context->principal;
    rec->dialect = dialect;
    rec->endpoint = endpoint_of(context->row);
    rec->upstream = "none";
    rec->finish = "";
    rec->code = "none";
    rec->started_ms = loop_now_ms(w->loop);
    rec->started_us = clock_now_us();
    rec->started_wall_ms = loop_wall_ms(w->loop);
    rec->first_token_ms = rec->queued_ms = rec->overhead_us = -1;
    rec->bytes_in = r->body.n;
    rec->trace = record_trace_begin(w, r);
    arena_on_release(&r->arena, tell, rec);
    return rec;
}

/* ---- counting ---- */

static void count_tokens(const struct record *rec, struct str upstream, struct str model)
{
    const struct str values[] = { upstream, model };
    const struct chat_usage *u = &rec->usage;
    struct series_row *row;

    if (u->prompt_tokens == 0 && u->completion_tokens == 0)
        return;
    row = series_row(SERIES_TOKENS, values);
    series_add(row, 0, u->prompt_tokens);
    series_add(row, 1, u->completion_tokens);
    if (u->cached_tokens == 0 && u->reasoning_tokens == 0)
        return;
    row = series_row(SERIES_TOKEN_DETAILS, values);
    series_add(row, 0, u->cached_tokens);
    series_add(row, 1, u->reasoning_tokens);
}

static void observe_times(const struct record *rec, struct str upstream)
{
    const struct str values[] = { str_of(rec->dialect), upstream };

    series_observe(series_row(SERIES_DURATION, values), rec->duration_ms * 1000, 1);
    if (rec->first_token_ms >= 0)
        series_observe(series_row(SERIES_FIRST_TOKEN, &upstream), rec->first_token_ms * 1000, 1);
    if (rec->queued_ms >= 0)
        series_observe(series_row(SERIES_QUEUE, &upstream), rec->queued_ms * 1000, 1);
    if (rec->overhead_us >= 0)
        series_observe(series_row(SERIES_OVERHEAD, NULL), rec->overhead_us, 1);
}

static void count(const struct record *rec)
{
    static const enum metric counters[RECORD_OUTCOMES] = { METRIC_EXCHANGES_DONE,
                                                           METRIC_EXCHANGES_FAILED,
                                                           METRIC_EXCHANGES_CANCELED };
    struct str upstream = str_of(rec->upstream);
    struct str model = model_of(rec);
    const struct str values[] = { str_of(rec->dialect), rec->endpoint, upstream, model };
    const struct str failure[] = { upstream, str_of(rec->code) };

    metric_add(counters[rec->outcome], 1);
    if (rec->worker->gateway->minutes)
        minutes_add(rec->worker->gateway->minutes, loop_wall_ms(rec->worker->loop),
                    &(struct minute){ .requests = 1,
                                      .failed = rec->outcome == RECORD_FAILED,
                                      .prompt_tokens = rec->usage.prompt_tokens,
                                      .completion_tokens = rec->usage.completion_tokens,
                                      .first_tokens = rec->first_token_ms >= 0,
                                      .first_token_ms =
                                          rec->first_token_ms >= 0 ? rec->first_token_ms : 0 });
    series_add(series_row(SERIES_REQUESTS, values), rec->outcome, 1);
    if (rec->outcome == RECORD_FAILED)
        series_add(series_row(SERIES_FAILURES, failure), 0, 1);
    count_tokens(rec, upstream, model);
    observe_times(rec, upstream);
}

int64_t record_cost(const struct gateway_worker *w, struct str model, const struct chat_usage *u)
{
    const struct settings *s = w->view ? w->view->settings : NULL;

    if (!s || s->n_prices == 0)
        return 0;
    return price_cost(price_find(s->prices, s->n_prices, model), u->prompt_tokens, u->cached_tokens,
                      u->completion_tokens);
}

void record_end(struct record *rec, enum record_outcome outcome, int status,
                const struct failure *f)
{
    struct arena *a = &rec->request->arena;

    BUG_ON(rec->is_ended);
    rec->is_ended = true;
    rec->outcome = outcome;
    rec->status = f ? failure_status(f) : outcome == RECORD_CANCELED ? 499 : status;
    rec->code = f ? failure_code(f) : "none";
    rec->error = f ? arena_dup(a, f->message) : STR("");
    rec->duration_ms = loop_now_ms(rec->worker->loop) - rec->started_ms;
    /* Settings may be replaced before it is told. */
    rec->upstream = arena_dup(a, str_of(rec->upstream)).p;
    rec->model = arena_dup(a, rec->model); /* it may be DEFAULT_MODEL */
    rec->known_model = arena_dup(a, rec->known_model);
    rec->cost_micros = record_cost(rec->worker, rec->model, &rec->usage);
    count(rec);
}
