/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer in passing tells of tokens, however it is cut, and what a body is taken to be. */
#include "gateway/usage_tap.h"

#include "test.h"

#define JSON "application/json"
#define EVENTS "text/event-stream; charset=utf-8"
#define LONG(x) x x x x x x x x x x x x x x x x

/* type of the answer, the answer, prompt (-1: it tells nothing), completion, cached */
static const struct row {
    const char *type;
    const char *answer;
    int64_t prompt;
    int64_t completion;
    int64_t cached;
} rows[] = {
    { JSON,
      "{\"data\":[{\"embedding\":[0.1,-2e3]}],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}",
      8, 0, 0 },
    { JSON,
      " {\r\n \"usage\" : { \"prompt_tokens\" : 8 , \"total_tokens\" : 8 } , \"data\" : [ ] }\n", 8,
      0, 0 },
    { "Application/JSON; charset=utf-8", "{\"usage\":{\"total_tokens\":815}}", 815, 0, 0 },
    { JSON, "{\"usage\":{\"total_tokens\":9,\"output_tokens\":4}}", 5, 4, 0 },
    { JSON,
      "{\"data\":[{\"b64_json\":\"AA\\\"}{\"}],\"usage\":{\"total_tokens\":4210,\"input_tokens\":"
      "50,"
      "\"output_tokens\":4160,\"input_tokens_details\":{\"text_tokens\":10,\"cached_tokens\":7}}}",
      50, 4160, 7 },
    { JSON,
      "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"prompt_tokens_details\":"
      "{\"cached_tokens\":99}}}",
      3, 2, 3 },
    { JSON, "{\"usage\":{\"x\":\"}\",\"y\":[{}],\"prompt_tokens\":6}}", 6, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":1},\"usage\":{\"prompt_tokens\":2}}", 2, 0, 0 },
    /* not the member, or not what it says */
    { JSON, "{\"usage\":{\"type\":\"duration\",\"seconds\":3}}", -1, 0, 0 },
    { JSON, "{\"usage\":null,\"data\":{\"prompt_tokens\":1}}", -1, 0, 0 },
    { JSON, "{\"usage\":[{\"prompt_tokens\":1}]}", -1, 0, 0 },
    { JSON, "{\"a\":\"usage\",\"b\":{\"prompt_tokens\":1}}", -1, 0, 0 },
    { JSON, "{\"a\":{\"usage\":{\"prompt_tokens\":1}}}", -1, 0, 0 },
    { JSON, "[\"usage\",{\"prompt_tokens\":1}]", -1, 0, 0 },
    { JSON, "[{\"usage\":{\"prompt_tokens\":1}}]", -1, 0, 0 },
    { JSON, "{\"usages\":{\"prompt_tokens\":1},\"usag\":{\"prompt_tokens\":1}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":-1}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":\"1\"}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":1.5}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":99999999999999}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":1 2}}", -1, 0, 0 },
    { JSON, "{\"usage\":{\"prompt_tokens\":1}", 1, 0, 0 }, /* what follows is the client's affair */
    { JSON, "{\"usage\":{\"prompt_tokens\":1", -1, 0, 0 },
    { JSON, "}}]{\"usage\":{\"prompt_tokens\":1}}", 1, 0, 0 },
    { JSON, "{\"usage\":{\"a\":\"" LONG(LONG("0123456789")) "\",\"prompt_tokens\":1}}", -1, 0, 0 },
    { JSON, "{\"data\":\"" LONG(LONG("0123456789")) "\",\"usage\":{\"prompt_tokens\":1}}", 1, 0,
      0 },
    { "text/plain", "{\"usage\":{\"prompt_tokens\":1}}", -1, 0, 0 },
    { "", "{\"usage\":{\"prompt_tokens\":1}}", -1, 0, 0 },
    /* events */
    { EVENTS,
      "event: image_generation.completed\ndata: {\"b64_json\":\"AA\",\"usage\":{\"input_tokens\":5,"
      "\"output_tokens\":6}}\n\ndata: [DONE]\n\n",
      5, 6, 0 },
    { EVENTS,
      "data: {\"usage\":{\"input_tokens\":5}}\r\n\r\ndata: "
      "{\"usage\":{\"input_tokens\":7}}\r\n\r\n",
      7, 0, 0 },
    { EVENTS, ": \"it's {\ndata: {\"a\":\"cut\ndata: {\"usage\":{\"input_tokens\":5}}\n\n", 5, 0,
      0 },
    { EVENTS, "data: {\"usage\":{\"input_\ndata: tokens\":5}}\n\n", -1, 0, 0 },
};

static struct usage_tap feed(const struct row *row, size_t cut, size_t step)
{
    struct usage_tap t = { .n = 0 };
    struct str answer = str_of(row->answer);

    usage_tap_start(&t, str_of(row->type), STR(""));
    usage_tap_feed(&t, str_sub(answer, 0, cut));
    for (size_t at = cut; at < answer.n; at += step)
        usage_tap_feed(&t, str_sub(answer, at, step));
    return t;
}

static void expect_told(const struct row *row, const struct usage_tap *t)
{
    EXPECT_INT(t->has_usage, row->prompt >= 0);
    if (!t->has_usage)
        return;
    EXPECT_INT(t->usage.prompt_tokens, row->prompt);
    EXPECT_INT(t->usage.completion_tokens, row->completion);
    EXPECT_INT(t->usage.cached_tokens, row->cached);
    EXPECT(!t->usage.estimated);
}

static void reads_it_at_every_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].answer);

        for (size_t cut = 0; cut <= n; cut++) {
            struct usage_tap t = feed(&rows[i], cut, SIZE_MAX - n);

            expect_told(&rows[i], &t);
        }
        struct usage_tap t = feed(&rows[i], 0, 1);

        expect_told(&rows[i], &t);
    }
}

static void what_is_coded_is_not_read(void)
{
    static const char *const codings[] = { "gzip", "br", "identity, gzip", "identity", "" };

    for (size_t i = 0; i < COUNT_OF(codings); i++) {
        struct usage_tap t = { .n = 0 };

        usage_tap_start(&t, STR(JSON), str_of(codings[i]));
        usage_tap_feed(&t, STR("{\"usage\":{\"prompt_tokens\":1}}"));
        EXPECT_INT(t.has_usage, i >= 3);
    }
}

/* type, body, tokens */
static const struct {
    const char *type;
    const char *body;
    int64_t tokens;
} bodies[] = {
    { JSON, "{\"model\":\"text-embedding-3-small\",\"input\":\"hello\"}", 1 },
    { JSON, "{\"input\":\"hello\",\"encoding_format\":\"base64\",\"user\":\"someone with a name\"}",
      1 },
    { JSON, "{\"input\":[\"hello\",\"hello\" , \"hello\"],\"dimensions\":512}", 3 },
    { JSON, "{\"input\":[[1,22,333],[4444]],\"dimensions\":512}", 4 },
    { JSON, "{\"input\":\"\\u0068\\u0065llo\"}", 1 },
    { JSON, "{\"query\":\"hello\",\"top_n\":3,\"documents\":[{\"text\":\"hello\"},\"hello\"]}", 3 },
    { JSON, "{\"prompt\" : \"hello\",\"n\":4}", 1 },
    { JSON, "{\"input\":\"hello", 1 },
    { JSON, "{\"input\":\"hello\xff\"}", 2 },
    { JSON, "", 0 },
    { JSON, "{\"input\":7}", 1 },
    { "multipart/form-data; boundary=b", "{\"input\":\"hello\"}", 0 },
};

static void counts_texts_and_tokens(void)
{
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct arena a;

        arena_init(&a);
        EXPECT_INT(usage_of_text(str_of(bodies[i].type), str_of(bodies[i].body), &a),
                   bodies[i].tokens);
        arena_deinit(&a);
    }
}

static const struct test suite[] = {
    { "reads it at every cut", reads_it_at_every_cut },
    { "what is coded is not read", what_is_coded_is_not_read },
    { "counts texts and tokens", counts_texts_and_tokens },
};

TEST_MAIN(suite)
