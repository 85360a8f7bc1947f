/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an upstream can answer clients: what its provider says, what leads to it, and how its
 * targets fared lately. From what is known: nobody is asked. */
#pragma once

#include "gateway/gateway.h"
#include "gateway/route_book.h"

enum { READINESS_WHY_MAX = 128 };

struct readiness {
    bool is_ready;
    bool is_asked;               /* a name that clients may ask for leads to it */
    char why[READINESS_WHY_MAX]; /* why it is not, or what is wrong with a part of it; or empty */
};

/* Of upstream `i`; `t` is the table of now. On the worker's thread. */
void readiness_of(const struct gateway_worker *w, const struct route_table *t, size_t i,
                  struct readiness *ret);
