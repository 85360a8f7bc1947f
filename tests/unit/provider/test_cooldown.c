/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/cooldown.h"
#include "test.h"

static struct notice quota(int64_t retry_after_ms)
{
    return (struct notice){ .kind = FAILURE_QUOTA,
                            .retry_after_ms = retry_after_ms,
                            .message = "used up" };
}

/* At least what was asked for, at most a tenth more. */
static void expect_about(int64_t got, int64_t want)
{
    EXPECT(got >= want && got <= want + want / 10);
}

static void what_the_service_asks_for_is_kept(void)
{
    struct notice why = quota(12000), told = { 0 };
    struct cooldowns c;

    cooldowns_init(&c);
    expect_about(cooldown_begin(&c, STR("GPT5"), &why, 1000), 12000);
    expect_about(cooldown_left(&c, STR("GPT5"), 1000, &told), 12000);
    EXPECT_INT(told.kind, FAILURE_QUOTA);
    EXPECT_Z(told.message, "used up");
    EXPECT_INT(told.retry_after_ms, cooldown_left(&c, STR("GPT5"), 1000, NULL));
    EXPECT_INT(cooldown_left(&c, STR("Other"), 1000, NULL), 0);
    EXPECT_INT(cooldown_left(&c, STR("GPT5"), 1000 + 12000 + 1201, NULL), 0);
    why = quota(INT64_MAX / 2);
    expect_about(cooldown_begin(&c, STR("GPT5"), &why, 20000), COOLDOWN_ASKED_MAX_MS);
    cooldowns_deinit(&c);
}

static void without_a_hint_it_grows_up_to_a_quarter_of_an_hour(void)
{
    struct notice why = quota(0);
    int64_t now = 1, want = COOLDOWN_FIRST_MS;
    struct cooldowns c;

    cooldowns_init(&c);
    for (int i = 0; i < 20; i++) {
        int64_t ms = cooldown_begin(&c, STR("GPT5"), &why, now);

        expect_about(ms, want);
        now += ms;
        want = 2 * want < COOLDOWN_GROWN_MAX_MS ? 2 * want : COOLDOWN_GROWN_MAX_MS;
    }
    EXPECT_INT(want, COOLDOWN_GROWN_MAX_MS);
    cooldown_served(&c, STR("GPT5"), now);
    expect_about(cooldown_begin(&c, STR("GPT5"), &why, now), COOLDOWN_FIRST_MS);
    cooldowns_deinit(&c);
}

/* Ten answers that run at once and are all refused are one time, not ten. */
static void refusals_at_once_count_once(void)
{
    struct notice why = quota(0);
    struct cooldowns c;

    cooldowns_init(&c);
    for (int i = 0; i < 10; i++)
        expect_about(cooldown_begin(&c, STR("GPT5"), &why, 5), COOLDOWN_FIRST_MS);
    cooldowns_deinit(&c);
}

/* An answer that began before the refusal says nothing about what comes now. */
static void an_answer_does_not_end_one_that_runs(void)
{
    struct notice why = quota(60000);
    struct cooldowns c;

    cooldowns_init(&c);
    cooldown_begin(&c, STR("GPT5"), &why, 5);
    cooldown_served(&c, STR("GPT5"), 6);
    EXPECT(cooldown_left(&c, STR("GPT5"), 7, NULL) > 0);
    cooldowns_clear(&c);
    EXPECT_INT(cooldown_left(&c, STR("GPT5"), 7, NULL), 0);
    cooldowns_deinit(&c);
}

static void one_for_all_models_counts_for_each(void)
{
    struct notice all = quota(5000), one = quota(9000), told;
    struct cooldowns c;

    cooldowns_init(&c);
    cooldown_for(&c, STR(""), &all, 5, 5000);
    expect_about(cooldown_left(&c, STR("GPT5"), 5, NULL), 5000);
    cooldown_for(&c, STR("GPT5"), &one, 5, 9000);
    expect_about(cooldown_left(&c, STR("GPT5"), 5, &told), 9000);
    expect_about(cooldown_left(&c, STR("Other"), 5, &told), 5000);
    cooldowns_deinit(&c);
}

static void count_rest(void *arg, struct str model, int64_t left_ms, const struct notice *why)
{
    EXPECT(model.n > 0 && left_ms > 0 && why->kind == FAILURE_QUOTA);
    ++*(size_t *)arg;
}

/* Names come from clients: an account does not remember any number of them. */
static void their_number_is_bounded(void)
{
    struct notice why = quota(5000);
    struct cooldowns c;
    char model[32];
    size_t n = 0;

    cooldowns_init(&c);
    for (int i = 0; i < COOLDOWNS_MAX; i++) {
        snprintf(model, sizeof(model), "model-%d", i);
        cooldown_begin(&c, str_of(model), &why, 5);
    }
    cooldowns_each(&c, 5, count_rest, &n);
    EXPECT_INT(n, COOLDOWNS_MAX);
    EXPECT_INT(cooldown_left(&c, STR("another"), 5, NULL), 0);
    cooldown_begin(&c, STR("one more"), &why, 5);
    cooldown_begin(&c, STR("and another one"), &why, 5);
    EXPECT(c.n <= COOLDOWNS_MAX + 1);
    EXPECT(cooldown_left(&c, STR("another"), 5, NULL) > 0);
    cooldowns_deinit(&c);
}

static const struct test suite[] = {
    { "what the service asks for is kept", what_the_service_asks_for_is_kept },
    { "without a hint it grows up to a quarter of an hour",
      without_a_hint_it_grows_up_to_a_quarter_of_an_hour },
    { "refusals at once count once", refusals_at_once_count_once },
    { "an answer does not end one that runs", an_answer_does_not_end_one_that_runs },
    { "one for all models counts for each", one_for_all_models_counts_for_each },
    { "their number is bounded", their_number_is_bounded },
};

TEST_MAIN(suite)
