/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that are like the one before: what is said of them is what a reading says. */
#include "provider/openai/frame.h"

#include "test.h"

#define HEAD "{\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":3,\"delta\":{\"content\":\""
#define TAIL "\"},\"finish_reason\":null}],\"usage\":null}"

static const struct {
    const char *kept;
    const char *like;
    bool is_read;
} rows[] = {
    { HEAD "a" TAIL, HEAD "another text" TAIL, true },
    { HEAD "a long one" TAIL, HEAD "b" TAIL, true },
    { HEAD "a" TAIL, HEAD "a" TAIL, true },
    { HEAD "a" TAIL, HEAD "\\n \\\"quoted\\\" \\u00e9 \\ud83d\\ude00" TAIL, true },
    { HEAD "a" TAIL, HEAD "half a pair \\ud83d" TAIL, true },
    { HEAD "a" TAIL, HEAD "\xC3\xA9\xF0\x9F\x98\x80" TAIL, true },
    { HEAD "a" TAIL, HEAD "\\\\" TAIL, true },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"model\":\"behind\"}",
      "{\"choices\":[{\"delta\":{\"content\":\"other\"}}],\"model\":\"behind\"}", true },
    { "{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}",
      "{\"choices\":[{\"delta\":{\"reasoning_content\":\"bc\"}}]}", true },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],"
      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
      "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],"
      "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
      true },
    /* of two the last counts */
    { "{\"choices\":[{\"delta\":{\"content\":\"x\",\"content\":\"a\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"x\",\"content\":\"b\"}}]}", true },
    /* what is around it differs */
    { HEAD "a" TAIL, HEAD "" TAIL, false },
    { HEAD "a" TAIL, HEAD "b\"},\"finish_reason\":\"stop\"}],\"usage\":null}", false },
    { HEAD "a" TAIL,
      "{\"id\":\"y\",\"model\":\"m\",\"choices\":[{\"index\":3,\"delta\":{\"content\":\"b" TAIL,
      false },
    { HEAD "a" TAIL, HEAD "b\",\"x\":\"c" TAIL, false },
    { HEAD "a" TAIL, HEAD "b" TAIL " ", false },
    { HEAD "a" TAIL, TAIL, false },
    { HEAD "a" TAIL, "", false },
    /* it is not sound */
    { HEAD "a" TAIL, HEAD "b\\" TAIL, false },
    { HEAD "a" TAIL, HEAD "b\n" TAIL, false },
    { HEAD "a" TAIL, HEAD "b\xFF" TAIL, false },
    { HEAD "a" TAIL, HEAD "\\x" TAIL, false },
    /* what is not kept */
    { HEAD "\\n" TAIL, HEAD "b" TAIL, false },
    { HEAD "" TAIL, HEAD "b" TAIL, false },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\",\"reasoning_content\":\"r\"}}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"b\",\"reasoning_content\":\"r\"}}]}", false },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
      "{\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}", false },
    { "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":\"e\"}",
      "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"error\":\"e\"}", false },
};

/* All that a chunk can say; pieces, texts and slices by their contents. */
static void expect_same(const struct chunk *got, const struct chunk *want)
{
    const struct piece *p = got->first;

    for (const struct piece *q = want->first; q; q = q->next, p = p->next) {
        EXPECT(p != NULL);
        EXPECT_INT(p->type, q->type);
        EXPECT_INT(p->choice, q->choice);
        EXPECT(str_eq(p->text, q->text));
    }
    EXPECT(!p);
    EXPECT_INT(got->choices, want->choices);
    EXPECT_INT(got->spoken, want->spoken);
    EXPECT(got->flaw == want->flaw && got->limit == want->limit);
    EXPECT(got->is_said == want->is_said && got->has_more == want->has_more);
    EXPECT(got->has_usage == want->has_usage && got->is_counted == want->is_counted);
    EXPECT_INT(got->usage.prompt_tokens, want->usage.prompt_tokens);
    EXPECT_INT(got->usage.completion_tokens, want->usage.completion_tokens);
    EXPECT(got->model.p == want->model.p && got->model.n == want->model.n);
    EXPECT(got->error.p == want->error.p);
}

static void says_what_a_reading_says(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chunk kept, got, want;
        struct frame f;
        struct arena a;

        arena_init(&a);
        frame_init(&f);
        EXPECT_INT(chunk_read(str_of(rows[i].kept), &a, &kept), ERR_NONE);
        EXPECT(!frame_read(&f, str_of(rows[i].like), &a, &got));
        frame_keep(&f, str_of(rows[i].kept), &kept);
        if (frame_read(&f, str_of(rows[i].like), &a, &got) != rows[i].is_read)
            fail_msg("row %zu", i);
        if (rows[i].is_read) {
            EXPECT_INT(chunk_read(str_of(rows[i].like), &a, &want), ERR_NONE);
            expect_same(&got, &want);
        }
        frame_deinit(&f);
        arena_deinit(&a);
    }
}

static void keeps_no_frame_that_is_large(void)
{
    char big[4096] = HEAD "a" TAIL;
    struct chunk chunk;
    struct frame f;
    struct arena a;

    memset(big + strlen(big), ' ', sizeof(big) - strlen(big) - 1);
    arena_init(&a);
    frame_init(&f);
    EXPECT_INT(chunk_read(STR(HEAD "a" TAIL), &a, &chunk), ERR_NONE);
    frame_keep(&f, STR(HEAD "a" TAIL), &chunk);
    EXPECT_INT(chunk_read(str_of(big), &a, &chunk), ERR_NONE);
    frame_keep(&f, str_of(big), &chunk);
    EXPECT(!frame_read(&f, str_of(big), &a, &chunk));
    EXPECT(!frame_read(&f, STR(HEAD "b" TAIL), &a, &chunk));
    frame_deinit(&f);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "says what a reading says", says_what_a_reading_says },
    { "keeps no frame that is large", keeps_no_frame_that_is_large },
};

TEST_MAIN(suite)
