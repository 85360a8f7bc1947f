/* SPDX-License-Identifier: Apache-2.0 */
/* A token is header.payload.signature; only the payload is opened. */
#include "provider/enginelabs/jwt.h"

#include "base/encoding.h"

enum { JWT_MAX = 16384 };

static bool is_base64url(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return s.n > 0;
}

static bool payload_of(struct str token, struct str *ret)
{
    struct str rest;
    struct str signature;
    struct str header = str_cut(token, '.', &rest);
    struct str payload = str_cut(rest, '.', &signature);

    *ret = payload;
    return is_base64url(header) && is_base64url(payload) && is_base64url(signature);
}

static enum err read_time(struct str payload, const char *name, int64_t *ret)
{
    struct json_value v;
    enum err err = json_find(payload, &v, name, NULL);

    if (err)
        return err;
    return json_int(&v, ret);
}

static enum err read_claims(struct str payload, struct jwt_claims *ret)
{
    struct jwt_claims c = { 0 };
    struct json_value org;

    if (read_time(payload, "iat", &c.issued_s) || read_time(payload, "exp", &c.expires_s))
        return ERR_BAD_INPUT;
    if (c.issued_s < 0 || c.expires_s <= c.issued_s)
        return ERR_BAD_INPUT;
    if (!field_member(payload, "sub", c.user_id, sizeof(c.user_id)))
        return ERR_BAD_INPUT;
    field_member(payload, "sid", c.session_id, sizeof(c.session_id));
    if (!json_find(payload, &org, "o", "id", NULL))
        field_text(&org, c.organization_id, sizeof(c.organization_id));
    *ret = c;
    return ERR_NONE;
}

enum err jwt_read(struct str token, struct jwt_claims *ret)
{
    struct str encoded;
    struct buf payload;
    enum err err;

    if (token.n > JWT_MAX)
        return ERR_TOO_BIG;
    if (!payload_of(token, &encoded))
        return ERR_BAD_INPUT;
    buf_init(&payload, JWT_MAX);
    err = base64_decode(&payload, encoded);
    if (!err)
        err = read_claims(buf_str(&payload), ret);
    buf_deinit(&payload);
    return err;
}
