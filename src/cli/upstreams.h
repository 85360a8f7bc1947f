/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to the providers: what serve and check build. */
#pragma once

#include "gateway/gateway.h"

/* Settings that several things borrow from, and which live as long as any of them. */
struct cli_settings {
    atomic_uint refs;
    struct settings settings;
};

/* NULL is fine for both. Any thread. */
struct cli_settings *cli_settings_ref(struct cli_settings *s);
void cli_settings_unref(struct cli_settings *s);

struct cli_upstreams;

/* Process-wide parts of all upstreams, in the order of the settings, which outlive them: through
 * `keeper` that holds them; NULL: whoever calls sees to it. Those of `previous` (NULL: none) that
 * the settings say the same of are taken over; the accounts of the others go on counting the
 * answers that still run on theirs. */
struct cli_upstreams *cli_upstreams_new(struct cli_settings *keeper, const struct settings *s,
                                        const struct cli_upstreams *previous);

/* After every instance is detached that no other list has. NULL is fine. Any thread. */
void cli_upstreams_free(struct cli_upstreams *u);

/* The part of upstream `i` for itself, and its end. Any thread. */
void *cli_upstreams_hold(struct cli_upstreams *u, size_t i);
void cli_upstreams_drop(void *held);

const struct upstream *cli_upstreams_list(const struct cli_upstreams *u, size_t *ret_n);
