/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of one account that several gateways share. The local ones are in test_account.c. */
#include "base/metrics.h"
#include "net/net_test.h"
#include "provider/enginelabs/slots.h"
#include "store/backend.h"

enum { GATEWAYS = 3, WAITS = 8 };

/* One store in memory that says it is shared, and fails when told to. */
static struct shared {
    struct store store;
    struct store *real;
    bool fails;
} shared;

static void shared_run(UNUSED struct store *s, void *port, struct store_op *op)
{
    if (shared.fails)
        store_answer_here(op, ERR_TIMEOUT);
    else
        shared.real->backend->run(shared.real, port, op);
}

static void shared_close(struct store *s)
{
    store_deinit(s);
    store_close(shared.real);
}

static const struct store_backend shared_backend = {
    .name = "shared", .is_shared = true, .run = shared_run, .close = shared_close
};

static struct gateways {
    struct loop *loop;
    struct store_port *port;
    struct enginelabs_config config;
    struct slots *slots[GATEWAYS];
    struct slots_port *ports[GATEWAYS];
    struct wait waits[WAITS];
    unsigned woken[WAITS];
    bool is_closed;
} g;

static void count_wake(void *arg, const struct notice *notice)
{
    EXPECT(!notice);
    ++*(unsigned *)arg;
}

static void begin(unsigned max)
{
    g = (struct gateways){ .loop = loop_new(),
                           .config = { .name = "cto", .account = "work", .max_parallel = max } };
    shared = (struct shared){ .real = store_memory_new(1000) };
    store_init(&shared.store, &shared_backend);
    loop_clock_set(g.loop, loop_now_ms(g.loop));
    g.port = store_port_open(&shared.store, g.loop);
    for (size_t i = 0; i < GATEWAYS; i++) {
        g.slots[i] = slots_new(&g.config);
        g.ports[i] = slots_port_open(g.slots[i], g.port, g.loop);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void end(void)
{
    for (size_t i = 0; i < GATEWAYS; i++) {
        slots_port_close(g.ports[i]);
        slots_free(g.slots[i]);
    }
    store_port_close(g.port, on_closed, &g.is_closed);
    RUN_UNTIL(g.loop, g.is_closed);
    store_close(&shared.store);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(loop_timers(g.loop), 0);
    loop_free(g.loop);
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

/* Wait `i` asks gateway `which`. */
static void ask(size_t i, size_t which)
{
    EXPECT(!slots_lease(g.ports[which], &g.waits[i], count_wake, &g.woken[i]));
    settle();
}

static unsigned granted(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < WAITS; i++)
        n += g.woken[i];
    return n;
}

static void all_gateways_together_have_no_more_than_the_account(void)
{
    bool is_back[WAITS] = { false };
    unsigned n = 0;

    begin(2);
    for (size_t i = 0; i < 6; i++)
        ask(i, i % GATEWAYS);
    pass(5000);
    EXPECT_INT(granted(), 2);
    EXPECT(g.woken[0] && g.woken[1]); /* the first two who asked */
    while (n < 6) {
        for (size_t i = 0; i < 6; i++) {
            if (!g.woken[i] || is_back[i])
                continue;
            is_back[i] = true;
            slots_release(g.ports[i % GATEWAYS]);
            n++;
            pass(500);
            EXPECT_INT(granted(), n + 2 < 6 ? n + 2 : 6);
        }
    }
    end();
}

static void what_a_dead_gateway_had_comes_back(void)
{
    struct store_key key;

    begin(1);
    key = keep_key(&g.config, STORE_LEASE, "/slot/0");
    store_put(g.port, &key, STR("a gateway that died"), 30000, NULL, NULL);
    ask(0, 0);
    pass(29000);
    EXPECT_INT(granted(), 0);
    pass(1500);
    EXPECT_INT(granted(), 1);
    slots_release(g.ports[0]);
    settle();
    end();
}

static void a_lease_is_renewed_while_it_is_held(void)
{
    begin(1);
    ask(0, 0);
    EXPECT_INT(granted(), 1);
    ask(1, 1);
    pass(120000);
    EXPECT_INT(granted(), 1);
    slots_release(g.ports[0]);
    pass(250);
    EXPECT_INT(granted(), 2);
    slots_release(g.ports[1]);
    settle();
    end();
}

static void who_leaves_gives_back_what_came_too_late(void)
{
    begin(1);
    EXPECT(!slots_lease(g.ports[0], &g.waits[0], count_wake, &g.woken[0]));
    slots_leave(g.ports[0], &g.waits[0]); /* while the store is asked */
    settle();
    ask(1, 1);
    pass(250);
    EXPECT_INT(g.woken[0], 0);
    EXPECT_INT(g.woken[1], 1);
    slots_release(g.ports[1]);
    settle();
    end();
}

static void with_a_store_that_fails_each_gateway_counts_alone(void)
{
    begin(1);
    shared.fails = true;
    for (size_t i = 0; i < 2 * GATEWAYS; i++)
        ask(i, i % GATEWAYS);
    EXPECT_INT(granted(), GATEWAYS);
    for (size_t i = 0; i < 2 * GATEWAYS; i++) {
        slots_release(g.ports[i % GATEWAYS]);
        settle();
    }
    EXPECT_INT(granted(), 2 * GATEWAYS);
    end();
}

/* A port that closes while it asks leaves nothing behind that others would have to wait for. */
static void a_port_that_closes_leaves_its_slot(void)
{
    begin(1);
    EXPECT(!slots_lease(g.ports[0], &g.waits[0], count_wake, &g.woken[0]));
    slots_leave(g.ports[0], &g.waits[0]);
    slots_port_close(g.ports[0]);
    g.ports[0] = slots_port_open(g.slots[0], g.port, g.loop);
    settle();
    ask(1, 1);
    EXPECT_INT(g.woken[1], 1);
    slots_release(g.ports[1]);
    settle();
    end();
}

/* Gateway 0 always has somebody who waits; gateway 1 gets its turn all the same. */
static void no_gateway_keeps_a_slot_for_itself(void)
{
    size_t held = 0, next = 2;

    begin(1);
    ask(0, 0);
    ask(1, 1);
    ask(next, 0);
    for (int i = 0; i < 20 && !g.woken[1]; i++) {
        pass(1000);
        slots_release(g.ports[0]);
        pass(1000);
        if (!g.woken[next])
            break; /* it went to another gateway */
        held = next;
        next = held == 2 ? 3 : 2;
        g.woken[next] = 0;
        ask(next, 0);
    }
    EXPECT_INT(g.woken[1], 1);
    slots_leave(g.ports[0], &g.waits[next]);
    slots_release(g.ports[1]);
    settle();
    end();
}

/* Granted while the store failed: entered once it works again. */
static void a_slot_that_the_store_lost_is_entered_again(void)
{
    begin(1);
    shared.fails = true;
    ask(0, 0);
    EXPECT_INT(g.woken[0], 1);
    shared.fails = false;
    pass(10000);
    ask(1, 1);
    pass(60000);
    EXPECT_INT(g.woken[1], 0);
    slots_release(g.ports[0]);
    pass(500);
    EXPECT_INT(g.woken[1], 1);
    slots_release(g.ports[1]);
    settle();
    end();
}

static const struct test suite[] = {
    { "no gateway keeps a slot for itself", no_gateway_keeps_a_slot_for_itself },
    { "a slot that the store lost is entered again", a_slot_that_the_store_lost_is_entered_again },
    { "all gateways together have no more than the account",
      all_gateways_together_have_no_more_than_the_account },
    { "what a dead gateway had comes back", what_a_dead_gateway_had_comes_back },
    { "a lease is renewed while it is held", a_lease_is_renewed_while_it_is_held },
    { "who leaves gives back what came too late", who_leaves_gives_back_what_came_too_late },
    { "with a store that fails each gateway counts alone",
      with_a_store_that_fails_each_gateway_counts_alone },
    { "a port that closes leaves its slot", a_port_that_closes_leaves_its_slot },
};

TEST_MAIN(suite)
