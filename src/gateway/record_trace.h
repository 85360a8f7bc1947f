/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spans of a request: one of the server, one of the client for each try at an upstream. Names
 * are those of OpenTelemetry's semantic conventions, of which docs/internals/traces.md has the
 * versions.
 */
#pragma once

#include "gateway/record.h"
#include "trace/context.h"

enum { RECORD_TRIES_MAX = 16 };

/* A try, of which the last of very many has no span of its own. */
struct record_try {
    struct trace_context context;
    const char *upstream; /* in the arena */
    struct str model;     /* the name there; empty: the request has none */
    struct str account;
    struct str chat; /* the upstream's id of it; empty: none is known */
    int64_t start_us;
    int64_t end_us;   /* 0: it goes on */
    const char *code; /* of its failure; NULL: none is known */
};

/* In the request's arena. */
struct record_trace {
    struct trace_context context; /* of the server's span */
    bool has_parent;
    unsigned char parent[SPAN_ID_LEN];
    struct record_try tries[RECORD_TRIES_MAX];
    size_t n_tries;
    struct str traceparent; /* for the upstream of the present try */
    struct str tracestate;  /* of the client, with its traceparent; passed on as it is */
};

/* Begins the trace of a request, or goes on with its client's. NULL: nobody collects them, and its
 * client has none. */
struct record_trace *record_trace_begin(struct gateway_worker *w, struct http_request *r);

/* A try begins, of the upstream's `model`, and ends the one before. */
void record_trace_try(struct record *rec, const char *upstream, struct str model,
                      struct str account);

/* The chat that the prompt of the present try goes to, in the arena. */
void record_trace_chat(struct record *rec, struct str chat);

/* The present try has failed. */
void record_trace_failed(struct record *rec, const char *code);

/* Of the present try, for its provider; NULL: there is no trace. Lives as long as the request. */
const struct str *record_traceparent(const struct record *rec);
const struct str *record_tracestate(const struct record *rec);

/* Its ids as hex, with NUL; empty where there is no trace. */
void record_trace_ids(const struct record *rec, char trace_id[2 * TRACE_ID_LEN + 1],
                      char span_id[2 * SPAN_ID_LEN + 1]);

/* Hands the spans over, when the record is told. */
void record_trace_tell(const struct record *rec);
