/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints as text, and socket addresses. Nothing in here asks the network. */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "net/sockaddr.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static enum err check_name(struct str host)
{
    if (host.n == 0)
        return ERR_BAD_INPUT;
    if (host.n > HOST_MAX)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < host.n; i++)
        if (!is_name_char(host.p[i]))
            return ERR_BAD_INPUT;
    return ERR_NONE;
}

static enum err parse_port(struct str text, uint16_t *ret)
{
    uint64_t value;
    enum err err = str_to_u64(text, UINT16_MAX, &value);

    if (!err)
        *ret = (uint16_t)value;
    return err;
}

static enum err parse_unix(struct str path, struct endpoint *e)
{
    struct address a;

    if (path.n == 0 || memchr(path.p, 0, path.n))
        return ERR_BAD_INPUT;
    if (path.n >= sizeof(a.sa.local.sun_path))
        return ERR_TOO_BIG;
    str_to_z(path, e->host, sizeof(e->host));
    e->is_unix = true;
    return ERR_NONE;
}

/* `text` begins with a bracket. */
static enum err parse_v6(struct str text, struct endpoint *e)
{
    struct str rest;
    struct str host = str_cut(str_from(text, 1), ']', &rest);
    struct address a;

    if (host.n >= ADDRESS_TEXT_MAX || !rest.p || rest.n == 0 || rest.p[0] != ':')
        return ERR_BAD_INPUT;
    str_to_z(host, e->host, sizeof(e->host));
    if (!address_of_literal(e->host, 0, &a) || a.sa.any.sa_family != AF_INET6)
        return ERR_BAD_INPUT;
    return parse_port(str_from(rest, 1), &e->port);
}

enum err endpoint_parse(struct str text, struct endpoint *ret)
{
    struct endpoint e = { .port = 0 };
    struct str port = { NULL, 0 };
    struct str host;
    enum err err;

    if (str_starts(text, STR("unix:"))) {
        err = parse_unix(str_from(text, 5), &e);
    } else if (str_starts(text, STR("["))) {
        err = parse_v6(text, &e);
    } else {
        host = str_cut(text, ':', &port);
        err = check_name(host);
        if (!err)
            err = parse_port(port, &e.port);
        str_to_z(host, e.host, sizeof(e.host));
    }
    if (!err)
        *ret = e;
    return err;
}

bool endpoint_is_loopback(const struct endpoint *e)
{
    struct address a;

    if (e->is_unix || str_eq_nocase(str_of(e->host), STR("localhost")))
        return true;
    return address_of_literal(e->host, e->port, &a) && address_is_loopback(&a);
}

char *endpoint_text(const struct endpoint *e, char *out)
{
    const char *format = strchr(e->host, ':') ? "[%s]:%u" : "%s:%u";

    if (e->is_unix)
        snprintf(out, HOST_MAX + 9, "unix:%s", e->host);
    else if (format[0] == '[')
        snprintf(out, HOST_MAX + 9, "[%s]:%u", e->host, e->port);
    else
        snprintf(out, HOST_MAX + 9, "%s:%u", e->host, e->port);
    return out;
}

bool address_of_literal(const char *host, uint16_t port, struct address *ret)
{
    struct address a = { .n = 0 };

    if (inet_pton(AF_INET, host, &a.sa.v4.sin_addr) == 1) {
        a.sa.v4.sin_family = AF_INET;
        a.n = sizeof(a.sa.v4);
    } else if (inet_pton(AF_INET6, host, &a.sa.v6.sin6_addr) == 1) {
        a.sa.v6.sin6_family = AF_INET6;
        a.n = sizeof(a.sa.v6);
    } else {
        return false;
    }
    address_set_port(&a, port);
    *ret = a;
    return true;
}

enum err address_of_path(const char *path, struct address *ret)
{
    struct address a = { .n = sizeof(a.sa.local) };
    size_t n = strlen(path);

    if (n >= sizeof(a.sa.local.sun_path))
        return ERR_TOO_BIG;
    a.sa.local.sun_family = AF_UNIX;
    memcpy(a.sa.local.sun_path, path, n + 1);
    *ret = a;
    return ERR_NONE;
}

void address_set_port(struct address *a, uint16_t port)
{
    if (a->sa.any.sa_family == AF_INET)
        a->sa.v4.sin_port = htons(port);
    else if (a->sa.any.sa_family == AF_INET6)
        a->sa.v6.sin6_port = htons(port);
}

uint16_t address_port(const struct address *a)
{
    if (a->sa.any.sa_family == AF_INET)
        return ntohs(a->sa.v4.sin_port);
    if (a->sa.any.sa_family == AF_INET6)
        return ntohs(a->sa.v6.sin6_port);
    return 0;
}

/* The IPv4 address of either family; false for an IPv6 address that holds none. */
static bool address_v4(const struct address *a, struct in_addr *ret)
{
    if (a->sa.any.sa_family == AF_INET) {
        *ret = a->sa.v4.sin_addr;
        return true;
    }
    if (a->sa.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->sa.v6.sin6_addr))
        return false;
    memcpy(ret, &a->sa.v6.sin6_addr.s6_addr[12], sizeof(*ret));
    return true;
}

void address_text(const struct address *a, char *out)
{
    struct in_addr v4;

    if (a->n > 0 && address_v4(a, &v4))
        inet_ntop(AF_INET, &v4, out, ADDRESS_TEXT_MAX);
    else if (a->n > 0 && a->sa.any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &a->sa.v6.sin6_addr, out, ADDRESS_TEXT_MAX);
    else if (a->n > 0 && a->sa.any.sa_family == AF_UNIX)
        str_to_z(STR("unix"), out, ADDRESS_TEXT_MAX);
    else
        str_to_z(STR("unknown"), out, ADDRESS_TEXT_MAX);
}

bool address_is_loopback(const struct address *a)
{
    struct in_addr v4;

    if (a->n == 0)
        return false;
    if (a->sa.any.sa_family == AF_UNIX)
        return true;
    if (address_v4(a, &v4))
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return a->sa.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->sa.v6.sin6_addr);
}

bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port && a->is_unix == b->is_unix &&
           a->tls == b->tls;
}
