/* SPDX-License-Identifier: Apache-2.0 */
/* The bound holds for every way of adding, and a failure leaves the buffer as it was. */
#include "base/buf.h"

#include "base/mem.h"
#include "test.h"

static void gathers_what_is_added(void)
{
    struct buf b;

    buf_init(&b, 1024);
    EXPECT(buf_is_empty(&b));
    EXPECT_INT(buf_add(&b, (struct str){ NULL, 0 }), ERR_NONE);
    EXPECT(b.p == NULL);
    EXPECT_INT(buf_add(&b, STR("ab")), ERR_NONE);
    EXPECT_INT(buf_add_char(&b, 'c'), ERR_NONE);
    EXPECT_INT(buf_addf(&b, "-%d-%s", 42, "x"), ERR_NONE);
    EXPECT_INT(buf_addf(&b, "%s", ""), ERR_NONE);
    EXPECT_STR(buf_str(&b), "abc-42-x");
    buf_truncate(&b, 3);
    EXPECT_STR(buf_str(&b), "abc");
    buf_clear(&b);
    EXPECT(buf_is_empty(&b));
    buf_deinit(&b);
    EXPECT(b.p == NULL && b.cap == 0 && b.max == 1024);
}

static void a_wiped_buffer_is_empty_and_usable(void)
{
    struct buf b;

    buf_init(&b, 16);
    buf_wipe(&b);
    EXPECT_INT(buf_add(&b, STR("secret")), ERR_NONE);
    buf_wipe(&b);
    EXPECT(b.p == NULL && b.n == 0 && b.cap == 0 && b.max == 16);
    EXPECT_INT(mem_budget_used(), 0);
}

static void takes_all_parts_or_none(void)
{
    const struct str parts[] = { STR("ab"), { NULL, 0 }, STR("c") };
    const struct str too_long[] = { STR("x"), { "", SIZE_MAX } };
    struct buf b;

    buf_init(&b, 6);
    EXPECT_INT(buf_add_all(&b, STRS(STR("1"), STR("23"))), ERR_NONE);
    EXPECT_INT(buf_add_all(&b, parts, COUNT_OF(parts)), ERR_NONE);
    EXPECT_STR(buf_str(&b), "123abc");
    EXPECT_INT(buf_add_all(&b, parts, 1), ERR_TOO_BIG);
    EXPECT_INT(buf_add_all(&b, too_long, COUNT_OF(too_long)), ERR_TOO_BIG);
    EXPECT_INT(buf_add_all(&b, parts, 0), ERR_NONE);
    EXPECT_STR(buf_str(&b), "123abc");
    buf_deinit(&b);
}

static void holds_exactly_its_bound(void)
{
    for (size_t max = 0; max < 300; max++) {
        struct buf b;

        buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            EXPECT_INT(buf_add_char(&b, 'x'), ERR_NONE);
        EXPECT_INT(buf_add_char(&b, 'x'), ERR_TOO_BIG);
        EXPECT_INT(buf_addf(&b, "%c", 'x'), ERR_TOO_BIG);
        EXPECT_INT(buf_add(&b, STR("")), ERR_NONE);
        EXPECT_INT(b.n, max);
        buf_deinit(&b);
    }
}

static void prints_up_to_the_last_byte_of_the_bound(void)
{
    for (int width = 1; width < 400; width++) {
        struct buf b;

        buf_init(&b, (size_t)width);
        EXPECT_INT(buf_addf(&b, "%*d", width + 1, 7), ERR_TOO_BIG);
        EXPECT_INT(b.n, 0);
        EXPECT_INT(buf_addf(&b, "%*d", width, 7), ERR_NONE);
        EXPECT_INT(b.n, width);
        EXPECT_INT(b.p[width - 1], '7');
        EXPECT(b.cap <= b.max + 1);
        EXPECT_INT(buf_addf(&b, "!"), ERR_TOO_BIG);
        buf_deinit(&b);
    }
}

static void prints_whole_whatever_the_room_left(void)
{
    for (int width = 1; width < 600; width++) {
        struct buf b;

        buf_init(&b, 10000);
        EXPECT_INT(buf_addf(&b, "%*d", width, 7), ERR_NONE);
        EXPECT_INT(b.p[width - 1], '7');
        EXPECT_INT(buf_addf(&b, "%*d", width, 8), ERR_NONE);
        EXPECT_INT(b.p[2 * width - 1], '8');
        EXPECT_INT(b.n, 2 * width);
        buf_deinit(&b);
    }
}

static void refuses_sums_that_overflow(void)
{
    struct buf b;
    char *room;

    buf_init(&b, SIZE_MAX);
    EXPECT_INT(buf_add(&b, STR("abc")), ERR_NONE);
    EXPECT_INT(buf_reserve(&b, SIZE_MAX - 2, &room), ERR_TOO_BIG);
    EXPECT_STR(buf_str(&b), "abc");
    buf_deinit(&b);
}

static void is_filled_through_a_reservation(void)
{
    struct buf b;
    char *room;

    buf_init(&b, 10);
    EXPECT_INT(buf_reserve(&b, 11, &room), ERR_TOO_BIG);
    EXPECT_INT(buf_reserve(&b, 10, &room), ERR_NONE);
    memcpy(room, "abcde", 5);
    buf_commit(&b, 5);
    EXPECT_INT(buf_reserve(&b, 5, &room), ERR_NONE);
    memcpy(room, "fghij", 5);
    buf_commit(&b, 5);
    EXPECT_STR(buf_str(&b), "abcdefghij");
    EXPECT_INT(buf_reserve(&b, 1, &room), ERR_TOO_BIG);
    buf_deinit(&b);
}

static void drops_bytes_from_the_front(void)
{
    struct buf b;

    buf_init(&b, 100);
    buf_consume(&b, 0);
    EXPECT_INT(buf_add(&b, STR("abcdef")), ERR_NONE);
    buf_consume(&b, 2);
    EXPECT_STR(buf_str(&b), "cdef");
    buf_consume(&b, 4);
    EXPECT(buf_is_empty(&b));
    buf_deinit(&b);
}

static void a_failed_growth_changes_nothing(void)
{
    struct buf b;
    char big[1000];

    memset(big, 'y', sizeof(big));
    buf_init(&b, 10000);
    EXPECT_INT(buf_add(&b, STR("kept")), ERR_NONE);
    mem_fail_nth(1);
    EXPECT_INT(buf_add(&b, (struct str){ big, sizeof(big) }), ERR_NOMEM);
    mem_fail_nth(1);
    EXPECT_INT(buf_addf(&b, "%900d", 1), ERR_NOMEM);
    EXPECT_STR(buf_str(&b), "kept");
    EXPECT_INT(buf_add(&b, (struct str){ big, sizeof(big) }), ERR_NONE);
    EXPECT_INT(b.n, 1004);
    buf_deinit(&b);
}

static void tells_what_it_will_grow_by(void)
{
    static const size_t steps[] = { 1, 100, 27, 1, 500, 300, 70, 1, SIZE_MAX };
    static char text[1000];
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        size_t cap = b.cap;
        size_t growth = buf_growth(&b, steps[i]);
        bool fits = buf_add(&b, (struct str){ text, steps[i] }) == ERR_NONE;
        EXPECT_INT(fits, i < 8);
        EXPECT_INT(b.cap - cap, growth);
    }
    buf_deinit(&b);
}

static void counts_against_the_memory_budget(void)
{
    size_t before = mem_budget_used();
    struct buf b;

    buf_init(&b, 1 << 20);
    EXPECT_INT(mem_budget_used(), before);
    for (int i = 0; i < 5000; i++)
        EXPECT_INT(buf_add_char(&b, 'x'), ERR_NONE);
    EXPECT_INT(mem_budget_used(), before + b.cap);
    EXPECT(b.cap >= 5000 && b.cap < 10000);
    buf_deinit(&b);
    EXPECT_INT(mem_budget_used(), before);
}

static const struct test suite[] = {
    { "takes all parts or none", takes_all_parts_or_none },
    { "gathers what is added", gathers_what_is_added },
    { "a wiped buffer is empty and usable", a_wiped_buffer_is_empty_and_usable },
    { "holds exactly its bound", holds_exactly_its_bound },
    { "prints up to the last byte of the bound", prints_up_to_the_last_byte_of_the_bound },
    { "prints whole whatever the room left", prints_whole_whatever_the_room_left },
    { "refuses sums that overflow", refuses_sums_that_overflow },
    { "is filled through a reservation", is_filled_through_a_reservation },
    { "drops bytes from the front", drops_bytes_from_the_front },
    { "a failed growth changes nothing", a_failed_growth_changes_nothing },
    { "tells what it will grow by", tells_what_it_will_grow_by },
    { "counts against the memory budget", counts_against_the_memory_budget },
};

TEST_MAIN(suite)
