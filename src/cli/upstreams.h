/* SPDX-License-Identifier: Apache-2.0 */
/* From the settings to the providers: what serve and check build. */
#pragma once

#include "gateway/gateway.h"

struct cli_upstreams;

/* Process-wide parts of all upstreams, in the order of the settings, which outlive them. */
struct cli_upstreams *cli_upstreams_new(const struct settings *s);

/* After every instance is detached. NULL is fine. */
void cli_upstreams_free(struct cli_upstreams *u);

const struct upstream *cli_upstreams_list(const struct cli_upstreams *u, size_t *ret_n);
