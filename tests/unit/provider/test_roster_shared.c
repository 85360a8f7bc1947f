/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of one account that several gateways share. The local ones are in test_account.c. */
#include "base/metrics.h"
#include "net/net_test.h"
#include "provider/enginelabs/roster.h"
#include "store/backend.h"

enum { GATEWAYS = 3, WAITS = 8 };

/* One store in memory that says it is shared, and fails when told to. */
static struct shared {
    struct store store;
    struct store *real;
    bool fails;
    unsigned n_run;
} shared;

static void shared_run(UNUSED struct store *s, void *port, struct store_op *op)
{
    shared.n_run++;
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
    struct proxy_rules proxies;
    struct connector *connector;
    struct http_client *client;
    struct roster *rosters[GATEWAYS];
    struct roster_port *ports[GATEWAYS];
    struct roster_place places[WAITS];
    unsigned woken[WAITS];
    bool is_closed;
} g;

static void count_wake(void *arg, const struct notice *notice)
{
    EXPECT(!notice);
    ++*(unsigned *)arg;
}

static struct roster_port *open_port(size_t gateway)
{
    return roster_port_open(g.rosters[gateway], g.client, g.port, 5000, 5000);
}

static bool lease(struct roster_port *port, size_t i)
{
    static const struct roster_wish wish = { .model = { "GPT5", 4 }, .own = -1 };
    struct notice why;
    enum roster_answer answer =
        roster_lease(port, &wish, &g.places[i], count_wake, &g.woken[i], &why);

    EXPECT(answer != ROSTER_REFUSED);
    return answer == ROSTER_LEASED;
}

/* One of those that were leased through a port. */
static void release(struct roster_port *port)
{
    for (size_t i = 0; i < WAITS; i++)
        if (g.places[i].is_leased && g.places[i].port == port) {
            roster_leave(port, &g.places[i]);
            return;
        }
    EXPECT(!"something is leased");
}

static void close_port(struct roster_port *port);

static void begin(unsigned max)
{
    struct http_client_limits limits;

    g = (struct gateways){ .loop = loop_new(),
                           .config = { .name = "cto", .account = "work", .max_parallel = max } };
    shared = (struct shared){ .real = store_memory_new(1000) };
    store_init(&shared.store, &shared_backend);
    loop_clock_set(g.loop, loop_now_ms(g.loop));
    g.port = store_port_open(&shared.store, g.loop);
    secret_set(&g.config.cookie, STR("__client=abc"));
    http_client_limits_default(&limits);
    g.connector = connector_new(g.loop, NULL, &g.proxies);
    g.client = http_client_new(g.connector, &limits);
    for (size_t i = 0; i < GATEWAYS; i++) {
        g.rosters[i] = roster_new(&g.config, 1);
        g.ports[i] = open_port(i);
    }
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_port(struct roster_port *port)
{
    bool is_closed = false;

    roster_port_close(port, on_closed, &is_closed);
    while (!is_closed)
        run_turn_now(g.loop);
}

static void end(void)
{
    for (size_t i = 0; i < GATEWAYS; i++) {
        close_port(g.ports[i]);
        roster_free(g.rosters[i]);
    }
    store_port_close(g.port, on_closed, &g.is_closed);
    RUN_UNTIL(g.loop, g.is_closed);
    store_close(&shared.store);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(loop_timers(g.loop), 0);
    http_client_free(g.client);
    connector_free(g.connector);
    secret_deinit(&g.config.cookie);
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
    EXPECT(!lease(g.ports[which], i));
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
            release(g.ports[i % GATEWAYS]);
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
    release(g.ports[0]);
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
    release(g.ports[0]);
    pass(250);
    EXPECT_INT(granted(), 2);
    release(g.ports[1]);
    settle();
    end();
}

static void who_leaves_gives_back_what_came_too_late(void)
{
    begin(1);
    EXPECT(!lease(g.ports[0], 0));
    roster_leave(g.ports[0], &g.places[0]); /* while the store is asked */
    settle();
    ask(1, 1);
    pass(250);
    EXPECT_INT(g.woken[0], 0);
    EXPECT_INT(g.woken[1], 1);
    release(g.ports[1]);
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
        release(g.ports[i % GATEWAYS]);
        settle();
    }
    EXPECT_INT(granted(), 2 * GATEWAYS);
    end();
}

/* A port that closes while it asks leaves nothing behind that others would have to wait for. */
static void a_port_that_closes_leaves_its_slot(void)
{
    begin(1);
    EXPECT(!lease(g.ports[0], 0));
    roster_leave(g.ports[0], &g.places[0]);
    close_port(g.ports[0]);
    g.ports[0] = open_port(0);
    settle();
    ask(1, 1);
    EXPECT_INT(g.woken[1], 1);
    release(g.ports[1]);
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
        release(g.ports[0]);
        pass(1000);
        if (!g.woken[next])
            break; /* it went to another gateway */
        held = next;
        next = held == 2 ? 3 : 2;
        g.woken[next] = 0;
        ask(next, 0);
    }
    EXPECT_INT(g.woken[1], 1);
    roster_leave(g.ports[0], &g.places[next]);
    release(g.ports[1]);
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
    release(g.ports[0]);
    pass(500);
    EXPECT_INT(g.woken[1], 1);
    release(g.ports[1]);
    settle();
    end();
}

/* A slot goes from the port that asked for it to another one, which holds it longer. */
static void a_slot_is_renewed_when_the_port_that_asked_for_it_is_gone(void)
{
    struct roster_port *other;

    begin(1);
    other = open_port(0);
    ask(0, 0);
    EXPECT_INT(g.woken[0], 1);
    EXPECT(!lease(other, 2));
    release(g.ports[0]);
    settle();
    EXPECT_INT(g.woken[2], 1);
    close_port(g.ports[0]);
    ask(1, 1);
    pass(120000);
    EXPECT_INT(g.woken[1], 0);
    release(other);
    pass(1000);
    EXPECT_INT(g.woken[1], 1);
    release(g.ports[1]);
    settle();
    g.ports[0] = other;
    end();
}

/* Many ports, one renewal. */
static void ports_of_one_gateway_renew_once(void)
{
    struct roster_port *others[8];
    unsigned before;

    begin(1);
    ask(0, 0);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        others[i] = open_port(0);
        EXPECT(!lease(others[i], 1));
        roster_leave(others[i], &g.places[1]);
    }
    settle();
    before = shared.n_run;
    pass(10000);
    EXPECT_INT(shared.n_run - before, 2);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        close_port(others[i]);
    release(g.ports[0]);
    settle();
    end();
}

static void an_account_may_have_hundreds_of_slots(void)
{
    enum { N = 1000 };

    begin(N);
    for (int i = 0; i < N - 1; i++) {
        struct store_key key;
        char what[32];

        snprintf(what, sizeof(what), "/slot/%d", i);
        key = keep_key(&g.config, STORE_LEASE, what);
        store_put(g.port, &key, STR("another gateway"), 600000, NULL, NULL);
    }
    ask(0, 0);
    for (int i = 0; i < N && !granted(); i++)
        settle();
    EXPECT_INT(granted(), 1);
    ask(1, 1);
    for (int i = 0; i < N; i++)
        settle();
    EXPECT_INT(granted(), 1);
    release(g.ports[0]);
    pass(1000);
    for (int i = 0; i < N && granted() < 2; i++)
        settle();
    EXPECT_INT(granted(), 2);
    release(g.ports[1]);
    settle();
    end();
}

static const struct test suite[] = {
    { "a slot is renewed when the port that asked for it is gone",
      a_slot_is_renewed_when_the_port_that_asked_for_it_is_gone },
    { "ports of one gateway renew once", ports_of_one_gateway_renew_once },
    { "an account may have hundreds of slots", an_account_may_have_hundreds_of_slots },
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
