/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes chats at the service (ENGINELABS_DELETE_CHATS). An entry in the store says which chat of
 * which account is to go when; each turn moves it. A sweeper looks at the entries every 10 minutes
 * and deletes what is due, one at a time with a pause, through the account that owns it.
 *
 * A chat is due after its tip is gone (tips.h), so no turn can continue it then; and an entry is
 * taken by compare and set, so one that a newer turn moved is left alone, and of several sweepers,
 * on other workers or in other gateways, one deletes it. What fails is tried again later, ever more
 * seldom, ten times; entries are where tips are, and live as long as the store does.
 */
#pragma once

#include "provider/enginelabs/account.h"
#include "store/store.h"

enum { CLEANUP_EVERY_MS = 600000 };

/* ---- what a call says; nobody waits for the store ---- */

/* A turn begins on this chat of `account`, or was settled: it can be continued for `ttl_ms` more.
 * Nothing, for DELETE_NEVER. Of `config` name and delete_chats count. */
void cleanup_turn(struct store_port *store, const struct enginelabs_config *config,
                  const char *account, struct str chat, int64_t ttl_ms, int64_t wall_ms);

/* Its last answer was given and it will not be continued: due now with DELETE_AT_END, else nothing.
 * cleanup_sweep() then sees to it. */
void cleanup_end(struct store_port *store, const struct enginelabs_config *config,
                 const char *account, struct str chat, int64_t wall_ms);

/* ---- the sweeper ---- */

struct cleanup;

struct cleanup_params {
    const struct enginelabs_config *config; /* for name and API; outlives it, as do store, client */
    struct store_port *store;
    struct http_client *client;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    bool by_itself; /* looks every CLEANUP_EVERY_MS; one worker does, the others when asked to */

    /* The account of that name, or NULL: then its chats are left alone. It outlives the sweeper. */
    struct account_port *(*find)(void *arg, const char *account);
    void *arg;
};

struct cleanup *cleanup_open(const struct cleanup_params *params);

/* At once; a deletion that runs is taken up again later. NULL is fine. */
void cleanup_close(struct cleanup *c);

/* Looks now, or when the sweep that runs is over. */
void cleanup_sweep(struct cleanup *c);
