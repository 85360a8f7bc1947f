/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests of browsers (Fetch standard, CORS protocol), allowed by CORS_ORIGINS. */
#pragma once

#include "gateway/gateway.h"

/* Whether CORS_ORIGINS holds `origin` or "*". */
bool cors_allows(const struct settings *s, struct str origin);

/* Adds the headers of an allowed origin to whatever the request will be answered with. */
void cors_add_headers(const struct settings *s, struct http_request *r);

/* Answers a preflight request with 204; false when it is none, or the origin is not allowed. */
bool cors_preflight(const struct settings *s, struct http_request *r);
