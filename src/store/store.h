/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive a request: small values under typed keys, with a time to live. Every operation
 * is asynchronous: called on a worker's loop, answered on the same loop after the call has
 * returned, at the end of that turn at the earliest. A store is one for the process; its operations
 * may be called from any loop. Keys and values are copied.
 */
#pragma once

#include "base/hash.h"
#include "base/str.h"
#include "net/loop.h"

/* Spaces of keys, all in one place. A key is its space and up to 64 bytes. */
enum store_space {
    STORE_TIP, /* SHA-256 of a conversation -> struct tip, see conversation/tips.h */
    STORE_SPACES
};

enum { STORE_KEY_MAX = 64, STORE_VALUE_MAX = 4096, STORE_CLAIM_MAX = 64 };

struct store_key {
    enum store_space space;
    uint8_t n;
    unsigned char bytes[STORE_KEY_MAX];
};

struct store;
struct store_op;

struct store_result {
    enum err err;     /* ERR_NONE; ERR_NOT_FOUND; else the store could not be asked */
    struct str value; /* claim_first: lives during the callback */
    size_t index;     /* claim_first: which of the keys it was */
};

typedef void on_store(void *arg, const struct store_result *result);

struct store_ops {
    const char *name; /* scheme in STORE_URL: "memory" */

    /* Sets a value that is gone after `ttl_ms`. `done` may be NULL: nobody waits, and NULL is
     * returned. */
    struct store_op *(*put)(struct store *s, struct loop *l, const struct store_key *key,
                            struct str value, int64_t ttl_ms, on_store *done, void *arg);

    /* Takes and deletes the first of `n` keys (at most STORE_CLAIM_MAX) that exists: one atomic
     * operation. */
    struct store_op *(*claim_first)(struct store *s, struct loop *l, const struct store_key *keys,
                                    size_t n, on_store *done, void *arg);

    /* The operation goes on, its callback is not called. Not after the callback. */
    void (*forget)(struct store_op *op);

    /* No operation may be running. */
    void (*close)(struct store *s);
};

/* Every store begins with this. */
struct store {
    const struct store_ops *ops;
};

static inline struct store_op *store_put(struct store *s, struct loop *l,
                                         const struct store_key *key, struct str value,
                                         int64_t ttl_ms, on_store *done, void *arg)
{
    return s->ops->put(s, l, key, value, ttl_ms, done, arg);
}

static inline struct store_op *store_claim_first(struct store *s, struct loop *l,
                                                 const struct store_key *keys, size_t n,
                                                 on_store *done, void *arg)
{
    return s->ops->claim_first(s, l, keys, n, done, arg);
}

static inline void store_forget(struct store *s, struct store_op *op)
{
    s->ops->forget(op);
}

/* NULL is fine. */
static inline void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

/* In memory: lost at exit. At most `max_entries`; beyond, the entry that was set longest ago goes.
 */
struct store *store_memory_new(size_t max_entries);
