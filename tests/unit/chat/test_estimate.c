/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/estimate.h"

#include <stdlib.h>

#include "test.h"

enum { FILE_MAX = 16384 };

static int64_t tokens_of(const char *text)
{
    struct token_estimate e = { 0 };

    token_estimate_add(&e, str_of(text));
    return token_estimate_total(&e);
}

static struct str read_file(const char *path, char out[FILE_MAX])
{
    FILE *f = fopen(path, "rb");
    size_t n;

    EXPECT(f != NULL);
    n = fread(out, 1, FILE_MAX, f);
    fclose(f);
    EXPECT(n > 0 && n < FILE_MAX);
    return (struct str){ out, n };
}

/* The counts are o200k_base's (gpt-tokenizer 3). */
static const struct {
    const char *path;
    int64_t tokens;
} texts[] = {
    { "tests/data/estimate/prose.txt", 931 },
    { "tests/data/estimate/code.txt", 1191 },
    { "tests/data/estimate/chinese.txt", 1218 },
    { "tests/data/estimate/mixed.txt", 972 },
};

static void is_within_15_percent_of_the_tokenizer(void)
{
    static char file[FILE_MAX];

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct token_estimate e = { 0 };
        int64_t got;

        token_estimate_add(&e, read_file(texts[i].path, file));
        got = token_estimate_total(&e);
        if (got * 100 < texts[i].tokens * 85 || got * 100 > texts[i].tokens * 115)
            fail_msg("%s: %lld, not about %lld", texts[i].path, (long long)got,
                     (long long)texts[i].tokens);
    }
}

static void follows_how_text_is_cut_into_words(void)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "", 0 },
        { "a", 1 },
        { "the", 1 },
        { "the end of the day", 5 },
        { "don't", 2 },
        { "readFile", 2 },
        { "read_file", 2 },
        { "1234567", 3 },
        { "in 2025", 4 },    /* the space before a number is a token */
        { "a,\nb", 3 },      /* a line end belongs to the mark before it */
        { "a\n\n\nb", 3 },   /* several are one */
        { "a        b", 3 }, /* so are spaces */
        { "----------------------------------------------------------------", 4 },
        { " ", 1 },
        { "\xe3\x80\x82", 1 },
        { "\xf0\x9f\x98\x80", 2 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (tokens_of(rows[i].text) != rows[i].want)
            fail_msg("\"%s\": %lld", rows[i].text, (long long)tokens_of(rows[i].text));
}

static void foreign_words_are_more_tokens_than_english_ones(void)
{
    EXPECT(tokens_of("The weather was better than expected yesterday") <
           tokens_of("Wbrew przewidywaniom wczorajsza pogoda zachwyca"));
}

static int64_t tokens_when_cut(struct str text, size_t cut)
{
    struct token_estimate e = { 0 };

    token_estimate_add(&e, str_sub(text, 0, cut));
    token_estimate_total(&e);
    token_estimate_add(&e, str_from(text, cut));
    return token_estimate_total(&e);
}

static int64_t tokens_byte_by_byte(struct str text)
{
    struct token_estimate e = { 0 };

    for (size_t at = 0; at < text.n; at++)
        token_estimate_add(&e, str_sub(text, at, 1));
    return token_estimate_total(&e);
}

static void cuts_do_not_matter(void)
{
    enum { BEGINNING = 500 };
    static char file[FILE_MAX];

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct str text = read_file(texts[i].path, file);

        EXPECT_INT(tokens_byte_by_byte(text), tokens_when_cut(text, 0));
        text = str_sub(text, 0, BEGINNING);
        for (size_t cut = 1; cut <= text.n; cut++)
            EXPECT_INT(tokens_when_cut(text, cut), tokens_when_cut(text, 0));
    }
}

static const char *const pieces[] = {
    "the",
    "a",
    "X",
    "readFile",
    "HTTPServer",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "it's",
    "''t",
    "(a",
    "((",
    ")",
    "\"",
    "...",
    "'",
    "--------------",
    "===============",
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n\n",
    "1",
    "12",
    "1234",
    "1234567890123",
    "----------------------------------------------------------------------",
    "caf\xc3\xa9X",
    "\xc3\x89t\xc3\xa9",
    "'\xc3\xa9",
    "\xe4\xbd\xa0\xe5\xa5\xbd",
    "(\xe4\xbd\xa0",
    "\xe3\x80\x82",
    "\xf0\x9f\x98\x80",
    "(\xf0\x9f\x98\x80",
    "\xd0\xbf\xd1\x80",
    "\xce\x93\xce\xb5",
    "\xff",
    "\xc3",
    "\xe2\x82",
    "\x80",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

/* Byte by byte a text goes run by run, as a whole in blocks. */
static void blocks_cost_what_their_runs_do(void)
{
    enum { ROUNDS = 3000, PIECES = 300 };
    static char text[PIECES * 80];
    uint32_t state = 1;

    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 0;

        for (int i = 0; i < 20 + round % (PIECES - 20); i++) {
            struct str piece;

            state = state * 1664525 + 1013904223;
            piece = str_of(pieces[(state >> 16) % (round % 3 == 0 ? 20 : COUNT_OF(pieces))]);
            memcpy(text + n, piece.p, piece.n);
            n += piece.n;
        }
        EXPECT_INT(tokens_when_cut((struct str){ text, n }, (state >> 8) % n),
                   tokens_byte_by_byte((struct str){ text, n }));
    }
}

static void bytes_that_are_no_text_do_no_harm(void)
{
    struct token_estimate e = { 0 };
    uint32_t state = 1;

    for (int i = 0; i < 100000; i++) {
        char byte;

        state = state * 1664525 + 1013904223;
        byte = (char)(state >> 24);
        token_estimate_add(&e, (struct str){ &byte, 1 });
    }
    EXPECT(token_estimate_total(&e) > 0);
}

static const struct test suite[] = {
    { "is within 15 percent of the tokenizer", is_within_15_percent_of_the_tokenizer },
    { "follows how text is cut into words", follows_how_text_is_cut_into_words },
    { "foreign words are more tokens than English ones",
      foreign_words_are_more_tokens_than_english_ones },
    { "cuts do not matter", cuts_do_not_matter },
    { "blocks cost what their runs do", blocks_cost_what_their_runs_do },
    { "bytes that are no text do no harm", bytes_that_are_no_text_do_no_harm },
};

TEST_MAIN(suite)
