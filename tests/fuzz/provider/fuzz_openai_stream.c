/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of chunks. Properties: cuts do not matter; a chunk says what it says alone; what is
 * handed on is JSON, but for errors, in order; an answer that is whole stays whole. */
#include "base/mem.h"
#include "provider/openai/stream.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { LIMIT = 512 };

struct run {
    enum err err;
    bool is_whole;
    uint64_t digest;
    size_t chunks;
};

static void digest(uint64_t *d, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        *d = (*d ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    *d = (*d ^ 256) * UINT64_C(1099511628211);
}

/* What was said of a chunk that is like the one before is what a reading says. */
static void expect_the_same_alone(struct str json, const struct chunk *c)
{
    const struct piece *p = c->first;
    struct chunk alone;
    struct arena a;

    arena_init(&a);
    BUG_ON(chunk_read(json, &a, &alone));
    for (const struct piece *q = alone.first; q; q = q->next, p = p->next)
        BUG_ON(!p || p->type != q->type || p->choice != q->choice || !str_eq(p->text, q->text));
    BUG_ON(p || c->choices != alone.choices || c->spoken != alone.spoken);
    BUG_ON(c->is_said != alone.is_said || c->has_more != alone.has_more || c->flaw != alone.flaw);
    BUG_ON(c->model.p != alone.model.p || c->error.p != alone.error.p);
    BUG_ON(c->has_usage != alone.has_usage || c->is_counted != alone.is_counted);
    arena_deinit(&a);
}

static enum err on_chunk(void *arg, struct str json, bool is_error, const struct chunk *c)
{
    struct run *r = arg;
    struct json j;

    json_init(&j, json, JSON_DEPTH_MAX);
    j.lone_surrogates = true;
    BUG_ON(!is_error && (!json_skip(&j) || json_end(&j)));
    if (!is_error)
        expect_the_same_alone(json, c);
    r->chunks++;
    digest(&r->digest, json);
    for (const struct piece *p = c->first; p; p = p->next) {
        BUG_ON(p->type == PIECE_TEXT && p->text.n == 0);
        digest(&r->digest, p->text);
        digest(&r->digest, p->tool.arguments);
    }
    return ERR_NONE;
}

static struct run decode(struct str in, size_t first, size_t step)
{
    struct run r = { .err = ERR_NONE };
    struct stream s;
    bool was_whole;

    stream_init(&s, LIMIT, on_chunk, &r);
    r.err = stream_feed(&s, str_sub(in, 0, first));
    for (size_t at = first; at < in.n; at += step) {
        was_whole = s.is_done && stream_is_whole(&s);
        r.err = stream_feed(&s, str_sub(in, at, step));
        BUG_ON(was_whole && !stream_is_whole(&s));
    }
    r.is_whole = stream_is_whole(&s);
    stream_deinit(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    char *copy = mem_alloc(n - 1);
    struct str in = { copy, n - 2 };

    memcpy(copy, p + 2, n - 2);
    struct run whole = decode(in, in.n, 1);
    struct run two = decode(in, ((size_t)p[0] << 8 | p[1]) % (in.n + 1), in.n + 1);
    struct run bytes = decode(in, 0, 1);

    BUG_ON(whole.err != two.err || whole.err != bytes.err);
    BUG_ON(whole.digest != two.digest || whole.digest != bytes.digest);
    BUG_ON(whole.chunks != bytes.chunks || whole.is_whole != bytes.is_whole);
    mem_free(copy);
    return 0;
}
