/* SPDX-License-Identifier: Apache-2.0 */
/* One number for all that a parser said (FNV-1a), so that two runs can be compared; and exact
 * copies of the input, so that a read too far is seen. */
#pragma once

#include "base/mem.h"
#include "http/message.h"

static inline void digest_bytes(uint64_t *d, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < n; i++)
        *d = (*d ^ bytes[i]) * 0x100000001b3U;
}

static inline void digest_u64(uint64_t *d, uint64_t value)
{
    digest_bytes(d, &value, sizeof(value));
}

/* The content and its length; an absent slice differs from an empty one. */
static inline void digest_str(uint64_t *d, struct str s)
{
    digest_u64(d, s.p ? s.n : UINT64_MAX);
    digest_bytes(d, s.p, s.n);
}

static inline void digest_head(uint64_t *d, const struct http_head *h)
{
    const struct str texts[] = { h->method_text, h->target, h->path, h->query, h->reason, h->host };
    const uint64_t numbers[] = {
        (uint64_t)h->method,  (uint64_t)h->status, (uint64_t)h->minor_version,
        h->keep_alive,        h->upgrade,          h->expect_continue,
        (uint64_t)h->framing, h->content_length,   (uint64_t)h->n_headers,
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        digest_str(d, texts[i]);
    digest_bytes(d, numbers, sizeof(numbers));
    for (size_t i = 0; i < h->n_headers; i++) {
        digest_str(d, h->headers[i].name);
        digest_str(d, h->headers[i].value);
    }
}

/* A copy of exactly n bytes; free_copy() it. */
static inline struct str copy_of(struct str s)
{
    char *p = mem_alloc(s.n);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){ p, s.n };
}

static inline void free_copy(struct str copy)
{
    mem_free((void *)(uintptr_t)copy.p);
}
