/* SPDX-License-Identifier: Apache-2.0 */
/* An account whose cookie is replaced while the program runs, or that is signed in again. */
#include "account_rig.h"

static void a_new_cookie_is_used_at_once(void)
{
    struct asker a;
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(metric_get(METRIC_ACCOUNTS_OUT), 1);
    EXPECT_INT(account_set_cookie(r.other, STR("__client=renewed")), ERR_NONE);
    EXPECT_INT(metric_get(METRIC_ACCOUNTS_OUT), 0);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].count == 2); /* nobody asked for a token */
    EXPECT(strstr(r.fake.at[FAKE_TOKEN].cookie, "renewed"));
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    rig_end(&r);
}

static void the_same_cookie_changes_nothing(void)
{
    struct rig r;

    rig_start(&r);
    get_any(&r);
    EXPECT_INT(account_set_cookie(r.port, STR("__client=first")), ERR_CONFLICT);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    rig_end(&r);
}

static void one_that_cannot_be_used_changes_nothing(void)
{
    struct rig r;

    rig_start(&r);
    get_any(&r);
    EXPECT_INT(account_set_cookie(r.port, STR("__client=a\x01")), ERR_BAD_INPUT);
    EXPECT_INT(account_set_cookie(r.port, STR("")), ERR_BAD_INPUT);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    rig_end(&r);
}

/* What a sign-in with the old cookie brings is of no use any more; who waits for it gets the new
 * one's. */
static void a_sign_in_with_the_old_cookie_does_not_count(void)
{
    struct asker a = { 0 };
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    ask(&a, r.port);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].held);
    EXPECT_INT(account_set_cookie(r.other, STR("__client=renewed")), ERR_NONE);
    fake_let_go(&r.fake, FAKE_TOKEN, 401);
    RUN_UNTIL(r.loop, a.answer != ACCOUNT_WAITS);
    EXPECT_INT(a.answer, ACCOUNT_READY);
    token_deinit(&a.token);
    EXPECT(strstr(r.fake.at[FAKE_TOKEN].cookie, "renewed"));
    EXPECT_INT(metric_get(METRIC_ACCOUNTS_OUT), 0);
    rig_end(&r);
}

static void a_probe_finds_that_it_is_signed_in_again(void)
{
    struct asker a;
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}");
    fake_say(&r.fake, FAKE_TOKEN, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    account_probe(r.port); /* nothing is known yet: nothing to do */
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    for (unsigned n = 2; n <= 3; n++) {
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED); /* meanwhile nobody asks the service */
        while (r.fake.at[FAKE_TOKEN].count < n) {
            account_probe(r.other); /* does nothing while one runs */
            run_turn(r.loop);
        }
    }
    RUN_UNTIL(r.loop, metric_get(METRIC_ACCOUNTS_OUT) == 0);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 3);
    rig_end(&r);
}

static const struct test suite[] = {
    { "a new cookie is used at once", a_new_cookie_is_used_at_once },
    { "the same cookie changes nothing", the_same_cookie_changes_nothing },
    { "one that cannot be used changes nothing", one_that_cannot_be_used_changes_nothing },
    { "a sign-in with the old cookie does not count",
      a_sign_in_with_the_old_cookie_does_not_count },
    { "a probe finds that it is signed in again", a_probe_finds_that_it_is_signed_in_again },
};

TEST_MAIN(suite)
