/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for endpoints that the gateway does not know itself, passed on to an upstream that may,
 * with bodies that stream in both directions (docs/internals/relay.md).
 *
 *     GATHERING --> ASKING --> ANSWERING --> DONE
 *            \_________\____________^   failure, deadline, client gone
 */
#pragma once

#include "gateway/gateway.h"

/* Handler of such a path, whose row needs PATH_STREAM. */
void handle_relay(struct gateway_worker *w, struct http_request *r);

/* Ends every relay of this worker that was begun, because the gateway shuts down. */
void relay_end_all(struct gateway_worker *w);

/* As exchange_cancel(), for relays. */
size_t relay_cancel(struct gateway_worker *w, struct str request_id);
