/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
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

/* However many there are: bytes of their own, so that small entries stay. */
static void large_values_make_room_for_each_other(void)
{
    enum { VALUE = 1 << 20, FIT = STORE_MEMORY_LARGE / VALUE - 1 }; /* each costs a little more */
    static char big[VALUE];
    struct store_key key = { .space = STORE_ANSWER, .n = 1 };
    struct bench b;

    memset(big, 'x', sizeof(big));
    set_up(&b, 100000);
    contract_put(&b, "a", "small", 60000);
    for (key.bytes[0] = 0; key.bytes[0] < 2 * FIT; key.bytes[0]++)
        store_put(b.port, &key, (struct str){ big, sizeof(big) }, 60000, NULL, NULL);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 1 + FIT);
    key.bytes[0] = 0;
    contract_expect_large(&b, &key, ERR_NOT_FOUND, 0);
    key.bytes[0] = FIT;
    contract_expect_large(&b, &key, ERR_NONE, sizeof(big));
    expect_claimed(&b, "a", 0, "small");
    tear_down(&b);
}

/* What clients decide the size of is refused when memory is short; the process goes on. */
static void a_large_value_without_memory_is_an_error(void)
{
    struct told told;
    const struct store_key key = { .space = STORE_ANSWER, .n = 1 };
    struct bench b;

    set_up(&b, 10);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_nth(nth);
        TOLD(&b, told, store_put(b.port, &key, STR("x"), 60000, on_told, &told));
        EXPECT_INT(told.err, ERR_NOMEM);
        contract_expect_large(&b, &key, ERR_NOT_FOUND, 0);
    }
    mem_fail_nth(0);
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
        store_append(b.port, STORE_USAGE, i ? STR("later") : STR("first"), 100000, NULL, NULL);
    t = contract_read(&b, 3, 2);
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
    { "large values make room for each other", large_values_make_room_for_each_other },
    { "a large value without memory is an error", a_large_value_without_memory_is_an_error },
    { "puts sweep what has expired", puts_sweep_what_has_expired },
    { "its log is bounded too", its_log_is_bounded_too },
    { "closing frees what is there", closing_frees_what_is_there },
    { "of two workers exactly one gets a key", of_two_workers_exactly_one_gets_a_key },
};

TEST_MAIN(suite)
