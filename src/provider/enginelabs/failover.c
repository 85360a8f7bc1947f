/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a failure: the account learns from it, and the call goes on with another account
 * or another connection, as long as its prompt was not taken. What was refused by a status was not
 * taken; what got no answer is in doubt once it is out.
 */
#include "provider/enginelabs/failover.h"
#include "base/random.h"
#include "provider/enginelabs/call.h"

enum {
    RETRIES_MAX = 2, /* of what no account is to blame for */
    PAUSE_MS = 250,  /* before the first; then twice as long */
};

static void on_pause_over(void *arg)
{
    call_lease(arg);
}

static bool has_others(const struct provider_call *c)
{
    return roster_size(c->instance->upstream->roster) > 1;
}

/* At once by another account; in a moment when the service is in trouble, and at last by another
 * account, too: a conversation asks for its own one each time. */
static void try_again(struct provider_call *c, enum reaction reaction)
{
    int64_t pause_ms = 0;

    if (reaction == REACT_RETRY) {
        pause_ms = (PAUSE_MS << c->retries++);
        pause_ms += (int64_t)(random_u64() % (uint64_t)pause_ms);
    }
    if (reaction != REACT_RETRY || (c->retries == RETRIES_MAX && has_others(c)))
        c->failed |= UINT64_C(1) << c->place.account;
    call_step_back(c);
    c->sink->on_phase(c->arg, PHASE_QUEUED);
    if (c->state == CALL_DONE)
        return;
    call_set_state(c, CALL_LEASE);
    timer_arm(c->instance->env.loop, &c->pause, pause_ms, on_pause_over, c);
}

static bool may_try_again(const struct provider_call *c, enum reaction reaction)
{
    if (c->phase >= PHASE_ACCEPTED || reaction == REACT_GIVE_UP)
        return false;
    return reaction != REACT_RETRY || c->retries < RETRIES_MAX;
}

/* The client may come back when the first of the accounts can serve it. */
static void remember(struct provider_call *c, const struct failure *f)
{
    int64_t sooner_ms = c->last.retry_after_ms;

    notice_set(&c->last, f);
    if (sooner_ms > 0 && (f->retry_after_ms == 0 || sooner_ms < f->retry_after_ms))
        c->last.retry_after_ms = sooner_ms;
}

void call_failed(struct provider_call *c, enum reaction reaction, const struct failure *f)
{
    if (c->state == CALL_DONE)
        return;
    roster_refused(c->instance->roster, c->place.account, c->model, reaction, f);
    if (reaction == REACT_COOL_DOWN)
        upkeep_limit_reached(c->instance->upkeep, c->place.account);
    if (!may_try_again(c, reaction)) {
        call_finish(c, f);
        return;
    }
    remember(c, f);
    try_again(c, reaction);
}

void call_refused(struct provider_call *c, const char *what, const struct api_status *s,
                  struct str body)
{
    struct failure f;

    if (!c->is_accepted)
        c->is_task_over = true; /* it has not begun */
    api_failure(&f, &c->arena, c->config, API_PEER_API, what, s, body);
    call_failed(c, api_reaction(s), &f);
}

void call_broke(struct provider_call *c, const char *what, enum err err, const char *detail)
{
    bool is_in_doubt = c->phase >= PHASE_SENT;
    struct failure f;

    api_transport_failure(&f, &c->arena, c->config, API_PEER_API, what, err, detail);
    call_failed(c, is_in_doubt ? REACT_GIVE_UP : api_transport_reaction(err), &f);
}

void call_unheard(struct provider_call *c, const char *what, enum err err, const char *detail)
{
    struct failure f;

    api_transport_failure(&f, &c->arena, c->config, API_PEER_API, what, err, detail);
    call_failed(c, api_transport_reaction(err), &f);
}

/* The account itself knows how long it cannot. */
static enum reaction reaction_of_notice(const struct notice *notice)
{
    if (notice->kind == FAILURE_UPSTREAM_AUTH || notice->kind == FAILURE_RATE_LIMIT ||
        notice->kind == FAILURE_QUOTA)
        return REACT_OTHER;
    return notice->kind == FAILURE_UNAVAILABLE ? REACT_RETRY : REACT_GIVE_UP;
}

void call_not_signed_in(struct provider_call *c, const struct notice *notice)
{
    struct failure f;

    notice_failure(notice, &c->arena, &f);
    call_failed(c, reaction_of_notice(notice), &f);
}

/* Why the last one failed tells more than why the others rest. */
void call_no_account(struct provider_call *c, const struct notice *notice)
{
    struct failure f;

    notice_failure(c->last.kind != FAILURE_NONE ? &c->last : notice, &c->arena, &f);
    call_finish(c, &f);
}
