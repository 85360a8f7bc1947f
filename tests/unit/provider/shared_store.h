/* SPDX-License-Identifier: Apache-2.0 */
/* One store in memory that says it is shared, and fails, or keeps silent, when told to. */
#pragma once

#include "store/backend.h"
#include "test.h"

static struct shared_store {
    struct store store;
    struct store *real;
    bool fails;
} shared;

static inline void shared_run(UNUSED struct store *s, void *port, struct store_op *op)
{
    if (shared.fails)
        store_answer_here(op, ERR_TIMEOUT);
    else
        shared.real->backend->run(shared.real, port, op);
}

static inline void shared_close(struct store *s)
{
    store_deinit(s);
    store_close(shared.real);
}

static inline void shared_open(void)
{
    static const struct store_backend backend = {
        .name = "shared", .is_shared = true, .run = shared_run, .close = shared_close
    };

    shared = (struct shared_store){ .real = store_memory_new(1000) };
    store_init(&shared.store, &backend);
}
