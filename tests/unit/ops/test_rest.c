/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rest.h"

#include "test.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static void rests_once_behind_a_busy_time(void)
{
    static const struct {
        int64_t moves;
        bool is_due;
    } rows[] = {
        { 0, true },                                                     /* what the start left */
        { 0, false },         { 100 * KIB, false }, { 20 * MIB, false }, /* busy */
        { 300 * KIB, false }, { 255 * KIB, true },  { 0, false },
    };
    struct rest r = { 0 };
    int64_t moved = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        moved += rows[i].moves;
        EXPECT_INT(rest_is_due(&r, moved), rows[i].is_due);
    }
}

static void a_little_again_and_again_is_much(void)
{
    struct rest r = { 0 };
    unsigned n = 0;

    for (int64_t i = 1; i <= 100; i++)
        n += rest_is_due(&r, i * 64 * KIB);
    EXPECT_INT(n, 1 + 6); /* at the start, and for each MiB */
}

static void nothing_is_due_while_it_is_busy(void)
{
    struct rest r = { 0 };

    for (int64_t i = 1; i < 100; i++)
        EXPECT(!rest_is_due(&r, i * 256 * KIB));
}

static const struct test suite[] = {
    { "rests once behind a busy time", rests_once_behind_a_busy_time },
    { "a little again and again is much", a_little_again_and_again_is_much },
    { "nothing is due while it is busy", nothing_is_due_while_it_is_busy },
};

TEST_MAIN(suite)
