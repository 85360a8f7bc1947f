/* SPDX-License-Identifier: Apache-2.0 */
/* How long each phase of the upstream may take, and what a client is told of what went wrong here.
 */
#include "gateway/exchange_internal.h"

#define CANCELED "An operator of this gateway canceled the request."

const struct failure failure_canceled = {
    .kind = FAILURE_CANCELED,
    .message = { CANCELED, sizeof(CANCELED) - 1 },
    .prompt_accepted = true,
};

enum provider_phase exchange_likely_phase(const struct exchange *x)
{
    bool is_late = (x->provider->capabilities & PROVIDER_LATE) != 0;

    return is_late && x->phase == PHASE_SENT ? PHASE_ACCEPTED : x->phase;
}

/* An upstream that is late says nothing before its first token; and a whole answer comes at once,
 * when it is whole: it may take all the time, unless another target could answer meanwhile. */
static int64_t late_limit(const struct exchange *x, int64_t limit_ms)
{
    const struct settings *s = x->view->settings;

    if (!(x->provider->capabilities & PROVIDER_LATE))
        return limit_ms;
    return x->chat.stream || walk_has_more(&x->walk, x->n_steps) ? s->first_token_timeout_ms
                                                                 : s->request_timeout_ms;
}

int64_t exchange_phase_limit(const struct exchange *x)
{
    const struct settings *s = x->view->settings;

    switch (x->phase) {
    case PHASE_QUEUED:
        return s->queue_timeout_ms;
    case PHASE_CONNECTING:
        /* Sign-in, token and socket: each connection and each answer has its own limit below. */
        return 3 * (s->connect_timeout_ms + s->accept_timeout_ms);
    case PHASE_UNSENT:
        return s->accept_timeout_ms + s->connect_timeout_ms;
    case PHASE_SENT:
        return late_limit(x, s->accept_timeout_ms + s->connect_timeout_ms);
    case PHASE_ACCEPTED:
        return late_limit(x, s->first_token_timeout_ms);
    case PHASE_ANSWERING:
        return s->idle_timeout_ms;
    }
    return 0;
}

void exchange_set_timeout_failure(const struct exchange *x, struct failure *f)
{
    struct arena *a = &x->request->arena;
    double s = (double)exchange_phase_limit(x) / 1000;
    enum provider_phase phase = exchange_likely_phase(x);

    switch (phase) {
    case PHASE_QUEUED:
        failure_set(f, a, FAILURE_QUEUE_TIMEOUT,
                    "All accounts were busy for %.10g s. Try again later, raise QUEUE_TIMEOUT, or "
                    "add an account.",
                    s);
        f->retry_after_ms = x->view->settings->queue_timeout_ms;
        break;
    case PHASE_CONNECTING:
        failure_set(f, a, FAILURE_UPSTREAM_TIMEOUT,
                    "Signing in and connecting to the upstream took longer than %.10g s.", s);
        break;
    case PHASE_UNSENT:
    case PHASE_SENT:
        failure_set(f, a, FAILURE_UPSTREAM_TIMEOUT,
                    "The upstream did not say within %.10g s whether it takes the prompt "
                    "(UPSTREAM_ACCEPT_TIMEOUT).",
                    s);
        break;
    case PHASE_ACCEPTED:
        failure_set(f, a, FAILURE_UPSTREAM_TIMEOUT,
                    "The upstream took the prompt but sent no text within %.10g s "
                    "(UPSTREAM_FIRST_TOKEN_TIMEOUT).",
                    s);
        break;
    case PHASE_ANSWERING:
        failure_set(f, a, FAILURE_UPSTREAM_TIMEOUT,
                    "The upstream fell silent in the middle of its answer for %.10g s "
                    "(UPSTREAM_IDLE_TIMEOUT).",
                    s);
        break;
    }
    f->prompt_accepted = phase >= PHASE_ACCEPTED;
}

void exchange_set_piece_failure(struct failure *f, enum err err)
{
    const struct failure too_big = {
        .kind = FAILURE_PROTOCOL,
        .message = STR("The upstream's answer is larger than this gateway takes: 64 MiB, 1024 tool "
                       "calls, or, in a stream, 2 MiB of their arguments. Ask for less at once."),
        .prompt_accepted = true,
    };
    const struct failure no_memory = {
        .kind = FAILURE_OVERLOADED,
        .message = STR("The gateway ran out of memory in the middle of this answer; try again "
                       "later, or raise MEMORY_LIMIT."),
        .prompt_accepted = true,
    };
    const struct failure untold = {
        .kind = FAILURE_PROTOCOL,
        .message = STR("The upstream sends several tool calls at once, in turns, which this API "
                       "cannot tell. Ask for serial tool calls, or use chat completions."),
        .prompt_accepted = true,
    };

    const struct failure nameless = {
        .kind = FAILURE_PROTOCOL,
        .message = STR("The upstream began a tool call that names no tool. Try again; if it "
                       "happens again, the upstream has a defect."),
        .prompt_accepted = true,
    };

    *f = err == ERR_TOO_BIG     ? too_big
         : err == ERR_PROTOCOL  ? untold
         : err == ERR_BAD_INPUT ? nameless
                                : no_memory;
}
