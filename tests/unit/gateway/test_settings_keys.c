/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of clients in the settings' file. */
#include "settings_test.h"

static void reads_the_limits_of_a_key(void)
{
    static const char text[] =
        "clerk_cookie: c\nkeys: [{name: a, key: x, tokens_ever: 9007199254740992,"
        " requests_per_minute: 7, money_per_day: 2.5}]\n";
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, NULL, text, &s), ERR_NONE);
    EXPECT_INT(s.keys[0].record.requests_per_minute, 7);
    EXPECT_INT(s.keys[0].record.tokens_per_minute, 0);
    EXPECT_INT(s.keys[0].record.n_budgets, 2);
    EXPECT_INT(s.keys[0].record.budgets[0].limit, 2500000);
    EXPECT_INT(s.keys[0].record.budgets[1].per, KEY_EVER);
    EXPECT_INT(s.keys[0].record.budgets[1].limit, KEY_LIMIT_MAX);
    settings_deinit(&s);
}

static const struct {
    const char *text;
    const char *told; /* behind "line " */
} wrong[] = {
    { "keys: [{name: a}]\n", "1: keys[0]: key or key_file is missing" },
    { "keys: [{name: master, key: hush}]\n", "1: keys[0].name: \"master\" is the name of" },
    { "keys: [{name: a, key: hush}, {name: b, key: hush}]\n", "1: keys[1]: keys[0] has the same" },
    { "keys: [{name: a, key: x}, {name: a, key: y}]\n", "1: keys[1].name: keys[0] has this name" },
    { "keys: [{name: a, key: x, requests_per_minute: 0}]\n",
      "1: keys[0].requests_per_minute: expected a whole number from 1 to 9007199254740992" },
    { "keys: [{name: a, key: x, tokens_ever: 9007199254740993}]\n",
      "1: keys[0].tokens_ever: expected a whole number" },
    { "keys: [{name: a, key: x, tokens_per_minute: -1}]\n",
      "1: keys[0].tokens_per_minute: expected a whole number" },
    { "keys: [{name: a, key: x, parallel_requests: 1001}]\n",
      "1: keys[0].parallel_requests: expected a whole number from 1 to 1000;" },
    { "keys: [{name: a, key: x, money_ever: 1000000.01}]\n",
      "1: keys[0].money_ever: expected an amount of money above 0 and up to a million" },
    { "api_master_key: hush\nkeys: [{name: a, key: hush}]\n", "2: keys[0]: the key is that of" },
};

static void says_what_is_wrong_with_a_key(void)
{
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char want[200];
        struct settings s;

        EXPECT_INT(load_yaml(wrong[i].text, &s), ERR_BAD_INPUT);
        snprintf(want, sizeof(want), "%s/settings.yaml line %s", dir, wrong[i].told);
        if (!strstr(problems, want))
            fail_msg("%swant: %s\ntold: %s", wrong[i].text, want, problems);
        if (strstr(problems, "hush"))
            fail_msg("a secret is shown: %s", problems);
    }
}

static const struct test suite[] = {
    { "reads the limits of a key", reads_the_limits_of_a_key },
    { "says what is wrong with a key", says_what_is_wrong_with_a_key },
};

TEST_MAIN(suite)
