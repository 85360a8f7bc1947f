/* SPDX-License-Identifier: Apache-2.0 */
/* What looking up defaults may cost; what arguments say is in test_fingerprint.c. */
#include "conversation/arguments.h"

#include "test.h"

#define SCHEMA "{\"properties\":{\"all\":{\"default\":false}}}"

static const struct chat_tool tool[] = { { .name = { "f", 1 },
                                           .parameters = { SCHEMA, sizeof(SCHEMA) - 1 } } };
static const struct chat_tools tools = { .list = tool, .n = 1 };

/* Whether the member counts as left out; `left` is what may be looked at. */
static bool is_left_out(size_t left, size_t *ret_left)
{
    unsigned char digests[2][SHA256_LEN];
    const char *const arguments[] = { "{}", "{\"all\":false}" };

    for (size_t i = 0; i < 2; i++) {
        const struct chat_tool_call call = { STR("c"), STR("f"), str_of(arguments[i]) };
        struct arguments_tools t = { &tools, left };
        struct sha256 h;

        sha256_init(&h);
        EXPECT(arguments_hash(&h, &call, &t));
        sha256_end(&h, digests[i]);
        *ret_left = t.left;
    }
    return memcmp(digests[0], digests[1], SHA256_LEN) == 0;
}

static void work_is_bounded(void)
{
    size_t left, cost;

    EXPECT(is_left_out(ARGUMENTS_WORK, &left));
    cost = ARGUMENTS_WORK - left;
    EXPECT(cost > sizeof(SCHEMA) && cost < 4 * sizeof(SCHEMA));
    EXPECT(is_left_out(cost, &left));
    EXPECT_INT(left, 0);
    for (size_t less = 1; less <= cost; less++) {
        EXPECT(!is_left_out(cost - less, &left));
        EXPECT_INT(left, 0);
    }
}

static void without_tools_nothing_is_looked_up(void)
{
    const struct chat_tool_call call = { STR("c"), STR("f"), STR("{\"all\":false}") };
    struct arguments_tools t = { NULL, ARGUMENTS_WORK };
    struct sha256 h;

    sha256_init(&h);
    EXPECT(arguments_hash(&h, &call, &t));
    EXPECT_INT(t.left, ARGUMENTS_WORK);
}

static const struct test suite[] = {
    { "work is bounded", work_is_bounded },
    { "without tools nothing is looked up", without_tools_nothing_is_looked_up },
};

TEST_MAIN(suite)
