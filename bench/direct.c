/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same protocol without the gateway: asks an EngineLabs upstream through the provider
 * itself, one prompt after the other, and prints the time to first text as JSON. What the gateway
 * adds is the difference.
 *
 *     bench-direct URL COOKIE COUNT PROMPT
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/timer.h"
#include "provider/enginelabs/enginelabs.h"

enum { COUNT_MAX = 100000 };

struct direct {
    struct loop *loop;
    struct provider_instance *provider;
    struct provider_call *call;
    struct chat_request chat;
    struct task next;
    uint32_t *us;
    size_t wanted, done, seen;
    int64_t started_us;
    bool failed;
};

static void start(void *arg);

static void on_phase(void *arg, enum provider_phase phase)
{
    (void)arg;
    (void)phase;
}

static void on_activity(void *arg)
{
    (void)arg;
}

static void on_detached(void *arg)
{
    struct direct *d = arg;

    loop_stop(d->loop);
}

static void on_event(void *arg, const struct chat_event *event)
{
    struct direct *d = arg;

    if (event->type == CHAT_TEXT && d->seen == d->done)
        d->us[d->seen++] = (uint32_t)(clock_now_us() - d->started_us);
    if (event->type != CHAT_FINISH && event->type != CHAT_ERROR)
        return;
    if (event->type == CHAT_ERROR) {
        fprintf(stderr, "bench-direct: %.*s\n", STR_ARGS(event->failure->message));
        d->failed = true;
    }
    d->done++;
    provider_enginelabs.release(d->call);
    if (d->done == d->wanted || d->failed)
        provider_enginelabs.detach(d->provider, on_detached, d);
    else
        loop_defer(d->loop, &d->next);
}

static const struct provider_sink sink = { .on_phase = on_phase,
                                           .on_activity = on_activity,
                                           .on_event = on_event };

static void start(void *arg)
{
    struct direct *d = arg;

    d->started_us = clock_now_us();
    d->call = provider_enginelabs.start(
        d->provider,
        &(struct provider_request){
            .chat = &d->chat, .model = STR("GPT5"), .key_id = STR(""), .sink = &sink, .arg = d });
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint32_t at(const struct direct *d, double share)
{
    return d->us[(size_t)((double)(d->seen - 1) * share)];
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void run(struct direct *d, const struct enginelabs_config *config)
{
    const struct proxy_rules no_proxies = { .no_proxy = NULL };
    struct connector *connector = connector_new(d->loop, NULL, &no_proxies);
    struct enginelabs *upstream = enginelabs_new(config, 1, NULL);
    struct store *store = store_memory_new(1000);
    struct store_port *port = store_port_open(store, d->loop);
    struct http_client_limits limits;

    http_client_limits_default(&limits);
    struct http_client *client = http_client_new(connector, &limits);
    d->provider =
        provider_enginelabs.attach(upstream, &(struct provider_env){ .loop = d->loop,
                                                                     .client = client,
                                                                     .store = port,
                                                                     .conversation_ttl_ms = 1000,
                                                                     .connect_timeout_ms = 10000,
                                                                     .accept_timeout_ms = 10000 });
    task_init(&d->next, start, d);
    loop_defer(d->loop, &d->next);
    loop_run(d->loop);
    store_port_close(port, stop_loop, d->loop);
    loop_run(d->loop);
    enginelabs_free(upstream);
    http_client_free(client);
    connector_free(connector);
    store_close(store);
}

int main(int argc, char **argv)
{
    static const char *const models[] = { "GPT5", NULL };
    struct enginelabs_config config = {
        .name = "cto", .models = models, .account = "bench", .origin = "https://cto.new"
    };
    struct direct d = { .loop = loop_new() };
    char what[128];
    uint64_t count = 0;

    if (argc != 5 || url_parse(str_of(argv[1]), &config.api, what) ||
        url_parse(str_of(argv[1]), &config.clerk, what) ||
        str_to_u64(str_of(argv[3]), COUNT_MAX, &count) || count == 0) {
        fputs("usage: bench-direct URL COOKIE COUNT PROMPT\n", stderr);
        return 2;
    }
    secret_set(&config.cookie, str_of(argv[2]));
    struct chat_part part = { CHAT_PART_TEXT, str_of(argv[4]) };
    struct chat_message message = { .role = CHAT_USER, .parts = &part, .n_parts = 1 };
    d.chat = (struct chat_request){ .messages = &message, .n_messages = 1 };
    d.wanted = count;
    d.us = mem_alloc_array(count, sizeof(*d.us));
    run(&d, &config);
    qsort(d.us, d.seen, sizeof(*d.us), compare);
    if (d.seen)
        printf("{\"first_us\":{\"p50\":%u,\"p99\":%u,\"p999\":%u}}\n", at(&d, 0.5), at(&d, 0.99),
               at(&d, 0.999));
    mem_free(d.us);
    secret_deinit(&config.cookie);
    url_deinit(&config.api);
    url_deinit(&config.clerk);
    loop_free(d.loop);
    return d.failed || d.seen != d.wanted;
}
