/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens as the sign-in service makes them, for tests: unsigned in earnest. */
#pragma once

#include <stdio.h>

#include "base/encoding.h"

/* "header.payload.signature" of a payload, base64url without padding; NUL behind. */
static inline void token_text(const char *payload, char *out, size_t cap)
{
    struct buf b;

    buf_init(&b, cap);
    if (base64_add(&b, str_of(payload)) || buf_add_char(&b, '\0'))
        out[0] = '\0';
    for (char *p = b.p; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    snprintf(out, cap, "aGVhZA.%s.c2ln", b.p);
    buf_deinit(&b);
}
