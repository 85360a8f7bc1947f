/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks of the system, read directly. In the way of a request use
 * loop_now_ms() and loop_wall_ms(), which cost nothing and tests turn by hand.
 */
#pragma once

#include <stdint.h>

/* Milliseconds and microseconds that never go back; the start is arbitrary. */
int64_t clock_now_ms(void);
int64_t clock_now_us(void);

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);
