/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said to Clerk, the sign-in service, and what its answers mean
 * (docs/internals/upstream-protocol.md, 1). Pure: text in, text out, any thread.
 */
#pragma once

#include "base/buf.h"
#include "provider/enginelabs/fields.h"

/* Which sign-in a cookie stands for. */
struct clerk_session {
    char id[FIELD_ID_MAX];              /* "sess_..."; never "" in an answer */
    char organization_id[FIELD_ID_MAX]; /* "org_..."; "" when it has none or it is not told */
};

enum clerk_state {
    CLERK_SIGNED_IN,
    CLERK_SIGNED_OUT, /* there is no client behind the cookie */
    CLERK_NO_SESSION, /* there is a client, but it names no active session */
};

/* Targets of the three requests; appended. ERR_NOMEM, ERR_TOO_BIG. */
MUST_USE enum err clerk_client_target(struct buf *out);
MUST_USE enum err clerk_memberships_target(struct buf *out);
MUST_USE enum err clerk_token_target(struct buf *out, struct str session_id);

/* Form body of the token request; `organization_id` empty: an empty body. */
MUST_USE enum err clerk_token_body(struct buf *out, struct str organization_id);

/* Reads the client object at `member` ("response" of /v1/client, "client" of the memberships).
 * `wanted` names the session to look for, "": the last active one, else the first active one.
 * *ret is written with CLERK_SIGNED_IN only. ERR_BAD_INPUT: the text is no such answer. */
MUST_USE enum err clerk_read_client(struct str body, const char *member, const char *wanted,
                                    struct clerk_session *ret, enum clerk_state *ret_state);

/* The token's text into `a`. ERR_BAD_INPUT when the answer holds none. */
MUST_USE enum err clerk_read_token(struct str body, struct arena *a, struct str *ret_jwt);

/* Whether an answer that is no success means that the cookie is signed out for good: by status
 * and error codes, never by words. */
bool clerk_is_signed_out(int status, struct str body);
