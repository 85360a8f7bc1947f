/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an account's tokens come from: one refresh at a time in the process, on the port of whoever
 * asked first. And what becomes of its cookies: a jar that the store did not take is tried again.
 */
#include "base/mem.h"
#include "provider/enginelabs/account_internal.h"

enum {
    CLOSE_GRACE_MS = 3000,       /* how long a closing port waits for its refresh */
    RETRY_BEHIND_MS = 1000,      /* between refreshes behind a token that is still good */
    RETRY_AFTER_MAX_MS = 900000, /* a longer Retry-After is not waited for */
    KEEP_AGAIN_MS = 5000,        /* between tries to keep a jar that the store did not take */
};

static void retire(void *arg)
{
    struct account_port *p = arg;
    void (*closed)(void *) = p->closed;
    void *closed_arg = p->closed_arg;

    mem_free(p);
    closed(closed_arg);
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

void account_set_jar(struct account *a, const struct cookies *jar)
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
    account_lock(a);
    is_last_try = a->jar_is_unkept && !a->is_refreshing && p->store && !p->has_tried_last;
    if (is_last_try)
        prepare_to_keep(p, &jar);
    account_unlock(a);
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
    account_lock(a);
    a->is_refreshing = false;
    account_call_all(a, NULL);
    account_unlock(a);
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
    account_lock(a);
    if (p->jar_turn == a->jar_turn) {
        if (kept == JAR_OUTDATED)
            account_set_jar(a, newer);
        a->past = p->past;
        a->jar_is_unkept = kept == JAR_UNKEPT;
    }
    is_unkept = a->jar_is_unkept;
    account_unlock(a);
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
    account_lock(a);
    is_unkept = a->jar_is_unkept;
    is_busy = a->is_refreshing; /* it keeps what it gets: this one may be older */
    if (is_unkept && !is_busy)
        prepare_to_keep(p, &jar);
    account_unlock(a);
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

    account_lock(a);
    is_unkept = is_unkept && p->cookie_turn == a->cookie_turn;
    if (p->cookie_turn == a->cookie_turn) { /* else it is of a cookie that was replaced */
        account_set_jar(a, jar);
        a->past = *past;
        a->jar_is_unkept = is_unkept;
    }
    account_unlock(a);
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
    account_set_out(a, NULL);
    a->is_failing = false;
    a->held_until_ms = 0;
}

/* Under the lock. */
static void take_failure(struct account *a, const struct refresh_result *result,
                         const struct notice *notice, int64_t now_ms)
{
    int64_t wait_ms = notice->retry_after_ms;

    if (wait_ms > RETRY_AFTER_MAX_MS)
        wait_ms = RETRY_AFTER_MAX_MS;
    a->is_failing = !account_has_token(a, now_ms);
    a->held = *notice;
    a->held_until_ms = wait_ms > 0 ? now_ms + wait_ms : 0;
    a->refresh_at_ms = now_ms + (wait_ms > RETRY_BEHIND_MS ? wait_ms : RETRY_BEHIND_MS);
    if (!result->is_signed_out)
        return;
    token_deinit(&a->token);
    a->session = (struct clerk_session){ 0 };
    account_set_out(a, notice);
}

/* Under the lock: whether a sign-in that ran beside it failed in vain. */
static bool is_undisturbed(const struct account *a, int64_t now_ms)
{
    return a->is_beside && (account_has_token(a, now_ms) || now_ms < a->held_until_ms);
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
    account_lock(a);
    a->is_refreshing = false;
    if (p->cookie_turn != a->cookie_turn)
        notice = (struct notice){ 0 }; /* of a cookie that was replaced: ask again */
    else if (!result->failure)
        take_token(a, result, now_ms);
    else if (!is_undisturbed(a, now_ms))
        take_failure(a, result, &notice, now_ms);
    account_call_all(a, notice.kind != FAILURE_NONE ? &notice : NULL);
    account_unlock(a);
    if (p->closed) {
        timer_disarm(&p->grace);
        close_rest(p);
    }
}

void account_refresh(struct account_port *p)
{
    static const struct refresh_handler handler = { on_jar, on_refreshed };
    struct refresh_params params = { .client = p->client,
                                     .store = p->store,
                                     .connect_timeout_ms = p->connect_timeout_ms,
                                     .answer_timeout_ms = p->answer_timeout_ms };
    struct account *a = p->account;
    struct secret refused = { NULL, 0 };
    struct cookies jar = { 0 };
    struct clerk_session session = { 0 };
    struct jar_past past;

    account_lock(a);
    cookies_copy(&jar, &a->jar);
    past = a->past;
    params.config = a->config;
    p->cookie_turn = a->cookie_turn;
    secret_set(&refused, secret_reveal(&a->refused));
    if (!a->is_beside)
        session = a->session;
    params.jar_is_kept = a->jar_is_kept;
    params.jar_is_unkept = a->jar_is_unkept;
    account_unlock(a);
    params.jar = &jar;
    params.past = &past;
    params.refused = &refused;
    params.session = session.id[0] ? &session : NULL;
    p->refresh = refresh_start(&params, &handler, p);
    cookies_deinit(&jar);
    secret_deinit(&refused);
}

bool account_claim_refresh(struct account *a)
{
    if (a->is_refreshing)
        return false;
    a->is_refreshing = true;
    a->is_beside = false;
    a->is_tried = true;
    return true;
}
