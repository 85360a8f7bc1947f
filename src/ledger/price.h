/* SPDX-License-Identifier: Apache-2.0 */
/* What tokens cost. Money is counted in millionths, exactly. */
#pragma once

#include "base/str.h"

/* A line of the price table: money for a million tokens, in millionths. */
struct price {
    struct str model; /* a name, or a prefix that ends in '*' */
    int64_t input;
    int64_t cached_input;
    int64_t output;
};

#define PRICE_MAX INT64_C(1000000000000) /* a million of money for a million tokens */

/* "1.25": at most six digits behind the point. ERR_BAD_INPUT; ERR_TOO_BIG: above PRICE_MAX. */
MUST_USE enum err price_parse(struct str text, int64_t *ret);

/* The line for a model: that of its name, else that of the longest prefix; NULL: it has none. */
const struct price *price_find(const struct price *list, size_t n, struct str model);

/* In millionths, rounded to the nearest; `cached` of the input tokens were. NULL: 0. */
int64_t price_cost(const struct price *p, int64_t input, int64_t cached, int64_t output);
