/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The claims of our own access token (RFC 7519). It is read, not verified: it is ours, and only
 * ever sent back to its issuer. Pure, any thread.
 */
#pragma once

#include "provider/enginelabs/fields.h"

struct jwt_claims {
    char user_id[FIELD_ID_MAX];         /* sub */
    char session_id[FIELD_ID_MAX];      /* sid; "" when absent */
    char organization_id[FIELD_ID_MAX]; /* o.id; "" when absent */
    int64_t issued_s;                   /* iat, on the issuer's clock */
    int64_t expires_s;                  /* exp, above iat */
};

/* ERR_BAD_INPUT: not three parts of base64url, no JSON object inside, no sub, iat or exp, or exp
 * not after iat. ERR_TOO_BIG above 16 KiB. An accepted token may be sent in a header. */
MUST_USE enum err jwt_read(struct str token, struct jwt_claims *ret);
