/* SPDX-License-Identifier: Apache-2.0 */
/* Whether settings changed: all that they say, in 32 bytes. */
#pragma once

#include "base/hash.h"
#include "gateway/settings.h"

/* Of an upstream: what its provider is made of. `models` is what the routes and KNOWN_MODELS make
 * of it (may be NULL); times that it is attached with count, too. */
void digest_upstream(const struct settings *s, const struct upstream_settings *u,
                     const char *const *models, unsigned char out[SHA256_LEN]);
void digest_account(const struct account_settings *a, unsigned char out[SHA256_LEN]);

/* Of the keys, and of the prices. */
void digest_keys(const struct settings *s, unsigned char out[SHA256_LEN]);
void digest_prices(const struct settings *s, unsigned char out[SHA256_LEN]);

/* Of all routes. */
void digest_routes(const struct settings *s, unsigned char out[SHA256_LEN]);
