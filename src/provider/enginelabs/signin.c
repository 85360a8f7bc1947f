/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every step is one bounded request; send_step() begins it, on_reply() ends it and picks the next.
 * Cookies of a reply are taken before its status is looked at: a rotated one must not get lost.
 */
#include "provider/enginelabs/signin.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "provider/enginelabs/api.h"

enum { REPLY_MAX = 262144, TARGET_MAX = 1024 };

enum signin_step { STEP_CLIENT, STEP_MEMBERSHIPS, STEP_TOKEN, STEP_DONE };

static const struct {
    const char *what; /* for messages */
    unsigned next;    /* the steps that may follow */
} steps[] = {
    [STEP_CLIENT] = { "GET /v1/client",
                      1U << STEP_MEMBERSHIPS | 1U << STEP_TOKEN | 1U << STEP_DONE },
    [STEP_MEMBERSHIPS] = { "GET /v1/me/organization_memberships",
                           1U << STEP_TOKEN | 1U << STEP_DONE },
    [STEP_TOKEN] = { "POST /v1/client/sessions/{id}/tokens", 1U << STEP_CLIENT | 1U << STEP_DONE },
    [STEP_DONE] = { "done", 0 },
};

enum next_step { NEXT_NOTHING, NEXT_SEND, NEXT_TELL };

struct signin {
    struct signin_params params;
    const struct signin_handler *handler;
    void *arg;
    enum signin_step step;
    struct fetch *fetch; /* running */
    struct task retire;
    struct arena arena;
    struct cookies jar;
    struct clerk_session session;
    bool session_is_fresh;       /* told in this visit: looking again would not help */
    bool has_asked;              /* a request was sent */
    bool retried;                /* this step's second connection was tried */
    bool is_held;                /* until signin_go_on() */
    enum next_step next;         /* what is done then */
    struct signin_result result; /* to be told; it points at the members below */
    struct failure failure;
    struct jwt_claims claims;
    struct secret jwt;
};

/* The life of a visit, in order. */
static void send_step(struct signin *s);
static void on_reply(void *arg, const struct fetch_result *result);
static void on_client(struct signin *s, const struct fetch_result *result);
static void on_token(struct signin *s, const struct fetch_result *result);
static void finish(struct signin *s, const struct signin_result *result);
static void tell(struct signin *s);

static void set_step(struct signin *s, enum signin_step next)
{
    BUG_ON(!(steps[s->step].next & 1U << next));
    s->step = next;
    s->retried = false;
}

static void retire(void *arg)
{
    struct signin *s = arg;

    cookies_deinit(&s->jar);
    secret_deinit(&s->jwt);
    arena_deinit(&s->arena);
    mem_free(s);
}

struct signin *signin_start(const struct signin_params *params,
                            const struct signin_handler *handler, void *arg)
{
    const struct enginelabs_config *config = params->config;
    struct signin *s = mem_new(struct signin);

    s->params = *params;
    s->handler = handler;
    s->arg = arg;
    arena_init(&s->arena);
    task_init(&s->retire, retire, s);
    cookies_copy(&s->jar, params->jar);
    s->step = STEP_CLIENT;
    if (params->session) {
        s->session = *params->session;
        s->step = STEP_TOKEN;
    } else if (config->session_id && config->organization_id) {
        str_to_z(str_of(config->session_id), s->session.id, sizeof(s->session.id));
        s->session_is_fresh = true;
        s->step = STEP_TOKEN;
    }
    send_step(s);
    return s;
}

void signin_cancel(struct signin *s)
{
    if (!s || s->step == STEP_DONE)
        return;
    set_step(s, STEP_DONE);
    if (s->fetch)
        fetch_cancel(s->fetch);
    s->fetch = NULL;
    loop_retire(http_client_loop(s->params.client), &s->retire);
}

/* What the user configured wins over what was told. */
static struct str organization_of(const struct signin *s)
{
    const char *configured = s->params.config->organization_id;

    return str_of(configured ? configured : s->session.organization_id);
}

static enum err write_target(const struct signin *s, struct buf *out)
{
    if (s->step == STEP_TOKEN)
        return clerk_token_target(out, str_of(s->session.id));
    return s->step == STEP_CLIENT ? clerk_client_target(out) : clerk_memberships_target(out);
}

/* Our own ids and cookies are bounded when they are taken, so that these always fit. */
static void write_request(const struct signin *s, struct buf *target, struct buf *body,
                          struct buf *cookie)
{
    enum err err = write_target(s, target);

    if (!err && s->step == STEP_TOKEN)
        err = clerk_token_body(body, organization_of(s));
    if (!err)
        err = cookies_write(&s->jar, cookie);
    BUG_ON(err);
}

static void fetch_step(struct signin *s, struct str target, struct str body, struct str cookie)
{
    const struct signin_params *p = &s->params;
    struct str origin = str_of(p->config->origin);
    const struct http_header headers[] = {
        { STR("Cookie"), cookie }, /* left out when there is none */
        { STR("Origin"), origin },
        { STR("Referer"), arena_printf(&s->arena, "%s/", p->config->origin) },
        { STR("Content-Type"), STR("application/x-www-form-urlencoded") },
    };
    size_t first = cookie.n == 0;
    const struct http_call_params call = {
        .url = &p->config->clerk,
        .method = s->step == STEP_TOKEN ? HTTP_POST : HTTP_GET,
        .target = arena_dup(&s->arena, target),
        .headers = headers + first,
        .n_headers = (s->step == STEP_TOKEN ? 4 : 2) - first,
        .body = body,
        .connect_timeout_ms = p->connect_timeout_ms,
    };

    if (s->step == STEP_TOKEN)
        metric_add(METRIC_TOKEN_REQUESTS, 1);
    s->fetch = fetch_start(p->client, &call, REPLY_MAX,
                           p->connect_timeout_ms + p->answer_timeout_ms, on_reply, s);
}

static void fail(struct signin *s, const struct failure *f)
{
    finish(s, &(struct signin_result){ .failure = f });
}

static void fail_forbidden(struct signin *s)
{
    struct failure f;

    failure_set(&f, &s->arena, FAILURE_UNAVAILABLE,
                "The sign-in of account \"%s\" of upstream \"%s\" was given up before %s.",
                s->params.config->account, s->params.config->name, steps[s->step].what);
    fail(s, &f);
}

static void send_step(struct signin *s)
{
    struct buf target;
    struct buf body;
    struct buf cookie;

    if (s->is_held) {
        s->next = NEXT_SEND;
        return;
    }
    if (s->has_asked && s->handler->may_go_on && !s->handler->may_go_on(s->arg)) {
        fail_forbidden(s);
        return;
    }

    s->has_asked = true;
    buf_init(&target, TARGET_MAX);
    buf_init(&body, TARGET_MAX);
    buf_init(&cookie, COOKIES_MAX_BYTES + 2 * COOKIES_MAX);
    write_request(s, &target, &body, &cookie);
    fetch_step(s, buf_str(&target), buf_str(&body), buf_str(&cookie));
    buf_deinit(&target);
    buf_deinit(&body);
    buf_wipe(&cookie);
}

static void fail_signed_out(struct signin *s, const char *why)
{
    const struct enginelabs_config *c = s->params.config;
    struct failure f;

    failure_set(&f, &s->arena, FAILURE_UPSTREAM_AUTH,
                "Account \"%s\" of upstream \"%s\" is signed out: %s. Sign in at %s in a browser, "
                "copy the Cookie header of a request to %s (or the value of its __client cookie) "
                "into %s%s.%s",
                c->account, c->name, why, c->origin, c->clerk.endpoint.host,
                c->cookie_file ? c->cookie_file : "CLERK_COOKIE or the account's `cookie`",
                c->cookie_file ? "; it is read again by itself" : ", and reload",
                c->session_id ? " Or the session that is set for it (CLERK_SESSION_ID) is of "
                                "another sign-in: leave it out."
                              : "");
    finish(s, &(struct signin_result){ .failure = &f, .is_signed_out = true });
}

static void fail_nonsense(struct signin *s, const char *why)
{
    struct failure f;

    failure_set(&f, &s->arena, FAILURE_PROTOCOL,
                "The sign-in service of upstream \"%s\" answered %s with %s. Check CLERK_URL.",
                s->params.config->name, steps[s->step].what, why);
    fail(s, &f);
}

static void on_no_answer(struct signin *s, const struct http_outcome *outcome)
{
    struct failure f;

    if (!s->retried && err_is_retryable(outcome->err) && outcome->err != ERR_TIMEOUT) {
        send_step(s);
        s->retried = true;
        return;
    }
    api_transport_failure(&f, &s->arena, s->params.config, API_PEER_CLERK, steps[s->step].what,
                          outcome->err, outcome->detail);
    fail(s, &f);
}

/* A session that was known from an earlier visit may have ended while the sign-in goes on. */
static void on_refused(struct signin *s, const struct fetch_result *result)
{
    struct loop *loop = http_client_loop(s->params.client);
    struct api_status status =
        api_status_of(result->head->status, result->head, loop_wall_ms(loop));
    struct failure f;

    if (!status.is_challenge && clerk_is_signed_out(status.status, result->body)) {
        if (s->step == STEP_TOKEN && !s->session_is_fresh) {
            set_step(s, STEP_CLIENT);
            send_step(s);
            return;
        }
        fail_signed_out(s, "the service does not accept its cookie any more");
        return;
    }
    api_failure(&f, &s->arena, s->params.config, API_PEER_CLERK, steps[s->step].what, &status,
                result->body);
    fail(s, &f);
}

static void on_reply(void *arg, const struct fetch_result *result)
{
    struct signin *s = arg;
    const struct http_head *head = result->head;
    struct loop *loop = http_client_loop(s->params.client);

    s->fetch = NULL;
    if (head && cookies_merge(&s->jar, head, loop_wall_ms(loop)))
        s->is_held = !s->handler->on_cookies(s->arg, &s->jar);
    if (result->outcome.err || !head)
        on_no_answer(s, &result->outcome);
    else if (head->status < 200 || head->status > 299)
        on_refused(s, result);
    else if (s->step == STEP_TOKEN)
        on_token(s, result);
    else
        on_client(s, result);
}

/* Both steps that look for the session. */
static void on_client(struct signin *s, const struct fetch_result *result)
{
    const char *wanted = s->params.config->session_id ? s->params.config->session_id : "";
    const char *member = s->step == STEP_CLIENT ? "response" : "client";
    enum clerk_state state;

    if (clerk_read_client(result->body, member, wanted, &s->session, &state)) {
        fail_nonsense(s, "something that names no client");
        return;
    }
    if (state == CLERK_SIGNED_OUT) {
        fail_signed_out(s, "the service knows no sign-in for its cookie");
        return;
    }
    if (state == CLERK_NO_SESSION && s->step == STEP_MEMBERSHIPS) {
        fail_signed_out(s, "its cookie has no active session");
        return;
    }
    s->session_is_fresh = true;
    set_step(s, state == CLERK_SIGNED_IN ? STEP_TOKEN : STEP_MEMBERSHIPS);
    send_step(s);
}

static void on_token(struct signin *s, const struct fetch_result *result)
{
    struct jwt_claims claims;
    struct signin_result done = { .claims = &claims, .session = &s->session };

    if (clerk_read_token(result->body, &s->arena, &done.jwt)) {
        fail_nonsense(s, "something that holds no token");
        return;
    }
    if (jwt_read(done.jwt, &claims)) {
        fail_nonsense(s, "a token without the claims sub, iat and exp");
        return;
    }
    finish(s, &done);
}

/* What is told is copied, since it may have to wait, and the reply goes. */
static void finish(struct signin *s, const struct signin_result *result)
{
    s->result = *result;
    if (result->failure) {
        s->failure = *result->failure;
        s->result.failure = &s->failure;
    }
    if (result->claims) {
        s->claims = *result->claims;
        s->result.claims = &s->claims;
    }
    secret_set(&s->jwt, result->jwt);
    s->result.jwt = secret_reveal(&s->jwt);
    if (s->is_held)
        s->next = NEXT_TELL;
    else
        tell(s);
}

static void tell(struct signin *s)
{
    if (s->step == STEP_DONE)
        return;
    set_step(s, STEP_DONE);
    loop_retire(http_client_loop(s->params.client), &s->retire);
    s->handler->on_done(s->arg, &s->result);
}

void signin_go_on(struct signin *s)
{
    enum next_step next = s->next;

    s->is_held = false;
    s->next = NEXT_NOTHING;
    if (next == NEXT_SEND)
        send_step(s);
    else if (next == NEXT_TELL)
        tell(s);
}
