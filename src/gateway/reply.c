/* SPDX-License-Identifier: Apache-2.0 */
/* Whole JSON answers, and failures in the shape of a dialect. */
#include <stdio.h>

#include "base/metrics.h"
#include "gateway/gateway.h"

enum { ERROR_MAX = 64 * 1024 };

static const char FALLBACK[] =
    "{\"error\":{\"message\":\"The gateway is out of memory.\",\"type\":\"server_error\","
    "\"param\":null,\"code\":\"overloaded\"}}";

void gateway_set_headers(struct http_request *r, struct str headers, const char *upstream,
                         unsigned attempts, int64_t here_us)
{
    char tries[STR_U64_MAX], digits[STR_U64_MAX];
    uint64_t us = here_us > 0 ? (uint64_t)here_us : 0;
    const char hundredths[2] = { (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10) };

    r->extra_headers = arena_join(
        &r->arena, STRS(headers, STR("x-upstream: "), upstream ? str_of(upstream) : STR("none"),
                        STR("\r\nx-attempts: "), str_of_u64(attempts, tries),
                        STR("\r\nx-gateway-overhead-ms: "), str_of_u64(us / 1000, digits), STR("."),
                        (struct str){ hundredths, sizeof(hundredths) }, STR("\r\n")));
}

void gateway_reply_json(struct http_request *r, int status, struct str body)
{
    const struct http_header headers[] = { { STR("content-type"), STR("application/json") } };

    http_reply(r, status, headers, COUNT_OF(headers), body);
}

void gateway_reply_written(struct http_request *r, int status, struct json_writer *j)
{
    if (json_w_end(j))
        gateway_reply_error(r, FAILURE_OVERLOADED,
                            "The gateway is out of memory; try again later.");
    else
        gateway_reply_json(r, status, buf_str(j->out));
}

void gateway_reply_failure(struct http_request *r, const struct dialect_ops *dialect,
                           const struct failure *failure)
{
    struct http_header headers[4] = { { STR("content-type"), STR("application/json") } };
    const struct dialect_ops *d = dialect ? dialect : &dialect_openai_chat;
    int status = failure_status(failure);
    int64_t retry_ms = failure->retry_after_ms;
    struct failure f = *failure;
    size_t n = 1;
    struct buf out;

    if (status == 503 && retry_ms == 0)
        retry_ms = 1000; /* what is short now may not be in a moment */
    if (retry_ms > 0)
        headers[n++] = (struct http_header){ STR("retry-after"),
                                             arena_printf(&r->arena, "%lld",
                                                          (long long)((retry_ms + 999) / 1000)) };
    if (status == 401) /* RFC 9110 15.5.2: it must name a way to sign in */
        headers[n++] = (struct http_header){ STR("www-authenticate"),
                                             STR("Bearer realm=\"enginelabs-2api\"") };
    if (failure->prompt_accepted || failure->is_final)
        headers[n++] = (struct http_header){ STR("x-should-retry"), STR("false") };
    if (failure->body.n > 0 && d->stream_raw) {
        if (failure->body_type.n > 0)
            headers[0].value = failure->body_type;
        http_reply(r, status, headers, n, failure->body);
        return;
    }
    buf_init(&out, ERROR_MAX);
    f.request_id = str_of(r->id);
    if (d->error(&f, &out)) {
        buf_clear(&out);
        http_reply(r, 503, headers, n, str_of(FALLBACK));
    } else {
        http_reply(r, status, headers, n, buf_str(&out));
    }
    buf_deinit(&out);
}

void gateway_note_refusal(const struct http_request *r, const struct failure *failure)
{
    const struct failure_row *row = failure_row(failure->kind);

    metric_add(METRIC_REJECTED, 1);
    log_info("request refused", LOG_Z("request_id", r->id),
             LOG_STR("method", str_sub(r->head.method_text, 0, 32)),
             LOG_STR("path", str_sub(r->head.path, 0, 200)),
             LOG_INT("status", failure_status(failure)),
             LOG_Z("code", row->code ? row->code : "none"),
             LOG_STR("param", str_sub(failure->param, 0, 200)));
}

static void reply_error(struct http_request *r, const struct dialect_ops *dialect,
                        enum failure_kind kind, const char *format, va_list args) FORMAT(4, 0);
static void reply_error(struct http_request *r, const struct dialect_ops *dialect,
                        enum failure_kind kind, const char *format, va_list args)
{
    struct failure f = { .kind = kind };
    char text[1024];

    vsnprintf(text, sizeof(text), format, args);
    f.message = str_of(text);
    gateway_note_refusal(r, &f);
    gateway_reply_failure(r, dialect, &f);
}

void gateway_reply_error(struct http_request *r, enum failure_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(r, NULL, kind, format, args);
    va_end(args);
}

void gateway_reply_error_as(struct http_request *r, const struct dialect_ops *dialect,
                            enum failure_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(r, dialect, kind, format, args);
    va_end(args);
}
