/* SPDX-License-Identifier: Apache-2.0 */
#include "account_rig.h"

#include <stdatomic.h>

#include "net/worker.h"
#include "test.h"

static void ten_thousand_asks_in_five_minutes_cost_seven_tokens(void)
{
    enum { ASKS = 10000, STEP_MS = 30 };
    int64_t before = metric_get(METRIC_TOKEN_REQUESTS);
    struct rig r;

    rig_start(&r);
    for (int i = 0; i < ASKS; i++) {
        loop_clock_set(r.loop, 1000 + (int64_t)i * STEP_MS);
        get_any(&r);
        run_turn_now(r.loop);
        run_turn_now(r.loop);
    }
    EXPECT(r.fake.at[FAKE_TOKEN].count <= 7);
    EXPECT(r.fake.at[FAKE_TOKEN].count >= 5);
    EXPECT_INT(metric_get(METRIC_TOKEN_REQUESTS) - before, r.fake.at[FAKE_TOKEN].count);
    rig_end(&r);
}

static void in_its_last_quarter_a_token_is_served_while_the_next_is_fetched(void)
{
    struct rig r;
    struct asker a;
    struct asker b;

    rig_start(&r);
    loop_clock_set(r.loop, 1000);
    EXPECT_INT(get(&r, &a), ACCOUNT_READY);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    loop_clock_set(r.loop, 1000 + 44999);
    get_any(&r);
    EXPECT(!r.port || r.fake.at[FAKE_TOKEN].count == 1);
    loop_clock_set(r.loop, 1000 + 45000);
    EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    EXPECT_Z(b.token.jwt.p, a.token.jwt.p);
    while (!r.fake.at[FAKE_TOKEN].held)
        run_turn(r.loop);
    token_deinit(&b.token);
    EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    EXPECT_Z(b.token.jwt.p, a.token.jwt.p);
    token_deinit(&b.token);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    do {
        token_deinit(&b.token);
        run_turn(r.loop);
        EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    } while (strcmp(b.token.jwt.p, a.token.jwt.p) == 0);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 1);
    token_deinit(&a.token);
    token_deinit(&b.token);
    rig_end(&r);
}

static void whoever_asks_after_its_end_waits_for_the_next(void)
{
    struct rig r;
    struct asker a = { 0 };

    rig_start(&r);
    loop_clock_set(r.loop, 1000);
    get_any(&r);
    loop_clock_set(r.loop, 1000 + 60000);
    ask(&a, r.port);
    EXPECT_INT(a.answer, ACCOUNT_WAITS);
    while (a.answer == ACCOUNT_WAITS)
        run_turn(r.loop);
    EXPECT_INT(a.answer, ACCOUNT_READY);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    token_deinit(&a.token);
    rig_end(&r);
}

static void only_the_refused_token_is_dropped(void)
{
    struct rig r;
    struct asker a;
    struct asker b;

    rig_start(&r);
    EXPECT_INT(get(&r, &a), ACCOUNT_READY);
    account_token_refused(r.port, &a.token);
    EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    EXPECT(strcmp(a.token.jwt.p, b.token.jwt.p) != 0);
    account_token_refused(r.port, &a.token);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    token_deinit(&a.token);
    token_deinit(&b.token);
    rig_end(&r);
}

static void one_failure_answers_all_who_wait(void)
{
    struct asker askers[20] = { 0 };
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, 500, "{}");
    for (size_t i = 0; i < COUNT_OF(askers); i++)
        ask(&askers[i], i % 2 ? r.port : r.other);
    for (size_t i = 0; i < COUNT_OF(askers); i++) {
        while (askers[i].answer == ACCOUNT_WAITS)
            run_turn(r.loop);
        EXPECT_INT(askers[i].answer, ACCOUNT_FAILED);
        EXPECT_INT(askers[i].notice.kind, FAILURE_UNAVAILABLE);
    }
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    rig_end(&r);
}

static void a_refresh_survives_who_asked_for_it(void)
{
    struct rig r;
    struct asker first = { 0 };
    struct asker second = { 0 };

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    ask(&first, r.port);
    ask(&second, r.other);
    while (!r.fake.at[FAKE_TOKEN].held)
        run_turn(r.loop);
    account_token_leave(r.port, &first.wait);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    while (second.answer == ACCOUNT_WAITS)
        run_turn(r.loop);
    EXPECT_INT(second.answer, ACCOUNT_READY);
    EXPECT_INT(first.n_woken, 0);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    token_deinit(&second.token);
    rig_end(&r);
}

static void a_port_that_closes_hands_its_refresh_on(void)
{
    struct rig r;
    struct asker first = { 0 };
    struct asker second = { 0 };

    rig_start(&r);
    loop_clock_set(r.loop, 1000);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    ask(&first, r.port);
    ask(&second, r.other);
    while (!r.fake.at[FAKE_TOKEN].held)
        run_turn(r.loop);
    account_token_leave(r.port, &first.wait);
    account_port_close(r.port, count_closed, &r.n_closed);
    run_turn_now(r.loop);
    EXPECT_INT(r.n_closed, 0);
    loop_clock_set(r.loop, 1000 + 3000);
    while (second.answer == ACCOUNT_WAITS)
        run_turn(r.loop);
    EXPECT_INT(second.answer, ACCOUNT_READY);
    EXPECT_INT(r.n_closed, 1);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    token_deinit(&second.token);
    r.n_closed = 0;
    r.port = NULL;
    rig_end(&r);
}

static void a_port_that_closes_lets_its_refresh_complete(void)
{
    struct rig r;
    struct asker first = { 0 };
    struct asker second = { 0 };

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    ask(&first, r.port);
    while (!r.fake.at[FAKE_TOKEN].held)
        run_turn(r.loop);
    account_token_leave(r.port, &first.wait);
    account_port_close(r.port, count_closed, &r.n_closed);
    ask(&second, r.other);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    while (second.answer == ACCOUNT_WAITS || r.n_closed == 0)
        run_turn(r.loop);
    EXPECT_INT(second.answer, ACCOUNT_READY);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    token_deinit(&second.token);
    r.n_closed = 0;
    r.port = NULL;
    rig_end(&r);
}

/* ---- two workers ---- */

enum { CROWD = 50 };

static atomic_uint n_asked;
static atomic_uint n_served;

/* A worker whose crowd asks as soon as it runs. */
struct shift {
    struct account *account;
    struct loop *loop;
    struct connector *connector;
    struct proxy_rules proxies;
    struct http_client *client;
    struct account_port *port;
    struct asker crowd[CROWD];
    struct worker *worker;
};

static void on_crowd_woken(void *arg, const struct notice *notice)
{
    struct asker *a = arg;

    EXPECT(!notice);
    EXPECT_INT(account_token(a->port, &a->token, &a->notice, &a->wait, on_crowd_woken, a),
               ACCOUNT_READY);
    token_deinit(&a->token);
    atomic_fetch_add(&n_served, 1);
}

static void shift_start(void *arg, struct loop *l)
{
    struct shift *s = arg;
    struct http_client_limits limits;

    http_client_limits_default(&limits);
    s->loop = l;
    s->connector = connector_new(l, NULL, &s->proxies);
    s->client = http_client_new(s->connector, &limits);
    s->port = account_port_open(s->account, s->client, NULL, CONNECT_MS, ANSWER_MS);
    for (size_t i = 0; i < CROWD; i++) {
        struct asker *a = &s->crowd[i];

        a->port = s->port;
        EXPECT_INT(account_token(s->port, &a->token, &a->notice, &a->wait, on_crowd_woken, a),
                   ACCOUNT_WAITS);
        atomic_fetch_add(&n_asked, 1);
    }
}

static void on_shift_closed(void *arg)
{
    struct shift *s = arg;

    http_client_free(s->client);
    connector_free(s->connector);
    loop_stop(s->loop);
}

static void shift_stop(void *arg, struct loop *l)
{
    struct shift *s = arg;

    (void)l;
    account_port_close(s->port, on_shift_closed, s);
}

static void two_workers_share_one_refresh(void)
{
    static struct shift shifts[2];
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        shifts[i] = (struct shift){ .account = r.account };
        shifts[i].worker = worker_new(&(struct worker_params){
            .name = "shift", .start = shift_start, .stop = shift_stop, .arg = &shifts[i] });
    }
    EXPECT_INT(atomic_load(&n_asked), COUNT_OF(shifts) * CROWD);
    while (!r.fake.at[FAKE_TOKEN].held)
        run_turn(r.loop);
    EXPECT_INT(atomic_load(&n_served), 0);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    while (atomic_load(&n_served) < COUNT_OF(shifts) * CROWD)
        run_for(r.loop, 1);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 1);
    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        worker_stop(shifts[i].worker);
        worker_free(shifts[i].worker);
    }
    rig_end(&r);
}

static const struct test suite[] = {
    { "ten thousand asks in five minutes cost seven tokens",
      ten_thousand_asks_in_five_minutes_cost_seven_tokens },
    { "in its last quarter a token is served while the next is fetched",
      in_its_last_quarter_a_token_is_served_while_the_next_is_fetched },
    { "whoever asks after its end waits for the next",
      whoever_asks_after_its_end_waits_for_the_next },
    { "only the refused token is dropped", only_the_refused_token_is_dropped },
    { "one failure answers all who wait", one_failure_answers_all_who_wait },
    { "a refresh survives who asked for it", a_refresh_survives_who_asked_for_it },
    { "a port that closes hands its refresh on", a_port_that_closes_hands_its_refresh_on },
    { "a port that closes lets its refresh complete",
      a_port_that_closes_lets_its_refresh_complete },
    { "two workers share one refresh", two_workers_share_one_refresh },
};

TEST_MAIN(suite)
