/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/record_trace.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "trace/tracer.h"

enum { ATTRIBUTES_MAX = 24 };

/* On the wall clock. */
static int64_t now_us(const struct record *rec)
{
    return rec->started_wall_ms * 1000 + clock_now_us() - rec->started_us;
}

/* ---- begin ---- */

/* Several headers are one list (3.3.1.1). What no header may hold is not passed on. */
static struct str tracestate_of(struct http_request *r)
{
    const struct http_head *h = &r->head;
    struct str all = STR("");

    for (size_t i = 0; i < h->n_headers; i++) {
        struct str value = h->headers[i].value;

        if (str_eq_nocase(h->headers[i].name, STR("tracestate")) && value.n > 0 &&
            http_value_is_safe(value))
            all = all.n ? arena_printf(&r->arena, "%.*s,%.*s", STR_ARGS(all), STR_ARGS(value))
                        : value;
    }
    return arena_dup(&r->arena, all);
}

/* The client's traceparent goes on to upstreams even where nobody here collects spans. */
struct record_trace *record_trace_begin(struct gateway_worker *w, struct http_request *r)
{
    struct trace_context parent;
    struct str header = http_value(&r->head, "traceparent");
    bool has_parent = header.n > 0 && trace_context_read(header, &parent);
    struct record_trace *t;

    if (!has_parent && !w->tracer)
        return NULL;
    t = arena_new(&r->arena, struct record_trace);
    t->has_parent = has_parent;
    if (has_parent) {
        memcpy(t->parent, parent.span_id, SPAN_ID_LEN);
        trace_context_child(&parent, &t->context);
        t->tracestate = tracestate_of(r);
    } else {
        trace_context_new(&t->context);
    }
    if (w->tracer)
        t->context.is_sampled =
            trace_context_sample(&t->context, has_parent, w->view->settings->otel_sampler,
                                 w->view->settings->otel_sampler_per_mille);
    return t;
}

/* ---- tries ---- */

void record_trace_failed(struct record *rec, const char *code)
{
    struct record_trace *t = rec->trace;

    if (!t || t->n_tries == 0 || t->tries[t->n_tries - 1].end_us)
        return;
    t->tries[t->n_tries - 1].end_us = now_us(rec);
    t->tries[t->n_tries - 1].code = code;
}

void record_trace_try(struct record *rec, const char *upstream, struct str model,
                      struct str account)
{
    struct record_trace *t = rec->trace;
    struct arena *a = &rec->request->arena;
    char *text;
    struct record_try *try;

    if (!t)
        return;
    record_trace_failed(rec, "retried");
    if (t->n_tries == RECORD_TRIES_MAX)
        t->n_tries--;
    try = &t->tries[t->n_tries++];
    *try = (struct record_try){ .upstream = arena_dup(a, str_of(upstream)).p,
                                .model = arena_dup(a, model),
                                .account = arena_dup(a, account),
                                .start_us = now_us(rec) };
    trace_context_child(&t->context, &try->context);
    text = arena_alloc(a, TRACEPARENT_LEN + 1);
    trace_context_write(&try->context, text);
    t->traceparent = str_of(text);
}

void record_trace_chat(struct record *rec, struct str chat)
{
    struct record_trace *t = rec->trace;

    if (t && t->n_tries > 0)
        t->tries[t->n_tries - 1].chat = chat;
}

const struct str *record_traceparent(const struct record *rec)
{
    return rec->trace ? &rec->trace->traceparent : NULL;
}

const struct str *record_tracestate(const struct record *rec)
{
    return rec->trace ? &rec->trace->tracestate : NULL;
}

void record_trace_ids(const struct record *rec, char trace_id[2 * TRACE_ID_LEN + 1],
                      char span_id[2 * SPAN_ID_LEN + 1])
{
    trace_id[0] = span_id[0] = '\0';
    if (!rec->trace)
        return;
    hex_encode(rec->trace->context.trace_id, TRACE_ID_LEN, trace_id);
    hex_encode(rec->trace->context.span_id, SPAN_ID_LEN, span_id);
}

/* ---- spans ---- */

struct attributes {
    struct trace_attribute list[ATTRIBUTES_MAX];
    size_t n;
};

static void text(struct attributes *a, const char *name, struct str value)
{
    a->list[a->n++] = TRACE_ATTR_TEXT(name, value);
}

static void number(struct attributes *a, const char *name, int64_t value)
{
    a->list[a->n++] = TRACE_ATTR_INT(name, value);
}

/* Well-known names, and of what has none the endpoint's: "audio", "files". */
static struct str operation_of(const struct record *rec)
{
    static const struct {
        const char *endpoint, *operation;
    } known[] = { { "/completions", "text_completion" },
                  { "/embeddings", "embeddings" },
                  { "/images/", "generate_content" } };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(rec->endpoint, str_of(known[i].endpoint)))
            return str_of(known[i].operation);
    if (!str_eq(str_of(rec->dialect), STR("relay")))
        return STR("chat");
    return str_cut(str_from(rec->endpoint, 1), '/', &(struct str){ NULL, 0 });
}

/* As the client sees it: what ends TLS before the gateway says so. */
static struct str scheme_of(const struct http_request *r)
{
    return str_eq_nocase(http_value(&r->head, "x-forwarded-proto"), STR("https")) ? STR("https")
                                                                                  : STR("http");
}

static void tell_server(const struct record *rec, int64_t end_us)
{
    const struct record_trace *t = rec->trace;
    struct http_request *r = rec->request;
    struct str method = str_of(http_method_name(r->head.method));
    struct attributes a = { .n = 0 };

    text(&a, "http.request.method", method);
    text(&a, "http.route", rec->endpoint);
    text(&a, "url.scheme", scheme_of(r));
    text(&a, "url.path", str_sub(r->head.path, 0, 200));
    number(&a, "http.response.status_code", rec->status);
    text(&a, "enginelabs2api.request_id", str_of(r->id));
    text(&a, "enginelabs2api.key", rec->principal->id);
    text(&a, "enginelabs2api.outcome", str_of(record_outcome_name(rec->outcome)));
    number(&a, "enginelabs2api.attempts", rec->attempts);
    if (rec->outcome == RECORD_FAILED)
        text(&a, "error.type", str_of(rec->code));
    tracer_add(
        rec->worker->tracer,
        &(struct trace_span){
            .context = &t->context,
            .parent = t->has_parent ? t->parent : NULL,
            .name = arena_printf(&r->arena, "%.*s %.*s", STR_ARGS(method), STR_ARGS(rec->endpoint)),
            .kind = TRACE_SERVER,
            .start_us = rec->started_wall_ms * 1000,
            .end_us = end_us,
            .attributes = a.list,
            .n_attributes = a.n,
            .has_failed = rec->outcome == RECORD_FAILED && rec->status >= 500,
            .message = rec->error });
}

/* What the model told stands with the try that answered. Which one it says it is, is not read. */
static void add_answer(const struct record *rec, struct attributes *a)
{
    number(a, "gen_ai.usage.input_tokens", rec->usage.prompt_tokens);
    number(a, "gen_ai.usage.output_tokens", rec->usage.completion_tokens);
    if (rec->usage.cached_tokens > 0)
        number(a, "gen_ai.usage.cache_read.input_tokens", rec->usage.cached_tokens);
    if (rec->usage.reasoning_tokens > 0)
        number(a, "gen_ai.usage.reasoning.output_tokens", rec->usage.reasoning_tokens);
    a->list[a->n++] = (struct trace_attribute){ "gen_ai.response.finish_reasons", TRACE_LIST,
                                                str_of(rec->finish), 0 };
}

static void tell_try(const struct record *rec, const struct record_try *try, size_t i,
                     int64_t end_us)
{
    const struct record_trace *t = rec->trace;
    bool is_last = i + 1 == t->n_tries;
    const char *code = try->code                                  ? try->code
                       : is_last && rec->outcome == RECORD_FAILED ? rec->code
                                                                  : "";
    struct str operation = operation_of(rec);
    struct attributes a = { .n = 0 };

    text(&a, "gen_ai.operation.name", operation);
    text(&a, "gen_ai.provider.name", str_of(try->upstream));
    text(&a, "gen_ai.request.model", try->model);
    text(&a, "gen_ai.conversation.id", try->chat);
    text(&a, "enginelabs2api.account", try->account);
    number(&a, "enginelabs2api.attempt", (int64_t)i + 1);
    text(&a, "error.type", str_of(code));
    if (is_last && !code[0])
        add_answer(rec, &a);
    tracer_add(rec->worker->tracer,
               &(struct trace_span){
                   .context = &try->context,
                   .parent = t->context.span_id,
                   .name = arena_printf(&rec->request->arena, "%.*s%s%.*s", STR_ARGS(operation),
                                        try->model.n ? " " : "", STR_ARGS(try->model)),
                   .kind = TRACE_CLIENT,
                   .start_us = try->start_us,
                   .end_us = try->end_us ? try->end_us : end_us,
                   .attributes = a.list,
                   .n_attributes = a.n,
                   .has_failed = code[0] != '\0',
                   .message = is_last ? rec->error : STR("") });
}

void record_trace_tell(const struct record *rec)
{
    const struct record_trace *t = rec->trace;
    int64_t end_us = now_us(rec);

    if (!t || !t->context.is_sampled || !rec->worker->tracer)
        return;
    tell_server(rec, end_us);
    for (size_t i = 0; i < t->n_tries; i++)
        tell_try(rec, &t->tries[i], i, end_us);
}
