/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway says of itself at its root. */
#include "ops/ops.h"

#include "gateway/requests.h"

static const struct gateway_path paths[] = {
    { "/", HTTP_GET, 0, handle_root, NULL },
    { NULL, HTTP_GET, 0, NULL, NULL },
};

/* The wall clock may be set while it runs: a small machine starts before it knows the time. */
static void is_up_for_as_long_as_it_runs(void)
{
    static const int64_t leaps_ms[] = { 0, INT64_C(56) * 365 * 86400 * 1000, -86400 * 1000 };

    for (size_t i = 0; i < COUNT_OF(leaps_ms); i++) {
        BEGIN(NULL);
        f.gateway.paths = paths;
        f.gateway.started_wall_ms -= leaps_ms[i];
        pass(7000);
        request("GET", "/", HOST);
        EXPECT(strstr(body(), "\"uptime_s\":7}"));
        end();
    }
}

static const struct test suite[] = {
    { "is up for as long as it runs", is_up_for_as_long_as_it_runs },
};

TEST_MAIN(suite)
