/* SPDX-License-Identifier: Apache-2.0 */
/* Both clocks come from the vDSO, without a system call. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/macros.h"

#define CLOCK_TEXT_LAST INT64_C(253402300799999)
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static struct timespec read_clock(clockid_t id)
{
    struct timespec ts;

    BUG_ON(clock_gettime(id, &ts) != 0);
    return ts;
}

int64_t clock_now_us(void)
{
    struct timespec ts = read_clock(CLOCK_MONOTONIC);

    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec ts = read_clock(CLOCK_REALTIME);

    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- dates ---- */

struct date {
    unsigned year;
    unsigned month; /* from 1, as the day */
    unsigned day;
};

/* The first and the last moment that have a text. */
static int64_t clamp(int64_t wall_ms)
{
    if (wall_ms < 0)
        return 0;
    return wall_ms < CLOCK_TEXT_LAST ? wall_ms : CLOCK_TEXT_LAST;
}

/* gmtime_r() takes a lock of the process and looks for a time zone. Years are counted from March
 * here, so that a leap day is the last of one, and from 400 years before what is asked for, which
 * repeats itself. */
static struct date date_of(unsigned days)
{
    enum { CYCLE = 146097, CENTURY = 36524, FOUR_YEARS = 1461, TO_1970 = 719468 };
    unsigned at = (days + TO_1970) % CYCLE;
    unsigned year = (at - at / (FOUR_YEARS - 1) + at / CENTURY - at / (CYCLE - 1)) / 365;
    unsigned of_year = at - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* five months have 153 days, from March and August */

    return (struct date){
        .year = (days + TO_1970) / CYCLE * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

static unsigned days_of_month(struct date d)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);

    return days[d.month - 1] + (d.month == 2 && is_leap ? 1U : 0U);
}

int64_t clock_month_end_ms(int64_t wall_ms)
{
    int64_t today = clamp(wall_ms) / DAY_MS;
    struct date d = date_of((unsigned)today);

    return (today + 1 + days_of_month(d) - d.day) * DAY_MS;
}

static void put_two(char *out, unsigned n)
{
    out[0] = (char)('0' + n / 10);
    out[1] = (char)('0' + n % 10);
}

struct str clock_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    int64_t at = clamp(wall_ms);
    unsigned ms = (unsigned)(at % DAY_MS);
    unsigned second = ms / 1000;
    struct date d = date_of((unsigned)(at / DAY_MS));

    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_SIZE);
    put_two(out, d.year / 100);
    put_two(out + 2, d.year % 100);
    put_two(out + 5, d.month);
    put_two(out + 8, d.day);
    put_two(out + 11, second / 3600);
    put_two(out + 14, second / 60 % 60);
    put_two(out + 17, second % 60);
    out[20] = (char)('0' + ms % 1000 / 100);
    put_two(out + 21, ms % 100);
    return (struct str){ out, CLOCK_TEXT_SIZE - 1 };
}
