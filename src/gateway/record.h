/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be known of a request that an upstream was to answer, once it is over: who asked what
 * of whom, what it took, how it ended. The exchange and the relay fill it; the log line, metrics,
 * usage and traces are made of it, and of nothing else. Never of it: prompts and answers.
 */
#pragma once

#include "chat/event.h"
#include "gateway/gateway.h"
#include "gateway/principal.h"

struct record_trace;

enum record_outcome { RECORD_COMPLETED, RECORD_FAILED, RECORD_CANCELED, RECORD_OUTCOMES };

/* In the request's arena, with all it points at. Times: -1 is "not so far". */
struct record {
    struct gateway_worker *worker;
    struct http_request *request; /* its id, its method */
    const struct principal *principal;
    const char *dialect;    /* "openai_chat", or "relay" */
    struct str endpoint;    /* "/chat/completions": the path without /v1; bounded: of a row */
    struct str model;       /* as the client names it, at most 200 bytes; empty: none */
    struct str known_model; /* its route's name; empty: none, or one that anybody makes up */
    const char *upstream;   /* of the last attempt; "none" */
    struct str account;     /* likewise; empty: it has none */
    struct str chat;        /* likewise: the upstream's id of it; empty: it has none */
    unsigned attempts;
    bool is_stream;
    struct chat_usage usage;
    int64_t cost_micros;        /* millionths of the currency, by the price table */
    struct record_trace *trace; /* NULL: it has none */
    const char *finish;         /* OpenAI's finish_reason of the first choice; "" */

    bool is_ended; /* else nothing is told */
    enum record_outcome outcome;
    int status;         /* of HTTP; 499: the client left. That of a failure after the head, too */
    const char *code;   /* of the failure; "none" */
    struct str error;   /* its message; empty: it did not fail */
    int64_t started_ms; /* loop_now_ms() */
    int64_t started_us; /* clock_now_us() */
    int64_t started_wall_ms;
    int64_t duration_ms;
    int64_t first_token_ms; /* from the start */
    int64_t queued_ms;      /* how long it waited for an account */
    int64_t overhead_us;    /* how long it was in the gateway's hands; -1 too */
    uint64_t bytes_in;      /* of the bodies, framing not counted */
    uint64_t bytes_out;     /* set when it is told */
};

/* A record that is told when the request is gone, if it is ended by then. */
struct record *record_begin(struct gateway_worker *w, struct http_request *r, const char *dialect);

/* The end, once, which is counted; `f` NULL: it did not fail. `status` is that of an answer that
 * ran to its end. */
void record_end(struct record *rec, enum record_outcome outcome, int status,
                const struct failure *f);

/* What this would cost of a model, by the name that clients ask for; 0: it has no price. */
int64_t record_cost(const struct gateway_worker *w, struct str model, const struct chat_usage *u);

/* "completed", "failed", "canceled": labels. */
const char *record_outcome_name(enum record_outcome outcome);
