/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One account of the service: its cookies, its token, and how many answers run on it. The state is
 * process-wide, behind a short mutex that is never held across I/O or callbacks; each worker
 * reaches it through a port of its own. One refresh of the token runs at a time in the process: on
 * the loop of whoever asked first, but it belongs to the account and survives the asker.
 *
 * The token's life counts from its arrival here plus exp - iat, since clocks differ. In its last
 * quarter it is still handed out while the next one is fetched.
 */
#pragma once

#include "provider/enginelabs/refresh.h"
#include "provider/waiters.h"

struct account;
struct account_port;

/* A copy for one call. */
struct token {
    struct secret jwt;
    char user_id[FIELD_ID_MAX];
    char organization_id[FIELD_ID_MAX]; /* "" when unknown */
};
void token_deinit(struct token *t);

/* `config` is borrowed. A cookie that cannot be used makes the account signed out. */
struct account *account_new(const struct enginelabs_config *config);

/* After all ports are closed. NULL is fine. */
void account_free(struct account *a);

/* Whether it may answer, from what is known: it is not signed out, its last sign-in did not fail,
 * and its cookies are kept. `why` (128 bytes) says why not. Any thread. */
bool account_is_ready(struct account *a, char *why);

/* Whether it is known to be signed out; *ret_why says so then. Any thread. */
bool account_is_out(struct account *a, struct notice *ret_why);

/* ---- ports: one a worker ---- */

/* `store` keeps rotated cookies; NULL: nothing is kept. Both outlive the port. */
struct account_port *account_port_open(struct account *a, struct http_client *client,
                                       struct store_port *store, int64_t connect_timeout_ms,
                                       int64_t answer_timeout_ms);

/* No wait may stand at it. A refresh that runs here is given 3 s to complete; then others that
 * wait for it begin their own. Calls closed(arg) later, when the port is gone. */
void account_port_close(struct account_port *p, void (*closed)(void *arg), void *arg);

/* Signs in when that was never tried or failed last, at most once a second: for whoever asks
 * whether the account is ready. Nobody waits for it. */
void account_prepare(struct account_port *p);

/* ---- tokens ---- */

enum account_answer {
    ACCOUNT_READY,  /* *ret_token is set; the caller deinits it */
    ACCOUNT_WAITS,  /* wake follows: without a notice ask again, else it failed */
    ACCOUNT_FAILED, /* *ret_notice says why */
};

enum account_answer account_token(struct account_port *p, struct token *ret_token,
                                  struct notice *ret_notice, struct wait *w, on_wake *wake,
                                  void *arg);
void account_token_leave(struct account_port *p, struct wait *w);

/* The service refused exactly this token: the next one who asks gets another. */
void account_token_refused(struct account_port *p, const struct token *t);

/* Stands in line for a sign-in that begins now, or runs already, beside the token that is there: a
 * failure changes nothing where there is a token, or where the service asked for patience. Also
 * when the account was seen signed out. ACCOUNT_WAITS (then wake as above, and account_token() has
 * the new token) or ACCOUNT_FAILED. */
enum account_answer account_renew(struct account_port *p, struct notice *ret_notice, struct wait *w,
                                  on_wake *wake, void *arg);

/* Another cookie than the settings had is known now, such as one that was put into a file: the
 * account begins anew with it, at once. ERR_CONFLICT: it is the one that it has. ERR_BAD_INPUT: it
 * is none that can be used, and nothing changed. */
enum err account_set_cookie(struct account_port *p, struct str cookie);

/* Signs in where it was seen signed out, in case that is no longer true. Nobody waits for it. */
void account_probe(struct account_port *p);

/* Appends the Cookie header's value. */
MUST_USE enum err account_cookie(struct account_port *p, struct buf *out);
