/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The low-level interface of libcrypto: EVP allocates a context for each digest
 * and cannot be copied as plain bytes, which the conversation chain needs. It is
 * deprecated since 3.0, hence the API level below.
 */
#define OPENSSL_API_COMPAT 0x10100000L

#include "base/hash.h"

#include <openssl/sha.h>

#include "base/mem.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct sha256 *)0)->state), "the state must fit");
_Static_assert(_Alignof(SHA256_CTX) <= 8, "the state must be aligned");
_Static_assert(SHA256_LEN == SHA256_DIGEST_LENGTH && SHA1_LEN == SHA_DIGEST_LENGTH, "lengths");

static SHA256_CTX *context(struct sha256 *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void sha256_init(struct sha256 *h)
{
    h->n = 0;
    BUG_ON(SHA256_Init(context(h)) != 1);
}

static void add_waiting(struct sha256 *h)
{
    BUG_ON(SHA256_Update(context(h), h->waiting, h->n) != 1);
    h->n = 0;
}

void sha256_add_now(struct sha256 *h, struct str s)
{
    add_waiting(h);
    BUG_ON(SHA256_Update(context(h), s.p, s.n) != 1);
}

void sha256_end(struct sha256 *h, unsigned char out[SHA256_LEN])
{
    add_waiting(h);
    BUG_ON(SHA256_Final(out, context(h)) != 1);
    mem_wipe(h->waiting, sizeof(h->waiting)); /* as libcrypto does with its own */
}

void sha1_of(struct str s, unsigned char out[SHA1_LEN])
{
    SHA_CTX c;

    BUG_ON(SHA1_Init(&c) != 1 || SHA1_Update(&c, s.p, s.n) != 1 || SHA1_Final(out, &c) != 1);
}
