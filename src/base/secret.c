/* SPDX-License-Identifier: Apache-2.0 */
/* Every way out of a secret wipes its bytes, replacing it included. */
#include "base/secret.h"

#include "base/mem.h"

void secret_set(struct secret *s, struct str value)
{
    struct secret fresh = { NULL, 0 };

    /* Copied first: `value` may lie inside the old secret. */
    if (value.n > 0) {
        fresh.p = mem_alloc(value.n + 1);
        fresh.n = value.n;
        memcpy(fresh.p, value.p, value.n);
    }
    secret_deinit(s);
    *s = fresh;
}

void secret_deinit(struct secret *s)
{
    mem_wipe(s->p, s->n);
    mem_free(s->p);
    *s = (struct secret){ NULL, 0 };
}

bool secret_eq(const struct secret *s, struct str other)
{
    return secret_is_set(s) && str_eq_constant_time(secret_reveal(s), other);
}
