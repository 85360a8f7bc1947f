/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a call: key, request, what to do when it is refused, its end. A request goes out
 * again only when it certainly was not taken: nothing of it was sent, or the upstream refused it
 * with a status that says so.
 */
#include "provider/openai/call.h"

#include <stdio.h>

#include "base/mem.h"

enum {
    KEPT_MAX = 64 << 20,       /* of a whole answer */
    MESSAGE_MAX = 1024,        /* of an error message */
    NO_LIMIT_MS = 86400 * 1000 /* the exchange has the last word on time */
};

#define TO(state) (1U << (state))

static const struct {
    const char *name;
    unsigned next; /* the states that may follow */
} states[] = {
    [CALL_TOKEN] = { "token", TO(CALL_SEND) | TO(CALL_DONE) },
    [CALL_SEND] = { "send", TO(CALL_ANSWER) | TO(CALL_TOKEN) | TO(CALL_DONE) },
    [CALL_ANSWER] = { "answer", TO(CALL_FINISHED) | TO(CALL_TOKEN) | TO(CALL_DONE) },
    [CALL_FINISHED] = { "finished", TO(CALL_SETTLING) | TO(CALL_DONE) },
    [CALL_SETTLING] = { "settling", TO(CALL_DONE) },
    [CALL_DONE] = { "done", 0 },
};

/* The life of a call, in order. */
static void begin(void *arg);
static void on_attempt(void *arg, struct str account);
static void on_token(void *arg, struct str token);
static void on_no_key(void *arg, const struct notice *notice);
static void on_sent(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_done(void *arg, const struct http_outcome *outcome);
static void on_settled(void *arg);
static void retire(void *arg);

void openai_call_set_state(struct provider_call *c, enum call_state next)
{
    BUG_ON(!(states[c->state].next & TO(next)));
    log_debug("openai call", LOG_Z("from", states[c->state].name), LOG_Z("to", states[next].name));
    c->state = next;
}

bool openai_call_set_phase(struct provider_call *c, enum provider_phase phase)
{
    if (phase > c->phase) {
        c->phase = phase;
        c->request.sink->on_phase(c->request.arg, phase);
    }
    return c->state != CALL_DONE;
}

bool openai_call_emit(struct provider_call *c, const struct chat_event *event)
{
    c->request.sink->on_event(c->request.arg, event);
    return c->state != CALL_DONE;
}

struct provider_call *openai_call_start(struct provider_instance *p,
                                        const struct provider_request *r)
{
    struct provider_call *c = mem_new(struct provider_call);

    c->instance = p;
    c->request = *r;
    c->turn = (struct key_turn){ .instance = p,
                                 .on_attempt = on_attempt,
                                 .on_token = on_token,
                                 .on_failed = on_no_key,
                                 .arg = c };
    c->state = CALL_TOKEN;
    arena_init(&c->arena);
    if (r->model.n > 0)
        c->request.model = arena_dup(&c->arena, r->model);
    c->turn.purpose = r->model.n > 0 ? c->request.model : STR("/chat");
    buf_init(&c->body, SIZE_MAX / 2); /* bounded by what it is made of */
    buf_init(&c->kept, KEPT_MAX);
    answer_reset(c);
    task_init(&c->later, begin, c);
    task_init(&c->retire, retire, c);
    loop_defer(p->env.loop, &c->later);
    p->calls++;
    return c;
}

/* ---- the key ---- */

static void begin(void *arg)
{
    struct provider_call *c = arg;
    enum err err = compose_body(c);

    if (err) {
        openai_call_fail(c, err == ERR_NOMEM ? FAILURE_OVERLOADED : FAILURE_BAD_REQUEST,
                         "The request for upstream \"%s\" cannot be written: %s.",
                         c->instance->openai->config->name, err_text(err));
        return;
    }
    c->request.sink->on_phase(c->request.arg, PHASE_QUEUED);
    if (c->state != CALL_DONE && openai_call_set_phase(c, PHASE_CONNECTING))
        key_turn_next(&c->turn);
}

static void on_attempt(void *arg, struct str account)
{
    struct provider_call *c = arg;

    if (c->request.sink->on_attempt)
        c->request.sink->on_attempt(c->request.arg, account);
}

static void on_no_key(void *arg, const struct notice *notice)
{
    struct provider_call *c = arg;
    struct failure f;

    notice_failure(notice, &c->arena, &f);
    openai_call_finish(c, &f);
}

/* ---- the exchange of bytes ---- */

static void on_token(void *arg, struct str token)
{
    static const struct http_call_handler handler = {
        .on_sent = on_sent, .on_head = on_head, .on_body = on_body, .on_done = on_done
    };
    struct provider_call *c = arg;
    const struct provider_env *env = &c->instance->env;
    struct http_header headers[HTTP_HEADERS_MAX];
    const struct http_call_params params = {
        .url = &c->instance->openai->config->base,
        .method = HTTP_POST,
        .target = STR("/chat/completions"),
        .headers = headers,
        .n_headers = compose_headers(c, token, headers),
        .body = c->ends.front,
        .more = { buf_str(&c->body), c->ends.tail },
        .connect_timeout_ms = env->connect_timeout_ms,
        .head_timeout_ms = NO_LIMIT_MS,
        .idle_timeout_ms = NO_LIMIT_MS,
        /* A kept connection may end just when it is used again. A server that keeps nothing of a
         * chat is asked anew: nothing is doubled but, maybe, what it costs. The native protocol
         * keeps it. */
        .send_once = c->instance->openai->config->is_native,
    };

    openai_call_set_state(c, CALL_SEND);
    answer_reset(c);
    c->http = http_call_start(env->client, &params, &handler, c);
    if (c->is_paused)
        http_call_pause(c->http);
}

static void on_sent(void *arg)
{
    struct provider_call *c = arg;

    openai_call_set_phase(c, PHASE_SENT);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct provider_call *c = arg;

    openai_call_set_state(c, CALL_ANSWER);
    answer_begin(c, head);
}

static void on_body(void *arg, struct str bytes)
{
    struct provider_call *c = arg;

    if (c->request.sink->on_activity)
        c->request.sink->on_activity(c->request.arg);
    if (c->state == CALL_ANSWER)
        answer_take(c, bytes);
}

static void on_done(void *arg, const struct http_outcome *outcome)
{
    struct provider_call *c = arg;

    c->http = NULL;
    if (c->state == CALL_SEND)
        openai_call_unanswered(c, outcome);
    else
        answer_end(c, outcome);
}

void openai_call_unanswered(struct provider_call *c, const struct http_outcome *outcome)
{
    struct failure f;

    if (outcome->certainly_unsent && err_is_retryable(outcome->err) && !c->is_reconnected) {
        c->is_reconnected = true;
        openai_call_set_state(c, CALL_TOKEN);
        key_turn_again(&c->turn);
        return;
    }
    status_unanswered(&f, &c->arena, c->instance->openai->config->name, outcome);
    f.prompt_accepted = c->phase >= PHASE_SENT;
    openai_call_finish(c, &f);
}

void openai_call_refused(struct provider_call *c)
{
    const struct status_rule *rule = status_rule(&c->status);
    struct openai *o = c->instance->openai;
    struct failure f;
    struct str body;

    if (key_turn_renew(&c->turn, c->status.code)) {
        openai_call_set_state(c, CALL_TOKEN);
        key_turn_again(&c->turn);
        return;
    }
    if (rule->is_trouble)
        keys_trouble(o->keys, c->turn.key, c->turn.purpose, rule->trouble, c->status.retry_after_ms,
                     loop_now_ms(c->instance->env.loop));
    if (rule->is_for_next && key_turn_has_other(&c->turn)) {
        openai_call_set_state(c, CALL_TOKEN);
        key_turn_next(&c->turn);
        return;
    }
    body = key_turn_hide(&c->turn, &c->arena, buf_str(&c->kept));
    status_failure(&f, &c->arena, o->config->name, &c->status, body);
    if (!c->is_cut)
        status_as_it_is(&f, &c->arena, c->type, body);
    openai_call_finish(c, &f);
}

/* ---- ends ---- */

/* Gives back all that is held but memory. */
static void let_go(struct provider_call *c)
{
    task_cancel(&c->later);
    timer_disarm(&c->linger);
    key_turn_leave(&c->turn);
    if (c->http)
        http_call_cancel(TAKE(c->http));
}

static bool is_over(const struct provider_call *c)
{
    return c->state == CALL_FINISHED || c->state == CALL_SETTLING || c->state == CALL_DONE;
}

void openai_call_finish(struct provider_call *c, const struct failure *failure)
{
    if (is_over(c))
        return;
    let_go(c);
    if (failure) {
        openai_call_set_state(c, CALL_DONE);
        c->request.sink->on_event(c->request.arg,
                                  &(struct chat_event){ .type = CHAT_ERROR, .failure = failure });
        return;
    }
    openai_call_set_state(c, CALL_FINISHED);
    keys_good(c->instance->openai->keys, c->turn.key, c->turn.purpose);
    if (c->has_usage &&
        !openai_call_emit(c, &(struct chat_event){ .type = CHAT_USAGE, .usage = &c->usage }))
        return;
    openai_call_emit(c, &(struct chat_event){ .type = CHAT_FINISH, .finish = c->finish });
}

void openai_call_fail(struct provider_call *c, enum failure_kind kind, const char *format, ...)
{
    char message[MESSAGE_MAX];
    struct failure f;
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    failure_set(&f, &c->arena, kind, "%s", message);
    f.prompt_accepted = c->phase >= PHASE_ACCEPTED;
    openai_call_finish(c, &f);
}

void openai_call_pause(struct provider_call *c)
{
    if (c->is_paused || is_over(c))
        return;
    c->is_paused = true;
    if (c->state == CALL_ANSWER)
        task_cancel(&c->later);
    if (c->http)
        http_call_pause(c->http);
}

static void go_on(void *arg)
{
    answer_go_on(arg);
}

void openai_call_resume(struct provider_call *c)
{
    if (!c->is_paused || is_over(c))
        return;
    c->is_paused = false;
    if (c->state != CALL_ANSWER) {
        if (c->http)
            http_call_resume(c->http);
        return;
    }
    task_init(&c->later, go_on, c);
    loop_defer(c->instance->env.loop, &c->later);
}

/* The upstream keeps nothing of a conversation: there is nothing to store. */
void openai_call_settle(struct provider_call *c, enum provider_verdict verdict,
                        const struct fingerprint_said *answer, void (*settled)(void *arg))
{
    (void)verdict;
    (void)answer;
    openai_call_set_state(c, CALL_SETTLING);
    c->settled = settled;
    task_init(&c->later, on_settled, c);
    loop_defer(c->instance->env.loop, &c->later);
}

static void on_settled(void *arg)
{
    struct provider_call *c = arg;
    void (*settled)(void *) = c->settled;
    void *settled_arg = c->request.arg;

    openai_call_release(c);
    settled(settled_arg);
}

void openai_call_release(struct provider_call *c)
{
    struct provider_instance *p = c->instance;

    if (c->state != CALL_DONE) {
        let_go(c);
        openai_call_set_state(c, CALL_DONE);
    }
    p->calls--;
    loop_retire(p->env.loop, &c->retire);
}

static void retire(void *arg)
{
    struct provider_call *c = arg;

    answer_free(c);
    key_turn_deinit(&c->turn);
    buf_deinit(&c->body);
    arena_deinit(&c->arena);
    mem_free(c);
}
