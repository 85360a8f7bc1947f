/* SPDX-License-Identifier: Apache-2.0 */
/* Mistyped names and what they were meant to be. */
#include "base/near.h"

#include "test.h"

static void counts_letters_to_change(void)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } rows[] = {
        { "", "", 0 },           { "", "abc", 3 },          { "abc", "", 3 },
        { "abc", "abc", 0 },     { "abc", "ABC", 0 },       { "abc", "abd", 1 },
        { "abc", "ac", 1 },      { "abc", "abbc", 1 },      { "abc", "acb", 1 },
        { "kyes", "keys", 1 },   { "bca", "abc", 2 },       { "kitten", "sitting", 3 },
        { "modle", "model", 1 }, { "abcdef", "badcfe", 3 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(near_distance(str_of(rows[i].a), str_of(rows[i].b)), rows[i].distance);
        EXPECT_INT(near_distance(str_of(rows[i].b), str_of(rows[i].a)), rows[i].distance);
    }
}

static void a_name_beyond_the_bound_is_near_to_none(void)
{
    char name[NEAR_MAX + 2];
    struct str at_bound = { name, NEAR_MAX }, beyond = { name, NEAR_MAX + 1 };

    memset(name, 'x', sizeof(name));
    EXPECT_INT(near_distance(at_bound, at_bound), 0);
    EXPECT_INT(near_distance(beyond, at_bound), NEAR_MAX + 1);
    EXPECT_INT(near_distance(at_bound, beyond), NEAR_MAX + 1);
}

static const char *best_of(const char *word)
{
    static const char *const names[] = { "KEYS", "LISTEN", "DEFAULT_MODEL", "DEFAULT_MODES" };
    struct near near;

    near_init(&near, str_of(word));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        near_try(&near, names[i]);
    return near.best ? near.best : "none";
}

static void finds_the_nearest(void)
{
    EXPECT_Z(best_of("kyes"), "KEYS");
    EXPECT_Z(best_of("LISTE"), "LISTEN");
    EXPECT_Z(best_of("LISTE2"), "LISTEN");
    EXPECT_Z(best_of("LIST"), "none");
    EXPECT_Z(best_of("DEFAULT_MODLE"), "DEFAULT_MODEL");
    EXPECT_Z(best_of("DEFAULT_MODSE"), "DEFAULT_MODES");
    EXPECT_Z(best_of("DEFLT_MODEL"), "DEFAULT_MODEL");
    EXPECT_Z(best_of("DEFLT_MODE"), "none");
    EXPECT_Z(best_of(""), "none");
}

static const struct test suite[] = {
    { "counts letters to change", counts_letters_to_change },
    { "a name beyond the bound is near to none", a_name_beyond_the_bound_is_near_to_none },
    { "finds the nearest", finds_the_nearest },
};

TEST_MAIN(suite)
