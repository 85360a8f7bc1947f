/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call does on the wire: the answer stream is opened, the prompt is posted, the answer is
 * read. Frames may come before the POST's answer, so the end needs both: the stream's word and the
 * POST's. A prompt is sent again only when it certainly did not arrive, or was refused by a 401.
 */
#include "base/metrics.h"
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/call.h"

enum {
    PING_MS = 30000,
    QUIET_MS = 100,      /* silence after which a stream has replayed what it had */
    QUIET_MAX_MS = 1000, /* from its opening; then the prompt goes out all the same */
    MESSAGE_MAX = 4 * 1024 * 1024,
    ANSWER_MAX = 32 * 1024 * 1024, /* what frames may hold of one answer */
    TARGET_MAX = 2048,
    UNSURE_MS = 1000, /* how long after a replay of the last turn our own shows that it runs */
};

static const char post_name[] = "POST " API_CHAT_TARGET;
static const char stream_name[] = "GET .../buffer/stream";

/* The life of the wire, in order. */
static void on_open(void *arg);
static void on_refused(struct provider_call *c, const struct websocket_end *end);
static void on_sent(void *arg);
static void on_head(void *arg, const struct http_head *head);
static void on_body(void *arg, struct str bytes);
static void on_posted(void *arg, const struct http_outcome *outcome);
static void on_accepted(struct provider_call *c);
static void on_message(void *arg, bool is_text, struct str message);
static void on_text(void *arg, struct str text);
static void on_reasoning(void *arg, struct str text);
static void on_end(void *arg, const struct websocket_end *end);
static void on_ended(struct provider_call *c);

/* ---- the answer stream is opened ---- */

static void connect_socket(struct provider_call *c, struct str target, struct str cookie)
{
    static const struct websocket_handler handler = { on_open, on_message, on_end };
    const struct provider_env *env = &c->instance->env;
    const struct http_header headers[] = {
        { STR("Origin"), str_of(c->config->origin) },
        { STR("Cookie"), cookie },
    };
    const struct websocket_params params = {
        .url = &c->config->api,
        .target = target,
        .headers = headers,
        .n_headers = cookie.n > 0 ? 2 : 1,
        .connect_timeout_ms = env->connect_timeout_ms,
        .upgrade_timeout_ms = env->accept_timeout_ms,
        .max_message = MESSAGE_MAX,
    };

    c->socket = websocket_connect(http_client_connector(env->client), &params, &handler, c);
}

/* A second try stays in its state. */
static void dial(struct provider_call *c)
{
    struct buf target;
    struct buf cookie;
    enum err err;

    buf_init(&target, TARGET_MAX);
    buf_init(&cookie, COOKIES_MAX_BYTES + 2 * COOKIES_MAX);
    err = api_stream_target(&target, str_of(c->chat_id), str_of(c->token.user_id));
    if (!err)
        err = account_cookie(c->port, &cookie);
    BUG_ON(err); /* ids and cookies are bounded when they are taken */
    connect_socket(c, arena_dup(&c->arena, buf_str(&target)), buf_str(&cookie));
    buf_deinit(&target);
    buf_wipe(&cookie);
}

/* Its replay may come late, when our own turn has begun. */
static void remember_last_turn(struct provider_call *c)
{
    if (c->is_known_chat)
        BUG_ON(frames_read_past(c->frames, (struct str){ c->tip.past, c->tip.past_n }));
}

void wire_open_socket(struct provider_call *c)
{
    static const struct frames_sink sink = { on_text, on_reasoning };

    call_set_state(c, CALL_SOCKET);
    if (!c->frames) {
        c->frames = frames_new(c->config->content, ANSWER_MAX, &sink, c);
        remember_last_turn(c);
    }
    dial(c);
}

static void on_ping(void *arg)
{
    struct provider_call *c = arg;

    if (websocket_send(c->socket, true, STR("ping"))) {
        call_fail(c, FAILURE_INTERRUPTED,
                  "The answer stream of upstream \"%s\" takes no data any more. Try again.",
                  c->config->name);
        return;
    }
    timer_arm(c->instance->env.loop, &c->ping, PING_MS, on_ping, c);
}

static void on_quiet(void *arg)
{
    wire_send_prompt(arg);
}

/* Some deployments replay a chat's last turn when its stream opens. All that comes before the
 * prompt is not its answer, so the stream is heard out first. */
static void wait_for_quiet(struct provider_call *c)
{
    struct loop *loop = c->instance->env.loop;
    int64_t left_ms = c->quiet_limit_ms - loop_now_ms(loop);

    if (left_ms > QUIET_MS)
        left_ms = QUIET_MS;
    timer_arm(loop, &c->quiet, left_ms > 0 ? left_ms : 0, on_quiet, c);
}

static void on_open(void *arg)
{
    struct provider_call *c = arg;
    struct loop *loop = c->instance->env.loop;

    c->is_socket_open = true;
    timer_arm(loop, &c->ping, PING_MS, on_ping, c);
    if (c->is_paused)
        websocket_pause(c->socket);
    if (c->is_accepted) {
        call_set_state(c, CALL_ANSWER);
    } else if (c->is_known_chat && !c->has_turn_begun) {
        c->quiet_limit_ms = loop_now_ms(loop) + QUIET_MAX_MS;
        wait_for_quiet(c);
    } else {
        wire_send_prompt(c);
    }
}

static void fail_refused(struct provider_call *c, const struct websocket_end *end)
{
    struct api_status s;

    if (end->status == 0) {
        call_broke(c, stream_name, end->err, end->detail);
        return;
    }
    s = api_status_of(end->status, end->head, loop_wall_ms(c->instance->env.loop));
    call_refused(c, stream_name, &s, end->body);
}

static void on_refused(struct provider_call *c, const struct websocket_end *end)
{
    if (end->status == 404 && !c->is_accepted && c->is_known_chat) {
        call_start_new_chat(c); /* it is gone, and with it what only it knew */
    } else if (end->status == 404 && !c->is_accepted) {
        c->is_post_first = true;
        wire_send_prompt(c);
    } else if (end->status == 401 && call_renew_token(c)) {
        return;
    } else if (end->status == 0 && !c->is_socket_retried && err_is_retryable(end->err) &&
               end->err != ERR_TIMEOUT) {
        c->is_socket_retried = true; /* a handshake asks for nothing: it may be sent again */
        dial(c);
    } else {
        fail_refused(c, end);
    }
}

/* ---- the prompt is posted ---- */

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
        on_accepted(c);
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

static void on_accepted(struct provider_call *c)
{
    c->is_accepted = true;
    begin_turn(c); /* a service may accept before it has read all */
    if (!call_set_phase(c, PHASE_ACCEPTED))
        return;
    if (c->has_ended)
        on_ended(c);
    else if (c->is_socket_open)
        call_set_state(c, CALL_ANSWER);
    else
        wire_open_socket(c);
}

/* ---- the answer is read ---- */

/* Only a prompt that was taken is worked on, even if the POST's answer is still under way. */
static bool note_progress(struct provider_call *c)
{
    if (c->state == CALL_POST && frames_turn_runs(c->frames))
        return call_set_phase(c, PHASE_ACCEPTED);
    return c->state != CALL_DONE;
}

static void fail_frames(struct provider_call *c, enum err err)
{
    const char *name = c->config->name;

    if (err == ERR_PROTOCOL)
        call_fail(c, FAILURE_PROTOCOL,
                  "Upstream \"%s\" changed text that it had already sent. Try again; if it "
                  "happens often, set ENGINELABS_CONTENT.",
                  name);
    else
        call_fail(c, FAILURE_PROTOCOL,
                  "The answer of upstream \"%s\" cannot be kept (%s). Ask for less at once.", name,
                  err_text(err));
}

/* Nothing followed: what looked like a replay is the answer. */
static void on_unsure(void *arg)
{
    struct provider_call *c = arg;
    enum err err = frames_settle(c->frames);

    if (c->state == CALL_DONE)
        return;
    if (err)
        fail_frames(c, err);
    else
        on_ended(c);
}

static void on_message(void *arg, bool is_text, struct str message)
{
    struct provider_call *c = arg;
    enum frames_end end = FRAMES_RUNNING;
    enum err err = ERR_NONE;

    metric_add(METRIC_FRAMES, 1);
    /* Pongs come from a service whose task may hang all the same: no sign of life. */
    if (is_text && str_eq(message, STR("pong")))
        return;
    if (timer_is_armed(&c->quiet))
        wait_for_quiet(c);
    c->has_emitted = false;
    if (is_text)
        err = frames_feed(c->frames, message, &end);
    if (!note_progress(c))
        return;
    if (end == FRAMES_UNSURE)
        timer_arm(c->instance->env.loop, &c->unsure, UNSURE_MS, on_unsure, c);
    else if (!frames_is_unsure(c->frames))
        timer_disarm(&c->unsure);
    if (err)
        fail_frames(c, err);
    else if (end == FRAMES_FINISHED)
        on_ended(c);
    else if (end == FRAMES_CANCELLED)
        call_fail(c, FAILURE_INTERRUPTED,
                  "Upstream \"%s\" canceled the task before its answer was complete. Try again.",
                  c->config->name);
    else if (!c->has_emitted)
        c->sink->on_activity(c->arg);
}

static void emit(struct provider_call *c, enum chat_event_type type, struct str text)
{
    if (c->state == CALL_DONE || !call_set_phase(c, PHASE_ANSWERING))
        return;
    c->has_emitted = true;
    c->sink->on_event(c->arg, &(struct chat_event){ .type = type, .text = text });
}

static void on_text(void *arg, struct str text)
{
    emit(arg, CHAT_TEXT, text);
}

static void on_reasoning(void *arg, struct str text)
{
    emit(arg, CHAT_REASONING, text);
}

/* Before the prompt is out, nothing is lost by a stream that ends: it is opened once more. */
static bool open_again(struct provider_call *c)
{
    if (c->has_turn_begun || c->is_socket_retried)
        return false;
    c->is_socket_retried = true;
    if (c->post)
        http_call_cancel(c->post);
    c->post = NULL;
    wire_open_socket(c);
    return true;
}

/* The stream is open no more. Between a refused POST and its second try it is opened again by
 * whoever goes on. */
static void on_closed(struct provider_call *c, const struct websocket_end *end)
{
    bool is_proper = !end->err && (end->close_code == 1000 || end->close_code == 1001);

    if (c->state == CALL_TOKEN || open_again(c))
        return;
    if (is_proper && frames_closed(c->frames)) {
        if (c->state != CALL_DONE)
            on_ended(c);
        return;
    }
    if (c->has_ended)
        return;
    if (end->err == ERR_PROTOCOL || end->err == ERR_TOO_BIG) {
        call_fail(
            c, FAILURE_PROTOCOL,
            "The answer stream of upstream \"%s\" broke the rules of WebSocket (%s). Try again; "
            "if it happens often, the service may have changed.",
            c->config->name, end->detail);
        return;
    }
    call_fail(c, FAILURE_INTERRUPTED,
              "The answer stream of upstream \"%s\" broke off before the answer was complete "
              "(close code %d, %s). Try again.",
              c->config->name, end->close_code, end->detail);
}

static void on_end(void *arg, const struct websocket_end *end)
{
    struct provider_call *c = arg;
    bool was_open = c->is_socket_open;

    c->socket = NULL;
    c->is_socket_open = false;
    timer_disarm(&c->ping);
    timer_disarm(&c->quiet);
    timer_disarm(&c->unsure);
    if (was_open)
        on_closed(c, end);
    else
        on_refused(c, end);
}

/* The turn is over, once the POST was accepted too. */
static void on_ended(struct provider_call *c)
{
    c->has_ended = true;
    if (!c->is_accepted)
        return;
    if (frames_has_answer(c->frames))
        call_finish(c, NULL);
    else
        call_fail(
            c, FAILURE_INTERRUPTED,
            "Upstream \"%s\" ended its task without any text: the answer is empty. Try again.",
            c->config->name);
}

/* ---- and let go ---- */

void wire_close(struct provider_call *c)
{
    timer_disarm(&c->ping);
    timer_disarm(&c->quiet);
    timer_disarm(&c->unsure);
    websocket_abort(c->socket, true);
    c->socket = NULL;
    c->is_socket_open = false;
    if (c->post)
        http_call_cancel(c->post);
    c->post = NULL;
}

void wire_take_back_turn(struct provider_call *c)
{
    if (c->is_accepted)
        return;
    if (c->frames)
        frames_turn_refused(c->frames);
    c->has_turn_begun = false;
    c->has_ended = false;
}

void wire_drop_frames(struct provider_call *c)
{
    if (!c->frames)
        return;
    metric_add(METRIC_FRAMES_UNKNOWN, (int64_t)frames_unknown(c->frames));
    metric_add(METRIC_SURROGATES_LOST, (int64_t)frames_surrogates_lost(c->frames));
    frames_free(c->frames);
    c->frames = NULL;
    c->has_turn_begun = false;
    c->has_ended = false;
}
