/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the page. */
#include "admin/page.h"

#include "admin/embedded.h"

/* Nothing of others, nothing inline, in no frame. `no-cache`: asked again each time, answered 304.
 */
static const char HEADERS[] =
    "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'\r\n"
    "x-content-type-options: nosniff\r\n"
    "referrer-policy: no-referrer\r\n"
    "cross-origin-opener-policy: same-origin\r\n"
    "cross-origin-resource-policy: same-origin\r\n"
    "cache-control: no-cache\r\n"
    "vary: accept, accept-encoding\r\n";

static const char *type_of(struct str name)
{
    static const struct {
        const char *end, *type;
    } types[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".mjs", "text/javascript; charset=utf-8" },
        { ".json", "application/json" },
        { ".svg", "image/svg+xml" },
        { ".png", "image/png" },
        { ".ico", "image/x-icon" },
    };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_ends(name, str_of(types[i].end)))
            return types[i].type;
    return "text/plain; charset=utf-8";
}

/* "q=0", "q=0.000": not at all. */
static bool is_refused(struct str parameters)
{
    struct str value = str_trim(parameters);

    if (!str_starts_nocase(value, STR("q=0")))
        return false;
    for (size_t i = 3; i < value.n; i++)
        if (value.p[i] >= '1' && value.p[i] <= '9')
            return false;
    return true;
}

bool page_takes_gzip(struct str accept_encoding)
{
    struct str item, parameters;
    bool takes_any = !accept_encoding.p;

    while (str_next_item(&accept_encoding, &item)) {
        struct str coding = str_trim(str_cut(item, ';', &parameters));

        if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
            return !is_refused(parameters);
        if (str_eq(coding, STR("*")))
            takes_any = !is_refused(parameters);
    }
    return takes_any;
}

static void refuse_coding(struct http_request *r)
{
    struct failure f;

    failure_set(&f, &r->arena, FAILURE_BAD_REQUEST,
                "The page is there compressed only: send \"Accept-Encoding: gzip\".");
    f.status = 406;
    gateway_note_refusal(r, &f);
    gateway_reply_failure(r, NULL, &f);
}

static void answer(struct http_request *r, const struct embedded *e)
{
    const struct http_header headers[] = { { STR("content-type"),
                                             str_of(type_of(str_of(e->name))) },
                                           { STR("etag"), str_of(e->etag) },
                                           { STR("content-encoding"), STR("gzip") } };
    struct str known = http_value(&r->head, "if-none-match");

    r->extra_headers = arena_printf(&r->arena, "%.*s%s", STR_ARGS(r->extra_headers), HEADERS);
    if (!page_takes_gzip(http_value(&r->head, "accept-encoding")))
        refuse_coding(r);
    else if (str_find(known, str_of(e->etag)) != SIZE_MAX || str_eq(known, STR("*")))
        http_reply(r, 304, headers + 1, 1, STR(""));
    else
        http_reply(r, 200, headers, COUNT_OF(headers), embedded_bytes(e));
}

static bool is_on(const struct gateway_worker *w)
{
    return w->gateway->admin && w->view->settings->web_ui;
}

static bool wants_html(const struct http_request *r)
{
    struct str accept = http_value(&r->head, "accept");
    struct str item, parameters;

    while (str_next_item(&accept, &item))
        if (str_eq_nocase(str_trim(str_cut(item, ';', &parameters)), STR("text/html")))
            return true;
    return false;
}

bool page_answers(struct gateway_worker *w, struct http_request *r)
{
    const struct embedded *e;

    if (!is_on(w))
        return false;
    if (!wants_html(r)) {
        r->extra_headers =
            arena_printf(&r->arena, "%.*svary: accept\r\n", STR_ARGS(r->extra_headers));
        return false;
    }
    e = embedded_find(STR("index.html"));
    BUG_ON(!e);
    answer(r, e);
    return true;
}

void handle_page(struct gateway_worker *w, struct http_request *r)
{
    const struct embedded *e = embedded_find(str_from(r->head.path, sizeof(PAGE_PREFIX) - 1));

    if (!is_on(w))
        gateway_reply_error(r, FAILURE_NOT_FOUND,
                            "The page is off. WEB_UI=true in the settings turns it on.");
    else if (!e || !e->is_gzip)
        gateway_reply_error(r, FAILURE_NOT_FOUND, "The page has no file %.*s.",
                            STR_ARGS(str_sub(r->head.path, 0, 200)));
    else
        answer(r, e);
}
