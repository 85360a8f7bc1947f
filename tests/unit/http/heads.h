/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads at every cut: parses a text whole, in two pieces cut anywhere, byte by byte and with more
 * bytes behind it, each time from memory of exactly that size, and fails unless all agree.
 */
#pragma once

#include "base/mem.h"
#include "http/message.h"
#include "test.h"

enum { HEADS_TEXT = 512 };

/* A row's input may hold NUL, so it carries its length. */
struct text {
    const char *p;
    size_t n;
};
#define TEXT(literal)                   \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }

struct parser {
    bool is_response;
    enum http_method asked; /* responses */
};

/* What a parse came to, in words: "GET /v1?x=1 @host keep len=5", "400 no Host header" or "more".
 */
struct verdict {
    char text[HEADS_TEXT];
    size_t used;
};

static inline void describe_body(const struct http_head *h, char *out, size_t cap)
{
    switch (h->framing) {
    case HTTP_BODY_NONE:
        out[0] = '\0';
        break;
    case HTTP_BODY_LENGTH:
        snprintf(out, cap, " len=%llu", (unsigned long long)h->content_length);
        break;
    case HTTP_BODY_CHUNKED:
        snprintf(out, cap, " chunked");
        break;
    case HTTP_BODY_UNTIL_CLOSE:
        snprintf(out, cap, " eof");
        break;
    }
}

static inline void describe(const struct parser *how, const struct http_head *h, struct verdict *v)
{
    char start[HEADS_TEXT / 2];
    char body[64];

    if (how->is_response)
        snprintf(start, sizeof(start), "%d \"%.*s\"", h->status, STR_ARGS(h->reason));
    else
        snprintf(start, sizeof(start), "%.*s %.*s%s%.*s @%.*s", STR_ARGS(h->method_text),
                 STR_ARGS(h->path), h->query.p ? "?" : "", STR_ARGS(h->query), STR_ARGS(h->host));
    describe_body(h, body, sizeof(body));
    snprintf(v->text, sizeof(v->text), "%s%s%s%s%s%s", start, h->minor_version ? "" : " 1.0",
             h->keep_alive ? " keep" : " close", h->upgrade ? " upgrade" : "",
             h->expect_continue ? " continue" : "", body);
}

/* One call on a copy of the first `n` bytes. */
static inline enum err parse_copy(const struct parser *how, struct str in, size_t n,
                                  size_t *scanned, struct verdict *v)
{
    struct http_head *h = mem_new(struct http_head);
    struct http_refusal why = { 0, "" };
    char *copy = mem_alloc(n);
    struct str s = { copy, n };
    enum err err;

    memcpy(copy, in.p, n);
    v->used = 0;
    if (how->is_response)
        err = http_parse_response(s, how->asked, scanned, h, &v->used, &why);
    else
        err = http_parse_request(s, scanned, h, &v->used, &why);
    if (err == ERR_NONE)
        describe(how, h, v);
    else if (err == ERR_AGAIN)
        snprintf(v->text, sizeof(v->text), "more");
    else
        snprintf(v->text, sizeof(v->text), "%d %s", why.status, why.what);
    mem_free(copy);
    mem_free(h);
    return err;
}

static inline void expect_same(const struct verdict *got, const struct verdict *want, size_t cut)
{
    if (strcmp(got->text, want->text) == 0 && got->used == want->used)
        return;
    fail_msg("cut at %zu: \"%s\", %zu bytes used; uncut: \"%s\", %zu bytes used", cut, got->text,
             got->used, want->text, want->used);
}

static inline void check_two_pieces(const struct parser *how, struct str in, size_t cut,
                                    const struct verdict *want)
{
    struct verdict got;
    size_t scanned = 0;

    if (cut > 0 && parse_copy(how, in, cut, &scanned, &got) != ERR_AGAIN) {
        expect_same(&got, want, cut);
        return;
    }
    parse_copy(how, in, in.n, &scanned, &got);
    expect_same(&got, want, cut);
}

static inline void check_byte_by_byte(const struct parser *how, struct str in,
                                      const struct verdict *want)
{
    struct verdict got;
    size_t scanned = 0;
    size_t n = 1;

    while (n < in.n && parse_copy(how, in, n, &scanned, &got) == ERR_AGAIN)
        n++;
    if (n == in.n)
        parse_copy(how, in, n, &scanned, &got);
    expect_same(&got, want, n);
}

static inline void check_with_more(const struct parser *how, struct str in,
                                   const struct verdict *want)
{
    static const char more[] = "\r\n\r\nGET /next HTTP/1.1\r\n\r\n";
    char text[4096];
    struct verdict got;
    size_t scanned = 0;

    EXPECT(in.n + sizeof(more) <= sizeof(text));
    memcpy(text, in.p, in.n);
    memcpy(text + in.n, more, sizeof(more));
    parse_copy(how, (struct str){ text, in.n + sizeof(more) }, in.n + sizeof(more), &scanned, &got);
    expect_same(&got, want, in.n);
}

/* Fails unless `in`, which is one head and nothing more, comes to `want`. */
static inline void expect_head(const struct parser *how, struct text row, const char *want)
{
    struct str in = { row.p, row.n };
    struct verdict whole;
    size_t scanned = 0;
    enum err err = parse_copy(how, in, in.n, &scanned, &whole);

    if (strcmp(whole.text, want) != 0)
        fail_msg("for \"%.*s\": got \"%s\", want \"%s\"", STR_ARGS(in), whole.text, want);
    for (size_t cut = 0; cut <= in.n; cut++)
        check_two_pieces(how, in, cut, &whole);
    check_byte_by_byte(how, in, &whole);
    if (err == ERR_AGAIN)
        return;
    if (!err)
        EXPECT_INT(whole.used, in.n);
    check_with_more(how, in, &whole);
}
