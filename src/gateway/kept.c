/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/kept.h"

#include "gateway/principal.h"

/* Behind a few bytes that say whose share of the room it takes: too few to tell the client's key,
 * and keys that have the same share it and nothing else. Ids are random, so their hashes tell
 * nothing. */
struct store_key kept_key(const struct http_request *r, struct str id)
{
    struct store_key key = { .space = STORE_ANSWER, .n = STORE_OWNER_LEN + SHA256_LEN };
    struct sha256 client, h;
    unsigned char digest[SHA256_LEN];

    sha256_init(&client);
    sha256_add(&client, request_context_of(r)->principal->id);
    sha256_end(&client, digest);
    sha256_init(&h);
    sha256_add(&h, (struct str){ (const char *)digest, sizeof(digest) });
    sha256_add(&h, id);
    memcpy(key.bytes, digest, STORE_OWNER_LEN);
    sha256_end(&h, key.bytes + STORE_OWNER_LEN);
    return key;
}
