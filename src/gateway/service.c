/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to its handler: path, method, key, and what protects a gateway
 * without a key from web pages. All of it is decided on the head, before a body is read.
 */
#include "gateway/service.h"

#include <stdio.h>

#include "gateway/access.h"
#include "gateway/cors.h"
#include "net/timer.h"

/* ---- who asks what ---- */

static const struct request_context no_context = { .row = NULL, .principal = &principal_master };

const struct request_context *request_context_of(const struct http_request *r)
{
    return r->context ? r->context : &no_context;
}

static struct request_context *context_new(struct http_request *r, const struct gateway_path *row)
{
    struct request_context *context = arena_new(&r->arena, struct request_context);

    context->row = row;
    context->principal = &principal_master;
    return context;
}

/* ---- DNS rebinding and web pages, when nothing else protects ---- */

/* Nothing, or a colon and at most 65535. */
static bool is_port(struct str text)
{
    uint64_t number;

    if (text.n <= 1)
        return text.n == 0 || text.p[0] == ':';
    return text.p[0] == ':' && str_to_u64(str_from(text, 1), UINT16_MAX, &number) == ERR_NONE;
}

/* Strict, since an Origin comes as it was sent: what is behind the name must be a port. */
bool host_is_loopback(struct str host)
{
    bool is_v6 = host.n > 0 && host.p[0] == '[';
    size_t end = str_find_char(host, is_v6 ? ']' : ':');
    struct str name = str_sub(host, is_v6, end - is_v6);
    struct endpoint e = { .port = 0 };

    if (is_v6 && (end == SIZE_MAX || str_find_char(name, ':') == SIZE_MAX))
        return false;
    if (end != SIZE_MAX && !is_port(str_from(host, end + is_v6)))
        return false;
    if (name.n == 0 || name.n > HOST_MAX || memchr(name.p, '\0', name.n))
        return false;
    str_to_z(name, e.host, sizeof(e.host));
    return endpoint_is_loopback(&e);
}

bool origin_is_loopback(struct str origin)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (str_starts_nocase(origin, str_of(schemes[i])))
            return host_is_loopback(str_from(origin, strlen(schemes[i])));
    return false;
}

static bool is_json(const struct http_head *head)
{
    struct str type = str_cut(http_value(head, "content-type"), ';', &(struct str){ NULL, 0 });

    return str_eq_nocase(str_trim(type), STR("application/json"));
}

/* A page of another origin can send a form without asking first, but with none of these headers
 * (Fetch standard: they are not safelisted, so the browser asks by a preflight request). */
static bool bears_credentials(const struct http_head *head)
{
    return http_value(head, "authorization").n > 0 || http_value(head, "x-api-key").n > 0;
}

/* Beyond loopback the gateway has names that it does not know: a page that it served itself asks
 * under the one that stands in its Origin. */
static bool origin_is_ours(const struct settings *s, struct str origin, struct str host)
{
    size_t scheme = str_find(origin, STR("://"));

    if (origin_is_loopback(origin) || cors_allows(s, origin))
        return true;
    return !endpoint_is_loopback(&s->listen) && scheme != SIZE_MAX && host.n > 0 &&
           str_eq_nocase(str_from(origin, scheme + 3), host);
}

static bool is_no_web_page(struct gateway_worker *w, struct http_request *r,
                           const struct gateway_path *row)
{
    const struct dialect_ops *dialect = row->dialect;
    unsigned needs = row->needs;
    const struct settings *s = w->view->settings;
    struct str origin = http_value(&r->head, "origin");

    if (secret_is_set(&s->api_master_key) || s->n_keys > 0)
        return true;
    if (endpoint_is_loopback(&s->listen) && !s->listen.is_unix && r->head.host.n &&
        !host_is_loopback(r->head.host)) {
        gateway_reply_error_as(
            r, dialect, FAILURE_FORBIDDEN,
            "This gateway has no key and answers only to the Host localhost or 127.0.0.1; set "
            "API_MASTER_KEY to use it under another name.");
        return false;
    }
    if (origin.p && !origin_is_ours(s, origin, r->head.host)) {
        gateway_reply_error_as(
            r, dialect, FAILURE_FORBIDDEN,
            "This gateway has no key and takes no requests from web pages of other origins; set "
            "API_MASTER_KEY and CORS_ORIGINS to allow one.");
        return false;
    }
    if ((needs & PATH_STREAM) && r->head.framing != HTTP_BODY_NONE && !is_json(&r->head) &&
        !bears_credentials(&r->head)) {
        gateway_reply_error_as(r, dialect, FAILURE_MEDIA_TYPE,
                               "This gateway has no key: send the body with \"Content-Type: "
                               "application/json\", or with any \"Authorization\" header, which a "
                               "web page cannot add unasked.");
        return false;
    }
    if ((needs & PATH_JSON) && !is_json(&r->head)) {
        gateway_reply_error_as(r, dialect, FAILURE_MEDIA_TYPE,
                               "The body must be sent with \"Content-Type: application/json\".");
        return false;
    }
    return true;
}

/* ---- paths ---- */

static bool path_matches(const struct gateway_path *row, struct str path)
{
    struct str pattern = str_of(row->path);

    if (row->needs & PATH_PREFIX)
        return path.n > pattern.n && str_starts(path, pattern);
    return str_eq(path, pattern);
}

static bool method_matches(const struct gateway_path *row, enum http_method method)
{
    return row->method == method || (row->method == HTTP_GET && method == HTTP_HEAD);
}

const struct gateway_path *gateway_find_path(const struct gateway *g, const struct http_head *head,
                                             bool *ret_known)
{
    *ret_known = false;
    for (const struct gateway_path *row = g->paths; row->path; row++) {
        if (!path_matches(row, head->path))
            continue;
        *ret_known = true;
        if (method_matches(row, head->method))
            return row;
    }
    return NULL;
}

const struct dialect_ops *gateway_dialect_of(const struct gateway *g, struct str path)
{
    for (const struct gateway_path *row = g->paths; row->path; row++) {
        size_t n = strlen(row->path);
        bool is_below = path.n > n && path.p[n] == '/' && str_starts(path, str_of(row->path));

        if (row->dialect && (is_below || path_matches(row, path)))
            return row->dialect;
    }
    return NULL;
}

/* "GET, HEAD" */
static void allowed_methods(const struct gateway *g, struct str path, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (const struct gateway_path *row = g->paths; row->path; row++) {
        if (!path_matches(row, path) || n + 32 > cap)
            continue;
        n += (size_t)snprintf(out + n, cap - n, "%s%s%s", n ? ", " : "",
                              http_method_name(row->method),
                              row->method == HTTP_GET ? ", HEAD" : "");
    }
}

/* Besides x-request-id, which every answer has. */
static void add_id_header(struct http_request *r, const struct dialect_ops *dialect)
{
    if (dialect && dialect->id_header)
        r->extra_headers = arena_printf(&r->arena, "%.*s%s: %s\r\n", STR_ARGS(r->extra_headers),
                                        dialect->id_header, r->id);
}

static void refuse_path(struct gateway_worker *w, struct http_request *r, bool known)
{
    const struct dialect_ops *dialect = gateway_dialect_of(w->gateway, r->head.path);
    char methods[128];
    struct str allow, body;
    struct buf out;
    struct failure f;

    add_id_header(r, dialect);
    if (!known) {
        gateway_reply_error_as(r, dialect, FAILURE_NOT_FOUND,
                               "There is no %.*s here. Known paths begin with /v1/.",
                               STR_ARGS(str_sub(r->head.path, 0, 200)));
        return;
    }
    allowed_methods(w->gateway, r->head.path, methods, sizeof(methods));
    allow = str_of(methods);
    failure_set(&f, &r->arena, FAILURE_METHOD, "%.*s does not take %.*s; it takes %s.",
                STR_ARGS(str_sub(r->head.path, 0, 200)),
                STR_ARGS(str_sub(r->head.method_text, 0, 32)), methods);
    gateway_note_refusal(r, &f);
    f.request_id = str_of(r->id);
    buf_init(&out, 4096);
    dialect = dialect ? dialect : &dialect_openai_chat;
    body = dialect->error(&f, &out) ? STR("{}") : buf_str(&out);
    const struct http_header headers[] = { { STR("allow"), allow },
                                           { STR("content-type"), STR("application/json") } };
    http_reply(r, failure_row(f.kind)->status, headers, COUNT_OF(headers), body);
    buf_deinit(&out);
}

/* Where another process has the socket, or will, who comes late on a connection that is open is
 * served: the other one never sees it. */
static bool is_closing(const struct gateway *g)
{
    return atomic_load(&g->draining) && !g->has_next;
}

/* ---- the service ---- */

static void on_head(void *arg, struct http_request *r, size_t *max_body)
{
    struct gateway_worker *w = arg;
    bool known;
    const struct gateway_path *row;

    cors_add_headers(w->view->settings, r);
    if (cors_preflight(w->view->settings, r))
        return;
    row = gateway_find_path(w->gateway, &r->head, &known);
    if (!row) {
        refuse_path(w, r, known);
        return;
    }
    r->context = context_new(r, row);
    add_id_header(r, row->dialect);
    r->streams_body = (row->needs & PATH_STREAM) != 0;
    if (!is_no_web_page(w, r, row))
        return;
    if (row->needs & PATH_GUARD)
        w->gateway->guard(w, r, max_body);
    if (row->needs & PATH_KEY)
        access_check(w, r, row->dialect);
    if ((row->needs & PATH_KEY) && !http_reply_is_begun(r) && is_closing(w->gateway))
        gateway_reply_error_as(r, row->dialect, FAILURE_OVERLOADED,
                               "The gateway is shutting down; try again in a moment.");
}

static void on_request(void *arg, struct http_request *r)
{
    const struct gateway_path *row = request_context_of(r)->row;

    BUG_ON(!row);
    row->handle(arg, r);
}

/* Errors of HTTP itself, in the shape of the path's API: whatever the path, the client sees JSON.
 */
static void write_error(void *arg, const struct http_request *r, int status, const char *what,
                        struct buf *out)
{
    const struct failure f = { .kind = failure_of_status(status),
                               .message = str_of(what),
                               .request_id = str_of(r->id) };
    const struct gateway_worker *w = arg;
    const struct dialect_ops *dialect = gateway_dialect_of(w->gateway, r->head.path);

    dialect = dialect ? dialect : &dialect_openai_chat;
    if (dialect->error(&f, out))
        buf_clear(out);
}

const struct http_service gateway_service = {
    .on_head = on_head,
    .on_request = on_request,
    .write_error = write_error,
};
