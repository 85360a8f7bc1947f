/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prompt of a call is posted. It is sent again only when it certainly did not arrive, or was
 * refused by a 401.
 */
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/wire.h"

static const char post_name[] = "POST " API_CHAT_TARGET;

/* The life of a POST, in order. */
static void on_sent(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_posted(void *arg, const struct http_outcome *outcome);

static void post(struct provider_call *c)
{
    static const struct http_call_handler handler = { on_sent, on_head, on_body, on_posted };
    const struct provider_env *env = &c->instance->env;
    const char *origin = c->config->origin;
    const struct http_header headers[] = {
        { STR("Authorization"), arena_printf(&c->arena, "Bearer %s", c->token.jwt.p) },
        { STR("Content-Type"), STR("application/json") },
        { STR("Origin"), str_of(origin) },
        { STR("Referer"), arena_printf(&c->arena, "%s/%s", origin, c->chat_id) },
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
    c->post = http_call_start(env->client, &params, &handler, c);
}

void wire_send_prompt(struct provider_call *c)
{
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
    struct provider_call *c = arg;

    begin_turn(c);
    call_set_phase(c, PHASE_SENT);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct provider_call *c = arg;

    if (head->status >= 200 && head->status <= 299)
        wire_accepted(c);
    else
        c->post_status = api_status_of(head->status, head, loop_wall_ms(c->instance->env.loop));
}

/* Of a success nothing is needed; of an error as much as may explain it. */
static void on_body(void *arg, struct str bytes)
{
    struct provider_call *c = arg;
    size_t room = c->post_error.max - c->post_error.n;

    if (!c->is_accepted && buf_add(&c->post_error, str_sub(bytes, 0, room)))
        buf_clear(&c->post_error);
}

static void on_no_answer(struct provider_call *c, const struct http_outcome *outcome)
{
    if (outcome->certainly_unsent && !c->is_post_retried && err_is_retryable(outcome->err) &&
        outcome->err != ERR_TIMEOUT) {
        c->is_post_retried = true;
        post(c);
        return;
    }
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

static void on_posted(void *arg, const struct http_outcome *outcome)
{
    struct provider_call *c = arg;

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

void wire_accepted(struct provider_call *c)
{
    c->is_accepted = true;
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
