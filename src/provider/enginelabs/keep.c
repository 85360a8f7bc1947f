/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A jar: "jar 1", the SHA-256 of the settings' cookie in hexadecimal, the Cookie header's value. A
 * token: "token 1", when it expires, session, organization, the token. Each on a line.
 */
#include "provider/enginelabs/keep.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/hash.h"

struct store_key keep_key(const struct enginelabs_config *config, enum store_space space,
                          const char *what)
{
    struct store_key key = { .space = space };
    char name[STORE_KEY_MAX + 1];
    int n = snprintf(name, sizeof(name), "%s/%s%s", config->name, config->account, what);

    BUG_ON(n < 0 || n > STORE_KEY_MAX); /* names are bounded when the settings are read */
    key.n = (uint8_t)n;
    memcpy(key.bytes, name, key.n);
    return key;
}

static void digest_of(struct str cookie, char out[2 * SHA256_LEN + 1])
{
    unsigned char digest[SHA256_LEN];
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, cookie);
    sha256_end(&hash, digest);
    hex_encode(digest, sizeof(digest), out);
}

struct store_key keep_token_key(const struct enginelabs_config *config)
{
    char digest[2 * SHA256_LEN + 1];
    char what[18];

    digest_of(secret_reveal(&config->cookie), digest);
    snprintf(what, sizeof(what), "/%.16s", digest);
    return keep_key(config, STORE_TOKEN, what);
}

enum err keep_write_jar(const struct enginelabs_config *config, const struct cookies *jar,
                        struct buf *out)
{
    char digest[2 * SHA256_LEN + 1];
    enum err err;

    digest_of(secret_reveal(&config->cookie), digest);
    err = buf_addf(out, "jar 1\n%s\n", digest);
    return err ? err : cookies_write(jar, out);
}

enum err keep_read_jar(const struct enginelabs_config *config, struct str text, struct cookies *jar)
{
    char digest[2 * SHA256_LEN + 1];
    struct cookies kept = { 0 };
    enum err err;

    digest_of(secret_reveal(&config->cookie), digest);
    if (!str_eq(str_cut(text, '\n', &text), STR("jar 1")))
        return ERR_BAD_INPUT;
    if (!str_eq(str_cut(text, '\n', &text), str_of(digest)))
        return ERR_NOT_FOUND;
    err = cookies_load(&kept, text);
    if (!err)
        cookies_copy(jar, &kept);
    cookies_deinit(&kept);
    return err;
}

enum err keep_write_token(const struct kept_token *t, struct buf *out)
{
    return buf_addf(out, "token 1\n%lld\n%.*s\n%.*s\n%.*s", (long long)t->expires_wall_ms,
                    STR_ARGS(t->session_id), STR_ARGS(t->organization_id), STR_ARGS(t->jwt));
}

enum err keep_read_token(struct str text, struct kept_token *ret)
{
    struct kept_token t;
    uint64_t expires;

    if (!str_eq(str_cut(text, '\n', &text), STR("token 1")) ||
        str_to_u64(str_cut(text, '\n', &text), INT64_MAX, &expires))
        return ERR_BAD_INPUT;
    t.expires_wall_ms = (int64_t)expires;
    t.session_id = str_cut(text, '\n', &text);
    t.organization_id = str_cut(text, '\n', &text);
    t.jwt = text;
    if (t.session_id.n == 0 || t.session_id.n >= FIELD_ID_MAX ||
        t.organization_id.n >= FIELD_ID_MAX || t.jwt.n == 0)
        return ERR_BAD_INPUT;
    *ret = t;
    return ERR_NONE;
}
