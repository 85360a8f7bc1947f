/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and SHA-1 (the WebSocket handshake's) by libcrypto; no allocation. */
#pragma once

#include "base/str.h"

enum { SHA256_LEN = 32, SHA1_LEN = 20 };

/* A copy of the struct is a copy of the state. */
struct sha256 {
    _Alignas(8) unsigned char state[112]; /* libcrypto's */
    unsigned char waiting[63];            /* what libcrypto was not told yet */
    unsigned char n;                      /* bytes of that */
};

void sha256_init(struct sha256 *h);

/* For sha256_add(): what is more than may wait. */
void sha256_add_now(struct sha256 *h, struct str s);

/* Streams add a few bytes at a time, which libcrypto takes as long to put away as a whole block. */
static inline void sha256_add(struct sha256 *h, struct str s)
{
    if (s.n > sizeof(h->waiting) || h->n > sizeof(h->waiting) - s.n) {
        sha256_add_now(h, s);
    } else if (s.n > 0) {
        memcpy(h->waiting + h->n, s.p, s.n);
        h->n = (unsigned char)(h->n + s.n);
    }
}

void sha256_end(struct sha256 *h, unsigned char out[SHA256_LEN]);

void sha1_of(struct str s, unsigned char out[SHA1_LEN]);
