/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of the POST: the client's messages as one text, within the service's limits. What
 * does not fit is a failure that names both numbers; only where the settings say so the oldest
 * messages are left out instead, and counted. No message is ever cut. Pure.
 */
#pragma once

#include "provider/enginelabs/enginelabs.h"

struct prompt_target {
    const struct enginelabs_config *config;
    struct str chat_id;
    struct str model;
    struct str instructions; /* stand before message 0, when that is written; may be empty */
};

/* Replaces `body` by the POST's for messages [from, n_messages); *ret_trimmed of them were left
 * out. Instructions, system prompts and the last message never are. False: *ret says why (message
 * in `a`) and `body` is empty. */
bool prompt_write(const struct prompt_target *to, const struct chat_request *chat, size_t from,
                  struct arena *a, struct buf *body, size_t *ret_trimmed, struct failure *ret);

/* Whether the request can be served at all: only text parts, and even the shortest prompt that may
 * do (what follows the last assistant message, should its chat be found) within the limits. That
 * prompt is then in `body`, beginning with message *ret_from. */
bool prompt_check(const struct prompt_target *to, const struct chat_request *chat, struct arena *a,
                  struct buf *body, size_t *ret_from, size_t *ret_trimmed, struct failure *ret);

/* Bound of `body`'s buffer. */
enum { PROMPT_BODY_MAX = 256 * 1024 * 1024 };
