/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that a limit of descriptors is good for: counted, and as many as promised. */
#include "cli/descriptors.h"

#include "test.h"

static void keeps_what_so_many_streams_and_prompts_need(void)
{
    for (size_t demo = 0; demo <= 1; demo++)
        for (size_t limit = 400; limit <= 100000; limit += 7) {
            size_t n = descriptors_for_clients(limit, 2, demo);
            size_t posts = descriptors_for_posts(limit, 2, demo);

            /* Client and WebSocket, and a POST; each end of the latter two for the simulator. */
            EXPECT(n * (demo ? 3 : 2) + posts * (demo ? 2 : 1) + 100 <= limit);
            EXPECT(n >= descriptors_for_clients(limit - 1, 2, demo));
        }
}

static void allows_as_many_streams_as_are_promised(void)
{
    EXPECT(descriptors_for_clients(20000, 2, false) >= 9500);
    EXPECT(descriptors_for_clients(20000, 8, false) >= 9400);
    EXPECT(descriptors_for_clients(1024, 2, false) >= 250);
    EXPECT(descriptors_for_clients(1048576, 64, false) >= 500000);
}

static void keeps_as_many_prompts_as_are_promised(void)
{
    EXPECT_INT(descriptors_for_posts(20000, 2, false), 800);
    EXPECT_INT(descriptors_for_posts(SIZE_MAX, 64, true), 800);
    EXPECT(descriptors_for_posts(1024, 2, false) >= 250);
}

static void always_lets_somebody_in(void)
{
    for (size_t limit = 0; limit < 3000; limit++)
        EXPECT(descriptors_for_clients(limit, 64, true) >= 1);
}

static const struct test suite[] = {
    { "keeps what so many streams and prompts need", keeps_what_so_many_streams_and_prompts_need },
    { "allows as many streams as are promised", allows_as_many_streams_as_are_promised },
    { "keeps as many prompts as are promised", keeps_as_many_prompts_as_are_promised },
    { "always lets somebody in", always_lets_somebody_in },
};
TEST_MAIN(suite)
