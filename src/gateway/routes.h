/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which upstreams answer to which name: a table made of the settings and of what the upstreams say
 * they have. It never changes, so any thread may read it; new lists make a new table. Finding and
 * ordering allocate nothing.
 *
 * A name is looked for among
 *   1. names and aliases of the section `models`;
 *   2. its stars, the longest match first;
 *   3. without that section, the models of all upstreams: of several upstreams the first has it;
 *   4. upstreams that take any name: the first of them.
 */
#pragma once

#include "gateway/settings.h"

enum {
    ROUTES_MODELS_MAX = 5000, /* of one upstream; what it says beyond them is left out */
};

/* What an upstream says it has; one for each in the order of settings.upstreams. */
struct routes_models {
    const struct str *names;
    size_t n; /* 0: it said nothing yet */
};

struct routes;
struct route;

/* `settings` outlive it, `discovered` need not; that may be NULL. A list in the settings counts
 * before a discovered one, and for EngineLabs KNOWN_MODELS stands in until there is one. */
struct routes *routes_new(const struct settings *settings, const struct routes_models *discovered);

/* NULL is fine. */
void routes_free(struct routes *r);
DEFINE_AUTO(routes)

/* The route of a name; an empty one stands for DEFAULT_MODEL. NULL: there is no such model. */
const struct route *routes_find(const struct routes *r, struct str name);

/* One target with the name of the model there; both live as long as the table and `name`. */
struct route_step {
    const struct target_settings *target;
    struct str model;
};

/* Whether their order depends on what the first user message says. */
bool routes_read_message(const struct route *route);

/* The targets for one request to `route`, found by `name`, in the order in which they are tried.
 * A weighted route begins with the same one for the same key and first user message, in every
 * process and on every day. Returns how many: at least 1. */
size_t routes_order(const struct routes *r, const struct route *route, struct str name,
                    struct str key_id, struct str first_user_message,
                    struct route_step ret[ROUTE_TARGETS_MAX]);

/* Its name, where there are few: empty when it is for many that clients make up. */
struct str route_known_name(const struct route *route);

/* The name in the settings or of the model, for logs; it may end in a star. */
const char *route_name(const struct route *route);

/* The list for clients: names and aliases, no stars, in their order; false past the end. */
struct routes_entry {
    const char *id;
    const char *upstream;                 /* that of the first target */
    const struct target_settings *target; /* the first */
};
bool routes_entry_at(const struct routes *r, size_t i, struct routes_entry *ret);
