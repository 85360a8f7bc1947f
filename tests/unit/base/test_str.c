/* SPDX-License-Identifier: Apache-2.0 */
/* Slices: each function at empty, whole and one-off lengths. */
#include "test.h"

static void compares_without_case_in_ascii_only(void)
{
    static const struct {
        const char *a;
        const char *b;
        bool is_equal;
    } rows[] = {
        { "", "", true },
        { "Host", "hOST", true },
        { "a-Z_9", "A-z_9", true },
        { "@", "`", false },
        { "[", "{", false },
        { "ab", "abc", false },
        { "\xc3\x84", "\xc3\xa4", false },
        { "\xc1", "\xe1", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(str_eq_nocase(str_of(rows[i].a), str_of(rows[i].b)), rows[i].is_equal);
}

static void knows_prefixes_and_suffixes(void)
{
    EXPECT(str_starts(STR("Bearer x"), STR("Bearer ")));
    EXPECT(!str_starts(STR("bearer x"), STR("Bearer ")));
    EXPECT(str_starts_nocase(STR("bearer x"), STR("Bearer ")));
    EXPECT(!str_starts(STR("Be"), STR("Bearer")));
    EXPECT(str_starts(STR("x"), STR("")));
    EXPECT(str_starts((struct str){ NULL, 0 }, (struct str){ NULL, 0 }));
    EXPECT(str_ends(STR("a.json"), STR(".json")));
    EXPECT(!str_ends(STR("json"), STR(".json")));
    EXPECT(str_ends(STR(""), STR("")));
}

static void clips_a_slice_to_what_is_there(void)
{
    EXPECT_STR(str_sub(STR("hello"), 1, 3), "ell");
    EXPECT_STR(str_sub(STR("hello"), 4, 9), "o");
    EXPECT_STR(str_sub(STR("hello"), 9, 1), "");
    EXPECT_STR(str_from(STR("hello"), 2), "llo");
    EXPECT(str_from((struct str){ NULL, 0 }, 2).p == NULL);
}

static void finds_the_first_needle(void)
{
    EXPECT_INT(str_find(STR("abcabc"), STR("bc")), 1);
    EXPECT_INT(str_find(STR("abc"), STR("")), 0);
    EXPECT_INT(str_find(STR(""), STR("")), 0);
    EXPECT(str_find(STR("abc"), STR("abcd")) == SIZE_MAX);
    EXPECT(str_find(STR("abc"), STR("x")) == SIZE_MAX);
    EXPECT(str_find((struct str){ NULL, 0 }, STR("x")) == SIZE_MAX);
    EXPECT_INT(str_find((struct str){ "a\0bc", 4 }, STR("bc")), 2);
    EXPECT_INT(str_find_char(STR("a=b=c"), '='), 1);
    EXPECT(str_find_char((struct str){ NULL, 0 }, '=') == SIZE_MAX);
}

static void trims_blanks_at_both_ends_only(void)
{
    EXPECT_STR(str_trim(STR(" \t a b \r\n")), "a b");
    EXPECT_STR(str_trim(STR(" \t\r\n")), "");
    EXPECT_STR(str_trim(STR("")), "");
    EXPECT_STR(str_trim(STR("\va\f")), "\va\f");
}

static void cuts_at_the_first_separator(void)
{
    struct str rest = STR("untouched");

    EXPECT_STR(str_cut(STR("k=v=w"), '=', &rest), "k");
    EXPECT_STR(rest, "v=w");
    EXPECT_STR(str_cut(STR("k="), '=', &rest), "k");
    EXPECT_STR(rest, "");
    EXPECT(rest.p != NULL);
    EXPECT_STR(str_cut(STR("k"), '=', &rest), "k");
    EXPECT(rest.p == NULL && rest.n == 0);
}

static void walks_the_items_of_a_list(void)
{
    static const struct {
        const char *list;
        const char *want; /* the items, each followed by a bar */
    } rows[] = {
        { "", "" },
        { " , ,\t,", "" },
        { "a", "a|" },
        { "a,b", "a|b|" },
        { " a , b c ,,d,", "a|b c|d|" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str list = str_of(rows[i].list);
        struct str item;
        char got[64];
        size_t n = 0;

        while (str_next_item(&list, &item))
            n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s|", STR_ARGS(item));
        EXPECT_STR(((struct str){ got, n }), rows[i].want);
    }
}

static void reads_whole_numbers_only(void)
{
    static const struct {
        const char *text;
        uint64_t max;
        enum err err;
        uint64_t value;
    } rows[] = {
        { "0", 0, ERR_NONE, 0 },
        { "007", 7, ERR_NONE, 7 },
        { "65536", 65535, ERR_TOO_BIG, 0 },
        { "18446744073709551615", UINT64_MAX, ERR_NONE, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, ERR_TOO_BIG, 0 },
        { "99999999999999999999999", UINT64_MAX, ERR_TOO_BIG, 0 },
        { "99999999999999999999999x", UINT64_MAX, ERR_BAD_INPUT, 0 },
        { "", 9, ERR_BAD_INPUT, 0 },
        { "-1", 9, ERR_BAD_INPUT, 0 },
        { "+1", 9, ERR_BAD_INPUT, 0 },
        { " 1", 9, ERR_BAD_INPUT, 0 },
        { "1 ", 9, ERR_BAD_INPUT, 0 },
        { "1.5", 9, ERR_BAD_INPUT, 0 },
        { "0x1", 9, ERR_BAD_INPUT, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 4711;

        EXPECT_INT(str_to_u64(str_of(rows[i].text), rows[i].max, &value), rows[i].err);
        EXPECT(value == (rows[i].err ? 4711 : rows[i].value));
    }
}

static void writes_whole_numbers(void)
{
    char room[STR_U64_MAX];

    EXPECT_STR(str_of_u64(0, room), "0");
    EXPECT_STR(str_of_u64(1090, room), "1090");
    EXPECT_STR(str_of_u64(UINT64_MAX, room), "18446744073709551615");
}

static void makes_a_c_string_that_fits(void)
{
    char out[4];

    EXPECT_Z(str_to_z(STR("abc"), out, sizeof(out)), "abc");
    EXPECT_Z(str_to_z(STR("abcd"), out, sizeof(out)), "abc");
    EXPECT_Z(str_to_z((struct str){ NULL, 0 }, out, 1), "");
}

static void compares_keys_in_constant_time(void)
{
    EXPECT(str_eq_constant_time(STR("key"), STR("key")));
    EXPECT(!str_eq_constant_time(STR("key"), STR("kez")));
    EXPECT(!str_eq_constant_time(STR("key"), STR("keys")));
    EXPECT(str_eq_constant_time(STR(""), (struct str){ NULL, 0 }));
}

static const struct test suite[] = {
    { "writes whole numbers", writes_whole_numbers },
    { "compares without case in ASCII only", compares_without_case_in_ascii_only },
    { "knows prefixes and suffixes", knows_prefixes_and_suffixes },
    { "clips a slice to what is there", clips_a_slice_to_what_is_there },
    { "finds the first needle", finds_the_first_needle },
    { "trims blanks at both ends only", trims_blanks_at_both_ends_only },
    { "cuts at the first separator", cuts_at_the_first_separator },
    { "walks the items of a list", walks_the_items_of_a_list },
    { "reads whole numbers only", reads_whole_numbers_only },
    { "makes a C string that fits", makes_a_c_string_that_fits },
    { "compares keys in constant time", compares_keys_in_constant_time },
};

TEST_MAIN(suite)
