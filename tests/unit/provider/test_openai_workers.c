/* SPDX-License-Identifier: Apache-2.0 */
/* One upstream on several workers: a token is renewed once for all of them, keys are shared, and a
 * worker that ends in the middle of a renewal leaves it to the others. */
#include <fcntl.h>
#include <stdlib.h>

#include "net/worker.h"
#include "openai_rig.h"

enum { WORKERS = 3, CALLS = 40 };

static struct rig r;
static char path[64];
static const char *files[] = { path };

/* A worker and what it does: CALLS calls, each after the one before. */
struct hand {
    struct worker *worker;
    struct loop *loop;
    struct connector *connector;
    struct http_client *client;
    struct proxy_rules proxies;
    struct provider_instance *instance;
    struct provider_call *call;
    struct chat_request chat;
    unsigned n_started;
    unsigned n_whole;
    unsigned n_failed;
    atomic_bool is_over;
};

static struct hand hands[WORKERS];

static void next_call(struct hand *h);

static void on_phase(void *arg, enum provider_phase phase)
{
    (void)arg;
    (void)phase;
}

static void on_settled(void *arg)
{
    struct hand *h = arg;

    h->call = NULL;
    next_call(h);
}

static void on_event(void *arg, const struct chat_event *event)
{
    struct hand *h = arg;

    if (event->type == CHAT_FINISH) {
        h->n_whole++;
        provider_openai.settle(h->call, SETTLE_DIVERGED, NULL, on_settled);
    } else if (event->type == CHAT_ERROR) {
        h->n_failed++;
        provider_openai.release(h->call);
        on_settled(h);
    }
}

static void next_call(struct hand *h)
{
    static const struct provider_sink sink = { .on_phase = on_phase, .on_event = on_event };
    const struct provider_request request = { .chat = &h->chat,
                                              .model = STR("big"),
                                              .client_model = STR("big"),
                                              .key_id = STR("key"),
                                              .wants_raw = true,
                                              .sink = &sink,
                                              .arg = h };

    if (h->n_started == CALLS) {
        atomic_store(&h->is_over, true);
        return;
    }
    h->n_started++;
    h->call = provider_openai.start(h->instance, &request);
}

static void start_hand(void *arg, struct loop *l)
{
    struct hand *h = arg;
    struct http_client_limits limits;

    h->loop = l;
    h->connector = connector_new(l, NULL, &h->proxies);
    http_client_limits_default(&limits);
    h->client = http_client_new(h->connector, &limits);
    const struct provider_env env = { .loop = l,
                                      .client = h->client,
                                      .connect_timeout_ms = RIG_TIMEOUT_MS,
                                      .accept_timeout_ms = RIG_TIMEOUT_MS };
    h->instance = provider_openai.attach(r.openai, &env);
    h->chat = (struct chat_request){ .raw = STR(ASK_STREAM), .stream = true };
    next_call(h);
}

static void on_hand_detached(void *arg)
{
    struct hand *h = arg;

    http_client_free(h->client);
    connector_free(h->connector);
    loop_stop(h->loop);
}

static void stop_hand(void *arg, struct loop *l)
{
    struct hand *h = arg;

    (void)l;
    if (h->call)
        provider_openai.release(h->call);
    h->call = NULL;
    provider_openai.detach(h->instance, on_hand_detached, h);
}

static void write_sign_in(void)
{
    static const char text[] = "{\"accessToken\":\"old\",\"refreshToken\":\"r\",\"expiresAt\":1}";
    int fd;

    snprintf(path, sizeof(path), "/tmp/test_openai.XXXXXX");
    fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
}

static void begin(void)
{
    memset(hands, 0, sizeof(hands));
    write_sign_in();
    rig_open(&r);
    r.config.credentials_files = files;
    r.config.n_credentials_files = 1;
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    for (size_t i = 0; i < WORKERS; i++) {
        const struct worker_params params = {
            .name = "hand", .start = start_hand, .stop = stop_hand, .arg = &hands[i]
        };

        hands[i].worker = worker_new(&params);
    }
}

static void stop(struct hand *h)
{
    worker_stop(h->worker);
}

static void end(void)
{
    for (size_t i = 0; i < WORKERS; i++)
        worker_free(hands[i].worker);
    rig_end(&r);
    unlink(path);
}

static void all_workers_share_one_renewal(void)
{
    begin();
    SAY(&r.up, UP_TOKEN, .body = "{\"access_token\":\"new\",\"expires_in\":3600}");
    for (size_t i = 0; i < WORKERS; i++)
        RUN_UNTIL(r.loop, atomic_load(&hands[i].is_over));
    for (size_t i = 0; i < WORKERS; i++)
        stop(&hands[i]);
    end();
    for (size_t i = 0; i < WORKERS; i++) {
        EXPECT_INT(hands[i].n_whole, CALLS);
        EXPECT_INT(hands[i].n_failed, 0);
    }
    EXPECT_INT(r.up.at[UP_TOKEN].count, 1);
    EXPECT_INT(r.up.at[UP_CHAT].count, WORKERS * CALLS);
}

/* The renewal that was asked for first is given up with its worker; the next one is not. */
static void a_renewal_passes_on_to_another_worker(void)
{
    int64_t until;

    begin();
    SAY(&r.up, UP_TOKEN, .end = UP_HOLD, .body = "{}");
    SAY(&r.up, UP_TOKEN, .body = "{\"access_token\":\"new\",\"expires_in\":3600}");
    RUN_UNTIL(r.loop, r.up.at[UP_TOKEN].count == 1);
    until = clock_now_ms() + 50; /* for the others to stand in line */
    while (clock_now_ms() < until)
        run_turn(r.loop);
    for (size_t i = 0; i + 1 < WORKERS; i++)
        stop(&hands[i]);
    /* It may be the last worker's own. */
    until = clock_now_ms() + 3500;
    while (clock_now_ms() < until && r.up.at[UP_TOKEN].held)
        run_turn(r.loop);
    if (r.up.at[UP_TOKEN].held) {
        r.up.at[UP_TOKEN].line.body = "{\"access_token\":\"new\"}";
        up_let_go(&r.up, UP_TOKEN);
    }
    RUN_UNTIL(r.loop, atomic_load(&hands[WORKERS - 1].is_over));
    stop(&hands[WORKERS - 1]);
    end();
    EXPECT_INT(hands[WORKERS - 1].n_whole, CALLS);
}

static const struct test suite[] = {
    { "all workers share one renewal", all_workers_share_one_renewal },
    { "a renewal passes on to another worker", a_renewal_passes_on_to_another_worker },
};

TEST_MAIN(suite)
