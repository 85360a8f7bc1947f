/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer stream of a call: it is opened, and it ends. Before the prompt is out nothing is lost
 * by an end, so it is opened once more.
 */
#include "provider/enginelabs/api.h"
#include "provider/enginelabs/failover.h"
#include "provider/enginelabs/wire.h"

enum {
    PING_MS = 30000,
    QUIET_MS = 100,      /* silence after which a stream has replayed what it had */
    QUIET_MAX_MS = 1000, /* from its opening; then the prompt goes out all the same */
    MESSAGE_MAX = 4 * 1024 * 1024,
};

static const char stream_name[] = "GET .../buffer/stream";

/* The life of a stream, in order. */
static void on_open(void *arg);
static void on_refused(struct provider_call *c, const struct websocket_end *end);
static void on_end(void *arg, const struct websocket_end *end);

static void connect_socket(struct provider_call *c, struct str target, struct str cookie)
{
    static const struct websocket_handler handler = { on_open, wire_on_message, on_end };
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

    buf_init(&target, CALL_TARGET_MAX);
    buf_init(&cookie, COOKIES_MAX_BYTES + 2 * COOKIES_MAX);
    err = call_stream_target(c, &target);
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
    call_set_state(c, CALL_SOCKET);
    if (!c->frames) {
        resume_init(&c->resume, WIRE_ANSWER_MAX, wire_emit, c);
        c->frames = frames_new(c->config->content, WIRE_ANSWER_MAX, &wire_frames_sink, c);
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
void wire_wait_for_quiet(struct provider_call *c)
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
        wire_wait_for_quiet(c);
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
    if (c->resume.is_again)
        wire_reopen_refused(c, end);
    else if (end->status == 404 && !c->is_accepted && c->is_known_chat) {
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

/* ---- and ends ---- */

/* Before the prompt is out, nothing is lost by a stream that ends: it is opened once more. */
static bool open_again(struct provider_call *c)
{
    if (c->has_turn_begun || c->is_socket_retried)
        return false;
    c->is_socket_retried = true;
    wire_leave_post(c, false);
    wire_open_socket(c);
    return true;
}

static void fail_broken(struct provider_call *c, const struct websocket_end *end)
{
    const char *name = c->config->name;

    if (end->err == ERR_PROTOCOL || end->err == ERR_TOO_BIG)
        call_fail(c, FAILURE_PROTOCOL,
                  "The answer stream of upstream \"%s\" broke the rules of WebSocket (%s). Try "
                  "again; if it happens often, the service may have changed.",
                  name, end->detail);
    else
        call_fail(c, FAILURE_INTERRUPTED,
                  "The answer stream of upstream \"%s\" broke off before the answer was complete "
                  "(close code %d, %s). Try again.",
                  name, end->close_code, end->detail);
}

/* The stream is open no more. Between a refused POST and its second try it is opened again by
 * whoever goes on. */
static void on_closed(struct provider_call *c, const struct websocket_end *end)
{
    bool is_proper = !end->err && (end->close_code == 1000 || end->close_code == 1001);
    bool may_pass = end->err != ERR_PROTOCOL && end->err != ERR_TOO_BIG;

    if (c->state == CALL_TOKEN || open_again(c))
        return;
    if (is_proper && frames_closed(c->frames)) {
        if (c->state != CALL_DONE && wire_check_resume(c))
            wire_ended(c);
        return;
    }
    if (c->has_ended || (may_pass && wire_reopen(c)))
        return;
    if (timer_is_armed(&c->lost))
        wire_prompt_lost(c);
    else
        fail_broken(c, end);
}

static void forget_socket(struct provider_call *c)
{
    c->socket = NULL;
    c->is_socket_open = false;
    timer_disarm(&c->ping);
    timer_disarm(&c->quiet);
    timer_disarm(&c->unsure);
}

static void on_end(void *arg, const struct websocket_end *end)
{
    struct provider_call *c = arg;
    bool was_open = c->is_socket_open;

    forget_socket(c);
    if (was_open)
        on_closed(c, end);
    else
        on_refused(c, end);
}

void wire_drop_socket(struct provider_call *c)
{
    websocket_abort(c->socket, true);
    forget_socket(c);
}
