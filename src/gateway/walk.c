/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/walk.h"

static bool note(struct target_walk *w, size_t i, size_t *ret_i)
{
    w->gone |= UINT32_C(1) << i;
    *ret_i = i;
    return true;
}

static bool is_gone(const struct target_walk *w, size_t i)
{
    return (w->gone >> i & 1) != 0;
}

/* Circuits save waiting; they are no reason for an error. The least sick one goes first. */
static bool enter_skipped(struct target_walk *w, size_t n, walk_enter *enter, void *arg,
                          size_t *ret_i)
{
    for (int need = HEALTH_IF_RISING; need <= HEALTH_ANYHOW; need++)
        for (size_t i = 0; i < n; i++)
            if (!is_gone(w, i) && enter(arg, i, (enum health_need)need))
                return note(w, i, ret_i);
    return false;
}

bool walk_next(struct target_walk *w, size_t n, walk_enter *enter, void *arg, size_t *ret_i)
{
    while (w->next < n) {
        size_t i = w->next++;

        if (enter(arg, i, HEALTH_IF_FIT))
            return note(w, i, ret_i);
    }
    return enter_skipped(w, n, enter, arg, ret_i);
}

bool walk_has_moved(const struct target_walk *w)
{
    return (w->gone & (w->gone - 1)) != 0;
}

bool walk_has_more(const struct target_walk *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_gone(w, i))
            return true;
    return false;
}
