/* SPDX-License-Identifier: Apache-2.0 */
#include "account_rig.h"
#include "test.h"

static void the_first_who_asks_signs_in(void)
{
    struct rig r;
    struct asker a;
    const struct fake_at *client = &r.fake.at[FAKE_CLIENT];
    const struct fake_at *token = &r.fake.at[FAKE_TOKEN];

    rig_start(&r);
    EXPECT_INT(get(&r, &a), ACCOUNT_READY);
    EXPECT_Z(a.token.user_id, "user_1");
    EXPECT_Z(a.token.organization_id, "org_1");
    EXPECT_Z(client->target, "/v1/client?__clerk_api_version=2025-04-10");
    EXPECT_Z(client->cookie, "__client=first");
    EXPECT_Z(client->origin, "https://cto.test");
    EXPECT_Z(token->target, "/v1/client/sessions/sess_1/tokens?__clerk_api_version=2025-04-10");
    EXPECT_Z(token->cookie, "__client=first");
    EXPECT_Z(token->origin, "https://cto.test");
    EXPECT_Z(token->referer, "https://cto.test/");
    EXPECT_Z(token->body, "organization_id=org_1");
    token_deinit(&a.token);
    get_any(&r);
    EXPECT_INT(client->count, 1);
    EXPECT_INT(token->count, 1);
    rig_end(&r);
}

static void what_is_configured_is_not_asked_for(void)
{
    struct rig r;

    rig_open(&r);
    r.config.session_id = "sess_mine";
    r.config.organization_id = "org_mine";
    rig_sign_in(&r);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 0);
    EXPECT(strstr(r.fake.at[FAKE_TOKEN].target, "/sess_mine/"));
    EXPECT_Z(r.fake.at[FAKE_TOKEN].body, "organization_id=org_mine");
    rig_end(&r);
}

static void the_memberships_name_the_session_when_the_client_does_not(void)
{
    struct rig r;

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 200, "{\"response\":{\"sessions\":[]}}");
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_MEMBERSHIPS].count, 1);
    EXPECT(strstr(r.fake.at[FAKE_TOKEN].target, "/sess_m/"));
    EXPECT_Z(r.fake.at[FAKE_TOKEN].body, "");
    rig_end(&r);
}

static void a_rotated_cookie_replaces_the_old_one_at_once(void)
{
    struct rig r;
    struct buf cookie;

    rig_start(&r);
    fake_say_header(&r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second; Path=/; HttpOnly");
    fake_say_header(&r.fake, FAKE_TOKEN, 200, "Set-Cookie", "__client=third; Path=/; HttpOnly");
    get_any(&r);
    EXPECT_Z(r.fake.at[FAKE_TOKEN].cookie, "__client=second");
    buf_init(&cookie, 512);
    EXPECT(!account_cookie(r.other, &cookie));
    EXPECT_STR(buf_str(&cookie), "__client=third");
    buf_deinit(&cookie);
    rig_end(&r);
}

static void a_cookie_rotated_by_a_refusal_counts_too(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    fake_say_header(&r.fake, FAKE_TOKEN, 503, "Set-Cookie", "__client=second");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    get_any(&r);
    EXPECT_Z(r.fake.at[FAKE_TOKEN].cookie, "__client=second");
    rig_end(&r);
}

static void being_signed_out_is_final_and_says_what_to_do(void)
{
    static const struct {
        enum fake_place place;
        int status;
        const char *body;
    } rows[] = {
        { FAKE_CLIENT, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}" },
        { FAKE_CLIENT, 401, "" },
        { FAKE_CLIENT, 200, "{\"response\":null}" },
        { FAKE_CLIENT, 403, "{\"errors\":[{\"code\":\"authentication_invalid\"}]}" },
        { FAKE_TOKEN, 401, "{\"errors\":[{\"code\":\"signed_out\"}]}" },
        { FAKE_TOKEN, 404, "{\"errors\":[{\"code\":\"resource_not_found\"}]}" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct asker a;
        char why[128] = "";

        rig_start(&r);
        fake_say(&r.fake, rows[i].place, rows[i].status, rows[i].body);
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
        EXPECT_INT(a.notice.kind, FAILURE_UPSTREAM_AUTH);
        EXPECT(strstr(a.notice.message, "\"default\""));
        EXPECT(strstr(a.notice.message, "CLERK_COOKIE"));
        EXPECT(!strstr(a.notice.message, "first"));
        EXPECT(!account_is_ready(r.account, why));
        EXPECT(strstr(why, "CLERK_COOKIE"));
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
        EXPECT_INT(r.fake.at[rows[i].place].count, 1);
        rig_end(&r);
    }
}

static void no_session_anywhere_is_signed_out(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 200, "{\"response\":{\"sessions\":[]}}");
    fake_say(&r.fake, FAKE_MEMBERSHIPS, 200, "{\"client\":{\"sessions\":[]}}");
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_UPSTREAM_AUTH);
    rig_end(&r);
}

static void a_session_that_ended_is_looked_for_once_more(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    EXPECT_INT(get(&r, &a), ACCOUNT_READY);
    account_token_refused(r.port, &a.token);
    token_deinit(&a.token);
    fake_reset(&r.fake, FAKE_TOKEN);
    fake_say(&r.fake, FAKE_TOKEN, 404, "{\"errors\":[{\"code\":\"resource_not_found\"}]}");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    fake_say(&r.fake, FAKE_CLIENT, 200, "{\"response\":{\"last_active_session_id\":\"sess_2\"}}");
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 2);
    EXPECT(strstr(r.fake.at[FAKE_TOKEN].target, "/sess_2/"));
    rig_end(&r);
}

static void other_refusals_are_not_final(void)
{
    static const struct {
        int status;
        const char *header;
        const char *value;
        enum failure_kind want;
    } rows[] = {
        { 500, NULL, NULL, FAILURE_UNAVAILABLE },
        { 429, "Retry-After", "3", FAILURE_RATE_LIMIT },
        { 403, "cf-mitigated", "challenge", FAILURE_CHALLENGE },
        { 401, "cf-mitigated", "challenge", FAILURE_CHALLENGE },
        { 302, "Location", "http://127.0.0.1:1/", FAILURE_PROTOCOL },
        { 404, NULL, NULL, FAILURE_PROTOCOL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct asker a;
        char why[128];

        rig_start(&r);
        fake_say_header(&r.fake, FAKE_TOKEN, rows[i].status, rows[i].header, rows[i].value);
        fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
        EXPECT_INT(a.notice.kind, rows[i].want);
        EXPECT_INT(a.notice.retry_after_ms, rows[i].status == 429 ? 3000 : 0);
        EXPECT(!account_is_ready(r.account, why));
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 3000);
        get_any(&r);
        EXPECT(account_is_ready(r.account, why));
        rig_end(&r);
    }
}

static void nonsense_is_said_to_be_nonsense(void)
{
    static const struct {
        enum fake_place place;
        const char *body;
    } rows[] = {
        { FAKE_CLIENT, "<html>" },
        { FAKE_CLIENT, "{}" },
        { FAKE_TOKEN, "{}" },
        { FAKE_TOKEN, "{\"jwt\":\"no.token\"}" },
        { FAKE_TOKEN, "{\"jwt\":\"a.e30.c\"}" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct asker a;

        rig_start(&r);
        fake_say(&r.fake, rows[i].place, 200, rows[i].body);
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
        EXPECT_INT(a.notice.kind, FAILURE_PROTOCOL);
        rig_end(&r);
    }
}

static void a_broken_connection_is_tried_once_more(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_DROP, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    rig_end(&r);

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, FAKE_DROP, NULL);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 2);
    rig_end(&r);
}

static void a_cookie_that_cannot_be_used_asks_nobody(void)
{
    struct rig r;
    struct asker a;
    char why[128];

    rig_open(&r);
    secret_set(&r.config.cookie, STR("a\nb"));
    rig_sign_in(&r);
    EXPECT(!account_is_ready(r.account, why));
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_UPSTREAM_AUTH);
    EXPECT(strstr(a.notice.message, "__client"));
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 0);
    rig_end(&r);
}

static void on_renewed(void *arg, const struct notice *notice)
{
    struct asker *a = arg;

    a->n_woken++;
    a->answer = notice ? ACCOUNT_FAILED : ACCOUNT_READY;
    if (notice)
        a->notice = *notice;
}

/* Signs in anew and waits for the end. */
static enum account_answer renew(struct rig *r, struct asker *a)
{
    *a = (struct asker){ 0 };
    a->answer = account_renew(r->other, &a->notice, &a->wait, on_renewed, a);
    RUN_UNTIL(r->loop, a->answer != ACCOUNT_WAITS);
    return a->answer;
}

static void who_signs_in_anew_after_it_was_signed_out_finds_out(void)
{
    struct rig r;
    struct asker a;
    char why[128];

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 401, "{}");
    fake_say(&r.fake, FAKE_CLIENT, 503, "{}");
    fake_say(&r.fake, FAKE_CLIENT, 0, NULL);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(renew(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_UNAVAILABLE);
    EXPECT(!account_is_ready(r.account, why));
    EXPECT(strstr(why, "CLERK_COOKIE")); /* nothing new is known */
    EXPECT_INT(renew(&r, &a), ACCOUNT_READY);
    EXPECT(account_is_ready(r.account, why));
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    rig_end(&r);
}

static void a_sign_in_beside_a_token_replaces_it_when_it_succeeds(void)
{
    struct rig r;
    struct asker a, b, c = { 0 };

    rig_start(&r);
    EXPECT_INT(get(&r, &a), ACCOUNT_READY);
    fake_reset(&r.fake, FAKE_CLIENT);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    c.answer = account_renew(r.other, &c.notice, &c.wait, on_renewed, &c);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].held);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 1); /* the session is looked for, too */
    EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    EXPECT_Z(b.token.jwt.p, a.token.jwt.p);
    token_deinit(&b.token);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    RUN_UNTIL(r.loop, c.answer == ACCOUNT_READY);
    EXPECT_INT(get(&r, &b), ACCOUNT_READY);
    EXPECT(strcmp(b.token.jwt.p, a.token.jwt.p) != 0);
    token_deinit(&a.token);
    token_deinit(&b.token);
    rig_end(&r);
}

static void a_sign_in_beside_a_token_that_fails_changes_nothing(void)
{
    static const struct {
        enum fake_place place;
        int status;
    } rows[] = { { FAKE_CLIENT, 401 }, { FAKE_TOKEN, 401 }, { FAKE_TOKEN, 503 } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct asker a, b;
        char why[128];

        rig_start(&r);
        EXPECT_INT(get(&r, &a), ACCOUNT_READY);
        fake_reset(&r.fake, FAKE_TOKEN);
        fake_say(&r.fake, rows[i].place, rows[i].status, "{}");
        EXPECT_INT(renew(&r, &b), ACCOUNT_FAILED);
        EXPECT(account_is_ready(r.account, why));
        EXPECT_INT(get(&r, &b), ACCOUNT_READY);
        EXPECT_Z(b.token.jwt.p, a.token.jwt.p);
        token_deinit(&a.token);
        token_deinit(&b.token);
        rig_end(&r);
    }
}

static void patience_that_was_asked_for_outlives_a_sign_in_that_fails(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    loop_clock_set(r.loop, loop_now_ms(r.loop));
    fake_say_header(&r.fake, FAKE_TOKEN, 429, "Retry-After", "60");
    fake_say(&r.fake, FAKE_TOKEN, 503, "{}");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(renew(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_RATE_LIMIT);
    EXPECT_INT(a.notice.retry_after_ms, 60000);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    EXPECT_INT(renew(&r, &a), ACCOUNT_READY); /* it is over when it proves to be */
    get_any(&r);
    rig_end(&r);
}

static void who_asks_whether_it_is_ready_finds_out(void)
{
    struct rig r;
    struct asker a;
    char why[128];

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, 503, "{}");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    loop_clock_set(r.loop, loop_now_ms(r.loop));
    EXPECT(account_is_ready(r.account, why)); /* nothing is known against it */
    account_prepare(r.port);
    account_prepare(r.port);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED); /* stands in line for the one that runs */
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    EXPECT(!account_is_ready(r.account, why));
    EXPECT(strstr(why, "cannot sign in"));
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 999);
    account_prepare(r.port); /* too soon */
    run_turn(r.loop);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 1);
    account_prepare(r.port);
    RUN_UNTIL(r.loop, account_is_ready(r.account, why));
    get_any(&r);
    account_prepare(r.port);
    run_turn(r.loop);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2); /* the first request uses that token */
    rig_end(&r);
}

static void a_service_that_asks_for_patience_gets_it(void)
{
    struct rig r;
    struct asker a;

    rig_start(&r);
    fake_say_header(&r.fake, FAKE_TOKEN, 429, "Retry-After", "60");
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    loop_clock_set(r.loop, loop_now_ms(r.loop));
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
        EXPECT_INT(a.notice.retry_after_ms, 60000 - 1000 * i);
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
    }
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 55000);
    get_any(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 2);
    rig_end(&r);
}

static void signing_in_ahead_stops_when_it_is_in_vain(void)
{
    struct rig r;
    struct asker a;
    char why[128];

    rig_start(&r);
    fake_say(&r.fake, FAKE_CLIENT, 401, "{}");
    loop_clock_set(r.loop, loop_now_ms(r.loop));
    account_prepare(r.port);
    EXPECT_INT(get(&r, &a), ACCOUNT_FAILED);
    EXPECT(!account_is_ready(r.account, why));
    EXPECT(strstr(why, "CLERK_COOKIE"));
    for (int i = 0; i < 3; i++) {
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 5000);
        account_prepare(r.port);
        run_turn(r.loop);
    }
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 1);
    rig_end(&r);
}

static const struct test suite[] = {
    { "who asks whether it is ready finds out", who_asks_whether_it_is_ready_finds_out },
    { "a service that asks for patience gets it", a_service_that_asks_for_patience_gets_it },
    { "signing in ahead stops when it is in vain", signing_in_ahead_stops_when_it_is_in_vain },
    { "the first who asks signs in", the_first_who_asks_signs_in },
    { "what is configured is not asked for", what_is_configured_is_not_asked_for },
    { "the memberships name the session when the client does not",
      the_memberships_name_the_session_when_the_client_does_not },
    { "a rotated cookie replaces the old one at once",
      a_rotated_cookie_replaces_the_old_one_at_once },
    { "a cookie rotated by a refusal counts too", a_cookie_rotated_by_a_refusal_counts_too },
    { "being signed out is final and says what to do",
      being_signed_out_is_final_and_says_what_to_do },
    { "no session anywhere is signed out", no_session_anywhere_is_signed_out },
    { "a session that ended is looked for once more",
      a_session_that_ended_is_looked_for_once_more },
    { "other refusals are not final", other_refusals_are_not_final },
    { "nonsense is said to be nonsense", nonsense_is_said_to_be_nonsense },
    { "a broken connection is tried once more", a_broken_connection_is_tried_once_more },
    { "a cookie that cannot be used asks nobody", a_cookie_that_cannot_be_used_asks_nobody },
    { "who signs in anew after it was signed out finds out",
      who_signs_in_anew_after_it_was_signed_out_finds_out },
    { "a sign-in beside a token replaces it when it succeeds",
      a_sign_in_beside_a_token_replaces_it_when_it_succeeds },
    { "a sign-in beside a token that fails changes nothing",
      a_sign_in_beside_a_token_that_fails_changes_nothing },
    { "patience that was asked for outlives a sign-in that fails",
      patience_that_was_asked_for_outlives_a_sign_in_that_fails },
};

TEST_MAIN(suite)
