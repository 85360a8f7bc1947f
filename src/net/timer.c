/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All timers of a loop in one heap behind one libuv timer. That one is only moved
 * to an earlier time; when it goes off too early, it is set again. Likewise one that is
 * armed anew for a later time stays where it is in the heap until it comes up. So arming
 * and disarming, which happen with nearly every byte, cost no call into libuv, and
 * most of them no move in the heap.
 */
#include "net/timer.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "net/loop_internal.h"

static bool is_before(const struct timer_slot *a, const struct timer_slot *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void put(struct timer_heap *h, struct timer_slot s, size_t i)
{
    h->at[i] = s;
    s.timer->slot = i;
}

static void sift_up(struct timer_heap *h, struct timer_slot s, size_t i)
{
    while (i > 0 && is_before(&s, &h->at[(i - 1) / 2])) {
        put(h, h->at[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    put(h, s, i);
}

static void sift_down(struct timer_heap *h, struct timer_slot s, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->n && is_before(&h->at[child + 1], &h->at[child]))
            child++;
        if (child >= h->n || !is_before(&h->at[child], &s))
            break;
        put(h, h->at[child], i);
        i = child;
    }
    put(h, s, i);
}

/* Puts `s` where it belongs, given that only `i` may be out of order. */
static void place(struct timer_heap *h, struct timer_slot s, size_t i)
{
    if (i > 0 && is_before(&s, &h->at[(i - 1) / 2]))
        sift_up(h, s, i);
    else
        sift_down(h, s, i);
}

static size_t add_slot(struct timer_heap *h)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->at = mem_grow_array(h->at, h->cap, sizeof(*h->at));
    }
    return h->n++;
}

static struct timer_slot slot_of(struct timer *t)
{
    return (struct timer_slot){ t->at_ms, t->order, t };
}

/* The timer that is due first; NULL without any. */
static struct timer *first(struct timer_heap *h)
{
    while (h->n > 0 && h->at[0].order != h->at[0].timer->order)
        sift_down(h, slot_of(h->at[0].timer), 0);
    return h->n > 0 ? h->at[0].timer : NULL;
}

/* Only ends the wait. The timers run in the turn's prepare step: libuv would run one that is
 * armed for now again and again in this very turn. */
static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = CONTAINER_OF(alarm, struct loop, alarm);

    l->timers.alarm_ms = INT64_MAX;
}

/* Starts libuv's timer for the earliest deadline if it would be late. */
static void schedule(struct loop *l)
{
    struct timer_heap *h = &l->timers;
    int64_t wait;

    if (h->n == 0 || h->at[0].at_ms >= h->alarm_ms || first(h)->at_ms >= h->alarm_ms)
        return;
    wait = h->at[0].at_ms - loop_now_ms(l);
    if (wait > 0 && l->is_clock_set)
        return;
    h->alarm_ms = h->at[0].at_ms;
    BUG_ON(uv_timer_start(&l->alarm, on_alarm, wait > 0 ? (uint64_t)wait : 0, 0) != 0);
}

void timer_arm(struct loop *l, struct timer *t, int64_t delay_ms, void (*expire)(void *arg),
               void *arg)
{
    struct timer_heap *h = &l->timers;

    BUG_ON(t->loop && t->loop != l);
    /* Between turns libuv's time stands still. */
    if (!l->is_running)
        uv_update_time(&l->uv);
    t->at_ms = loop_now_ms(l) + (delay_ms > 0 ? delay_ms : 0);
    t->order = h->armed_ever++;
    t->expire = expire;
    t->arg = arg;
    if (t->loop && t->at_ms >= h->at[t->slot].at_ms)
        return;
    place(h, slot_of(t), t->loop ? t->slot : add_slot(h));
    t->loop = l;
    schedule(l);
}

void timer_disarm(struct timer *t)
{
    struct timer_heap *h;
    struct timer_slot last;

    if (!t->loop)
        return;
    h = &t->loop->timers;
    last = h->at[--h->n];
    if (last.timer != t)
        place(h, last, t->slot);
    t->loop = NULL;
}

size_t loop_timers(const struct loop *l)
{
    return l->timers.n;
}

bool timers_run_due(struct loop *l)
{
    struct timer_heap *h = &l->timers;
    struct timer *t;
    bool any = false;
    uint64_t end = h->armed_ever;
    int64_t now = loop_now_ms(l);

    while (h->n > 0 && h->at[0].at_ms <= now) {
        t = first(h);
        if (!t || t->at_ms > now || t->order >= end)
            break;
        timer_disarm(t);
        t->expire(t->arg);
        any = true;
    }
    schedule(l);
    return any;
}

void timers_stop_alarm(struct loop *l)
{
    BUG_ON(uv_timer_stop(&l->alarm) != 0);
    l->timers.alarm_ms = INT64_MAX;
}

void timers_report(struct loop *l)
{
    int64_t change = (int64_t)l->timers.n - l->timers.reported;

    if (change == 0)
        return;
    metric_add(METRIC_TIMERS, change);
    l->timers.reported += change;
}

void timers_deinit(struct loop *l)
{
    mem_free(l->timers.at);
    l->timers.at = NULL;
}
