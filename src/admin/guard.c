/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use the operators' API. Decided on the head, before a body is read. */
#include "admin/admin_internal.h"
#include "gateway/principal.h"

/* The host of an Origin ("https://gw.example:8443") is the one that was asked: a page that this
 * gateway served. CORS_ORIGINS is for clients of models; nobody else's page operates a gateway. */
static bool origin_is_own(struct str origin, struct str host)
{
    size_t scheme = str_find(origin, STR("://"));

    return scheme != SIZE_MAX && host.n > 0 && str_eq_nocase(str_from(origin, scheme + 3), host);
}

static bool is_own_page(struct http_request *r)
{
    struct str origin = http_value(&r->head, "origin");

    if (!origin.p || origin_is_own(origin, r->head.host))
        return true;
    gateway_reply_error(r, FAILURE_FORBIDDEN,
                        "The operators' API takes no requests from web pages of other origins. "
                        "Behind a proxy, let it pass the Host header on.");
    return false;
}

static struct str bearer(const struct http_head *head)
{
    struct str key;

    if (str_eq_nocase(str_cut(http_value(head, "authorization"), ' ', &key), STR("bearer")))
        return str_trim(key);
    return (struct str){ NULL, 0 };
}

/* Behind a proxy on this machine all connections come from here: what it says last of where they
 * come from counts, which no client can say in its place. */
static struct str address_of(const struct http_request *r)
{
    struct str list = http_value(&r->head, "x-forwarded-for");
    struct str peer = http_request_peer(r);
    struct str item;

    if (!http_request_peer_is_loopback(r) && !str_eq(peer, STR("unix")))
        return peer;
    while (str_next_item(&list, &item))
        peer = item;
    return peer;
}

bool admin_judge_key(struct gateway_worker *w, struct http_request *r, struct str key)
{
    bool is_right = secret_eq(&w->view->settings->admin_key, key);
    int64_t wait_ms =
        tries_judge(w->gateway->admin->tries, address_of(r), is_right, loop_now_ms(w->loop));
    struct failure f;

    if (wait_ms == 0 && is_right)
        return true;
    if (wait_ms == 0) {
        gateway_reply_error(r, FAILURE_WRONG_KEY,
                            "The key is wrong. Use the ADMIN_KEY of this gateway.");
        return false;
    }
    failure_set(&f, &r->arena, FAILURE_RATE_LIMIT,
                "Too many wrong keys came from this address; try again in %lld s.",
                (long long)((wait_ms + 999) / 1000));
    f.retry_after_ms = wait_ms;
    gateway_note_refusal(r, &f);
    gateway_reply_failure(r, NULL, &f);
    return false;
}

struct str admin_session_token(const struct http_request *r)
{
    struct str cookies = http_value(&r->head, "cookie");

    while (cookies.n) {
        struct str value;
        struct str name = str_trim(str_cut(str_cut(cookies, ';', &cookies), '=', &value));

        if (str_eq(name, STR(SESSION_COOKIE)))
            return str_trim(value);
    }
    return (struct str){ NULL, 0 };
}

bool admin_session_of(struct gateway_worker *w, const struct http_request *r, struct session *ret)
{
    return sessions_find(w->gateway->admin->sessions, admin_session_token(r),
                         secret_reveal(&w->view->settings->admin_key), loop_wall_ms(w->loop) / 1000,
                         ret);
}

static bool changes(const struct http_request *r)
{
    return r->head.method != HTTP_GET && r->head.method != HTTP_HEAD;
}

/* A page of another site makes browsers send the cookie perhaps, but never this header. */
static bool has_csrf_token(struct http_request *r, const struct session *session)
{
    if (!changes(r) ||
        str_eq_constant_time(http_value(&r->head, "x-csrf-token"), str_of(session->csrf)))
        return true;
    gateway_reply_error(r, FAILURE_FORBIDDEN,
                        "Requests of a session that change something carry its token, as "
                        "x-csrf-token. GET " ADMIN_PREFIX "session says which.");
    return false;
}

static void require_sign_in(struct gateway_worker *w, struct http_request *r)
{
    struct str key = bearer(&r->head);
    struct session session;

    if (key.n)
        (void)admin_judge_key(w, r, key);
    else if (admin_session_of(w, r, &session))
        (void)has_csrf_token(r, &session);
    else if (admin_session_token(r).p)
        gateway_reply_error(r, FAILURE_MISSING_KEY,
                            "The session is over. Sign in again with the ADMIN_KEY.");
    else
        gateway_reply_error(r, FAILURE_MISSING_KEY,
                            "No key was sent. Send the ADMIN_KEY of this gateway as "
                            "\"Authorization: Bearer KEY\".");
}

/* What came by the control socket has no row of the gateway's, and needs nothing. */
bool admin_may_still(struct gateway_worker *w, const struct http_request *r)
{
    struct str key = bearer(&r->head);
    struct session session;

    if (!request_context_of(r)->row)
        return true;
    return key.n ? secret_eq(&w->view->settings->admin_key, key) : admin_session_of(w, r, &session);
}

bool admin_is_enabled(struct gateway_worker *w, struct http_request *r)
{
    if (secret_is_set(&w->view->settings->admin_key))
        return true;
    gateway_reply_error(r, FAILURE_ADMIN_DISABLED,
                        "The operators' API is off, since this gateway has no ADMIN_KEY. Set one "
                        "in its settings (for example: openssl rand -hex 32), and reload.");
    return false;
}

void admin_guard(struct gateway_worker *w, struct http_request *r, size_t *max_body)
{
    const struct admin_row *row;
    bool known;

    admin_mark(r);
    if (*max_body > ADMIN_BODY_MAX)
        *max_body = ADMIN_BODY_MAX;
    if (!is_own_page(r) || !admin_is_enabled(w, r))
        return;
    row = admin_find(admin_path(r), r->head.method, &known);
    if (!row || !(row->needs & ADMIN_OPEN))
        require_sign_in(w, r);
}
