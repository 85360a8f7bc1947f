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
    struct jar_past past;
    struct clerk_session session; /* id "": not known yet */
    struct secret refused;
    char owner[OWNER_LEN + 1]; /* in the lock, while it is ours */
    bool may_have_lock;        /* and is to give it back */
    bool is_sure;              /* it has, until: */
    int64_t renewed_ms;        /* when the last renewal was asked for */
    int64_t lock_until_ms;     /* it may be another one's from then on */
    bool is_second;            /* it signs in once more, with a jar that came meanwhile */
    int64_t give_up_ms;        /* when the lock is not waited for any longer */
    struct store_op *op;       /* running */
    struct store_op *renew_op; /* running */
    struct keep_jar *keeper;   /* running */
    struct signin *signin;     /* running */
    struct timer timer;
    struct timer renew; /* of the lock */
    struct task task;   /* the begin, then the end */
    struct arena arena;
    struct failure signed_out; /* while the store is asked for a newer jar */
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
static void on_saved(void *arg, enum jar_kept kept, const struct cookies *newer);
static bool may_go_on(void *arg);
static void on_signed_in(void *arg, const struct signin_result *result);
static void look_for_newer_jar(struct refresh *r, const struct failure *signed_out);
static void on_jar_again(void *arg, const struct store_result *result);
static void finish(struct refresh *r, const struct refresh_result *result);

static bool is_shared(const struct refresh *r)
{
    return r->params.store && store_is_joint(store_of(r->params.store));
}

/* Whether this is the one who may sign in now. */
static bool has_lock(const struct refresh *r)
{
    return !is_shared(r) || (r->is_sure && loop_now_ms(r->loop) < r->lock_until_ms);
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
    r->past = *params->past;
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
    else if (has_lock(r))
        load_jar(r);
    else
        take_lock(r);
}

static void lose_lock(struct refresh *r)
{
    r->is_sure = false;
    timer_disarm(&r->renew);
}

/* A request that runs is not cut off: a cookie in its reply would be lost. */
static void on_renewed(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->renew_op = NULL;
    if (!result->err) {
        r->lock_until_ms = r->renewed_ms + LOCK_MS;
    } else if (result->err == ERR_CONFLICT) {
        r->may_have_lock = false;
        lose_lock(r);
    }
}

/* A slow sign-in keeps it. */
static void renew_lock(void *arg)
{
    struct refresh *r = arg;
    struct store_key key = keep_key(r->params.config, STORE_LEASE, "/sign-in");
    struct str owner = str_of(r->owner);

    if (r->renew_op)
        store_forget(r->renew_op);
    r->renewed_ms = loop_now_ms(r->loop);
    r->renew_op = store_swap(r->params.store, &key, &owner, &owner, LOCK_MS, on_renewed, r);
    timer_arm(r->loop, &r->renew, LOCK_RENEW_MS, renew_lock, r);
}

static void take_lock(struct refresh *r)
{
    struct store_key key = keep_key(r->params.config, STORE_LEASE, "/sign-in");
    struct str owner = str_of(r->owner);

    r->may_have_lock = true; /* it may be, from now on, and is to be given back */
    r->renewed_ms = loop_now_ms(r->loop);
    r->op = store_swap(r->params.store, &key, NULL, &owner, LOCK_MS, on_lock, r);
}

static void on_lock(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    r->may_have_lock = result->err != ERR_CONFLICT; /* after an error it may be ours all the same */
    if (!result->err) {
        timer_arm(r->loop, &r->renew, LOCK_RENEW_MS, renew_lock, r);
        r->is_sure = true;
        r->lock_until_ms = r->renewed_ms + LOCK_MS;
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

    if (r->may_have_lock)
        store_swap(r->params.store, &key, &owner, NULL, 0, NULL, NULL);
    r->may_have_lock = false;
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

    if (r->params.store && (is_shared(r) || !(r->params.jar_is_kept || r->params.jar_is_unkept)))
        r->op = store_get(r->params.store, &key, on_jar, r);
    else
        sign_in(r);
}

/* What the store has is the newest; but what began with another cookie of the settings is none. */
static bool take_jar(struct refresh *r, struct str text)
{
    bool is_jar = keep_read_jar(r->params.config, text, &r->jar) == ERR_NONE;

    jar_past_set(&r->past, text);
    r->params.jar_is_unkept = r->params.jar_is_unkept && !is_jar;
    if (is_jar)
        r->handler->on_jar(r->arg, &r->jar, &r->past, true);
    return is_jar;
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
    if (!result->err && !(r->params.jar_is_unkept && jar_past_has(&r->past, result->value)))
        take_jar(r, result->value);
    if (has_lock(r))
        sign_in(r);
    else
        look_for_token(r);
}

static void sign_in(struct refresh *r)
{
    static const struct signin_handler handler = { on_cookies, may_go_on, on_signed_in };
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

    cookies_copy(&r->jar, jar);
    if (!r->params.store) {
        r->handler->on_jar(r->arg, jar, &r->past, false);
        return true;
    }
    r->keeper = keep_jar_start(r->params.config, r->params.store, &r->jar, &r->past, on_saved, r);
    return false;
}

/* One that cannot be kept is used all the same: the old one is no good any more. One that another
 * gateway was faster with is the one to go on with. */
static void on_saved(void *arg, enum jar_kept kept, const struct cookies *newer)
{
    struct refresh *r = arg;

    r->keeper = NULL;
    r->params.jar_is_unkept = kept == JAR_UNKEPT;
    if (kept == JAR_OUTDATED)
        cookies_copy(&r->jar, newer);
    r->handler->on_jar(r->arg, &r->jar, &r->past, kept != JAR_UNKEPT);
    if (kept == JAR_OUTDATED) {
        signin_cancel(TAKE(r->signin));
        look_for_token(r);
    } else {
        signin_go_on(r->signin);
    }
}

static bool may_go_on(void *arg)
{
    return has_lock(arg);
}

/* ---- the end ---- */

/* Another gateway may have renewed the cookie, without the lock or after it had got lost. */
static void look_for_newer_jar(struct refresh *r, const struct failure *signed_out)
{
    struct store_key key = keep_key(r->params.config, STORE_JAR, "");

    r->signed_out = *signed_out;
    r->signed_out.message = arena_dup(&r->arena, signed_out->message);
    r->op = store_get(r->params.store, &key, on_jar_again, r);
}

static void on_jar_again(void *arg, const struct store_result *result)
{
    struct refresh *r = arg;

    r->op = NULL;
    if (result->err && result->err != ERR_NOT_FOUND) {
        fail(r, FAILURE_UNAVAILABLE, "the store does not say which cookie is the newest");
    } else if (!result->err && !jar_past_has(&r->past, result->value) &&
               take_jar(r, result->value)) {
        r->is_second = true;
        r->session = (struct clerk_session){ 0 };
        look_for_token(r);
    } else {
        finish(r, &(struct refresh_result){ .failure = &r->signed_out, .is_signed_out = true });
    }
}

static void end_in_vain(struct refresh *r, const struct refresh_result *done)
{
    if (!has_lock(r))
        look_for_token(r); /* another one may be through */
    else if (done->is_signed_out && is_shared(r) && !r->is_second)
        look_for_newer_jar(r, done->failure);
    else
        finish(r, done);
}

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
        end_in_vain(r, &done);
        return;
    }
    done.life_ms = result->claims->expires_s - result->claims->issued_s;
    done.life_ms = (done.life_ms < TOKEN_LIFE_MAX_S ? done.life_ms : TOKEN_LIFE_MAX_S) * 1000;
    if (done.life_ms > 2 * SECOND_MS)
        done.life_ms -= SECOND_MS; /* exp and iat are cut to whole seconds, not at the same place */
    if (is_shared(r) && has_lock(r))
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
    if (r->renew_op)
        store_forget(r->renew_op);
    r->op = r->renew_op = NULL;
    keep_jar_cancel(TAKE(r->keeper));
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
    if (!r || r->is_done)
        return;
    if (r->keeper)
        r->handler->on_jar(r->arg, &r->jar, &r->past, false);
    let_go(r);
}
