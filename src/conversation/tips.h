/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tips: which upstream chat stands at which point of a conversation. A request claims the longest
 * prefix of its history that has one (take and delete, atomically); after an answer the new tip is
 * set.
 */
#pragma once

#include "conversation/fingerprint.h"
#include "store/store.h"

enum { TIP_ACCOUNT_MAX = 64, TIP_CHAT_MAX = 128, TIP_PAST_MAX = 512 };

struct tip {
    char account[TIP_ACCOUNT_MAX]; /* name of the account */
    char chat[TIP_CHAT_MAX];       /* the upstream's id of the chat */
    char past[TIP_PAST_MAX];       /* what the provider wants to know again of this turn */
    size_t past_n;                 /* bytes of it */
};

struct tip_claim; /* running */

/* `found`: whether a tip was claimed; then `from` is the first message that the chat has not seen.
 */
typedef void on_tip(void *arg, bool found, const struct tip *tip, const struct fingerprint *at,
                    size_t from);

/* Claims among the prefixes of `req` that end in an assistant message, longest first, at most 64.
 * `chain` is fingerprint_chain()'s; both are copied from. NULL, and `done` is never called, when
 * there is no such prefix. An error of the store counts as not found. */
struct tip_claim *tip_claim_start(struct store_port *s, const struct chat_request *req,
                                  const struct fingerprint *chain, on_tip *done, void *arg);
/* `done` will not be called; a tip that is claimed after all is put back with `ttl_ms`. */
void tip_claim_cancel(struct tip_claim *c, int64_t ttl_ms);

/* Sets a tip. `done` may be NULL: nobody waits. */
struct store_op *tip_set(struct store_port *s, const struct fingerprint *at, const struct tip *tip,
                         int64_t ttl_ms, on_store *done, void *arg);
