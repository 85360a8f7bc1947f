/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cookie, token or key: owned bytes that are wiped when released, compared in
 * constant time, and written into logs only as ***.
 */
#pragma once

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"

struct secret {
    char *p; /* owned, NUL behind; NULL when there is none */
    size_t n;
};

/* Replaces what was there with a copy of `value`. An empty value is none. */
void secret_set(struct secret *s, struct str value);

/* Wipes and frees; the secret is none afterwards. */
void secret_deinit(struct secret *s);

static inline bool secret_is_set(const struct secret *s)
{
    return s->n > 0;
}

/* The bytes, borrowed: for the wire only, never for a log or an error text. */
static inline struct str secret_reveal(const struct secret *s)
{
    return (struct str){ s->p, s->n };
}

/* Equal, in constant time for equal lengths. None equals nothing. */
bool secret_eq(const struct secret *s, struct str other);

/* `text` with what it has of `secret` illegible: itself, or a copy in `a`; empty when memory is
 * short. Secrets of fewer than 8 bytes could be any word, and stay. */
struct str secret_hide(struct str secret, struct arena *a, struct str text);

#define LOG_SECRET(field) ((struct log_field){ (field), LOG_FIELD_SECRET, { NULL, 0 }, 0 })
