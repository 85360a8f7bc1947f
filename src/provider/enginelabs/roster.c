/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts of an upstream, each worker's part of them, and what is learned of them. */
#include "base/mem.h"
#include "provider/enginelabs/roster_internal.h"

struct roster *roster_new(const struct enginelabs_config *accounts, size_t n)
{
    struct roster *p = mem_alloc(sizeof(*p) + n * sizeof(p->seats[0]));

    BUG_ON(n == 0 || n > ROSTER_ACCOUNTS_MAX);
    BUG_ON(pthread_mutex_init(&p->lock, NULL));
    list_init(&p->line);
    p->n = n;
    for (size_t i = 0; i < n; i++) {
        p->seats[i].roster = p;
        p->seats[i].config = &accounts[i];
        p->seats[i].account = account_new(&accounts[i]);
        p->seats[i].limit = accounts[i].max_parallel;
        cooldowns_init(&p->seats[i].rests);
    }
    return p;
}

void roster_inherit(struct roster *p, struct roster *old)
{
    roster_lock(old);
    for (size_t i = 0; i < p->n; i++) {
        int at = roster_find(old, p->seats[i].config->account);
        struct seat *from = at < 0 ? NULL : &old->seats[at];

        if (!from)
            continue;
        from->heir = &p->seats[i];
        p->seats[i].leases = from->leases;
        p->seats[i].plan = from->plan;
        p->seats[i].has_plan = from->has_plan;
        if (!p->seats[i].config->max_parallel_is_set && !from->config->max_parallel_is_set)
            p->seats[i].limit = from->limit; /* what the service said */
    }
    roster_unlock(old);
}

void roster_free(struct roster *p)
{
    if (!p)
        return;
    BUG_ON(!list_is_empty(&p->line));
    for (size_t i = 0; i < p->n; i++) {
        BUG_ON(p->seats[i].leases);
        account_free(p->seats[i].account);
        slots_free(p->seats[i].slots);
        cooldowns_deinit(&p->seats[i].rests);
    }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

size_t roster_size(const struct roster *p)
{
    return p->n;
}

/* One is enough; the others are told of. */
bool roster_is_ready(struct roster *p, char *why)
{
    char reason[128];
    size_t n_ready = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (account_is_ready(p->seats[i].account, reason))
            n_ready++;
        else
            memcpy(why, reason, sizeof(reason));
    }
    return n_ready > 0;
}

/* ---- for people ---- */

static void count_rest(void *arg, struct str model, int64_t left_ms, const struct notice *why)
{
    struct provider_census *to = arg;

    (void)model;
    (void)left_ms;
    (void)why;
    to->cooldowns++;
}

enum provider_standing seat_standing(const struct seat *s, int64_t now_ms)
{
    struct notice notice;
    char why[128] = "";

    if (account_is_out(s->account, &notice))
        return STANDING_SIGNED_OUT;
    if (!account_is_ready(s->account, why))
        return STANDING_FAILING;
    if (cooldown_left(&s->rests, STR(""), now_ms, NULL) > 0)
        return STANDING_RESTING;
    return seat_has_room(s, now_ms) ? STANDING_READY : STANDING_BUSY;
}

void roster_census(struct roster *p, int64_t now_ms, struct provider_census *to)
{
    roster_lock(p);
    for (size_t i = 0; i < p->n; i++) {
        to->accounts[seat_standing(&p->seats[i], now_ms)]++;
        cooldowns_each(&p->seats[i].rests, now_ms, count_rest, to);
    }
    roster_unlock(p);
}

int roster_find(const struct roster *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->seats[i].config->account, name) == 0)
            return (int)i;
    return -1;
}

/* ---- ports ---- */

/* Under the lock: the first port knows the store. */
static void share(struct seat *s)
{
    if (!s->slots)
        s->slots = slots_new(s->config, s->limit, &s->roster->lock, &roster_slots_owner, s);
}

static void take_keeper(struct roster_port *port)
{
    struct roster *p = port->roster;
    bool is_first;

    roster_lock(p);
    is_first = !p->has_keeper;
    p->has_keeper = true;
    roster_unlock(p);
    if (is_first)
        port->keeper = roster_keeper_open(port);
}

struct roster_port *roster_port_open(struct roster *p, struct http_client *client,
                                     struct store_port *store, int64_t connect_timeout_ms,
                                     int64_t answer_timeout_ms)
{
    struct roster_port *port = mem_alloc(sizeof(*port) + p->n * sizeof(port->seats[0]));

    port->roster = p;
    port->loop = http_client_loop(client);
    port->is_shared = store && store_is_shared(store_of(store));
    for (size_t i = 0; i < p->n; i++) {
        port->seats[i].account = account_port_open(p->seats[i].account, client, store,
                                                   connect_timeout_ms, answer_timeout_ms);
        if (!port->is_shared)
            continue;
        roster_lock(p);
        share(&p->seats[i]);
        roster_unlock(p);
        port->seats[i].slots = slots_port_open(p->seats[i].slots, store, port->loop);
    }
    take_keeper(port);
    return port;
}

static void on_part_closed(void *arg)
{
    struct roster_port *port = arg;
    void (*closed)(void *) = port->closed;
    void *closed_arg = port->closed_arg;

    if (--port->n_closing > 0)
        return;
    mem_free(port);
    closed(closed_arg);
}

void roster_port_close(struct roster_port *port, void (*closed)(void *arg), void *arg)
{
    BUG_ON(port->n_guests);
    port->closed = closed;
    port->closed_arg = arg;
    port->n_closing = port->roster->n + (port->keeper ? 1 : 0);
    timer_disarm(&port->tick);
    if (port->keeper)
        roster_keeper_close(port->keeper, on_part_closed, port);
    for (size_t i = port->roster->n; i > 0; i--) {
        if (port->seats[i - 1].slots)
            slots_port_close(port->seats[i - 1].slots);
        account_port_close(port->seats[i - 1].account, on_part_closed, port);
    }
}

struct account_port *roster_account(struct roster_port *port, size_t account)
{
    return port->seats[account].account;
}

const struct enginelabs_config *roster_config(const struct roster_port *port, size_t account)
{
    return port->roster->seats[account].config;
}

bool roster_is_out(struct roster_port *port, size_t account, struct notice *ret_why)
{
    return account_is_out(port->roster->seats[account].account, ret_why);
}

bool roster_is_keeper(const struct roster_port *port)
{
    return port->keeper != NULL;
}

void roster_prepare(struct roster_port *port)
{
    for (size_t i = 0; i < port->roster->n; i++)
        account_prepare(port->seats[i].account);
}

/* ---- what is learned ---- */

void roster_refused(struct roster_port *port, size_t account, struct str model,
                    enum reaction reaction, const struct failure *failure)
{
    struct seat *s = &port->roster->seats[account];
    int64_t now_ms = loop_now_ms(port->loop);
    struct notice why = { 0 };
    int64_t ms = 0;

    notice_set(&why, failure);
    roster_lock(port->roster);
    if (reaction == REACT_COOL_DOWN)
        ms = cooldown_begin(&s->rests, model, &why, now_ms);
    else if (reaction == REACT_DISTRUST)
        ms = cooldown_begin(&s->rests, STR(""), &why, now_ms);
    else if (reaction == REACT_UNUSABLE)
        ms = cooldown_for(&s->rests, model, &why, now_ms, COOLDOWN_UNUSABLE_MS);
    roster_unlock(port->roster);
    if (ms > 0)
        log_warn("an account rests", LOG_Z("upstream", s->config->name),
                 LOG_Z("account", s->config->account), LOG_STR("model", model),
                 LOG_INT("for_ms", ms), LOG_STR("reason", failure->message));
}

void roster_served(struct roster_port *port, size_t account, struct str model)
{
    roster_lock(port->roster);
    cooldown_served(&port->roster->seats[account].rests, model, loop_now_ms(port->loop));
    roster_unlock(port->roster);
}

void roster_set_parallel(struct roster_port *port, size_t account, unsigned max)
{
    struct seat *s = &port->roster->seats[account];

    if (s->config->max_parallel_is_set)
        return;
    roster_lock(port->roster);
    s->limit = max;
    if (s->slots)
        slots_set(s->slots, max);
    roster_serve_line(port->roster, loop_now_ms(port->loop));
    roster_unlock(port->roster);
}

void roster_clear(struct roster_port *port, size_t account)
{
    roster_lock(port->roster);
    cooldowns_clear(&port->roster->seats[account].rests);
    roster_serve_line(port->roster, loop_now_ms(port->loop));
    roster_unlock(port->roster);
}

void roster_each_rest(struct roster_port *port, size_t account,
                      void (*each)(void *arg, struct str model, int64_t left_ms,
                                   const struct notice *why),
                      void *arg)
{
    roster_lock(port->roster);
    cooldowns_each(&port->roster->seats[account].rests, loop_now_ms(port->loop), each, arg);
    roster_unlock(port->roster);
}

void roster_told(struct roster_port *port, size_t account, const struct plan *plan)
{
    struct seat *s = &port->roster->seats[account];

    roster_lock(port->roster);
    s->plan = *plan;
    s->has_plan = true;
    roster_unlock(port->roster);
}

bool roster_is_wanted(struct roster_port *port)
{
    bool is_wanted;

    roster_lock(port->roster);
    is_wanted = port->roster->n_line > 0;
    roster_unlock(port->roster);
    return is_wanted;
}

bool roster_is_limited(struct roster_port *port, size_t account)
{
    bool is_limited;

    roster_lock(port->roster);
    is_limited = port->roster->seats[account].limit > 0;
    roster_unlock(port->roster);
    return is_limited;
}
