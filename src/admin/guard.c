/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use the operators' API. Decided on the head, before a body is read. */
#include "admin/admin_internal.h"

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

static void require_admin_key(const struct secret *want, struct http_request *r)
{
    struct str key = bearer(&r->head);

    if (secret_eq(want, key))
        return;
    if (key.n)
        gateway_reply_error(r, FAILURE_WRONG_KEY,
                            "The key is wrong. Use the ADMIN_KEY of this gateway.");
    else
        gateway_reply_error(r, FAILURE_MISSING_KEY,
                            "No key was sent. Send the ADMIN_KEY of this gateway as "
                            "\"Authorization: Bearer KEY\".");
}

void admin_guard(struct gateway_worker *w, struct http_request *r, size_t *max_body)
{
    const struct secret *key = &w->view->settings->admin_key;
    const struct admin_row *row;
    bool known;

    admin_mark(r);
    if (*max_body > ADMIN_BODY_MAX)
        *max_body = ADMIN_BODY_MAX;
    if (!is_own_page(r))
        return;
    if (!secret_is_set(key)) {
        gateway_reply_error(r, FAILURE_ADMIN_DISABLED,
                            "The operators' API is off, since this gateway has no ADMIN_KEY. Set "
                            "one in its settings (for example: openssl rand -hex 32), and reload.");
        return;
    }
    row = admin_find(admin_path(r), r->head.method, &known);
    if (!row || !(row->needs & ADMIN_OPEN))
        require_admin_key(key, r);
}
