/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/json_prefix.h"

#include "shape_test.h"
#include "json/reader.h"

enum { ROUNDS = 60000 };

/* How far the text is a prefix of JSON, fed in pieces of chance. */
static size_t passes(struct str text, enum json_progress *ret)
{
    struct json_prefix p = { 0 };
    size_t at = 0;

    *ret = JSON_OPEN;
    while (at < text.n && *ret != JSON_BROKEN) {
        struct str piece = str_sub(text, at, 1 + dice(6));
        size_t n = json_prefix_add(&p, piece, ret);

        at += n;
        if (n < piece.n)
            break;
    }
    return at;
}

static bool is_json(struct str text)
{
    struct json j;

    json_init(&j, text, JSON_PREFIX_DEPTH);
    json_skip(&j);
    return json_end(&j) == ERR_NONE;
}

static const char words[] =
    "{ { } [ ] \"a\" \"\\n\" \"\\u00e9\" \"\\ud83d\\ude00\" \" \\ \\u d83d a : , "
    ": , 0 1 -2 .5 e+3 E - + true false null t nul _ ~ \xC3\xA9 {\"k\": } ]";

static void takes_what_the_reader_takes_and_nothing_else(void)
{
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[100];
        struct str text = dice_text(words, 1 + dice(9), room, sizeof(room));
        enum json_progress end;
        size_t n = passes(text, &end);

        if ((end == JSON_WHOLE && str_trim(str_from(text, n)).n == 0) != is_json(text))
            fail_msg("%.*s", STR_ARGS(text));
    }
}

/* Whatever stays open can be closed. */
static void passes_nothing_that_cannot_become_json(void)
{
    static const struct {
        const char *text;
        size_t passes;
    } rows[] = {
        { "{\"a\":1} x", 7 }, { "{a", 1 },           { "[1,]", 3 },
        { "{\"a\":1,}", 7 },  { "01", 1 },           { "\"\x01", 1 },
        { "\"\\x", 2 },       { "\"\\ud83dx", 7 },   { "\"\\ude00\"", 6 },
        { "tru_", 3 },        { "1.e", 2 },          { "[}", 1 },
        { "{\"a\"}", 4 },     { "\"a\" \"", 4 },     { "-a", 1 },
        { "1e+", 3 },         { "\"\\ud83d\\n", 8 }, { "\"\\ud83d\\ud83d", 12 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum json_progress end;

        EXPECT_INT(passes(str_of(rows[i].text), &end), rows[i].passes);
    }
}

static void bounds_the_depth(void)
{
    char deep[JSON_PREFIX_DEPTH + 1];
    enum json_progress end;

    memset(deep, '[', sizeof(deep));
    EXPECT_INT(passes((struct str){ deep, sizeof(deep) }, &end), JSON_PREFIX_DEPTH);
    EXPECT_INT(end, JSON_BROKEN);
}

static const struct test suite[] = {
    { "takes what the reader takes and nothing else",
      takes_what_the_reader_takes_and_nothing_else },
    { "passes nothing that cannot become JSON", passes_nothing_that_cannot_become_json },
    { "bounds the depth", bounds_the_depth },
};

TEST_MAIN(suite)
