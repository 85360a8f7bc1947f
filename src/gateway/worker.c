/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker: opens its share of the gateway, and closes it again in the order
 * in which the parts stand on each other.
 *
 *     stop: listener closed -> server drains -> (SHUTDOWN_TIMEOUT: what is left gets an error
 *           and LAST_WORDS_MS to leave, then a reset) -> provider detached -> store's port closed
 *           -> client, connector freed -> loop stops
 */
#include "base/metrics.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/service.h"

/* For answers that are complete to leave, after SHUTDOWN_TIMEOUT. */
enum { LAST_WORDS_MS = 5000 };

static void on_accept(void *arg, struct conn *c)
{
    struct gateway_worker *w = arg;

    http_server_accept(w->server, c);
}

static void open_server(struct gateway_worker *w)
{
    const struct settings *s = w->gateway->settings;
    struct http_server_limits limits;

    http_server_limits_default(&limits);
    limits.max_body = s->max_body_bytes;
    limits.max_connections = s->max_connections;
    limits.open = &w->gateway->connections;
    w->server = http_server_new(w->loop, &gateway_service, w, &limits);
    w->listener = listener_new(w->loop, w->gateway->listen_fd, on_accept, w);
}

void gateway_worker_start(void *arg, struct loop *l)
{
    struct gateway_worker *w = arg;
    struct gateway *g = w->gateway;
    struct http_client_limits limits;

    w->loop = l;
    list_init(&w->exchanges);
    http_client_limits_default(&limits);
    w->connector = connector_new(l, g->trust, &g->settings->proxies);
    w->client = http_client_new(w->connector, &limits);
    w->store = store_port_open(g->store, l);
    const struct provider_env env = {
        .loop = l,
        .client = w->client,
        .store = w->store,
        .conversation_ttl_ms = g->settings->conversation_ttl_ms,
        .connect_timeout_ms = g->settings->connect_timeout_ms,
        .accept_timeout_ms = g->settings->accept_timeout_ms,
    };
    w->provider = g->provider->attach(g->upstream, &env);
    open_server(w);
}

static void on_store_closed(void *arg)
{
    struct gateway_worker *w = arg;

    http_client_free(w->client);
    connector_free(w->connector);
    loop_stop(w->loop);
}

static void on_detached(void *arg)
{
    struct gateway_worker *w = arg;

    store_port_close(w->store, on_store_closed, w);
}

static void on_served(void *arg)
{
    struct gateway_worker *w = arg;

    if (w->served)
        return;
    w->served = true;
    timer_disarm(&w->drain_limit);
    http_server_free(w->server);
    w->gateway->provider->detach(w->provider, on_detached, w);
}

/* The time for answers to finish is over: they end with an error that says so. Those that are
 * complete get a little more to reach their clients. */
static void on_drain_limit(void *arg)
{
    struct gateway_worker *w = arg;

    exchange_end_all(w);
    http_server_refuse_rest(w->server);
    timer_arm(w->loop, &w->drain_limit, LAST_WORDS_MS, on_served, w);
}

void gateway_worker_stop(void *arg, struct loop *l)
{
    struct gateway_worker *w = arg;

    listener_free(w->listener);
    timer_arm(l, &w->drain_limit, w->gateway->settings->shutdown_timeout_ms, on_drain_limit, w);
    http_server_drain(w->server, on_served, w);
}
