/* SPDX-License-Identifier: Apache-2.0 */
/* Timers, mostly with the clock turned by hand. */
#include "net_test.h"

#include "base/clock.h"
#include "base/metrics.h"

enum { N = 200 };

struct seen_timer {
    struct timer timer;
    int id;
    int armed;     /* when it was armed last, among all */
    int64_t at_ms; /* when it is due; -1 when not armed */
    struct loop *loop;
    bool again; /* arm with delay 0 while expiring */
};

static int order[4096];
static size_t n_order;
static int n_armed;

static void on_expire(void *arg)
{
    struct seen_timer *t = arg;

    EXPECT(!timer_is_armed(&t->timer));
    EXPECT(t->at_ms <= loop_now_ms(t->loop));
    EXPECT(n_order < COUNT_OF(order));
    order[n_order++] = t->id;
    t->at_ms = -1;
    if (t->again) {
        t->at_ms = loop_now_ms(t->loop);
        timer_arm(t->loop, &t->timer, 0, on_expire, t);
    }
}

static void arm(struct loop *l, struct seen_timer *t, int64_t delay_ms)
{
    t->loop = l;
    t->at_ms = loop_now_ms(l) + delay_ms;
    t->armed = n_armed++;
    timer_arm(l, &t->timer, delay_ms, on_expire, t);
}

static struct loop *still_loop(void)
{
    struct loop *l = loop_new();

    n_order = 0;
    loop_clock_set(l, 1000);
    return l;
}

static void run_in_the_order_of_their_time(void)
{
    static const int64_t delays[] = { 50, 10, 30, 10, 0, 70, 30 };
    static const int want[] = { 4, 1, 3, 2, 6, 0, 5 };
    struct seen_timer t[COUNT_OF(delays)] = { { .id = 0 } };
    struct loop *l = still_loop();

    for (int i = 0; i < (int)COUNT_OF(delays); i++) {
        t[i].id = i;
        arm(l, &t[i], delays[i]);
    }
    EXPECT_INT(loop_timers(l), COUNT_OF(delays));
    loop_clock_set(l, 1070);
    EXPECT_INT(n_order, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        EXPECT_INT(order[i], want[i]);
    EXPECT_INT(loop_timers(l), 0);
    loop_free(l);
}

static void are_never_early(void)
{
    struct seen_timer t = { .id = 1 };
    struct loop *l = still_loop();

    arm(l, &t, 5);
    loop_clock_set(l, 1004);
    run_turn_now(l);
    EXPECT_INT(n_order, 0);
    loop_clock_set(l, 1005);
    EXPECT_INT(n_order, 1);
    loop_free(l);
}

static void move_when_armed_again(void)
{
    struct seen_timer t = { .id = 1 };
    struct loop *l = still_loop();

    arm(l, &t, 5);
    arm(l, &t, 50);
    EXPECT_INT(loop_timers(l), 1);
    loop_clock_set(l, 1049);
    EXPECT_INT(n_order, 0);
    arm(l, &t, 1);
    loop_clock_set(l, 1050);
    EXPECT_INT(n_order, 1);
    loop_free(l);
}

static void move_behind_others_of_the_same_time(void)
{
    struct seen_timer t[3] = { { .id = 0 }, { .id = 1 }, { .id = 2 } };
    struct loop *l = still_loop();

    for (int i = 0; i < 3; i++)
        arm(l, &t[i], 10);
    arm(l, &t[0], 10);
    arm(l, &t[1], 20);
    arm(l, &t[1], 10);
    loop_clock_set(l, 1010);
    EXPECT_INT(n_order, 3);
    EXPECT(order[0] == 2 && order[1] == 0 && order[2] == 1);
    loop_free(l);
}

static void do_nothing_after_disarming(void)
{
    struct seen_timer t = { .id = 1 };
    struct loop *l = still_loop();

    timer_disarm(&t.timer);
    arm(l, &t, 5);
    EXPECT(timer_is_armed(&t.timer));
    timer_disarm(&t.timer);
    timer_disarm(&t.timer);
    EXPECT(!timer_is_armed(&t.timer));
    loop_clock_set(l, 2000);
    EXPECT_INT(n_order, 0);
    loop_free(l);
}

/* Else one that arms itself with no delay would hold the loop for ever. */
static void armed_for_now_wait_for_the_next_turn(void)
{
    struct seen_timer t = { .id = 1, .again = true };
    struct loop *l = still_loop();

    arm(l, &t, 0);
    EXPECT_INT(n_order, 0);
    run_turn_now(l);
    EXPECT_INT(n_order, 1);
    run_turn_now(l);
    EXPECT_INT(n_order, 2);
    loop_clock_set(l, 1001);
    EXPECT_INT(n_order, 3);
    timer_disarm(&t.timer);
    loop_free(l);
}

static struct seen_timer *victim;

static void on_kill(void *arg)
{
    (void)arg;
    timer_disarm(&victim->timer);
    victim->at_ms = -1;
}

static void may_be_disarmed_by_one_that_runs_before(void)
{
    struct seen_timer t = { .id = 1 };
    struct timer killer = { .loop = NULL };
    struct loop *l = still_loop();

    victim = &t;
    timer_arm(l, &killer, 10, on_kill, NULL);
    arm(l, &t, 10);
    loop_clock_set(l, 1010);
    EXPECT_INT(n_order, 0);
    loop_free(l);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

static bool is_before(const int64_t *due, const struct seen_timer *t, int a, int b)
{
    return due[a] != due[b] ? due[a] < due[b] : t[a].armed < t[b].armed;
}

/* Whatever is armed, moved and disarmed: exactly what is due runs, in order. */
static void agree_with_a_sorted_list(void)
{
    static struct seen_timer t[N];
    struct loop *l = still_loop();
    uint64_t random = 42;
    int64_t now = 1000;

    for (int i = 0; i < N; i++)
        t[i] = (struct seen_timer){ .id = i, .at_ms = -1 };
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 40; i++) {
            struct seen_timer *one = &t[next_random(&random) % N];
            if (next_random(&random) % 3 == 0) {
                timer_disarm(&one->timer);
                one->at_ms = -1;
            } else {
                arm(l, one, (int64_t)(next_random(&random) % 100));
            }
        }
        now += (int64_t)(next_random(&random) % 30);
        n_order = 0;
        int64_t due[N];
        for (int i = 0; i < N; i++)
            due[i] = t[i].at_ms;
        loop_clock_set(l, now);
        size_t want = 0;
        for (int i = 0; i < N; i++) {
            want += due[i] >= 0 && due[i] <= now;
            EXPECT(t[i].at_ms < 0 || t[i].at_ms > now);
            EXPECT(timer_is_armed(&t[i].timer) == (t[i].at_ms >= 0));
        }
        EXPECT_INT(n_order, want);
        for (size_t i = 1; i < n_order; i++)
            EXPECT(is_before(due, t, order[i - 1], order[i]));
    }
    for (int i = 0; i < N; i++)
        timer_disarm(&t[i].timer);
    loop_free(l);
}

static void follow_the_real_clock(void)
{
    struct seen_timer late = { .id = 2 };
    struct seen_timer early = { .id = 1 };
    struct loop *l = loop_new();
    int64_t start = clock_now_ms();

    n_order = 0;
    arm(l, &late, 5);
    arm(l, &late, 40);
    arm(l, &early, 10);
    RUN_UNTIL(l, n_order == 2);
    EXPECT_INT(order[0], 1);
    EXPECT(clock_now_ms() - start >= 39);
    loop_free(l);
}

static void are_counted_in_the_metric(void)
{
    int64_t before = metric_get(METRIC_TIMERS);
    struct seen_timer t[3] = { { .id = 0 } };
    struct loop *l = still_loop();

    for (int i = 0; i < 3; i++)
        arm(l, &t[i], 10);
    run_turn_now(l);
    EXPECT_INT(metric_get(METRIC_TIMERS), before + 3);
    loop_clock_set(l, 2000);
    loop_free(l);
    EXPECT_INT(metric_get(METRIC_TIMERS), before);
}

static const struct test suite[] = {
    { "timers run in the order of their time", run_in_the_order_of_their_time },
    { "timers are never early", are_never_early },
    { "timers move when armed again", move_when_armed_again },
    { "timers move behind others of the same time", move_behind_others_of_the_same_time },
    { "timers do nothing after disarming", do_nothing_after_disarming },
    { "timers armed for now wait for the next turn", armed_for_now_wait_for_the_next_turn },
    { "timers may be disarmed by one that runs before", may_be_disarmed_by_one_that_runs_before },
    { "timers agree with a sorted list", agree_with_a_sorted_list },
    { "timers follow the real clock", follow_the_real_clock },
    { "timers are counted in the metric", are_counted_in_the_metric },
};

TEST_MAIN(suite)
