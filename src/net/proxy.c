/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies as people write them, and which hosts go without one. */
#include <arpa/inet.h>

#include "base/encoding.h"
#include "net/connector.h"
#include "net/sockaddr.h"

enum { PASSWORD_MAX = 1023 };

static const struct {
    const char *prefix;
    enum proxy_type type;
    uint16_t port;
} schemes[] = {
    { "http://", PROXY_HTTP, 80 },
    { "socks5://", PROXY_SOCKS5, 1080 },
    { "socks5h://", PROXY_SOCKS5, 1080 },
};

/* Decodes %XX into the empty `out`. No control characters come out of it. */
static enum err decode(struct str in, struct buf *out)
{
    enum err err = percent_decode(out, in);

    for (size_t i = 0; i < out->n && !err; i++)
        if ((unsigned char)out->p[i] < ' ')
            err = ERR_BAD_INPUT;
    return err;
}

static enum err parse_credentials(struct str text, struct proxy *p)
{
    struct str password;
    struct str user = str_cut(text, ':', &password);
    struct buf name;
    struct buf plain;
    enum err err;

    buf_init(&name, sizeof(p->user) - 1);
    buf_init(&plain, PASSWORD_MAX);
    err = decode(user, &name);
    if (!err)
        err = decode(password, &plain);
    if (!err) {
        str_to_z(buf_str(&name), p->user, sizeof(p->user));
        secret_set(&p->password, buf_str(&plain));
    }
    buf_wipe(&plain);
    buf_deinit(&name);
    return err;
}

/* "host", "host:port", "[::1]:port"; a slash may end it. */
static enum err parse_place(struct str text, uint16_t default_port, struct endpoint *ret)
{
    char full[HOST_MAX + 16];
    bool has_port;

    if (str_ends(text, STR("/")))
        text.n--;
    if (text.n > HOST_MAX + 8 || str_starts(text, STR("unix:")))
        return ERR_BAD_INPUT;
    has_port = str_starts(text, STR("[")) ? !str_ends(text, STR("]"))
                                          : str_find_char(text, ':') != SIZE_MAX;
    str_to_z(text, full, sizeof(full));
    if (!has_port)
        str_to_z(default_port == 80 ? STR(":80") : STR(":1080"), full + text.n,
                 sizeof(full) - text.n);
    return endpoint_parse(str_of(full), ret) || ret->port == 0 ? ERR_BAD_INPUT : ERR_NONE;
}

static size_t find_last(struct str s, char c)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c)
            return i - 1;
    return SIZE_MAX;
}

/* Without a scheme it is an HTTP proxy, as everywhere. */
enum err proxy_parse(struct str text, struct proxy *ret)
{
    struct proxy p = { .type = PROXY_HTTP };
    uint16_t port = 80;
    size_t at;
    enum err err;

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        struct str prefix = str_of(schemes[i].prefix);
        if (!str_starts_nocase(text, prefix))
            continue;
        p.type = schemes[i].type;
        port = schemes[i].port;
        text = str_from(text, prefix.n);
        break;
    }
    if (str_find(text, STR("://")) != SIZE_MAX)
        return ERR_BAD_INPUT;
    at = find_last(text, '@');
    err = parse_place(at == SIZE_MAX ? text : str_from(text, at + 1), port, &p.at);
    if (!err && at != SIZE_MAX)
        err = parse_credentials(str_sub(text, 0, at), &p) ? ERR_BAD_INPUT : ERR_NONE;
    if (err)
        proxy_deinit(&p);
    else
        *ret = p;
    return err;
}

void proxy_deinit(struct proxy *p)
{
    secret_deinit(&p->password);
}

/* ---- NO_PROXY ---- */

static struct str address_bytes(const struct address *a)
{
    if (a->sa.any.sa_family == AF_INET)
        return (struct str){ (const char *)&a->sa.v4.sin_addr, 4 };
    return (struct str){ (const char *)&a->sa.v6.sin6_addr, 16 };
}

static bool share_bits(struct str a, struct str b, size_t bits)
{
    size_t whole = bits / 8;
    unsigned char mask = (unsigned char)(0xff00U >> bits % 8);

    if (a.n != b.n || bits > a.n * 8)
        return false;
    if (memcmp(a.p, b.p, whole) != 0)
        return false;
    return bits % 8 == 0 || (((unsigned char)a.p[whole] ^ (unsigned char)b.p[whole]) & mask) == 0;
}

/* "10.0.0.0/8", "::1", "192.0.2.1" */
static bool matches_network(struct str item, const struct address *a)
{
    struct str length;
    struct str place = str_cut(item, '/', &length);
    struct address network;
    char text[ADDRESS_TEXT_MAX];
    uint64_t bits;

    if (place.n >= sizeof(text) ||
        !address_of_literal(str_to_z(place, text, sizeof(text)), 0, &network))
        return false;
    bits = address_bytes(&network).n * 8;
    if (length.p && str_to_u64(length, bits, &bits))
        return false;
    return share_bits(address_bytes(&network), address_bytes(a), (size_t)bits);
}

/* "example.com" and ".example.com" stand for the domain and all below it. */
static bool matches_name(struct str item, struct str host)
{
    if (str_starts(item, STR("*.")))
        item = str_from(item, 2);
    else if (str_starts(item, STR(".")))
        item = str_from(item, 1);
    if (item.n == 0 || host.n < item.n)
        return false;
    if (!str_eq_nocase(str_from(host, host.n - item.n), item))
        return false;
    return host.n == item.n || host.p[host.n - item.n - 1] == '.';
}

/* Takes "host:port" and "[::1]:port" apart; false when the port is another one. */
static bool fits_port(struct str *item, uint16_t port)
{
    struct str rest = { NULL, 0 };
    uint64_t value;

    if (str_starts(*item, STR("["))) {
        *item = str_cut(str_from(*item, 1), ']', &rest);
        rest = str_from(rest, 1);
    } else if (str_find_char(*item, ':') == find_last(*item, ':')) {
        *item = str_cut(*item, ':', &rest);
    }
    return rest.n == 0 || (!str_to_u64(rest, UINT16_MAX, &value) && value == port);
}

static bool is_excepted(const char *no_proxy, const struct endpoint *to)
{
    struct str list = str_of(no_proxy);
    struct str item;
    struct address literal;
    bool is_literal = address_of_literal(to->host, 0, &literal);

    while (str_next_item(&list, &item)) {
        if (str_eq(item, STR("*")))
            return true;
        if (!fits_port(&item, to->port))
            continue;
        if (is_literal ? matches_network(item, &literal) : matches_name(item, str_of(to->host)))
            return true;
    }
    return false;
}

const struct proxy *proxy_for(const struct proxy_rules *rules, const struct endpoint *to)
{
    const struct proxy *p;

    if (!rules || to->is_unix)
        return NULL;
    p = to->tls ? &rules->https : &rules->http;
    if (p->type == PROXY_NONE)
        return NULL;
    if (!rules->no_proxy)
        return endpoint_is_loopback(to) ? NULL : p;
    return is_excepted(rules->no_proxy, to) ? NULL : p;
}
