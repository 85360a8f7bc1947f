/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and what: what a worker makes of a request's head. */
#pragma once

#include "http/server.h"

struct gateway_path;
struct key_record;

/* What the key of a request stands for. */
struct principal {
    struct str id;   /* "master", or "key_..."; scopes conversations, kept answers, limits, usage */
    struct str name; /* for people */
    const struct key_record *key; /* what it may; NULL: everything */
};

/* Hangs on the request (http_request.context), from its head on. */
struct request_context {
    const struct gateway_path *row;
    const struct principal *principal; /* lives as long as the request */
};

/* Whom API_MASTER_KEY names, and everybody where no key is needed. */
extern const struct principal principal_master;

/* The master's where nobody set another. */
const struct request_context *request_context_of(const struct http_request *r);
