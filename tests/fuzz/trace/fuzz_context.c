/* SPDX-License-Identifier: Apache-2.0 */
/* A client's traceparent. Property: what is taken over, written anew, reads the same. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "trace/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct trace_context c;
    struct trace_context again;
    char text[TRACEPARENT_LEN + 1];

    if (!trace_context_read((struct str){ (const char *)p, n }, &c))
        return 0;
    trace_context_write(&c, text);
    BUG_ON(strlen(text) != TRACEPARENT_LEN);
    BUG_ON(!trace_context_read(str_of(text), &again));
    BUG_ON(memcmp(c.trace_id, again.trace_id, sizeof(c.trace_id)) != 0);
    BUG_ON(memcmp(c.span_id, again.span_id, sizeof(c.span_id)) != 0);
    BUG_ON(c.is_sampled != again.is_sampled);
    return 0;
}
