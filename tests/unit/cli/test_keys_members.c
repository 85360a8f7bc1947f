/* SPDX-License-Identifier: Apache-2.0 */
/* What people write of a key, and what the operators' API gets. */
#include "cli/keys_members.h"

#include "test.h"

enum { NOW_S = 1000 };

static const char some_key[] =
    "{\"id\":\"x\",\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":5,\"used\":1},"
    "{\"unit\":\"money\",\"per\":\"ever\",\"limit\":7,\"used\":2}]}";

static const struct {
    const char *word;
    const char *want; /* "!...": it is wrong, and why */
} rows[] = {
    { "name=a b", "{\"name\":\"a b\"}" },
    { "models=a, b*,,", "{\"models\":[\"a\",\"b*\"]}" },
    { "models=none", "{\"models\":[]}" },
    { "models=", "{\"models\":[]}" },
    { "expires=none", "{\"expires\":null}" },
    { "expires=2h", "{\"expires\":8200}" },
    { "expires=1d", "{\"expires\":87400}" },
    { "expires=1970-01-01", "{\"expires\":86400}" },
    { "expires=2026-12-31", "{\"expires\":1798761600}" },
    { "expires=2026-13-01", "!expires: a day" },
    { "expires=2026-02-29", "!expires: a day" },
    { "expires=2028-02-29", "{\"expires\":1835481600}" },
    { "expires=0d", "!expires: a day" },
    { "expires=5", "!expires: a day" },
    { "disabled=true", "{\"disabled\":true}" },
    { "disabled=false", "{\"disabled\":false}" },
    { "disabled=yes", "!disabled: true or false" },
    { "requests_per_minute=60", "{\"requests_per_minute\":60}" },
    { "tokens_per_minute=none", "{\"tokens_per_minute\":null}" },
    { "parallel_requests=0", "!parallel_requests: a whole number" },
    { "parallel_requests=-1", "!parallel_requests: a whole number" },
    { "tokens_per_week=1", "!tokens_per_week=1: a key has no such member" },
    { "tokens_ever", "!tokens_ever: it must be MEMBER=VALUE" },
    { "tokens_ever=9", "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":5},"
                       "{\"unit\":\"tokens\",\"per\":\"ever\",\"limit\":9},"
                       "{\"unit\":\"money\",\"per\":\"ever\",\"limit\":7}]}" },
    { "tokens_per_day=none", "{\"budgets\":[{\"unit\":\"money\",\"per\":\"ever\",\"limit\":7}]}" },
    { "money_ever=2.5", "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":5},"
                        "{\"unit\":\"money\",\"per\":\"ever\",\"limit\":2500000}]}" },
    { "money_ever=0.000001", "{\"budgets\":[{\"unit\":\"tokens\",\"per\":\"day\",\"limit\":5},"
                             "{\"unit\":\"money\",\"per\":\"ever\",\"limit\":1}]}" },
    { "money_ever=0", "!money_ever=0: an amount above 0" },
    { "money_ever=1.", "!money_ever=1.: an amount above 0" },
    { "money_ever=1.0000001", "!money_ever=1.0000001: an amount above 0" },
    { "tokens_per_day=1.5", "!tokens_per_day=1.5: a whole number" },
};

static void words_become_members(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char word[64];
        char *words[] = { word, NULL };
        char why[256] = "";
        struct buf out;

        str_to_z(str_of(rows[i].word), word, sizeof(word));
        buf_init(&out, 4096);
        if (rows[i].want[0] == '!') {
            EXPECT(!keys_members_write(words, NULL, str_of(some_key), NOW_S, &out, why));
            EXPECT(strncmp(why, rows[i].want + 1, strlen(rows[i].want) - 1) == 0);
        } else {
            EXPECT(keys_members_write(words, NULL, str_of(some_key), NOW_S, &out, why));
            EXPECT_STR(buf_str(&out), rows[i].want);
        }
        buf_deinit(&out);
    }
}

static void a_new_key_has_what_was_named(void)
{
    char one[] = "tokens_ever=3", two[] = "money_per_month=1";
    char *words[] = { one, two, NULL };
    char why[256];
    struct buf out;

    buf_init(&out, 4096);
    EXPECT(keys_members_write(words, "new", STR(""), NOW_S, &out, why));
    EXPECT_STR(buf_str(&out), "{\"name\":\"new\",\"budgets\":["
                              "{\"unit\":\"tokens\",\"per\":\"ever\",\"limit\":3},"
                              "{\"unit\":\"money\",\"per\":\"month\",\"limit\":1000000}]}");
    buf_deinit(&out);
}

static const struct test suite[] = {
    { "words become members", words_become_members },
    { "a new key has what was named", a_new_key_has_what_was_named },
};

TEST_MAIN(suite)
