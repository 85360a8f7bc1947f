/* SPDX-License-Identifier: Apache-2.0 */
/* Both clocks come from the vDSO, without a system call. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/macros.h"

#define CLOCK_TEXT_LAST INT64_C(253402300799999)

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

/* `n` digits at the end of the field that ends before `end`. */
static void put_digits(char *end, int value, int n)
{
    for (; n > 0; n--, value /= 10)
        *--end = (char)('0' + value % 10);
}

struct str clock_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    time_t second;
    struct tm tm;

    if (wall_ms < 0 || wall_ms > CLOCK_TEXT_LAST)
        wall_ms = wall_ms < 0 ? 0 : CLOCK_TEXT_LAST;
    second = (time_t)(wall_ms / 1000);
    BUG_ON(!gmtime_r(&second, &tm));
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_TEXT_SIZE);
    put_digits(out + 4, tm.tm_year + 1900, 4);
    put_digits(out + 7, tm.tm_mon + 1, 2);
    put_digits(out + 10, tm.tm_mday, 2);
    put_digits(out + 13, tm.tm_hour, 2);
    put_digits(out + 16, tm.tm_min, 2);
    put_digits(out + 19, tm.tm_sec, 2);
    put_digits(out + 23, (int)(wall_ms % 1000), 3);
    return (struct str){ out, CLOCK_TEXT_SIZE - 1 };
}
