/* SPDX-License-Identifier: Apache-2.0 */
/* "NNdddddddddddddddd": decimal length, the first 8 bytes of the SHA-256 in hexadecimal. */
#include "provider/enginelabs/head.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/hash.h"

void head_add(struct head *h, struct str text)
{
    text = str_sub(text, 0, HEAD_MAX - h->n);
    if (text.n > 0)
        memcpy(h->bytes + h->n, text.p, text.n);
    h->n += text.n;
}

void head_add_piece(struct head *h, struct str piece)
{
    if (str_starts(piece, (struct str){ h->bytes, h->n }))
        h->n = 0;
    head_add(h, piece);
}

char *head_write(const struct head *h, char out[HEAD_TEXT_SIZE])
{
    unsigned char digest[SHA256_LEN];
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, (struct str){ h->bytes, h->n });
    sha256_end(&hash, digest);
    snprintf(out, HEAD_TEXT_SIZE, "%02zu", h->n % 100);
    hex_encode(digest, 8, out + 2);
    return out;
}

bool head_may_be(const struct head *h, struct str described)
{
    struct head same = *h;
    char text[HEAD_TEXT_SIZE];
    uint64_t n;

    if (described.n != HEAD_TEXT_SIZE - 1 || str_to_u64(str_sub(described, 0, 2), HEAD_MAX, &n))
        return false;
    if (h->n < n)
        return true;
    if (h->n > n && n < HEAD_MAX)
        return false;
    same.n = (size_t)n;
    return str_eq(str_of(head_write(&same, text)), described);
}
