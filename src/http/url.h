/* SPDX-License-Identifier: Apache-2.0 */
/* Absolute http, https, ws and wss URLs (RFC 3986) of settings: scheme, host, port, path. */
#pragma once

#include "net/address.h"

enum { URL_HOST_HEADER_SIZE = HOST_MAX + 9 };

struct url {
    struct endpoint endpoint; /* host in lower case, port (the scheme's default when absent), tls */
    char *path;               /* owned; "" or "/prefix" without a trailing slash */
};

/* ERR_BAD_INPUT: `ret_what` (128 bytes) says what is wrong, for people. User information, query,
 * fragment, port 0 and more than 4096 bytes are refused. */
MUST_USE enum err url_parse(struct str text, struct url *ret, char *ret_what);
void url_deinit(struct url *u);

/* Another one, of its own. */
void url_copy(struct url *to, const struct url *from);

/* Same scheme, host, port and path. An unset URL (path NULL) equals an unset one. */
bool url_eq(const struct url *a, const struct url *b);

/* "host", "host:port" when the port is not the scheme's, brackets for IPv6, "localhost" for a unix
 * socket: the Host header. `out` has URL_HOST_HEADER_SIZE bytes. Returns it. */
char *url_host_header(const struct url *u, char *out);

/* Value of the first `name` in a query string, percent-decoded ('+' is a space) into `out`
 * (capacity `cap`, at least 1, with the NUL); false when absent, malformed, too long or holding a
 * NUL, and `out` is then of no use. */
bool url_query_get(struct str query, const char *name, char *out, size_t cap);

/* Whether there is such a name in it, with whatever value. */
bool url_query_has(struct str query, const char *name);

/* A segment of a path, percent-decoded; the rest as above. */
bool url_segment_get(struct str segment, char *out, size_t cap);
