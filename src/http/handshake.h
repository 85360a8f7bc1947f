/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides of a WebSocket handshake compute and check (RFC 6455 4). Pure; private to
 * this room. */
#pragma once

#include "http/message.h"

enum { HANDSHAKE_KEY_LEN = 24, HANDSHAKE_ACCEPT_LEN = 28 };

/* A new random Sec-WebSocket-Key, with NUL. ERR_NOMEM. */
MUST_USE enum err handshake_key(char out[HANDSHAKE_KEY_LEN + 1]);

/* The Sec-WebSocket-Accept that answers `key`, with NUL. ERR_NOMEM. */
MUST_USE enum err handshake_accept(struct str key, char out[HANDSHAKE_ACCEPT_LEN + 1]);

/* NULL if a 101 answers `key` as 4.1 says, else what is wrong with it. */
const char *handshake_check_response(const struct http_head *h, const char *key);

/* NULL if the request is a proper handshake (4.2.1), else what is wrong; *ret_status is 400 or
 * 426. */
const char *handshake_check_request(const struct http_head *h, int *ret_status);
