/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: reading at every cut, bounds, failures, and what is written reads back. */
#include "base/mem.h"
#include "http/sse.h"
#include "test.h"

enum { SEEN_MAX = 1024, LIMIT = 64 };

/* Events as "type=data;" in their order. */
struct seen {
    char text[SEEN_MAX];
    size_t n;
    size_t fail_at; /* refuse the event of this number; 0: none */
    size_t events;
    enum err err;
};

static void add(struct seen *seen, struct str s)
{
    EXPECT(seen->n + s.n < sizeof(seen->text));
    if (s.n > 0)
        memcpy(seen->text + seen->n, s.p, s.n);
    seen->n += s.n;
    seen->text[seen->n] = '\0';
}

static enum err on_event(void *arg, const struct sse_event *ev)
{
    struct seen *seen = arg;

    if (++seen->events == seen->fail_at)
        return ERR_PROTOCOL;
    add(seen, ev->type);
    add(seen, STR("="));
    add(seen, ev->data);
    add(seen, STR(";"));
    return ERR_NONE;
}

/* From memory of exactly that size. */
static enum err feed(struct sse *s, struct str in)
{
    char *copy = mem_alloc(in.n);

    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    enum err err = sse_feed(s, (struct str){ copy, in.n });
    mem_free(copy);
    return err;
}

static void feed_cut(struct str in, size_t cut, size_t max, struct seen *ret)
{
    struct sse s;

    *ret = (struct seen){ .n = 0 };
    sse_init(&s, max, on_event, ret);
    ret->err = feed(&s, str_sub(in, 0, cut));
    if (!ret->err)
        ret->err = feed(&s, str_from(in, cut));
    sse_deinit(&s);
}

static void feed_bytes(struct str in, size_t max, struct seen *ret)
{
    struct sse s;

    *ret = (struct seen){ .n = 0 };
    sse_init(&s, max, on_event, ret);
    for (size_t i = 0; i < in.n && !ret->err; i++)
        ret->err = feed(&s, str_sub(in, i, 1));
    sse_deinit(&s);
}

static void expect_events(struct str in, size_t max, const char *want, enum err err)
{
    for (size_t cut = 0; cut <= in.n + 1; cut++) {
        struct seen seen;

        if (cut <= in.n)
            feed_cut(in, cut, max, &seen);
        else
            feed_bytes(in, max, &seen);
        EXPECT_INT(seen.err, err);
        EXPECT_Z(seen.text, want);
    }
}

static void decodes_whatever_the_cut(void)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        { "data: a\n\n", "message=a;" },
        { "data:a\n\n", "message=a;" },
        { "data:  a \n\n", "message= a ;" },
        { "data:\ta\n\n", "message=\ta;" },
        { "data: a\r\n\r\n", "message=a;" },
        { "data: a\r\r", "message=a;" },
        { "data: a\r\n\n", "message=a;" },
        { "data: a\n\r\n", "message=a;" },
        { "data: a\n\r", "message=a;" },
        { "data: a\r\n\rdata: b\n\r", "message=a;message=b;" },
        { "\r\n\r\n\n\rdata: a\n\n\n\n", "message=a;" },
        { "event: delta\r\ndata: a\r\ndata: b\r\n\r\n", "delta=a\nb;" },
        { "data: a\rdata: b\ndata: c\r\n\n", "message=a\nb\nc;" },
        { "data: a\nevent: x\n\ndata: b\n\n", "x=a;message=b;" },
        { "event: x\nevent: y\ndata: a\n\n", "y=a;" },
        { "event: x\nevent:\ndata: a\n\n", "message=a;" },
        { "event: x\nevent\ndata: a\n\n", "message=a;" },
        { "event: lost\n\ndata: x\r\r", "message=x;" },
        { ":keep-alive\n\ndata:[DONE]\n\n", "message=[DONE];" },
        { ":\n: data: x\n:\n\n", "" },
        { "data: a\n:c\ndata: b\n\n", "message=a\nb;" },
        { "data\n\n", "message=;" },
        { "data:\n\n", "message=;" },
        { "data: \n\n", "message=;" },
        { "data\ndata\n\n", "message=\n;" },
        { "data:\ndata:\ndata: x\n\n", "message=\n\nx;" },
        { "id: 1\nretry: 10\ndata: a\n\n", "message=a;" },
        { "id: 1\n\nretry\n\n", "" },
        { "Data: a\n\ndat: a\n\n data: a\n\ndata : a\n\n", "" },
        { "data: a:b: c\n\n", "message=a:b: c;" },
        { "data: {\"a\":\"\xc3\xa9\xff\"}\n\n", "message={\"a\":\"\xc3\xa9\xff\"};" },
        { "\xEF\xBB\xBF"
          "data: a\n\n",
          "message=a;" },
        { "\xEF\xBB\xBF\ndata: a\n\n", "message=a;" },
        { "\xEF\xBB\xBF\xEF\xBB\xBF"
          "data: a\n\n",
          "" },
        { "\xEF\xBB"
          "data: a\n\n",
          "" },
        { "\n\xEF\xBB\xBF"
          "data: a\n\n",
          "" },
        { "data: never ended", "" },
        { "data: never ended\n", "" },
        { "data: a\n\ndata: never ended\n", "message=a;" },
        { "", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_events(str_of(rows[i].in), LIMIT, rows[i].want, ERR_NONE);
}

static void keeps_nul_bytes(void)
{
    struct seen seen;

    feed_cut(STR("data: a\0b\n\n"), 8, LIMIT, &seen);
    EXPECT_INT(seen.err, ERR_NONE);
    EXPECT_INT(seen.n, strlen("message=a.b;"));
}

static void refuses_a_line_above_the_limit(void)
{
    expect_events(STR("data: 90\n\n"), 8, "message=90;", ERR_NONE);
    expect_events(STR("data: 901\n\n"), 8, "", ERR_TOO_BIG);
    expect_events(STR("data: 901"), 8, "", ERR_TOO_BIG);
    expect_events(STR("data: a\n\n:4567890\n\n"), 8, "message=a;", ERR_NONE);
    expect_events(STR("data: a\n\n:45678901\n\n"), 8, "message=a;", ERR_TOO_BIG);
    expect_events(STR("data: a\r\n\r\n:45678901\r\n"), 8, "message=a;", ERR_TOO_BIG);
    expect_events(STR("\n"), 0, "", ERR_NONE);
    expect_events(STR("a\n"), 0, "", ERR_TOO_BIG);
}

static void refuses_an_event_above_the_limit(void)
{
    expect_events(STR("data: ab\ndata: cd\ndata:ef\n\n"), 8, "message=ab\ncd\nef;", ERR_NONE);
    expect_events(STR("data: ab\ndata: cd\ndata:efg\n\n"), 8, "", ERR_TOO_BIG);
    expect_events(STR("data:a\n\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n"), 8,
                  "message=a;message=\n\n\n\n\n\n\n\n;", ERR_NONE);
    expect_events(STR("data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n"), 8, "",
                  ERR_TOO_BIG);
}

static void takes_any_limit(void)
{
    expect_events(STR("data: a\n\n"), SIZE_MAX, "message=a;", ERR_NONE);
}

static void is_dead_after_an_error(void)
{
    struct str in = STR("data: a\n\ndata: b\n\ndata: c\n\n");

    for (size_t cut = 0; cut <= in.n; cut++) {
        struct seen seen = { .fail_at = 2 };
        struct sse s;

        sse_init(&s, LIMIT, on_event, &seen);
        enum err first = feed(&s, str_sub(in, 0, cut));
        enum err second = feed(&s, str_from(in, cut));
        if (first)
            EXPECT_INT(first, ERR_PROTOCOL);
        EXPECT_INT(second, ERR_PROTOCOL);
        EXPECT_INT(feed(&s, STR("data: d\n\n")), ERR_PROTOCOL);
        EXPECT_INT(feed(&s, STR("")), ERR_PROTOCOL);
        EXPECT_INT(seen.events, 2);
        EXPECT_Z(seen.text, "message=a;");
        sse_deinit(&s);
    }
}

static void every_allocation_may_fail(void)
{
    bool went_through = false;

    for (uint64_t n = 1; !went_through; n++) {
        struct seen seen = { .n = 0 };
        struct sse s;

        sse_init(&s, LIMIT, on_event, &seen);
        mem_fail_nth(n);
        enum err first = sse_feed(&s, STR("event: x\ndata: a\nda"));
        enum err second = sse_feed(&s, STR("ta: b\n\n"));
        mem_fail_nth(0);
        went_through = second == ERR_NONE;
        if (first)
            EXPECT_INT(second, first);
        if (!went_through)
            EXPECT_INT(second, ERR_NOMEM);
        EXPECT_Z(seen.text, went_through ? "x=a\nb;" : "");
        sse_deinit(&s);
        EXPECT(n < 100);
    }
}

static void writes_data_line_by_line(void)
{
    static const struct {
        const char *in;
        const char *want;
        const char *read; /* as events */
    } rows[] = {
        { "a", "data: a\n\n", "message=a;" },
        { "", "data: \n\n", "message=;" },
        { " a ", "data:  a \n\n", "message= a ;" },
        { "a\nb", "data: a\ndata: b\n\n", "message=a\nb;" },
        { "a\r\nb", "data: a\ndata: b\n\n", "message=a\nb;" },
        { "a\rb", "data: a\ndata: b\n\n", "message=a\nb;" },
        { "a\n\nb", "data: a\ndata: \ndata: b\n\n", "message=a\n\nb;" },
        { "a\r\rb\n", "data: a\ndata: \ndata: b\ndata: \n\n", "message=a\n\nb\n;" },
        { "\r", "data: \ndata: \n\n", "message=\n;" },
        { "\n\r\n", "data: \ndata: \ndata: \n\n", "message=\n\n;" },
        { "\nevent: x", "data: \ndata: event: x\n\n", "message=\nevent: x;" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen seen;
        struct buf out;

        buf_init(&out, SEEN_MAX);
        EXPECT_INT(sse_write_data(&out, str_of(rows[i].in)), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        feed_cut(buf_str(&out), out.n, SEEN_MAX, &seen);
        EXPECT_Z(seen.text, rows[i].read);
        buf_deinit(&out);
    }
}

static void writes_comments_that_no_reader_takes_for_data(void)
{
    struct seen seen;
    struct buf out;

    buf_init(&out, SEEN_MAX);
    EXPECT_INT(sse_write_comment(&out, STR("keep-alive")), ERR_NONE);
    EXPECT_STR(buf_str(&out), ": keep-alive\n\n");
    EXPECT_INT(sse_write_comment(&out, STR("a\ndata: x\r\n\r\ndata: y")), ERR_NONE);
    EXPECT_INT(sse_write_comment(&out, (struct str){ NULL, 0 }), ERR_NONE);
    EXPECT_STR(buf_str(&out), ": keep-alive\n\n: a\n: data: x\n: \n: data: y\n\n: \n\n");
    feed_cut(buf_str(&out), 5, SEEN_MAX, &seen);
    EXPECT_INT(seen.err, ERR_NONE);
    EXPECT_Z(seen.text, "");
    buf_deinit(&out);
}

static void leaves_the_buffer_alone_when_it_is_full(void)
{
    struct str data = STR("ab\ncd");
    size_t whole = strlen("data: ab\ndata: cd\n\n");

    for (size_t max = 1; max <= whole; max++) {
        struct buf out;

        buf_init(&out, max);
        EXPECT_INT(buf_add_char(&out, 'x'), ERR_NONE);
        EXPECT_INT(sse_write_data(&out, data), ERR_TOO_BIG);
        EXPECT_STR(buf_str(&out), "x");
        buf_clear(&out);
        EXPECT_INT(sse_write_data(&out, data), max < whole ? ERR_TOO_BIG : ERR_NONE);
        buf_deinit(&out);
    }
}

static const struct test suite[] = {
    { "decodes whatever the cut", decodes_whatever_the_cut },
    { "keeps NUL bytes", keeps_nul_bytes },
    { "refuses a line above the limit", refuses_a_line_above_the_limit },
    { "refuses an event above the limit", refuses_an_event_above_the_limit },
    { "takes any limit", takes_any_limit },
    { "is dead after an error", is_dead_after_an_error },
    { "every allocation may fail", every_allocation_may_fail },
    { "writes data line by line", writes_data_line_by_line },
    { "writes comments that no reader takes for data",
      writes_comments_that_no_reader_takes_for_data },
    { "leaves the buffer alone when it is full", leaves_the_buffer_alone_when_it_is_full },
};

TEST_MAIN(suite)
