/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said to a proxy until it is a tunnel: HTTP CONNECT (RFC 9110 9.3.6) with Basic
 * credentials, or SOCKS5 (RFC 1928, 1929). Bytes in, bytes out, no I/O. For the files of net/.
 */
#pragma once

#include "base/buf.h"
#include "net/connector.h"

enum { PROXY_WHY_MAX = 192 };

enum proxy_step { PROXY_GREETING, PROXY_AUTH, PROXY_REQUEST, PROXY_OPEN };

struct proxy_talk {
    const struct proxy *proxy; /* borrowed */
    const struct endpoint *to; /* borrowed */
    enum proxy_step step;      /* which answer is awaited */
    struct buf in;             /* of an answer not yet whole */
    struct buf out;            /* to be sent; whoever sends consumes */
    char why[PROXY_WHY_MAX];   /* on error: what the proxy did, without credentials */
};

/* `out` has the first bytes afterwards. ERR_PROXY for credentials that cannot be sent. */
MUST_USE enum err proxy_talk_init(struct proxy_talk *t, const struct proxy *p,
                                  const struct endpoint *to);

/* Takes what came; `step` is PROXY_OPEN when the tunnel is there. ERR_PROXY: it will not be. */
MUST_USE enum err proxy_talk_feed(struct proxy_talk *t, struct str in);

/* Wipes what was to be sent. Harmless for an all-zero one. */
void proxy_talk_deinit(struct proxy_talk *t);
