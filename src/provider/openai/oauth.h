/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OAuth sign-in, kept in a credentials file: its access token for whoever asks, renewed in time
 * by one request in the whole process, on the loop of whoever asked first. The renewal belongs to
 * the sign-in and survives the asker.
 *
 *     READ --> [ASK --> WRITE] --> (all who wait are told)
 *
 * The file is read again first, since the vendor's own program renews it too: a token in it that is
 * new and good is taken as it is. What the renewal gives is on the disk before it is used; when
 * that fails it is used all the same, is_ready says so, and writing is tried again.
 */
#pragma once

#include "provider/openai/credentials.h"
#include "provider/provider.h"
#include "provider/waiters.h"

struct oauth;
struct oauth_port;

/* Reads the file. `path` and `api` are borrowed, `upstream` (its name) too. */
struct oauth *oauth_new(const char *upstream, const char *path, const struct url *api);

/* After all ports are closed. NULL is fine. */
void oauth_free(struct oauth *o);

/* Whether it may answer, from what is known; `why` (128 bytes) says why not. Any thread. */
bool oauth_is_ready(struct oauth *o, char *why);

/* ---- ports: one a worker ---- */

struct oauth_port *oauth_port_open(struct oauth *o, const struct provider_env *env);

/* No wait may stand at it. A renewal that runs here is given 3 s; then others that wait for it
 * begin their own. Calls closed(arg) later, when the port is gone. */
void oauth_port_close(struct oauth_port *p, void (*closed)(void *arg), void *arg);

enum oauth_answer {
    OAUTH_READY,  /* *ret_token is set */
    OAUTH_WAITS,  /* wake follows: without a notice ask again, else it failed */
    OAUTH_FAILED, /* *ret_notice says why */
};

enum oauth_answer oauth_token(struct oauth_port *p, struct secret *ret_token,
                              struct notice *ret_notice, struct wait *w, on_wake *wake, void *arg);
void oauth_leave(struct oauth_port *p, struct wait *w);

/* The service refused exactly this token: the next one who asks gets another. */
void oauth_refused(struct oauth_port *p, struct str token);

/* Tries again what failed last, at most once a second; nobody waits for it. */
void oauth_prepare(struct oauth_port *p);
