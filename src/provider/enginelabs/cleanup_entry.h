/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of cleanup.h in the store, as text. Pure, any thread. */
#pragma once

#include "conversation/tips.h"

enum { CLEANUP_ENTRY_MAX = TIP_ACCOUNT_MAX + TIP_CHAT_MAX + 64, CLEANUP_PREFIX_LEN = 17 };

struct cleanup_entry {
    int64_t due_wall_ms;
    unsigned tries; /* that failed, or run now */
    char account[TIP_ACCOUNT_MAX];
    char chat[TIP_CHAT_MAX];
};

/* What the keys of an upstream's entries begin with: CLEANUP_PREFIX_LEN characters and a NUL. */
void cleanup_prefix(const char *upstream, char out[CLEANUP_PREFIX_LEN + 1]);

/* The key of a chat's entry. */
struct store_key cleanup_key(const char *upstream, const char *account, struct str chat);

/* ERR_TOO_BIG when account or chat has no room in an entry, ERR_BAD_INPUT when they hold control
 * characters or are empty. */
MUST_USE enum err cleanup_entry_set(struct cleanup_entry *e, const char *account, struct str chat,
                                    int64_t due_wall_ms);

/* Into `out` of CLEANUP_ENTRY_MAX. */
struct str cleanup_entry_write(const struct cleanup_entry *e, char *out);

/* ERR_BAD_INPUT. */
MUST_USE enum err cleanup_entry_read(struct str text, struct cleanup_entry *ret);
