/* SPDX-License-Identifier: Apache-2.0 */
/* Where to listen and where to connect, as people write it: host:port, [::1]:port, unix:PATH. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum { HOST_MAX = 255 };

struct endpoint {
    char host[HOST_MAX + 1]; /* name or literal, IPv6 without brackets; a path for unix */
    uint16_t port;           /* 0 for unix; for a listener also "any free one" */
    bool is_unix;
    bool tls; /* https, wss */
};

/* "127.0.0.1:8089", "[::1]:0", "localhost:80", "unix:/run/x.sock". ERR_BAD_INPUT, ERR_TOO_BIG. */
MUST_USE enum err endpoint_parse(struct str text, struct endpoint *ret);

/* Whether both were written the same: names are not looked up. */
bool endpoint_eq(const struct endpoint *a, const struct endpoint *b);

/* Whether connections to it can only come from this machine (127.0.0.0/8, ::1, localhost, unix). */
bool endpoint_is_loopback(const struct endpoint *e);

/* "host:port" with brackets where needed, into `out` (HOST_MAX + 9 bytes). */
char *endpoint_text(const struct endpoint *e, char *out);
