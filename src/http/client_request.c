/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests. What a caller gives is checked here, so that nothing it got from a user can
 * end a line early. */
#include "http/client_internal.h"

enum { HEAD_USUAL = 1024 }; /* bytes that most heads have room in */

static bool has_header(const struct http_call_params *p, const char *name)
{
    for (size_t i = 0; i < p->n_headers; i++)
        if (str_eq_nocase(p->headers[i].name, str_of(name)))
            return true;
    return false;
}

static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

size_t http_call_body_size(const struct http_call_params *p)
{
    size_t n = p->body.n;

    for (size_t i = 0; i < HTTP_BODY_MORE; i++)
        n += p->more[i].n;
    return n;
}

static bool wants_length(const struct http_call_params *p)
{
    return http_call_body_size(p) > 0 || p->method == HTTP_POST || p->method == HTTP_PUT ||
           p->method == HTTP_PATCH;
}

static enum err check(const struct http_call_params *p)
{
    if (!is_visible(p->target) || p->target.n + strlen(p->url->path) == 0)
        return ERR_BAD_INPUT;
    for (size_t i = 0; i < p->n_headers; i++)
        if (!http_name_is_safe(p->headers[i].name) || !http_value_is_safe(p->headers[i].value))
            return ERR_BAD_INPUT;
    return ERR_NONE;
}

static enum err add_ours(struct buf *out, const struct http_call_params *p)
{
    char digits[STR_U64_MAX];
    enum err err = ERR_NONE;

    if (!has_header(p, "accept-encoding"))
        err = buf_add(out, STR("Accept-Encoding: identity\r\n"));
    if (!err && !has_header(p, "user-agent"))
        err = buf_add(out, STR("User-Agent: enginelabs-2api\r\n"));
    if (!err && p->is_streamed && p->length == HTTP_LENGTH_UNKNOWN)
        err = buf_add(out, STR("Transfer-Encoding: chunked\r\n"));
    else if (!err && (p->is_streamed || wants_length(p)))
        err = buf_add_all(
            out, STRS(STR("Content-Length: "),
                      str_of_u64(p->is_streamed ? p->length : http_call_body_size(p), digits),
                      STR("\r\n")));
    return err;
}

enum err client_write_head(struct buf *out, const struct http_call_params *p)
{
    char host[HOST_MAX + 9];
    char *room;
    enum err err = check(p);

    if (!err)
        err = buf_reserve(out, HEAD_USUAL, &room);
    if (!err)
        err = buf_add_all(out, STRS(str_of(http_method_name(p->method)), STR(" "),
                                    str_of(p->url->path), p->target, STR(" HTTP/1.1\r\nHost: "),
                                    str_of(url_host_header(p->url, host)), STR("\r\n")));
    if (!err)
        err = add_ours(out, p);
    for (size_t i = 0; i < p->n_headers && !err; i++)
        err =
            buf_add_all(out, STRS(p->headers[i].name, STR(": "), p->headers[i].value, STR("\r\n")));
    if (!err)
        err = buf_add(out, STR("\r\n"));
    return err;
}
