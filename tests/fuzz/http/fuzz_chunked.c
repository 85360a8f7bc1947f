/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies. Property: cuts change neither the decoded bytes nor the verdict nor what is left
 * behind the body. */
#include "digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct run {
    struct http_body body;
    enum err err;
    uint64_t decoded; /* digest */
    size_t n_decoded;
    size_t used; /* of the input, without error */
};

static void feed(struct run *r, struct str in)
{
    struct str copy = copy_of(in);
    struct str rest = copy;
    struct str piece = { NULL, 0 };

    do {
        r->err = http_body_next(&r->body, &rest, &piece);
        if (r->err)
            break;
        BUG_ON(piece.n > 0 && (piece.p < copy.p || piece.p + piece.n > copy.p + copy.n));
        digest_bytes(&r->decoded, piece.p, piece.n);
        r->n_decoded += piece.n;
    } while (piece.n > 0);
    BUG_ON(!r->err && !r->body.done && rest.n > 0);
    if (!r->err)
        r->used += in.n - rest.n;
    free_copy(copy);
}

/* `first` bytes, then `step` at a time. */
static struct run decode(struct str in, size_t first, size_t step)
{
    static const struct http_head head = { .framing = HTTP_BODY_CHUNKED };
    struct run r = { .n_decoded = 0 };

    http_body_init(&r.body, &head);
    feed(&r, str_sub(in, 0, first));
    for (size_t at = first; at < in.n && !r.err; at += step)
        feed(&r, str_sub(in, at, step));
    return r;
}

static void expect_same(const struct run *a, const struct run *b)
{
    BUG_ON(a->err != b->err);
    BUG_ON(a->decoded != b->decoded || a->n_decoded != b->n_decoded);
    if (a->err)
        return;
    BUG_ON(a->used != b->used || a->body.done != b->body.done);
    BUG_ON(a->body.state != b->body.state || a->body.left != b->body.left);
    BUG_ON(a->body.extra != b->body.extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    struct str in = { (const char *)p + 2, n - 2 };
    size_t cut = ((size_t)p[0] << 8 | p[1]) % (in.n + 1);
    struct run whole = decode(in, in.n, 1);
    struct run two = decode(in, cut, in.n + 1);
    struct run bytes = decode(in, 0, 1);

    expect_same(&whole, &two);
    expect_same(&whole, &bytes);
    BUG_ON(whole.n_decoded > in.n);
    BUG_ON((http_body_eof(&whole.body) == ERR_NONE) != whole.body.done);
    return 0;
}
