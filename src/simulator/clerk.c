/* SPDX-License-Identifier: Apache-2.0 */
/* The sign-in service: who am I, tokens, rotation of the cookie. */
#include "http/url.h"
#include "simulator/call.h"

enum { BODY_MAX = 16384, SESSION_LIFE_MS = 604800000 };

/* ---- checks ---- */

/* "2025-04-10". */
static bool is_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";
    int month;
    int day;

    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    month = (text[5] - '0') * 10 + text[6] - '0';
    day = (text[8] - '0') * 10 + text[9] - '0';
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool check_version(struct sim_call *c)
{
    char version[32];

    if (!url_query_get(c->r->head.query, "__clerk_api_version", version, sizeof(version)))
        return sim_call_refuse(c, 400, "unsupported_api_version",
                               "the query has no __clerk_api_version");
    if (!is_date(version))
        return sim_call_refuse(c, 400, "unsupported_api_version",
                               "__clerk_api_version is no date: %s", version);
    return true;
}

bool sim_check_origin(struct sim_call *c, const char *code)
{
    struct str origin = http_value(&c->r->head, "origin");

    if (str_eq(origin, str_of(c->s->origin)))
        return true;
    return sim_call_refuse(c, code ? 400 : 403, code, "Origin is \"%.*s\", not \"%s\"",
                           STR_ARGS(origin), c->s->origin);
}

static bool is_good(struct simulator *s, struct sim_account *a, unsigned generation, bool any_age)
{
    if (generation == a->generation || (any_age && generation < a->generation))
        return true;
    if (generation > a->generation || s->settings.old_cookie == SIM_OLD_NEVER)
        return false;
    if (s->settings.old_cookie == SIM_OLD_ALWAYS)
        return true;
    if (generation + 1 != a->generation || !a->old_is_good)
        return false;
    a->old_is_good = false;
    return true;
}

struct sim_account *sim_account_of_cookie(struct simulator *s, struct str header, bool any_age,
                                          unsigned *ret_generation)
{
    struct str cookie = sim_cookie_value(header, "__client");
    char client[SIM_ID_MAX];

    if (!cookie.p || sim_identity_cookie_read(s->seed, cookie, client, ret_generation))
        return NULL;
    for (int i = 0; i < s->settings.accounts; i++) {
        struct sim_account *a = &s->accounts[i];

        if (strcmp(a->identity.client, client) == 0)
            return is_good(s, a, *ret_generation, any_age) ? a : NULL;
    }
    return NULL;
}

/* Notes whose cookie it is; nobody's leaves c->account NULL. */
static void read_cookie(struct sim_call *c)
{
    struct str header = http_value(&c->r->head, "cookie");
    unsigned generation = 0;

    c->account = sim_account_of_cookie(c->s, header, false, &generation);
    if (c->account)
        c->entry.cookie = generation;
    else
        c->entry.violation = header.p ? STR("the Cookie is nobody's, or was rotated away")
                                      : STR("there is no Cookie");
}

/* Who is signed out is told so and not refused. */
bool sim_check_client(struct sim_call *c)
{
    if (!check_version(c) || !sim_check_origin(c, "origin_invalid"))
        return false;
    read_cookie(c);
    return true;
}

static bool check_form(struct sim_call *c)
{
    struct str type = http_value(&c->r->head, "content-type");
    struct str referer = http_value(&c->r->head, "referer");
    struct str want = arena_printf(&c->r->arena, "%s/", c->s->origin);

    if (!str_starts_nocase(type, STR("application/x-www-form-urlencoded")))
        return sim_call_refuse(c, 415, "content_type_invalid", "Content-Type is \"%.*s\"",
                               STR_ARGS(type));
    if (!str_eq(referer, want))
        return sim_call_refuse(c, 400, "origin_invalid", "Referer is \"%.*s\", not \"%.*s\"",
                               STR_ARGS(referer), STR_ARGS(want));
    return true;
}

static bool check_organization(struct sim_call *c)
{
    struct str body = c->r->body;
    char id[SIM_ID_MAX];

    if (body.n == 0)
        return true;
    if (!str_starts(body, STR("organization_id=")) || str_find_char(body, '&') != SIZE_MAX)
        return sim_call_refuse(c, 422, "form_param_unknown",
                               "the body is not organization_id=... alone");
    if (!url_query_get(body, "organization_id", id, sizeof(id)))
        return sim_call_refuse(c, 422, "form_param_format_invalid", "organization_id is malformed");
    if (id[0] && strcmp(id, c->account->identity.organization) != 0)
        return sim_call_refuse(c, 403, "not_a_member_in_organization",
                               "%s is not the account's organization", id);
    return true;
}

bool sim_check_token(struct sim_call *c)
{
    if (!check_version(c) || !sim_check_origin(c, "origin_invalid") || !check_form(c))
        return false;
    read_cookie(c);
    if (!c->account)
        return sim_call_refuse(c, 401, "signed_out", "%.*s", STR_ARGS(c->entry.violation));
    if (!str_eq(c->param, str_of(c->account->identity.session)))
        return sim_call_refuse(c, 404, "resource_not_found", "%.*s is not the account's session",
                               STR_ARGS(c->param));
    return check_organization(c);
}

/* ---- answers ---- */

int64_t sim_now_s(const struct simulator *s)
{
    return loop_wall_ms(s->loop) / 1000 + s->settings.clock_skew_s;
}

static void write_session(struct json_writer *w, const struct sim_identity *id, int64_t now_ms)
{
    json_w_object(w);
    json_w_member_str(w, "object", STR("session"));
    json_w_member_str(w, "id", str_of(id->session));
    json_w_member_str(w, "status", STR("active"));
    json_w_member_int(w, "expire_at", now_ms + SESSION_LIFE_MS);
    json_w_member_int(w, "last_active_at", now_ms);
    json_w_member_str(w, "last_active_organization_id", str_of(id->organization));
    json_w_key(w, "user");
    json_w_object(w);
    json_w_member_str(w, "object", STR("user"));
    json_w_member_str(w, "id", str_of(id->user));
    json_w_object_end(w);
    json_w_object_end(w);
}

static void write_client(struct json_writer *w, const struct sim_call *c, bool names_session)
{
    const struct sim_identity *id = &c->account->identity;

    json_w_object(w);
    json_w_member_str(w, "object", STR("client"));
    json_w_member_str(w, "id", str_of(id->client));
    json_w_key(w, "sessions");
    json_w_array(w);
    if (names_session)
        write_session(w, id, loop_wall_ms(c->s->loop));
    json_w_array_end(w);
    json_w_key(w, "sign_in");
    json_w_null(w);
    json_w_key(w, "last_active_session_id");
    if (names_session)
        json_w_str(w, str_of(id->session));
    else
        json_w_null(w);
    json_w_object_end(w);
}

void sim_run_client(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_key(&w, "response");
    if (c->account)
        write_client(&w, c, c->s->settings.client_session);
    else
        json_w_null(&w);
    json_w_key(&w, "client");
    json_w_null(&w);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

static void write_membership(struct json_writer *w, const struct sim_identity *id)
{
    json_w_object(w);
    json_w_member_str(w, "object", STR("organization_membership"));
    json_w_member_str(w, "role", STR("org:admin"));
    json_w_key(w, "organization");
    json_w_object(w);
    json_w_member_str(w, "object", STR("organization"));
    json_w_member_str(w, "id", str_of(id->organization));
    json_w_member_str(w, "name", STR("Simulator"));
    json_w_object_end(w);
    json_w_object_end(w);
}

void sim_run_memberships(struct sim_call *c)
{
    struct json_writer w;
    struct buf text;

    if (!c->account) {
        sim_call_reply(c, 401, sim_error_body(c, 401, NULL, NULL));
        return;
    }
    buf_init(&text, BODY_MAX);
    json_w_init(&w, &text);
    json_w_object(&w);
    json_w_key(&w, "response");
    json_w_object(&w);
    json_w_key(&w, "data");
    json_w_array(&w);
    write_membership(&w, &c->account->identity);
    json_w_array_end(&w);
    json_w_member_int(&w, "total_count", 1);
    json_w_object_end(&w);
    json_w_key(&w, "client");
    write_client(&w, c, true);
    json_w_object_end(&w);
    sim_call_reply_written(c, &w);
    buf_deinit(&text);
}

/* ---- tokens ---- */

static struct str cookie_header(struct sim_call *c)
{
    struct sim_account *a = c->account;
    struct str header = STR("");
    struct buf text;

    buf_init(&text, SIMULATOR_COOKIE_MAX);
    if (sim_identity_cookie(c->s->seed, (unsigned)(a - c->s->accounts), a->generation, &text) ==
        ERR_NONE)
        header = arena_printf(&c->r->arena,
                              "__client=%.*s; Path=/; Max-Age=315360000; HttpOnly; Secure; "
                              "SameSite=Lax",
                              STR_ARGS(buf_str(&text)));
    buf_deinit(&text);
    return header;
}

static void maybe_rotate(struct sim_call *c)
{
    const struct sim_settings *s = &c->s->settings;
    struct sim_account *a = c->account;

    a->token_replies++;
    if (s->rotate_every == 0 || a->token_replies % s->rotate_every != 0)
        return;
    a->generation++;
    a->old_is_good = true;
    sim_call_header(c, "set-cookie", cookie_header(c));
}

static enum err write_token(struct sim_call *c, struct buf *out)
{
    struct simulator *s = c->s;
    const struct sim_identity *id = &c->account->identity;
    struct sim_claims claims = { .issued_s = sim_now_s(s), .number = ++s->tokens };
    enum err err;

    str_to_z(str_of(id->user), claims.user, sizeof(claims.user));
    str_to_z(str_of(id->session), claims.session, sizeof(claims.session));
    str_to_z(str_of(id->organization), claims.organization, sizeof(claims.organization));
    claims.expires_s = claims.issued_s + s->settings.token_life_s;
    c->entry.token = claims.number;
    err = buf_add(out, STR("{\"object\":\"token\",\"jwt\":\""));
    if (!err)
        err = sim_token_make(s->seed, &claims, out);
    return err ? err : buf_add(out, STR("\"}"));
}

void sim_run_token(struct sim_call *c)
{
    struct buf text;

    maybe_rotate(c);
    sim_call_header(c, "set-cookie",
                    STR("__cf_bm=simulator; path=/; HttpOnly; Secure; SameSite=None"));
    buf_init(&text, BODY_MAX);
    if (write_token(c, &text))
        sim_call_reply(c, 500, STR("{}"));
    else
        sim_call_reply(c, 200, buf_str(&text));
    buf_deinit(&text);
}
