/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker: opens its share of the gateway, and closes it again in the order
 * in which the parts stand on each other.
 *
 *     stop: listener closed -> server drains -> (SHUTDOWN_TIMEOUT: what is left gets an error
 *           and LAST_WORDS_MS to leave, then a reset) -> provider detached -> store's port closed
 *           -> client, connector freed -> loop stops
 */
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/service.h"

/* For answers that are complete to leave, after SHUTDOWN_TIMEOUT. */
enum { LAST_WORDS_MS = 5000 };

/* How long clients may keep a connection idle that they opened before another process took over:
 * nothing waits for it to end. */
enum { HANDED_ON_GRACE_MS = 5000 };

static void on_accept(void *arg, struct conn *c)
{
    struct gateway_worker *w = arg;

    http_server_accept(w->server, c);
}

static void open_server(struct gateway_worker *w)
{
    const struct settings *s = w->view->settings;
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

    gateway_share_open(w, w->gateway, l);
    open_server(w);
}

static void on_share_closed(void *arg)
{
    struct gateway_worker *w = arg;

    loop_stop(w->loop);
}

static void on_served(void *arg)
{
    struct gateway_worker *w = arg;

    if (w->served)
        return;
    w->served = true;
    timer_disarm(&w->drain_limit);
    http_server_free(w->server);
    gateway_share_close(w, on_share_closed, w);
}

/* The time for answers to finish is over: they end with an error that says so. Those that are
 * complete get a little more to reach their clients. */
static void on_drain_limit(void *arg)
{
    struct gateway_worker *w = arg;

    exchange_end_all(w);
    relay_end_all(w);
    http_server_refuse_rest(w->server);
    timer_arm(w->loop, &w->drain_limit, LAST_WORDS_MS, on_served, w);
}

void gateway_worker_stop(void *arg, struct loop *l)
{
    struct gateway_worker *w = arg;

    listener_free(w->listener);
    timer_arm(l, &w->drain_limit, w->view->settings->shutdown_timeout_ms, on_drain_limit, w);
    http_server_drain(w->server,
                      w->gateway->is_handed_on ? HANDED_ON_GRACE_MS : HTTP_DRAIN_GRACE_MS,
                      on_served, w);
}
