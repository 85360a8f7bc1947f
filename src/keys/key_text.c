/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_text.h"

#include "base/random.h"

enum { RANDOM_LEN = 32, CHECK_LEN = 6, BASE = 62, SLIP = 4 /* letters missed or doubled */ };

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* CRC-32 as in ISO 3309 (zlib, PNG). */
static uint32_t crc32_of(const char *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

static void write_check(const char *text, char out[CHECK_LEN])
{
    uint32_t crc = crc32_of(text, KEY_TEXT_LEN - CHECK_LEN);

    for (size_t i = CHECK_LEN; i-- > 0; crc /= BASE)
        out[i] = digits[crc % BASE];
}

void key_text_new(char out[KEY_TEXT_LEN + 1])
{
    random_id("sk-", RANDOM_LEN, out);
    write_check(out, out + KEY_TEXT_LEN - CHECK_LEN);
    out[KEY_TEXT_LEN] = '\0';
}

static bool looks_like_ours(struct str text)
{
    if (text.n < KEY_TEXT_LEN - SLIP || text.n > KEY_TEXT_LEN + SLIP ||
        !str_starts(text, STR("sk-")))
        return false;
    for (size_t i = 3; i < text.n; i++)
        if (!memchr(digits, text.p[i], BASE))
            return false;
    return true;
}

enum key_text_kind key_text_judge(struct str text)
{
    char check[CHECK_LEN];

    if (!looks_like_ours(text))
        return KEY_TEXT_FOREIGN;
    if (text.n != KEY_TEXT_LEN)
        return KEY_TEXT_TYPO;
    write_check(text.p, check);
    return memcmp(check, text.p + KEY_TEXT_LEN - CHECK_LEN, CHECK_LEN) == 0 ? KEY_TEXT_OURS
                                                                            : KEY_TEXT_TYPO;
}

void key_text_hash(struct str text, unsigned char out[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, text);
    sha256_end(&h, out);
}
