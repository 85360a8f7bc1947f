/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of an account share: the account, the upstream it is at, and two ports, on one loop.
 */
#pragma once

#include "base/metrics.h"
#include "fake.h"
#include "provider/enginelabs/account.h"

enum { CONNECT_MS = 5000, ANSWER_MS = 5000 };

/* An account, the upstream it is at, and two ports to it, all on one loop. */
struct rig {
    struct loop *loop;
    struct fake fake;
    struct enginelabs_config config;
    struct connector *connector;
    struct proxy_rules proxies;
    struct http_client *client;
    struct account *account;
    struct account_port *port;
    struct account_port *other;
    unsigned n_closed;
};

/* Somebody who wants a token. */
struct asker {
    struct account_port *port;
    struct wait wait;
    struct token token;
    struct notice notice;
    enum account_answer answer;
    unsigned n_woken;
};

static inline void count_closed(void *arg)
{
    ++*(unsigned *)arg;
}

static inline void rig_open(struct rig *r)
{
    struct http_client_limits limits;

    *r = (struct rig){ .loop = loop_new() };
    fake_start(&r->fake, r->loop);
    r->config = fake_config(&r->fake);
    r->connector = connector_new(r->loop, NULL, &r->proxies);
    http_client_limits_default(&limits);
    r->client = http_client_new(r->connector, &limits);
}

/* After the test has changed the settings. */
static inline void rig_sign_in(struct rig *r)
{
    r->account = account_new(&r->config);
    r->port = account_port_open(r->account, r->client, NULL, CONNECT_MS, ANSWER_MS);
    r->other = account_port_open(r->account, r->client, NULL, CONNECT_MS, ANSWER_MS);
}

static inline void rig_start(struct rig *r)
{
    rig_open(r);
    rig_sign_in(r);
}

static inline void rig_end(struct rig *r)
{
    if (r->port)
        account_port_close(r->port, count_closed, &r->n_closed);
    else
        r->n_closed++;
    account_port_close(r->other, count_closed, &r->n_closed);
    while (r->n_closed < 2)
        run_turn_now(r->loop);
    account_free(r->account);
    http_client_free(r->client);
    connector_free(r->connector);
    fake_stop(&r->fake);
    fake_config_free(&r->config);
    run_turn_now(r->loop);
    EXPECT_INT(loop_timers(r->loop), 0);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    loop_free(r->loop);
}

static inline void on_wake_up(void *arg, const struct notice *notice);

static inline void ask(struct asker *a, struct account_port *port)
{
    a->port = port;
    a->answer = account_token(port, &a->token, &a->notice, &a->wait, on_wake_up, a);
}

static inline void on_wake_up(void *arg, const struct notice *notice)
{
    struct asker *a = arg;

    a->n_woken++;
    if (notice) {
        a->notice = *notice;
        a->answer = ACCOUNT_FAILED;
    } else {
        ask(a, a->port);
    }
}

/* Asks and waits for the answer. */
static inline enum account_answer get(struct rig *r, struct asker *a)
{
    *a = (struct asker){ 0 };
    ask(a, r->port);
    while (a->answer == ACCOUNT_WAITS)
        run_turn(r->loop);
    return a->answer;
}

/* Gets a token and drops it. */
static inline void get_any(struct rig *r)
{
    struct asker a;

    EXPECT_INT(get(r, &a), ACCOUNT_READY);
    token_deinit(&a.token);
}
