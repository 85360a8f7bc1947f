/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks: forward, in the right unit, in our century. */
#include "base/clock.h"

#include <time.h>

#include "test.h"

static void the_steady_clock_never_goes_back(void)
{
    int64_t last = clock_now_us();

    for (int i = 0; i < 10000; i++) {
        int64_t now = clock_now_us();

        EXPECT(now >= last);
        last = now;
    }
    EXPECT(clock_now_ms() >= last / 1000);
    EXPECT(clock_now_ms() < last / 1000 + 60000);
}

static void the_wall_clock_is_the_systems(void)
{
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t now = clock_wall_ms();

    EXPECT(now >= before * 1000);
    EXPECT(now < before * 1000 + 60000);
}

static void a_moment_is_written_as_rfc_3339_has_it(void)
{
    static const struct {
        int64_t wall_ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 951827696789, "2000-02-29T12:34:56.789Z" }, /* a leap day */
        { 1767225599999, "2025-12-31T23:59:59.999Z" },
        { 1767225600000, "2026-01-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
        { -1, "1970-01-01T00:00:00.000Z" },
    };
    char out[CLOCK_TEXT_SIZE];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = clock_text(rows[i].wall_ms, out);

        EXPECT_Z(out, rows[i].text);
        EXPECT_INT(text.n, strlen(out));
    }
}

/* Every day of the years that have a text, at its first and its last moment. */
static void dates_are_those_of_the_c_library(void)
{
    enum { DAYS = 2932897 };
    const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    char text[CLOCK_TEXT_SIZE], want[32];

    for (int64_t day = 0; day < DAYS; day++) {
        time_t second = (time_t)(day * day_ms / 1000);
        struct tm tm;

        gmtime_r(&second, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT00:00:00.000Z", &tm);
        clock_text(day * day_ms, text);
        EXPECT_Z(text, want);
        strftime(want, sizeof(want), "%Y-%m-%dT23:59:59.999Z", &tm);
        clock_text((day + 1) * day_ms - 1, text);
        EXPECT_Z(text, want);
    }
}

static void a_month_ends_where_the_next_begins(void)
{
    enum { DAYS = 47847 }; /* until 2100, which has no leap day */
    const int64_t day_ms = INT64_C(24) * 3600 * 1000;

    for (int64_t day = 0; day < DAYS; day++) {
        time_t second = (time_t)(day * day_ms / 1000);
        struct tm tm;

        gmtime_r(&second, &tm);
        tm = (struct tm){ .tm_year = tm.tm_year, .tm_mon = tm.tm_mon + 1, .tm_mday = 1 };
        EXPECT_INT(clock_month_end_ms(day * day_ms), timegm(&tm) * 1000);
        EXPECT_INT(clock_month_end_ms((day + 1) * day_ms - 1), timegm(&tm) * 1000);
    }
}

static const struct test suite[] = {
    { "the steady clock never goes back", the_steady_clock_never_goes_back },
    { "the wall clock is the system's", the_wall_clock_is_the_systems },
    { "a moment is written as RFC 3339 has it", a_moment_is_written_as_rfc_3339_has_it },
    { "dates are those of the C library", dates_are_those_of_the_c_library },
    { "a month ends where the next begins", a_month_ends_where_the_next_begins },
};

TEST_MAIN(suite)
