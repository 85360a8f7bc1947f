/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an exchange and its deadlines; exchange.h has the picture.
 * set_state() is the only writer of `state`, close_books() runs exactly once.
 */
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "dialect/openai_wire.h"
#include "gateway/admission.h"
#include "gateway/exchange_internal.h"
#include "gateway/record_trace.h"

#define TO(state) (1U << (state))

static const unsigned moves[] = {
    [EXCHANGE_WAITING] = TO(EXCHANGE_ANSWERING) | TO(EXCHANGE_SETTLING) | TO(EXCHANGE_DONE),
    [EXCHANGE_ANSWERING] = TO(EXCHANGE_WAITING) | TO(EXCHANGE_SETTLING) | TO(EXCHANGE_DONE),
    [EXCHANGE_SETTLING] = TO(EXCHANGE_DONE),
    [EXCHANGE_DONE] = 0,
};

/* In the order of an exchange's life. */
static void on_phase(void *arg, enum provider_phase phase);
static void on_attempt(void *arg, struct str account);
static void on_activity(void *arg);
static void on_prompt(void *arg, struct str chat, size_t trimmed);
static void on_event(void *arg, const struct chat_event *event);
static void on_deadline(void *arg);
static void end_early(struct exchange *x);
static void on_settled(void *arg);
static void on_hold_over(void *arg);
static void on_gone(void *arg);
static void fail(struct exchange *x, const struct failure *f);
static void end_with(struct exchange *x, const struct failure *f);

static const struct provider_sink sink = {
    .on_phase = on_phase,
    .on_attempt = on_attempt,
    .on_activity = on_activity,
    .on_prompt = on_prompt,
    .on_event = on_event,
};

static void set_state(struct exchange *x, enum exchange_state next)
{
    BUG_ON(!(moves[x->state] & TO(next)));
    x->state = next;
}

/* ---- the books ---- */

/* A client that left in the middle of an answer saw a target that works. */
static enum health_verdict verdict_of(const struct exchange *x, enum record_outcome outcome,
                                      const struct failure *f)
{
    if (f)
        return exchange_verdict(f);
    return outcome == RECORD_COMPLETED || x->state == EXCHANGE_ANSWERING ? HEALTH_GOOD
                                                                         : HEALTH_UNKNOWN;
}

static void end_record(struct exchange *x, enum record_outcome outcome, const struct failure *f)
{
    struct record *rec = x->record;
    int64_t now_us = clock_now_us();

    exchange_upstream_ends(x);
    exchange_wait_ends(x, now_us);
    rec->model = str_sub(x->answer.model, 0, 200);
    rec->upstream = x->upstream ? x->upstream->name : "none";
    rec->account = x->account;
    rec->attempts = x->attempts;
    rec->is_stream = x->chat.stream;
    rec->usage = *answer_usage(x);
    if (outcome == RECORD_COMPLETED)
        rec->finish = openai_finish_name(x->choices[0].end.finish);
    if (x->first_event_ms)
        rec->first_token_ms = x->first_event_ms - rec->started_ms;
    rec->queued_ms = x->queued_us / 1000;
    rec->overhead_us = now_us - x->started_us - x->upstream_us - x->queued_us;
    record_end(rec, outcome, 200, f);
}

/* Everything that is not in the arena goes here, once. The request may still be answered after. */
static void close_books(struct exchange *x, enum record_outcome outcome, const struct failure *f)
{
    exchange_judge(x, verdict_of(x, outcome, f));
    set_state(x, EXCHANGE_DONE);
    timer_disarm(&x->deadline);
    timer_disarm(&x->total);
    timer_disarm(&x->commit);
    timer_disarm(&x->keepalive);
    x->request->on_drain = NULL;
    x->request->on_gone = NULL;
    if (x->call)
        x->provider->release(TAKE(x->call));
    end_record(x, outcome, f);
    exchange_drop_route(x);
    gateway_view_unref(x->view);
    list_remove(&x->node);
    metric_add(METRIC_EXCHANGES, -1);
}

/* ---- start ---- */

static void on_drain(void *arg)
{
    struct exchange *x = arg;

    if (!x->paused)
        return;
    x->paused = false;
    x->heard_ms = loop_now_ms(x->worker->loop);
    if (x->call)
        x->provider->resume(x->call);
}

static void on_total(void *arg)
{
    struct exchange *x = arg;
    struct failure f;

    failure_set(&f, &x->request->arena, FAILURE_UPSTREAM_TIMEOUT,
                "The answer was not complete after %.10g s. API_REQUEST_TIMEOUT sets this limit.",
                (double)x->view->settings->request_timeout_ms / 1000);
    f.prompt_accepted = exchange_likely_phase(x) >= PHASE_ACCEPTED;
    if (x->state == EXCHANGE_ANSWERING)
        exchange_judge(x, HEALTH_GOOD); /* it was at work all the while */
    else if (walk_has_moved(&x->walk) || x->repair.n)
        exchange_judge(x, HEALTH_UNKNOWN); /* most of the time may have been another call's */
    end_with(x, &f);
}

static void on_commit(void *arg)
{
    struct exchange *x = arg;

    x->is_committed_early = !http_reply_is_begun(x->request);
    answer_keepalive(x);
}

static void on_keepalive(void *arg)
{
    struct exchange *x = arg;
    struct loop *l = x->worker->loop;
    int64_t every = x->view->settings->keepalive_ms;
    int64_t due = x->wrote_ms + every - loop_now_ms(l);

    if (due <= 0 && http_reply_is_begun(x->request) && !x->paused)
        answer_keepalive(x);
    timer_arm(l, &x->keepalive, due > 0 ? due : every, on_keepalive, x);
}

static void arm_clocks(struct exchange *x)
{
    const struct settings *s = x->view->settings;
    struct loop *l = x->worker->loop;

    timer_arm(l, &x->total, s->request_timeout_ms, on_total, x);
    if (x->chat.stream && s->keepalive_ms)
        timer_arm(l, &x->keepalive, s->keepalive_ms, on_keepalive, x);
}

static struct str new_answer_id(struct arena *a)
{
    char *id = arena_alloc(a, RANDOM_ID_MAX);

    random_id("", 24, id);
    return str_of(id);
}

static void on_admitted(void *arg, const struct failure *refusal)
{
    struct exchange *x = arg;
    struct failure f;

    if (x->state == EXCHANGE_DONE)
        return; /* it ended while it waited */
    x->headers = x->request->extra_headers;
    if (refusal) {
        end_with(x, refusal);
        return;
    }
    exchange_choose_step(x);
    if (!exchange_start_step(x, &sink, &f))
        end_with(x, &f);
}

static void begin(struct exchange *x)
{
    struct gateway_worker *w = x->worker;

    x->request->on_drain = on_drain;
    x->request->on_gone = on_gone;
    x->request->arg = x;
    x->answer.request = &x->chat;
    x->answer.id = new_answer_id(&x->request->arena);
    x->answer.created_s = loop_wall_ms(w->loop) / 1000;
    x->answer.arena = &x->request->arena;
    answer_init(x);
    exchange_keep_init(x);
    list_add_tail(&w->exchanges, &x->node);
    metric_add(METRIC_EXCHANGES, 1);
    arm_clocks(x);
    if (!admission_start(x->record, exchange_need(x), on_admitted, x))
        on_admitted(x, NULL);
}

void exchange_start(struct gateway_worker *w, struct http_request *r,
                    const struct dialect_ops *dialect)
{
    exchange_go_on(w, r, dialect, STR(""));
}

void exchange_go_on(struct gateway_worker *w, struct http_request *r,
                    const struct dialect_ops *dialect, struct str past)
{
    struct exchange *x = arena_new(&r->arena, struct exchange);
    struct failure f = { .kind = FAILURE_NONE };

    x->worker = w;
    x->view = gateway_view_ref(w);
    x->request = r;
    x->headers = r->extra_headers;
    x->dialect = dialect;
    x->record = record_begin(w, r, dialect->name);
    x->chat.past = past;
    x->chat.is_spelled = true;
    x->started_us = x->record->started_us;
    x->heard_ms = x->wrote_ms = loop_now_ms(w->loop);
    fingerprint_text_init(&x->said);
    if (!dialect->decode(r->body, &r->arena, &x->chat, &f) || !exchange_find_route(x, &f)) {
        exchange_drop_route(x);
        gateway_view_unref(x->view);
        gateway_note_refusal(r, &f);
        gateway_reply_failure(r, dialect, &f);
        return;
    }
    begin(x);
}

/* ---- deadlines of the phases ---- */

static void on_phase(void *arg, enum provider_phase phase)
{
    struct exchange *x = arg;
    const struct settings *s = x->view->settings;
    struct loop *l = x->worker->loop;

    x->phase = phase;
    x->heard_ms = loop_now_ms(l);
    if (phase == PHASE_QUEUED) {
        exchange_upstream_ends(x);
        exchange_wait_begins(x);
    } else if (phase < PHASE_ANSWERING) {
        exchange_upstream_begins(x);
    }
    if (phase == PHASE_CONNECTING && x->chat.stream && s->commit_after_ms &&
        !timer_is_armed(&x->commit) && !http_reply_is_begun(x->request))
        timer_arm(l, &x->commit, s->commit_after_ms, on_commit, x);
    timer_arm(l, &x->deadline, exchange_phase_limit(x), on_deadline, x);
}

static void on_attempt(void *arg, struct str account)
{
    struct exchange *x = arg;

    x->attempts++;
    record_trace_try(x->record, x->upstream->name, x->steps[x->step].model, account);
    x->record->chat = STR("");
    x->account = account.n ? arena_dup(&x->request->arena, account) : STR("");
}

static void on_activity(void *arg)
{
    struct exchange *x = arg;

    x->heard_ms = loop_now_ms(x->worker->loop);
}

/* A prompt that is written anew, for a new chat, may be another one: what was said last counts. */
static void on_prompt(void *arg, struct str chat, size_t trimmed)
{
    struct exchange *x = arg;

    x->trimmed = trimmed;
    x->record->chat = arena_dup(&x->request->arena, chat);
    record_trace_chat(x->record, x->record->chat);
}

/* Rearms lazily for the sake of the hot path: a piece of text only notes when it came. */
static void on_deadline(void *arg)
{
    struct exchange *x = arg;
    struct loop *l = x->worker->loop;
    int64_t limit = exchange_phase_limit(x);
    int64_t left = x->heard_ms + limit - loop_now_ms(l);
    struct failure f;

    if (x->paused)
        left = limit;
    if (x->phase == PHASE_ANSWERING && left > 0) {
        timer_arm(l, &x->deadline, left, on_deadline, x);
        return;
    }
    exchange_set_timeout_failure(x, &f);
    fail(x, &f);
}

/* ---- events ---- */

static void fail_piece(struct exchange *x, enum err err)
{
    struct failure f;

    exchange_set_piece_failure(&f, err);
    fail(x, &f);
}

static void on_piece(struct exchange *x, const struct chat_event *event)
{
    enum err err;

    x->heard_ms = loop_now_ms(x->worker->loop);
    if (x->state == EXCHANGE_WAITING) {
        set_state(x, EXCHANGE_ANSWERING);
        if (!x->first_event_ms)
            x->first_event_ms = x->heard_ms;
    }
    err = exchange_take(x, event);
    if (err) {
        fail_piece(x, err);
        return;
    }
    if (x->shaper && shaper_is_done(x->shaper)) {
        end_early(x);
        return;
    }
    if (x->chat.stream && !x->paused && http_reply_is_full(x->request)) {
        x->paused = true;
        x->provider->pause(x->call);
    }
}

static void finish(struct exchange *x)
{
    close_books(x, RECORD_COMPLETED, NULL);
    answer_finish(x);
}

/* The next turn must find this answer's tip: the last bytes wait for it, but not for long. The
 * answer is whole, so no other deadline may make an error of it. */
static void settle(struct exchange *x, bool is_exact)
{
    const struct fingerprint_said said = exchange_said(x);

    set_state(x, EXCHANGE_SETTLING);
    if (!x->call) {
        finish(x);
        return;
    }
    timer_disarm(&x->commit);
    timer_disarm(&x->total);
    timer_arm(x->worker->loop, &x->deadline, SETTLE_HOLD_MS, on_hold_over, x);
    x->provider->settle(x->call, is_exact ? SETTLE_EXACT : SETTLE_DIVERGED, is_exact ? &said : NULL,
                        on_settled);
}

/* Another call follows this one, whose settlement completes by itself. */
static void leave_call(struct exchange *x, bool is_exact)
{
    const struct fingerprint_said said = exchange_said(x);

    usage_end_call(x);
    timer_disarm(&x->deadline);
    exchange_upstream_ends(x);
    if (!x->call)
        return;
    x->provider->settle(x->call, is_exact ? SETTLE_EXACT : SETTLE_DIVERGED, is_exact ? &said : NULL,
                        on_settled);
    x->provider->release(TAKE(x->call));
}

/* From now on another target could not take over. */
static void stay(struct exchange *x)
{
    if (x->state == EXCHANGE_WAITING)
        set_state(x, EXCHANGE_ANSWERING);
    x->is_told = true;
}

/* Another answer is to come, whose first word is still out. */
static void wait_anew(struct exchange *x)
{
    if (x->state == EXCHANGE_ANSWERING)
        set_state(x, EXCHANGE_WAITING);
}

static void ask_to_repair(struct exchange *x, struct str repair)
{
    log_debug("asking to repair the answer", LOG_Z("request_id", x->request->id),
              LOG_Z("upstream", x->upstream->name));
    wait_anew(x);
    leave_call(x, false);
    x->was_accepted = true;
    x->repair = repair;
    shaper_again(x->shaper);
    exchange_start_call(x, &sink);
}

static void ask_for_next_choice(struct exchange *x, bool is_exact)
{
    struct failure f;

    stay(x);
    leave_call(x, is_exact);
    x->choice++;
    fingerprint_text_init(&x->said);
    if (exchange_shape_begin(x, &f))
        exchange_start_call(x, &sink);
    else
        fail(x, &f);
}

/* The target answered: that it is not what this request asks for says nothing bad of it. */
static void fail_unfit(struct exchange *x, const struct failure *f)
{
    exchange_judge(x, HEALTH_GOOD);
    fail(x, f);
}

static void on_finish(struct exchange *x, const struct chat_event *event)
{
    struct shape_result result;
    enum err err;

    x->paused = false; /* the provider has said all: it is not to be resumed */
    err = exchange_end_answer(x, event, &result);
    if (err)
        fail_piece(x, err);
    else if (result.verdict == SHAPE_REPAIR)
        ask_to_repair(x, result.repair);
    else if (result.verdict == SHAPE_FAILED)
        fail_unfit(x, &result.failure);
    else if (x->is_serial && x->choice + 1 < x->n_choices)
        ask_for_next_choice(x, result.is_exact);
    else
        settle(x, result.is_exact);
}

/* The client has all that it asked for: the upstream need not go on. */
static void end_early(struct exchange *x)
{
    x->provider->release(TAKE(x->call));
    on_finish(x, &(struct chat_event){ .type = CHAT_FINISH, .finish = CHAT_FINISH_STOP });
}

static void on_event(void *arg, const struct chat_event *event)
{
    struct exchange *x = arg;

    switch (event->type) {
    case CHAT_TEXT:
    case CHAT_REASONING:
    case CHAT_TOOL_CALL:
    case CHAT_RAW:
        on_piece(x, event);
        break;
    case CHAT_USAGE:
        usage_told(x, event->usage);
        break;
    case CHAT_CHOICE_END:
        if (!x->is_serial && event->choice < x->n_choices)
            exchange_end_choice(x, event->choice, event);
        break;
    case CHAT_FINISH:
        on_finish(x, event);
        break;
    case CHAT_ERROR:
        fail(x, event->failure);
        break;
    }
}

/* ---- ends ---- */

static void on_settled(void *arg)
{
    struct exchange *x = arg;

    x->call = NULL;
    finish(x);
}

/* The store is slow: the client does not wait for it any longer. */
static void on_hold_over(void *arg)
{
    finish(arg);
}

/* The client is told. */
static void end_with(struct exchange *x, const struct failure *f)
{
    struct failure last = *f;

    last.prompt_accepted = f->prompt_accepted || x->was_accepted;
    close_books(x, RECORD_FAILED, &last);
    answer_failure(x, &last);
}

static void move_on(struct exchange *x, const struct failure *f)
{
    struct failure own;

    log_info("trying the next target", LOG_Z("request_id", x->request->id),
             LOG_Z("upstream", x->upstream->name), LOG_Z("kind", failure_row(f->kind)->name),
             LOG_STR("error", f->message));
    timer_disarm(&x->deadline);
    record_trace_failed(x->record, failure_code(f));
    x->was_accepted = x->was_accepted || f->prompt_accepted;
    if (x->call)
        x->provider->release(TAKE(x->call));
    wait_anew(x);
    x->first_event_ms = 0;
    x->paused = false;
    x->trimmed = 0;
    x->usage = (struct chat_usage){ 0 };
    x->is_asking = false;
    exchange_upstream_ends(x);
    if (!exchange_start_step(x, &sink, &own))
        end_with(x, &own);
}

static void fail(struct exchange *x, const struct failure *f)
{
    if (exchange_moves_on(x, f))
        move_on(x, f);
    else
        end_with(x, f);
}

static void on_gone(void *arg)
{
    close_books(arg, RECORD_CANCELED, NULL);
}

void exchange_end_all(struct gateway_worker *w)
{
    while (!list_is_empty(&w->exchanges)) {
        struct exchange *x = CONTAINER_OF(w->exchanges.next, struct exchange, node);
        const struct failure f = {
            .kind = FAILURE_OVERLOADED,
            .message = STR("The gateway is shutting down and the answer was not complete in time."),
            .prompt_accepted = exchange_likely_phase(x) >= PHASE_ACCEPTED,
        };

        if (x->state == EXCHANGE_SETTLING)
            finish(x); /* the answer is whole */
        else
            end_with(x, &f);
    }
}

size_t exchange_cancel(struct gateway_worker *w, struct str request_id)
{
    struct list *next;
    size_t n = 0;

    for (struct list *node = w->exchanges.next; node != &w->exchanges; node = next) {
        struct exchange *x = CONTAINER_OF(node, struct exchange, node);

        next = node->next;
        if (x->state == EXCHANGE_SETTLING || !str_eq(str_of(x->request->id), request_id))
            continue; /* the answer is whole, or another's */
        exchange_judge(x, HEALTH_UNKNOWN);
        close_books(x, RECORD_CANCELED, &failure_canceled);
        answer_failure(x, &failure_canceled);
        n++;
    }
    return n;
}
