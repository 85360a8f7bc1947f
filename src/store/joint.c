/* SPDX-License-Identifier: Apache-2.0 */
/* A store while one process hands it over to another. */
#include "store/backend.h"

bool store_is_joint(const struct store *s)
{
    return store_is_shared(s) || atomic_load(&s->is_joint);
}

int store_lock(struct store *s)
{
    return s->backend->lock ? s->backend->lock(s) : -1;
}

void store_give(struct store *s, bool is_given)
{
    if (s->backend->give)
        s->backend->give(s, is_given);
}
