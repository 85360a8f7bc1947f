/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that run loops. */
#include "net_test.h"

#include <signal.h>
#include <stdatomic.h>

#include "net/worker.h"

struct crew {
    pthread_t thread;
    struct loop *loop;
    char name[16];
    bool are_signals_blocked;
    int started;
    int stopped;
    atomic_int delivered;
};

static void on_start(void *arg, struct loop *l)
{
    struct crew *c = arg;
    sigset_t blocked;

    c->thread = pthread_self();
    c->loop = l;
    c->started++;
    pthread_getname_np(pthread_self(), c->name, sizeof(c->name));
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    c->are_signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP);
}

static void on_stop(void *arg, struct loop *l)
{
    struct crew *c = arg;

    EXPECT(pthread_equal(pthread_self(), c->thread));
    EXPECT(l == c->loop);
    c->stopped++;
    loop_stop(l);
}

static struct worker *start(struct crew *c, const char *name)
{
    struct worker_params params = { name, on_start, on_stop, c };

    return worker_new(&params);
}

static void starts_and_stops_on_its_thread(void)
{
    struct crew crew = { .started = 0 };
    struct worker *w = start(&crew, "worker-1");
    sigset_t blocked;

    EXPECT_INT(crew.started, 1);
    EXPECT(!pthread_equal(crew.thread, pthread_self()));
    EXPECT(worker_loop(w) == crew.loop);
    EXPECT(crew.are_signals_blocked);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    EXPECT(!sigismember(&blocked, SIGTERM));
    worker_stop(w);
    worker_stop(w);
    worker_free(w);
    EXPECT_INT(crew.stopped, 1);
    worker_free(NULL);
}

static void has_the_name_that_was_given(void)
{
    struct crew crew = { .started = 0 };
    struct worker *w = start(&crew, "a-name-that-is-too-long");
    char name[16];

    EXPECT(pthread_getname_np(crew.thread, name, sizeof(name)) == 0);
    EXPECT_Z(name, "a-name-that-is-");
    worker_stop(w);
    worker_free(w);
}

struct note {
    struct mail mail;
    struct crew *crew;
};

static void on_note(struct mail *m)
{
    atomic_fetch_add(&CONTAINER_OF(m, struct note, mail)->crew->delivered, 1);
}

static void takes_mail_even_after_its_end(void)
{
    struct crew crew = { .started = 0 };
    struct note before = { { NULL, on_note }, &crew };
    struct note after = { { NULL, on_note }, &crew };
    struct worker *w = start(&crew, "w");

    loop_post(worker_loop(w), &before.mail);
    worker_stop(w);
    loop_post(worker_loop(w), &after.mail);
    worker_free(w);
    EXPECT_INT(crew.delivered, 2);
}

static void several_run_side_by_side(void)
{
    enum { N = 4 };
    struct crew crews[N] = { { .started = 0 } };
    struct worker *workers[N];

    for (int i = 0; i < N; i++)
        workers[i] = start(&crews[i], "w");
    for (int i = 0; i < N; i++)
        worker_stop(workers[i]);
    for (int i = 0; i < N; i++) {
        worker_free(workers[i]);
        EXPECT_INT(crews[i].stopped, 1);
    }
}

static void counts_the_cores(void)
{
    EXPECT(worker_default_count() >= 1);
    EXPECT((long)worker_default_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

static const struct test suite[] = {
    { "starts and stops on its thread", starts_and_stops_on_its_thread },
    { "has the name that was given", has_the_name_that_was_given },
    { "takes mail even after its end", takes_mail_even_after_its_end },
    { "several run side by side", several_run_side_by_side },
    { "counts the cores", counts_the_cores },
};

TEST_MAIN(suite)
