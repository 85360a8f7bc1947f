/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask: from the key of a request to its principal. */
#pragma once

#include "gateway/gateway.h"
#include "gateway/principal.h"

/* The key of a request: what stands behind "Bearer" in Authorization, or x-api-key; p NULL when
 * there is none. */
struct str access_key(const struct http_head *head);

/* Finds who asks, for its context; a request of nobody is answered, in the shape of `dialect`.
 * Without API_MASTER_KEY and keys in the settings nobody needs one. */
void access_check(struct gateway_worker *w, struct http_request *r,
                  const struct dialect_ops *dialect);

/* Whether it may ask for some models only. */
bool access_is_restricted(const struct principal *p);

/* Whether it may ask for this model. A failure says that the model is not for it. */
bool access_allows(const struct principal *p, struct str model);
void access_set_failure(struct failure *f, struct arena *a, const struct principal *p,
                        struct str model);
