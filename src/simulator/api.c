/* SPDX-License-Identifier: Apache-2.0 */
/* The API: who is it, quota, deleting. Strict, as the service bans who is not. */
#include "simulator/call.h"

enum { BODY_MAX = 4096 };

/* ---- who is it ---- */

struct sim_account *sim_account_of_user(struct simulator *s, const char *user)
{
    for (int i = 0; i < s->settings.accounts; i++)
        if (strcmp(s->accounts[i].identity.user, user) == 0)
            return &s->accounts[i];
    return NULL;
}

static bool check_token(struct sim_call *c)
{
    struct str header = http_value(&c->r->head, "authorization");
    struct sim_claims claims;

    if (!str_starts(header, STR("Bearer ")))
        return sim_call_refuse(c, 401, NULL, "No Authorization was found in request.headers");
    if (sim_token_read(c->s->seed, str_from(header, 7), &claims))
        return sim_call_refuse(c, 401, NULL, "Authorization token is invalid");
    c->entry.token = claims.number;
    c->account = sim_account_of_user(c->s, claims.user);
    if (!c->account || strcmp(claims.session, c->account->identity.session) != 0)
        return sim_call_refuse(c, 401, NULL, "Authorization token is of no account");
    if (claims.expires_s <= sim_now_s(c->s))
        return sim_call_refuse(c, 401, NULL, "Authorization token expired");
    if (c->account->is_banned)
        return sim_call_refuse(c, 403, NULL, "Account suspended");
    return true;
}

bool sim_check_bearer(struct sim_call *c)
{
    return check_token(c) && sim_check_origin(c, NULL);
}

/* ---- what all of them check ---- */

/* The service remembers who sends what it does not understand. */
bool sim_call_offend(struct sim_call *c, const char *what, struct str name)
{
    struct sim_account *a = c->account;

    a->offences++;
    if (c->s->settings.ban_after > 0 && a->offences >= c->s->settings.ban_after)
        a->is_banned = true;
    return sim_call_refuse(c, 500, NULL, "%s%s%.*s", what, *what ? " " : "", STR_ARGS(name));
}

bool sim_check_json(struct sim_call *c)
{
    struct str type = http_value(&c->r->head, "content-type");

    if (str_eq_nocase(str_trim(str_cut(type, ';', &(struct str){ NULL, 0 })),
                      STR("application/json")))
        return true;
    return sim_call_refuse(c, 415, NULL, "Unsupported Media Type: %.*s", STR_ARGS(type));
}

bool sim_call_reply_not_found(struct sim_call *c)
{
    sim_call_reply(c, 404, sim_error_body(c, 404, NULL, NULL));
    return false;
}

/* ---- deleting ---- */

void sim_run_delete(struct sim_call *c)
{
    struct simulator *s = c->s;
    struct sim_chat *chat = sim_chats_find(&s->chats, c->param);

    c->chat = c->param;
    if (!chat || &s->accounts[chat->account] != c->account ||
        (chat->n_prompts == 0 && !chat->workspace[0])) {
        (void)sim_call_reply_not_found(c);
        return;
    }
    sim_chat_lose(s, chat, SIM_GONE_DELETED);
    sim_call_reply(c, 204, STR(""));
}

/* ---- quota ---- */

static void write_billing(struct json_writer *w, const struct sim_account *a, int limit)
{
    json_w_member_str(w, "tier", STR("free"));
    json_w_member_int(w, "dailyUsage", a->used);
    json_w_member_int(w, "dailyLimit", limit);
    json_w_member_int(w, "weeklyUsage", a->used);
    json_w_member_int(w, "weeklyLimit", 3 * (int64_t)limit);
    json_w_member_bool(w, "hasReachedLimit", a->used >= limit);
    json_w_key(w, "limitReached");
    if (a->used < limit) {
        json_w_null(w);
        return;
    }
    json_w_object(w);
    json_w_member_str(w, "type", STR("daily"));
    json_w_object_end(w);
}

void sim_run_billing(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    if (s->billing_old) {
        json_w_member_int(&w, "taskCreditsLimit", s->daily_limit);
        json_w_member_int(&w, "taskCreditsUsage", c->account->used);
        json_w_member_int(&w, "taskConcurrencyLimit", s->task_limit > 0 ? s->task_limit : 2);
        json_w_member_int(&w, "taskConcurrencyUsage", c->account->tasks);
    } else {
        write_billing(&w, c->account, s->daily_limit);
    }
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}
