/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/walk.h"

#include "test.h"

enum { N = 4 };

/* What it takes to be let in; HEALTH_ANYHOW + 1: never. */
static enum health_need takes[N];
static unsigned n_asked;

static bool enter(void *arg, size_t i, enum health_need need)
{
    (void)arg;
    n_asked++;
    return need >= takes[i];
}

static void expect_order(const char *order)
{
    struct target_walk w = { 0 };
    bool is_first = true;
    size_t i;

    for (; *order; order++) {
        EXPECT(walk_has_more(&w, N));
        EXPECT(walk_next(&w, N, enter, NULL, &i));
        EXPECT_INT(i, *order - '0');
        EXPECT_INT(walk_has_moved(&w), !is_first);
        is_first = false;
    }
    EXPECT(!walk_next(&w, N, enter, NULL, &i));
}

static void the_well_go_in_the_routes_order(void)
{
    for (size_t i = 0; i < N; i++)
        takes[i] = HEALTH_IF_FIT;
    n_asked = 0;
    expect_order("0123");
    EXPECT_INT(n_asked, N);
}

static void the_sick_follow_the_least_sick_first(void)
{
    takes[0] = HEALTH_ANYHOW;
    takes[1] = HEALTH_IF_HALF_OPEN;
    takes[2] = HEALTH_IF_FIT;
    takes[3] = HEALTH_IF_RISING;
    expect_order("2310");
    takes[2] = HEALTH_ANYHOW;
    expect_order("3102");
}

static void none_is_asked_twice(void)
{
    struct target_walk w = { 0 };
    size_t i;

    for (size_t k = 0; k < N; k++)
        takes[k] = HEALTH_ANYHOW;
    for (size_t k = 0; k < N; k++)
        EXPECT(walk_next(&w, N, enter, NULL, &i));
    EXPECT(!walk_has_more(&w, N));
    n_asked = 0;
    EXPECT(!walk_next(&w, N, enter, NULL, &i));
    EXPECT_INT(n_asked, 0);
}

static const struct test suite[] = {
    { "the well go in the route's order", the_well_go_in_the_routes_order },
    { "the sick follow the least sick first", the_sick_follow_the_least_sick_first },
    { "none is asked twice", none_is_asked_twice },
};

TEST_MAIN(suite)
