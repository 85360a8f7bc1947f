/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"
#include "store_race.h"

static void does_what_every_store_must(void)
{
    struct loop *l = loop_new();

    store_contract(store_memory_new(1000), l, true);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    loop_free(l);
}

static void set_up(struct bench *b, size_t max_entries)
{
    bench_open(b, store_memory_new(max_entries), loop_new());
}

static void tear_down(struct bench *b)
{
    bench_close(b);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    loop_free(b->loop);
}

static void beyond_its_bound_the_oldest_entry_goes(void)
{
    struct bench b;

    set_up(&b, 3);
    contract_put(&b, "a", "1", 60000);
    contract_put(&b, "b", "2", 60000);
    contract_put(&b, "c", "3", 60000);
    contract_put(&b, "a", "set anew", 60000);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 3);
    contract_put(&b, "d", "4", 60000);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 3);
    expect_absent(&b, "b");
    expect_claimed(&b, "a", 0, "set anew");
    expect_claimed(&b, "c", 0, "3");
    expect_claimed(&b, "d", 0, "4");
    tear_down(&b);
}

static void puts_sweep_what_has_expired(void)
{
    struct bench b;
    char key[2] = "?";

    set_up(&b, 1000);
    loop_clock_set(b.loop, 1000);
    for (key[0] = 'A'; key[0] <= 'Z'; key[0]++)
        contract_put(&b, key, "x", 10);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 26);
    loop_clock_set(b.loop, 1010);
    for (key[0] = 'a'; key[0] <= 'j'; key[0]++)
        contract_put(&b, key, "x", 10);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 10);
    tear_down(&b);
}

static void its_log_is_bounded_too(void)
{
    struct bench b;
    struct told t;

    set_up(&b, 10);
    for (int i = 0; i < 10001; i++)
        store_append(b.port, STORE_USAGE, i ? STR("later") : STR("first"), NULL, NULL);
    t = contract_read(&b, 0, 1);
    EXPECT_Z(t.rows, "later;");
    EXPECT_INT(t.last_id, 2);
    tear_down(&b);
}

static void closing_frees_what_is_there(void)
{
    struct bench b;

    set_up(&b, 1000);
    contract_put(&b, "a", "left behind", 60000);
    contract_append(&b, "this too");
    tear_down(&b);
    store_close(NULL);
}

static void of_two_workers_exactly_one_gets_a_key(void)
{
    enum { RACES = 5000 };
    static atomic_uchar winners[RACES];
    struct loop *l = loop_new();
    struct store *s = store_memory_new(RACES);

    store_race(s, l, winners, RACES);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    store_close(s);
    loop_free(l);
}

static const struct test suite[] = {
    { "does what every store must", does_what_every_store_must },
    { "beyond its bound the oldest entry goes", beyond_its_bound_the_oldest_entry_goes },
    { "puts sweep what has expired", puts_sweep_what_has_expired },
    { "its log is bounded too", its_log_is_bounded_too },
    { "closing frees what is there", closing_frees_what_is_there },
    { "of two workers exactly one gets a key", of_two_workers_exactly_one_gets_a_key },
};

TEST_MAIN(suite)
