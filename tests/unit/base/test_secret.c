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

static void hides_itself_in_a_text(void)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        { "", "" },
        { "no key", "no key" },
        { "sk-12345", "********" },
        { "sk-1234 sk-12345, sk-12345sk-12345", "sk-1234 ********, ****************" },
    };
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_STR(secret_hide(STR("sk-12345"), &a, str_of(rows[i].text)), rows[i].want);
    EXPECT_STR(secret_hide(STR("none"), &a, STR("none of it")), "none of it");
    EXPECT_STR(secret_hide(STR("********"), &a, STR("********")), "********");
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "holds a copy and replaces it", holds_a_copy_and_replaces_it },
    { "none equals nothing", none_equals_nothing },
    { "hides itself in a text", hides_itself_in_a_text },
};

TEST_MAIN(suite)
