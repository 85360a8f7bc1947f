/* SPDX-License-Identifier: Apache-2.0 */
/* One function a state, in the order in which they run; finish() is the only way out. */
#include "provider/enginelabs/refresh.h"

#include "base/mem.h"
#include "base/random.h"
#include "net/timer.h"

enum {
    TOKEN_LIFE_MAX_S = 86400, /* more is not believed */
    SECOND_MS = 1000,
    LOCK_RENEW_MS = 10000,
    LOCK_MS = 30000,    /* a gateway that dies with the lock holds the others up for so long */
    LOCK_WAIT_MS = 200, /* between looks whether the other one is done */
    LOCK_WAIT_MAX_MS = 35000, /* longer than a lock that nobody gives back */
    OWNER_LEN = 16,
};

struct refresh {
    struct refresh_params params;
    const struct refresh_handler *handler;
    void *arg;
    struct loop *loop;
    struct cookies jar;
    struct clerk_session session; /* id "": not known yet */
    struct secret refused;
    char owner[OWNER_LEN + 1]; /* in the lock, while it is ours */
    bool has_lock;             /* or may have it */
    bool is_sure;              /* it has */
    int64_t give_up_ms;        /* when the lock is not waited for any longer */
    struct store_op *op;       /* running */
    struct signin *signin;     /* running */
    struct timer timer;
    struct timer renew; /* of the lock */
    struct task task;   /* the begin, then the end */
    struct arena arena;
    bool is_done;
};

/* The life of a renewal, in order. */
static void begin(void *arg);
static void look_for_token(void *arg);
static void on_token(void *arg, const struct store_result *result);
static void take_lock(struct refresh *r);
static void on_lock(void *arg, const struct store_result *result);
static void load_jar(struct refresh *r);
static void on_jar(void *arg, const struct store_result *result);
static void sign_in(struct refresh *r);
static bool on_cookies(void *arg, const struct cookies *jar);
static void on_saved(void *arg, const struct store_result *result);
static void on_signed_in(void *arg, const struct signin_result *result);
static void finish(struct refresh *r, const struct refresh_result *result);

static bool is_shared(const struct refresh *r)
{
    return r->params.store && store_is_shared(store_of(r->params.store));
}

struct refresh *refresh_start(const struct refresh_params *params,
                              const struct refresh_handler *handler, void *arg)
{
    struct refresh *r = mem_new(struct refresh);

    r->params = *params;
    r->handler = handler;
    r->arg = arg;
    r->loop = http_client_loop(params->client);
    arena_init(&r->arena);
    cookies_copy(&r->jar, params->jar);
    if (params->session)
        r->session = *params->session;
    if (params->refused)
        secret_set(&r->refused, secret_reveal(params->refused));
    random_id("", OWNER_LEN, r->owner);
    r->give_up_ms = loop_now_ms(r->loop) + LOCK_WAIT_MAX_MS;
    task_init(&r->task, begin, r);
    loop_defer(r->loop, &r->task);
    return r;
}

static void begin(void *arg)
{
    struct refresh *r = arg;

    if (is_shared(r))
        look_for_token(r);
    else
        load_jar(r);
}

static void fail(struct refresh *r, enum failure_kind kind, const char *what)
{
    struct failure f;

    failure_set(&f, &r->arena, kind, "Account \"%s\" of upstream \"%s\" cannot sign in: %s.",
                r->params.config->account, r->params.config->name, what);
    finish(r, &(struct refresh_result){ .failure = &f });
}

/* ---- where gateways share a store ---- */

static void look_for_token(void *arg)
{
    struct refresh *r = arg;
    struct store_key key = keep_token_key(r->params.config);

    r->op = store_get(r->params.store, &key, on_token, r);
}

static bool is_good(const struct refresh *r, const struct kept_token *t, int64_t life_ms)
{
    return life_ms > 0 && !secret_eq(&r->refused, t->jwt);
}

/* Another gateway's token, when it is good for more than the quarter in which it is renewed. */
static bool use_kept(struct refresh *r, struct str text)
{
    struct jwt_claims claims;
    struct kept_token t;
    int64_t life_ms, left_ms;

    if (keep_read_token(text, &t) || jwt_read(t.jwt, &claims))
        return false;
    life_ms = (claims.expires_s - claims.issued_s) * 1000;
    left_ms = t.expires_wall_ms - loop_wall_ms(r->loop);
    if (left_ms > life_ms)
        left_ms = life_ms; /* clocks differ */
    if (!is_good(r, &t, left_ms - life_ms / 4))
        return false;
    str_to_z(t.session_id, r->session.id, sizeof(r->session.id));
    str_to_z(t.organization_id, r->session.organization_id, sizeof(r->session.organization_id));
    finish(r, &(struct refresh_result){
                  .jwt = t.jwt, .claims = &claims, .session = &r->session, .life_ms = left_ms });
    return true;
}

static void on_token(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    if (result->err && result->err != ERR_NOT_FOUND)
        fail(r, FAILURE_UNAVAILABLE,
             "the store does not answer, and without its lock two gateways could renew one sign-in "
             "at once and lose it");
    else if (!result->err && use_kept(r, result->value))
        return;
    else if (r->is_sure)
        load_jar(r);
    else
        take_lock(r);
}

/* A slow sign-in keeps it. */
static void renew_lock(void *arg)
{
    struct refresh *r = arg;
    struct store_key key = keep_key(r->params.config, STORE_LEASE, "/sign-in");
    struct str owner = str_of(r->owner);

    store_swap(r->params.store, &key, &owner, &owner, LOCK_MS, NULL, NULL);
    timer_arm(r->loop, &r->renew, LOCK_RENEW_MS, renew_lock, r);
}

static void take_lock(struct refresh *r)
{
    struct store_key key = keep_key(r->params.config, STORE_LEASE, "/sign-in");
    struct str owner = str_of(r->owner);

    r->has_lock = true; /* it may be, from now on, and is to be given back */
    r->op = store_swap(r->params.store, &key, NULL, &owner, LOCK_MS, on_lock, r);
}

static void on_lock(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    r->has_lock = result->err != ERR_CONFLICT; /* after an error it may be ours all the same */
    if (!result->err) {
        timer_arm(r->loop, &r->renew, LOCK_RENEW_MS, renew_lock, r);
        r->is_sure = true;
        look_for_token(r); /* who had the lock before may have left one since */
    } else if (result->err != ERR_CONFLICT)
        fail(r, FAILURE_UNAVAILABLE, "the store did not give its lock");
    else if (loop_now_ms(r->loop) < r->give_up_ms)
        timer_arm(r->loop, &r->timer, LOCK_WAIT_MS, look_for_token, r);
    else
        fail(r, FAILURE_UNAVAILABLE, "another gateway is at it, and does not come to an end");
}

/* Nobody waits for it: it ends by itself, too. */
static void give_lock_back(struct refresh *r)
{
    struct store_key key = keep_key(r->params.config, STORE_LEASE, "/sign-in");
    struct str owner = str_of(r->owner);

    if (r->has_lock)
        store_swap(r->params.store, &key, &owner, NULL, 0, NULL, NULL);
    r->has_lock = false;
}

static void publish(struct refresh *r, const struct refresh_result *result)
{
    const struct kept_token t = { .expires_wall_ms = loop_wall_ms(r->loop) + result->life_ms,
                                  .session_id = str_of(result->session->id),
                                  .organization_id = str_of(result->session->organization_id),
                                  .jwt = result->jwt };
    struct store_key key = keep_token_key(r->params.config);
    struct buf text;

    buf_init(&text, STORE_VALUE_MAX);
    if (keep_write_token(&t, &text) == ERR_NONE)
        store_put(r->params.store, &key, buf_str(&text), result->life_ms, NULL, NULL);
    buf_wipe(&text);
}

/* ---- the cookies ---- */

/* What the service rotated wins over the settings; another gateway may have it. */
static void load_jar(struct refresh *r)
{
    struct store_key key = keep_key(r->params.config, STORE_JAR, "");

    if (r->params.store && !r->params.jar_is_unkept && (is_shared(r) || !r->params.jar_is_kept))
        r->op = store_get(r->params.store, &key, on_jar, r);
    else
        sign_in(r);
}

static void on_jar(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    if (result->err && result->err != ERR_NOT_FOUND) {
        /* A newer cookie may be there: signing in with the older one could end both. */
        fail(r, FAILURE_UNAVAILABLE, "the store does not say which cookie is the newest");
        return;
    }
    if (!result->err && keep_read_jar(r->params.config, result->value, &r->jar) == ERR_NONE)
        r->handler->on_jar(r->arg, &r->jar, true);
    sign_in(r);
}

static void sign_in(struct refresh *r)
{
    static const struct signin_handler handler = { on_cookies, on_signed_in };
    const struct signin_params params = { .config = r->params.config,
                                          .client = r->params.client,
                                          .jar = &r->jar,
                                          .session = r->session.id[0] ? &r->session : NULL,
                                          .connect_timeout_ms = r->params.connect_timeout_ms,
                                          .answer_timeout_ms = r->params.answer_timeout_ms };

    r->signin = signin_start(&params, &handler, r);
}

static bool on_cookies(void *arg, const struct cookies *jar)
{
    struct refresh *r = arg;
    struct store_key key = keep_key(r->params.config, STORE_JAR, "");
    struct buf text;

    cookies_copy(&r->jar, jar);
    if (!r->params.store) {
        r->handler->on_jar(r->arg, jar, false);
        return true;
    }
    buf_init(&text, KEEP_MAX);
    BUG_ON(keep_write_jar(r->params.config, jar, &text)); /* a jar is bounded */
    r->op = store_put(r->params.store, &key, buf_str(&text), STORE_FOREVER, on_saved, r);
    buf_wipe(&text);
    return false;
}

/* One that cannot be kept is used all the same: the old one is no good any more. */
static void on_saved(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    r->handler->on_jar(r->arg, &r->jar, !result->err);
    signin_go_on(r->signin);
}

/* ---- the end ---- */

static void on_signed_in(void *arg, const struct signin_result *result)
{
    struct refresh *r = arg;
    struct refresh_result done = { .failure = result->failure,
                                   .is_signed_out = result->is_signed_out,
                                   .jwt = result->jwt,
                                   .claims = result->claims,
                                   .session = result->session };

    r->signin = NULL;
    if (result->failure) {
        finish(r, &done);
        return;
    }
    done.life_ms = result->claims->expires_s - result->claims->issued_s;
    done.life_ms = (done.life_ms < TOKEN_LIFE_MAX_S ? done.life_ms : TOKEN_LIFE_MAX_S) * 1000;
    if (done.life_ms > 2 * SECOND_MS)
        done.life_ms -= SECOND_MS; /* exp and iat are cut to whole seconds, not at the same place */
    if (is_shared(r))
        publish(r, &done);
    finish(r, &done);
}

static void retire(void *arg)
{
    struct refresh *r = arg;

    cookies_deinit(&r->jar);
    secret_deinit(&r->refused);
    arena_deinit(&r->arena);
    mem_free(r);
}

static void let_go(struct refresh *r)
{
    r->is_done = true;
    task_cancel(&r->task);
    timer_disarm(&r->timer);
    timer_disarm(&r->renew);
    if (r->op)
        store_forget(r->op);
    r->op = NULL;
    signin_cancel(r->signin);
    r->signin = NULL;
    give_lock_back(r);
    task_init(&r->task, retire, r);
    loop_retire(r->loop, &r->task);
}

static void finish(struct refresh *r, const struct refresh_result *result)
{
    if (r->is_done)
        return;
    let_go(r);
    r->handler->on_done(r->arg, result);
}

void refresh_cancel(struct refresh *r)
{
    if (r && !r->is_done)
        let_go(r);
}
