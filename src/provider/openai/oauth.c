/* SPDX-License-Identifier: Apache-2.0 */
/* The state is under the mutex; what runs (struct renewal) belongs to the port that began it. */
#include "provider/openai/oauth.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/timer.h"
#include "provider/openai/renewal.h"

enum {
    EARLY_MS = 60000,    /* before its end a token is renewed */
    AGAIN_MS = 5000,     /* after a failure, while the old token is still good */
    HELD_MS = 1000,      /* after a failure without one */
    HELD_MAX_MS = 60000, /* whatever the service says */
    CLOSE_GRACE_MS = 3000,
};

struct oauth {
    const char *upstream;
    const char *path;
    const struct url *api;
    pthread_mutex_t lock;
    struct list queue; /* of tickets, who wait for the renewal */
    bool is_renewing;
    bool is_unkept; /* the file has older tokens than this */
    struct credentials now;
    int64_t renew_wall_ms; /* from then on it is to be renewed */
    struct notice held;    /* why the last renewal failed; FAILURE_NONE: it did not */
    int64_t held_until_ms; /* wall clock: nobody tries again before */
};

struct oauth_port {
    struct oauth *oauth;
    struct provider_env env;
    struct renewal *renewal; /* running here */
    struct timer grace;
    struct task retire;
    void (*closed)(void *arg); /* NULL while open */
    void *closed_arg;
};

static void lock(struct oauth *o)
{
    BUG_ON(pthread_mutex_lock(&o->lock));
}

static void unlock(struct oauth *o)
{
    BUG_ON(pthread_mutex_unlock(&o->lock));
}

static void set_held(struct oauth *o, const char *why)
{
    o->held = (struct notice){ .kind = FAILURE_UPSTREAM_AUTH };
    snprintf(o->held.message, sizeof(o->held.message),
             "The sign-in of upstream \"%s\" cannot be used: %s.", o->upstream, why);
}

struct oauth *oauth_new(const char *upstream, const char *path, const struct url *api)
{
    struct oauth *o = mem_new(struct oauth);
    char why[CREDENTIALS_WHY];

    o->upstream = upstream;
    o->path = path;
    o->api = api;
    list_init(&o->queue);
    BUG_ON(pthread_mutex_init(&o->lock, NULL));
    if (credentials_read(path, &o->now, why))
        set_held(o, why);
    o->renew_wall_ms = o->now.expires_wall_ms - EARLY_MS;
    return o;
}

void oauth_free(struct oauth *o)
{
    if (!o)
        return;
    BUG_ON(!list_is_empty(&o->queue));
    credentials_deinit(&o->now);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}

bool oauth_is_ready(struct oauth *o, char *why)
{
    bool is_failing, is_unkept;

    lock(o);
    is_failing = o->held.kind != FAILURE_NONE;
    is_unkept = o->is_unkept;
    unlock(o);
    if (is_failing)
        snprintf(why, 128, "%.60s cannot sign in now: the command check says why", o->path);
    else if (is_unkept)
        snprintf(why, 128, "the renewed tokens cannot be written to %.60s", o->path);
    return !is_failing && !is_unkept;
}

/* ---- ports ---- */

struct oauth_port *oauth_port_open(struct oauth *o, const struct provider_env *env)
{
    struct oauth_port *p = mem_new(struct oauth_port);

    p->oauth = o;
    p->env = *env;
    return p;
}

static void retire(void *arg)
{
    struct oauth_port *p = arg;
    void (*closed)(void *) = p->closed;
    void *closed_arg = p->closed_arg;

    mem_free(p);
    closed(closed_arg);
}

/* The renewal asks no longer, but a file that is being written is waited for. */
static void on_grace(void *arg)
{
    struct oauth_port *p = arg;

    if (p->renewal)
        renewal_hurry(p->renewal);
}

void oauth_port_close(struct oauth_port *p, void (*closed)(void *arg), void *arg)
{
    p->closed = closed;
    p->closed_arg = arg;
    task_init(&p->retire, retire, p);
    if (p->renewal)
        timer_arm(p->env.loop, &p->grace, CLOSE_GRACE_MS, on_grace, p);
    else
        loop_defer(p->env.loop, &p->retire);
}

/* ---- the renewal ---- */

static void call_all(struct list *queue, const struct notice *notice)
{
    while (wait_call_first(queue, notice))
        ;
}

/* Under the lock. */
static bool has_token(const struct oauth *o, int64_t wall_ms)
{
    return secret_is_set(&o->now.access) && wall_ms < o->now.expires_wall_ms;
}

/* Under the lock, as the next. */
static void take_tokens(struct oauth *o, const struct renewal_result *r, int64_t wall_ms)
{
    int64_t left_ms = r->credentials->expires_wall_ms - wall_ms;

    secret_set(&o->now.access, secret_reveal(&r->credentials->access));
    secret_set(&o->now.refresh, secret_reveal(&r->credentials->refresh));
    o->now.expires_wall_ms = r->credentials->expires_wall_ms;
    o->renew_wall_ms =
        o->now.expires_wall_ms - (left_ms / 4 < EARLY_MS ? left_ms / 4 : (int64_t)EARLY_MS);
    o->is_unkept = !r->is_kept;
    o->held.kind = FAILURE_NONE;
    o->held_until_ms = 0;
}

static void take_failure(struct oauth *o, const struct failure *f, int64_t wall_ms)
{
    int64_t wait_ms = f->retry_after_ms < HELD_MAX_MS ? f->retry_after_ms : (int64_t)HELD_MAX_MS;

    notice_set(&o->held, f);
    o->renew_wall_ms = wall_ms + AGAIN_MS;
    o->held_until_ms = wall_ms + (wait_ms > HELD_MS ? wait_ms : (int64_t)HELD_MS);
    if (has_token(o, wall_ms))
        o->held.kind = FAILURE_NONE;
}

static void on_renewed(void *arg, const struct renewal_result *r)
{
    struct oauth_port *p = arg;
    struct oauth *o = p->oauth;
    int64_t wall_ms = loop_wall_ms(p->env.loop);

    p->renewal = NULL;
    lock(o);
    o->is_renewing = false;
    if (r->failure && !r->is_hurried)
        take_failure(o, r->failure, wall_ms);
    else if (!r->failure)
        take_tokens(o, r, wall_ms);
    /* One that had to end with its worker is begun anew by whoever waits. */
    call_all(&o->queue, o->held.kind && !r->is_hurried ? &o->held : NULL);
    unlock(o);
    timer_disarm(&p->grace);
    if (p->closed)
        loop_defer(p->env.loop, &p->retire);
}

/* Under the lock: the renewal takes copies. */
static void begin(struct oauth_port *p)
{
    struct oauth *o = p->oauth;
    const struct renewal_params params = {
        .env = &p->env,
        .upstream = o->upstream,
        .path = o->path,
        .api = o->api,
        .credentials = &o->now,
        .is_unkept = o->is_unkept,
    };

    o->is_renewing = true;
    p->renewal = renewal_start(&params, on_renewed, p);
}

/* ---- tokens ---- */

enum oauth_answer oauth_token(struct oauth_port *p, struct secret *ret_token,
                              struct notice *ret_notice, struct wait *w, on_wake *wake, void *arg)
{
    struct oauth *o = p->oauth;
    int64_t wall_ms = loop_wall_ms(p->env.loop);
    enum oauth_answer answer = OAUTH_WAITS;

    lock(o);
    if (has_token(o, wall_ms) && wall_ms < o->renew_wall_ms) {
        secret_set(ret_token, secret_reveal(&o->now.access));
        answer = OAUTH_READY;
    } else if (!o->is_renewing && o->held.kind && wall_ms < o->held_until_ms) {
        *ret_notice = o->held;
        answer = OAUTH_FAILED;
    } else {
        wait_begin(w, &o->queue, p->env.loop, wake, arg);
        if (!o->is_renewing)
            begin(p);
    }
    unlock(o);
    return answer;
}

void oauth_leave(struct oauth_port *p, struct wait *w)
{
    lock(p->oauth);
    wait_leave(w);
    unlock(p->oauth);
}

void oauth_refused(struct oauth_port *p, struct str token)
{
    struct oauth *o = p->oauth;

    lock(o);
    if (secret_eq(&o->now.access, token))
        o->now.expires_wall_ms = 0;
    unlock(o);
}

void oauth_prepare(struct oauth_port *p)
{
    struct oauth *o = p->oauth;
    int64_t wall_ms = loop_wall_ms(p->env.loop);

    lock(o);
    if ((o->held.kind || o->is_unkept) && !o->is_renewing && wall_ms >= o->held_until_ms) {
        o->held_until_ms = wall_ms + HELD_MS;
        begin(p);
    }
    unlock(o);
}
