/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread owns the loop while it runs; before and after, whoever holds the worker
 * does. The loop itself goes with worker_free() only, so that mail to a
 * worker that ended just now still has an address.
 */
#include "net/worker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/mem.h"

struct worker {
    struct worker_params params;
    char name[16];
    struct loop *loop; /* owned */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t started;
    bool is_started; /* under lock */
    atomic_bool is_stopping;
    struct mail stop;
};

static void *run_thread(void *arg)
{
    struct worker *w = arg;

    w->params.start(w->params.arg, w->loop);
    pthread_mutex_lock(&w->lock);
    w->is_started = true;
    pthread_cond_signal(&w->started);
    pthread_mutex_unlock(&w->lock);
    loop_run(w->loop);
    return NULL;
}

/* A thread inherits the mask of the one that makes it. */
static void start_thread(struct worker *w)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    BUG_ON(pthread_sigmask(SIG_SETMASK, &all, &before) != 0);
    BUG_ON(pthread_create(&w->thread, NULL, run_thread, w) != 0);
    BUG_ON(pthread_sigmask(SIG_SETMASK, &before, NULL) != 0);
    pthread_setname_np(w->thread, w->name);
}

struct worker *worker_new(const struct worker_params *params)
{
    struct worker *w = mem_new(struct worker);

    w->params = *params;
    str_to_z(str_of(params->name), w->name, sizeof(w->name));
    w->loop = loop_new();
    atomic_init(&w->is_stopping, false);
    BUG_ON(pthread_mutex_init(&w->lock, NULL) != 0);
    BUG_ON(pthread_cond_init(&w->started, NULL) != 0);
    start_thread(w);
    pthread_mutex_lock(&w->lock);
    while (!w->is_started)
        pthread_cond_wait(&w->started, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return w;
}

struct loop *worker_loop(struct worker *w)
{
    return w->loop;
}

static void on_stop(struct mail *m)
{
    struct worker *w = CONTAINER_OF(m, struct worker, stop);

    w->params.stop(w->params.arg, w->loop);
}

void worker_stop(struct worker *w)
{
    if (atomic_exchange(&w->is_stopping, true))
        return;
    w->stop.deliver = on_stop;
    loop_post(w->loop, &w->stop);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    BUG_ON(pthread_join(w->thread, NULL) != 0);
    loop_free(w->loop);
    pthread_cond_destroy(&w->started);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

unsigned worker_default_count(void)
{
    cpu_set_t cores;

    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0 || CPU_COUNT(&cores) < 1)
        return 1;
    return (unsigned)CPU_COUNT(&cores);
}
