/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: replaced, compared, absent. */
#include "base/secret.h"

#include "test.h"

static void holds_a_copy_and_replaces_it(void)
{
    char value[] = "cookie=1";
    struct secret s = { NULL, 0 };

    EXPECT(!secret_is_set(&s));
    secret_set(&s, str_of(value));
    memset(value, 'x', sizeof(value) - 1);
    EXPECT_STR(secret_reveal(&s), "cookie=1");
    EXPECT_Z(secret_reveal(&s).p, "cookie=1");
    secret_set(&s, str_from(secret_reveal(&s), 7));
    EXPECT_STR(secret_reveal(&s), "1");
    secret_set(&s, STR(""));
    EXPECT(!secret_is_set(&s));
    EXPECT(s.p == NULL);
    secret_deinit(&s);
}

static void none_equals_nothing(void)
{
    struct secret s = { NULL, 0 };

    EXPECT(!secret_eq(&s, STR("")));
    EXPECT(!secret_eq(&s, (struct str){ NULL, 0 }));
    secret_set(&s, STR("key"));
    EXPECT(secret_eq(&s, STR("key")));
    EXPECT(!secret_eq(&s, STR("kez")));
    EXPECT(!secret_eq(&s, STR("")));
    secret_deinit(&s);
    EXPECT(!secret_eq(&s, STR("key")));
}

static const struct test suite[] = {
    { "holds a copy and replaces it", holds_a_copy_and_replaces_it },
    { "none equals nothing", none_equals_nothing },
};

TEST_MAIN(suite)
