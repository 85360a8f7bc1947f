/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context (Recommendation of 2021-11-23, level 1): which trace a request belongs to. */
#pragma once

#include "base/str.h"

enum { TRACE_ID_LEN = 16, SPAN_ID_LEN = 8, TRACEPARENT_LEN = 55 };

struct trace_context {
    unsigned char trace_id[TRACE_ID_LEN];
    unsigned char span_id[SPAN_ID_LEN];
    bool is_sampled;
};

/* Reads a traceparent. False: it is none that may be taken over. */
bool trace_context_read(struct str traceparent, struct trace_context *ret);

/* Writes one, with NUL. */
void trace_context_write(const struct trace_context *c, char out[TRACEPARENT_LEN + 1]);

/* A new trace, of which about `per_mille` of a thousand are sampled. */
void trace_context_new(struct trace_context *ret, int64_t per_mille);

/* A new span of the same trace. */
void trace_context_child(const struct trace_context *parent, struct trace_context *ret);
