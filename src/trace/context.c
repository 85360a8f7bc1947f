/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/context.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/random.h"

enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, SAMPLED = 1 };

/* Lower case, as the standard wants it. */
static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!((text.p[i] >= '0' && text.p[i] <= '9') || (text.p[i] >= 'a' && text.p[i] <= 'f')))
            return false;
    return true;
}

static bool take(struct str text, size_t at, size_t n, unsigned char *out)
{
    struct str part = str_sub(text, at, 2 * n);

    return part.n == 2 * n && is_hex(part) && hex_decode(part, out) == ERR_NONE;
}

static bool is_zero(const unsigned char *id, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (id[i])
            return false;
    return true;
}

/* Later versions may have more behind a dash. */
static bool has_form(struct str t, unsigned char version)
{
    if (t.p[2] != '-' || t.p[35] != '-' || t.p[52] != '-' || version == 0xff)
        return false;
    return version == 0 ? t.n == TRACEPARENT_LEN : t.n == TRACEPARENT_LEN || t.p[55] == '-';
}

bool trace_context_read(struct str t, struct trace_context *ret)
{
    unsigned char version, flags;

    if (t.n < TRACEPARENT_LEN || !take(t, VERSION_AT, 1, &version) || !has_form(t, version) ||
        !take(t, TRACE_AT, TRACE_ID_LEN, ret->trace_id) ||
        !take(t, SPAN_AT, SPAN_ID_LEN, ret->span_id) || !take(t, FLAGS_AT, 1, &flags))
        return false;
    ret->is_sampled = flags & SAMPLED;
    return !is_zero(ret->trace_id, TRACE_ID_LEN) && !is_zero(ret->span_id, SPAN_ID_LEN);
}

void trace_context_write(const struct trace_context *c, char out[TRACEPARENT_LEN + 1])
{
    char trace[2 * TRACE_ID_LEN + 1], span[2 * SPAN_ID_LEN + 1];

    hex_encode(c->trace_id, TRACE_ID_LEN, trace);
    hex_encode(c->span_id, SPAN_ID_LEN, span);
    snprintf(out, TRACEPARENT_LEN + 1, "00-%s-%s-%s", trace, span, c->is_sampled ? "01" : "00");
}

/* Ids of zeros only are not allowed; they are not likely either. */
static void new_id(unsigned char *id, size_t n)
{
    do
        random_bytes(id, n);
    while (is_zero(id, n));
}

void trace_context_new(struct trace_context *ret)
{
    new_id(ret->trace_id, TRACE_ID_LEN);
    new_id(ret->span_id, SPAN_ID_LEN);
    ret->is_sampled = false;
}

void trace_context_child(const struct trace_context *parent, struct trace_context *ret)
{
    *ret = *parent;
    new_id(ret->span_id, SPAN_ID_LEN);
}

/* The lowest `1000 - per_mille` of a thousand are not. 50 bits of the 56 are exact enough. */
static bool is_among(const struct trace_context *c, int64_t per_mille)
{
    int64_t random = 0;

    for (size_t i = TRACE_ID_LEN - 7; i < TRACE_ID_LEN; i++)
        random = random << 8 | c->trace_id[i];
    return (random >> 6) * 1000 >= (1000 - per_mille) << 50;
}

bool trace_context_sample(const struct trace_context *c, bool has_parent, enum trace_sampler by,
                          int64_t per_mille)
{
    if (by >= TRACE_PARENT_ON && has_parent)
        return c->is_sampled;
    if (by == TRACE_RATIO || by == TRACE_PARENT_RATIO)
        return is_among(c, per_mille);
    return by == TRACE_ON || by == TRACE_PARENT_ON;
}
