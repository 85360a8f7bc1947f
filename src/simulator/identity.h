/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the simulator's users are: ids, cookies and tokens that follow from the seed. Cookies and
 * tokens look like the service's (JWT, RS256) but their signature is a hash that only
 * the simulator knows how to make, so a token is checked without remembering it. Pure.
 */
#pragma once

#include "base/buf.h"

enum { SIM_ID_LEN = 27, SIM_ID_MAX = 48, SIM_UUID_LEN = 36, SIM_REFRESH_MAX = 64 };

struct sim_identity {
    char client[SIM_ID_MAX];       /* "client_..." */
    char session[SIM_ID_MAX];      /* "sess_..." */
    char user[SIM_ID_MAX];         /* "user_..." */
    char organization[SIM_ID_MAX]; /* "org_..." */
    char workspace[SIM_ID_MAX];
};

void sim_identity_make(uint64_t seed, unsigned account, struct sim_identity *ret);

/* The n-th UUID (version 4) of what is called `what`. */
void sim_identity_uuid(uint64_t seed, const char *what, int64_t n, char out[SIM_UUID_LEN + 1]);

/* Appends the value of `__client` after `generation` rotations. */
MUST_USE enum err sim_identity_cookie(uint64_t seed, unsigned account, unsigned generation,
                                      struct buf *out);

/* Reads the value of a `__client` of this seed: whose (the client id) and after how many
 * rotations. ERR_BAD_INPUT: it is none. */
MUST_USE enum err sim_identity_cookie_read(uint64_t seed, struct str cookie,
                                           char client[SIM_ID_MAX], unsigned *ret_generation);

/* The refresh token of the native way after `generation` rotations; and reading one: ERR_BAD_INPUT
 * when it is none of this seed. */
void sim_identity_refresh(uint64_t seed, unsigned account, unsigned generation,
                          char out[SIM_REFRESH_MAX]);
MUST_USE enum err sim_identity_refresh_read(uint64_t seed, struct str token, unsigned *ret_account,
                                            unsigned *ret_generation);

struct sim_claims {
    char user[SIM_ID_MAX];
    char session[SIM_ID_MAX];
    char organization[SIM_ID_MAX];
    int64_t issued_s; /* since 1970 */
    int64_t expires_s;
    int64_t number; /* how many were issued before it */
};

/* Appends a token with these claims. */
MUST_USE enum err sim_token_make(uint64_t seed, const struct sim_claims *claims, struct buf *out);

/* Reads a token of this seed, expired or not. ERR_BAD_INPUT: it is none. */
MUST_USE enum err sim_token_read(uint64_t seed, struct str token, struct sim_claims *ret);

/* The value of `name` in a Cookie header, p NULL when absent. */
struct str sim_cookie_value(struct str header, const char *name);
