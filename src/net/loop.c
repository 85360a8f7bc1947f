/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn is libuv's: prepare, poll, check, close callbacks. Timers run in prepare,
 * tasks there too (what timers deferred must not wait for a poll) and in check (what
 * the poll's callbacks deferred), each time followed by the retired objects.
 */
#include "net/loop_internal.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/series.h"

enum {
    TASK_ROUNDS = 16, /* tasks that defer tasks get this many rounds a turn, then a new poll */
    WALL_READ_EVERY_MS = 1000,
    HTTP_DATE_LEN = 29,
};

/* ---- mail ---- */

static struct mail *take_mail(struct loop *l)
{
    struct mail *first;

    pthread_mutex_lock(&l->mail_lock);
    first = l->mail_first;
    l->mail_first = NULL;
    l->mail_last = NULL;
    pthread_mutex_unlock(&l->mail_lock);
    return first;
}

static bool deliver_mail(struct loop *l)
{
    struct mail *m = take_mail(l);
    bool any = m != NULL;

    while (m) {
        struct mail *next = m->next;
        m->next = NULL;
        m->deliver(m);
        m = next;
    }
    return any;
}

static void on_mailbox(uv_async_t *mailbox)
{
    deliver_mail(CONTAINER_OF(mailbox, struct loop, mailbox));
}

static void wake(struct loop *l)
{
    BUG_ON(uv_async_send(&l->mailbox) != 0);
}

void loop_post(struct loop *l, struct mail *m)
{
    m->next = NULL;
    pthread_mutex_lock(&l->mail_lock);
    if (l->mail_last)
        l->mail_last->next = m;
    else
        l->mail_first = m;
    l->mail_last = m;
    /* Inside the lock, which loop_free() takes too: the receiver may end the loop any time now. */
    wake(l);
    pthread_mutex_unlock(&l->mail_lock);
}

/* ---- tasks and retired objects ---- */

void loop_defer(struct loop *l, struct task *t)
{
    if (!list_is_linked(&t->node))
        list_add_tail(&l->tasks, &t->node);
}

void loop_defer_last(struct loop *l, struct task *t)
{
    if (!list_is_linked(&t->node))
        list_add_tail(&l->last, &t->node);
}

void loop_retire(struct loop *l, struct task *t)
{
    BUG_ON(list_is_linked(&t->node));
    list_add_tail(&l->retired, &t->node);
}

static bool run_all(struct list *tasks)
{
    struct list batch;
    struct list *node;

    if (list_is_empty(tasks))
        return false;
    list_init(&batch);
    list_move_all(&batch, tasks);
    while ((node = list_take_head(&batch))) {
        struct task *t = CONTAINER_OF(node, struct task, node);
        t->run(t->arg);
    }
    return true;
}

/* Whether there was anything to do. */
static bool end_turn(struct loop *l)
{
    unsigned round = 0;
    bool any = !list_is_empty(&l->retired);

    while (round < TASK_ROUNDS && (run_all(&l->tasks) || run_all(&l->last)))
        round++;
    /* Tasks that go on and on do not hold them up. */
    if (round == TASK_ROUNDS)
        run_all(&l->last);
    while (run_all(&l->retired))
        continue;
    if (!list_is_empty(&l->tasks) || !list_is_empty(&l->last))
        wake(l);
    timers_report(l);
    return any || round > 0;
}

/* ---- lag ---- */

static void report_quick_turns(struct loop *l)
{
    if (l->quick_turns > 0)
        series_observe(series_row(SERIES_LOOP_LAG, NULL), 0, l->quick_turns);
    l->quick_turns = 0;
}

/* A turn is over. libuv reads its clock after the poll and when the next turn begins, so that most
 * turns cost no look at the clock; nor do those that took no millisecond cost an atomic. */
static void note_lag(struct loop *l, bool has_worked)
{
    int64_t ms;

    if (!l->is_running)
        return;
    if (has_worked)
        uv_update_time(&l->uv);
    ms = (int64_t)uv_now(&l->uv) - l->woke_ms;
    if (ms > 0)
        series_observe(series_row(SERIES_LOOP_LAG, NULL), ms * 1000, 1);
    else
        l->quick_turns++;
}

/* ---- turns ---- */

static void read_wall_clock(struct loop *l)
{
    int64_t now = loop_now_ms(l);

    if (l->is_clock_set || now - l->wall_read_ms < WALL_READ_EVERY_MS)
        return;
    l->wall_lead_ms = clock_wall_ms() - (int64_t)(uv_hrtime() / 1000000);
    l->wall_read_ms = now;
    report_quick_turns(l);
}

static void on_before_poll(uv_prepare_t *handle)
{
    struct loop *l = CONTAINER_OF(handle, struct loop, before_poll);
    bool has_worked = timers_run_due(l);

    has_worked |= end_turn(l);
    note_lag(l, has_worked);
    read_wall_clock(l);
}

static void on_after_poll(uv_check_t *handle)
{
    struct loop *l = CONTAINER_OF(handle, struct loop, after_poll);

    l->woke_ms = (int64_t)uv_now(&l->uv);
    end_turn(l);
    if (atomic_exchange(&l->stop, false))
        uv_stop(&l->uv);
}

/* ---- life ---- */

static void start_handles(struct loop *l)
{
    bool is_ok = uv_loop_init(&l->uv) == 0;

    is_ok = is_ok && uv_async_init(&l->uv, &l->mailbox, on_mailbox) == 0;
    is_ok = is_ok && uv_timer_init(&l->uv, &l->alarm) == 0;
    is_ok = is_ok && uv_prepare_init(&l->uv, &l->before_poll) == 0;
    is_ok = is_ok && uv_prepare_start(&l->before_poll, on_before_poll) == 0;
    is_ok = is_ok && uv_check_init(&l->uv, &l->after_poll) == 0;
    is_ok = is_ok && uv_check_start(&l->after_poll, on_after_poll) == 0;
    BUG_ON(!is_ok);
}

struct loop *loop_new(void)
{
    struct loop *l = mem_new(struct loop);

    /* OpenSSL writes to sockets with write(2), which raises it. */
    signal(SIGPIPE, SIG_IGN);
    BUG_ON(pthread_mutex_init(&l->mail_lock, NULL) != 0);
    start_handles(l);
    atomic_init(&l->stop, false);
    list_init(&l->tasks);
    list_init(&l->last);
    list_init(&l->retired);
    l->timers.alarm_ms = INT64_MAX;
    l->date_second = -1;
    l->wall_read_ms = -WALL_READ_EVERY_MS;
    read_wall_clock(l);
    l->read_space = mem_alloc(LOOP_READ_SIZE);
    return l;
}

/* Mail may defer, tasks may retire, and all of them may post again. */
static void settle(struct loop *l)
{
    while (deliver_mail(l) || !list_is_empty(&l->tasks) || !list_is_empty(&l->last) ||
           !list_is_empty(&l->retired))
        end_turn(l);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    settle(l);
    BUG_ON(l->timers.n > 0);
    uv_close((uv_handle_t *)&l->mailbox, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->before_poll, NULL);
    uv_close((uv_handle_t *)&l->after_poll, NULL);
    /* Close callbacks only free memory, so one pass that does not wait runs all of them. */
    uv_run(&l->uv, UV_RUN_NOWAIT);
    BUG_ON(uv_loop_close(&l->uv) != 0);
    timers_report(l);
    timers_deinit(l);
    pthread_mutex_destroy(&l->mail_lock);
    mem_free(l->handles.slots);
    mem_free(l->read_space);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    uv_update_time(&l->uv);
    l->woke_ms = (int64_t)uv_now(&l->uv);
    l->is_running = true;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    l->is_running = false;
    report_quick_turns(l);
}

void loop_stop(struct loop *l)
{
    pthread_mutex_lock(&l->mail_lock);
    atomic_store(&l->stop, true);
    wake(l);
    pthread_mutex_unlock(&l->mail_lock);
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

char *loop_read_space(struct loop *l)
{
    return l->read_space;
}

/* ---- clock ---- */

int64_t loop_now_ms(const struct loop *l)
{
    return l->is_clock_set ? l->set_ms : (int64_t)uv_now(&l->uv);
}

int64_t loop_wall_ms(const struct loop *l)
{
    return loop_now_ms(l) + l->wall_lead_ms;
}

void loop_clock_set(struct loop *l, int64_t now_ms)
{
    if (!l->is_clock_set) {
        l->wall_lead_ms = loop_wall_ms(l) - now_ms;
        l->is_clock_set = true;
        timers_stop_alarm(l);
    }
    l->set_ms = now_ms;
    timers_run_due(l);
}

static void format_http_date(int64_t second, char *out, size_t cap)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm;
    time_t t = (time_t)second;

    BUG_ON(!gmtime_r(&t, &tm));
    snprintf(out, cap, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[(unsigned)tm.tm_wday % 7],
             (unsigned)tm.tm_mday % 100, months[(unsigned)tm.tm_mon % 12],
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

struct str loop_http_date(struct loop *l)
{
    int64_t second = loop_wall_ms(l) / 1000;

    if (second != l->date_second) {
        format_http_date(second, l->date, sizeof(l->date));
        l->date_second = second;
    }
    return (struct str){ l->date, HTTP_DATE_LEN };
}
