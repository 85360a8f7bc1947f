/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks of the system, read directly. In the way of a request use
 * loop_now_ms() and loop_wall_ms(), which cost nothing and tests turn by hand.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

enum {
    CLOCK_TEXT_SIZE = 25,
    CLOCK_MONTH_LEN = 7, /* of the text, as far as the month goes, ... */
    CLOCK_DAY_LEN = 10,
    CLOCK_MINUTE_LEN = 16,
    CLOCK_TIME_AT = 11, /* where the time begins */
};

/* Milliseconds and microseconds that never go back; the start is arbitrary. */
int64_t clock_now_ms(void);
int64_t clock_now_us(void);

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

/* "2026-01-02T03:04:05.678Z" (RFC 3339) in `out`, with a NUL. What is before 1970 or behind the
 * year 9999 is the first or the last moment that is not. */
struct str clock_text(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

/* When the month of `wall_ms` ends, in UTC; of what has no text of its own, as clock_text(). */
int64_t clock_month_end_ms(int64_t wall_ms);
