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

/* A new trace, which is not sampled yet. */
void trace_context_new(struct trace_context *ret);

/* A new span of the same trace. */
void trace_context_child(const struct trace_context *parent, struct trace_context *ret);

/* Which traces are sampled, by the names of OpenTelemetry's settings; "parentbased": as the parent
 * is, where there is one. */
enum trace_sampler {
    TRACE_ON,
    TRACE_OFF,
    TRACE_RATIO,
    TRACE_PARENT_ON,
    TRACE_PARENT_OFF,
    TRACE_PARENT_RATIO,
};
#define TRACE_SAMPLERS                  \
    "always_on|always_off|traceidratio" \
    "|parentbased_always_on"            \
    "|parentbased_always_off"           \
    "|parentbased_traceidratio"

/* Whether a span is sampled. Of a thousand traces `per_mille` are by ratio, told by their ids (the
 * last 7 bytes, as W3C Trace Context level 2 has them), so that all who sample so agree. */
bool trace_context_sample(const struct trace_context *c, bool has_parent, enum trace_sampler by,
                          int64_t per_mille);
