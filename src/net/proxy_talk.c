/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers are gathered until they are whole; nothing may come behind the last one,
 * because in every protocol that goes through here the client speaks first.
 */
#include "net/proxy_talk.h"

#include <stdio.h>

#include "base/encoding.h"
#include "net/sockaddr.h"

enum {
    REPLY_MAX = 16384,
    REQUEST_MAX = 4096,
    SOCKS_VERSION = 5,
    SOCKS_NO_AUTH = 0,
    SOCKS_PASSWORD = 2,
    SOCKS_NONE_FITS = 255,
    SOCKS_STRING_MAX = 255,
};

static enum err refuse(struct proxy_talk *t, const char *why)
{
    snprintf(t->why, sizeof(t->why), "%s", why);
    return ERR_PROXY;
}

static bool has_credentials(const struct proxy *p)
{
    return p->user[0] || secret_is_set(&p->password);
}

/* ---- HTTP CONNECT ---- */

static enum err add_credentials(struct proxy_talk *t)
{
    struct buf plain;
    enum err err;

    if (!has_credentials(t->proxy))
        return ERR_NONE;
    buf_init(&plain, REQUEST_MAX);
    err = buf_addf(&plain, "%s:", t->proxy->user);
    if (!err)
        err = buf_add(&plain, secret_reveal(&t->proxy->password));
    if (!err)
        err = buf_add(&t->out, STR("Proxy-Authorization: Basic "));
    if (!err)
        err = base64_add(&t->out, buf_str(&plain));
    if (!err)
        err = buf_add(&t->out, STR("\r\n"));
    buf_wipe(&plain);
    return err;
}

static enum err ask_http(struct proxy_talk *t)
{
    char name[HOST_MAX + 9];
    enum err err;

    endpoint_text(t->to, name);
    err = buf_addf(&t->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", name, name);
    if (!err)
        err = add_credentials(t);
    if (!err)
        err = buf_add(&t->out, STR("\r\n"));
    t->step = PROXY_REQUEST;
    return err;
}

/* "HTTP/1.1 200 ..." */
static enum err read_status(struct proxy_talk *t, struct str head)
{
    uint64_t status;

    if (head.n < 12 || head.p[6] != '.' || head.p[8] != ' ' ||
        str_to_u64(str_sub(head, 9, 3), 999, &status))
        return refuse(t, "answered with malformed HTTP");
    if (status >= 200 && status < 300)
        return ERR_NONE;
    snprintf(t->why, sizeof(t->why), "answered %u to CONNECT%s", (unsigned)status,
             status == 407 ? ": it wants other credentials" : "");
    return ERR_PROXY;
}

static enum err feed_http(struct proxy_talk *t)
{
    struct str in = buf_str(&t->in);
    struct str start = STR("HTTP/1");
    size_t end;
    enum err err;

    if (!str_eq(str_sub(in, 0, start.n), str_sub(start, 0, in.n)))
        return refuse(t, "does not speak HTTP");
    end = str_find(in, STR("\r\n\r\n"));
    if (end == SIZE_MAX)
        return ERR_NONE;
    err = read_status(t, in);
    if (err)
        return err;
    if (end + 4 != in.n)
        return refuse(t, "sent bytes that nobody asked for");
    t->step = PROXY_OPEN;
    return ERR_NONE;
}

/* ---- SOCKS5 ---- */

static enum err greet_socks(struct proxy_talk *t)
{
    if (t->proxy->password.n > SOCKS_STRING_MAX)
        return refuse(t, "cannot be given a password of more than 255 bytes");
    if (has_credentials(t->proxy))
        return buf_add(&t->out, STR("\5\2\0\2"));
    return buf_add(&t->out, STR("\5\1\0"));
}

static enum err add_counted(struct buf *out, struct str s)
{
    enum err err = buf_add_char(out, (char)s.n);

    return err ? err : buf_add(out, s);
}

static enum err send_password(struct proxy_talk *t)
{
    enum err err = buf_add_char(&t->out, 1);

    t->step = PROXY_AUTH;
    if (!err)
        err = add_counted(&t->out, str_of(t->proxy->user));
    return err ? err : add_counted(&t->out, secret_reveal(&t->proxy->password));
}

/* Names go to the proxy as they are: it resolves them. */
static enum err ask_socks(struct proxy_talk *t)
{
    struct address a;
    char port[2] = { (char)(t->to->port >> 8), (char)(t->to->port & 255) };
    enum err err;

    t->step = PROXY_REQUEST;
    err = buf_add(&t->out, STR("\5\1\0"));
    if (err)
        return err;
    if (!address_of_literal(t->to->host, 0, &a)) {
        err = buf_add_char(&t->out, 3);
        if (!err)
            err = add_counted(&t->out, str_of(t->to->host));
    } else if (a.sa.any.sa_family == AF_INET) {
        err = buf_add_char(&t->out, 1);
        if (!err)
            err = buf_add(&t->out, (struct str){ (const char *)&a.sa.v4.sin_addr, 4 });
    } else {
        err = buf_add_char(&t->out, 4);
        if (!err)
            err = buf_add(&t->out, (struct str){ (const char *)&a.sa.v6.sin6_addr, 16 });
    }
    return err ? err : buf_add(&t->out, (struct str){ port, 2 });
}

static enum err on_method(struct proxy_talk *t, unsigned char method)
{
    if (method == SOCKS_NO_AUTH)
        return ask_socks(t);
    if (method == SOCKS_PASSWORD && has_credentials(t->proxy))
        return send_password(t);
    if (method == SOCKS_NONE_FITS)
        return refuse(t, has_credentials(t->proxy) ? "accepts no user and password"
                                                   : "wants credentials");
    return refuse(t, "chose an authentication that was not offered");
}

static enum err on_reply(struct proxy_talk *t, unsigned char code)
{
    static const char *const texts[] = {
        "",
        "reported a general failure",
        "does not allow this connection",
        "found the network unreachable",
        "found the host unreachable",
        "found the connection refused",
        "ran into the time to live",
        "does not know the command",
        "does not know the address type",
    };

    if (code == 0) {
        t->step = PROXY_OPEN;
        return ERR_NONE;
    }
    if (code < COUNT_OF(texts))
        return refuse(t, texts[code]);
    snprintf(t->why, sizeof(t->why), "answered with the unknown code %u", code);
    return ERR_PROXY;
}

/* How long a reply is, given its beginning; 0 while that cannot be said, or for nonsense. */
static size_t reply_length(const unsigned char *in, size_t n, bool *ret_is_nonsense)
{
    *ret_is_nonsense = n >= 4 && in[3] != 1 && in[3] != 3 && in[3] != 4;
    if (n < 5 || *ret_is_nonsense)
        return 0;
    if (in[3] == 3)
        return (size_t)in[4] + 7;
    return in[3] == 1 ? 10 : 22;
}

/* A refusal is understood before its address, which some proxies leave out. */
static enum err feed_socks_reply(struct proxy_talk *t, const unsigned char *in, size_t n)
{
    bool is_nonsense;
    size_t length = reply_length(in, n, &is_nonsense);

    if (n >= 2 && in[1] != 0)
        return on_reply(t, in[1]);
    if (is_nonsense)
        return refuse(t, "answered with malformed SOCKS");
    if (length == 0 || n < length)
        return ERR_NONE;
    if (n > length)
        return refuse(t, "sent bytes that nobody asked for");
    return on_reply(t, 0);
}

static enum err feed_socks(struct proxy_talk *t)
{
    const unsigned char *in = (const unsigned char *)t->in.p;
    size_t n = t->in.n;
    unsigned char second;

    if (n > 0 && in[0] != (t->step == PROXY_AUTH ? 1 : SOCKS_VERSION))
        return refuse(t, "does not speak SOCKS5");
    if (t->step == PROXY_REQUEST)
        return feed_socks_reply(t, in, n);
    if (n < 2)
        return ERR_NONE;
    if (n > 2)
        return refuse(t, "sent bytes that nobody asked for");
    second = in[1];
    buf_clear(&t->in);
    if (t->step == PROXY_GREETING)
        return on_method(t, second);
    return second == 0 ? ask_socks(t) : refuse(t, "did not accept the credentials");
}

/* ---- both ---- */

enum err proxy_talk_init(struct proxy_talk *t, const struct proxy *p, const struct endpoint *to)
{
    *t = (struct proxy_talk){ .proxy = p, .to = to, .step = PROXY_GREETING };
    buf_init(&t->in, REPLY_MAX);
    buf_init(&t->out, REQUEST_MAX);
    return p->type == PROXY_HTTP ? ask_http(t) : greet_socks(t);
}

enum err proxy_talk_feed(struct proxy_talk *t, struct str in)
{
    enum err err = buf_add(&t->in, in);

    if (err == ERR_TOO_BIG)
        return refuse(t, "gave an answer without end");
    if (err)
        return err;
    return t->proxy->type == PROXY_HTTP ? feed_http(t) : feed_socks(t);
}

void proxy_talk_deinit(struct proxy_talk *t)
{
    buf_wipe(&t->out);
    buf_deinit(&t->in);
}
