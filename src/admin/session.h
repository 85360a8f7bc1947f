/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the page: who signed in with ADMIN_KEY once carries a random token in a cookie
 * instead. They are in memory, for all workers; a restart or another ADMIN_KEY ends them. What is
 * kept of one is a digest, so that memory that is read tells no token. Any thread.
 */
#pragma once

#include "base/str.h"

enum {
    SESSIONS_MAX = 64, /* beyond, the oldest ends */
    SESSION_TEXT = 64, /* 32 bytes in hex */
    SESSION_LIFE_S = 12 * 3600,
};

struct sessions;

struct session {
    char token[SESSION_TEXT + 1];
    char csrf[SESSION_TEXT + 1]; /* what requests that change something carry besides */
    int64_t expires_s;           /* since 1970 */
};

struct sessions *sessions_new(void);

/* NULL is fine. */
void sessions_free(struct sessions *s);

/* `key` is the ADMIN_KEY that it was made with. */
void sessions_make(struct sessions *s, struct str key, int64_t now_s, struct session *ret);

/* False: there is none, it is over, or it was made with another key. */
bool sessions_find(struct sessions *s, struct str token, struct str key, int64_t now_s,
                   struct session *ret);

void sessions_end(struct sessions *s, struct str token, struct str key);
