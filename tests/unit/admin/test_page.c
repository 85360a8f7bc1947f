/* SPDX-License-Identifier: Apache-2.0 */
/* Who takes the page as it is. */
#include "admin/page.h"
#include "test.h"

static void knows_who_takes_gzip(void)
{
    static const struct {
        const char *text;
        bool takes;
    } rows[] = {
        { NULL, true },
        { "", false },
        { "gzip, deflate, br, zstd", true },
        { "br;q=1.0, GZIP;q=0.5", true },
        { "identity", false },
        { "br", false },
        { "*", true },
        { "*;q=0", false },
        { "gzip;q=0, *", false },
        { "gzip; q=0.000", false },
        { "gzip;q=0.001", true },
        { "identity, *;q=0.1", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (page_takes_gzip(str_of(rows[i].text)) != rows[i].takes)
            fail_msg("%s", rows[i].text);
}

static const struct test suite[] = {
    { "knows who takes gzip", knows_who_takes_gzip },
};

TEST_MAIN(suite)
