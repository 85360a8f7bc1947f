/* SPDX-License-Identifier: Apache-2.0 */
/* The store on a Redis or Valkey server, and where it is. */
#pragma once

#include "store/store.h"

enum { STORE_USER_MAX = 127, STORE_PREFIX_MAX = 63 };

/* What "redis://[user:password@]host[:port][/db]" says; "rediss://" is with TLS. User and password
 * may be percent-encoded. */
struct store_redis_url {
    struct endpoint at; /* port 6379 when it names none */
    char user[STORE_USER_MAX + 1];
    struct secret password;
    unsigned db;
};

/* ERR_BAD_INPUT: `ret_what` (128 bytes) says what is wrong, for people. */
MUST_USE enum err store_redis_parse(struct str url, struct store_redis_url *ret, char *ret_what);
void store_redis_url_deinit(struct store_redis_url *u);

struct store_redis_params {
    struct endpoint at;
    const char *user;              /* NULL or "": the default user; at most STORE_USER_MAX */
    const struct secret *password; /* NULL or none set: none is needed */
    unsigned db;
    const char *key_prefix;  /* NULL: "enginelabs-2api"; at most STORE_PREFIX_MAX */
    struct tls_trust *trust; /* for at.tls, else NULL */
};

/* On a Redis or Valkey server, 6.0 or later, that this and other processes share. All is copied but
 * `trust`. Connects when ports are opened, and again when connections break: meanwhile operations
 * wait, or fail when the last attempt did. "On the disk" is the server's append-only file, as often
 * as its appendfsync says; without one, puts and swaps in durable spaces fail with ERR_IO. */
struct store *store_redis_new(const struct store_redis_params *params);
