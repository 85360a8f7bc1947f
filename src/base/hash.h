/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and SHA-1 (the WebSocket handshake's) by libcrypto; no allocation. */
#pragma once

#include "base/str.h"

enum { SHA256_LEN = 32, SHA1_LEN = 20 };

struct sha256 {
    /* libcrypto's state; a copy of the struct is a copy of the state */
    _Alignas(8) unsigned char state[128];
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, struct str s);
void sha256_end(struct sha256 *h, unsigned char out[SHA256_LEN]);

void sha1_of(struct str s, unsigned char out[SHA1_LEN]);
