/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a relay; relay.h has the picture. set_state() is the only writer of `state`, end()
 * runs at most once.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/access.h"
#include "gateway/admission.h"
#include "gateway/exchange.h"
#include "gateway/record_trace.h"
#include "gateway/relay_internal.h"

#define TO(state) (1U << (state))

static const unsigned moves[] = {
    [RELAY_GATHERING] = TO(RELAY_ASKING) | TO(RELAY_DONE),
    [RELAY_ASKING] = TO(RELAY_ANSWERING) | TO(RELAY_DONE),
    [RELAY_ANSWERING] = TO(RELAY_DONE),
    [RELAY_DONE] = 0,
};

/* In the order of a relay's life. */
static void on_piece(void *arg, struct str piece, bool is_last);
static void on_attempt(void *arg, struct str account);
static void on_room(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_end(void *arg, const struct failure *f, bool is_unsent);
static void on_total(void *arg);
static void on_gone(void *arg);

static const struct relay_sink sink = {
    .on_attempt = on_attempt,
    .on_room = on_room,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
};

static void set_state(struct relay *x, enum relay_state next)
{
    BUG_ON(!(moves[x->state] & TO(next)));
    x->state = next;
}

static void release_buffers(void *arg)
{
    struct relay *x = arg;

    buf_deinit(&x->start);
    buf_deinit(&x->edited);
}

/* ---- ends ---- */

/* A client that left in the middle of an answer saw a target that works. */
static enum health_verdict verdict_of(const struct relay *x, enum record_outcome outcome,
                                      const struct failure *f)
{
    if (f)
        return exchange_verdict(f);
    return outcome == RECORD_COMPLETED || x->state == RELAY_ANSWERING ? HEALTH_GOOD
                                                                      : HEALTH_UNKNOWN;
}

static bool may_be_at_work(const struct relay *x)
{
    return x->call && x->ops->is_sent(x->call);
}

static void note_sent(struct relay *x)
{
    x->was_sent = x->was_sent || x->state == RELAY_ANSWERING || may_be_at_work(x);
}

/* Everything that is not in the arena goes here. The request may still be answered after. */
static void end(struct relay *x, enum record_outcome outcome, const struct failure *f)
{
    bool is_begun = x->state != RELAY_GATHERING;

    relay_judge(x, verdict_of(x, outcome, f));
    note_sent(x);
    set_state(x, RELAY_DONE);
    timer_disarm(&x->total);
    x->request->on_body = NULL;
    x->request->on_drain = NULL;
    x->request->on_gone = NULL;
    if (x->call)
        x->ops->release(TAKE(x->call));
    relay_drop_route(x);
    gateway_view_unref(x->view);
    release_buffers(x);
    if (!is_begun)
        return;
    list_remove(&x->node);
    relay_close_books(x, outcome, f);
}

static void end_with(struct relay *x, const struct failure *f)
{
    struct failure last = *f;
    bool is_begun = x->state != RELAY_GATHERING;

    last.prompt_accepted = f->prompt_accepted || x->was_accepted;
    if (!is_begun)
        gateway_note_refusal(x->request, &last);
    end(x, RECORD_FAILED, &last);
    relay_answer_failure(x, &last);
}

static void fail_err(struct relay *x, enum err err)
{
    struct failure f;

    if (err == ERR_BAD_INPUT)
        failure_set(&f, &x->request->arena, FAILURE_BAD_REQUEST,
                    "The model's name at the upstream does not fit into a form.");
    else if (err == ERR_TOO_BIG)
        failure_set(&f, &x->request->arena, FAILURE_BODY_TOO_LARGE,
                    "The API key may use some models only, so a body that is passed on is read to "
                    "its end before, and may have %d MiB.",
                    RELAY_WHOLE_MAX >> 20);
    else
        failure_set(&f, &x->request->arena, FAILURE_OVERLOADED,
                    "The gateway ran out of memory for this request; try again later, or raise "
                    "MEMORY_LIMIT.");
    end_with(x, &f);
}

static void on_total(void *arg)
{
    struct relay *x = arg;
    struct failure f;

    failure_set(&f, &x->request->arena, FAILURE_UPSTREAM_TIMEOUT,
                "The answer was not complete after %.10g s. API_REQUEST_TIMEOUT sets this limit.",
                (double)x->view->settings->request_timeout_ms / 1000);
    f.prompt_accepted = may_be_at_work(x);
    if (x->state == RELAY_ANSWERING)
        relay_judge(x, HEALTH_GOOD); /* it was at work all the while */
    else if (!x->has_ended || walk_has_moved(&x->walk))
        relay_judge(x, HEALTH_UNKNOWN); /* it waited for the client's body, or for another target */
    if (x->state == RELAY_GATHERING)
        f.kind = FAILURE_REQUEST_SLOW;
    end_with(x, &f);
}

/* The client left, or the server answers itself what is wrong with its request. */
static void on_gone(void *arg)
{
    struct relay *x = arg;
    struct failure f;

    if (!x->request->refused) {
        end(x, RECORD_CANCELED, NULL);
        return;
    }
    failure_set(&f, &x->request->arena, failure_of_status(x->request->refused),
                "The body of the request was refused before its end.");
    end(x, RECORD_FAILED, &f);
}

void relay_end_all(struct gateway_worker *w)
{
    while (!list_is_empty(&w->relays)) {
        struct relay *x = CONTAINER_OF(w->relays.next, struct relay, node);
        const struct failure f = {
            .kind = FAILURE_OVERLOADED,
            .message = STR("The gateway is shutting down and the answer was not complete in time."),
            .prompt_accepted = may_be_at_work(x),
        };

        end_with(x, &f);
    }
}

size_t relay_cancel(struct gateway_worker *w, struct str request_id)
{
    struct list *next;
    size_t n = 0;

    for (struct list *node = w->relays.next; node != &w->relays; node = next) {
        struct relay *x = CONTAINER_OF(node, struct relay, node);

        next = node->next;
        if (!str_eq(str_of(x->request->id), request_id))
            continue;
        relay_judge(x, HEALTH_UNKNOWN);
        end(x, RECORD_CANCELED, &failure_canceled);
        relay_answer_failure(x, &failure_canceled);
        n++;
    }
    return n;
}

/* ---- ASKING ---- */

static void start_step(struct relay *x)
{
    enum err err;

    x->upstream_since_us = clock_now_us();
    err = relay_start_step(x, &sink);
    if (err)
        fail_err(x, err);
}

static void on_admitted(void *arg, const struct failure *refusal)
{
    struct relay *x = arg;

    if (x->state == RELAY_DONE)
        return; /* it ended while it waited */
    x->headers = x->request->extra_headers;
    if (refusal) {
        end_with(x, refusal);
        return;
    }
    relay_choose_step(x);
    start_step(x);
}

static void begin(struct relay *x)
{
    struct failure f;

    x->began_us = clock_now_us();
    if (!relay_find_route(x, &f)) {
        end_with(x, &f);
        return;
    }
    if (!x->is_whole)
        http_request_pause(x->request);
    set_state(x, RELAY_ASKING);
    list_add_tail(&x->worker->relays, &x->node);
    metric_add(METRIC_EXCHANGES, 1);
    if (!admission_start(x->record, relay_need(x), on_admitted, x))
        on_admitted(x, NULL);
}

static void on_attempt(void *arg, struct str account)
{
    struct relay *x = arg;

    x->attempts++;
    record_trace_try(x->record, x->upstream->name, x->steps[x->step].model, account);
    x->account = arena_dup(&x->request->arena, account);
}

/* ---- the body ---- */

/* Whether there is enough of it to begin. Whose key is for some models only could name another one
 * where nobody looks. */
static bool is_enough(struct relay *x)
{
    struct str type = http_value(&x->request->head, "content-type");
    enum relay_verdict verdict;

    if (!x->has_ended &&
        (access_is_restricted(x->record->principal) || !relay_model_is_due(x->looked, x->start.n)))
        return false;
    x->looked = x->start.n;
    verdict = relay_model_find(type, buf_str(&x->start), &x->request->arena, &x->model);
    if (verdict == RELAY_MODEL_FOUND)
        x->name = x->model.name;
    return x->has_ended || verdict != RELAY_MODEL_UNKNOWN || x->start.n >= RELAY_START_MAX;
}

static void gather(struct relay *x, struct str piece)
{
    size_t growth = buf_growth(&x->start, piece.n);
    enum err err = growth > 0 && !mem_budget_has(growth) ? ERR_NOMEM : buf_add(&x->start, piece);

    if (err) {
        fail_err(x, err);
        return;
    }
    x->is_whole = x->has_ended;
    if (is_enough(x))
        begin(x);
}

static void pass_on(struct relay *x, struct str piece, bool is_last)
{
    enum err err = x->ops->write(x->call, piece);

    if (!err && is_last)
        err = x->ops->end_body(x->call);
    if (err)
        fail_err(x, err);
    else if (!is_last && x->ops->is_full(x->call))
        http_request_pause(x->request);
}

static void on_piece(void *arg, struct str piece, bool is_last)
{
    struct relay *x = arg;

    x->came += piece.n;
    x->has_ended = is_last;
    if (x->state == RELAY_GATHERING)
        gather(x, piece);
    else
        pass_on(x, piece, is_last);
}

/* The beginning is out: nothing can be asked elsewhere any more. */
static void on_room(void *arg)
{
    struct relay *x = arg;

    release_buffers(x);
    http_request_resume(x->request);
}

/* ---- ANSWERING ---- */

static void on_drain(void *arg)
{
    struct relay *x = arg;

    if (!x->is_answer_paused)
        return;
    x->is_answer_paused = false;
    if (x->call)
        x->ops->resume(x->call);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct relay *x = arg;

    set_state(x, RELAY_ANSWERING);
    if (x->row->needs & PATH_TOKENS)
        usage_tap_start(&x->tap, http_value(head, "content-type"),
                        http_value(head, "content-encoding"));
    relay_answer_begin(x, head);
}

static void on_body(void *arg, struct str bytes)
{
    struct relay *x = arg;

    usage_tap_feed(&x->tap, bytes);
    http_reply_write(x->request, bytes);
    if (!x->is_answer_paused && http_reply_is_full(x->request)) {
        x->is_answer_paused = true;
        x->ops->pause(x->call);
    }
}

static void move_on(struct relay *x, const struct failure *f)
{
    log_info("trying the next target", LOG_Z("request_id", x->request->id),
             LOG_Z("upstream", x->upstream->name), LOG_Z("kind", failure_row(f->kind)->name),
             LOG_STR("error", f->message));
    record_trace_failed(x->record, failure_code(f));
    x->was_accepted = x->was_accepted || f->prompt_accepted;
    note_sent(x);
    x->ops->release(TAKE(x->call));
    x->upstream_us += clock_now_us() - x->upstream_since_us;
    start_step(x);
}

static void on_end(void *arg, const struct failure *f, bool is_unsent)
{
    struct relay *x = arg;

    if (f && relay_moves_on(x, f, is_unsent)) {
        move_on(x, f);
    } else if (f) {
        end_with(x, f);
    } else {
        end(x, RECORD_COMPLETED, NULL);
        http_reply_end(x->request);
    }
}

/* ---- GATHERING ---- */

void handle_relay(struct gateway_worker *w, struct http_request *r)
{
    struct relay *x = arena_new(&r->arena, struct relay);
    size_t start_max;

    x->worker = w;
    x->view = gateway_view_ref(w);
    x->request = r;
    x->row = request_context_of(r)->row;
    x->record = record_begin(w, r, "relay");
    x->headers = r->extra_headers;
    start_max = access_is_restricted(x->record->principal) ? RELAY_WHOLE_MAX
                                                           : RELAY_START_MAX + LOOP_READ_SIZE;
    buf_init(&x->start, start_max);
    buf_init(&x->edited, start_max + RELAY_START_MAX);
    arena_on_release(&r->arena, release_buffers, x);
    r->on_body = on_piece;
    r->on_drain = on_drain;
    r->on_gone = on_gone;
    r->arg = x;
    timer_arm(w->loop, &x->total, x->view->settings->request_timeout_ms, on_total, x);
}
