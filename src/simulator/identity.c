/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, cookies and tokens from a seed; see identity.h. */
#include "simulator/identity.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/hash.h"
#include "json/reader.h"
#include "json/writer.h"

enum { SIGNATURE_LEN = 256, TOKEN_MAX = 4096, JSON_MAX = 2048 };

/* `n` bytes that follow from the seed and what they are for. */
static void derive(uint64_t seed, struct str what, unsigned char *out, size_t n)
{
    unsigned char digest[SHA256_LEN];

    for (unsigned block = 0; n > 0; block++) {
        size_t part = n < SHA256_LEN ? n : SHA256_LEN;
        struct sha256 h;

        sha256_init(&h);
        sha256_add(&h, (struct str){ (const char *)&seed, sizeof(seed) });
        sha256_add(&h, (struct str){ (const char *)&block, sizeof(block) });
        sha256_add(&h, what);
        sha256_end(&h, digest);
        memcpy(out, digest, part);
        out += part;
        n -= part;
    }
}

static void make_id(uint64_t seed, unsigned account, const char *prefix, char out[SIM_ID_MAX])
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char bytes[SIM_ID_LEN];
    char what[SIM_ID_MAX];
    int n;

    n = snprintf(what, sizeof(what), "%s/%u", prefix, account);
    derive(seed, (struct str){ what, (size_t)n }, bytes, sizeof(bytes));
    n = snprintf(out, SIM_ID_MAX, "%s_", prefix);
    for (size_t i = 0; i < SIM_ID_LEN; i++)
        out[(size_t)n + i] = letters[bytes[i] % 62];
    out[(size_t)n + SIM_ID_LEN] = '\0';
}

void sim_identity_make(uint64_t seed, unsigned account, struct sim_identity *ret)
{
    make_id(seed, account, "client", ret->client);
    make_id(seed, account, "sess", ret->session);
    make_id(seed, account, "user", ret->user);
    make_id(seed, account, "org", ret->organization);
    make_id(seed, account, "ws", ret->workspace);
}

void sim_identity_uuid(uint64_t seed, const char *what, int64_t n, char out[SIM_UUID_LEN + 1])
{
    unsigned char bytes[16];
    char hex[2 * sizeof(bytes) + 1];
    char text[SIM_ID_MAX];
    int length = snprintf(text, sizeof(text), "%s/%lld", what, (long long)n);

    derive(seed, (struct str){ text, (size_t)length }, bytes, sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    hex_encode(bytes, sizeof(bytes), hex);
    (void)snprintf(out, SIM_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                   hex + 16, hex + 20);
}

/* base64url without padding (RFC 7515 2). */
static enum err add_base64url(struct buf *out, struct str bytes)
{
    size_t start = out->n;
    enum err err = base64_add(out, bytes);

    if (err)
        return err;
    while (out->n > start && out->p[out->n - 1] == '=')
        buf_truncate(out, out->n - 1);
    for (size_t i = start; i < out->n; i++) {
        if (out->p[i] == '+')
            out->p[i] = '-';
        else if (out->p[i] == '/')
            out->p[i] = '_';
    }
    return ERR_NONE;
}

/* header.payload.signature */
static enum err add_signed(struct buf *out, uint64_t seed, struct str payload)
{
    static const char header[] =
        "{\"alg\":\"RS256\",\"cat\":\"cl_B7d4PD111AAA\",\"kid\":\"ins_simulator\",\"typ\":\"JWT\"}";
    unsigned char signature[SIGNATURE_LEN];
    size_t start = out->n;
    enum err err = add_base64url(out, str_of(header));

    if (!err)
        err = buf_add_char(out, '.');
    if (!err)
        err = add_base64url(out, payload);
    if (err)
        return err;
    derive(seed, str_from(buf_str(out), start), signature, sizeof(signature));
    err = buf_add_char(out, '.');
    return err ? err : add_base64url(out, (struct str){ (const char *)signature, SIGNATURE_LEN });
}

enum err sim_identity_cookie(uint64_t seed, unsigned account, unsigned generation, struct buf *out)
{
    unsigned char rotating[16];
    char rotating_hex[2 * sizeof(rotating) + 1];
    struct sim_identity identity;
    char text[256];
    int n;

    n = snprintf(text, sizeof(text), "rotating/%u/%u", account, generation);
    derive(seed, (struct str){ text, (size_t)n }, rotating, sizeof(rotating));
    hex_encode(rotating, sizeof(rotating), rotating_hex);
    sim_identity_make(seed, account, &identity);
    n = snprintf(text, sizeof(text), "{\"id\":\"%s\",\"rotating_token\":\"%s%08x\"}",
                 identity.client, rotating_hex, generation);
    return add_signed(out, seed, (struct str){ text, (size_t)n });
}

static enum err write_claims(struct buf *out, const struct sim_claims *c)
{
    char number[24];
    struct json_writer w;
    int n = snprintf(number, sizeof(number), "%lld", (long long)c->number);

    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_str(&w, "azp", STR("https://cto.new"));
    json_w_member_int(&w, "exp", c->expires_s);
    json_w_member_int(&w, "iat", c->issued_s);
    json_w_member_str(&w, "iss", STR("https://clerk.cto.new"));
    json_w_member_str(&w, "jti", (struct str){ number, (size_t)n });
    json_w_member_int(&w, "nbf", c->issued_s - 10);
    json_w_key(&w, "o");
    json_w_object(&w);
    json_w_member_str(&w, "id", str_of(c->organization));
    json_w_member_str(&w, "rol", STR("admin"));
    json_w_object_end(&w);
    json_w_member_str(&w, "sid", str_of(c->session));
    json_w_member_str(&w, "sts", STR("active"));
    json_w_member_str(&w, "sub", str_of(c->user));
    json_w_member_int(&w, "v", 2);
    json_w_object_end(&w);
    return json_w_end(&w);
}

enum err sim_token_make(uint64_t seed, const struct sim_claims *claims, struct buf *out)
{
    struct buf payload;
    enum err err;

    buf_init(&payload, JSON_MAX);
    err = write_claims(&payload, claims);
    if (!err)
        err = add_signed(out, seed, buf_str(&payload));
    buf_deinit(&payload);
    return err;
}

static bool read_text(const struct json_value *v, char *out, size_t cap)
{
    if (v->type != JSON_STRING || v->raw.n - 2 >= cap)
        return false;
    str_to_z(str_sub(v->raw, 1, v->raw.n - 2), out, cap);
    return true;
}

static bool read_number(const struct json_value *v, int64_t *ret)
{
    return json_int(v, ret) == ERR_NONE;
}

static bool find_text(struct str json, const char *name, char *out)
{
    struct json_value v;

    return json_find(json, &v, name, NULL) == ERR_NONE && read_text(&v, out, SIM_ID_MAX);
}

static enum err read_claims(struct str json, struct sim_claims *ret)
{
    struct json_value iat;
    struct json_value exp;
    struct json_value org;
    char number[SIM_ID_MAX];
    uint64_t jti;

    if (json_find(json, &iat, "iat", NULL) || json_find(json, &exp, "exp", NULL) ||
        json_find(json, &org, "o", "id", NULL))
        return ERR_BAD_INPUT;
    if (!read_number(&iat, &ret->issued_s) || !read_number(&exp, &ret->expires_s) ||
        !read_text(&org, ret->organization, SIM_ID_MAX))
        return ERR_BAD_INPUT;
    if (!find_text(json, "sub", ret->user) || !find_text(json, "sid", ret->session) ||
        !find_text(json, "jti", number))
        return ERR_BAD_INPUT;
    if (str_to_u64(str_of(number), INT64_MAX, &jti))
        return ERR_BAD_INPUT;
    ret->number = (int64_t)jti;
    return ERR_NONE;
}

/* It is ours when signing what it says gives the same token. */
static enum err read_payload(uint64_t seed, struct str token, struct buf *payload)
{
    struct str rest;
    struct str body;
    struct buf again;
    enum err err;

    (void)str_cut(token, '.', &rest);
    body = str_cut(rest, '.', &rest);
    if (base64_decode(payload, body))
        return ERR_BAD_INPUT;
    buf_init(&again, TOKEN_MAX);
    err = add_signed(&again, seed, buf_str(payload));
    if (!err && !str_eq_constant_time(buf_str(&again), token))
        err = ERR_BAD_INPUT;
    buf_deinit(&again);
    return err;
}

enum err sim_token_read(uint64_t seed, struct str token, struct sim_claims *ret)
{
    struct buf payload;
    enum err err;

    if (token.n > TOKEN_MAX)
        return ERR_BAD_INPUT;
    buf_init(&payload, JSON_MAX);
    err = read_payload(seed, token, &payload);
    if (!err)
        err = read_claims(buf_str(&payload), ret);
    buf_deinit(&payload);
    return err ? ERR_BAD_INPUT : ERR_NONE;
}

/* "...%08x" of sim_identity_cookie() and others */
static bool read_generation(struct str token, unsigned *ret)
{
    struct str digits = str_from(token, token.n > 8 ? token.n - 8 : token.n);
    unsigned value = 0;

    if (digits.n != 8)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *ret = value;
    return true;
}

void sim_identity_refresh(uint64_t seed, unsigned account, unsigned generation,
                          char out[SIM_REFRESH_MAX])
{
    unsigned char secret[16];
    char hex[2 * sizeof(secret) + 1];
    char what[SIM_ID_MAX];
    int n = snprintf(what, sizeof(what), "refresh/%u/%u", account, generation);

    derive(seed, (struct str){ what, (size_t)n }, secret, sizeof(secret));
    hex_encode(secret, sizeof(secret), hex);
    (void)snprintf(out, SIM_REFRESH_MAX, "rt_%s%08x%08x", hex, account, generation);
}

enum err sim_identity_refresh_read(uint64_t seed, struct str token, unsigned *ret_account,
                                   unsigned *ret_generation)
{
    char again[SIM_REFRESH_MAX];

    if (token.n < 16 || !read_generation(token, ret_generation) ||
        !read_generation(str_sub(token, 0, token.n - 8), ret_account))
        return ERR_BAD_INPUT;
    sim_identity_refresh(seed, *ret_account, *ret_generation, again);
    return str_eq_constant_time(token, str_of(again)) ? ERR_NONE : ERR_BAD_INPUT;
}

enum err sim_identity_cookie_read(uint64_t seed, struct str cookie, char client[SIM_ID_MAX],
                                  unsigned *ret_generation)
{
    char rotating[SIM_ID_MAX];
    struct buf payload;
    bool is_good;

    buf_init(&payload, JSON_MAX);
    is_good = cookie.n <= TOKEN_MAX && read_payload(seed, cookie, &payload) == ERR_NONE &&
              find_text(buf_str(&payload), "id", client) &&
              find_text(buf_str(&payload), "rotating_token", rotating) &&
              read_generation(str_of(rotating), ret_generation);
    buf_deinit(&payload);
    return is_good ? ERR_NONE : ERR_BAD_INPUT;
}

struct str sim_cookie_value(struct str header, const char *name)
{
    while (header.n > 0) {
        struct str value;
        struct str pair = str_trim(str_cut(header, ';', &header));
        struct str key = str_cut(pair, '=', &value);

        if (value.p && str_eq(key, str_of(name)))
            return value;
    }
    return (struct str){ NULL, 0 };
}
