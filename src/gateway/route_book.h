/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of now: a table that is made anew when an upstream says that it has other models, and
 * lives until nobody holds it any more. Any thread.
 */
#pragma once

#include "gateway/gateway.h"
#include "gateway/routes.h"

struct route_book;

/* What one upstream told. */
struct route_models {
    const struct provider_model *at;
    size_t n;
    unsigned turn; /* of its list then */
};

/* Held by route_book_ref(); read only. */
struct route_table {
    unsigned refs; /* guarded by the book */
    struct routes *routes;
    struct arena arena;         /* owns the models */
    struct route_models *lists; /* of each upstream */
};

/* All are borrowed. */
struct route_book *route_book_new(const struct settings *settings, const struct upstream *upstreams,
                                  size_t n);

/* All tables must be given back. NULL is fine. */
void route_book_free(struct route_book *b);

struct route_table *route_book_ref(struct route_book *b);
void route_book_unref(struct route_book *b, struct route_table *t);

/* What an upstream said of a model; NULL: nothing. */
const struct provider_model *route_table_model(const struct route_table *t, size_t upstream,
                                               struct str name);
