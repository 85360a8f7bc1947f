/* SPDX-License-Identifier: Apache-2.0 */
/* A chat request as an OpenAI chat completion's body, for clients that speak another dialect. */
#pragma once

#include "base/buf.h"
#include "chat/request.h"

/* Appends the body: all that the request asks for; a stream asks for usage. ERR_TOO_BIG or
 * ERR_NOMEM, with `out` ending anywhere. */
MUST_USE enum err request_write(const struct chat_request *chat, struct str model, struct buf *out);
