/* SPDX-License-Identifier: Apache-2.0 */
/* Counts as servers tell them. */
#include "chat/usage.h"
#include "test.h"

static void counts_are_read_by_both_names(void)
{
    static const struct {
        const char *text;
        bool is_object, has_prompt, has_completion;
        int64_t prompt, completion, cached, reasoning, total;
    } rows[] = {
        { "{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}", true, true, true, 5,
          2, 0, 0, 7 },
        { "{\"input_tokens\":5,\"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":3},"
          "\"output_tokens_details\":{\"reasoning_tokens\":1}}",
          true, true, true, 5, 2, 3, 1, -1 },
        { "{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"x\":[],\"cached_tokens\":3},"
          "\"completion_tokens_details\":{\"reasoning_tokens\":1}}",
          true, true, false, 5, 0, 3, 1, -1 },
        /* both ways, in both orders */
        { "{\"prompt_tokens\":5,\"completion_tokens\":2,\"input_tokens\":0,\"output_tokens\":0}",
          true, true, true, 5, 2, 0, 0, -1 },
        { "{\"input_tokens\":0,\"output_tokens\":0,\"prompt_tokens\":5,\"completion_tokens\":2}",
          true, true, true, 5, 2, 0, 0, -1 },
        { "{\"prompt_tokens_details\":{\"cached_tokens\":3},\"input_tokens_details\":"
          "{\"cached_tokens\":0}}",
          true, false, false, 0, 0, 3, 0, -1 },
        { "{\"prompt_tokens_details\":{\"cached_tokens\":3},\"input_tokens_details\":null}", true,
          false, false, 0, 0, 3, 0, -1 },
        /* no counts */
        { "{\"prompt_tokens\":-1,\"completion_tokens\":\"2\",\"total_tokens\":1.5}", true, false,
          false, 0, 0, 0, 0, -1 },
        { "{\"prompt_tokens\":1099511627777,\"completion_tokens\":1099511627776}", true, false,
          true, 0, INT64_C(1) << 40, 0, 0, -1 },
        { "{}", true, false, false, 0, 0, 0, 0, -1 },
        { "[1]", false, false, false, 0, 0, 0, 0, -1 },
        { "null", false, false, false, 0, 0, 0, 0, -1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_usage u = { 0 };
        struct usage_told told;
        struct json j;

        json_init(&j, str_of(rows[i].text), JSON_DEPTH_MAX);
        EXPECT_INT(usage_read(&j, &u, &told), rows[i].is_object);
        EXPECT_INT(json_end(&j), ERR_NONE);
        EXPECT_INT(told.has_prompt, rows[i].has_prompt);
        EXPECT_INT(told.has_completion, rows[i].has_completion);
        EXPECT_INT(told.total, rows[i].total);
        EXPECT_INT(u.prompt_tokens, rows[i].prompt);
        EXPECT_INT(u.completion_tokens, rows[i].completion);
        EXPECT_INT(u.cached_tokens, rows[i].cached);
        EXPECT_INT(u.reasoning_tokens, rows[i].reasoning);
    }
}

static const struct test suite[] = {
    { "counts are read by both names", counts_are_read_by_both_names },
};

TEST_MAIN(suite)
