/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events. Properties: cuts do not matter; an event that was read, written again, reads
 * the same. */
#include "digest.h"
#include "http/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { LIMIT = 48 };

struct run {
    enum err err;
    uint64_t digest;
    size_t events;
};

static enum err on_event(void *arg, const struct sse_event *ev)
{
    struct run *r = arg;

    BUG_ON(ev->type.n == 0 || ev->type.n > LIMIT || ev->data.n > LIMIT);
    BUG_ON(str_find_char(ev->data, '\r') != SIZE_MAX);
    r->events++;
    digest_str(&r->digest, ev->type);
    digest_str(&r->digest, ev->data);
    return ERR_NONE;
}

static enum err feed_copy(struct sse *s, struct str in)
{
    struct str copy = copy_of(in);
    enum err err = sse_feed(s, copy);

    free_copy(copy);
    return err;
}

/* `first` bytes, then `step` at a time. */
static struct run decode(struct str in, size_t first, size_t step)
{
    struct run r = { ERR_NONE, 0, 0 };
    struct sse s;

    sse_init(&s, LIMIT, on_event, &r);
    r.err = feed_copy(&s, str_sub(in, 0, first));
    for (size_t at = first; at < in.n; at += step) {
        enum err err = feed_copy(&s, str_sub(in, at, step));

        BUG_ON(r.err && err != r.err);
        r.err = err;
    }
    sse_deinit(&s);
    return r;
}

/* What sse_write_data() makes of `text` is one event, and writing that event changes nothing. */
static enum err rewrite(void *arg, const struct sse_event *ev)
{
    return sse_write_data(arg, ev->data);
}

static void check_written(struct str text)
{
    struct buf once;
    struct buf twice;
    struct sse s;

    buf_init(&once, SIZE_MAX);
    buf_init(&twice, SIZE_MAX);
    BUG_ON(sse_write_data(&once, text) != ERR_NONE);
    sse_init(&s, SIZE_MAX, rewrite, &twice);
    BUG_ON(sse_write_comment(&once, text) != ERR_NONE);
    BUG_ON(sse_feed(&s, buf_str(&once)) != ERR_NONE);
    BUG_ON(twice.n == 0 || !str_starts(buf_str(&once), buf_str(&twice)));
    BUG_ON(once.p[twice.n] != ':');
    sse_deinit(&s);
    buf_deinit(&once);
    buf_deinit(&twice);
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

    BUG_ON(whole.err != two.err || whole.digest != two.digest || whole.events != two.events);
    BUG_ON(whole.err != bytes.err || whole.digest != bytes.digest);
    check_written(in);
    return 0;
}
