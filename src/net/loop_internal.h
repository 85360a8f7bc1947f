/* SPDX-License-Identifier: Apache-2.0 */
/* What a loop is made of, for loop.c, loop_handles.c and timer.c only. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "net/loop.h"
#include "net/timer.h"

/* A timer's place. When it was armed anew for a later time, its own at_ms and order tell of that,
 * and these still of before. */
struct timer_slot {
    int64_t at_ms;
    uint64_t order;
    struct timer *timer; /* borrowed */
};

/* Armed timers, the earliest first: a binary heap ordered by (at_ms, order) of the places. */
struct timer_heap {
    struct timer_slot *at; /* owned */
    size_t n;
    size_t cap;
    uint64_t armed_ever; /* gives each arming its `order` */
    int64_t alarm_ms;    /* when libuv's timer goes off; INT64_MAX when it is off */
    int64_t reported;    /* how many of them METRIC_TIMERS counts now */
};

struct handle_slot {
    void *object;        /* borrowed; NULL while free */
    uint32_t generation; /* of the next or present handle */
    uint32_t next_free;  /* index + 1; 0 ends the list */
};

struct handle_table {
    struct handle_slot *slots; /* owned */
    uint32_t n;                /* slots ever used */
    uint32_t cap;
    uint32_t free; /* index + 1 of the first free slot; 0 for none */
};

struct loop {
    uv_loop_t uv;
    uv_async_t mailbox;
    uv_timer_t alarm;
    uv_prepare_t before_poll;
    uv_check_t after_poll;

    pthread_mutex_t mail_lock;
    struct mail *mail_first; /* under mail_lock, as is mail_last */
    struct mail *mail_last;
    atomic_bool stop; /* loop_stop() was called */

    struct list tasks;
    struct list last; /* of tasks, when no others are left */
    struct list retired;
    struct timer_heap timers;
    struct handle_table handles;

    bool is_running;      /* inside loop_run() */
    bool is_clock_set;    /* loop_clock_set() turns the clock from now on */
    int64_t set_ms;       /* its time then */
    int64_t wall_lead_ms; /* wall clock minus loop_now_ms() */
    int64_t wall_read_ms; /* loop_now_ms() when that was measured */
    int64_t woke_ms;      /* uv_now() when the poll of this turn was over */
    int64_t quick_turns;  /* that took no millisecond, and are not counted yet */
    int64_t date_second;  /* which second `date` shows */
    char date[32];
    char *read_space; /* owned, LOOP_READ_SIZE */
};

/* Runs what is due, but nothing that is armed meanwhile; whether anything was. */
bool timers_run_due(struct loop *l);

/* For when the clock is turned by hand: libuv's timer counts by another. */
void timers_stop_alarm(struct loop *l);

/* Brings METRIC_TIMERS up to date. */
void timers_report(struct loop *l);
void timers_deinit(struct loop *l);
