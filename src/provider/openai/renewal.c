/* SPDX-License-Identifier: Apache-2.0 */
/*
 *               ____
 *              v    \           again after a pause: it certainly did not go out, or 5xx
 *     READ --> ASK __/ --> WRITE --> (done)
 *       \________\__________________^   the file had new tokens; it failed
 *
 * READ and WRITE run on a thread of their own, on fields that nobody else touches meanwhile.
 */
#include "provider/openai/renewal.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "http/fetch.h"
#include "net/timer.h"
#include "provider/openai/status.h"
#include "json/reader.h"
#include "json/writer.h"

enum { AGAIN_MAX = 2, AGAIN_MS = 250 }; /* and up to as much more by chance; then twice as long */
enum { REPLY_MAX = 64 * 1024, TOKEN_MAX = 8192, LIFE_MS = 900 * 1000, LIFE_MAX_S = 30 * 86400 };

static const char target[] = "/oauth/token";

struct renewal {
    struct renewal_params params;
    on_renewal *done;
    void *arg;
    struct arena arena;
    struct credentials now;  /* the newest known */
    struct credentials file; /* as it was read */
    char why[CREDENTIALS_WHY];
    enum err file_err;
    struct fetch *fetch; /* running */
    struct timer pause;  /* armed before it is asked again */
    unsigned n_again;
    bool is_hurried;
    bool is_kept;
    struct task retire;
};

/* The life of a renewal, in order. */
static void read_work(void *arg);
static void on_read(void *arg);
static void ask(void *arg);
static void on_reply(void *arg, const struct fetch_result *result);
static void write_work(void *arg);
static void on_written(void *arg);

static void free_renewal(void *arg)
{
    struct renewal *r = arg;

    credentials_deinit(&r->now);
    credentials_deinit(&r->file);
    arena_deinit(&r->arena);
    mem_free(r);
}

static void finish(struct renewal *r, const struct failure *f)
{
    struct renewal_result result = {
        .failure = f, .is_hurried = r->is_hurried, .credentials = &r->now, .is_kept = r->is_kept
    };

    loop_retire(r->params.env->loop, &r->retire);
    r->done(r->arg, &result);
}

static void fail_after(struct renewal *r, enum failure_kind kind, int64_t retry_after_ms,
                       const char *why)
{
    struct failure f;

    failure_set(&f, &r->arena, kind, "The sign-in of upstream \"%s\" cannot be renewed: %s.",
                r->params.upstream, why);
    f.retry_after_ms = retry_after_ms;
    finish(r, &f);
}

static FORMAT(3, 4) void fail(struct renewal *r, enum failure_kind kind, const char *format, ...)
{
    char text[CREDENTIALS_WHY * 2];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fail_after(r, kind, 0, text);
}

struct renewal *renewal_start(const struct renewal_params *params, on_renewal *done, void *arg)
{
    struct renewal *r = mem_new(struct renewal);

    r->params = *params;
    r->done = done;
    r->arg = arg;
    arena_init(&r->arena);
    task_init(&r->retire, free_renewal, r);
    secret_set(&r->now.access, secret_reveal(&params->credentials->access));
    secret_set(&r->now.refresh, secret_reveal(&params->credentials->refresh));
    r->now.expires_wall_ms = params->credentials->expires_wall_ms;
    credentials_work(params->env->loop, read_work, on_read, r);
    return r;
}

static void read_work(void *arg)
{
    struct renewal *r = arg;

    r->file_err = credentials_read(r->params.path, &r->file, r->why);
}

/* Somebody else renewed it: the vendor's program, or its owner signed in anew. */
static void take_file(struct renewal *r)
{
    secret_set(&r->now.access, secret_reveal(&r->file.access));
    secret_set(&r->now.refresh, secret_reveal(&r->file.refresh));
    r->now.expires_wall_ms = r->file.expires_wall_ms;
}

static bool is_fresh(const struct renewal *r)
{
    return secret_is_set(&r->now.access) &&
           loop_wall_ms(r->params.env->loop) < r->now.expires_wall_ms;
}

static void on_read(void *arg)
{
    struct renewal *r = arg;
    bool is_new = !r->file_err && !r->params.is_unkept &&
                  !secret_eq(&r->now.access, secret_reveal(&r->file.access));

    if (is_new || (!r->file_err && !secret_is_set(&r->now.refresh)))
        take_file(r);
    if (is_new && is_fresh(r)) {
        r->is_kept = true;
        finish(r, NULL);
    } else if (r->params.is_unkept && is_fresh(r)) {
        credentials_work(r->params.env->loop, write_work, on_written, r);
    } else if (!secret_is_set(&r->now.refresh)) {
        fail(r, FAILURE_UPSTREAM_AUTH, "%s", r->why);
    } else if (r->is_hurried) {
        fail(r, FAILURE_OVERLOADED, "the gateway shuts down");
    } else {
        ask(r);
    }
}

static struct str body_of(struct renewal *r)
{
    struct json_writer w;
    struct buf out;
    struct str body;

    buf_init(&out, 8 * TOKEN_MAX);
    json_w_init(&w, &out);
    json_w_object(&w);
    json_w_member_str(&w, "grant_type", STR("refresh_token"));
    json_w_member_str(&w, "refresh_token", secret_reveal(&r->now.refresh));
    json_w_object_end(&w);
    body = json_w_end(&w) ? (struct str){ "", 0 } : arena_dup(&r->arena, buf_str(&out));
    buf_wipe(&out);
    return body;
}

static void ask(void *arg)
{
    struct renewal *r = arg;
    const struct provider_env *env = r->params.env;
    const struct http_header headers[] = { { STR("Content-Type"), STR("application/json") },
                                           { STR("Accept"), STR("application/json") } };
    const struct http_call_params params = {
        .url = r->params.api,
        .method = HTTP_POST,
        .target = str_of(target),
        .headers = headers,
        .n_headers = COUNT_OF(headers),
        .body = body_of(r),
        .connect_timeout_ms = env->connect_timeout_ms,
        .head_timeout_ms = env->accept_timeout_ms,
        .idle_timeout_ms = env->accept_timeout_ms,
        .send_once = true, /* a refresh token that was taken is no good any more */
    };

    r->fetch = fetch_start(env->client, &params, REPLY_MAX,
                           env->connect_timeout_ms + env->accept_timeout_ms, on_reply, r);
}

static bool take_text(struct str body, const char *name, struct secret *ret)
{
    struct json_value v;
    struct buf text;
    bool is_there;

    buf_init(&text, TOKEN_MAX);
    is_there = !json_find(body, &v, name, NULL) && v.type == JSON_STRING &&
               !json_text_add(&v, &text) && text.n > 0;
    if (is_there)
        secret_set(ret, buf_str(&text));
    buf_wipe(&text);
    return is_there;
}

static void take_reply(struct renewal *r, struct str body)
{
    int64_t wall_ms = loop_wall_ms(r->params.env->loop);
    int64_t life_ms = LIFE_MS;
    struct json_value v;
    int64_t s;

    if (!take_text(body, "access_token", &r->now.access)) {
        fail(r, FAILURE_PROTOCOL, "POST %s answered without an access_token", target);
        return;
    }
    take_text(body, "refresh_token", &r->now.refresh); /* absent: the old one stays good */
    if (!json_find(body, &v, "expires_in", NULL) && !json_int(&v, &s) && s > 0)
        life_ms = (s < LIFE_MAX_S ? s : LIFE_MAX_S) * 1000;
    r->now.expires_wall_ms = wall_ms + life_ms;
    credentials_work(r->params.env->loop, write_work, on_written, r);
}

/* 4xx but for haste means that the refresh token is no good. */
static enum failure_kind kind_of(const struct answer_status *s)
{
    if (s->is_challenge)
        return FAILURE_CHALLENGE;
    if (s->code == 429)
        return FAILURE_RATE_LIMIT;
    if (s->code >= 400 && s->code <= 499 && s->code != 408)
        return FAILURE_UPSTREAM_AUTH;
    return s->code >= 500 || s->code == 408 ? FAILURE_UNAVAILABLE : FAILURE_PROTOCOL;
}

/* While the refresh token was not taken, as far as can be known. With an old token that is good yet
 * nobody needs to wait for that: it is tried later. */
static bool ask_again(struct renewal *r, bool may_be_asked)
{
    int64_t ms = (int64_t)AGAIN_MS << r->n_again;

    if (!may_be_asked || r->n_again == AGAIN_MAX || is_fresh(r))
        return false;
    r->n_again++;
    ms += (int64_t)(random_u64() % (uint64_t)ms);
    timer_arm(r->params.env->loop, &r->pause, ms, ask, r);
    return true;
}

static void take_refusal(struct renewal *r, const struct answer_status *s)
{
    enum failure_kind kind = kind_of(s);
    char why[CREDENTIALS_WHY * 2];

    if (ask_again(r, kind == FAILURE_UNAVAILABLE))
        return;
    snprintf(why, sizeof(why), "POST %s answered with %s%d%s%s", target,
             kind == FAILURE_CHALLENGE ? "a browser check, which a gateway cannot pass: open the "
                                         "service in a browser from this network once, or use "
                                         "another network; status "
                                       : "status ",
             s->code,
             kind == FAILURE_UPSTREAM_AUTH ? ": sign in anew, so that there is a new " : "",
             kind == FAILURE_UPSTREAM_AUTH ? r->params.path : "");
    fail_after(r, kind, s->retry_after_ms, why);
}

static void on_reply(void *arg, const struct fetch_result *result)
{
    const struct http_outcome *outcome = &result->outcome;
    struct renewal *r = arg;
    struct answer_status status;

    r->fetch = NULL;
    if (outcome->err) {
        if (!ask_again(r, outcome->certainly_unsent && err_is_retryable(outcome->err)))
            fail(r, status_of_transport(outcome->err), "%s", outcome->detail);
        return;
    }
    status = status_read(result->head, loop_wall_ms(r->params.env->loop));
    if (status.code == 200 || status.code == 201)
        take_reply(r, result->body);
    else
        take_refusal(r, &status);
}

static void write_work(void *arg)
{
    struct renewal *r = arg;

    r->is_kept = credentials_write(r->params.path, &r->now, r->why) == ERR_NONE;
}

static void on_written(void *arg)
{
    struct renewal *r = arg;

    if (!r->is_kept)
        log_debug("credentials not written", LOG_Z("why", r->why));
    finish(r, NULL);
}

void renewal_hurry(struct renewal *r)
{
    r->is_hurried = true;
    if (!r->fetch && !timer_is_armed(&r->pause))
        return;
    if (r->fetch)
        fetch_cancel(TAKE(r->fetch));
    timer_disarm(&r->pause);
    fail(r, FAILURE_OVERLOADED, "the gateway shuts down");
}
