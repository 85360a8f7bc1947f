/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of any head, request or response. The target gives the parser and the first line;
 * here the input is parsed whole, cut and byte by byte, and what was understood is written anew and
 * parsed again.
 */
#pragma once

#include <stdio.h>

#include "digest.h"

enum { HEAD_MAX = 1 << 14 };

typedef enum err parse_head(struct str in, size_t *scanned, struct http_head *ret, size_t *ret_used,
                            struct http_refusal *why);
typedef size_t write_line(const struct http_head *h, char *out, size_t cap);

struct result {
    enum err err;
    uint64_t digest;
};

static inline bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

static inline void check_head(const struct http_head *h)
{
    size_t lengths = 0;
    size_t codings = 0;

    for (size_t i = 0; i < h->n_headers; i++) {
        struct http_header x = h->headers[i];

        BUG_ON(!http_name_is_safe(x.name) || !http_value_is_safe(x.value));
        BUG_ON(!is_clean(x.value) || !str_eq(str_trim(x.value), x.value));
        lengths += str_eq_nocase(x.name, STR("content-length"));
        codings += str_eq_nocase(x.name, STR("transfer-encoding"));
    }
    BUG_ON(lengths > 0 && codings > 0);
    BUG_ON(codings > 1);
    BUG_ON(h->framing == HTTP_BODY_LENGTH && lengths == 0);
    BUG_ON(h->framing == HTTP_BODY_CHUNKED && codings == 0);
}

static inline struct result parse_once(parse_head *parse, struct str in, size_t *scanned,
                                       struct http_head *h)
{
    struct str copy = copy_of(in);
    struct http_refusal why = { 0, NULL };
    struct result r = { ERR_NONE, 0 };
    size_t used = 0;

    r.err = parse(copy, scanned, h, &used, &why);
    digest_u64(&r.digest, (uint64_t)r.err);
    if (r.err == ERR_NONE) {
        BUG_ON(used == 0 || used > in.n);
        check_head(h);
        digest_head(&r.digest, h);
        digest_u64(&r.digest, used);
    } else if (r.err != ERR_AGAIN) {
        BUG_ON(why.status < 400 || !why.what);
        digest_str(&r.digest, str_of(why.what));
        digest_u64(&r.digest, (uint64_t)why.status);
    }
    free_copy(copy);
    return r;
}

/* Grows what is there by `step` bytes from `first` on, until the parser decides. */
static inline struct result parse_growing(parse_head *parse, struct str in, size_t first,
                                          size_t step, struct http_head *h)
{
    size_t scanned = 0;
    struct result r = { ERR_AGAIN, 0 };

    for (size_t n = first; r.err == ERR_AGAIN; n += step) {
        r = parse_once(parse, str_sub(in, 0, n), &scanned, h);
        if (n >= in.n)
            break;
    }
    return r;
}

/* RFC 9112 says one thing only about a head: written plainly it must mean the same. */
static inline void check_rewritten(parse_head *parse, write_line *write, const struct http_head *h)
{
    static char out[2 * HEAD_MAX];
    static struct http_head again;
    struct http_refusal why;
    uint64_t before = 0;
    uint64_t after = 0;
    size_t scanned = 0;
    size_t used;
    size_t n = write(h, out, sizeof(out));

    for (size_t i = 0; i < h->n_headers; i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s: %.*s\r\n",
                              STR_ARGS(h->headers[i].name), STR_ARGS(h->headers[i].value));
    n += (size_t)snprintf(out + n, sizeof(out) - n, "\r\n");
    BUG_ON(n >= sizeof(out));
    BUG_ON(parse((struct str){ out, n }, &scanned, &again, &used, &why) != ERR_NONE);
    BUG_ON(used != n);
    digest_head(&before, h);
    digest_head(&after, &again);
    BUG_ON(before != after);
}

static inline void fuzz_head(parse_head *parse, write_line *write, struct str in, size_t cut)
{
    static struct http_head h;
    size_t scanned = 0;

    if (in.n > HEAD_MAX)
        return;
    struct result whole = parse_growing(parse, in, in.n, 1, &h);
    struct result two = parse_growing(parse, in, cut % (in.n + 1), in.n + 1, &h);
    struct result bytes = parse_growing(parse, in, 0, 1 + in.n / 64, &h);

    BUG_ON(whole.digest != two.digest);
    BUG_ON(whole.digest != bytes.digest);
    struct str copy = copy_of(in);
    struct http_refusal why;
    size_t used;
    if (parse(copy, &scanned, &h, &used, &why) == ERR_NONE)
        check_rewritten(parse, write, &h);
    free_copy(copy);
}
