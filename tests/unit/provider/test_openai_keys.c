/* SPDX-License-Identifier: Apache-2.0 */
/* Which key is tried next, and how long one rests. */
#include "provider/openai/keys.h"

#include <stdio.h>

#include "test.h"

enum { N = 3, MINUTE_MS = 60000 };

static struct secret secrets[N];
static struct openai_config config;
static struct keys *k;
static struct notice notice;

static void begin(size_t n)
{
    for (size_t i = 0; i < N; i++)
        secret_set(&secrets[i], STR("sk"));
    config = (struct openai_config){ .name = "local", .api_keys = secrets, .n_api_keys = n };
    k = keys_new(&config);
}

static void end(void)
{
    keys_free(k);
    for (size_t i = 0; i < N; i++)
        secret_deinit(&secrets[i]);
}

/* -1: none. */
static int chosen_for(const char *purpose, uint64_t tried, int64_t now_ms)
{
    size_t i;

    return keys_choose(k, str_of(purpose), tried, now_ms, &i, &notice) ? (int)i : -1;
}

static int chosen(uint64_t tried, int64_t now_ms)
{
    return chosen_for("big", tried, now_ms);
}

static void trouble(size_t i, enum key_trouble what, int64_t told_ms, int64_t now_ms)
{
    keys_trouble(k, i, STR("big"), what, told_ms, now_ms);
}

static void chooses_the_one_limited_longest_ago(void)
{
    begin(3);
    EXPECT_INT(chosen(0, 1000), 0);
    EXPECT_INT(chosen(1, 1000), 1);
    EXPECT_INT(chosen(7, 1000), -1);
    trouble(0, KEY_LIMITED, 5000, 1000);
    EXPECT_INT(chosen(0, 1000), 1);
    trouble(1, KEY_LIMITED, 5000, 2000);
    EXPECT_INT(chosen(0, 2000), 2);
    trouble(2, KEY_LIMITED, 5000, 3000);
    EXPECT_INT(chosen(0, 3000), -1);
    EXPECT_INT(notice.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(notice.retry_after_ms, 3000);
    EXPECT_INT(chosen(0, 5999), -1);
    EXPECT_INT(chosen(0, 6000), 0);
    EXPECT_INT(chosen(0, 9000), 0);
    EXPECT_INT(chosen(1, 9000), 1);
    end();
}

static void rests_longer_each_time(void)
{
    int64_t longest = 0;

    begin(2);
    for (int i = 0; i < 20; i++) {
        int64_t most = i < 10 ? INT64_C(1000) << i : 15 * MINUTE_MS;
        int64_t until = 0;

        most = most < 15 * MINUTE_MS ? most : 15 * MINUTE_MS;
        trouble(0, KEY_LIMITED, 0, 0);
        while (chosen(2, until) < 0)
            until += 10;
        EXPECT(until <= most && until >= most - most / 4 - 10);
        longest = until;
    }
    EXPECT(longest > 10 * MINUTE_MS);
    keys_good(k, 0, STR("big"));
    EXPECT_INT(chosen(2, 0), 0);
    trouble(0, KEY_LIMITED, 0, 0);
    EXPECT_INT(chosen(2, 1000), 0);
    end();
}

static void rests_by_the_kind_of_trouble(void)
{
    static const struct {
        enum key_trouble what;
        int64_t told_ms;
        int64_t rests_ms;
        enum failure_kind kind;
    } rows[] = {
        { KEY_REFUSED, 0, 60 * MINUTE_MS, FAILURE_UPSTREAM_AUTH },
        { KEY_REFUSED, 5, 60 * MINUTE_MS, FAILURE_UPSTREAM_AUTH },
        { KEY_UNPAID, 0, 15 * MINUTE_MS, FAILURE_QUOTA },
        { KEY_UNPAID, 5, 15 * MINUTE_MS, FAILURE_QUOTA },
        { KEY_LIMITED, 9 * MINUTE_MS, 9 * MINUTE_MS, FAILURE_RATE_LIMIT },
        { KEY_LIMITED, INT64_C(24) * 60 * MINUTE_MS, 15 * MINUTE_MS, FAILURE_RATE_LIMIT },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(2);
        trouble(0, rows[i].what, rows[i].told_ms, 0);
        trouble(1, rows[i].what, rows[i].told_ms, 0);
        EXPECT_INT(chosen(4, rows[i].rests_ms - 1), -1);
        EXPECT_INT(notice.kind, rows[i].kind);
        EXPECT_INT(notice.retry_after_ms, 1);
        EXPECT(strstr(notice.message, "\"local\"") != NULL);
        EXPECT_INT(chosen(0, rows[i].rests_ms), 0);
        end();
    }
}

/* It may be the content of one request, or one model, that the upstream does not take. */
static void rests_for_one_purpose_only(void)
{
    char purpose[200];

    begin(2);
    for (size_t i = 0; i < 2; i++)
        keys_trouble(k, i, STR("big"), KEY_LIMITED, 5000, 0);
    EXPECT_INT(chosen_for("big", 0, 1), -1);
    EXPECT_INT(chosen_for("bi", 0, 1), 0);
    EXPECT_INT(chosen_for("/files", 0, 1), 0);
    keys_trouble(k, 0, STR("/files"), KEY_UNPAID, 0, 1);
    EXPECT_INT(chosen_for("/files", 0, 2), 1);
    EXPECT_INT(chosen_for("", 0, 2), 0);
    keys_good(k, 0, STR("/files"));
    EXPECT_INT(chosen_for("/files", 2, 2), 0);
    EXPECT_INT(chosen_for("big", 0, 2), -1);
    keys_trouble(k, 0, STR("/files"), KEY_REFUSED, 0, 2); /* that concerns them all */
    EXPECT_INT(chosen_for("small", 0, 3), 1);
    EXPECT_INT(chosen_for("", 0, 3), 1);
    keys_good(k, 0, STR(""));
    EXPECT_INT(chosen_for("small", 2, 3), 0);
    for (int i = 0; i < 1000; i++) { /* names without end are bounded */
        snprintf(purpose, sizeof(purpose), "%-150d", i);
        keys_trouble(k, 1, str_of(purpose), KEY_UNPAID, 0, 10 + i);
    }
    EXPECT_INT(chosen_for(purpose, 1, 1010), -1);
    EXPECT_INT(chosen_for("big", 1, 1010), 1);
    end();
}

/* To be refused without being asked is worse, unless the upstream asked for it. */
static void where_all_rest_the_first_back_is_used(void)
{
    begin(2);
    trouble(0, KEY_UNPAID, 0, 0);
    trouble(1, KEY_UNPAID, 0, 1000);
    EXPECT_INT(chosen(0, 2000), 0);
    EXPECT_INT(chosen(1, 2000), -1); /* one was asked: that is enough */
    trouble(0, KEY_UNPAID, 0, 2000);
    EXPECT_INT(chosen(0, 3000), 1);
    trouble(1, KEY_LIMITED, 60000, 3000);
    EXPECT_INT(chosen(0, 3000), -1);
    EXPECT_INT(notice.retry_after_ms, 60000);
    trouble(0, KEY_LIMITED, 0, 3000); /* back before it */
    EXPECT_INT(chosen(0, 3001), 0);
    end();
}

static void says_which_rest(void)
{
    char why[128] = "";

    begin(3);
    EXPECT(keys_are_ready(k, 0, why));
    EXPECT_Z(why, "");
    trouble(1, KEY_LIMITED, 5000, 0);
    EXPECT(keys_are_ready(k, 0, why));
    EXPECT_Z(why, "1 of 3 keys rest: key 2 reached its limit for big, 5 s left");
    trouble(0, KEY_REFUSED, 0, 0);
    EXPECT(keys_are_ready(k, 0, why));
    EXPECT_Z(why, "2 of 3 keys rest: key 1 was refused, 3600 s left");
    end();
    begin(1);
    why[0] = '\0';
    trouble(0, KEY_LIMITED, 5000, 0);
    EXPECT(keys_are_ready(k, 0, why));
    EXPECT_Z(why, ""); /* it never rests */
    end();
}

static void is_ready_unless_all_are_refused(void)
{
    char why[128];

    begin(2);
    EXPECT(keys_are_ready(k, 0, why));
    trouble(0, KEY_REFUSED, 0, 0);
    EXPECT(keys_are_ready(k, 0, why));
    trouble(1, KEY_UNPAID, 0, 0);
    EXPECT(keys_are_ready(k, 0, why));
    trouble(1, KEY_REFUSED, 0, 0);
    EXPECT(!keys_are_ready(k, 0, why));
    EXPECT(strstr(why, "no key is accepted") != NULL);
    end();
}

static void no_key_is_one_that_is_empty(void)
{
    begin(0);
    EXPECT_INT(keys_count(k), 1);
    EXPECT_INT(keys_secret(k, 0).n, 0);
    EXPECT_Z(keys_label(k, 0), "no key");
    trouble(0, KEY_REFUSED, 0, 0);
    EXPECT_INT(chosen(0, 1), 0);
    end();
}

static void counts_where_keys_stand(void)
{
    struct provider_census c = { 0 };

    begin(3);
    trouble(0, KEY_LIMITED, 5000, 0);
    trouble(1, KEY_REFUSED, 0, 0);
    keys_census(k, 4999, &c);
    EXPECT_INT(c.accounts[STANDING_READY], 2); /* it may serve other models */
    EXPECT_INT(c.accounts[STANDING_SIGNED_OUT], 1);
    EXPECT_INT(c.cooldowns, 2);
    c = (struct provider_census){ 0 };
    keys_census(k, 2 * 60 * MINUTE_MS, &c);
    EXPECT_INT(c.accounts[STANDING_READY], 3);
    EXPECT_INT(c.cooldowns, 0);
    end();
    begin(0);
    c = (struct provider_census){ 0 };
    keys_census(k, 0, &c);
    EXPECT_INT(c.accounts[STANDING_READY], 0);
    end();
}

static const struct test suite[] = {
    { "chooses the one limited longest ago", chooses_the_one_limited_longest_ago },
    { "rests longer each time", rests_longer_each_time },
    { "rests by the kind of trouble", rests_by_the_kind_of_trouble },
    { "rests for one purpose only", rests_for_one_purpose_only },
    { "where all rest the first back is used", where_all_rest_the_first_back_is_used },
    { "says which rest", says_which_rest },
    { "is ready unless all are refused", is_ready_unless_all_are_refused },
    { "no key is one that is empty", no_key_is_one_that_is_empty },
    { "counts where keys stand", counts_where_keys_stand },
};

TEST_MAIN(suite)
