/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event loop, run by one thread. A turn: wait for sockets, run their callbacks
 * and the due timers, then the deferred tasks, then free what was retired. The
 * clock is read once a turn. All functions are for the loop's own thread, except
 * where a line says any thread.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

struct loop;
struct uv_loop_s; /* libuv's, for the files of net/ only */

/* Ends the program when the kernel refuses what a loop needs. Makes the process ignore SIGPIPE. */
struct loop *loop_new(void);

/* Runs the close callbacks that are pending. Nothing may be open on the loop any more. NULL is
 * fine. */
void loop_free(struct loop *l);

/* Runs until loop_stop(). */
void loop_run(struct loop *l);

/* Makes loop_run() return after the current turn. Any thread. */
void loop_stop(struct loop *l);

/* Milliseconds that never go back, as of this turn. */
int64_t loop_now_ms(const struct loop *l);

/* Milliseconds since 1970 UTC, as of this turn. */
int64_t loop_wall_ms(const struct loop *l);

/* "Sun, 06 Nov 1994 08:49:37 GMT" of this second (RFC 9110 5.6.7); lives until the next turn. */
struct str loop_http_date(struct loop *l);

/* Test hook: from now on the clock only moves when it is told to; due timers run in that call. */
void loop_clock_set(struct loop *l, int64_t now_ms);

/* ---- tasks: run once, at the end of the turn in which they were deferred ---- */

struct task {
    struct list node;
    void (*run)(void *arg);
    void *arg;
};

static inline void task_init(struct task *t, void (*run)(void *arg), void *arg)
{
    list_init(&t->node);
    t->run = run;
    t->arg = arg;
}

/* Does nothing for a task that waits already. */
void loop_defer(struct loop *l, struct task *t);

/* Likewise, but behind those tasks and what they defer: for sending what a turn gathered. */
void loop_defer_last(struct loop *l, struct task *t);
static inline void task_cancel(struct task *t)
{
    list_remove(&t->node);
}

/* Runs after the deferred tasks, when no callback is on the stack: for freeing objects. Cannot
 * be canceled; `t` lives inside the object that it frees. */
void loop_retire(struct loop *l, struct task *t);

/* ---- mail: how threads talk ---- */

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *m); /* on the receiving loop's thread; owns `m` from then on */
};

/* Hands `m` to `l`. Any thread. Mail of one sender arrives in order; what is still
 * undelivered when the loop is freed is delivered by loop_free(). */
void loop_post(struct loop *l, struct mail *m);

/* ---- handles: names for objects that may be gone when an answer comes ---- */

/* A number that names `object` on this loop until loop_handle_drop(); never 0, never used again. */
uint64_t loop_handle_new(struct loop *l, void *object);

/* The object, or NULL when it was dropped meanwhile. */
void *loop_handle_find(struct loop *l, uint64_t handle);
void loop_handle_drop(struct loop *l, uint64_t handle);

/* For the files of net/. */
struct uv_loop_s *loop_uv(struct loop *l);

/* 64 KiB that belong to whoever is reading, until its callback returns. For the files of net/. */
enum { LOOP_READ_SIZE = 65536 };
char *loop_read_space(struct loop *l);
