/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/health.h"

#include <stdio.h>

#include "base/metrics.h"
#include "test.h"

static const struct health_limits limits = {
    .window_ms = 10000, .error_percent = 50, .open_ms = 1000, .slow_start_ms = 4000
};

static struct health *h;
static int64_t now;

static void set_up(void)
{
    h = health_new();
    now = 1000000;
}

/* Nothing is left of it. */
static void tear_down(void)
{
    health_free(h);
}

static bool enter(const char *model, enum health_need need, struct health_ticket *t)
{
    return health_enter(h, &limits, STR("up"), str_of(model), now, need, t);
}

static void leave(const char *model, struct health_ticket t, enum health_verdict verdict)
{
    health_leave(h, &limits, STR("up"), str_of(model), now, t, verdict);
}

/* One request that must be let in. */
static void ask(const char *model, enum health_verdict verdict)
{
    struct health_ticket t;

    EXPECT(enter(model, HEALTH_IF_FIT, &t));
    leave(model, t, verdict);
}

static bool lets_in(const char *model)
{
    struct health_ticket t;
    bool may = enter(model, HEALTH_IF_FIT, &t);

    if (may)
        leave(model, t, HEALTH_UNKNOWN);
    return may;
}

static void break_it(const char *model)
{
    for (int i = 0; i < HEALTH_LEAST; i++)
        ask(model, HEALTH_BAD);
    EXPECT(!lets_in(model));
}

static const char *why(size_t i)
{
    static struct health_problem p;

    return health_problem_at(h, now, i, &p) ? p.why : NULL;
}

/* The longest that a circuit is open after it was opened for the n-th time. */
static int64_t open_max(int64_t times)
{
    return limits.open_ms * times + limits.open_ms / 5;
}

static void too_many_failures_open_it(void)
{
    set_up();
    for (int i = 0; i < HEALTH_LEAST - 1; i++)
        ask("a", HEALTH_BAD);
    EXPECT(lets_in("a"));
    EXPECT(!why(0));
    ask("a", HEALTH_BAD);
    EXPECT(!lets_in("a"));
    EXPECT(str_starts(str_of(why(0)), STR("10 of the last 10 answers failed")));
    EXPECT(!why(1));
    EXPECT(lets_in("b")); /* another model of the same upstream */
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 1);
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 0);
    tear_down();
}

static void the_share_of_failures_counts(void)
{
    set_up();
    ask("a", HEALTH_BAD); /* it is known from here on */
    for (int i = 0; i < 30; i++)
        ask("a", HEALTH_GOOD);
    for (int i = 0; i < 28; i++)
        ask("a", HEALTH_BAD);
    EXPECT(lets_in("a"));
    ask("a", HEALTH_BAD);
    EXPECT(!lets_in("a"));
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

static void what_is_long_ago_is_forgotten(void)
{
    set_up();
    for (int i = 0; i < HEALTH_LEAST - 1; i++)
        ask("a", HEALTH_BAD);
    now += limits.window_ms + limits.window_ms / 10;
    ask("a", HEALTH_BAD);
    EXPECT(lets_in("a"));
    tear_down();
}

static void what_says_nothing_counts_neither_way(void)
{
    set_up();
    for (int i = 0; i < 100; i++)
        ask("a", HEALTH_UNKNOWN);
    for (int i = 0; i < HEALTH_LEAST; i++)
        ask("a", HEALTH_BAD);
    EXPECT(!lets_in("a"));
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

static void one_request_at_a_time_tries_it(void)
{
    struct health_ticket probe, other;

    set_up();
    break_it("a");
    now += limits.open_ms - 1;
    EXPECT(!lets_in("a"));
    now += open_max(1);
    EXPECT(enter("a", HEALTH_IF_FIT, &probe));
    EXPECT(!enter("a", HEALTH_IF_FIT, &other));
    leave("a", probe, HEALTH_UNKNOWN); /* its client left */
    EXPECT(enter("a", HEALTH_IF_FIT, &probe));
    EXPECT(!enter("a", HEALTH_IF_FIT, &other));
    leave("a", probe, HEALTH_BAD);
    EXPECT(!lets_in("a"));
    now += open_max(1);
    EXPECT(!lets_in("a")); /* twice as long now */
    now += open_max(2);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    EXPECT(!why(0));
    tear_down();
}

static void it_stays_open_longer_up_to_a_bound(void)
{
    int64_t times = 1;

    set_up();
    break_it("a");
    for (int i = 0; i < 6; i++) {
        now += limits.open_ms * times - 1;
        EXPECT(!lets_in("a"));
        now += limits.open_ms / 5 + 1;
        ask("a", HEALTH_BAD);
        times = times < 8 ? 2 * times : 8;
    }
    now += open_max(8);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    break_it("a"); /* well in between: it begins with the shortest again */
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

static int share(void)
{
    int n = 0;

    for (int i = 0; i < 1000; i++)
        n += lets_in("a");
    return n;
}

static void its_share_grows(void)
{
    int first, middle;

    set_up();
    break_it("a");
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    EXPECT(str_starts(str_of(why(0)), STR("it answers again")));
    first = share();
    now += limits.slow_start_ms / 2;
    middle = share();
    EXPECT(first > 20 && first < 250);    /* 100 expected; the bounds are 8 deviations off */
    EXPECT(middle > 400 && middle < 700); /* 550 */
    now += limits.slow_start_ms / 2;
    EXPECT_INT(share(), 1000);
    tear_down();
}

static void it_may_break_again_while_it_rises(void)
{
    struct health_ticket t;

    set_up();
    break_it("a");
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    for (int i = 0; i < HEALTH_LEAST; i++) {
        EXPECT(enter("a", HEALTH_ANYHOW, &t));
        leave("a", t, HEALTH_BAD);
    }
    EXPECT(str_starts(str_of(why(0)), STR("10 of the last 10")));
    EXPECT(!lets_in("a"));
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 1);
    now += open_max(2);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 0);
    tear_down();
}

static void who_must_ask_may_and_may_find_it_well(void)
{
    struct health_ticket t;

    set_up();
    break_it("a");
    EXPECT(enter("a", HEALTH_ANYHOW, &t));
    leave("a", t, HEALTH_BAD);
    EXPECT(!lets_in("a"));
    EXPECT(enter("a", HEALTH_ANYHOW, &t));
    leave("a", t, HEALTH_GOOD);
    EXPECT(str_starts(str_of(why(0)), STR("it answers again")));
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

/* Who has no better choice takes the least sick one. */
static void need_opens_it_step_by_step(void)
{
    struct health_ticket probe;
    struct health_ticket t;
    int64_t skips;

    set_up();
    break_it("a");
    skips = metric_get(METRIC_CIRCUIT_SKIPS);
    EXPECT(!enter("a", HEALTH_IF_RISING, &t));
    EXPECT(!enter("a", HEALTH_IF_HALF_OPEN, &t));
    now += open_max(1);
    EXPECT(enter("a", HEALTH_IF_FIT, &probe));
    EXPECT(!enter("a", HEALTH_IF_RISING, &t));
    EXPECT(enter("a", HEALTH_IF_HALF_OPEN, &t));
    EXPECT_INT(metric_get(METRIC_CIRCUIT_SKIPS), skips); /* asked again, not passed over again */
    leave("a", t, HEALTH_UNKNOWN);
    leave("a", probe, HEALTH_GOOD);
    for (int i = 0; i < 100; i++) { /* 10 % of them were to be lucky */
        EXPECT(enter("a", HEALTH_IF_RISING, &t));
        leave("a", t, HEALTH_UNKNOWN);
    }
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

static void requests_from_before_do_not_close_it(void)
{
    struct health_ticket old;

    set_up();
    ask("a", HEALTH_BAD);
    EXPECT(enter("a", HEALTH_IF_FIT, &old));
    for (int i = 0; i < HEALTH_LEAST; i++)
        if (lets_in("a"))
            ask("a", HEALTH_BAD);
    EXPECT(!lets_in("a"));
    leave("a", old, HEALTH_GOOD);
    EXPECT(!lets_in("a"));
    now += open_max(1);
    ask("a", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("a"));
    tear_down();
}

static void names_without_end_are_bounded(void)
{
    char model[32];

    set_up();
    for (int i = 0; i < 3 * HEALTH_TARGETS_MAX; i++) {
        snprintf(model, sizeof(model), "m%d", i);
        ask(model, HEALTH_BAD);
    }
    for (int i = 0; i < HEALTH_LEAST - 1; i++)
        ask("m0", HEALTH_BAD); /* one of the first: it is known */
    EXPECT(!lets_in("m0"));
    for (int i = 0; i < HEALTH_LEAST; i++)
        ask("late", HEALTH_BAD); /* there is no room */
    EXPECT(lets_in("late"));
    now += limits.window_ms + 1; /* the others are forgotten */
    for (int i = 0; i < HEALTH_LEAST; i++)
        ask("late", HEALTH_BAD);
    EXPECT(!lets_in("late"));
    now += open_max(1);
    ask("late", HEALTH_GOOD);
    ask("m0", HEALTH_GOOD);
    now += limits.slow_start_ms;
    EXPECT(lets_in("late") && lets_in("m0"));
    tear_down();
}

/* A reload may have removed it. */
static void one_that_nobody_asks_any_more_is_forgotten(void)
{
    struct health_ticket t;

    set_up();
    break_it("a");
    now += HEALTH_FORGET_MS - 1;
    EXPECT(why(0) != NULL);
    EXPECT(enter("a", HEALTH_IF_FIT, &t)); /* the probe is on its way, for long */
    now += HEALTH_FORGET_MS;
    EXPECT(why(0) != NULL);
    leave("a", t, HEALTH_BAD);
    EXPECT(!lets_in("a")); /* passed over: it was asked for */
    now += HEALTH_FORGET_MS - 1;
    EXPECT(why(0) != NULL);
    now++;
    EXPECT(!why(0));
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 0);
    break_it("a"); /* without anybody who looks at the list */
    now += HEALTH_FORGET_MS;
    EXPECT(lets_in("b"));
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 0);
    tear_down();
}

/* A reload may have changed it. */
static void a_window_of_another_length_begins_anew(void)
{
    struct health_limits other = limits;
    struct health_ticket t;

    set_up();
    other.window_ms = 10 * limits.window_ms;
    now += limits.window_ms / 10; /* what is counted now lies in no part that is counted later */
    for (int i = 0; i < HEALTH_LEAST - 1; i++)
        ask("a", HEALTH_BAD);
    for (int i = 0; i < HEALTH_LEAST - 1; i++) {
        EXPECT(health_enter(h, &other, STR("up"), STR("a"), now, HEALTH_IF_FIT, &t));
        health_leave(h, &other, STR("up"), STR("a"), now, t, HEALTH_BAD);
        EXPECT(!why(0));
    }
    EXPECT(health_enter(h, &other, STR("up"), STR("a"), now, HEALTH_IF_FIT, &t));
    health_leave(h, &other, STR("up"), STR("a"), now, t, HEALTH_BAD);
    EXPECT(str_starts(str_of(why(0)), STR("10 of the last 10 answers failed")));
    now += HEALTH_FORGET_MS;
    EXPECT(!why(0));
    tear_down();
}

static void a_visit_may_be_left_twice(void)
{
    struct health_visit v = { .is_entered = false };

    set_up();
    health_visit_leave(&v, now, HEALTH_BAD); /* nowhere */
    for (int i = 0; i < HEALTH_LEAST; i++) {
        EXPECT(health_visit_enter(&v, h, &limits, STR("up"), STR("a"), now, HEALTH_IF_FIT));
        EXPECT(!why(0));
        health_visit_leave(&v, now, HEALTH_BAD);
        health_visit_leave(&v, now, HEALTH_BAD);
    }
    EXPECT(str_starts(str_of(why(0)), STR("10 of the last 10 answers failed")));
    EXPECT(!health_visit_enter(&v, h, &limits, STR("up"), STR("a"), now, HEALTH_IF_FIT));
    health_visit_leave(&v, now, HEALTH_GOOD); /* it was not let in */
    EXPECT(!lets_in("a"));
    EXPECT(health_visit_enter(&v, h, &limits, STR("up"), STR("a"), now, HEALTH_ANYHOW));
    health_visit_leave(&v, now, HEALTH_GOOD);
    EXPECT(str_starts(str_of(why(0)), STR("it answers again")));
    now += limits.slow_start_ms;
    EXPECT(!why(0));
    tear_down();
}

static char states[256];

static void note_state(void *arg, const char *target, const char *state)
{
    (void)arg;
    snprintf(states + strlen(states), sizeof(states) - strlen(states), "%s=%s;", target, state);
}

static const char *sick(struct health *of)
{
    states[0] = '\0';
    health_each_sick(of, now, note_state, NULL);
    return states;
}

static void lists_the_sick_ones(void)
{
    set_up();
    EXPECT_Z(sick(NULL), "");
    EXPECT_Z(sick(h), "");
    break_it("a");
    EXPECT_Z(sick(h), "up/a=open;");
    now += 2 * limits.open_ms;
    EXPECT_Z(sick(h), "up/a=half_open;");
    EXPECT(lets_in("a"));
    tear_down();
}

static void it_can_be_off(void)
{
    struct health_limits off = limits;
    struct health_ticket t;

    set_up();
    off.error_percent = 0;
    for (int i = 0; i < 100; i++) {
        EXPECT(health_enter(h, &off, STR("up"), STR("a"), now, HEALTH_IF_FIT, &t));
        health_leave(h, &off, STR("up"), STR("a"), now, t, HEALTH_BAD);
        EXPECT(health_enter(NULL, &limits, STR("up"), STR("a"), now, HEALTH_IF_FIT, &t));
        health_leave(NULL, &limits, STR("up"), STR("a"), now, t, HEALTH_BAD);
    }
    EXPECT(!why(0));
    tear_down();
}

static const struct test suite[] = {
    { "too many failures open it", too_many_failures_open_it },
    { "the share of failures counts", the_share_of_failures_counts },
    { "what is long ago is forgotten", what_is_long_ago_is_forgotten },
    { "what says nothing counts neither way", what_says_nothing_counts_neither_way },
    { "one request at a time tries it", one_request_at_a_time_tries_it },
    { "it stays open longer up to a bound", it_stays_open_longer_up_to_a_bound },
    { "its share grows", its_share_grows },
    { "it may break again while it rises", it_may_break_again_while_it_rises },
    { "who must ask may, and may find it well", who_must_ask_may_and_may_find_it_well },
    { "need opens it step by step", need_opens_it_step_by_step },
    { "requests from before do not close it", requests_from_before_do_not_close_it },
    { "names without end are bounded", names_without_end_are_bounded },
    { "one that nobody asks any more is forgotten", one_that_nobody_asks_any_more_is_forgotten },
    { "a window of another length begins anew", a_window_of_another_length_begins_anew },
    { "a visit may be left twice", a_visit_may_be_left_twice },
    { "lists the sick ones", lists_the_sick_ones },
    { "it can be off", it_can_be_off },
};

TEST_MAIN(suite)
