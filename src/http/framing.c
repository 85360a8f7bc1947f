/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Length, coding, connection and host of a message. A message whose end could be read in two
 * ways is refused, never repaired (RFC 9112 6.3 and 11.2). A response without either length or
 * coding ends with its connection.
 */
#include "http/framing.h"

#include "http/syntax.h"

static enum err refuse(struct http_refusal *why, int status, const char *what)
{
    *why = (struct http_refusal){ status, what };
    return ERR_BAD_INPUT;
}

static enum err note_length(struct framing *f, struct str value, struct http_refusal *why)
{
    uint64_t length;

    if (str_to_u64(value, INT64_MAX, &length))
        return refuse(why, 400, "a malformed Content-Length");
    if (f->has_length && f->length != length)
        return refuse(why, 400, "two different Content-Length headers");
    f->has_length = true;
    f->length = length;
    return ERR_NONE;
}

/* 501 for codings that exist elsewhere (RFC 9112 6.1), 400 for what means two things. */
static enum err refuse_coding(struct str value, struct http_refusal *why)
{
    struct str item = { NULL, 0 };
    bool was_chunked = false;
    size_t n = 0;

    while (str_next_item(&value, &item)) {
        if (was_chunked || !syntax_is_token(item))
            return refuse(why, 400, "a malformed Transfer-Encoding");
        was_chunked = str_eq_nocase(item, STR("chunked"));
        n++;
    }
    if (n == 0 || (n == 1 && was_chunked))
        return refuse(why, 400, "a malformed Transfer-Encoding");
    return refuse(why, 501, "a transfer coding other than chunked");
}

static enum err note_coding(struct framing *f, const struct http_header *x,
                            struct http_refusal *why)
{
    if (f->is_chunked)
        return refuse(why, 400, "two Transfer-Encoding headers");
    /* A tab is legal around a value, but servers are known that then do not see the coding. */
    for (const char *p = x->name.p + x->name.n; *p != '\r'; p++)
        if (*p == '\t')
            return refuse(why, 400, "a tab in Transfer-Encoding");
    if (!str_eq_nocase(x->value, STR("chunked")))
        return refuse_coding(x->value, why);
    f->is_chunked = true;
    return ERR_NONE;
}

static void note_connection(struct framing *f, struct str list)
{
    struct str item;

    while (str_next_item(&list, &item)) {
        f->has_close |= str_eq_nocase(item, STR("close"));
        f->has_keep_alive |= str_eq_nocase(item, STR("keep-alive"));
        f->has_upgrade |= str_eq_nocase(item, STR("upgrade"));
    }
}

static void note_host(struct framing *f, struct str value)
{
    f->n_hosts++;
    f->host = value;
}

enum err framing_note(struct framing *f, const struct http_header *x, struct http_refusal *why)
{
    switch (x->name.n) {
    case 4:
        if (str_eq_nocase(x->name, STR("Host")))
            note_host(f, x->value);
        return ERR_NONE;
    case 6:
        if (str_eq_nocase(x->name, STR("Expect")))
            f->expects_continue |= http_list_has(x->value, "100-continue");
        return ERR_NONE;
    case 7:
        if (str_eq_nocase(x->name, STR("Upgrade")))
            f->names_protocol = true;
        return ERR_NONE;
    case 10:
        if (str_eq_nocase(x->name, STR("Connection")))
            note_connection(f, x->value);
        return ERR_NONE;
    case 14:
        if (str_eq_nocase(x->name, STR("Content-Length")))
            return note_length(f, x->value, why);
        return ERR_NONE;
    case 17:
        if (str_eq_nocase(x->name, STR("Transfer-Encoding")))
            return note_coding(f, x, why);
        return ERR_NONE;
    default:
        return ERR_NONE;
    }
}

static enum err check_host(const struct framing *f, const struct http_head *h,
                           struct http_refusal *why)
{
    struct str port;

    if (f->n_hosts == 0 && h->minor_version > 0)
        return refuse(why, 400, "no Host header");
    if (f->n_hosts > 1)
        return refuse(why, 400, "two Host headers");
    if (f->n_hosts == 1 && !syntax_is_authority(f->host, &port))
        return refuse(why, 400, "a malformed Host header");
    return ERR_NONE;
}

static void set_connection(const struct framing *f, struct http_head *h)
{
    h->keep_alive = !f->has_close && (h->minor_version > 0 || f->has_keep_alive);
    /* RFC 9110 7.8 and 10.1.1: HTTP/1.0 knows neither. */
    h->upgrade = h->minor_version > 0 && f->has_upgrade && f->names_protocol;
    h->expect_continue = h->minor_version > 0 && f->expects_continue;
}

static enum err set_framing(const struct framing *f, enum http_framing otherwise,
                            struct http_head *h, struct http_refusal *why)
{
    if (f->is_chunked && f->has_length)
        return refuse(why, 400, "Content-Length beside Transfer-Encoding");
    if (f->is_chunked && h->minor_version == 0)
        return refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
    h->framing = otherwise;
    if (f->is_chunked)
        h->framing = HTTP_BODY_CHUNKED;
    else if (f->has_length)
        h->framing = HTTP_BODY_LENGTH;
    h->content_length = f->length;
    return ERR_NONE;
}

enum err framing_of_request(const struct framing *f, struct http_head *h, struct http_refusal *why)
{
    enum err err = check_host(f, h, why);

    if (err)
        return err;
    if (!h->host.p)
        h->host = f->host;
    set_connection(f, h);
    return set_framing(f, HTTP_BODY_NONE, h, why);
}

enum err framing_of_response(const struct framing *f, enum http_method asked, struct http_head *h,
                             struct http_refusal *why)
{
    bool never_has_body = h->status < 200 || h->status == 204;
    enum err err = set_framing(f, HTTP_BODY_UNTIL_CLOSE, h, why);

    if (err)
        return err;
    set_connection(f, h);
    /* RFC 9112 6.1: such a server may send the body all the same; nothing after it can be trusted.
     */
    if (never_has_body && (f->is_chunked || f->length > 0))
        h->keep_alive = false;
    if (never_has_body || h->status == 304 || asked == HTTP_HEAD)
        h->framing = HTTP_BODY_NONE;
    if (h->framing == HTTP_BODY_UNTIL_CLOSE)
        h->keep_alive = false;
    return ERR_NONE;
}
