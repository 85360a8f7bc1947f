/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prompt of a call is posted. It is sent again only when it certainly did not arrive, or was
 * refused by a 401.
 */
#include "base/mem.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/failover.h"
#include "provider/enginelabs/wire.h"

enum {
    LOST_MS = 2000,    /* how long the stream may take to show that a prompt arrived */
    READ_ON_MS = 5000, /* how long an answer that nobody needs is read */
    READ_MAX = 65536,  /* and how much of any answer: what it says stands in its first line */
};

/* A POST; outlives its call while the rest of its answer is read. */
struct wire_post {
    struct list node;           /* in the instance's `posts`, when it has outlived it */
    struct provider_call *call; /* NULL then */
    struct http_call *http;     /* running */
    size_t n_read;              /* of the answer's body */
    struct buf body;            /* then: of the prompt; the call's before */
    struct timer limit;
};

static const char post_name[] = "POST " API_CHAT_TARGET;

/* The life of a POST, in order. */
static void on_sent(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_posted(void *arg, const struct http_outcome *outcome);
static void end_post(struct wire_post *p, const struct http_outcome *outcome);
static void on_not_arrived(void *arg);

static void post(struct provider_call *c)
{
    static const struct http_call_handler handler = {
        .on_sent = on_sent, .on_head = on_head, .on_body = on_body, .on_done = on_posted
    };
    const struct provider_env *env = &c->instance->env;
    struct str origin = str_of(c->config->origin);
    const struct http_header headers[] = {
        { STR("Authorization"),
          arena_join(&c->arena, STRS(STR("Bearer "), str_of(c->token.jwt.p))) },
        { STR("Content-Type"), STR("application/json") },
        { STR("Origin"), origin },
        { STR("Referer"), arena_join(&c->arena, STRS(origin, STR("/"), str_of(c->chat_id))) },
    };
    const struct http_call_params params = {
        .url = &c->config->api,
        .method = HTTP_POST,
        .target = STR(API_CHAT_TARGET),
        .headers = headers,
        .n_headers = COUNT_OF(headers),
        .body = buf_str(&c->body),
        .connect_timeout_ms = env->connect_timeout_ms,
        .head_timeout_ms = env->accept_timeout_ms,
        .idle_timeout_ms = env->accept_timeout_ms,
        .send_once = true,
    };

    buf_clear(&c->post_error);
    c->is_task_over = false;
    c->post = mem_new(struct wire_post);
    c->post->call = c;
    c->post->http = http_call_start(env->client, &params, &handler, c->post);
}

void wire_send_prompt(struct provider_call *c)
{
    if (!call_project_may_send(c))
        return;
    call_set_state(c, CALL_POST);
    if (call_set_phase(c, PHASE_UNSENT))
        post(c);
}

/* Nothing that came before the prompt was out can be its answer; what comes later in a new chat can
 * be nothing else. */
static void begin_turn(struct provider_call *c)
{
    if (!c->has_turn_begun && (c->is_post_first || !c->is_known_chat))
        frames_turn_began(c->frames);
    else if (!c->has_turn_begun)
        frames_turn_begins(c->frames);
    c->has_turn_begun = true;
}

static void on_sent(void *arg)
{
    struct provider_call *c = ((struct wire_post *)arg)->call;

    if (!c)
        return;
    begin_turn(c);
    call_set_phase(c, PHASE_SENT);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct provider_call *c = ((struct wire_post *)arg)->call;

    if (!c || c->is_accepted)
        return;
    if (head->status >= 200 && head->status <= 299)
        wire_accepted(c);
    else
        c->post_status = api_status_of(head->status, head, loop_wall_ms(c->instance->env.loop));
}

/* Of a success nothing is needed; of an error as much as may explain it. */
static void on_body(void *arg, struct str bytes)
{
    struct wire_post *p = arg;
    struct provider_call *c = p->call;
    size_t room = c ? c->post_error.max - c->post_error.n : 0;

    if (c && !c->is_accepted && buf_add(&c->post_error, str_sub(bytes, 0, room)))
        buf_clear(&c->post_error);
    p->n_read += bytes.n;
    if (p->n_read > READ_MAX)
        end_post(p, &(struct http_outcome){ .err = ERR_TOO_BIG, .responded = true });
}

/* The prompt went out whole and its POST broke. If the stream shows that the service works on it,
 * it arrived all the same. True when that is so or may yet turn out. */
static bool may_have_arrived(struct provider_call *c, const struct http_outcome *outcome)
{
    if (!c->has_turn_begun || !c->is_socket_open)
        return false;
    if (frames_turn_runs(c->frames)) {
        wire_accepted(c);
        return true;
    }
    if (outcome->err == ERR_TIMEOUT)
        return false;
    c->lost_err = outcome->err;
    c->lost_why = arena_printf(&c->arena, "%s", outcome->detail).p;
    timer_arm(c->instance->env.loop, &c->lost, LOST_MS, on_not_arrived, c);
    return true;
}

/* The stream would have shown it: another chat may be asked. */
static void on_not_arrived(void *arg)
{
    struct provider_call *c = arg;

    call_unheard(c, post_name, c->lost_err, c->lost_why);
}

void wire_prompt_lost(struct provider_call *c)
{
    timer_disarm(&c->lost);
    call_broke(c, post_name, c->lost_err, c->lost_why);
}

static void on_no_answer(struct provider_call *c, const struct http_outcome *outcome)
{
    if (outcome->certainly_unsent && !c->is_post_retried && err_is_retryable(outcome->err) &&
        outcome->err != ERR_TIMEOUT) {
        c->is_post_retried = true;
        post(c);
        return;
    }
    if (may_have_arrived(c, outcome))
        return;
    call_broke(c, post_name, outcome->err, outcome->detail);
}

/* An answer that has begun is not asked for again, whatever the POST says of it. */
static void on_post_refused(struct provider_call *c)
{
    if (c->phase < PHASE_ANSWERING && !c->post_status.is_challenge) {
        if (c->post_status.status == 401 && call_renew_token(c))
            return;
        /* Gone, or at work on something else: another chat can answer. */
        if ((c->post_status.status == 404 || c->post_status.status == 409) && c->is_known_chat) {
            call_start_new_chat(c);
            return;
        }
    }
    call_refused(c, post_name, &c->post_status, buf_str(&c->post_error));
}

static void free_post(struct wire_post *p)
{
    if (p->http)
        http_call_cancel(p->http);
    timer_disarm(&p->limit);
    list_remove(&p->node);
    buf_deinit(&p->body);
    mem_free(p);
}

static void end_post(struct wire_post *p, const struct http_outcome *outcome)
{
    struct provider_call *c = p->call;

    free_post(p);
    if (!c)
        return;
    c->post = NULL;
    if (c->is_accepted) {
        buf_deinit(&c->body); /* an answer may take minutes, and there are thousands */
        return;
    }
    if (outcome->responded)
        on_post_refused(c);
    else
        on_no_answer(c, outcome);
}

static void on_posted(void *arg, const struct http_outcome *outcome)
{
    struct wire_post *p = arg;

    p->http = NULL;
    end_post(p, outcome);
}

void wire_accepted(struct provider_call *c)
{
    c->is_accepted = true;
    timer_disarm(&c->lost);
    pin_release(&c->hold);
    begin_turn(c); /* a service may accept before it has read all */
    if (!call_set_phase(c, PHASE_ACCEPTED))
        return;
    if (c->has_ended)
        wire_ended(c);
    else if (c->is_socket_open)
        call_set_state(c, CALL_ANSWER);
    else
        wire_open_socket(c);
}

/* ---- and left ---- */

static void on_limit(void *arg)
{
    free_post(arg);
}

void wire_leave_post(struct provider_call *c, bool read_on)
{
    struct wire_post *p = c->post;

    c->post = NULL;
    if (!p)
        return;
    p->call = NULL;
    if (!read_on) {
        free_post(p);
        return;
    }
    p->body = c->body;
    buf_init(&c->body, 0);
    list_add_tail(&c->instance->posts, &p->node);
    timer_arm(c->instance->env.loop, &p->limit, READ_ON_MS, on_limit, p);
}

void wire_cancel_posts(struct provider_instance *p)
{
    while (!list_is_empty(&p->posts))
        free_post(CONTAINER_OF(p->posts.next, struct wire_post, node));
}
