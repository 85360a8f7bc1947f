/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in and sign-out of the page. */
#include "admin/admin_internal.h"
#include "admin/handlers.h"

static void set_cookie(struct http_request *r, const char *token, int life_s)
{
    bool is_tls = str_eq_nocase(http_value(&r->head, "x-forwarded-proto"), STR("https"));

    r->extra_headers =
        arena_printf(&r->arena,
                     "%.*sset-cookie: " SESSION_COOKIE "=%s; Path=/admin/; Max-Age=%d; HttpOnly; "
                     "SameSite=Strict%s\r\n",
                     STR_ARGS(r->extra_headers), token, life_s, is_tls ? "; Secure" : "");
}

static void answer(struct admin_call *c, const struct session *session)
{
    struct json_writer j;
    struct buf out;

    admin_answer(&j, &out);
    json_w_object(&j);
    json_w_member_str(&j, "csrf", str_of(session->csrf));
    json_w_member_int(&j, "expires", session->expires_s);
    json_w_object_end(&j);
    admin_answer_end(c, 200, &j);
}

/* False: the request was answered. */
static bool read_key(struct admin_call *c, struct str *ret)
{
    struct json_value value = { .type = JSON_NONE };
    struct str name;
    struct json j;

    if (!admin_body(c, &j))
        return false;
    while (json_next_member(&j, &name))
        if (json_key_eq(name, STR("key")))
            json_read(&j, &value);
        else
            json_skip(&j);
    if (!admin_body_end(c, &j))
        return false;
    if (json_text(&value, &c->request->arena, ret) == ERR_NONE && ret->n)
        return true;
    admin_refuse(c, "key", "\"key\" must be the ADMIN_KEY of this gateway.");
    return false;
}

void admin_session_make(struct admin_call *c)
{
    struct gateway_worker *w = c->worker;
    struct session session;
    struct str key;

    if (!admin_is_enabled(w, c->request) || !read_key(c, &key) ||
        !admin_judge_key(w, c->request, key))
        return;
    sessions_make(w->gateway->admin->sessions, key, loop_wall_ms(w->loop) / 1000, &session);
    set_cookie(c->request, session.token, SESSION_LIFE_S);
    answer(c, &session);
}

void admin_session_show(struct admin_call *c)
{
    struct session session;

    if (admin_session_of(c->worker, c->request, &session))
        answer(c, &session);
    else
        gateway_reply_error(c->request, FAILURE_MISSING_KEY,
                            "There is no session. Sign in with the ADMIN_KEY.");
}

void admin_session_end(struct admin_call *c)
{
    sessions_end(c->worker->gateway->admin->sessions, admin_session_token(c->request),
                 secret_reveal(&c->worker->view->settings->admin_key));
    set_cookie(c->request, "", 0);
    admin_done(c);
}
