/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as one prompt, for upstreams that take only text. A lone user message is sent exactly as
 * it is. Everything else is written as blocks, one a message, in order
 * (docs/internals/conversations.md shows the format):
 *
 *     <system>
 *     Be brief.
 *     </system>
 *     <user>
 *     Hello
 *     </user>
 *
 * When any text contains something that looks like a closing tag ("</user", in any case), all tags
 * get the smallest suffix "-N" with which no text contains one, so that what a message says can
 * never end its block.
 */
#pragma once

#include "base/buf.h"
#include "chat/request.h"

/* Appends messages [from, n_messages). Before them stand `instructions`, unless they are empty, in
 * no block; with them a lone user message is a block, too. ERR_TOO_BIG when `out` is full,
 * ERR_NOMEM. ERR_BAD_INPUT when a message has a part that is no text: *ret_message and *ret_part
 * name it. After an error `out` is as it was. */
MUST_USE enum err transcript_write(const struct chat_request *req, size_t from,
                                   struct str instructions, struct buf *out, size_t *ret_message,
                                   size_t *ret_part);
