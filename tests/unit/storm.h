/* SPDX-License-Identifier: Apache-2.0 */
/* Dice for tests that act at random. The storm is the same in every run, unless STORM_SEED gives
 * another one; STORM_ROUNDS makes it longer. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

static uint64_t storm_seed;

/* Begins it; returns how many rounds it has. */
static inline unsigned long storm_start(unsigned long rounds)
{
    const char *seed = getenv("STORM_SEED");
    const char *given = getenv("STORM_ROUNDS");

    storm_seed = seed ? strtoull(seed, NULL, 10) : 88172645463325252ULL;
    return given ? strtoul(given, NULL, 10) : rounds;
}

/* 0 to `sides` - 1, by xorshift64. */
static inline unsigned dice(unsigned sides)
{
    storm_seed ^= storm_seed << 13;
    storm_seed ^= storm_seed >> 7;
    storm_seed ^= storm_seed << 17;
    return (unsigned)(storm_seed >> 33) % sides;
}
