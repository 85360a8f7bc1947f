/* SPDX-License-Identifier: Apache-2.0 */
/* Between guard.c (who may), admin.c (which handler) and find.c (paths). */
#pragma once

#include "admin/admin.h"
#include "admin/session.h"
#include "admin/tries.h"
#include "net/timer.h"

#define SESSION_COOKIE "enginelabs2api_session"

enum { LISTENERS_MAX = 16 }; /* of what runs */

/* The one check of an account that may run, on the loop that took it. It is not in the request's
 * arena: the upstream's answer may come when that is gone. */
struct account_check {
    atomic_bool is_taken;
    struct gateway_worker *worker;
    struct gateway_view *view;    /* held; NULL: given back, since the gateway ends */
    struct http_request *request; /* NULL: who asked has left */
    struct timer watch;           /* for the end of the gateway */
    size_t upstream;
    char account[ADMIN_ID_SIZE];
};

struct admin {
    struct sessions *sessions;
    struct tries *tries;
    atomic_uint listeners;
    struct account_check check;
};

/* The row for the path and method, or NULL; then `ret_known`: other methods have one. */
const struct admin_row *admin_find(struct str path, enum http_method method, bool *ret_known);

/* What stands for the {names} of the row's path, decoded into the call's request. False: it cannot
 * be decoded. */
bool admin_take_ids(struct admin_call *c, struct str path);

/* Whether it is the ADMIN_KEY. Else, or after too many wrong ones, answers the request. */
bool admin_judge_key(struct gateway_worker *w, struct http_request *r, struct str key);

/* The session that the request's cookie names. False: none that lives. */
bool admin_session_of(struct gateway_worker *w, const struct http_request *r, struct session *ret);

/* The token in the cookie; p NULL: none. */
struct str admin_session_token(const struct http_request *r);

/* Whether the key or the session that the request came with still opens the API. */
bool admin_may_still(struct gateway_worker *w, const struct http_request *r);

/* Members of the overview, without the minutes. */
void admin_write_overview(const struct gateway_worker *w, struct json_writer *j);

/* 403 where there is no ADMIN_KEY. */
bool admin_is_enabled(struct gateway_worker *w, struct http_request *r);

/* What all answers have, errors too. Once a request. */
void admin_mark(struct http_request *r);

static inline struct str admin_path(const struct http_request *r)
{
    return str_from(r->head.path, sizeof(ADMIN_PREFIX) - 1);
}
