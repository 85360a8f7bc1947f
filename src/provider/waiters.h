/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of calls that wait, on whatever worker, for something process-wide: a place to stand in
 * line (struct wait, in the call) and what stands there for it (a ticket). A ticket that is called
 * travels to the waiter's loop as mail and finds it by handle, so a waiter may be gone by then.
 *
 * The lists are guarded by their owner's mutex; a wait belongs to its loop.
 */
#pragma once

#include "base/list.h"
#include "chat/failure.h"
#include "net/loop.h"

enum { NOTICE_MESSAGE_MAX = 640 };

/* A failure that travels between threads. */
struct notice {
    enum failure_kind kind; /* FAILURE_NONE: none */
    int64_t retry_after_ms;
    char message[NOTICE_MESSAGE_MAX];
};

void notice_set(struct notice *n, const struct failure *f);

/* The failure of a notice; its message is copied into `a`. */
void notice_failure(const struct notice *n, struct arena *a, struct failure *ret);

/* On the waiter's loop. `notice` is NULL when the wait was not in vain; it lives during the call.
 */
typedef void on_wake(void *arg, const struct notice *notice);

struct ticket;

/* All-zero: waits for nothing. */
struct wait {
    struct loop *loop;
    struct ticket *ticket; /* NULL when it waits for nothing */
    uint64_t handle;
    on_wake *wake;
    void *arg;
};

/* Stands at the end of `queue`; under the queue's mutex, on the wait's loop. */
void wait_begin(struct wait *w, struct list *queue, struct loop *loop, on_wake *wake, void *arg);

/* Calls the first of `queue`; false when nobody waits. Under the queue's mutex, any thread. */
bool wait_call_first(struct list *queue, const struct notice *notice);

/* Leaves: no wake from now on. True when the wait had been called already: what it waited for is
 * its own. Harmless when it waits for nothing. Under the queue's mutex, on the wait's loop. */
bool wait_leave(struct wait *w);
