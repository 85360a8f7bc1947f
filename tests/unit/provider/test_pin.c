/* SPDX-License-Identifier: Apache-2.0 */
/* One model at a time, in one gateway and in several that share a store. */
#include <stdatomic.h>

#include "net/net_test.h"
#include "provider/enginelabs/pin.h"
#include "shared_store.h"

enum { GATEWAYS = 3, CALLS = 8 };

/* Somebody who wants a model. */
struct one {
    struct pin_hold hold;
    unsigned n_told; /* that it is held */
    struct notice notice;
    bool leaves; /* as soon as it is told anything */
};

static struct gateways {
    struct loop *loop;
    struct store_port *store;
    struct pins *pins[GATEWAYS];
    struct pin_port *ports[GATEWAYS];
    struct one calls[CALLS];
    bool is_closed;
} g;

static void on_told(void *arg, const struct notice *notice)
{
    struct one *c = arg;

    if (notice) {
        EXPECT(!c->hold.pin && !pin_is_held(&c->hold));
        c->notice = *notice;
    } else {
        EXPECT(pin_is_held(&c->hold));
        c->n_told++;
    }
    if (c->leaves)
        pin_release(&c->hold);
}

static void begin(bool is_shared)
{
    g = (struct gateways){ .loop = loop_new() };
    loop_clock_set(g.loop, loop_now_ms(g.loop));
    shared_open();
    g.store = store_port_open(&shared.store, g.loop);
    for (size_t i = 0; i < GATEWAYS; i++) {
        g.pins[i] = pins_new("cto");
        g.ports[i] = pin_port_open(g.pins[i], is_shared ? g.store : NULL, g.loop);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

/* Everything that can happen without the clock. */
static void settle(void)
{
    for (int i = 0; i < 20; i++)
        run_turn_now(g.loop);
}

static void pass(int64_t ms)
{
    while (ms > 0) {
        int64_t some = ms < 250 ? ms : 250;

        loop_clock_set(g.loop, loop_now_ms(g.loop) + some);
        settle();
        ms -= some;
    }
}

static void end(void)
{
    for (size_t i = 0; i < CALLS; i++)
        pin_release(&g.calls[i].hold);
    settle();
    for (size_t i = 0; i < GATEWAYS; i++) {
        pin_port_close(g.ports[i]);
        pins_unref(g.pins[i]);
    }
    store_port_close(g.store, on_closed, &g.is_closed);
    RUN_UNTIL(g.loop, g.is_closed);
    store_close(&shared.store);
    EXPECT_INT(loop_timers(g.loop), 0);
    loop_free(g.loop);
}

/* Call `i` asks gateway `which`. */
static bool ask_for(size_t i, size_t which, const char *organization, const char *model)
{
    bool taken =
        pin_take(g.ports[which], organization, model, &g.calls[i].hold, on_told, &g.calls[i]);

    settle();
    return taken;
}

static void ask(size_t i, size_t which, const char *model)
{
    if (ask_for(i, which, "org_1", model))
        g.calls[i].n_told++;
}

static void release(size_t i)
{
    pin_release(&g.calls[i].hold);
    settle();
}

/* Who holds it: "013". */
static const char *holders(void)
{
    static char text[CALLS + 1];
    size_t n = 0;

    for (size_t i = 0; i < CALLS; i++)
        if (pin_is_held(&g.calls[i].hold))
            text[n++] = (char)('0' + i);
    text[n] = '\0';
    return text;
}

static void calls_of_one_model_hold_it_together(void)
{
    begin(false);
    ask(0, 0, "A");
    ask(1, 0, "A");
    ask(2, 0, "B");
    EXPECT_Z(holders(), "01");
    release(0);
    EXPECT_Z(holders(), "1");
    release(1);
    EXPECT_Z(holders(), "2");
    end();
}

static void who_comes_later_does_not_overtake(void)
{
    begin(false);
    ask(0, 0, "A");
    ask(1, 0, "B");
    ask(2, 0, "A"); /* A is held, but B waits */
    ask(3, 0, "A");
    ask(4, 0, "B");
    EXPECT_Z(holders(), "0");
    release(0);
    EXPECT_Z(holders(), "1");
    release(1);
    EXPECT_Z(holders(), "23");
    release(2);
    EXPECT_Z(holders(), "3");
    release(3);
    EXPECT_Z(holders(), "4");
    end();
}

static void who_leaves_the_queue_makes_room(void)
{
    begin(false);
    ask(0, 0, "A");
    ask(1, 0, "B");
    ask(2, 0, "A");
    release(1);
    EXPECT_Z(holders(), "02");
    EXPECT_INT(g.calls[1].n_told, 0);
    /* Called, and gone before the call arrived. */
    pin_take(g.ports[0], "org_1", "B", &g.calls[3].hold, on_told, &g.calls[3]);
    pin_release(&g.calls[0].hold);
    pin_release(&g.calls[2].hold);
    pin_release(&g.calls[3].hold);
    settle();
    EXPECT_INT(g.calls[3].n_told, 0);
    ask(4, 0, "C");
    EXPECT_Z(holders(), "4");
    end();
}

static void organizations_are_apart(void)
{
    begin(false);
    EXPECT(ask_for(0, 0, "org_1", "A"));
    EXPECT(ask_for(1, 0, "org_2", "B"));
    EXPECT_Z(holders(), "01");
    end();
}

static void a_hold_ends_by_itself_and_says_so(void)
{
    begin(false);
    ask(0, 0, "A");
    ask(1, 0, "A");
    ask(2, 0, "B");
    pass(PIN_LIFE_MS - 1);
    EXPECT_Z(holders(), "01");
    pass(1);
    EXPECT(!pin_is_held(&g.calls[0].hold));
    pass(500);
    EXPECT_INT(g.calls[0].notice.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(g.calls[1].notice.kind, FAILURE_UNAVAILABLE);
    EXPECT(strstr(g.calls[0].notice.message, "\"cto\""));
    EXPECT_Z(holders(), "2");
    EXPECT_INT(g.calls[2].notice.kind, FAILURE_NONE);
    end();
}

static void a_callback_may_leave(void)
{
    begin(true);
    g.calls[0].leaves = true;
    g.calls[1].leaves = true;
    ask(0, 0, "A");
    ask(1, 0, "B");
    ask(2, 1, "C");
    pass(1000);
    EXPECT_INT(g.calls[0].n_told, 1);
    EXPECT_INT(g.calls[1].n_told, 1);
    EXPECT_Z(holders(), "2");
    end();
}

/* ---- several gateways ---- */

static void one_gateway_at_a_time_has_the_organization(void)
{
    begin(true);
    ask(0, 0, "A");
    ask(1, 0, "A");
    ask(2, 1, "A"); /* the same model, but the other gateway cannot know */
    pass(3000);
    EXPECT_Z(holders(), "01");
    release(0);
    pass(500);
    EXPECT_Z(holders(), "1");
    release(1);
    pass(500);
    EXPECT_Z(holders(), "2");
    end();
}

static void what_is_held_is_renewed(void)
{
    begin(true);
    ask(0, 0, "A");
    ask(1, 1, "B");
    pass(50000);
    EXPECT_Z(holders(), "0");
    release(0);
    pass(500);
    EXPECT_Z(holders(), "1");
    end();
}

/* The lock of "org_1", as another gateway would have it. */
static void put_lock(void)
{
    static const char text[] = "pin/dfc765491880219b4f5f9737fb927b08";
    struct store_key key = { .space = STORE_LEASE, .n = sizeof(text) - 1 };

    memcpy(key.bytes, text, key.n);
    store_put(g.store, &key, STR("another gateway"), 15000, NULL, NULL);
    settle();
}

static void what_a_dead_gateway_had_comes_back(void)
{
    begin(true);
    put_lock();
    ask(0, 0, "A");
    pass(14500);
    EXPECT_Z(holders(), "");
    pass(1000);
    EXPECT_Z(holders(), "0");
    end();
}

/* Gateway 0 always has another call of the same model. */
static void a_gateway_does_not_keep_it_while_others_wait(void)
{
    size_t now = 0;
    size_t next = 2;

    begin(true);
    ask(now, 0, "A");
    ask(1, 1, "B");
    for (int i = 0; i < 40 && !g.calls[1].n_told; i++) {
        ask(next, 0, "A");
        release(now);
        now = next;
        next = now == 2 ? 0 : 2;
        pass(500);
    }
    EXPECT_INT(g.calls[1].n_told, 1);
    EXPECT_Z(holders(), "1");
    release(1);
    pass(1000);
    EXPECT_INT(pin_is_held(&g.calls[now].hold), 1);
    end();
}

static void a_lock_that_another_one_took_is_noticed(void)
{
    begin(true);
    ask(0, 0, "A");
    EXPECT_Z(holders(), "0");
    put_lock();
    pass(4250);
    EXPECT_Z(holders(), "");
    pass(250);
    EXPECT_INT(g.calls[0].notice.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(g.calls[0].n_told, 1);
    end();
}

static void without_the_store_nobody_holds_anything(void)
{
    begin(true);
    shared.fails = true;
    ask(0, 0, "A");
    ask(1, 0, "B");
    pass(1000);
    EXPECT_Z(holders(), "");
    EXPECT_INT(g.calls[0].notice.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(g.calls[1].notice.kind, FAILURE_UNAVAILABLE);
    EXPECT(strstr(g.calls[0].notice.message, "store"));
    shared.fails = false;
    ask(2, 0, "A");
    pass(500);
    EXPECT_Z(holders(), "2");
    end();
}

static void a_store_that_fails_for_a_moment_costs_nothing(void)
{
    begin(true);
    shared.fails = true;
    ask(0, 0, "A");
    shared.fails = false;
    pass(300);
    EXPECT_Z(holders(), "0");
    shared.fails = true;
    pass(10000);
    EXPECT_Z(holders(), "0");
    shared.fails = false;
    pass(20000);
    EXPECT_Z(holders(), "0");
    end();
}

/* Given up before another gateway can have it. */
static void a_store_that_fails_for_long_ends_the_hold(void)
{
    begin(true);
    ask(0, 0, "A");
    pass(3900);
    shared.fails = true;
    pass(7900);
    EXPECT_Z(holders(), "0");
    pass(500);
    EXPECT_Z(holders(), "");
    EXPECT_INT(g.calls[0].notice.kind, FAILURE_UNAVAILABLE);
    shared.fails = false;
    ask(1, 1, "B");
    EXPECT_Z(holders(), "");
    pass(4000);
    EXPECT_Z(holders(), "1");
    end();
}

static void a_port_that_closes_leaves_the_lock(void)
{
    begin(true);
    pin_take(g.ports[0], "org_1", "A", &g.calls[0].hold, on_told, &g.calls[0]);
    pin_release(&g.calls[0].hold); /* while the store is asked */
    pin_port_close(g.ports[0]);
    g.ports[0] = pin_port_open(g.pins[0], g.store, g.loop);
    settle();
    ask(1, 1, "B");
    EXPECT_Z(holders(), "1");
    end();
}

/* ---- several workers ---- */

enum { WORKERS = 3, ROUNDS = 150, MODELS = 2 };

struct worker {
    pthread_t thread;
    struct loop *loop;
    struct pins *pins;
    atomic_int *holders; /* of each model */
    unsigned seed;
    bool overlaps;
};

static void note_told(void *arg, const struct notice *notice)
{
    *(int *)arg = notice ? -1 : 1;
}

static void hold_once(struct worker *w, struct pin_port *port, struct loop *l)
{
    static const char *const models[MODELS] = { "A", "B" };
    unsigned mine = (w->seed = w->seed * 1103515245u + 12345u) >> 16 & 1;
    struct pin_hold h = { 0 };
    int told = 0;

    if (pin_take(port, "org_1", models[mine], &h, note_told, &told))
        told = 1;
    while (!told)
        run_turn(l);
    atomic_fetch_add(&w->holders[mine], 1);
    for (unsigned i = 0; i < mine + 2; i++)
        run_turn_now(l);
    w->overlaps = w->overlaps || told < 0 || atomic_load(&w->holders[!mine]) != 0;
    atomic_fetch_sub(&w->holders[mine], 1);
    pin_release(&h);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct pin_port *port = pin_port_open(w->pins, NULL, w->loop);

    for (int i = 0; i < ROUNDS; i++)
        hold_once(w, port, w->loop);
    pin_port_close(port);
    return NULL;
}

static void models_of_several_workers_do_not_overlap(void)
{
    atomic_int holders[MODELS] = { 0 };
    struct pins *pins = pins_new("cto");
    struct worker workers[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++)
        workers[i] =
            (struct worker){ .loop = loop_new(), .pins = pins, .holders = holders, .seed = i + 1 };
    for (unsigned i = 0; i < WORKERS; i++)
        EXPECT(!pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]));
    for (unsigned i = 0; i < WORKERS; i++)
        EXPECT(!pthread_join(workers[i].thread, NULL));
    for (unsigned i = 0; i < WORKERS; i++) {
        EXPECT(!workers[i].overlaps);
        loop_free(workers[i].loop);
    }
    pins_unref(pins);
}

static void who_takes_its_place_waits_for_those_of_before(void)
{
    struct pins *mine, *theirs;
    struct pin_port *before, *after;
    struct loop *l = loop_new();
    struct pin_hold one = { 0 }, other = { 0 };
    int told = 0;

    mine = pins_new("cto");
    theirs = pins_ref(mine);
    before = pin_port_open(mine, NULL, l);
    after = pin_port_open(theirs, NULL, l);
    EXPECT(pin_take(before, "org", "a", &one, note_told, NULL));
    EXPECT(!pin_take(after, "org", "b", &other, note_told, &told));
    pin_release(&one);
    pin_port_close(before);
    pins_unref(mine);
    RUN_UNTIL(l, told);
    EXPECT(pin_is_held(&other));
    pin_release(&other);
    pin_port_close(after);
    pins_unref(theirs);
    loop_free(l);
}

static const struct test suite[] = {
    { "who takes its place waits for those of before",
      who_takes_its_place_waits_for_those_of_before },
    { "calls of one model hold it together", calls_of_one_model_hold_it_together },
    { "who comes later does not overtake", who_comes_later_does_not_overtake },
    { "who leaves the queue makes room", who_leaves_the_queue_makes_room },
    { "organizations are apart", organizations_are_apart },
    { "a hold ends by itself and says so", a_hold_ends_by_itself_and_says_so },
    { "a callback may leave", a_callback_may_leave },
    { "one gateway at a time has the organization", one_gateway_at_a_time_has_the_organization },
    { "what is held is renewed", what_is_held_is_renewed },
    { "what a dead gateway had comes back", what_a_dead_gateway_had_comes_back },
    { "a gateway does not keep it while others wait",
      a_gateway_does_not_keep_it_while_others_wait },
    { "a lock that another one took is noticed", a_lock_that_another_one_took_is_noticed },
    { "without the store nobody holds anything", without_the_store_nobody_holds_anything },
    { "a store that fails for a moment costs nothing",
      a_store_that_fails_for_a_moment_costs_nothing },
    { "a store that fails for long ends the hold", a_store_that_fails_for_long_ends_the_hold },
    { "a port that closes leaves the lock", a_port_that_closes_leaves_the_lock },
    { "models of several workers do not overlap", models_of_several_workers_do_not_overlap },
};

TEST_MAIN(suite)
