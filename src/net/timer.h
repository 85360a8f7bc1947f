/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines. A timer is embedded in the object it guards; arming and disarming
 * touch only a heap in memory, so every state change may do it.
 */
#pragma once

#include "net/loop.h"

struct timer {
    struct loop *loop; /* borrowed; NULL while not armed */
    size_t slot;       /* place in the loop's heap */
    int64_t at_ms;     /* on loop_now_ms()'s clock */
    uint64_t order;    /* among those of the same time: first armed, first run */
    void (*expire)(void *arg);
    void *arg;
};

/* An all-zero timer is initialized. */

/* Calls expire(arg) once, `delay_ms` after now (at once, in the next turn, for 0); arming again
 * moves it. Late by at most the length of a turn; never early. Inside expire() the timer is not
 * armed. */
void timer_arm(struct loop *l, struct timer *t, int64_t delay_ms, void (*expire)(void *arg),
               void *arg);

/* Harmless when not armed. */
void timer_disarm(struct timer *t);

static inline bool timer_is_armed(const struct timer *t)
{
    return t->loop != NULL;
}

/* Timers armed on this loop. */
size_t loop_timers(const struct loop *l);
