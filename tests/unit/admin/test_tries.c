/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong keys: how many an address has, and what is one address. */
#include "admin/tries.h"
#include "test.h"

static void guess(struct tries *t, const char *address, int n, int64_t now_ms)
{
    for (int i = 0; i < n; i++)
        EXPECT_INT(tries_judge(t, str_of(address), false, now_ms), 0);
}

static void refuses_after_five_until_the_minute_is_over(void)
{
    struct tries *t = tries_new();

    guess(t, "192.0.2.1", TRIES_MAX, 1000);
    EXPECT_INT(tries_judge(t, STR("192.0.2.1"), false, 2000), TRIES_MS - 1000);
    EXPECT_INT(tries_judge(t, STR("192.0.2.1"), true, 2000), TRIES_MS - 1000);
    EXPECT_INT(tries_judge(t, STR("192.0.2.2"), true, 2000), 0);
    EXPECT_INT(tries_judge(t, STR("192.0.2.1"), true, 999 + TRIES_MS), 1);
    EXPECT_INT(tries_judge(t, STR("192.0.2.1"), true, 1000 + TRIES_MS), 0);
    guess(t, "192.0.2.1", TRIES_MAX, 1000 + TRIES_MS);
    tries_free(t);
}

static void counts_no_right_ones(void)
{
    struct tries *t = tries_new();

    for (int i = 0; i < 100; i++)
        EXPECT_INT(tries_judge(t, STR("::1"), true, 0), 0);
    guess(t, "::1", TRIES_MAX, 0);
    tries_free(t);
}

/* Whether wrong keys of one are held against the other. */
static bool is_one(const char *a, const char *b)
{
    struct tries *t = tries_new();
    bool is_refused;

    guess(t, a, TRIES_MAX, 0);
    is_refused = tries_judge(t, str_of(b), true, 0) > 0;
    tries_free(t);
    return is_refused;
}

static void knows_what_one_address_is(void)
{
    EXPECT(is_one("192.0.2.1", "192.0.2.1"));
    EXPECT(is_one("192.0.2.1", "::ffff:192.0.2.1"));
    EXPECT(is_one("2001:db8:1:2::1", "2001:db8:1:2:ffff::7"));
    EXPECT(is_one("unix", "no address"));
    EXPECT(!is_one("192.0.2.1", "192.0.2.2"));
    EXPECT(!is_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    EXPECT(!is_one("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
}

static void is_bounded(void)
{
    struct tries *t = tries_new();
    char address[32];

    for (int i = 0; i < 3 * TRIES_ADDRESSES; i++) {
        snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        guess(t, address, TRIES_MAX, i);
    }
    EXPECT(tries_judge(t, str_of(address), true, 3 * TRIES_ADDRESSES) > 0);
    EXPECT_INT(tries_judge(t, STR("10.0.0.0"), true, 3 * TRIES_ADDRESSES), 0);
    tries_free(t);
}

static const struct test suite[] = {
    { "refuses after five until the minute is over", refuses_after_five_until_the_minute_is_over },
    { "counts no right ones", counts_no_right_ones },
    { "knows what one address is", knows_what_one_address_is },
    { "is bounded", is_bounded },
};

TEST_MAIN(suite)
