/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that runs a loop, with a start function before and a stop function after it. */
#pragma once

#include "net/loop.h"

struct worker;

struct worker_params {
    const char *name; /* of the thread, at most 15 bytes */
    /* On the new thread, before the loop runs; whatever it opens, `stop` must close. */
    void (*start)(void *arg, struct loop *l);
    /* On the thread, when worker_stop() was called: closes everything, then calls loop_stop(). */
    void (*stop)(void *arg, struct loop *l);
    void *arg;
};

/* Starts the thread; signals are blocked in it. Returns when `start` has run. */
struct worker *worker_new(const struct worker_params *params);

/* Takes mail until worker_free(); what comes after the thread's end is delivered there. */
struct loop *worker_loop(struct worker *w);

/* Asks for the end; returns at once. Any thread; only the first call counts. */
void worker_stop(struct worker *w);

/* Waits for the end and frees. NULL is fine. */
void worker_free(struct worker *w);

/* Cores this process may run on, at least 1. */
unsigned worker_default_count(void);
