/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of single requests share: a fake upstream, a client, an account with one port. */
#pragma once

#include "fake.h"
#include "provider/enginelabs/account.h"

enum { SITE_TIMEOUT_MS = 5000 };

struct site {
    struct loop *loop;
    struct fake fake;
    struct enginelabs_config config;
    struct connector *connector;
    struct proxy_rules proxies;
    struct http_client *client;
    struct account *account;
    struct account_port *port;
    bool is_closed;
};

static inline void on_site_closed(void *arg)
{
    struct site *r = arg;

    r->is_closed = true;
}

static inline void site_start(struct site *r)
{
    struct http_client_limits limits;

    *r = (struct site){ .loop = loop_new() };
    fake_start(&r->fake, r->loop);
    r->config = fake_config(&r->fake);
    r->connector = connector_new(r->loop, NULL, &r->proxies);
    http_client_limits_default(&limits);
    r->client = http_client_new(r->connector, &limits);
    r->account = account_new(&r->config);
    r->port = account_port_open(r->account, r->client, NULL, SITE_TIMEOUT_MS, SITE_TIMEOUT_MS);
}

/* Ends it, and sees that nothing is left. */
static inline void site_end(struct site *r)
{
    account_port_close(r->port, on_site_closed, r);
    RUN_UNTIL(r->loop, r->is_closed);
    account_free(r->account);
    run_turn_now(r->loop);
    http_client_free(r->client);
    connector_free(r->connector);
    fake_stop(&r->fake);
    fake_config_free(&r->config);
    run_turn_now(r->loop);
    EXPECT_INT(loop_timers(r->loop), 0);
    loop_free(r->loop);
}
