/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs as settings hold them, taken apart once at start. They are an operator's words, so a
 * refusal says what to change; host names are kept in lower case, so that equal ones compare equal.
 */
#include "http/url.h"

#include <stdio.h>

#include "base/mem.h"
#include "http/syntax.h"

enum { WHAT_SIZE = 128, URL_MAX = 4096, HTTP_PORT = 80, HTTPS_PORT = 443 };

static const struct {
    const char *prefix;
    bool tls;
} schemes[] = {
    { "http://", false },
    { "https://", true },
    { "ws://", false },
    { "wss://", true },
};

static enum err refuse(char *ret_what, const char *what)
{
    snprintf(ret_what, WHAT_SIZE, "%s", what);
    return ERR_BAD_INPUT;
}

/* Takes the scheme off *rest. */
static bool take_scheme(struct str *rest, bool *ret_tls)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        struct str prefix = str_of(schemes[i].prefix);

        if (str_starts_nocase(*rest, prefix)) {
            *ret_tls = schemes[i].tls;
            *rest = str_from(*rest, prefix.n);
            return true;
        }
    }
    return false;
}

static uint16_t default_port(const struct endpoint *e)
{
    return e->tls ? HTTPS_PORT : HTTP_PORT;
}

static enum err parse_authority(struct str s, struct endpoint *ret, char *ret_what)
{
    struct str port;
    struct str host = s;

    if (s.n == 0)
        return refuse(ret_what, "the URL names no host");
    if (str_find_char(s, '@') != SIZE_MAX)
        return refuse(ret_what, "a user name or password in the URL is not supported; remove it");
    if (str_find_char(s, '%') != SIZE_MAX || !syntax_is_authority(s, &port))
        return refuse(ret_what, "malformed host or port; write host, host:port or [IPv6]:port");
    if (port.p)
        host.n = (size_t)(port.p - s.p) - 1;
    if (host.p[0] == '[')
        host = str_sub(host, 1, host.n - 2);
    if (host.n > HOST_MAX)
        return refuse(ret_what, "the host name is longer than 255 bytes");

    uint64_t number = default_port(ret);
    if (port.n > 0 && str_to_u64(port, UINT16_MAX, &number))
        return refuse(ret_what, "the port is above 65535");
    if (number == 0)
        return refuse(ret_what, "port 0 cannot be connected to");
    ret->port = (uint16_t)number;
    for (size_t i = 0; i < host.n; i++)
        ret->host[i] = (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] | 0x20 : host.p[i]);
    return ERR_NONE;
}

static char *dup_path(struct str path)
{
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    char *z = mem_alloc(path.n + 1);
    return str_to_z(path, z, path.n + 1);
}

enum err url_parse(struct str text, struct url *ret, char *ret_what)
{
    struct endpoint e = { .port = 0 };
    struct str rest = text;
    size_t n = 0;

    if (text.n > URL_MAX)
        return refuse(ret_what, "the URL is longer than 4096 bytes");
    if (!take_scheme(&rest, &e.tls))
        return refuse(ret_what, "the URL must begin with http://, https://, ws:// or wss://");
    if (str_find_char(rest, '?') != SIZE_MAX || str_find_char(rest, '#') != SIZE_MAX)
        return refuse(ret_what, "the URL must end before any '?' or '#'");
    if (rest.n > 0 && syntax_run(rest.p, rest.p + rest.n, SYNTAX_TARGET) != rest.p + rest.n)
        return refuse(ret_what, "a space or another byte that no URL may have");
    while (n < rest.n && rest.p[n] != '/')
        n++;
    enum err err = parse_authority(str_sub(rest, 0, n), &e, ret_what);
    if (err)
        return err;
    *ret = (struct url){ .endpoint = e, .path = dup_path(str_from(rest, n)) };
    return ERR_NONE;
}

void url_copy(struct url *to, const struct url *from)
{
    size_t n = from->path ? strlen(from->path) + 1 : 0;

    *to = *from;
    to->path = n ? mem_alloc(n) : NULL;
    if (n)
        memcpy(to->path, from->path, n);
}

void url_deinit(struct url *u)
{
    mem_free(u->path);
    u->path = NULL;
}

bool url_eq(const struct url *a, const struct url *b)
{
    bool same_path = a->path && b->path ? strcmp(a->path, b->path) == 0 : a->path == b->path;

    return same_path && endpoint_eq(&a->endpoint, &b->endpoint);
}

char *url_host_header(const struct url *u, char *out)
{
    const struct endpoint *e = &u->endpoint;
    bool is_ipv6 = !e->is_unix && strchr(e->host, ':');
    bool has_port = !e->is_unix && e->port != default_port(e);
    char digits[STR_U64_MAX];

    *str_join(STRS(is_ipv6 ? STR("[") : STR(""),
                   e->is_unix ? STR("localhost") : str_of(e->host), /* else its host is a path */
                   is_ipv6 ? STR("]") : STR(""), has_port ? STR(":") : STR(""),
                   has_port ? str_of_u64(e->port, digits) : STR("")),
              out) = '\0';
    return out;
}

/* Next byte of a percent-encoded text, in which '+' is `plus`; -1 when malformed. */
static int next_byte(struct str *s, char plus)
{
    char c = s->p[0];
    size_t n = 1;
    int byte = (unsigned char)c;

    if (c == '+')
        byte = (unsigned char)plus;
    if (c == '%') {
        int high = s->n > 2 ? syntax_hex_value(s->p[1]) : -1;
        int low = s->n > 2 ? syntax_hex_value(s->p[2]) : -1;

        if (high < 0 || low < 0)
            return -1;
        byte = high << 4 | low;
        n = 3;
    }
    *s = str_from(*s, n);
    return byte;
}

static bool decodes_to(struct str s, const char *name)
{
    for (; s.n > 0 && *name; name++)
        if (next_byte(&s, ' ') != (unsigned char)*name)
            return false;
    return s.n == 0 && !*name;
}

static bool decode(struct str s, char plus, char *out, size_t cap)
{
    size_t n = 0;

    while (s.n > 0) {
        int byte = next_byte(&s, plus);

        /* A NUL would end the string for its reader. */
        if (byte <= 0 || n + 1 >= cap)
            return false;
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return true;
}

bool url_query_get(struct str query, const char *name, char *out, size_t cap)
{
    BUG_ON(cap == 0);
    while (query.n > 0) {
        struct str value;
        struct str item = str_cut(query, '&', &query);

        item = str_cut(item, '=', &value);
        if (decodes_to(item, name))
            return decode(value, ' ', out, cap);
    }
    return false;
}

bool url_query_has(struct str query, const char *name)
{
    struct str value;

    while (query.n > 0)
        if (decodes_to(str_cut(str_cut(query, '&', &query), '=', &value), name))
            return true;
    return false;
}

bool url_segment_get(struct str segment, char *out, size_t cap)
{
    BUG_ON(cap == 0);
    return decode(segment, '+', out, cap);
}
