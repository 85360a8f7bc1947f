/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which headers pass in either direction (only those of the two lists: what is hop-by-hop, RFC 9110
 * 7.6.1, and what is secret cannot be among them), and how the answer begins.
 */
#include "base/clock.h"
#include "gateway/relay_internal.h"

/* A name, or with a '-' at its end what names begin with. */
static bool is_listed(struct str name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct str listed = str_of(list[i]);
        bool is_prefix = str_ends(listed, STR("-"));

        if (is_prefix ? str_starts_nocase(name, listed) : str_eq_nocase(name, listed))
            return true;
    }
    return false;
}

/* Connection may name any other header as one for this hop alone. */
static bool is_for_hop(const struct http_head *h, struct str name)
{
    struct str list = http_value(h, "connection");
    struct str item;

    while (str_next_item(&list, &item))
        if (str_eq_nocase(item, name))
            return true;
    return false;
}

static size_t pick(const struct http_head *h, const char *const *list, size_t n_list, size_t most,
                   struct http_header *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_headers && n < most; i++) {
        const struct http_header *x = &h->headers[i];

        if (is_listed(x->name, list, n_list) && !is_for_hop(h, x->name) &&
            http_value_is_safe(x->value))
            ret[n++] = *x;
    }
    return n;
}

size_t relay_headers(const struct http_head *head, struct http_header *ret)
{
    static const char *const list[] = {
        "accept",           "accept-language",  "content-type",
        "content-encoding", "content-language", "if-range",
        "idempotency-key",  "openai-beta",      "range",
    };

    return pick(head, list, COUNT_OF(list), HTTP_HEADERS_MAX / 2, ret);
}

static void set_headers(struct relay *x)
{
    struct http_request *r = x->request;
    int64_t now_us = clock_now_us();
    int64_t upstream_us = x->upstream_us + now_us - x->upstream_since_us;

    if (x->upstream)
        gateway_set_headers(r, x->headers, x->upstream->name, x->attempts,
                            now_us - x->began_us - upstream_us);
}

/* RFC 9110 8.6: to HEAD it is the length that the answer to GET would have. */
static bool has_length(const struct relay *x, const struct http_head *head)
{
    return head->framing == HTTP_BODY_LENGTH ||
           (x->request->head.method == HTTP_HEAD && http_find(head, "content-length"));
}

/* Two of one name would be read as one of neither's. */
static bool tells_own_limits(const struct relay *x)
{
    const struct key_record *k = x->record->principal->key;

    return k && (k->requests_per_minute || k->tokens_per_minute);
}

void relay_answer_begin(struct relay *x, const struct http_head *head)
{
    enum { OF_LIMITS = 2 }; /* the last of the list */
    static const char *const list[] = {
        "accept-ranges",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "openai-",
        "retry-after",
        "ratelimit-",
        "x-ratelimit-",
    };
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t n = pick(head, list, COUNT_OF(list) - (tells_own_limits(x) ? OF_LIMITS : 0),
                    HTTP_HEADERS_MAX, headers);

    x->status = head->status;
    set_headers(x);
    if (has_length(x, head))
        http_reply_begin_sized(x->request, head->status, headers, n, head->content_length);
    else
        http_reply_begin(x->request, head->status, headers, n);
}

void relay_answer_failure(struct relay *x, const struct failure *f)
{
    if (http_reply_is_begun(x->request)) {
        http_reply_abort(x->request);
        return;
    }
    set_headers(x);
    gateway_reply_failure(x->request, NULL, f);
}
