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

static const struct test suite[] = {
    { "the steady clock never goes back", the_steady_clock_never_goes_back },
    { "the wall clock is the system's", the_wall_clock_is_the_systems },
    { "a moment is written as RFC 3339 has it", a_moment_is_written_as_rfc_3339_has_it },
};

TEST_MAIN(suite)
