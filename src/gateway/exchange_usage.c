/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange used: the sum over its calls of what each upstream counted, else of an estimate.
 * A call's tokens are those that the upstream made, also where the client gets less of them.
 */
#include "gateway/exchange_internal.h"

/* The request stays as it was decoded, whatever its calls add for their upstreams. */
int64_t exchange_prompt_tokens(struct exchange *x)
{
    if (!x->has_prompt_tokens)
        x->prompt_tokens = chat_request_tokens(&x->chat);
    x->has_prompt_tokens = true;
    return x->prompt_tokens;
}

struct admission_need exchange_need(struct exchange *x)
{
    int64_t limit = x->chat.limits.max_tokens;
    int64_t answer = limit > 0 ? limit : ANSWER_RESERVE;
    struct chat_usage u = { 0 };

    if (!admission_asks_need(x->record))
        return (struct admission_need){ 0 };
    u.prompt_tokens = exchange_prompt_tokens(x);
    u.completion_tokens = answer * (int64_t)(x->chat.n ? x->chat.n : 1);
    return (struct admission_need){ .tokens = u.prompt_tokens + u.completion_tokens,
                                    .micros = record_cost(x->worker, x->answer.model, &u) };
}

void usage_begin_call(struct exchange *x)
{
    x->is_asking = true;
    x->is_counted = false;
    x->said_tokens = x->reasoning_tokens = (struct token_estimate){ 0 };
}

/* Calls that an upstream makes itself are counted in their one form (answer_piece()); ours came as
 * text. */
void usage_heard(struct exchange *x, const struct chat_event *event)
{
    if (event->type == CHAT_RAW) {
        token_estimate_add(&x->said_tokens, event->said);
        token_estimate_add(&x->reasoning_tokens, event->thought);
    } else if (event->type == CHAT_TEXT) {
        token_estimate_add(&x->said_tokens, event->text);
    } else if (event->type == CHAT_REASONING) {
        token_estimate_add(&x->reasoning_tokens, event->text);
    }
}

void usage_called(struct exchange *x, const struct chat_tool_piece *piece)
{
    if (x->shaper && x->shaper->calls)
        return;
    token_estimate_add(&x->said_tokens, piece->name);
    token_estimate_add(&x->said_tokens, piece->arguments);
}

void usage_told(struct exchange *x, const struct chat_usage *usage)
{
    x->counted = *usage;
    x->is_counted = true;
}

/* The limit that we watch for cuts within what the upstream gave us last. */
static int64_t at_most_asked(const struct exchange *x, int64_t tokens)
{
    int64_t max = x->shaper ? x->shape_limits.max_tokens : 0;

    return max > 0 && tokens > max ? max : tokens;
}

static void estimate(struct exchange *x)
{
    struct chat_usage *u = &x->counted;

    *u = (struct chat_usage){ .estimated = true };
    u->prompt_tokens = exchange_prompt_tokens(x);
    u->reasoning_tokens = at_most_asked(x, token_estimate_total(&x->reasoning_tokens));
    u->completion_tokens =
        at_most_asked(x, token_estimate_total(&x->said_tokens) + u->reasoning_tokens);
}

void usage_end_call(struct exchange *x)
{
    bool is_due = x->is_asking && (x->is_counted || x->phase >= PHASE_SENT);

    x->is_asking = false;
    if (!is_due)
        return; /* what was refused before a prompt went out cost nothing, and counting is work */
    if (!x->is_counted)
        estimate(x);
    x->usage.prompt_tokens += x->counted.prompt_tokens;
    x->usage.completion_tokens += x->counted.completion_tokens;
    x->usage.reasoning_tokens += x->counted.reasoning_tokens;
    x->usage.cached_tokens += x->counted.cached_tokens;
    x->usage.estimated = x->usage.estimated || x->counted.estimated;
}

const struct chat_usage *answer_usage(struct exchange *x)
{
    usage_end_call(x);
    return &x->usage;
}
