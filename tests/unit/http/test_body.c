/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies by length, by chunks and until the end of the connection, at every cut. */
#include "base/mem.h"
#include "http/message.h"
#include "test.h"

enum { SEEN_MAX = 256, EXTRA_MAX = 16 * 1024 };

struct seen {
    char text[SEEN_MAX]; /* decoded */
    size_t n;
    size_t used; /* bytes of the input consumed */
    enum err err;
    bool done;
};

static struct http_body body_of(enum http_framing framing, uint64_t length)
{
    struct http_head h = { .framing = framing, .content_length = length };
    struct http_body b;

    http_body_init(&b, &h);
    return b;
}

/* Feeds one run, from memory of exactly its size, until the decoder wants more. */
static void feed(struct http_body *b, struct str in, struct seen *seen)
{
    char *copy = mem_alloc(in.n);
    struct str rest = { copy, in.n };
    struct str piece;

    memcpy(copy, in.p, in.n);
    do {
        seen->err = http_body_next(b, &rest, &piece);
        if (seen->err)
            break;
        EXPECT(seen->n + piece.n <= sizeof(seen->text));
        if (piece.n > 0)
            memcpy(seen->text + seen->n, piece.p, piece.n);
        seen->n += piece.n;
    } while (piece.n > 0);
    if (!seen->err)
        seen->used += in.n - rest.n;
    seen->done = b->done;
    mem_free(copy);
}

static struct seen decode_cut(struct http_body b, struct str in, size_t cut)
{
    struct seen seen = { .n = 0 };

    feed(&b, str_sub(in, 0, cut), &seen);
    if (!seen.err)
        feed(&b, str_from(in, cut), &seen);
    return seen;
}

static struct seen decode_bytes(struct http_body b, struct str in)
{
    struct seen seen = { .n = 0 };

    for (size_t i = 0; i < in.n && !seen.err; i++)
        feed(&b, str_sub(in, i, 1), &seen);
    return seen;
}

static void expect_seen(const struct seen *got, struct str in, const char *want, enum err err)
{
    if (got->err != err)
        fail_msg("\"%.*s\": %s instead of %s", STR_ARGS(in), err_name(got->err), err_name(err));
    EXPECT_STR(((struct str){ got->text, got->n }), want);
}

struct row {
    const char *in;
    const char *want; /* what is decoded, also before an error */
    enum err err;
    bool done;
    size_t rest; /* bytes behind the body */
};

static void check_row(const struct row *row)
{
    struct str in = str_of(row->in);

    for (size_t cut = 0; cut <= in.n + 1; cut++) {
        struct http_body b = body_of(HTTP_BODY_CHUNKED, 0);
        struct seen seen = cut <= in.n ? decode_cut(b, in, cut) : decode_bytes(b, in);

        expect_seen(&seen, in, row->want, row->err);
        EXPECT_INT(seen.done, row->done);
        if (!row->err)
            EXPECT_INT(in.n - seen.used, row->rest);
    }
}

static void decodes_chunks_whatever_the_cut(void)
{
    static const struct row rows[] = {
        { "0\r\n\r\n", "", 0, true, 0 },
        { "5\r\nhello\r\n0\r\n\r\n", "hello", 0, true, 0 },
        { "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", 0, true, 0 },
        { "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0, true, 0 },
        { "a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0, true, 0 },
        { "0005\r\nhello\r\n0000\r\n\r\n", "hello", 0, true, 0 },
        { "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a", 0, true, 0 },
        { "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0, true, 0 },
        { "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", 0, true, 0 },
        { "5;a=\"x y;\t\xff\"\r\nhello\r\n0\r\n\r\n", "hello", 0, true, 0 },
        { "5 ;a\r\nhello\r\n0\t ; b\r\n\r\n", "hello", 0, true, 0 },
        { "5;\r\nhello\r\n0\r\n\r\n", "hello", 0, true, 0 },
        { "0\r\nA: b\r\n\r\n", "", 0, true, 0 },
        { "1\r\na\r\n0\r\nA: b\r\nC:d\r\nE:\r\n\r\n", "a", 0, true, 0 },
        { "0\r\n\r\nGET /", "", 0, true, 5 },
        { "1\r\na\r\n0\r\n\r\n0\r\n\r\n", "a", 0, true, 5 },
        { "0\r\nA: b\r\n\r\n\r\n", "", 0, true, 2 },
        { "", "", 0, false, 0 },
        { "5", "", 0, false, 0 },
        { "5\r\nhel", "hel", 0, false, 0 },
        { "5\r\nhello", "hello", 0, false, 0 },
        { "5\r\nhello\r\n0\r\n\r", "hello", 0, false, 0 },
        { "5\r\nhello\r\n0\r\nA: b\r\n", "hello", 0, false, 0 },
        { "7fffffffffffffff\r\nabc", "abc", 0, false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

static void refuses_broken_chunks(void)
{
    static const struct row rows[] = {
        { "\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "x\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "-1\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "+1\r\n", "", ERR_BAD_INPUT, false, 0 },
        { " 1\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0x1\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1_0\r\n", "", ERR_BAD_INPUT, false, 0 },
        { ";a\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1g\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1 \r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1 1\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1\na\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1\r\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1\ra", "", ERR_BAD_INPUT, false, 0 },
        { "1;a\nb\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1;a\rb\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1;a\x01\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1;a\x7f\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "1\r\nab\r\n", "a", ERR_BAD_INPUT, false, 0 },
        { "1\r\na0\r\n\r\n", "a", ERR_BAD_INPUT, false, 0 },
        { "1\r\na\n0\r\n\r\n", "a", ERR_BAD_INPUT, false, 0 },
        { "1\r\na\rx", "a", ERR_BAD_INPUT, false, 0 },
        { "1\r\na\r\n\r\n", "a", ERR_BAD_INPUT, false, 0 },
        { "0\r\n\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\n\rx", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\n: b\r\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA\r\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA : b\r\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\n A: b\r\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA: b\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA: b\rc\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA: b\x02\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "0\r\nA: b\r\n c\r\n\r\n", "", ERR_BAD_INPUT, false, 0 },
        { "8000000000000000\r\n", "", ERR_TOO_BIG, false, 0 },
        { "ffffffffffffffff\r\n", "", ERR_TOO_BIG, false, 0 },
        { "10000000000000001\r\na\r\n", "", ERR_TOO_BIG, false, 0 },
        { "00000000000000001\r\na\r\n", "", ERR_TOO_BIG, false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check_row(&rows[i]);
}

/* Repeats `unit` until `total` bytes are fed; returns the first error. */
static enum err feed_repeated(struct http_body *b, const char *start, const char *unit,
                              size_t total)
{
    struct seen seen = { .n = 0 };

    feed(b, str_of(start), &seen);
    for (size_t n = 0; n < total && !seen.err; n += strlen(unit))
        feed(b, str_of(unit), &seen);
    return seen.err;
}

static void bounds_extensions_and_trailers(void)
{
    static const struct {
        const char *start;
        const char *unit;
    } rows[] = {
        { "1;", "a" },    { "1 ", " " },      { "1", ";" },
        { "0\r\n", "a" }, { "0\r\na:", "b" }, { "0\r\n", "a:b\r\n" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_body b = body_of(HTTP_BODY_CHUNKED, 0);

        EXPECT_INT(feed_repeated(&b, rows[i].start, rows[i].unit, EXTRA_MAX - 8), ERR_NONE);
        EXPECT_INT(feed_repeated(&b, "", rows[i].unit, EXTRA_MAX / 2), ERR_TOO_BIG);
    }
}

static void counts_extensions_over_all_chunks(void)
{
    struct http_body b = body_of(HTTP_BODY_CHUNKED, 0);
    struct http_body plain = body_of(HTTP_BODY_CHUNKED, 0);
    struct seen seen = { .n = 0 };

    for (size_t i = 0; !seen.err; i++) {
        EXPECT(i <= EXTRA_MAX);
        seen.n = 0;
        feed(&b, STR("1;\r\na\r\n"), &seen);
    }
    EXPECT_INT(seen.err, ERR_TOO_BIG);
    for (size_t i = 0; i < 3 * EXTRA_MAX; i++) {
        seen.n = 0;
        feed(&plain, STR("00000001\r\na\r\n"), &seen);
        EXPECT_INT(seen.err, ERR_NONE);
    }
}

static void goes_on_refusing(void)
{
    static const struct {
        const char *in;
        enum err err;
    } rows[] = {
        { "x", ERR_BAD_INPUT },
        { "00000000000000000", ERR_TOO_BIG },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_body b = body_of(HTTP_BODY_CHUNKED, 0);
        struct seen seen = { .n = 0 };

        feed(&b, str_of(rows[i].in), &seen);
        EXPECT_INT(seen.err, rows[i].err);
        feed(&b, STR("1\r\na\r\n0\r\n\r\n"), &seen);
        EXPECT_INT(seen.err, rows[i].err);
        feed(&b, STR(""), &seen);
        EXPECT_INT(seen.err, rows[i].err);
        EXPECT_INT(http_body_eof(&b), ERR_CLOSED);
    }
}

static void takes_as_many_bytes_as_the_length_says(void)
{
    struct str in = STR("helloGET /");

    for (size_t cut = 0; cut <= in.n; cut++) {
        struct seen seen = decode_cut(body_of(HTTP_BODY_LENGTH, 5), in, cut);

        expect_seen(&seen, in, "hello", ERR_NONE);
        EXPECT(seen.done);
        EXPECT_INT(seen.used, 5);
    }
}

static void is_done_at_once_without_a_body(void)
{
    static const enum http_framing framings[] = { HTTP_BODY_NONE, HTTP_BODY_LENGTH };

    for (size_t i = 0; i < COUNT_OF(framings); i++) {
        struct http_body b = body_of(framings[i], 0);
        struct seen seen = { .n = 0 };

        EXPECT(b.done);
        feed(&b, STR("GET /"), &seen);
        expect_seen(&seen, STR("GET /"), "", ERR_NONE);
        EXPECT_INT(seen.used, 0);
        EXPECT_INT(http_body_eof(&b), ERR_NONE);
    }
}

static void takes_everything_until_the_connection_ends(void)
{
    struct http_body b = body_of(HTTP_BODY_UNTIL_CLOSE, 0);
    struct seen seen = { .n = 0 };

    feed(&b, STR("hello "), &seen);
    feed(&b, STR(""), &seen);
    feed(&b, STR("world"), &seen);
    expect_seen(&seen, STR("hello world"), "hello world", ERR_NONE);
    EXPECT(!b.done);
    EXPECT_INT(http_body_eof(&b), ERR_NONE);
    EXPECT(b.done);
    feed(&b, STR("more"), &seen);
    EXPECT_INT(seen.n, strlen("hello world"));
}

static void knows_an_end_that_comes_too_early(void)
{
    struct str in = STR("3\r\nabc\r\n0\r\n\r\n");
    struct seen seen = { .n = 0 };
    struct http_body b = body_of(HTTP_BODY_LENGTH, 5);

    feed(&b, STR("hell"), &seen);
    EXPECT_INT(http_body_eof(&b), ERR_CLOSED);
    feed(&b, STR("o"), &seen);
    EXPECT_INT(http_body_eof(&b), ERR_NONE);

    for (size_t cut = 0; cut <= in.n; cut++) {
        b = body_of(HTTP_BODY_CHUNKED, 0);
        seen.n = 0;
        feed(&b, str_sub(in, 0, cut), &seen);
        EXPECT_INT(http_body_eof(&b), cut < in.n ? ERR_CLOSED : ERR_NONE);
    }
}

static const struct test suite[] = {
    { "decodes chunks whatever the cut", decodes_chunks_whatever_the_cut },
    { "refuses broken chunks", refuses_broken_chunks },
    { "bounds extensions and trailers", bounds_extensions_and_trailers },
    { "counts extensions over all chunks", counts_extensions_over_all_chunks },
    { "goes on refusing", goes_on_refusing },
    { "takes as many bytes as the length says", takes_as_many_bytes_as_the_length_says },
    { "is done at once without a body", is_done_at_once_without_a_body },
    { "takes everything until the connection ends", takes_everything_until_the_connection_ends },
    { "knows an end that comes too early", knows_an_end_that_comes_too_early },
};

TEST_MAIN(suite)
