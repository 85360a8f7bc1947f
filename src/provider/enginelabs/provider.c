/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway holds of this provider: its table, its upstream, its part on each worker. */
#include "base/mem.h"
#include "provider/enginelabs/call.h"

struct enginelabs *enginelabs_new(const struct enginelabs_config *accounts, size_t n)
{
    struct enginelabs *e = mem_new(struct enginelabs);

    e->config = accounts;
    e->roster = roster_new(accounts, n);
    return e;
}

void enginelabs_free(struct enginelabs *e)
{
    if (!e)
        return;
    roster_free(e->roster);
    mem_free(e);
}

static struct provider_instance *attach(void *upstream, const struct provider_env *env)
{
    struct enginelabs *e = upstream;
    struct provider_instance *p = mem_new(struct provider_instance);

    p->upstream = e;
    p->config = e->config;
    p->env = *env;
    list_init(&p->checks);
    list_init(&p->posts);
    list_init(&p->drains);
    p->roster = roster_port_open(e->roster, env->client, env->store, env->connect_timeout_ms,
                                 env->accept_timeout_ms);
    return p;
}

static void on_roster_closed(void *arg)
{
    struct provider_instance *p = arg;
    void (*detached)(void *) = p->detached;
    void *detached_arg = p->detached_arg;

    mem_free(p);
    detached(detached_arg);
}

static void detach(struct provider_instance *p, void (*detached)(void *arg), void *arg)
{
    BUG_ON(p->calls > 0);
    p->detached = detached;
    p->detached_arg = arg;
    check_cancel_all(p);
    wire_cancel_posts(p);
    drain_end_all(p);
    roster_port_close(p->roster, on_roster_closed, p);
}

static void prepare(struct provider_instance *p)
{
    roster_prepare(p->roster);
}

static bool is_ready(void *upstream, char *why)
{
    struct enginelabs *e = upstream;

    return roster_is_ready(e->roster, why);
}

const struct provider_ops provider_enginelabs = {
    .name = "enginelabs",
    .attach = attach,
    .detach = detach,
    .prepare = prepare,
    .start = call_start,
    .pause = call_pause,
    .resume = call_resume,
    .settle = call_settle,
    .release = call_release,
    .is_ready = is_ready,
    .check = check_start,
};
