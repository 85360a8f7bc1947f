/* SPDX-License-Identifier: Apache-2.0 */
/* What runs on a worker, for people. On its thread. */
#pragma once

#include "gateway/gateway.h"

/* One object for each exchange and relay, of each kind the oldest `max`; how many run.
 * docs/internals/admin-api.md names the members. */
size_t live_write(const struct gateway_worker *w, struct json_writer *j, size_t max);

/* Ends those with this id (of a request; clients may name it, hence several); how many. */
size_t live_cancel(struct gateway_worker *w, struct str request_id);
