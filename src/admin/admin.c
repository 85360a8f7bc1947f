/* SPDX-License-Identifier: Apache-2.0 */
/* From a request of an operator to its handler. */
#include <stdio.h>

#include "admin/admin_internal.h"
#include "base/mem.h"
#include "http/url.h"

struct admin *admin_new(void)
{
    struct admin *a = mem_new(struct admin);

    a->sessions = sessions_new();
    a->tries = tries_new();
    return a;
}

void admin_free(struct admin *a)
{
    if (!a)
        return;
    sessions_free(a->sessions);
    tries_free(a->tries);
    mem_free(a);
}

bool admin_has(const struct http_request *r)
{
    return str_starts(r->head.path, STR(ADMIN_PREFIX));
}

void admin_mark(struct http_request *r)
{
    r->extra_headers =
        arena_printf(&r->arena, "%.*scache-control: no-store\r\n", STR_ARGS(r->extra_headers));
}

/* "GET, HEAD, PATCH" */
static struct str allowed_methods(struct http_request *r)
{
    static const enum http_method methods[] = { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH,
                                                HTTP_DELETE };
    struct str list = STR("");
    bool known;

    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (admin_find(admin_path(r), methods[i], &known))
            list =
                arena_printf(&r->arena, "%.*s%s%s%s", STR_ARGS(list), list.n ? ", " : "",
                             http_method_name(methods[i]), methods[i] == HTTP_GET ? ", HEAD" : "");
    return list;
}

static void refuse_path(struct http_request *r, bool known)
{
    struct str path = str_sub(r->head.path, 0, 200);
    struct str methods;

    if (!known) {
        gateway_reply_error(r, FAILURE_NOT_FOUND,
                            "There is no %.*s here. " ADMIN_PREFIX "openapi.json says what is.",
                            STR_ARGS(path));
        return;
    }
    methods = allowed_methods(r);
    r->extra_headers = arena_printf(&r->arena, "%.*sallow: %.*s\r\n", STR_ARGS(r->extra_headers),
                                    STR_ARGS(methods));
    gateway_reply_error(r, FAILURE_METHOD, "%.*s does not take %.*s; it takes %.*s.",
                        STR_ARGS(path), STR_ARGS(str_sub(r->head.method_text, 0, 32)),
                        STR_ARGS(methods));
}

/* Who changed what can be read in the log. */
static void note_change(const struct http_request *r)
{
    if (r->head.method == HTTP_GET || r->head.method == HTTP_HEAD)
        return;
    log_info("operator asked for a change", LOG_Z("request_id", r->id),
             LOG_STR("method", r->head.method_text),
             LOG_STR("path", str_sub(r->head.path, 0, 200)));
}

void handle_admin(struct gateway_worker *w, struct http_request *r)
{
    struct admin_call *c = arena_new(&r->arena, struct admin_call);
    bool known;

    c->worker = w;
    c->request = r;
    c->row = admin_find(admin_path(r), r->head.method, &known);
    if (!c->row || !admin_take_ids(c, admin_path(r))) {
        refuse_path(r, !c->row && known);
        return;
    }
    note_change(r);
    c->row->handle(c);
}

/* ---- for handlers ---- */

bool admin_body(struct admin_call *c, struct json *j)
{
    json_init(j, c->request->body, 16);
    if (json_enter_object(j))
        return true;
    gateway_reply_error(c->request, FAILURE_BAD_REQUEST, "The body must be a JSON object.");
    return false;
}

bool admin_body_end(struct admin_call *c, struct json *j)
{
    if (json_end(j) == ERR_NONE)
        return true;
    gateway_reply_error(c->request, FAILURE_BAD_REQUEST, "The body is no JSON: see byte %zu.",
                        json_offset(j));
    return false;
}

bool admin_query(struct admin_call *c, const char *name, struct str *ret)
{
    struct str query = c->request->head.query;
    char *out = arena_alloc(&c->request->arena, ADMIN_ID_SIZE);

    *ret = (struct str){ NULL, 0 };
    if (url_query_get(query, name, out, ADMIN_ID_SIZE))
        *ret = str_of(out);
    if (ret->p || !url_query_has(query, name))
        return true;
    admin_refuse(c, name, "%s: it is too long, or not written as URLs have it.", name);
    return false;
}

void admin_refuse(struct admin_call *c, const char *param, const char *format, ...)
{
    struct failure f;
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    failure_set(&f, &c->request->arena, FAILURE_BAD_REQUEST, "%s", text);
    f.param = str_of(param);
    gateway_note_refusal(c->request, &f);
    gateway_reply_failure(c->request, NULL, &f);
}

void admin_answer(struct json_writer *j, struct buf *out)
{
    buf_init(out, ADMIN_ANSWER_MAX);
    json_w_init(j, out);
}

void admin_answer_end(struct admin_call *c, int status, struct json_writer *j)
{
    struct buf *out = j->out;

    gateway_reply_written(c->request, status, j);
    buf_deinit(out);
}

void admin_done(struct admin_call *c)
{
    http_reply(c->request, 204, NULL, 0, STR(""));
}
