/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds through loops on threads of their own, some of which leave meanwhile. */
#include "gateway/crew.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/mem.h"
#include "test.h"

enum { WORKERS = 4, ROUNDS = 500 };

struct member {
    struct gateway_worker share;
    struct worker *worker;
};

struct trip {
    struct round round;
    unsigned visits;
    unsigned visited; /* bit i: member i */
};

static struct gateway gateway;
static struct member members[WORKERS];
static sem_t ended;
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER; /* many may come home at once */
static struct trip last;                                      /* a copy, and who it came home to */
static const struct gateway_worker *last_home;

static void start(void *arg, struct loop *l)
{
    struct member *m = arg;

    m->share.gateway = &gateway;
    m->share.loop = l;
    crew_join(gateway.crew, &m->share);
}

static void stop(void *arg, struct loop *l)
{
    struct member *m = arg;

    crew_leave(gateway.crew, &m->share);
    loop_stop(l);
}

static void on_visit(struct round *r, struct gateway_worker *w)
{
    struct trip *t = CONTAINER_OF(r, struct trip, round);

    t->visits++;
    for (unsigned i = 0; i < WORKERS; i++)
        if (w == &members[i].share)
            t->visited |= 1U << i;
}

static void on_home(struct round *r, struct gateway_worker *w)
{
    struct trip *t = CONTAINER_OF(r, struct trip, round);

    pthread_mutex_lock(&last_lock);
    last = *t;
    last_home = w;
    pthread_mutex_unlock(&last_lock);
    mem_free(t);
    sem_post(&ended);
}

struct order {
    struct mail mail;
    struct gateway_worker *asker;
};

static void begin(struct mail *m)
{
    struct order *o = CONTAINER_OF(m, struct order, mail);
    struct trip *t = mem_new(struct trip);

    t->round.visit = on_visit;
    t->round.home = on_home;
    round_start(&t->round, o->asker);
    mem_free(o);
}

static void send(struct member *m)
{
    struct order *o = mem_new(struct order);

    o->mail.deliver = begin;
    o->asker = &m->share;
    loop_post(m->share.loop, &o->mail);
}

static void open_all(void)
{
    memset(members, 0, sizeof(members));
    EXPECT(sem_init(&ended, 0, 0) == 0);
    gateway.crew = crew_new();
    for (size_t i = 0; i < WORKERS; i++)
        members[i].worker =
            worker_new(&(struct worker_params){ "member", start, stop, &members[i] });
}

static void close_member(size_t i)
{
    worker_stop(members[i].worker);
    worker_free(members[i].worker);
    members[i].worker = NULL;
}

static void close_all(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        if (members[i].worker)
            close_member(i);
    crew_free(gateway.crew);
    sem_destroy(&ended);
}

static void visits_each_once_and_comes_home(void)
{
    open_all();
    for (size_t i = 0; i < WORKERS; i++) {
        send(&members[i]);
        EXPECT(sem_wait(&ended) == 0);
        EXPECT_INT(last.visits, WORKERS);
        EXPECT_INT(last.visited, (1U << WORKERS) - 1);
        EXPECT(last_home == &members[i].share);
    }
    close_all();
}

static void passes_by_who_has_left(void)
{
    open_all();
    close_member(1);
    send(&members[2]);
    EXPECT(sem_wait(&ended) == 0);
    EXPECT_INT(last.visited, 1U | 4U | 8U);
    EXPECT(last_home == &members[2].share);
    close_all();
}

/* Under sanitizers this is where a loop that is gone would be seen. */
static void ends_each_round_though_all_leave(void)
{
    open_all();
    for (size_t i = 0; i < ROUNDS; i++)
        send(&members[i % WORKERS]);
    for (size_t i = 0; i < WORKERS; i++)
        close_member(i);
    for (size_t i = 0; i < ROUNDS; i++)
        EXPECT(sem_wait(&ended) == 0);
    close_all();
}

static const struct test suite[] = {
    { "visits each once and comes home", visits_each_once_and_comes_home },
    { "passes by who has left", passes_by_who_has_left },
    { "ends each round though all leave", ends_each_round_though_all_leave },
};

TEST_MAIN(suite)
