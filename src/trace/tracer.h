/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans on their way to a collector: OTLP over HTTP, as JSON (OpenTelemetry protocol 1.x, "JSON
 * Protobuf Encoding"), in batches. One loop's. What a collector does not take in time is dropped
 * and counted; nobody waits for it.
 */
#pragma once

#include "http/client.h"
#include "trace/context.h"

enum {
    TRACER_BATCH = 512, /* spans of one request */
    TRACER_EVERY_MS = 5000,
    TRACER_WAITING = 2048, /* spans that wait; beyond, they are dropped */
    TRACER_END_MS = 2000,  /* how long the last batch may take */
};

/* Numbers of the protocol. */
enum trace_kind { TRACE_SERVER = 2, TRACE_CLIENT = 3 };

struct trace_attribute {
    const char *name;
    enum { TRACE_TEXT, TRACE_INT, TRACE_LIST /* of one text */ } type;
    struct str text;
    int64_t number;
};

#define TRACE_ATTR_TEXT(n, s) ((struct trace_attribute){ (n), TRACE_TEXT, (s), 0 })
#define TRACE_ATTR_INT(n, i) ((struct trace_attribute){ (n), TRACE_INT, { NULL, 0 }, (i) })

struct trace_span {
    const struct trace_context *context;
    const unsigned char *parent; /* its span id; NULL: it begins the trace */
    struct str name;
    enum trace_kind kind;
    int64_t start_us; /* since 1970 */
    int64_t end_us;
    const struct trace_attribute *attributes; /* empty texts are left out */
    size_t n_attributes;
    bool has_failed;
    struct str message; /* of the failure */
};

struct tracer_params {
    const struct url *url; /* of the collector; "/v1/traces" goes behind its path */
    struct str headers;    /* "name=value,name=value", values percent-encoded; a secret */
    struct str service;    /* service.name */
    struct str version;
};

struct tracer;

/* `params` is copied; `client` is borrowed. */
struct tracer *tracer_open(struct loop *l, struct http_client *client,
                           const struct tracer_params *params);

/* All it points at is copied. */
void tracer_add(struct tracer *t, const struct trace_span *span);

/* Sends what waits, TRACER_END_MS at most, then calls closed(arg), never inside this call. */
void tracer_close(struct tracer *t, void (*closed)(void *arg), void *arg);

/* Whether these are headers as above; `what` (128 bytes) says what is wrong. */
bool tracer_headers_are_valid(struct str headers, char *what);
