/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of /chat/adapters: the models of an account. Pure, any thread. */
#pragma once

#include "provider/enginelabs/enginelabs.h"

enum { ADAPTERS_MAX = 256, ADAPTER_NAME_MAX = 128 };

/* One model. What is absent, of another type, too long or holds control characters is not told:
 * "", or as the line says. */
struct adapter {
    char key[ADAPTER_NAME_MAX];       /* "gpt_5_4": protocol `project` sends it */
    char agent_key[ADAPTER_NAME_MAX]; /* engineAgentKey, "GPT5_4": protocol `classic` sends it */
    char model[ADAPTER_NAME_MAX];     /* "gpt-5.4" */
    char provider[ADAPTER_NAME_MAX];  /* "openai" */
    int64_t minimum_tier;             /* -1: not told */
    double usage_multiplier;          /* of the quota, for one call; 0: not told */
    bool is_enabled;                  /* true when it is not told */
    bool supports_images;
};

/* The models in their order, into `out` of at least ADAPTERS_MAX; those without any key are passed
 * over. ERR_BAD_INPUT when the text is no such answer, ERR_TOO_BIG when there are more: then
 * *ret_n is as it was. */
MUST_USE enum err adapters_read(struct str body, struct adapter *out, size_t *ret_n);

/* The name that a protocol sends for it; empty: it has none there. Lives as long as `a`. */
struct str adapter_name(const struct adapter *a, enum enginelabs_protocol protocol);
