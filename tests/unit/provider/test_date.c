/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/date.h"
#include "test.h"

static void reads_every_form_in_use(void)
{
    static const struct {
        const char *text;
        int64_t want_ms;
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777000 },
        { "Sun Nov  6 08:49:37 1994", 784111777000 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Thu, 29-Feb-2024 23:59:59 GMT", 1709251199000 },
        { "Fri, 01 Mar 2024 00:00:00 GMT", 1709251200000 },
        { "Tue, 31 Dec 2069 00:00:00 GMT", 3155673600000 },
        { "Tue, 31 Dec 69 00:00:00 GMT", 3155673600000 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t got = -1;

        EXPECT_INT(date_parse(str_of(rows[i].text), &got), ERR_NONE);
        EXPECT_INT(got, rows[i].want_ms);
    }
}

static void refuses_what_lacks_a_part_or_is_out_of_range(void)
{
    static const char *const rows[] = {
        "",
        "tomorrow",
        "Sun, 06 Nov 1994",
        "Sun, 06 1994 08:49:37 GMT",
        "Sun, Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1600 08:49:37 GMT",
        "Sun, 06 Nov 19945 08:49:37 GMT",
    };
    int64_t got = 7;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(date_parse(str_of(rows[i]), &got), ERR_BAD_INPUT);
    EXPECT_INT(got, 7);
}

static void a_cut_date_is_no_other_date(void)
{
    struct str whole = STR("Sun, 06 Nov 1994 08:49:37");
    int64_t got;

    for (size_t cut = 0; cut < whole.n - 1; cut++)
        EXPECT_INT(date_parse(str_sub(whole, 0, cut), &got), ERR_BAD_INPUT);
}

static void retry_after_is_seconds_or_a_date(void)
{
    static const struct {
        const char *value;
        int64_t want_ms;
    } rows[] = {
        { "0", 0 },
        { "5", 5000 },
        { "3600", 3600000 },
        { "99999999999999999999", (int64_t)30 * 86400000 },
        { "2592001", (int64_t)30 * 86400000 },
        { "-5", 0 },
        { "1.5", 0 },
        { "", 0 },
        { "soon", 0 },
        { "Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
        { "Sun, 06 Nov 1994 08:49:36 GMT", 0 },
        { "Sun, 06 Nov 2094 08:49:36 GMT", (int64_t)30 * 86400000 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(date_retry_after_ms(str_of(rows[i].value), 784111777000), rows[i].want_ms);
}

static const struct test suite[] = {
    { "reads every form in use", reads_every_form_in_use },
    { "refuses what lacks a part or is out of range",
      refuses_what_lacks_a_part_or_is_out_of_range },
    { "a cut date is no other date", a_cut_date_is_no_other_date },
    { "Retry-After is seconds or a date", retry_after_is_seconds_or_a_date },
};

TEST_MAIN(suite)
