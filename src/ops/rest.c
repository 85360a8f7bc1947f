/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rest.h"

/* Scraping metrics and probing health does not keep it from resting, nor is that a busy time. */
enum { QUIET_BYTES = 256 << 10, BUSY_BYTES = 1 << 20 };

bool rest_is_due(struct rest *r, int64_t moved)
{
    bool is_quiet = moved - r->seen < QUIET_BYTES;
    bool is_due = is_quiet && (!r->has_looked || moved - r->trimmed >= BUSY_BYTES);

    r->has_looked = true;
    r->seen = moved;
    if (is_due)
        r->trimmed = moved;
    return is_due;
}
