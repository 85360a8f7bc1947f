/* SPDX-License-Identifier: Apache-2.0 */
/* What many answers cost in tokens: whole calls, with the clock turned by hand. */
#include "call_rig.h"

enum {
    CALLS = 10000,
    SPAN_MS = 300000,
    LIFE_S = 60, /* of a token */
    TOKENS_MAX = 7,
};

/* One worker more on the same accounts. */
struct bench {
    struct rig *rig;
    struct store_port *port;
    struct provider_instance *instance;
    bool is_closed;
};

static void on_bench_closed(void *arg)
{
    struct bench *b = arg;

    b->is_closed = true;
}

static void on_bench_detached(void *arg)
{
    struct bench *b = arg;

    store_port_close(b->port, on_bench_closed, b);
}

static void bench_open(struct bench *b, struct rig *r)
{
    struct provider_env env;

    *b = (struct bench){ .rig = r, .port = store_port_open(r->store, r->loop) };
    env = (struct provider_env){ .loop = r->loop,
                                 .client = r->client,
                                 .store = b->port,
                                 .conversation_ttl_ms = RIG_TTL_MS,
                                 .connect_timeout_ms = RIG_TIMEOUT_MS,
                                 .accept_timeout_ms = RIG_TIMEOUT_MS };
    b->instance = provider_enginelabs.attach(r->upstream, &env);
}

static void bench_close(struct bench *b)
{
    provider_enginelabs.detach(b->instance, on_bench_detached, b);
    while (!b->is_closed)
        run_turn_now(b->rig->loop);
}

static void begin(struct rig *r, unsigned max_parallel)
{
    rig_open(r);
    r->config.max_parallel = max_parallel;
    r->fake.life_s = LIFE_S;
    rig_attach(r);
    loop_clock_set(r->loop, 1000);
}

static void answer(struct rig *r)
{
    struct watch w;

    START(r, &w, "u:Hi");
    RUN_UNTIL(r->loop, watch_is_over(&w));
    EXPECT_Z(w.message, "");
    EXPECT_Z(w.text, "Hello, world");
    leave(&w); /* nobody goes on with it */
}

/* Many answers, evenly over the time; every other one by `second` when there is one. */
static void run_calls(struct rig *r, struct provider_instance *second)
{
    struct provider_instance *first = r->instance;

    for (int i = 0; i < CALLS; i++) {
        loop_clock_set(r->loop, 1000 + (int64_t)i * SPAN_MS / CALLS);
        r->instance = second && i % 2 ? second : first;
        answer(r);
    }
    r->instance = first;
}

static void expect_few_tokens(struct rig *r, int64_t before)
{
    EXPECT_INT(r->fake.at[FAKE_POST].count, CALLS);
    EXPECT_INT(metric_get(METRIC_TOKEN_REQUESTS) - before, r->fake.at[FAKE_TOKEN].count);
    EXPECT(r->fake.at[FAKE_TOKEN].count <= TOKENS_MAX);
    EXPECT(r->fake.at[FAKE_TOKEN].count >= SPAN_MS / 1000 / LIFE_S);
    EXPECT_INT(r->fake.at[FAKE_CLIENT].count, 1);
}

static void ten_thousand_answers_in_five_minutes_cost_seven_tokens(void)
{
    int64_t before = metric_get(METRIC_TOKEN_REQUESTS);
    struct rig r;

    begin(&r, 2);
    run_calls(&r, NULL);
    expect_few_tokens(&r, before);
    rig_end(&r);
}

static void two_workers_share_them(void)
{
    int64_t before = metric_get(METRIC_TOKEN_REQUESTS);
    struct bench second;
    struct rig r;

    begin(&r, 2);
    bench_open(&second, &r);
    run_calls(&r, second.instance);
    expect_few_tokens(&r, before);
    bench_close(&second);
    rig_end(&r);
}

static const struct test suite[] = {
    { "ten thousand answers in five minutes cost seven tokens",
      ten_thousand_answers_in_five_minutes_cost_seven_tokens },
    { "two workers share them", two_workers_share_them },
};

TEST_MAIN(suite)
