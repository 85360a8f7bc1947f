/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer whose stream broke in the middle: it is opened again, and what it says anew is compared
 * with what was sent on (resume.c). Two tries, until something new came; a third stream when what
 * the second one said again is too little to be sure of.
 */
#include "base/metrics.h"
#include "base/random.h"
#include "provider/enginelabs/wire.h"

enum { TRIES = 2 };

static const int64_t delays_ms[TRIES] = { 250, 1000 };

static void on_reopen(void *arg)
{
    struct provider_call *c = arg;

    wire_open_socket(c);
}

/* From now on the turn is told again. */
static void begin_again(struct provider_call *c, int64_t delay_ms)
{
    frames_restart(c->frames);
    resume_again(&c->resume);
    c->has_ended = false;
    metric_add(METRIC_STREAMS_REOPENED, 1);
    call_set_state(c, CALL_SOCKET);
    timer_arm(c->instance->env.loop, &c->reopen, delay_ms, on_reopen, c);
}

/* A quarter more or less, so that many streams that broke together do not come back together. */
static int64_t with_jitter(int64_t ms)
{
    return ms - ms / 4 + (int64_t)(random_u64() % (uint64_t)(ms / 2 + 1));
}

bool wire_reopen(struct provider_call *c)
{
    if ((!c->is_accepted && !frames_turn_runs(c->frames)) || c->n_reopened == TRIES)
        return false;
    if (!c->is_accepted) {
        c->is_accepted = true; /* it works on it; what its POST says does not matter any more */
        timer_disarm(&c->lost);
        pin_release(&c->hold);
    }
    if (c->n_reopened == 0)
        c->is_token_renewed = false; /* an answer may outlive many tokens */
    begin_again(c, with_jitter(delays_ms[c->n_reopened++]));
    return true;
}

/* One that says less is not there any more: the task went on without us. */
void wire_reopen_refused(struct provider_call *c, const struct websocket_end *end)
{
    bool may_pass = end->status >= 500 || (end->status == 0 && err_is_retryable(end->err));

    if (end->status == 401 && call_renew_token(c))
        return;
    if (may_pass && wire_reopen(c))
        return;
    call_fail(c, FAILURE_INTERRUPTED,
              "The answer stream of upstream \"%s\" broke off before the answer was complete, and "
              "could not be opened again (HTTP status %d, %s). Try again.",
              c->config->name, end->status, end->detail);
}

/* Another stream, at once. */
static void look_again(struct provider_call *c)
{
    c->has_looked = true;
    wire_drop_socket(c);
    begin_again(c, 0);
}

static void fail_different(struct provider_call *c, const char *what)
{
    call_fail(c, FAILURE_INTERRUPTED,
              "The answer stream of upstream \"%s\" broke off before the answer was complete, and "
              "%s. Try again.",
              c->config->name, what);
}

bool wire_check_resume(struct provider_call *c)
{
    if (resume_failed(&c->resume) == ERR_PROTOCOL)
        fail_different(c, "began differently when it was opened again");
    else if (resume_failed(&c->resume))
        fail_different(c, "what it went on with cannot be kept");
    else if (resume_must_look(&c->resume) && c->has_looked)
        fail_different(c, "does not tell it from its start");
    else if (resume_must_look(&c->resume))
        look_again(c);
    else
        return true;
    return false;
}

bool wire_is_whole(struct provider_call *c)
{
    if (resume_is_whole(&c->resume))
        return true;
    if (resume_is_caught_up(&c->resume) && !c->has_looked && frames_has_answer(c->frames))
        look_again(c);
    else
        fail_different(c, "did not tell all of it again when it was opened again");
    return false;
}
