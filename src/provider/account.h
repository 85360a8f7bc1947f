/* SPDX-License-Identifier: Apache-2.0 */
/* An account or key of an upstream as it stands, for people: from what is known, nobody is asked.
 */
#pragma once

#include "provider/provider.h"

enum { PROVIDER_QUOTAS_MAX = 4 };

/* What the service counts, in its own unit. */
struct provider_quota {
    const char *name; /* "day", "week", "credits" */
    double used;      /* -1: it does not say */
    double limit;
};

struct provider_cooldown {
    struct str model; /* empty: all of them */
    int64_t left_ms;
    struct str why;
};

struct provider_account {
    struct str name;
    enum provider_standing standing;
    struct str problem; /* empty: none is known */
    struct str plan;    /* empty: not known, as are no quotas */
    struct provider_quota quotas[PROVIDER_QUOTAS_MAX];
    size_t n_quotas;
    unsigned running;
    unsigned max_parallel; /* 0: no limit */
    struct provider_cooldown *cooldowns;
    size_t n_cooldowns;
};
