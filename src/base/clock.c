/* SPDX-License-Identifier: Apache-2.0 */
/* Both clocks come from the vDSO, without a system call. */
#include "base/clock.h"

#include <time.h>

#include "base/macros.h"

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
