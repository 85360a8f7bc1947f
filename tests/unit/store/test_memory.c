/* SPDX-License-Identifier: Apache-2.0 */
#include <semaphore.h>
#include <stdatomic.h>

#include "net/worker.h"

#include "base/metrics.h"
#include "store_contract.h"

static void does_what_every_store_must(void)
{
    struct loop *l = loop_new();
    struct store *s = store_memory_new(100);

    store_contract(s, l, true);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    store_close(s);
    loop_free(l);
}

static void beyond_its_bound_the_oldest_entry_goes(void)
{
    struct loop *l = loop_new();
    struct store *s = store_memory_new(3);

    contract_put(s, l, "a", "1", 60000);
    contract_put(s, l, "b", "2", 60000);
    contract_put(s, l, "c", "3", 60000);
    contract_put(s, l, "a", "set anew", 60000);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 3);
    contract_put(s, l, "d", "4", 60000);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 3);
    expect_absent(s, l, "b");
    expect_claimed(s, l, "a", 0, "set anew");
    expect_claimed(s, l, "c", 0, "3");
    expect_claimed(s, l, "d", 0, "4");
    store_close(s);
    loop_free(l);
}

static void puts_sweep_what_has_expired(void)
{
    struct loop *l = loop_new();
    struct store *s = store_memory_new(1000);
    char key[2] = "?";

    loop_clock_set(l, 1000);
    for (key[0] = 'A'; key[0] <= 'Z'; key[0]++)
        contract_put(s, l, key, "x", 10);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 26);
    loop_clock_set(l, 1010);
    for (key[0] = 'a'; key[0] <= 'j'; key[0]++)
        contract_put(s, l, key, "x", 10);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 10);
    store_close(s);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    loop_free(l);
}

static void closing_frees_what_is_there(void)
{
    struct loop *l = loop_new();
    struct store *s = store_memory_new(1000);

    contract_put(s, l, "a", "left behind", 60000);
    store_close(s);
    store_close(NULL);
    loop_free(l);
}

/* ---- two workers claim the same keys, one after the other, as fast as they can ---- */

enum { RACES = 5000 };

struct racer {
    struct mail start;
    struct store *store;
    struct worker *worker;
    atomic_uchar *winners; /* how often each key was won */
    sem_t *done;
    unsigned at;
};

static struct store_key race_key(unsigned i)
{
    struct store_key key = { .space = STORE_TIP, .n = sizeof(i) };

    memcpy(key.bytes, &i, sizeof(i));
    return key;
}

static void race(struct racer *r);

static void on_raced(void *arg, const struct store_result *result)
{
    struct racer *r = arg;

    if (!result->err)
        atomic_fetch_add(&r->winners[r->at], 1);
    r->at++;
    race(r);
}

static void race(struct racer *r)
{
    struct store_key key = race_key(r->at);

    if (r->at == RACES)
        sem_post(r->done);
    else
        store_claim_first(r->store, worker_loop(r->worker), &key, 1, on_raced, r);
}

static void on_start_mail(struct mail *m)
{
    race(CONTAINER_OF(m, struct racer, start));
}

static void on_worker_start(UNUSED void *arg, UNUSED struct loop *l)
{
}

static void on_worker_stop(UNUSED void *arg, struct loop *l)
{
    loop_stop(l);
}

static void of_two_workers_exactly_one_gets_a_key(void)
{
    static const struct worker_params params = { .name = "racer",
                                                 .start = on_worker_start,
                                                 .stop = on_worker_stop };
    static atomic_uchar winners[RACES];
    struct racer racers[2];
    struct loop *l = loop_new();
    struct store *s = store_memory_new(RACES);
    sem_t done;

    EXPECT(sem_init(&done, 0, 0) == 0);
    for (unsigned i = 0; i < RACES; i++) {
        struct store_key key = race_key(i);

        store_put(s, l, &key, STR("prize"), 60000, NULL, NULL);
    }
    for (size_t i = 0; i < COUNT_OF(racers); i++)
        racers[i] = (struct racer){ .start = { .deliver = on_start_mail },
                                    .store = s,
                                    .worker = worker_new(&params),
                                    .winners = winners,
                                    .done = &done };
    for (size_t i = 0; i < COUNT_OF(racers); i++)
        loop_post(worker_loop(racers[i].worker), &racers[i].start);
    for (size_t i = 0; i < COUNT_OF(racers); i++)
        while (sem_wait(&done) != 0)
            continue;
    for (size_t i = 0; i < COUNT_OF(racers); i++) {
        worker_stop(racers[i].worker);
        worker_free(racers[i].worker);
    }
    for (size_t i = 0; i < RACES; i++)
        EXPECT_INT(winners[i], 1);
    EXPECT_INT(metric_get(METRIC_STORE_ENTRIES), 0);
    store_close(s);
    loop_free(l);
    sem_destroy(&done);
}

static const struct test suite[] = {
    { "does what every store must", does_what_every_store_must },
    { "beyond its bound the oldest entry goes", beyond_its_bound_the_oldest_entry_goes },
    { "puts sweep what has expired", puts_sweep_what_has_expired },
    { "closing frees what is there", closing_frees_what_is_there },
    { "of two workers exactly one gets a key", of_two_workers_exactly_one_gets_a_key },
};

TEST_MAIN(suite)
