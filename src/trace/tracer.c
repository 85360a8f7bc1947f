/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/tracer.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/secret.h"
#include "http/fetch.h"
#include "net/timer.h"
#include "json/reader.h"
#include "json/writer.h"

enum {
    HEADERS_MAX = 16,
    SPAN_MAX = 8192,
    ENVELOPE_MAX = 64 * 1024, /* what stands around the spans */
    REPLY_MAX = 64 * 1024,
    SEND_MS = 10000,
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
    TRIES = 5,
};

struct tracer {
    struct loop *loop;
    struct http_client *client;
    struct url url;
    struct secret headers;
    char *service, *version;
    struct timer timer;

    struct buf waiting; /* spans as JSON, with commas between */
    size_t n_waiting;
    size_t ends[TRACER_WAITING]; /* where each of them ends */
    struct buf batch;            /* the request that is on its way, or waits for its next try */
    size_t n_batch;
    unsigned tries;
    struct fetch *fetch;
    bool has_warned;

    void (*closed)(void *arg); /* it is closing */
    void *closed_arg;
};

static void send_batch(void *arg);
static void begin_batch(void *arg);

static void drop(size_t n)
{
    metric_add(METRIC_SPANS_DROPPED, (int64_t)n);
}

/* ---- spans as JSON ---- */

static void write_attribute(struct json_writer *j, const struct trace_attribute *a)
{
    char number[24];

    if (a->type != TRACE_INT && a->text.n == 0)
        return;
    json_w_object(j);
    json_w_member_str(j, "key", str_of(a->name));
    json_w_key(j, "value");
    json_w_object(j);
    if (a->type == TRACE_INT) {
        snprintf(number, sizeof(number), "%lld", (long long)a->number);
        json_w_member_str(j, "intValue", str_of(number));
    } else if (a->type == TRACE_LIST) {
        json_w_key(j, "arrayValue");
        json_w_object(j);
        json_w_key(j, "values");
        json_w_array(j);
        json_w_object(j);
        json_w_member_str(j, "stringValue", a->text);
        json_w_object_end(j);
        json_w_array_end(j);
        json_w_object_end(j);
    } else {
        json_w_member_str(j, "stringValue", a->text);
    }
    json_w_object_end(j);
    json_w_object_end(j);
}

static void write_id(struct json_writer *j, const char *name, const unsigned char *id, size_t n)
{
    char hex[2 * TRACE_ID_LEN + 1];

    hex_encode(id, n, hex);
    json_w_member_str(j, name, str_of(hex));
}

static void write_time(struct json_writer *j, const char *name, int64_t us)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld000", (long long)us);
    json_w_member_str(j, name, str_of(text));
}

static enum err write_span(const struct trace_span *s, struct buf *out)
{
    struct json_writer j;

    json_w_init(&j, out);
    json_w_object(&j);
    write_id(&j, "traceId", s->context->trace_id, TRACE_ID_LEN);
    write_id(&j, "spanId", s->context->span_id, SPAN_ID_LEN);
    if (s->parent)
        write_id(&j, "parentSpanId", s->parent, SPAN_ID_LEN);
    json_w_member_str(&j, "name", s->name);
    json_w_member_int(&j, "kind", s->kind);
    write_time(&j, "startTimeUnixNano", s->start_us);
    write_time(&j, "endTimeUnixNano", s->end_us);
    json_w_key(&j, "attributes");
    json_w_array(&j);
    for (size_t i = 0; i < s->n_attributes; i++)
        write_attribute(&j, &s->attributes[i]);
    json_w_array_end(&j);
    if (s->has_failed) {
        json_w_key(&j, "status");
        json_w_object(&j);
        json_w_member_int(&j, "code", 2); /* STATUS_CODE_ERROR */
        json_w_member_str(&j, "message", s->message);
        json_w_object_end(&j);
    }
    json_w_object_end(&j);
    return json_w_end(&j);
}

static void write_resource(struct json_writer *j, const struct tracer *t)
{
    const struct trace_attribute attributes[] = {
        TRACE_ATTR_TEXT("service.name", str_of(t->service)),
        TRACE_ATTR_TEXT("service.version", str_of(t->version)),
    };

    json_w_key(j, "resource");
    json_w_object(j);
    json_w_key(j, "attributes");
    json_w_array(j);
    for (size_t i = 0; i < COUNT_OF(attributes); i++)
        write_attribute(j, &attributes[i]);
    json_w_array_end(j);
    json_w_object_end(j);
}

/* An ExportTraceServiceRequest. */
static enum err write_batch(const struct tracer *t, struct str spans, struct buf *out)
{
    struct json_writer j;

    json_w_init(&j, out);
    json_w_object(&j);
    json_w_key(&j, "resourceSpans");
    json_w_array(&j);
    json_w_object(&j);
    write_resource(&j, t);
    json_w_key(&j, "scopeSpans");
    json_w_array(&j);
    json_w_object(&j);
    json_w_key(&j, "scope");
    json_w_object(&j);
    json_w_member_str(&j, "name", STR("enginelabs-2api"));
    json_w_member_str(&j, "version", str_of(t->version));
    json_w_object_end(&j);
    json_w_key(&j, "spans");
    json_w_array(&j);
    json_w_raw(&j, spans);
    json_w_array_end(&j);
    json_w_object_end(&j);
    json_w_array_end(&j);
    json_w_object_end(&j);
    json_w_array_end(&j);
    json_w_object_end(&j);
    return json_w_end(&j);
}

/* ---- headers of the collector ---- */

/* Takes the next "name=value"; false: it is none. */
static bool take_header(struct str *list, struct arena *a, struct http_header *ret)
{
    struct str value;
    struct str item = str_trim(str_cut(*list, ',', list));
    struct buf decoded;
    bool is_one;

    ret->name = str_trim(str_cut(item, '=', &value));
    buf_init(&decoded, 4096);
    is_one = ret->name.n > 0 && ret->name.n < item.n && http_name_is_safe(ret->name) &&
             percent_decode(&decoded, str_trim(value)) == ERR_NONE &&
             http_value_is_safe(buf_str(&decoded));
    if (is_one)
        ret->value = arena_dup(a, buf_str(&decoded));
    buf_wipe(&decoded);
    return is_one;
}

bool tracer_headers_are_valid(struct str headers, char *what)
{
    struct http_header header;
    struct arena a;
    size_t n = 0;
    bool is_valid = true;

    arena_init(&a);
    while (headers.n > 0 && is_valid)
        is_valid = ++n <= HEADERS_MAX && take_header(&headers, &a, &header);
    arena_deinit(&a);
    if (!is_valid)
        snprintf(what, 128,
                 "expected NAME=VALUE, %d at most with commas between, values "
                 "percent-encoded",
                 HEADERS_MAX);
    return is_valid;
}

/* ---- batches ---- */

static void free_tracer(struct tracer *t)
{
    void (*closed)(void *arg) = t->closed;
    void *arg = t->closed_arg;

    timer_disarm(&t->timer);
    if (t->fetch)
        fetch_cancel(t->fetch);
    drop(t->n_waiting + t->n_batch);
    buf_deinit(&t->waiting);
    buf_deinit(&t->batch);
    secret_deinit(&t->headers);
    url_deinit(&t->url);
    mem_free(t->service);
    mem_free(t->version);
    mem_free(t);
    closed(arg);
}

static void on_end(void *arg)
{
    free_tracer(arg);
}

static void end_batch(struct tracer *t)
{
    buf_deinit(&t->batch);
    t->n_batch = 0;
    t->tries = 0;
    if (t->n_waiting > 0 && (t->closed || t->n_waiting >= TRACER_BATCH))
        begin_batch(t);
    else if (t->closed)
        timer_arm(t->loop, &t->timer, 0, on_end, t);
    else if (t->n_waiting > 0)
        timer_arm(t->loop, &t->timer, TRACER_EVERY_MS, begin_batch, t);
}

/* OTLP: these may pass; any other answer is final. */
static bool may_pass(const struct fetch_result *r)
{
    int status = r->head ? r->head->status : 0;

    return r->outcome.err ? r->outcome.err != ERR_BAD_INPUT
                          : status == 429 || status == 502 || status == 503 || status == 504;
}

static int64_t retry_ms(const struct tracer *t, const struct fetch_result *r)
{
    int64_t wait = RETRY_FIRST_MS << (t->tries - 1);
    uint64_t seconds;

    wait += (int64_t)(random_u64() % (uint64_t)wait) / 2; /* workers and gateways come apart */
    if (r->head && str_to_u64(http_value(r->head, "retry-after"), 3600, &seconds) == ERR_NONE)
        wait = (int64_t)seconds * 1000;
    return wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS;
}

static void warn(struct tracer *t, const struct fetch_result *r)
{
    if (t->has_warned)
        return;
    t->has_warned = true;
    log_warn("the collector of traces does not take them; spans are dropped",
             LOG_Z("host", t->url.endpoint.host), LOG_INT("status", r->head ? r->head->status : 0),
             LOG_Z("problem", r->outcome.err ? r->outcome.detail : "it refused them"));
}

/* How many spans of a batch that was taken were refused (ExportTracePartialSuccess): 64-bit numbers
 * are strings there, but readers have to take both. */
static size_t count_refused(const struct tracer *t, struct str body, struct buf *why)
{
    struct json_value n, message;
    uint64_t refused;

    if (json_find(body, &n, "partialSuccess", "rejectedSpans", NULL) ||
        json_find(body, &message, "partialSuccess", "errorMessage", NULL))
        return 0;
    if (n.type == JSON_STRING)
        n.raw = str_sub(n.raw, 1, n.raw.n - 2);
    if (str_to_u64(n.raw, t->n_batch, &refused))
        return 0;
    if (json_text_add(&message, why))
        buf_clear(why);
    return (size_t)refused;
}

static void take_reply(struct tracer *t, const struct fetch_result *r)
{
    struct buf why;
    size_t refused;

    buf_init(&why, REPLY_MAX);
    refused = count_refused(t, r->body, &why);
    metric_add(METRIC_SPANS_SENT, (int64_t)(t->n_batch - refused));
    drop(refused);
    if (refused > 0 && !t->has_warned)
        log_warn("the collector of traces refuses some spans", LOG_Z("host", t->url.endpoint.host),
                 LOG_INT("spans", (int64_t)refused),
                 LOG_STR("problem", str_sub(buf_str(&why), 0, 200)));
    t->has_warned = refused > 0;
    buf_deinit(&why);
}

static void on_reply(void *arg, const struct fetch_result *r)
{
    struct tracer *t = arg;
    bool is_taken = !r->outcome.err && r->head->status / 100 == 2;

    t->fetch = NULL;
    if (!is_taken && may_pass(r) && t->tries < TRIES && !t->closed) {
        timer_arm(t->loop, &t->timer, retry_ms(t, r), send_batch, t);
        return;
    }
    if (is_taken) {
        take_reply(t, r);
    } else {
        warn(t, r);
        drop(t->n_batch);
    }
    end_batch(t);
}

static void send_batch(void *arg)
{
    struct tracer *t = arg;
    struct http_header headers[1 + HEADERS_MAX] = { { STR("content-type"),
                                                      STR("application/json") } };
    struct str list = secret_reveal(&t->headers);
    struct arena a;
    struct http_call_params params = { .url = &t->url,
                                       .method = HTTP_POST,
                                       .target = STR("/v1/traces"),
                                       .headers = headers,
                                       .n_headers = 1,
                                       .body = buf_str(&t->batch),
                                       .connect_timeout_ms = SEND_MS,
                                       .head_timeout_ms = SEND_MS,
                                       .idle_timeout_ms = SEND_MS };

    arena_init(&a);
    while (list.n > 0 && params.n_headers < COUNT_OF(headers))
        params.n_headers += take_header(&list, &a, &headers[params.n_headers]);
    t->tries++;
    t->fetch = fetch_start(t->client, &params, REPLY_MAX, SEND_MS, on_reply, t);
    arena_deinit(&a);
}

/* The first `n`. */
static void forget_waiting(struct tracer *t, size_t n)
{
    size_t bytes = t->ends[n - 1] + 1; /* with the comma */

    t->n_waiting -= n;
    buf_consume(&t->waiting, t->n_waiting ? bytes : t->waiting.n);
    for (size_t i = 0; i < t->n_waiting; i++)
        t->ends[i] = t->ends[n + i] - bytes;
}

static void begin_batch(void *arg)
{
    struct tracer *t = arg;
    size_t n = t->n_waiting < TRACER_BATCH ? t->n_waiting : TRACER_BATCH;
    enum err err;

    if (t->n_batch > 0)
        return;
    t->n_batch = n;
    err = write_batch(t, str_sub(buf_str(&t->waiting), 0, t->ends[n - 1]), &t->batch);
    forget_waiting(t, n);
    if (err) {
        drop(t->n_batch);
        end_batch(t);
    } else {
        send_batch(t);
    }
}

/* ---- the tracer ---- */

static char *copy(struct str s)
{
    char *z = mem_alloc(s.n + 1);

    str_to_z(s, z, s.n + 1);
    return z;
}

struct tracer *tracer_open(struct loop *l, struct http_client *client,
                           const struct tracer_params *params)
{
    struct tracer *t = mem_new(struct tracer);

    t->loop = l;
    t->client = client;
    url_copy(&t->url, params->url);
    secret_set(&t->headers, params->headers);
    t->service = copy(params->service);
    t->version = copy(params->version);
    buf_init(&t->waiting, (size_t)TRACER_WAITING * SPAN_MAX);
    buf_init(&t->batch, (size_t)TRACER_BATCH * SPAN_MAX + ENVELOPE_MAX);
    return t;
}

void tracer_add(struct tracer *t, const struct trace_span *span)
{
    size_t before = t->waiting.n;

    if (t->n_waiting == TRACER_WAITING || (before && buf_add_char(&t->waiting, ',')) ||
        write_span(span, &t->waiting)) {
        buf_truncate(&t->waiting, before);
        drop(1);
        return;
    }
    t->ends[t->n_waiting++] = t->waiting.n;
    if (t->n_batch > 0)
        return;
    if (t->n_waiting >= TRACER_BATCH)
        timer_arm(t->loop, &t->timer, 0, begin_batch, t);
    else if (!timer_is_armed(&t->timer))
        timer_arm(t->loop, &t->timer, TRACER_EVERY_MS, begin_batch, t);
}

void tracer_close(struct tracer *t, void (*closed)(void *arg), void *arg)
{
    t->closed = closed;
    t->closed_arg = arg;
    if (t->n_batch > 0 && !t->fetch) { /* it waits for another try */
        drop(t->n_batch);
        buf_deinit(&t->batch);
        t->n_batch = 0;
    }
    if (t->n_waiting > 0 && t->n_batch == 0)
        begin_batch(t);
    timer_arm(t->loop, &t->timer, t->n_batch > 0 ? TRACER_END_MS : 0, on_end, t);
}
