/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and keys of upstreams, as answers show them. On a worker's thread. */
#pragma once

#include "gateway/gateway.h"
#include "provider/account.h"

/* One object; `waiting` calls stand in line for any account of the upstream. */
void account_write(struct json_writer *j, const struct gateway_worker *w, const char *upstream,
                   const struct provider_account *a, size_t waiting);

/* Those of upstream `i` of the view, in `a`; 0 for a provider that has none. */
size_t accounts_of(const struct gateway_worker *w, const struct gateway_view *v, size_t i,
                   struct arena *a, const struct provider_account **ret, size_t *ret_waiting);

/* The one of that name; NULL: there is none. */
const struct provider_account *account_find(const struct provider_account *all, size_t n,
                                            struct str name);

/* The upstream of that name in the worker's newest view; SIZE_MAX: there is none. */
size_t upstream_find(const struct gateway_worker *w, struct str name);
