/* SPDX-License-Identifier: Apache-2.0 */
/* Every way out of a secret wipes its bytes, replacing it included. */
#include "base/secret.h"

#include "base/mem.h"

enum { HIDDEN_MIN = 8 };

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

struct str secret_hide(struct str secret, struct arena *a, struct str text)
{
    char *out, *at, *end;

    if (secret.n < HIDDEN_MIN || text.n == 0 || !memmem(text.p, text.n, secret.p, secret.n))
        return text;
    out = arena_try(a, text.n);
    if (!out)
        return STR("");
    memcpy(out, text.p, text.n);
    end = out + text.n;
    for (at = out; (at = memmem(at, (size_t)(end - at), secret.p, secret.n)); at += secret.n)
        memset(at, '*', secret.n);
    return (struct str){ out, text.n };
}
