/* SPDX-License-Identifier: Apache-2.0 */
/* Where Redis is, as an operator writes it: a refusal says what to change, and never the password.
 */
#include <stdio.h>

#include "base/encoding.h"
#include "store/redis_internal.h"

enum { WHAT_SIZE = 128, URL_MAX = 4096, REDIS_PORT = 6379, DB_MAX = 65535 };

static enum err refuse(char *ret_what, const char *what)
{
    snprintf(ret_what, WHAT_SIZE, "%s", what);
    return ERR_BAD_INPUT;
}

static bool take_scheme(struct str *rest, bool *ret_tls)
{
    struct str schemes[] = { STR("redis://"), STR("rediss://") };

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (str_starts_nocase(*rest, schemes[i])) {
            *ret_tls = i == 1;
            *rest = str_from(*rest, schemes[i].n);
            return true;
        }
    }
    return false;
}

/* The last '@' of the authority ends the user information. */
static bool cut_user(struct str *authority, struct str *ret_user)
{
    for (size_t i = authority->n; i-- > 0;) {
        if (authority->p[i] == '@') {
            *ret_user = str_sub(*authority, 0, i);
            *authority = str_from(*authority, i + 1);
            return true;
        }
    }
    return false;
}

static enum err decode(struct buf *out, struct str s, char *ret_what)
{
    buf_wipe(out);
    if (percent_decode(out, s))
        return refuse(ret_what, "a '%' in the user or password that is no %XX; write % as %25");
    if (out->n > 0 && memchr(out->p, '\0', out->n))
        return refuse(ret_what, "a zero byte (%00) in the user or password");
    return ERR_NONE;
}

static enum err parse_user(struct str s, struct store_redis_url *u, char *ret_what)
{
    struct buf bytes;
    struct str password;
    struct str user = str_cut(s, ':', &password);
    enum err err;

    if (password.n == 0)
        return refuse(ret_what, "no password before the '@'; write user:password@ or :password@");
    buf_init(&bytes, URL_MAX);
    err = decode(&bytes, user, ret_what);
    if (!err && bytes.n > STORE_USER_MAX)
        err = refuse(ret_what, "the user name is longer than 127 bytes");
    if (!err) {
        str_to_z(buf_str(&bytes), u->user, sizeof(u->user));
        err = decode(&bytes, password, ret_what);
    }
    if (!err)
        secret_set(&u->password, buf_str(&bytes));
    buf_wipe(&bytes);
    return err;
}

static enum err parse_port(struct str text, uint16_t *ret, char *ret_what)
{
    uint64_t port = REDIS_PORT;

    if (text.p && str_to_u64(text, UINT16_MAX, &port))
        return refuse(ret_what, "the port must be a number up to 65535");
    if (port == 0)
        return refuse(ret_what, "port 0 cannot be connected to");
    *ret = (uint16_t)port;
    return ERR_NONE;
}

/* Cuts the port (p NULL when there is none) off `host`; brackets stay. */
static struct str cut_port(struct str *host)
{
    struct str port = { NULL, 0 };
    size_t end = host->n > 0 && host->p[0] == '[' ? str_find_char(*host, ']') : 0;
    size_t colon = end == SIZE_MAX ? SIZE_MAX : str_find_char(str_from(*host, end), ':');

    if (colon != SIZE_MAX) {
        port = str_from(*host, end + colon + 1);
        host->n = end + colon;
    }
    return port;
}

static enum err parse_host(struct str host, struct store_redis_url *u, char *ret_what)
{
    struct str port = cut_port(&host);
    bool tls = u->at.tls;
    uint16_t number = 0;
    char text[HOST_MAX + 16];
    enum err err;

    if (host.n == 0)
        return refuse(ret_what, "the URL names no host");
    if (host.n > HOST_MAX)
        return refuse(ret_what, "the host name is longer than 255 bytes");
    err = parse_port(port, &number, ret_what);
    if (err)
        return err;
    snprintf(text, sizeof(text), "%.*s:%u", STR_ARGS(host), number);
    if (endpoint_parse(str_of(text), &u->at) || u->at.is_unix)
        return refuse(ret_what, "malformed host; write host, host:port or [IPv6]:port");
    u->at.tls = tls;
    return ERR_NONE;
}

static enum err parse_db(struct str path, struct store_redis_url *u, char *ret_what)
{
    uint64_t db = 0;

    if (path.n > 1 && str_to_u64(str_from(path, 1), DB_MAX, &db)) {
        if (str_find_char(path, '@') != SIZE_MAX)
            return refuse(ret_what, "a '/' before the '@'; write it as %2F in a password");
        return refuse(ret_what, "behind the host only the number of a database may be, as in /0");
    }
    u->db = (unsigned)db;
    return ERR_NONE;
}

static enum err parse(struct str rest, struct store_redis_url *u, char *ret_what)
{
    struct str user;
    size_t slash = str_find_char(rest, '/');
    struct str authority = str_sub(rest, 0, slash);
    enum err err = ERR_NONE;

    if (str_find_char(rest, '?') != SIZE_MAX || str_find_char(rest, '#') != SIZE_MAX)
        return refuse(ret_what, "a '?' or '#'; write them as %3F and %23 in a password");
    if (cut_user(&authority, &user))
        err = parse_user(user, u, ret_what);
    if (!err)
        err = parse_db(str_from(rest, slash), u, ret_what);
    if (!err)
        err = parse_host(authority, u, ret_what);
    return err;
}

enum err store_redis_parse(struct str url, struct store_redis_url *ret, char *ret_what)
{
    struct store_redis_url u = { .db = 0 };
    enum err err;

    if (url.n > URL_MAX)
        return refuse(ret_what, "the URL is longer than 4096 bytes");
    if (!take_scheme(&url, &u.at.tls))
        return refuse(ret_what, "the URL must begin with redis:// or rediss://");
    err = parse(url, &u, ret_what);
    if (err)
        store_redis_url_deinit(&u);
    else
        *ret = u;
    return err;
}

void store_redis_url_deinit(struct store_redis_url *u)
{
    secret_deinit(&u->password);
}
