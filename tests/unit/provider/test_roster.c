/* SPDX-License-Identifier: Apache-2.0 */
/* Which account answers, and who waits for one; a shared store is in test_roster_shared.c. */
#include "base/metrics.h"
#include "net/net_test.h"
#include "provider/enginelabs/roster.h"

enum { ACCOUNTS = 3, PLACES = 16 };

static struct field {
    struct loop *loop;
    struct proxy_rules proxies;
    struct connector *connector;
    struct http_client *client;
    struct enginelabs_config configs[ACCOUNTS];
    struct roster *roster;
    struct roster_port *ports[2];
    struct roster_place places[PLACES];
    unsigned woken[PLACES];
    struct notice notices[PLACES];
    unsigned n_closed;
} f;

static void on_woken(void *arg, const struct notice *notice)
{
    size_t i = *(size_t *)arg;

    f.woken[i]++;
    if (notice)
        f.notices[i] = *notice;
}

static void begin(size_t n, unsigned max)
{
    static const char *const names[ACCOUNTS] = { "a", "b", "c" };
    struct http_client_limits limits;

    f = (struct field){ .loop = loop_new() };
    http_client_limits_default(&limits);
    f.connector = connector_new(f.loop, NULL, &f.proxies);
    f.client = http_client_new(f.connector, &limits);
    for (size_t i = 0; i < n; i++) {
        f.configs[i] = (struct enginelabs_config){
            .name = "cto", .account = names[i], .origin = "https://cto.test", .max_parallel = max
        };
        secret_set(&f.configs[i].cookie, STR("__client=abc"));
    }
}

static void open_ports(size_t n)
{
    loop_clock_set(f.loop, loop_now_ms(f.loop));
    f.roster = roster_new(f.configs, n);
    for (size_t i = 0; i < 2; i++)
        f.ports[i] = roster_port_open(f.roster, f.client, NULL, 5000, 5000);
}

static void count_closed(void *arg)
{
    ++*(unsigned *)arg;
}

static void end(void)
{
    for (size_t i = 0; i < 2; i++)
        roster_port_close(f.ports[i], count_closed, &f.n_closed);
    while (f.n_closed < 2)
        run_turn_now(f.loop);
    roster_free(f.roster);
    for (size_t i = 0; i < ACCOUNTS; i++)
        secret_deinit(&f.configs[i].cookie);
    http_client_free(f.client);
    connector_free(f.connector);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0);
    EXPECT_INT(metric_get(METRIC_WAITING), 0);
    EXPECT_INT(loop_timers(f.loop), 0);
    loop_free(f.loop);
}

static struct roster_wish wish_for(const char *model)
{
    return (struct roster_wish){ .model = str_of(model), .own = -1 };
}

/* Place `i`, at port i % 2. */
static enum roster_answer ask(size_t i, const struct roster_wish *wish)
{
    static size_t numbers[PLACES];

    numbers[i] = i;
    return roster_lease(f.ports[i % 2], wish, &f.places[i], on_woken, &numbers[i], &f.notices[i]);
}

static void give_back(size_t i)
{
    roster_leave(f.ports[i % 2], &f.places[i]);
    for (int k = 0; k < 5; k++)
        run_turn_now(f.loop);
}

static void rest(size_t account, const char *model, int64_t retry_after_ms)
{
    const struct failure why = { .kind = FAILURE_QUOTA,
                                 .message = STR("used up"),
                                 .retry_after_ms = retry_after_ms };

    roster_refused(f.ports[0], account, str_of(model), REACT_COOL_DOWN, &why);
}

static void equals_take_turns(void)
{
    struct roster_wish w = wish_for("GPT5");
    unsigned counts[ACCOUNTS] = { 0 };

    begin(3, 2);
    open_ports(3);
    for (size_t i = 0; i < 6; i++) {
        EXPECT_INT(ask(i, &w), ROSTER_LEASED);
        counts[f.places[i].account]++;
    }
    for (size_t i = 0; i < 3; i++)
        EXPECT_INT(counts[i], 2);
    EXPECT_INT(metric_get(METRIC_LEASES), 6);
    for (size_t i = 0; i < 6; i++)
        give_back(i);
    end();
}

static void the_conversations_own_account_comes_first(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(3, 2);
    open_ports(3);
    for (size_t i = 0; i < 2; i++) {
        w.own = 2;
        EXPECT_INT(ask(i, &w), ROSTER_LEASED);
        EXPECT_INT(f.places[i].account, 2);
    }
    EXPECT_INT(ask(2, &w), ROSTER_LEASED); /* it is busy: rather another one than to wait */
    EXPECT(f.places[2].account != 2);
    for (size_t i = 0; i < 3; i++)
        give_back(i);
    end();
}

static void the_line_is_served_in_order_across_workers(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(1, 1);
    open_ports(1);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    for (size_t i = 1; i < 5; i++)
        EXPECT_INT(ask(i, &w), ROSTER_WAITS);
    EXPECT_INT(metric_get(METRIC_WAITING), 4);
    for (size_t i = 0; i < 4; i++) {
        give_back(i);
        EXPECT_INT(f.woken[i + 1], 1);
        EXPECT(f.places[i + 1].is_leased);
        EXPECT(i + 2 >= 5 || !f.woken[i + 2]);
        EXPECT_INT(metric_get(METRIC_LEASES), 1);
    }
    give_back(4);
    end();
}

/* Somebody in front who cannot use what became free does not hold up the others. */
static void the_line_is_served_by_what_each_can_use(void)
{
    struct roster_wish other = wish_for("Opus"), gpt = wish_for("GPT5");

    begin(2, 1);
    open_ports(2);
    other.own = 0;
    EXPECT_INT(ask(0, &other), ROSTER_LEASED);
    other.own = 1;
    EXPECT_INT(ask(1, &other), ROSTER_LEASED);
    gpt.failed = 1 << 1; /* only account 0 */
    EXPECT_INT(ask(2, &gpt), ROSTER_WAITS);
    EXPECT_INT(ask(3, &other), ROSTER_WAITS);
    give_back(1); /* account 1 */
    EXPECT_INT(f.woken[2], 0);
    EXPECT_INT(f.woken[3], 1);
    give_back(0);
    EXPECT_INT(f.woken[2], 1);
    EXPECT_INT(f.places[2].account, 0);
    give_back(2);
    give_back(3);
    end();
}

static void who_leaves_loses_no_lease(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(1, 1);
    open_ports(1);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    for (size_t i = 1; i < 4; i++)
        EXPECT_INT(ask(i, &w), ROSTER_WAITS);
    roster_leave(f.ports[1], &f.places[1]); /* waits */
    roster_leave(f.ports[0], &f.places[0]); /* calls 2 ... */
    roster_leave(f.ports[0], &f.places[2]); /* ... who leaves while the mail is under way */
    for (int k = 0; k < 5; k++)
        run_turn_now(f.loop);
    EXPECT_INT(f.woken[1] + f.woken[2], 0);
    EXPECT_INT(f.woken[3], 1);
    give_back(3);
    end();
}

static void without_a_limit_nobody_waits(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(2, 0);
    open_ports(2);
    for (size_t i = 0; i < PLACES; i++)
        EXPECT_INT(ask(i, &w), ROSTER_LEASED);
    for (size_t i = 0; i < PLACES; i++)
        give_back(i);
    end();
}

static void who_rests_is_passed_over_for_that_model_only(void)
{
    struct roster_wish gpt = wish_for("GPT5"), opus = wish_for("Opus");

    begin(2, 1);
    open_ports(2);
    rest(0, "GPT5", 10000);
    EXPECT_INT(ask(0, &gpt), ROSTER_LEASED);
    EXPECT_INT(f.places[0].account, 1);
    EXPECT_INT(ask(1, &opus), ROSTER_LEASED);
    EXPECT_INT(f.places[1].account, 0);
    EXPECT_INT(ask(2, &gpt), ROSTER_WAITS); /* account 1 is busy, not resting */
    roster_leave(f.ports[0], &f.places[2]);
    rest(1, "GPT5", 5000);
    EXPECT_INT(ask(2, &gpt), ROSTER_REFUSED);
    EXPECT_INT(f.notices[2].kind, FAILURE_QUOTA);
    EXPECT(f.notices[2].retry_after_ms >= 5000 && f.notices[2].retry_after_ms <= 5500);
    give_back(0);
    give_back(1);
    loop_clock_set(f.loop, loop_now_ms(f.loop) + 6000);
    EXPECT_INT(ask(2, &gpt), ROSTER_LEASED);
    EXPECT_INT(f.places[2].account, 1);
    give_back(2);
    roster_clear(f.ports[0], 0);
    gpt.own = 0;
    EXPECT_INT(ask(2, &gpt), ROSTER_LEASED);
    EXPECT_INT(f.places[2].account, 0);
    give_back(2);
    end();
}

/* They wait for an account that then turns out to be of no use: nobody waits for nothing. */
static void the_line_learns_that_nobody_is_left(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(1, 1);
    open_ports(1);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    EXPECT_INT(ask(1, &w), ROSTER_WAITS);
    rest(0, "GPT5", 60000);
    loop_clock_set(f.loop, loop_now_ms(f.loop) + 600);
    RUN_UNTIL(f.loop, f.woken[1]);
    EXPECT(!f.places[1].is_leased);
    EXPECT_INT(f.notices[1].kind, FAILURE_QUOTA);
    give_back(0);
    end();
}

/* ... and that a rest is over. */
static void the_line_learns_that_a_rest_is_over(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(2, 1);
    open_ports(2);
    rest(1, "GPT5", 1000);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    EXPECT_INT(ask(1, &w), ROSTER_WAITS);
    for (int i = 0; i < 10 && !f.woken[1]; i++) {
        loop_clock_set(f.loop, loop_now_ms(f.loop) + 500);
        run_turn_now(f.loop);
        run_turn_now(f.loop);
    }
    EXPECT_INT(f.woken[1], 1);
    EXPECT_INT(f.places[1].account, 1);
    give_back(0);
    give_back(1);
    end();
}

static void what_drains_counts_on(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(1, 1);
    open_ports(1);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    roster_drain(&f.places[0]);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    EXPECT(!roster_is_wanted(f.ports[0]));
    EXPECT_INT(ask(1, &w), ROSTER_WAITS);
    EXPECT(roster_is_wanted(f.ports[0]));
    give_back(0);
    EXPECT_INT(f.woken[1], 1);
    give_back(1);
    end();
}

static void a_signed_out_account_does_not_count(void)
{
    struct roster_wish w = wish_for("GPT5");
    char why[128];

    begin(2, 1);
    secret_set(&f.configs[0].cookie, STR(""));
    open_ports(2);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    EXPECT_INT(f.places[0].account, 1);
    EXPECT(roster_is_ready(f.roster, why));
    give_back(0);
    w.failed = 1 << 1;
    EXPECT_INT(ask(0, &w), ROSTER_REFUSED);
    EXPECT_INT(f.notices[0].kind, FAILURE_UPSTREAM_AUTH);
    end();
}

static void the_service_says_how_many_unless_the_user_does(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(2, 1);
    f.configs[1].max_parallel_is_set = true;
    open_ports(2);
    roster_set_parallel(f.ports[0], 0, 3);
    roster_set_parallel(f.ports[0], 1, 3);
    for (size_t i = 0; i < 4; i++)
        EXPECT_INT(ask(i, &w), ROSTER_LEASED);
    EXPECT_INT(ask(4, &w), ROSTER_WAITS);
    roster_set_parallel(f.ports[0], 0, 4); /* now there is room */
    RUN_UNTIL(f.loop, f.woken[4]);
    for (size_t i = 0; i < 5; i++)
        give_back(i);
    end();
}

static struct provider_census census(void)
{
    struct provider_census c = { 0 };

    roster_census(f.roster, loop_now_ms(f.loop), &c);
    return c;
}

static void counts_where_accounts_stand(void)
{
    struct roster_wish w = wish_for("GPT5");

    begin(3, 1);
    secret_set(&f.configs[2].cookie, STR(""));
    open_ports(3);
    EXPECT_INT(census().accounts[STANDING_READY], 2);
    EXPECT_INT(census().accounts[STANDING_SIGNED_OUT], 1);
    EXPECT_INT(ask(0, &w), ROSTER_LEASED);
    EXPECT_INT(census().accounts[STANDING_BUSY], 1);
    EXPECT_INT(census().accounts[STANDING_READY], 1);
    rest(f.places[0].account == 0 ? 1 : 0, "GPT5", 60000);
    EXPECT_INT(census().accounts[STANDING_READY], 1); /* other models */
    EXPECT_INT(census().cooldowns, 1);
    rest(f.places[0].account == 0 ? 1 : 0, "", 60000);
    EXPECT_INT(census().accounts[STANDING_RESTING], 1);
    EXPECT_INT(census().accounts[STANDING_READY], 0);
    EXPECT_INT(census().cooldowns, 2);
    give_back(0);
    EXPECT_INT(census().accounts[STANDING_BUSY], 0);
    end();
}

static const struct test suite[] = {
    { "equals take turns", equals_take_turns },
    { "the conversation's own account comes first", the_conversations_own_account_comes_first },
    { "the line is served in order across workers", the_line_is_served_in_order_across_workers },
    { "the line is served by what each can use", the_line_is_served_by_what_each_can_use },
    { "who leaves loses no lease", who_leaves_loses_no_lease },
    { "without a limit nobody waits", without_a_limit_nobody_waits },
    { "who rests is passed over for that model only",
      who_rests_is_passed_over_for_that_model_only },
    { "the line learns that nobody is left", the_line_learns_that_nobody_is_left },
    { "the line learns that a rest is over", the_line_learns_that_a_rest_is_over },
    { "what drains counts on", what_drains_counts_on },
    { "a signed out account does not count", a_signed_out_account_does_not_count },
    { "the service says how many unless the user does",
      the_service_says_how_many_unless_the_user_does },
    { "counts where accounts stand", counts_where_accounts_stand },
};

TEST_MAIN(suite)
