/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on answers, the same wherever the input is cut. */
#include "bench/answer.h"

#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define SAYS(text) "{\"reasoning_content\":\"x\",\"content\":\"" text "\",\"content\":null}"
#define FINE ""

static const struct row {
    const char *in;
    const char *text, *body; /* expected */
    const char *fault;
    size_t pieces;
    bool keeps_open;
} rows[] = {
    { HEAD "content-length: 58\r\n\r\n" SAYS("hello"), "hello", SAYS("hello"), FINE, 1, true },
    { HEAD "content-length: 58\r\nConnection: close\r\n\r\n" SAYS("hello"), "hello", "", FINE, 1,
      false },
    { HEAD "content-length: 58\r\n\r\n" SAYS("hellp"), "hello", "", "the text differs", 1, true },
    { HEAD "content-length: 58\r\n\r\n" SAYS("hello"), "hello!", "", "the text is too short", 1,
      true },
    { HEAD "content-length: 58\r\n\r\n" SAYS("hello"), "hell", "", "the text differs", 1, true },
    { HEAD "content-length: 58\r\n\r\n" SAYS("hello"), "hello", SAYS("hello") " ",
      "the body is too short", 1, true },
    { HEAD "content-length: 58\r\n\r\n" SAYS("hello"), "hello", "{\"Reasoning", "the body differs",
      1, true },
    { CHUNKED
      "18\r\ndata: {\"content\":\"one \"}\r\n1B;x=y\r\n\n\ndata: {\"content\":\"two\"}\n\n\r\n"
      "0\r\n\r\n",
      "one two", "data: {\"content\":\"one \"}\n\ndata: {\"content\":\"two\"}\n\n", FINE, 2, true },
    { CHUNKED "f\r\n{\"\"content\":\"\"}{\r\ne\r\n\"content\":\"ab\"\r\n0\r\nA: b\r\n\r\n", "ab",
      "", FINE, 1, true },
    { CHUNKED "zz\r\n", "", "", "the size of a chunk is no number", 0, false },
    { CHUNKED "ffffffffffffffffff\r\n", "", "", "the size of a chunk is no number", 0, false },
    { "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n{}", "", "", "the status is not 200", 0,
      true },
    { HEAD "content-length: 0\r\n\r\n", "", "", FINE, 0, true },
    { HEAD "content-length: 0\r\n\r\nHTTP", "", "", "bytes behind the end", 0, false },
    { HEAD "content-length: x\r\n\r\n", "", "", "content-length is no number", 0, false },
    { HEAD "\r\n", "", "", "neither content-length nor chunks", 0, false },
    { "HTTP/1.0 200 OK\r\n\r\n", "", "", "no HTTP/1.1 status line", 0, false },
};

static void expect_verdict(const struct row *row, size_t cut)
{
    struct answer_want want = { str_of(row->text), str_of(row->body) };
    struct str in = str_of(row->in);
    struct answer a;

    answer_expect(&a, &want);
    answer_feed(&a, str_sub(in, 0, cut));
    EXPECT(answer_feed(&a, str_from(in, cut)) || cut == in.n);
    EXPECT_INT(a.state, ANSWER_DONE);
    EXPECT_Z(a.fault ? a.fault : FINE, row->fault);
    EXPECT_INT(a.pieces, row->pieces);
    EXPECT_INT(a.keeps_open, row->keeps_open);
}

static void has_the_same_verdict_whatever_the_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t cut = 0; cut <= strlen(rows[i].in); cut++)
            expect_verdict(&rows[i], cut);
}

static void is_not_over_before_its_end(void)
{
    struct answer_want want = { str_of(rows[7].text), str_of(rows[7].body) };
    struct str in = str_of(rows[7].in);
    struct answer a;

    answer_expect(&a, &want);
    for (size_t i = 0; i < in.n; i++)
        EXPECT_INT(answer_feed(&a, str_sub(in, i, 1)), i + 1 == in.n);
    EXPECT(!a.fault);
}

static void finds_any_byte_that_is_changed(void)
{
    struct answer_want want = { str_of(rows[0].text), str_of(rows[0].body) };
    struct str in = str_of(rows[0].in);
    char spoiled[256];

    for (size_t i = in.n - want.body.n; i < in.n; i++) {
        struct answer a;

        memcpy(spoiled, in.p, in.n);
        spoiled[i] ^= 1;
        answer_expect(&a, &want);
        EXPECT(answer_feed(&a, (struct str){ spoiled, in.n }));
        EXPECT(a.fault);
    }
}

static void refuses_a_head_without_end(void)
{
    struct answer_want want = { STR(""), STR("") };
    struct answer a;
    char head[4096];

    memset(head, 'x', sizeof(head));
    answer_expect(&a, &want);
    EXPECT(answer_feed(&a, (struct str){ head, sizeof(head) }));
    EXPECT_Z(a.fault, "the head is too long");
}

static const struct test suite[] = {
    { "has the same verdict whatever the cut", has_the_same_verdict_whatever_the_cut },
    { "is not over before its end", is_not_over_before_its_end },
    { "finds any byte that is changed", finds_any_byte_that_is_changed },
    { "refuses a head without end", refuses_a_head_without_end },
};

TEST_MAIN(suite)
