/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token's economy: whoever asks gets the current token, or stands in line; whoever finds no
 * refresh running when one is due starts it on its own port. Its end calls the whole line.
 */
#include "provider/enginelabs/account.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/timer.h"

enum {
    CLOSE_GRACE_MS = 3000,       /* how long a closing port waits for its refresh */
    RETRY_BEHIND_MS = 1000,      /* between refreshes behind a token that is still good */
    RETRY_AFTER_MAX_MS = 900000, /* a longer Retry-After is not waited for */
    KEEP_AGAIN_MS = 5000,        /* between tries to keep a jar that the store did not take */
};

struct account {
    const struct enginelabs_config *config;
    pthread_mutex_t lock; /* guards all below */
    struct cookies jar;
    struct jar_past past;         /* what the store may have that the jar comes from */
    unsigned jar_turn;            /* another number, another jar */
    bool jar_is_kept;             /* the store has it, or something newer than the settings */
    bool jar_is_unkept;           /* the store should have it and does not */
    struct secret refused;        /* a token that the service did not take */
    struct clerk_session session; /* id "": not known yet */
    struct token token;           /* jwt not set: none */
    int64_t refresh_at_ms;        /* from then on the next token is fetched behind this one */
    int64_t expires_at_ms;
    bool is_refreshing; /* some port runs a sign-in */
    bool is_beside;     /* it was asked for by account_renew() */
    bool is_tried;      /* one was begun */
    bool is_failing;    /* the last one failed, and there is no token that is still good */
    bool is_signed_out;
    struct notice signed_out;
    int64_t held_until_ms; /* the service asked not to be asked before; 0: it did not */
    struct notice held;
    struct list token_queue;
};

struct account_port {
    struct account *account;
    struct http_client *client;
    struct loop *loop;
    int64_t connect_timeout_ms;
    int64_t answer_timeout_ms;
    struct store_port *store;
    struct refresh *refresh; /* running here */
    struct timer keep_again;
    struct keep_jar *keeper; /* running */
    struct jar_past past;    /* the keeper's */
    unsigned jar_turn;       /* which jar it keeps */
    bool has_tried_last;     /* to keep a jar, before it closes */
    struct timer grace;
    struct task retire;
    void (*closed)(void *arg); /* NULL while open */
    void *closed_arg;
};

void token_deinit(struct token *t)
{
    secret_deinit(&t->jwt);
    *t = (struct token){ 0 };
}

static void token_copy(struct token *to, const struct token *from)
{
    secret_set(&to->jwt, secret_reveal(&from->jwt));
    str_to_z(str_of(from->user_id), to->user_id, sizeof(to->user_id));
    str_to_z(str_of(from->organization_id), to->organization_id, sizeof(to->organization_id));
}

static void lock(struct account *a)
{
    BUG_ON(pthread_mutex_lock(&a->lock));
}

static void unlock(struct account *a)
{
    BUG_ON(pthread_mutex_unlock(&a->lock));
}

/* A jar that cannot be used is known from the start; nobody needs to ask the service. */
static void refuse_cookie(struct account *a, enum err err)
{
    a->is_signed_out = true;
    a->signed_out.kind = FAILURE_UPSTREAM_AUTH;
    snprintf(
        a->signed_out.message, sizeof(a->signed_out.message),
        "The cookie of account \"%s\" of upstream \"%s\" cannot be used (%s). Set CLERK_COOKIE "
        "to the Cookie header of a browser that is signed in at %s, or to the value of its "
        "__client cookie.",
        a->config->account, a->config->name, err_text(err), a->config->origin);
}

struct account *account_new(const struct enginelabs_config *config)
{
    struct account *a = mem_new(struct account);
    enum err err;

    a->config = config;
    BUG_ON(pthread_mutex_init(&a->lock, NULL));
    list_init(&a->token_queue);
    err = cookies_load(&a->jar, secret_reveal(&config->cookie));
    if (err)
        refuse_cookie(a, err);
    return a;
}

void account_free(struct account *a)
{
    if (!a)
        return;
    BUG_ON(!list_is_empty(&a->token_queue));
    token_deinit(&a->token);
    secret_deinit(&a->refused);
    cookies_deinit(&a->jar);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

bool account_is_ready(struct account *a, char *why)
{
    bool is_signed_out, is_failing, is_unkept;

    lock(a);
    is_signed_out = a->is_signed_out;
    is_failing = a->is_failing;
    is_unkept = a->jar_is_unkept;
    unlock(a);
    if (is_signed_out)
        snprintf(why, 128, "account \"%.40s\" is signed out: renew CLERK_COOKIE",
                 a->config->account);
    else if (is_failing)
        snprintf(why, 128, "account \"%.40s\" cannot sign in now: the command check says why",
                 a->config->account);
    else if (is_unkept)
        snprintf(why, 128, "the renewed cookies of account \"%.40s\" cannot be stored",
                 a->config->account);
    return !is_signed_out && !is_failing && !is_unkept;
}

bool account_is_out(struct account *a, struct notice *ret_why)
{
    bool is_out;

    lock(a);
    is_out = a->is_signed_out;
    if (is_out)
        *ret_why = a->signed_out;
    unlock(a);
    return is_out;
}

struct account_port *account_port_open(struct account *a, struct http_client *client,
                                       struct store_port *store, int64_t connect_timeout_ms,
                                       int64_t answer_timeout_ms)
{
    struct account_port *p = mem_new(struct account_port);

    p->account = a;
    p->client = client;
    p->store = store;
    p->loop = http_client_loop(client);
    p->connect_timeout_ms = connect_timeout_ms;
    p->answer_timeout_ms = answer_timeout_ms;
    return p;
}

static void retire(void *arg)
{
    struct account_port *p = arg;
    void (*closed)(void *) = p->closed;
    void *closed_arg = p->closed_arg;

    mem_free(p);
    closed(closed_arg);
}

/* Calls the whole line; under the lock. */
static void call_all(struct list *queue, const struct notice *notice)
{
    while (wait_call_first(queue, notice))
        ;
}

static void keep_again(void *arg);
static void start_to_keep(struct account_port *p, const struct cookies *jar);

/* Under the lock. A refresh that begins meanwhile must know what is being written. */
static void prepare_to_keep(struct account_port *p, struct cookies *jar)
{
    struct account *a = p->account;
    struct buf text;

    buf_init(&text, KEEP_MAX);
    BUG_ON(keep_write_jar(a->config, &a->jar, &text)); /* a jar is bounded */
    jar_past_add(&a->past, buf_str(&text));
    buf_wipe(&text);
    cookies_copy(jar, &a->jar);
    p->past = a->past;
    p->jar_turn = a->jar_turn;
}

/* Under the lock. What is older must not come back from the store. */
static void set_jar(struct account *a, const struct cookies *jar)
{
    cookies_copy(&a->jar, jar);
    a->jar_turn++;
    a->jar_is_kept = true;
}

/* What a closing port has still to do: a jar that the store did not take is tried once more. */
static void close_rest(struct account_port *p)
{
    struct account *a = p->account;
    struct cookies jar = { 0 };
    bool is_last_try;

    if (p->refresh || p->keeper)
        return; /* its end calls again */
    lock(a);
    is_last_try = a->jar_is_unkept && !a->is_refreshing && p->store && !p->has_tried_last;
    if (is_last_try)
        prepare_to_keep(p, &jar);
    unlock(a);
    if (is_last_try)
        start_to_keep(p, &jar);
    else
        loop_defer(p->loop, &p->retire);
    cookies_deinit(&jar);
}

static void on_grace(void *arg)
{
    struct account_port *p = arg;
    struct account *a = p->account;

    refresh_cancel(p->refresh);
    p->refresh = NULL;
    lock(a);
    a->is_refreshing = false;
    call_all(&a->token_queue, NULL);
    unlock(a);
    close_rest(p);
}

void account_port_close(struct account_port *p, void (*closed)(void *arg), void *arg)
{
    p->closed = closed;
    p->closed_arg = arg;
    timer_disarm(&p->keep_again);
    task_init(&p->retire, retire, p);
    if (p->refresh)
        timer_arm(p->loop, &p->grace, CLOSE_GRACE_MS, on_grace, p);
    else
        close_rest(p);
}

/* Unless the jar is another one by now. */
static void on_kept_again(void *arg, enum jar_kept kept, const struct cookies *newer)
{
    struct account_port *p = arg;
    struct account *a = p->account;
    bool is_unkept;

    p->keeper = NULL;
    lock(a);
    if (p->jar_turn == a->jar_turn) {
        if (kept == JAR_OUTDATED)
            set_jar(a, newer);
        a->past = p->past;
        a->jar_is_unkept = kept == JAR_UNKEPT;
    }
    is_unkept = a->jar_is_unkept;
    unlock(a);
    if (p->closed)
        close_rest(p);
    else if (is_unkept)
        timer_arm(p->loop, &p->keep_again, KEEP_AGAIN_MS, keep_again, p);
}

static void start_to_keep(struct account_port *p, const struct cookies *jar)
{
    p->has_tried_last = p->closed != NULL;
    p->keeper = keep_jar_start(p->account->config, p->store, jar, &p->past, on_kept_again, p);
}

static void keep_again(void *arg)
{
    struct account_port *p = arg;
    struct account *a = p->account;
    struct cookies jar = { 0 };
    bool is_unkept, is_busy;

    if (p->keeper)
        return; /* its end arms again */
    lock(a);
    is_unkept = a->jar_is_unkept;
    is_busy = a->is_refreshing; /* it keeps what it gets: this one may be older */
    if (is_unkept && !is_busy)
        prepare_to_keep(p, &jar);
    unlock(a);
    if (is_unkept && is_busy)
        timer_arm(p->loop, &p->keep_again, KEEP_AGAIN_MS, keep_again, p);
    else if (is_unkept)
        start_to_keep(p, &jar);
    cookies_deinit(&jar);
}

static void on_jar(void *arg, const struct cookies *jar, const struct jar_past *past, bool is_kept)
{
    struct account_port *p = arg;
    struct account *a = p->account;
    bool is_unkept = p->store && !is_kept;

    lock(a);
    set_jar(a, jar);
    a->past = *past;
    a->jar_is_unkept = is_unkept;
    unlock(a);
    if (is_unkept && !p->closed)
        timer_arm(p->loop, &p->keep_again, KEEP_AGAIN_MS, keep_again, p);
}

/* Under the lock. */
static void take_token(struct account *a, const struct refresh_result *result, int64_t now_ms)
{
    const struct jwt_claims *c = result->claims;
    const char *organization = a->config->organization_id;
    int64_t whole_ms = (c->expires_s - c->issued_s) * 1000;

    if (!organization)
        organization =
            c->organization_id[0] ? c->organization_id : result->session->organization_id;
    secret_set(&a->token.jwt, result->jwt);
    str_to_z(str_of(c->user_id), a->token.user_id, sizeof(a->token.user_id));
    str_to_z(str_of(organization), a->token.organization_id, sizeof(a->token.organization_id));
    a->session = *result->session;
    secret_deinit(&a->refused);
    a->jar_is_kept = true;
    a->expires_at_ms = now_ms + result->life_ms;
    a->refresh_at_ms =
        a->expires_at_ms - (whole_ms < result->life_ms ? whole_ms : result->life_ms) / 4;
    a->is_signed_out = false;
    a->is_failing = false;
    a->held_until_ms = 0;
}

/* Under the lock. */
static bool has_token(const struct account *a, int64_t now_ms)
{
    return secret_is_set(&a->token.jwt) && now_ms < a->expires_at_ms;
}

/* Under the lock. */
static void take_failure(struct account *a, const struct refresh_result *result,
                         const struct notice *notice, int64_t now_ms)
{
    int64_t wait_ms = notice->retry_after_ms;

    if (wait_ms > RETRY_AFTER_MAX_MS)
        wait_ms = RETRY_AFTER_MAX_MS;
    a->is_failing = !has_token(a, now_ms);
    a->held = *notice;
    a->held_until_ms = wait_ms > 0 ? now_ms + wait_ms : 0;
    a->refresh_at_ms = now_ms + (wait_ms > RETRY_BEHIND_MS ? wait_ms : RETRY_BEHIND_MS);
    if (!result->is_signed_out)
        return;
    token_deinit(&a->token);
    a->session = (struct clerk_session){ 0 };
    a->is_signed_out = true;
    a->signed_out = *notice;
}

/* Under the lock: whether a sign-in that ran beside it failed in vain. */
static bool is_undisturbed(const struct account *a, int64_t now_ms)
{
    return a->is_beside && (has_token(a, now_ms) || now_ms < a->held_until_ms);
}

static void on_refreshed(void *arg, const struct refresh_result *result)
{
    struct account_port *p = arg;
    struct account *a = p->account;
    int64_t now_ms = loop_now_ms(p->loop);
    struct notice notice = { 0 };

    p->refresh = NULL;
    if (result->failure)
        notice_set(&notice, result->failure);
    lock(a);
    a->is_refreshing = false;
    if (!result->failure)
        take_token(a, result, now_ms);
    else if (!is_undisturbed(a, now_ms))
        take_failure(a, result, &notice, now_ms);
    call_all(&a->token_queue, result->failure ? &notice : NULL);
    unlock(a);
    if (p->closed) {
        timer_disarm(&p->grace);
        close_rest(p);
    }
}

/* Whoever set is_refreshing calls this, outside the lock; nobody else touches jar and session
 * meanwhile. */
static void refresh(struct account_port *p)
{
    static const struct refresh_handler handler = { on_jar, on_refreshed };
    struct refresh_params params = { .config = p->account->config,
                                     .client = p->client,
                                     .store = p->store,
                                     .connect_timeout_ms = p->connect_timeout_ms,
                                     .answer_timeout_ms = p->answer_timeout_ms };
    struct account *a = p->account;
    struct secret refused = { NULL, 0 };
    struct cookies jar = { 0 };
    struct clerk_session session;
    struct jar_past past;

    lock(a);
    cookies_copy(&jar, &a->jar);
    past = a->past;
    secret_set(&refused, secret_reveal(&a->refused));
    session = a->is_beside ? (struct clerk_session){ 0 } : a->session;
    params.jar_is_kept = a->jar_is_kept;
    params.jar_is_unkept = a->jar_is_unkept;
    unlock(a);
    params.jar = &jar;
    params.past = &past;
    params.refused = &refused;
    params.session = session.id[0] ? &session : NULL;
    p->refresh = refresh_start(&params, &handler, p);
    cookies_deinit(&jar);
    secret_deinit(&refused);
}

/* Under the lock: whether the caller is the one who must refresh now. */
static bool claim_refresh(struct account *a)
{
    if (a->is_refreshing)
        return false;
    a->is_refreshing = true;
    a->is_beside = false;
    a->is_tried = true;
    return true;
}

void account_prepare(struct account_port *p)
{
    struct account *a = p->account;
    bool is_unknown, is_mine;

    lock(a);
    is_unknown = !a->is_signed_out && (!a->is_tried || a->is_failing);
    is_mine = is_unknown && loop_now_ms(p->loop) >= a->refresh_at_ms && claim_refresh(a);
    unlock(a);
    if (is_mine)
        refresh(p);
}

enum account_answer account_token(struct account_port *p, struct token *ret_token,
                                  struct notice *ret_notice, struct wait *w, on_wake *wake,
                                  void *arg)
{
    struct account *a = p->account;
    int64_t now_ms = loop_now_ms(p->loop);
    enum account_answer answer;
    bool is_mine = false;

    BUG_ON(p->closed);
    lock(a);
    if (a->is_signed_out) {
        *ret_notice = a->signed_out;
        answer = ACCOUNT_FAILED;
    } else if (has_token(a, now_ms)) {
        token_copy(ret_token, &a->token);
        is_mine = now_ms >= a->refresh_at_ms && claim_refresh(a);
        answer = ACCOUNT_READY;
    } else if (now_ms < a->held_until_ms) {
        *ret_notice = a->held;
        ret_notice->retry_after_ms = a->held_until_ms - now_ms;
        answer = ACCOUNT_FAILED;
    } else {
        wait_begin(w, &a->token_queue, p->loop, wake, arg);
        is_mine = claim_refresh(a);
        answer = ACCOUNT_WAITS;
    }
    unlock(a);
    if (is_mine)
        refresh(p);
    return answer;
}

enum account_answer account_renew(struct account_port *p, struct notice *ret_notice, struct wait *w,
                                  on_wake *wake, void *arg)
{
    struct account *a = p->account;
    bool is_usable, is_mine = false;

    BUG_ON(p->closed);
    lock(a);
    is_usable = a->jar.n > 0;
    if (is_usable) {
        wait_begin(w, &a->token_queue, p->loop, wake, arg);
        is_mine = claim_refresh(a);
        a->is_beside = a->is_beside || is_mine;
    } else {
        *ret_notice = a->signed_out;
    }
    unlock(a);
    if (is_mine)
        refresh(p);
    return is_usable ? ACCOUNT_WAITS : ACCOUNT_FAILED;
}

void account_token_leave(struct account_port *p, struct wait *w)
{
    lock(p->account);
    wait_leave(w);
    unlock(p->account);
}

void account_token_refused(struct account_port *p, const struct token *t)
{
    struct account *a = p->account;

    lock(a);
    if (secret_eq(&a->token.jwt, secret_reveal(&t->jwt))) {
        secret_set(&a->refused, secret_reveal(&t->jwt));
        token_deinit(&a->token);
    }
    unlock(a);
}

enum err account_cookie(struct account_port *p, struct buf *out)
{
    enum err err;

    lock(p->account);
    err = cookies_write(&p->account->jar, out);
    unlock(p->account);
    return err;
}
