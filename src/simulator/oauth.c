/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-in of the native way: refresh tokens that rotate, access tokens, and who asks the requests
 * in OpenAI's format: the holder of an access token or of a static key.
 */
#include "simulator/call.h"

enum { BODY_MAX = 8192 };

/* What a token of the native way has instead of a session. */
static const char native_session[] = "native";

/* ---- refresh tokens ---- */

static bool is_good(const struct simulator *s, const struct sim_account *a, unsigned generation)
{
    int grace_s = s->settings.refresh_grace_s;

    if (generation == a->refreshes)
        return true;
    if (generation > a->refreshes || grace_s == 0)
        return false;
    if (grace_s < 0)
        return true;
    return generation + 1 == a->refreshes &&
           loop_wall_ms(s->loop) - a->refreshed_ms < (int64_t)grace_s * 1000;
}

static bool check_grant(struct sim_call *c, struct str grant, struct str token)
{
    unsigned generation;
    unsigned account;

    if (!str_eq(grant, STR("refresh_token")))
        return sim_call_refuse(c, 400, "unsupported_grant_type", "grant_type is \"%.*s\"",
                               STR_ARGS(grant));
    if (sim_identity_refresh_read(c->s->seed, token, &account, &generation) ||
        account >= (unsigned)c->s->settings.accounts)
        return sim_call_refuse(c, 401, "invalid_grant", "the refresh token is nobody's");
    c->account = &c->s->accounts[account];
    c->entry.cookie = generation;
    if (!is_good(c->s, c->account, generation))
        return sim_call_refuse(c, 401, "invalid_grant", "the refresh token was rotated away");
    if (c->account->is_banned)
        return sim_call_refuse(c, 403, "access_denied", "Account suspended");
    return true;
}

bool sim_check_oauth(struct sim_call *c)
{
    struct str grant = { NULL, 0 };
    struct str token = { NULL, 0 };
    const struct sim_member members[] = { { "grant_type", &grant }, { "refresh_token", &token } };
    char what[SIM_WHAT_MAX];

    if (!sim_check_json(c))
        return false;
    if (sim_members_read(c->r, members, COUNT_OF(members), what))
        return sim_call_refuse(c, 400, "invalid_request", "%s", what);
    return check_grant(c, grant, token);
}

/* The one before it is answered with the one that is good now. */
static void rotate(struct sim_call *c)
{
    struct sim_account *a = c->account;

    if (!c->s->settings.refresh_rotate || c->entry.cookie != (int64_t)a->refreshes)
        return;
    a->refreshes++;
    a->refreshed_ms = loop_wall_ms(c->s->loop);
}

static enum err add_access_token(struct sim_call *c, struct buf *out)
{
    struct simulator *s = c->s;
    const struct sim_identity *id = &c->account->identity;
    struct sim_claims claims = { .issued_s = sim_now_s(s), .number = ++s->tokens };

    str_to_z(str_of(id->user), claims.user, sizeof(claims.user));
    str_to_z(str_of(native_session), claims.session, sizeof(claims.session));
    str_to_z(str_of(id->organization), claims.organization, sizeof(claims.organization));
    claims.expires_s = claims.issued_s + s->settings.access_life_s;
    c->entry.token = claims.number;
    c->account->token_replies++;
    return sim_token_make(s->seed, &claims, out);
}

void sim_run_oauth(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;
    char refresh[SIM_REFRESH_MAX];
    struct json_writer w;
    struct buf access;
    struct buf text;

    rotate(c);
    sim_identity_refresh(c->s->seed, (unsigned)sim_call_account(c), c->account->refreshes, refresh);
    buf_init(&access, BODY_MAX);
    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    if (add_access_token(c, &access))
        w.failed = ERR_NOMEM;
    json_w_object(&w);
    json_w_member_str(&w, "access_token", buf_str(&access));
    json_w_member_str(&w, "token_type", STR("Bearer"));
    if (s->refresh_rotate)
        json_w_member_str(&w, "refresh_token", str_of(refresh));
    if (s->expires_in)
        json_w_member_int(&w, "expires_in", s->access_life_s);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
    buf_deinit(&access);
}

/* ---- who asks ---- */

static bool has_key(struct sim_call *c, struct str key)
{
    struct str list = str_of(c->s->api_keys);
    struct str item;

    for (int64_t i = 0; str_next_item(&list, &item); i++) {
        if (str_eq(item, STR("*")))
            return true;
        if (key.n > 0 && str_eq(item, key)) {
            c->entry.key = i;
            return true;
        }
    }
    return false;
}

static bool has_access_token(struct sim_call *c, struct str token)
{
    struct sim_claims claims;

    if (!c->s->settings.native || sim_token_read(c->s->seed, token, &claims) ||
        strcmp(claims.session, native_session) != 0)
        return false;
    c->entry.token = claims.number;
    c->entry.protocol = "native";
    c->account = sim_account_of_user(c->s, claims.user);
    return c->account && claims.expires_s > sim_now_s(c->s);
}

bool sim_check_key(struct sim_call *c)
{
    struct str header = http_value(&c->r->head, "authorization");
    struct str key = str_starts(header, STR("Bearer ")) ? str_from(header, 7) : STR("");

    c->entry.protocol = "openai";
    if (!has_access_token(c, key) && (c->account || !has_key(c, key)))
        return sim_call_refuse(c, 401, "invalid_api_key",
                               header.p ? "Incorrect API key provided, or it expired"
                                        : "You didn't provide an API key");
    if (c->account && c->account->is_banned)
        return sim_call_refuse(c, 403, "account_suspended", "Account suspended");
    return true;
}

static bool is_session(struct str id)
{
    if (!str_starts(id, STR("ses_")) || id.n < 12 || id.n > 68)
        return false;
    for (size_t i = 4; i < id.n; i++) {
        char c = id.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return true;
}

bool sim_check_session(struct sim_call *c)
{
    static const char *const names[] = { "x-session-id", "x-session-affinity" };

    if (!c->account)
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct str id = http_value(&c->r->head, names[i]);

        if (!is_session(id))
            return sim_call_refuse(c, 400, "invalid_session", "%s is \"%.*s\", not \"ses_...\"",
                                   names[i], STR_ARGS(id));
    }
    return true;
}
