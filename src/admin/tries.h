/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrong keys by address: TRIES_MAX in a minute, then even the right one is refused until that
 * minute is over, or else a guesser would not notice. Addresses of IPv6 count by their /64, which
 * is what one customer has. In memory, for all workers. Any thread.
 */
#pragma once

#include "base/str.h"

enum { TRIES_MAX = 5, TRIES_MS = 60000, TRIES_ADDRESSES = 256 };

struct tries;

struct tries *tries_new(void);

/* NULL is fine. */
void tries_free(struct tries *t);

/* Judges a try: 0, and it counts if it is wrong; else how many ms the address has to wait. What is
 * no address counts as one, all together. */
int64_t tries_judge(struct tries *t, struct str address, bool is_right, int64_t now_ms);
