/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token's economy: whoever asks gets the current token, or stands in line; whoever finds no
 * refresh running when one is due starts it on its own port. Its end calls the whole line.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "provider/enginelabs/account_internal.h"

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

void account_call_all(struct account *a, const struct notice *notice)
{
    while (wait_call_first(&a->token_queue, notice))
        ;
}

void account_set_out(struct account *a, const struct notice *why)
{
    const struct enginelabs_config *c = a->config;
    bool was_out = a->is_signed_out;

    a->is_signed_out = why != NULL;
    if (why)
        a->signed_out = *why;
    if (a->is_signed_out == was_out)
        return;
    metric_add(METRIC_ACCOUNTS_OUT, why ? 1 : -1);
    if (why)
        log_error("an account is signed out", LOG_Z("upstream", c->name),
                  LOG_Z("account", c->account), LOG_Z("reason", why->message));
    else
        log_info("an account is signed in again", LOG_Z("upstream", c->name),
                 LOG_Z("account", c->account));
}

/* A jar that cannot be used is known from the start; nobody needs to ask the service. */
static void refuse_cookie(struct account *a, enum err err)
{
    struct notice why = { .kind = FAILURE_UPSTREAM_AUTH };

    snprintf(
        why.message, sizeof(why.message),
        "The cookie of account \"%s\" of upstream \"%s\" cannot be used (%s). Set CLERK_COOKIE "
        "to the Cookie header of a browser that is signed in at %s, or to the value of its "
        "__client cookie.",
        a->config->account, a->config->name, err_text(err), a->config->origin);
    account_set_out(a, &why);
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
    if (a->is_signed_out)
        metric_add(METRIC_ACCOUNTS_OUT, -1);
    while (a->settings) {
        struct account_settings *s = a->settings;

        a->settings = s->older;
        secret_deinit(&s->config.cookie);
        mem_free(s);
    }
    token_deinit(&a->token);
    secret_deinit(&a->refused);
    cookies_deinit(&a->jar);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

bool account_is_ready(struct account *a, char *why)
{
    bool is_signed_out, is_failing, is_unkept;

    account_lock(a);
    is_signed_out = a->is_signed_out;
    is_failing = a->is_failing;
    is_unkept = a->jar_is_unkept;
    account_unlock(a);
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

    account_lock(a);
    is_out = a->is_signed_out;
    if (is_out)
        *ret_why = a->signed_out;
    account_unlock(a);
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

void account_prepare(struct account_port *p)
{
    struct account *a = p->account;
    bool is_unknown, is_mine;

    account_lock(a);
    is_unknown = !a->is_signed_out && (!a->is_tried || a->is_failing);
    is_mine = is_unknown && loop_now_ms(p->loop) >= a->refresh_at_ms && account_claim_refresh(a);
    account_unlock(a);
    if (is_mine)
        account_refresh(p);
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
    account_lock(a);
    if (a->is_signed_out) {
        *ret_notice = a->signed_out;
        answer = ACCOUNT_FAILED;
    } else if (account_has_token(a, now_ms)) {
        token_copy(ret_token, &a->token);
        is_mine = now_ms >= a->refresh_at_ms && account_claim_refresh(a);
        answer = ACCOUNT_READY;
    } else if (now_ms < a->held_until_ms) {
        *ret_notice = a->held;
        ret_notice->retry_after_ms = a->held_until_ms - now_ms;
        answer = ACCOUNT_FAILED;
    } else {
        wait_begin(w, &a->token_queue, p->loop, wake, arg);
        is_mine = account_claim_refresh(a);
        answer = ACCOUNT_WAITS;
    }
    account_unlock(a);
    if (is_mine)
        account_refresh(p);
    return answer;
}

enum account_answer account_renew(struct account_port *p, struct notice *ret_notice, struct wait *w,
                                  on_wake *wake, void *arg)
{
    struct account *a = p->account;
    bool is_usable, is_mine = false;

    BUG_ON(p->closed);
    account_lock(a);
    is_usable = a->jar.n > 0;
    if (is_usable) {
        wait_begin(w, &a->token_queue, p->loop, wake, arg);
        is_mine = account_claim_refresh(a);
        a->is_beside = a->is_beside || is_mine;
    } else {
        *ret_notice = a->signed_out;
    }
    account_unlock(a);
    if (is_mine)
        account_refresh(p);
    return is_usable ? ACCOUNT_WAITS : ACCOUNT_FAILED;
}

void account_token_leave(struct account_port *p, struct wait *w)
{
    account_lock(p->account);
    wait_leave(w);
    account_unlock(p->account);
}

void account_token_refused(struct account_port *p, const struct token *t)
{
    struct account *a = p->account;

    account_lock(a);
    if (secret_eq(&a->token.jwt, secret_reveal(&t->jwt))) {
        secret_set(&a->refused, secret_reveal(&t->jwt));
        token_deinit(&a->token);
    }
    account_unlock(a);
}

enum err account_cookie(struct account_port *p, struct buf *out)
{
    enum err err;

    account_lock(p->account);
    err = cookies_write(&p->account->jar, out);
    account_unlock(p->account);
    return err;
}

/* ---- another cookie ---- */

/* Under the lock. */
static void replace_config(struct account *a, struct str cookie)
{
    struct account_settings *s = mem_new(struct account_settings);

    s->config = *a->config;
    s->config.cookie = (struct secret){ NULL, 0 };
    secret_set(&s->config.cookie, cookie);
    s->older = a->settings;
    a->settings = s;
    a->config = &s->config;
}

/* Under the lock: whoever waits asks again. */
static void begin_anew(struct account *a, const struct cookies *jar)
{
    account_set_jar(a, jar);
    a->cookie_turn++;
    a->jar_is_kept = a->jar_is_unkept = false;
    a->past = (struct jar_past){ 0 };
    a->session = (struct clerk_session){ 0 };
    token_deinit(&a->token);
    secret_deinit(&a->refused);
    a->is_tried = a->is_failing = false;
    a->refresh_at_ms = a->held_until_ms = 0;
    if (a->is_signed_out) /* so far as is known */
        metric_add(METRIC_ACCOUNTS_OUT, -1);
    a->is_signed_out = false;
}

enum err account_set_cookie(struct account_port *p, struct str cookie)
{
    struct account *a = p->account;
    struct cookies jar = { 0 };
    bool is_new;
    enum err err;

    account_lock(a);
    is_new = !secret_eq(&a->config->cookie, cookie);
    err = is_new ? cookies_load(&jar, cookie) : ERR_NONE;
    if (is_new && !err) {
        replace_config(a, cookie);
        begin_anew(a, &jar);
    }
    account_unlock(a);
    cookies_deinit(&jar);
    if (is_new && !err)
        account_prepare(p);
    return is_new ? err : ERR_CONFLICT;
}

void account_probe(struct account_port *p)
{
    struct account *a = p->account;
    bool is_mine;

    account_lock(a);
    is_mine = a->is_signed_out && a->jar.n > 0 && account_claim_refresh(a);
    account_unlock(a);
    if (is_mine)
        account_refresh(p);
}
