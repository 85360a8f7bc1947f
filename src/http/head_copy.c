/* SPDX-License-Identifier: Apache-2.0 */
/* Copies a response head slice by slice; for the few responses that are kept. */
#include "http/head_copy.h"

struct http_head *http_head_copy(struct arena *a, const struct http_head *h)
{
    struct http_head *copy = arena_new(a, struct http_head);

    *copy = *h;
    copy->reason = arena_dup(a, h->reason);
    for (size_t i = 0; i < h->n_headers; i++) {
        copy->headers[i].name = arena_dup(a, h->headers[i].name);
        copy->headers[i].value = arena_dup(a, h->headers[i].value);
    }
    return copy;
}
