/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for other endpoints, passed on with our key (provider/relay.h). What the upstream
 * refuses is read for its words, all else goes through untouched.
 *
 *     TOKEN --> SEND --> ANSWER --> DONE
 *       ^__________\--> REFUSAL --^
 *       \___________________/        another key or token: only with a body that is here as a whole
 */
#include "provider/openai/relay.h"

#include "base/mem.h"
#include "provider/openai/ask.h"
#include "provider/openai/key_turn.h"
#include "provider/openai/status.h"

enum { WORDS_MAX = 64 * 1024, WORDS_WAIT_MS = 3000 };

enum relay_state { RELAY_TOKEN, RELAY_SEND, RELAY_REFUSAL, RELAY_ANSWER, RELAY_DONE };

struct relay_call {
    struct provider_instance *instance;
    struct relay_request request; /* its target and headers are in the arena */
    enum relay_state state;
    struct arena arena;
    struct key_turn turn;
    bool is_reconnected; /* the one new connection is spent */
    bool is_sent;        /* all of the request, by this try */
    bool is_paused;
    struct http_call *http; /* running */
    struct answer_status status;
    struct buf words; /* of a refusal */
    struct timer wait;
    struct task begin;
    struct task retire;
};

/* The life of a relay, in order. */
static void begin(void *arg);
static void on_attempt(void *arg, struct str account);
static void on_token(void *arg, struct str token);
static void on_no_key(void *arg, const struct notice *notice);
static void on_room(void *arg);
static void on_sent(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_done(void *arg, const struct http_outcome *outcome);
static void on_refused(void *arg);

static const char *name_of(const struct relay_call *c)
{
    return c->instance->openai->config->name;
}

/* ---- life ---- */

static bool is_offered(const void *upstream)
{
    const struct openai *o = upstream;

    return !o->config->is_native;
}

static void copy_request(struct relay_call *c, const struct relay_request *r)
{
    struct http_header *headers = arena_alloc(&c->arena, (r->n_headers + 1) * sizeof(*headers));

    for (size_t i = 0; i < r->n_headers; i++)
        headers[i] = (struct http_header){ arena_dup(&c->arena, r->headers[i].name),
                                           arena_dup(&c->arena, r->headers[i].value) };
    c->request = *r;
    c->request.headers = headers;
    c->request.target = arena_dup(&c->arena, r->target);
}

/* What a limit concerns: the model, or "/files" of "/files/a?b". */
static struct str purpose_of(struct relay_call *c, const struct relay_request *r)
{
    size_t n = 1;

    if (r->model.n > 0)
        return arena_dup(&c->arena, r->model);
    while (n < c->request.target.n && c->request.target.p[n] != '/' &&
           c->request.target.p[n] != '?')
        n++;
    return str_sub(c->request.target, 0, n);
}

static void free_call(void *arg)
{
    struct relay_call *c = arg;

    key_turn_deinit(&c->turn);
    buf_deinit(&c->words);
    arena_deinit(&c->arena);
    mem_free(c);
}

static struct relay_call *start(struct provider_instance *p, const struct relay_request *r)
{
    struct relay_call *c = mem_new(struct relay_call);

    c->instance = p;
    arena_init(&c->arena);
    copy_request(c, r);
    c->turn = (struct key_turn){ .instance = p,
                                 .on_attempt = on_attempt,
                                 .on_token = on_token,
                                 .on_failed = on_no_key,
                                 .arg = c,
                                 .purpose = purpose_of(c, r) };
    buf_init(&c->words, WORDS_MAX);
    task_init(&c->begin, begin, c);
    task_init(&c->retire, free_call, c);
    loop_defer(p->env.loop, &c->begin);
    p->calls++;
    return c;
}

/* Gives back all that is held but memory. */
static void let_go(struct relay_call *c)
{
    task_cancel(&c->begin);
    timer_disarm(&c->wait);
    key_turn_leave(&c->turn);
    if (c->http)
        http_call_cancel(TAKE(c->http));
    c->state = RELAY_DONE;
}

static void release(struct relay_call *c)
{
    struct provider_instance *p = c->instance;

    let_go(c);
    p->calls--;
    loop_retire(p->env.loop, &c->retire);
}

static void finish(struct relay_call *c, const struct failure *f, bool is_unsent)
{
    let_go(c);
    c->request.sink->on_end(c->request.arg, f, is_unsent);
}

/* ---- TOKEN ---- */

static void begin(void *arg)
{
    struct relay_call *c = arg;

    key_turn_next(&c->turn);
}

static void on_attempt(void *arg, struct str account)
{
    struct relay_call *c = arg;

    c->request.sink->on_attempt(c->request.arg, account);
}

static void on_no_key(void *arg, const struct notice *notice)
{
    struct relay_call *c = arg;
    struct failure f;

    notice_failure(notice, &c->arena, &f);
    finish(c, &f, true);
}

/* ---- SEND ---- */

/* What may go out once more when a kept connection proves stale (RFC 9110 9.2.1, 9.2.2). */
static bool is_safe(enum http_method method)
{
    return method == HTTP_GET || method == HTTP_HEAD;
}

static void on_token(void *arg, struct str token)
{
    static const struct http_call_handler handler = { .on_room = on_room,
                                                      .on_sent = on_sent,
                                                      .on_head = on_head,
                                                      .on_body = on_body,
                                                      .on_done = on_done };
    struct relay_call *c = arg;
    const struct relay_request *r = &c->request;
    const struct openai_config *config = c->instance->openai->config;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_call_params params = { .url = &config->base,
                                       .method = r->method,
                                       .target = r->target,
                                       .headers = headers,
                                       .body = r->body,
                                       .is_streamed = r->is_streamed,
                                       .length = r->length,
                                       .connect_timeout_ms = c->instance->env.connect_timeout_ms,
                                       .send_timeout_ms = r->idle_timeout_ms,
                                       .head_timeout_ms = r->head_timeout_ms,
                                       .idle_timeout_ms = r->idle_timeout_ms,
                                       .send_once = !is_safe(r->method) };

    size_t n = r->n_headers;

    memcpy(headers, r->headers, n * sizeof(*headers));
    if (r->traceparent && r->traceparent->n)
        headers[n++] = (struct http_header){ STR("traceparent"), *r->traceparent };
    if (r->tracestate && r->tracestate->n)
        headers[n++] = (struct http_header){ STR("tracestate"), *r->tracestate };
    params.n_headers = ask_headers(config, token, &c->arena, headers, n);
    c->state = RELAY_SEND;
    c->is_sent = false;
    c->http = http_call_start(c->instance->env.client, &params, &handler, c);
    if (c->is_paused)
        http_call_pause(c->http);
}

static void on_room(void *arg)
{
    struct relay_call *c = arg;

    if (c->state != RELAY_REFUSAL)
        c->request.sink->on_room(c->request.arg);
}

static void on_sent(void *arg)
{
    struct relay_call *c = arg;

    c->is_sent = true;
}

static enum err write_piece(struct relay_call *c, struct str piece)
{
    return c->http ? http_call_write(c->http, piece) : ERR_NONE;
}

static enum err end_body(struct relay_call *c)
{
    return c->http ? http_call_end_body(c->http) : ERR_NONE;
}

static bool is_full(const struct relay_call *c)
{
    return c->http && http_call_is_full(c->http);
}

static bool is_sent(const struct relay_call *c)
{
    return c->is_sent;
}

static void pause_answer(struct relay_call *c)
{
    c->is_paused = true;
    if (c->http)
        http_call_pause(c->http);
}

static void resume_answer(struct relay_call *c)
{
    c->is_paused = false;
    if (c->http)
        http_call_resume(c->http);
}

/* ---- ANSWER ---- */

static void on_head(void *arg, const struct http_head *head)
{
    struct relay_call *c = arg;
    struct loop *l = c->instance->env.loop;

    if (head->status >= 200 && head->status <= 299) {
        c->state = RELAY_ANSWER;
        keys_good(c->instance->openai->keys, c->turn.key, c->turn.purpose);
        c->request.sink->on_head(c->request.arg, head);
        return;
    }
    c->state = RELAY_REFUSAL;
    c->status = status_read(head, loop_wall_ms(l));
    buf_clear(&c->words);
    timer_arm(l, &c->wait, WORDS_WAIT_MS, on_refused, c);
}

static void on_body(void *arg, struct str bytes)
{
    struct relay_call *c = arg;

    if (c->state == RELAY_ANSWER)
        c->request.sink->on_body(c->request.arg, bytes);
    else if (buf_add(&c->words, str_sub(bytes, 0, WORDS_MAX - c->words.n)) ||
             c->words.n == WORDS_MAX)
        on_refused(c);
}

/* ---- REFUSAL ---- */

/* It took nothing: another token or key may do, while the body is here. */
static bool go_on(struct relay_call *c, const struct status_rule *rule)
{
    bool is_for_next;

    if (c->request.is_streamed)
        return false;
    if (key_turn_renew(&c->turn, c->status.code)) {
        c->state = RELAY_TOKEN;
        key_turn_again(&c->turn);
        return true;
    }
    is_for_next = rule->is_for_next && key_turn_has_other(&c->turn);
    if (is_for_next) {
        c->state = RELAY_TOKEN;
        key_turn_next(&c->turn);
    }
    return is_for_next;
}

/* All that is wanted of its words came, or they take too long. */
static void on_refused(void *arg)
{
    struct relay_call *c = arg;
    const struct status_rule *rule = status_rule(&c->status);
    struct failure f;

    timer_disarm(&c->wait);
    if (c->http)
        http_call_cancel(TAKE(c->http));
    if (rule->is_trouble)
        keys_trouble(c->instance->openai->keys, c->turn.key, c->turn.purpose, rule->trouble,
                     c->status.retry_after_ms, loop_now_ms(c->instance->env.loop));
    if (go_on(c, rule))
        return;
    status_failure(&f, &c->arena, name_of(c), &c->status,
                   key_turn_hide(&c->turn, &c->arena, buf_str(&c->words)));
    finish(c, &f, false);
}

/* ---- ends ---- */

static void on_unanswered(struct relay_call *c, const struct http_outcome *outcome)
{
    struct failure f;

    if (outcome->certainly_unsent && err_is_retryable(outcome->err) && !c->is_reconnected) {
        c->is_reconnected = true;
        c->state = RELAY_TOKEN;
        key_turn_again(&c->turn);
        return;
    }
    status_unanswered(&f, &c->arena, name_of(c), outcome);
    f.prompt_accepted = c->is_sent;
    finish(c, &f, outcome->certainly_unsent);
}

static void on_done(void *arg, const struct http_outcome *outcome)
{
    struct relay_call *c = arg;
    struct failure f;

    c->http = NULL;
    if (c->state == RELAY_SEND) {
        on_unanswered(c, outcome);
    } else if (c->state == RELAY_REFUSAL) {
        on_refused(c);
    } else if (!outcome->err) {
        finish(c, NULL, false);
    } else {
        failure_set(&f, &c->arena, FAILURE_INTERRUPTED,
                    "Upstream \"%s\" broke off in the middle of its answer: %s. Try again.",
                    name_of(c), outcome->detail);
        finish(c, &f, false);
    }
}

const struct relay_ops openai_relay = {
    .is_offered = is_offered,
    .start = start,
    .write = write_piece,
    .end_body = end_body,
    .is_full = is_full,
    .is_sent = is_sent,
    .pause = pause_answer,
    .resume = resume_answer,
    .release = release,
};
