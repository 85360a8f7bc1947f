/* SPDX-License-Identifier: Apache-2.0 */
/* Two workers claim the same keys, one after the other, as fast as they can: each key has exactly
 * one winner. */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>

#include "net/worker.h"
#include "store_contract.h"

struct racer {
    struct mail start;
    struct store *store;
    struct store_port *port;
    struct worker *worker;
    atomic_uchar *winners; /* how often each key was won */
    sem_t *done;
    unsigned at;
    unsigned n;
};

static inline struct store_key race_key(unsigned i)
{
    struct store_key key = { .space = STORE_TIP, .n = sizeof(i) };

    memcpy(key.bytes, &i, sizeof(i));
    return key;
}

static inline void race(struct racer *r);

static inline void on_raced(void *arg, const struct store_result *result)
{
    struct racer *r = arg;

    EXPECT(!result->err || result->err == ERR_NOT_FOUND);
    if (!result->err)
        atomic_fetch_add(&r->winners[r->at], 1);
    r->at++;
    race(r);
}

static inline void race(struct racer *r)
{
    struct store_key key = race_key(r->at);

    if (r->at == r->n)
        sem_post(r->done);
    else
        store_claim_first(r->port, &key, 1, on_raced, r);
}

static inline void on_start_mail(struct mail *m)
{
    race(CONTAINER_OF(m, struct racer, start));
}

static inline void on_racer_start(void *arg, struct loop *l)
{
    struct racer *r = arg;

    loop_clock_set(l, loop_now_ms(l)); /* no deadline passes, however slow the machine is */
    r->port = store_port_open(r->store, l);
}

static inline void on_racer_port_gone(void *arg)
{
    loop_stop(arg);
}

static inline void on_racer_stop(void *arg, struct loop *l)
{
    struct racer *r = arg;

    store_port_close(r->port, on_racer_port_gone, l);
}

static inline void put_prizes(struct store *s, struct loop *l, unsigned n)
{
    struct bench b;

    bench_open(&b, s, l);
    for (unsigned i = 0; i < n; i++) {
        struct store_key key = race_key(i);
        struct told told;

        if (i + 1 < n)
            store_put(b.port, &key, STR("prize"), 60000, NULL, NULL);
        else
            TOLD(&b, told, store_put(b.port, &key, STR("prize"), 60000, on_told, &told));
    }
    bench_close_port(&b);
}

static inline void store_race(struct store *s, struct loop *l, atomic_uchar *winners, unsigned n)
{
    struct racer racers[2];
    sem_t done;

    EXPECT(sem_init(&done, 0, 0) == 0);
    put_prizes(s, l, n);
    for (size_t i = 0; i < COUNT_OF(racers); i++) {
        racers[i] = (struct racer){ .start = { .deliver = on_start_mail },
                                    .store = s,
                                    .winners = winners,
                                    .done = &done,
                                    .n = n };
        racers[i].worker = worker_new(
            &(struct worker_params){ "racer", on_racer_start, on_racer_stop, &racers[i] });
    }
    for (size_t i = 0; i < COUNT_OF(racers); i++)
        loop_post(worker_loop(racers[i].worker), &racers[i].start);
    for (size_t i = 0; i < COUNT_OF(racers); i++)
        while (sem_wait(&done) != 0)
            continue;
    for (size_t i = 0; i < COUNT_OF(racers); i++) {
        worker_stop(racers[i].worker);
        worker_free(racers[i].worker);
    }
    for (size_t i = 0; i < n; i++)
        EXPECT_INT(winners[i], 1);
    sem_destroy(&done);
}
