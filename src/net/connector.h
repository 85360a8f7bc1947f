/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes connections: name look-up (off the loop), addresses in turn 250 ms apart
 * (RFC 8305), through an HTTP CONNECT or SOCKS5 proxy where the rules say so,
 * then TLS (SNI, ALPN http/1.1). One connector a loop.
 *
 *     LOOKUP --> CONNECT --> [PROXY] --> [TLS] --> DONE
 */
#pragma once

#include "base/secret.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/tls.h"

enum proxy_type { PROXY_NONE, PROXY_HTTP, PROXY_SOCKS5 };

struct proxy {
    enum proxy_type type;
    struct endpoint at;
    char user[HOST_MAX + 1]; /* empty when there is none */
    struct secret password;
};

/* Which proxy for which host; filled from the settings, borrowed by all connectors. */
struct proxy_rules {
    struct proxy https;   /* for TLS targets */
    struct proxy http;    /* for plain targets */
    const char *no_proxy; /* NO_PROXY: comma-separated host suffixes, literals, networks (CIDR) or
                             "*"; NULL for none */
};

/* "http://user:pass@host:3128", "socks5h://host:1080" ("socks5" is the same: names are always
 * resolved by the proxy). Without a scheme: http; without a port: 80 or 1080. User and password may
 * be percent-encoded. ERR_BAD_INPUT. */
MUST_USE enum err proxy_parse(struct str text, struct proxy *ret);
void proxy_deinit(struct proxy *p);

/* The proxy for `to`, or NULL for a direct connection. Loopback targets are direct unless NO_PROXY
 * is set. */
const struct proxy *proxy_for(const struct proxy_rules *rules, const struct endpoint *to);

struct connector;

/* `trust` may be NULL when no TLS target will be asked for; both are borrowed and outlive the
 * connector. */
struct connector *connector_new(struct loop *l, struct tls_trust *trust,
                                const struct proxy_rules *rules);

/* For one that was made without: connects that run need none. */
void connector_set_trust(struct connector *c, struct tls_trust *trust);

/* When descriptors run out: `spare` gives some back, and the connect that needed them tries again;
 * false: there are none to give. NULL, as at first: it fails. */
void connector_set_spare(struct connector *c, bool (*spare)(void *arg), void *arg);

/* Its connections lead to no upstream: the metrics of those leave them out. */
void connector_leave_uncounted(struct connector *c);

/* What the layers above tell of what they say over it (http/wire_tap.h); borrowed. NULL, as at
 * first: nobody listens. */
struct wire_tap;
void connector_set_tap(struct connector *c, const struct wire_tap *tap);
const struct wire_tap *connector_tap(const struct connector *c);

/* All of its connects must have ended or been canceled. NULL is fine. */
void connector_free(struct connector *c);
struct loop *connector_loop(const struct connector *c);

struct connect_outcome {
    enum err err;
    struct conn *conn; /* owned by the receiver; reading is off; NULL on error */
    const char
        *detail; /* on error: what happened, to which host, for people; lives during the callback */
};

struct connect;
typedef void on_connect(void *arg, const struct connect_outcome *outcome);

/* Calls `done` exactly once, never before it returned, unless canceled. `timeout_ms` covers
 * everything from look-up to TLS. Errors: ERR_DNS, ERR_REFUSED, ERR_UNREACHABLE, ERR_TIMEOUT,
 * ERR_PROXY, ERR_TLS, ERR_CERT, ERR_RESET, ERR_NO_FDS. */
struct connect *connect_start(struct connector *c, const struct endpoint *to, int64_t timeout_ms,
                              on_connect *done, void *arg);

/* `done` will not be called; a look-up that hangs is left behind and its result dropped. */
void connect_cancel(struct connect *op);
