/* SPDX-License-Identifier: Apache-2.0 */
/* Turns, tasks, mail between threads, handles, clocks. */
#include "net_test.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/series.h"

/* ---- tasks ---- */

static char trace[256];
static size_t n_trace;

static void note(char c)
{
    EXPECT(n_trace + 1 < sizeof(trace));
    trace[n_trace++] = c;
    trace[n_trace] = '\0';
}

static void clear_trace(void)
{
    n_trace = 0;
    trace[0] = '\0';
}

static void on_task(void *arg)
{
    note(*(const char *)arg);
}

struct step {
    struct task task;
    struct loop *loop;
    char name;
    struct step *defers;
    struct task *cancels;
};

static void on_step(void *arg)
{
    struct step *s = arg;

    note(s->name);
    if (s->defers)
        loop_defer(s->loop, &s->defers->task);
    if (s->cancels)
        task_cancel(s->cancels);
}

static void step_init(struct step *s, struct loop *l, char name)
{
    *s = (struct step){ .loop = l, .name = name };
    task_init(&s->task, on_step, s);
}

static void tasks_run_once_in_order(void)
{
    struct loop *l = loop_new();
    struct step a;
    struct step b;
    struct step c;

    clear_trace();
    step_init(&a, l, 'a');
    step_init(&b, l, 'b');
    step_init(&c, l, 'c');
    loop_defer(l, &b.task);
    loop_defer(l, &a.task);
    loop_defer(l, &b.task);
    loop_defer(l, &c.task);
    task_cancel(&c.task);
    EXPECT_Z(trace, "");
    run_turn_now(l);
    EXPECT_Z(trace, "ba");
    run_turn_now(l);
    EXPECT_Z(trace, "ba");
    loop_free(l);
}

static void a_task_may_cancel_the_next_one(void)
{
    struct loop *l = loop_new();
    struct step a;
    struct step b;

    clear_trace();
    step_init(&a, l, 'a');
    step_init(&b, l, 'b');
    a.cancels = &b.task;
    loop_defer(l, &a.task);
    loop_defer(l, &b.task);
    run_turn_now(l);
    EXPECT_Z(trace, "a");
    loop_free(l);
}

static void what_is_retired_goes_after_the_tasks(void)
{
    struct loop *l = loop_new();
    struct task retire;
    struct step a;
    struct step b;

    clear_trace();
    step_init(&a, l, 'a');
    step_init(&b, l, 'b');
    a.defers = &b;
    task_init(&retire, on_task, (char[]){ 'r' });
    loop_retire(l, &retire);
    loop_defer(l, &a.task);
    run_turn_now(l);
    EXPECT_Z(trace, "abr");
    loop_free(l);
}

static void a_task_that_defers_itself_does_not_hold_the_loop(void)
{
    struct loop *l = loop_new();
    struct step a;
    size_t once;

    clear_trace();
    step_init(&a, l, 'a');
    a.defers = &a;
    loop_defer(l, &a.task);
    run_turn_now(l);
    once = n_trace;
    EXPECT(once >= 1 && once < 100);
    /* It goes on without any event from outside. */
    run_turn(l);
    EXPECT(n_trace > once);
    a.defers = NULL;
    run_turn(l);
    loop_free(l);
}

static void last_tasks_wait_for_what_the_others_defer(void)
{
    struct loop *l = loop_new();
    struct step a;
    struct step b;
    struct step c;

    clear_trace();
    step_init(&a, l, 'a');
    step_init(&b, l, 'b');
    step_init(&c, l, 'c');
    b.defers = &a;
    c.defers = &a;
    loop_defer_last(l, &c.task);
    loop_defer_last(l, &c.task);
    loop_defer(l, &c.task);
    loop_defer(l, &b.task);
    run_turn_now(l);
    EXPECT_Z(trace, "baca");
    loop_defer_last(l, &c.task);
    task_cancel(&c.task);
    run_turn_now(l);
    EXPECT_Z(trace, "baca");
    loop_defer_last(l, &b.task);
    loop_free(l);
    EXPECT_Z(trace, "bacaba");
}

static void no_task_holds_up_the_last_for_ever(void)
{
    struct loop *l = loop_new();
    struct step a;
    struct step b;

    clear_trace();
    step_init(&a, l, 'a');
    step_init(&b, l, 'b');
    a.defers = &a;
    loop_defer_last(l, &b.task);
    loop_defer(l, &a.task);
    run_turn_now(l);
    EXPECT(strchr(trace, 'b'));
    a.defers = NULL;
    run_turn(l);
    loop_free(l);
}

static void on_timer_defer(void *arg)
{
    struct step *s = arg;

    note('t');
    loop_defer(s->loop, &s->task);
    loop_stop(s->loop);
}

static void what_a_timer_defers_does_not_wait_for_a_poll(void)
{
    struct timer t = { .loop = NULL };
    struct loop *l = loop_new();
    struct step a;

    clear_trace();
    step_init(&a, l, 'a');
    timer_arm(l, &t, 1, on_timer_defer, &a);
    loop_run(l);
    EXPECT_Z(trace, "ta");
    loop_free(l);
}

/* ---- mail ---- */

enum { SENDERS = 4, LETTERS = 2000 };

struct letter {
    struct mail mail;
    int sender;
    int number;
    struct post_office *office;
};

struct post_office {
    struct loop *loop;
    pthread_t loop_thread;
    int next[SENDERS];
    int n;
};

struct sender {
    struct post_office *office;
    int number;
};

static void on_letter(struct mail *m)
{
    struct letter *letter = CONTAINER_OF(m, struct letter, mail);
    struct post_office *o = letter->office;

    EXPECT(pthread_equal(pthread_self(), o->loop_thread));
    EXPECT_INT(letter->number, o->next[letter->sender]);
    o->next[letter->sender]++;
    o->n++;
    mem_free(letter);
}

static void post(struct post_office *o, int sender, int number)
{
    struct letter *letter = mem_new(struct letter);

    *letter = (struct letter){ .sender = sender, .number = number, .office = o };
    letter->mail.deliver = on_letter;
    loop_post(o->loop, &letter->mail);
}

static void *run_sender(void *arg)
{
    struct sender *s = arg;

    for (int i = 0; i < LETTERS; i++)
        post(s->office, s->number, i);
    return NULL;
}

static void mail_of_one_sender_arrives_in_order(void)
{
    struct post_office office = { .loop = loop_new(), .loop_thread = pthread_self() };
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ &office, i };
        EXPECT(pthread_create(&threads[i], NULL, run_sender, &senders[i]) == 0);
    }
    RUN_UNTIL(office.loop, office.n == SENDERS * LETTERS);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    loop_free(office.loop);
}

static void mail_left_over_is_delivered_at_the_end(void)
{
    struct post_office office = { .loop = loop_new(), .loop_thread = pthread_self() };

    post(&office, 0, 0);
    post(&office, 0, 1);
    EXPECT_INT(office.n, 0);
    loop_free(office.loop);
    EXPECT_INT(office.n, 2);
}

struct relay {
    struct mail mail;
    struct step *step;
};

static void on_relay(struct mail *m)
{
    struct relay *r = CONTAINER_OF(m, struct relay, mail);

    note('m');
    loop_defer(r->step->loop, &r->step->task);
}

static void what_the_last_mail_defers_still_runs(void)
{
    struct loop *l = loop_new();
    struct step a;
    struct relay relay = { .mail.deliver = on_relay, .step = &a };

    clear_trace();
    step_init(&a, l, 'a');
    loop_post(l, &relay.mail);
    loop_free(l);
    EXPECT_Z(trace, "ma");
}

/* ---- stop ---- */

static void *run_stopper(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void stops_from_another_thread(void)
{
    struct loop *l = loop_new();
    pthread_t thread;

    for (int i = 0; i < 100; i++) {
        EXPECT(pthread_create(&thread, NULL, run_stopper, l) == 0);
        loop_run(l);
        pthread_join(thread, NULL);
    }
    loop_free(l);
}

static void stopped_before_it_runs_makes_one_turn(void)
{
    struct loop *l = loop_new();
    struct step a;

    clear_trace();
    step_init(&a, l, 'a');
    loop_stop(l);
    loop_defer(l, &a.task);
    loop_run(l);
    EXPECT_Z(trace, "a");
    loop_free(l);
}

/* ---- handles ---- */

static void a_handle_names_its_object_until_it_is_dropped(void)
{
    struct loop *l = loop_new();
    int a;
    int b;
    uint64_t ha = loop_handle_new(l, &a);
    uint64_t hb = loop_handle_new(l, &b);

    EXPECT(ha != 0 && hb != 0 && ha != hb);
    EXPECT(loop_handle_find(l, ha) == &a);
    EXPECT(loop_handle_find(l, hb) == &b);
    EXPECT(loop_handle_find(l, 0) == NULL);
    EXPECT(loop_handle_find(l, UINT64_MAX) == NULL);
    loop_handle_drop(l, ha);
    loop_handle_drop(l, ha);
    EXPECT(loop_handle_find(l, ha) == NULL);
    EXPECT(loop_handle_find(l, hb) == &b);
    loop_free(l);
}

static void a_handle_is_never_used_again(void)
{
    enum { ROUNDS = 1000 };
    static uint64_t used[ROUNDS];
    struct loop *l = loop_new();
    int object;

    for (size_t i = 0; i < ROUNDS; i++) {
        used[i] = loop_handle_new(l, &object);
        for (size_t k = 0; k < i; k++)
            EXPECT(used[k] != used[i]);
        if (i % 7 != 0)
            loop_handle_drop(l, used[i]);
    }
    for (size_t i = 0; i < ROUNDS; i++)
        EXPECT((loop_handle_find(l, used[i]) == &object) == (i % 7 == 0));
    loop_free(l);
}

/* ---- clocks ---- */

/* Somebody may set the system's clock in the middle of a test. */
enum { WALL_SLACK_MS = 3600000 };

static void the_clock_stands_still_once_it_is_set(void)
{
    struct loop *l = loop_new();
    int64_t wall;

    EXPECT(loop_wall_ms(l) >= clock_wall_ms() - WALL_SLACK_MS);
    EXPECT(loop_wall_ms(l) <= clock_wall_ms() + WALL_SLACK_MS);
    loop_clock_set(l, 5000);
    wall = loop_wall_ms(l);
    run_for(l, 0);
    usleep(3000);
    run_turn_now(l);
    EXPECT_INT(loop_now_ms(l), 5000);
    EXPECT(loop_wall_ms(l) == wall);
    loop_clock_set(l, 6500);
    EXPECT_INT(loop_now_ms(l), 6500);
    EXPECT(loop_wall_ms(l) == wall + 1500);
    loop_free(l);
}

static void moves_on_with_the_real_clock(void)
{
    struct loop *l = loop_new();
    int64_t before = loop_now_ms(l);

    run_for(l, 20);
    EXPECT(loop_now_ms(l) >= before + 20);
    EXPECT(loop_wall_ms(l) >= clock_wall_ms() - WALL_SLACK_MS);
    EXPECT(loop_wall_ms(l) <= clock_wall_ms() + WALL_SLACK_MS);
    loop_free(l);
}

static void says_the_date_as_http_does(void)
{
    struct loop *l = loop_new();
    struct str date = loop_http_date(l);
    char text[32];
    char want[32];
    struct tm tm;
    time_t second = (time_t)(loop_wall_ms(l) / 1000);

    gmtime_r(&second, &tm);
    EXPECT(strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 29);
    EXPECT_STR(date, want);
    loop_clock_set(l, 0);
    str_to_z(loop_http_date(l), text, sizeof(text));
    loop_clock_set(l, 999999);
    EXPECT(!str_eq(loop_http_date(l), str_of(text)));
    loop_free(l);
}

/* ---- lag ---- */

struct slow {
    struct loop *loop;
    struct timer timer;
    struct task task;
    unsigned turns;
};

static void hold_up(int64_t ms)
{
    for (int64_t until = clock_now_us() + ms * 1000; clock_now_us() < until;)
        continue;
}

static void on_slow_task(void *arg)
{
    struct slow *s = arg;

    hold_up(60);
    loop_stop(s->loop);
}

static void on_slow_timer(void *arg)
{
    struct slow *s = arg;

    if (++s->turns < 20) {
        timer_arm(s->loop, &s->timer, 1, on_slow_timer, s);
        return;
    }
    hold_up(60);
    task_init(&s->task, on_slow_task, s);
    loop_defer(s->loop, &s->task);
}

/* Both in one turn, behind many that took no time. */
static void a_turn_that_holds_up_the_loop_is_observed(void)
{
    struct slow s = { .loop = loop_new() };
    struct histogram before, h;

    series_histogram(SERIES_LOOP_LAG, &before);
    timer_arm(s.loop, &s.timer, 1, on_slow_timer, &s);
    loop_run(s.loop);
    series_histogram(SERIES_LOOP_LAG, &h);
    histogram_since(&h, &before);
    EXPECT(histogram_count(&h) >= 20);
    EXPECT(h.sum_us >= 119000);
    EXPECT_INT(h.buckets[histogram_bucket(HISTOGRAM_FAST, 120000)] +
                   h.buckets[histogram_bucket(HISTOGRAM_FAST, 260000)],
               1);
    loop_free(s.loop);
}

static const struct test suite[] = {
    { "tasks run once, in order, and not when canceled", tasks_run_once_in_order },
    { "a task may cancel the next one", a_task_may_cancel_the_next_one },
    { "what is retired goes after the tasks", what_is_retired_goes_after_the_tasks },
    { "a task that defers itself does not hold the loop",
      a_task_that_defers_itself_does_not_hold_the_loop },
    { "last tasks wait for what the others defer", last_tasks_wait_for_what_the_others_defer },
    { "no task holds up the last for ever", no_task_holds_up_the_last_for_ever },
    { "what a timer defers does not wait for a poll",
      what_a_timer_defers_does_not_wait_for_a_poll },
    { "mail of one sender arrives in order", mail_of_one_sender_arrives_in_order },
    { "mail left over is delivered at the end", mail_left_over_is_delivered_at_the_end },
    { "what the last mail defers still runs", what_the_last_mail_defers_still_runs },
    { "stops from another thread", stops_from_another_thread },
    { "stopped before it runs makes one turn", stopped_before_it_runs_makes_one_turn },
    { "a handle names its object until it is dropped",
      a_handle_names_its_object_until_it_is_dropped },
    { "a handle is never used again", a_handle_is_never_used_again },
    { "the clock stands still once it is set", the_clock_stands_still_once_it_is_set },
    { "moves on with the real clock", moves_on_with_the_real_clock },
    { "says the date as HTTP does", says_the_date_as_http_does },
    { "a turn that holds up the loop is observed", a_turn_that_holds_up_the_loop_is_observed },
};

TEST_MAIN(suite)
