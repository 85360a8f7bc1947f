/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store keeps of an account, as text: its cookies, and, where several gateways share the
 * store, its token. Pure, any thread.
 */
#pragma once

#include "provider/enginelabs/cookies.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/enginelabs/fields.h"
#include "store/store.h"

enum { KEEP_MAX = COOKIES_MAX_BYTES + 2 * COOKIES_MAX + 256 };

/* The key of this account in a space, with `what` ("" or "/lock") behind its name. */
struct store_key keep_key(const struct enginelabs_config *config, enum store_space space,
                          const char *what);

/* The key of its token: another one when the settings' cookie is another one. */
struct store_key keep_token_key(const struct enginelabs_config *config);

/* The jar, and which cookie of the settings it began with. `out` is empty, with KEEP_MAX bytes. */
MUST_USE enum err keep_write_jar(const struct enginelabs_config *config, const struct cookies *jar,
                                 struct buf *out);

/* Replaces `jar`. ERR_NOT_FOUND: it began with another cookie than the one in the settings now,
 * which wins then. ERR_BAD_INPUT. After an error `jar` is as it was. */
MUST_USE enum err keep_read_jar(const struct enginelabs_config *config, struct str text,
                                struct cookies *jar);

/* A token and its session. */
struct kept_token {
    int64_t expires_wall_ms;
    struct str session_id;
    struct str organization_id;
    struct str jwt;
};

MUST_USE enum err keep_write_token(const struct kept_token *t, struct buf *out);

/* Slices of `text`. ERR_BAD_INPUT. */
MUST_USE enum err keep_read_token(struct str text, struct kept_token *ret);
