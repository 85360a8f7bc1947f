/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP/1.1 messages (RFC 9112 2 to 6). First memchr looks for the empty line, each byte
 * once however the input is cut, and refuses a bare LF on the way; then one pass makes slices of
 * names and values. Every run of good bytes stops at a CR, and a whole head ends with one, so
 * the pass needs no further bounds. Whatever has two readings is refused: between two servers
 * that read a head differently lies request smuggling.
 */
#include "http/message.h"

#include "http/framing.h"
#include "http/syntax.h"

static enum err refuse(struct http_refusal *why, int status, const char *what)
{
    *why = (struct http_refusal){ status, what };
    return ERR_BAD_INPUT;
}

/* *ret_end is behind the empty line that ends the head; `in` has at least one byte before it. */
static enum err find_end(struct str in, size_t *scanned, size_t *ret_end, struct http_refusal *why)
{
    const char *end = in.p + in.n;
    const char *p = in.p + *scanned;

    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        size_t at = (size_t)(p - in.p);

        if (at == 0 || p[-1] != '\r')
            return refuse(why, 400, "a line that ends with LF alone");
        if (at >= 2 && p[-2] == '\n') {
            *ret_end = at + 1;
            return ERR_NONE;
        }
        p++;
    }
    *scanned = in.n;
    return ERR_AGAIN;
}

/* "HTTP/1.1" at `p`; at least 8 bytes are there. */
static enum err parse_version(const char *p, const char *end, struct http_head *h,
                              struct http_refusal *why)
{
    if (end - p < 8 || memcmp(p, "HTTP/", 5) != 0 || !syntax_is(p[5], SYNTAX_DIGIT) ||
        p[6] != '.' || !syntax_is(p[7], SYNTAX_DIGIT))
        return refuse(why, 400, "a malformed HTTP version");
    if (p[5] != '1')
        return refuse(why, 505, "an HTTP version other than 1.0 and 1.1");
    /* RFC 9110 2.5: a higher minor version is read as the highest we know. */
    h->minor_version = p[7] != '0';
    return ERR_NONE;
}

static enum err refuse_name(const char *p, bool is_empty, struct http_refusal *why)
{
    if (syntax_is_blank(*p))
        return refuse(why, 400,
                      is_empty ? "a folded header line" : "a space before a header's colon");
    if (is_empty && *p == ':')
        return refuse(why, 400, "a header without a name");
    return refuse(why, 400, "a header line without a colon or with a bad byte in its name");
}

/* One "name: value CRLF" at *p, which is moved behind it. */
static enum err parse_field(const char **p, const char *end, struct http_header *x,
                            struct http_refusal *why)
{
    const char *name = *p;
    const char *colon = syntax_run(name, end, SYNTAX_TOKEN);

    if (colon == name || *colon != ':')
        return refuse_name(colon, colon == name, why);
    const char *value = colon + 1;
    while (syntax_is_blank(*value))
        value++;
    const char *cr = syntax_value_run(value, end);
    if (cr[0] != '\r' || cr[1] != '\n')
        return refuse(why, 400, "a control byte in a header's value");
    *p = cr + 2;
    while (cr > value && syntax_is_blank(cr[-1]))
        cr--;
    x->name = (struct str){ name, (size_t)(colon - name) };
    x->value = (struct str){ value, (size_t)(cr - value) };
    return ERR_NONE;
}

/* All fields from `p` to the empty line that ends at `end`. */
static enum err parse_fields(const char *p, const char *end, struct http_head *h, struct framing *f,
                             struct http_refusal *why)
{
    while (*p != '\r') {
        enum err err;

        if (h->n_headers == HTTP_HEADERS_MAX) {
            *why = (struct http_refusal){ 431, "too many headers" };
            return ERR_TOO_BIG;
        }
        struct http_header *x = &h->headers[h->n_headers];
        err = parse_field(&p, end, x, why);
        if (err)
            return err;
        h->n_headers++;
        err = framing_note(f, x, why);
        if (err)
            return err;
    }
    return p + 2 == end ? ERR_NONE : refuse(why, 400, "a CR without LF");
}

static enum http_method method_of(struct str s)
{
    for (enum http_method m = HTTP_GET; m < HTTP_METHOD_OTHER; m++)
        if (str_eq(s, str_of(http_method_name(m))))
            return m;
    return HTTP_METHOD_OTHER;
}

/* Behind the CRLF of the line is where *p is left. */
static enum err parse_request_line(const char **p, const char *end, struct http_head *h,
                                   struct http_refusal *why)
{
    const char *space = syntax_run(*p, end, SYNTAX_TOKEN);
    if (*space != ' ')
        return refuse(why, 400, "a malformed method");
    h->method_text = (struct str){ *p, (size_t)(space - *p) };
    h->method = method_of(h->method_text);

    const char *target = space + 1;
    const char *stop = syntax_run(target, end, SYNTAX_TARGET);
    if (stop == target)
        return refuse(why, 400, "a request line without a target");
    if (*stop == '\r')
        return refuse(why, 400, "a request line without a version");
    if (*stop != ' ')
        return refuse(why, 400, "a byte that no request target may have");
    h->target = (struct str){ target, (size_t)(stop - target) };

    enum err err = parse_version(stop + 1, end, h, why);
    if (err)
        return err;
    const char *cr = stop + 9;
    if (cr[0] != '\r' || cr[1] != '\n')
        return refuse(why, 400, "a malformed HTTP version");
    *p = cr + 2;
    return ERR_NONE;
}

static void split_path(struct str s, struct http_head *h)
{
    h->path = str_cut(s, '?', &h->query);
}

/* RFC 9112 3.2.2: the target's authority replaces what Host says. */
static enum err parse_absolute(struct str rest, struct http_head *h, struct http_refusal *why)
{
    size_t n = 0;
    struct str port;

    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    h->host = str_sub(rest, 0, n);
    if (!syntax_is_authority(h->host, &port))
        return refuse(why, 400, "a malformed host in the request target");
    split_path(str_from(rest, n), h);
    if (h->path.n == 0)
        h->path = n == rest.n && h->method == HTTP_OPTIONS ? STR("*") : STR("/");
    return ERR_NONE;
}

/* The four forms of RFC 9112 3.2. */
static enum err parse_target(struct http_head *h, struct http_refusal *why)
{
    struct str t = h->target;
    struct str port;

    if (str_eq(h->method_text, STR("CONNECT"))) {
        if (!syntax_is_authority(t, &port) || port.n == 0)
            return refuse(why, 400, "a CONNECT to something other than host:port");
        h->host = t;
        return ERR_NONE;
    }
    if (t.p[0] == '/') {
        split_path(t, h);
        return ERR_NONE;
    }
    if (str_eq(t, STR("*")) && h->method == HTTP_OPTIONS) {
        h->path = t;
        return ERR_NONE;
    }
    if (str_starts_nocase(t, STR("http://")))
        return parse_absolute(str_from(t, 7), h, why);
    if (str_starts_nocase(t, STR("https://")))
        return parse_absolute(str_from(t, 8), h, why);
    return refuse(why, 400, "a request target that is neither a path nor an http URL");
}

/* Everything but the headers themselves, which are most of the struct. */
static void clear(struct http_head *h)
{
    memset(h, 0, offsetof(struct http_head, headers));
}

static enum err parse_whole_request(const char *p, const char *end, struct http_head *h,
                                    struct http_refusal *why)
{
    struct framing f = { 0 };
    enum err err = parse_request_line(&p, end, h, why);

    if (!err)
        err = parse_target(h, why);
    if (!err)
        err = parse_fields(p, end, h, &f, why);
    if (!err)
        err = framing_of_request(&f, h, why);
    return err;
}

enum err http_parse_request(struct str in, size_t *scanned, struct http_head *ret, size_t *ret_used,
                            struct http_refusal *why)
{
    size_t end;

    if (in.n == 0)
        return ERR_AGAIN;
    size_t start = in.p[0] == '\r' ? 2 : 0;
    if (start && in.n > 1 && in.p[1] != '\n')
        return refuse(why, 400, "a CR without LF");
    if (in.n <= start)
        return ERR_AGAIN;
    clear(ret);
    if (!syntax_is(in.p[start], SYNTAX_TOKEN))
        return refuse(why, 400, "something that is no HTTP request");

    if (*scanned < start)
        *scanned = start;
    enum err err = find_end(in, scanned, &end, why);
    if (err)
        return err;
    err = parse_whole_request(in.p + start, in.p + end, ret, why);
    if (err)
        return err;
    *scanned = 0;
    *ret_used = end;
    return ERR_NONE;
}

/* "HTTP/1.1 200 OK": real servers leave out the phrase, and some the space before it. */
static enum err parse_status_line(const char **p, const char *end, struct http_head *h,
                                  struct http_refusal *why)
{
    enum err err = parse_version(*p, end, h, why);
    if (err)
        return err;
    const char *s = *p + 8;
    if (end - s < 6 || s[0] != ' ' || s[1] < '1' || !syntax_is(s[1], SYNTAX_DIGIT) ||
        !syntax_is(s[2], SYNTAX_DIGIT) || !syntax_is(s[3], SYNTAX_DIGIT) ||
        (s[4] != ' ' && s[4] != '\r'))
        return refuse(why, 400, "a malformed status line");
    h->status = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');

    const char *reason = s[4] == ' ' ? s + 5 : s + 4;
    const char *cr = syntax_value_run(reason, end);
    if (cr[0] != '\r' || cr[1] != '\n')
        return refuse(why, 400, "a control byte in the status line");
    h->reason = (struct str){ reason, (size_t)(cr - reason) };
    *p = cr + 2;
    return ERR_NONE;
}

static enum err parse_whole_response(const char *p, const char *end, enum http_method method,
                                     struct http_head *h, struct http_refusal *why)
{
    struct framing f = { .is_response = true };
    enum err err = parse_status_line(&p, end, h, why);

    if (!err)
        err = parse_fields(p, end, h, &f, why);
    if (!err)
        err = framing_of_response(&f, method, h, why);
    return err;
}

enum err http_parse_response(struct str in, enum http_method method, size_t *scanned,
                             struct http_head *ret, size_t *ret_used, struct http_refusal *why)
{
    static const char prefix[] = { 'H', 'T', 'T', 'P', '/' };
    size_t end;

    if (in.n == 0)
        return ERR_AGAIN;
    clear(ret);
    if (memcmp(in.p, prefix, in.n < sizeof(prefix) ? in.n : sizeof(prefix)) != 0)
        return refuse(why, 400, "something that is no HTTP response");
    enum err err = find_end(in, scanned, &end, why);
    if (err)
        return err;
    err = parse_whole_response(in.p, in.p + end, method, ret, why);
    if (err)
        return err;
    *scanned = 0;
    *ret_used = end;
    return ERR_NONE;
}
