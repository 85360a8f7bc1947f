/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are kept for later requests: records (dialect.h) in the store, each found by the
 * answer's id and the key of the client that asked for it, so that no other finds it.
 */
#pragma once

#include "http/server.h"
#include "store/store.h"

/* Where the answer `id` ("resp_...") of this request's client is. */
struct store_key kept_key(const struct http_request *r, struct str id);
