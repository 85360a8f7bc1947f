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

static const struct test suite[] = {
    { "the steady clock never goes back", the_steady_clock_never_goes_back },
    { "the wall clock is the system's", the_wall_clock_is_the_systems },
};

TEST_MAIN(suite)
