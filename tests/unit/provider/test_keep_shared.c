/* SPDX-License-Identifier: Apache-2.0 */
/* Several gateways on one store: one lock, one token, one newest jar. */
#include "keep_rig.h"
#include "test.h"

static void get_another(struct keeper *k)
{
    struct asker a;

    EXPECT_INT(get(&k->r, &a), ACCOUNT_READY);
    account_token_refused(k->r.port, &a.token);
    token_deinit(&a.token);
    EXPECT_INT(get(&k->r, &a), ACCOUNT_READY);
    token_deinit(&a.token);
}

static void one_of_many_gateways_signs_in_for_all(void)
{
    enum { N = 6 };
    struct account *accounts[N];
    struct account_port *ports[N];
    struct asker askers[N] = { { 0 } };
    struct keeper k;
    unsigned closed = 0;

    keeper_open(&k, true);
    for (size_t i = 0; i < N; i++) {
        accounts[i] = account_new(&k.r.config);
        ports[i] = open_port(&k.r, accounts[i], k.port);
        ask(&askers[i], ports[i]);
    }
    for (size_t i = 0; i < N; i++) {
        RUN_UNTIL(k.r.loop, askers[i].answer != ACCOUNT_WAITS);
        EXPECT_INT(askers[i].answer, ACCOUNT_READY);
        EXPECT(str_eq(secret_reveal(&askers[i].token.jwt), secret_reveal(&askers[0].token.jwt)));
        EXPECT_Z(askers[i].token.user_id, "user_1");
        EXPECT_Z(askers[i].token.organization_id, "org_1");
    }
    EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 1);
    /* A refused token is not taken from the store again. */
    account_token_refused(ports[1], &askers[1].token);
    token_deinit(&askers[1].token);
    ask(&askers[1], ports[1]);
    RUN_UNTIL(k.r.loop, askers[1].answer == ACCOUNT_READY);
    EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 2);
    for (size_t i = 0; i < N; i++) {
        token_deinit(&askers[i].token);
        account_port_close(ports[i], count_closed, &closed);
    }
    RUN_UNTIL(k.r.loop, closed == N);
    for (size_t i = 0; i < N; i++)
        account_free(accounts[i]);
    keeper_close(&k);
}

static void a_gateway_that_dies_with_the_lock_is_waited_for(void)
{
    struct store_key key;
    struct keeper k;
    struct asker a;

    keeper_open(&k, true);
    keeper_start(&k);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop));
    key = keep_key(&k.r.config, STORE_LEASE, "/sign-in");
    store_put(k.port, &key, STR("another"), 10000, NULL, NULL);
    a = (struct asker){ 0 };
    ask(&a, k.r.port);
    for (int ms = 0; ms < 10000; ms += 200) {
        for (int i = 0; i < 4; i++)
            run_turn(k.r.loop);
        EXPECT_INT(a.answer, ACCOUNT_WAITS);
        EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 0);
        loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 200);
    }
    RUN_UNTIL(k.r.loop, a.answer != ACCOUNT_WAITS);
    EXPECT_INT(a.answer, ACCOUNT_READY);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_close(&k);
}

static void an_older_jar_of_the_store_never_wins(void)
{
    struct keeper k;
    char why[128];

    keeper_open(&k, true);
    put_jar(&k, "__client=zero");
    keeper_start(&k);
    k.odd.fails_jars = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=one");
    get_another(&k);
    EXPECT_Z(k.r.fake.at[FAKE_TOKEN].cookie, "__client=one");
    EXPECT(!account_is_ready(k.r.account, why));
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_jar_that_is_kept_again_gives_way_to_a_newer_one(void)
{
    struct keeper k;
    char why[128];

    keeper_open(&k, true);
    put_jar(&k, "__client=zero");
    keeper_start_unkept(&k);
    put_jar(&k, "__client=third");
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    RUN_UNTIL(k.r.loop, account_is_ready(k.r.account, why));
    EXPECT_INT(k.odd.jar_puts, 1);
    expect_cookie(&k, "__client=third");
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_jar_that_comes_between_look_and_put_stays(void)
{
    struct keeper k;
    char why[128];
    char text[256];
    struct cookies jar = { 0 };
    struct buf out;

    keeper_open(&k, true);
    buf_init(&out, KEEP_MAX);
    EXPECT(!cookies_load(&jar, STR("__client=third")));
    EXPECT(!keep_write_jar(&k.r.config, &jar, &out));
    str_to_z(buf_str(&out), text, sizeof(text));
    buf_deinit(&out);
    cookies_deinit(&jar);
    put_jar(&k, "__client=zero");
    keeper_start(&k);
    k.odd.jar = text;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    fake_say(&k.r.fake, FAKE_CLIENT, 0, NULL);
    get_any(&k.r); /* it signs in again, with what came */
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 2);
    EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 1);
    EXPECT_Z(k.r.fake.at[FAKE_TOKEN].cookie, "__client=third");
    EXPECT(account_is_ready(k.r.account, why));
    expect_cookie(&k, "__client=third");
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_jar_whose_reply_was_lost_is_replaced_by_the_next(void)
{
    struct keeper k;
    char why[128];

    keeper_open(&k, true);
    keeper_start(&k);
    k.odd.loses_jar_reply = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    fake_say_header(&k.r.fake, FAKE_TOKEN, 200, "Set-Cookie", "__client=third");
    get_any(&k.r);
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 1);
    EXPECT_INT(k.odd.jar_puts, 2);
    EXPECT(account_is_ready(k.r.account, why));
    expect_cookie(&k, "__client=third");
    keeper_stop(&k);
    keeper_close(&k);
}

/* ---- a lock that is lost, a sign-in that ended ---- */

static void put_lock(struct keeper *k, const char *owner, int64_t ms)
{
    struct store_key key = keep_key(&k->r.config, STORE_LEASE, "/sign-in");

    store_put(k->port, &key, str_of(owner), ms, NULL, NULL);
}

/* A sign-in whose request at `place` is under way when another gateway takes its lock. */
static void lose_lock_at(struct keeper *k, enum fake_place place, struct asker *a)
{
    keeper_open(k, true);
    keeper_start(k);
    loop_clock_set(k->r.loop, loop_now_ms(k->r.loop));
    fake_say(&k->r.fake, place, FAKE_HOLD, NULL);
    fake_say(&k->r.fake, place, 0, NULL);
    *a = (struct asker){ 0 };
    ask(a, k->r.port);
    RUN_UNTIL(k->r.loop, k->r.fake.at[place].held);
    put_lock(k, "another", 1000 * 1000);
    for (int i = 0; i < 10; i++) {
        loop_clock_set(k->r.loop, loop_now_ms(k->r.loop) + (i == 5 ? 10000 : 0));
        run_turn_now(k->r.loop);
    }
}

static void who_lost_the_lock_asks_for_nothing_more(void)
{
    struct keeper k;
    struct asker a;

    lose_lock_at(&k, FAKE_CLIENT, &a);
    fake_let_go(&k.r.fake, FAKE_CLIENT, 0);
    for (int i = 0; i < 10; i++) {
        loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 200);
        run_turn(k.r.loop);
        run_turn(k.r.loop);
    }
    EXPECT_INT(a.answer, ACCOUNT_WAITS);
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 1);
    EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 0);
    put_lock(&k, "another", 1);
    RUN_UNTIL(k.r.loop,
              (loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 200), a.answer != ACCOUNT_WAITS));
    EXPECT_INT(a.answer, ACCOUNT_READY);
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 2);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_close(&k);
}

static void on_got(void *arg, const struct store_result *result)
{
    *(enum err *)arg = result->err;
}

static void who_lost_the_lock_publishes_nothing(void)
{
    static const bool loses[] = { false, true };

    for (size_t i = 0; i < COUNT_OF(loses); i++) {
        enum err err = ERR_TIMEOUT;
        struct store_key key;
        struct keeper k;
        struct asker a;

        if (loses[i]) {
            lose_lock_at(&k, FAKE_TOKEN, &a);
            fake_let_go(&k.r.fake, FAKE_TOKEN, 0);
        } else {
            keeper_open(&k, true);
            keeper_start(&k);
            a = (struct asker){ 0 };
            ask(&a, k.r.port);
        }
        RUN_UNTIL(k.r.loop, a.answer != ACCOUNT_WAITS);
        EXPECT_INT(a.answer, ACCOUNT_READY);
        EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 1);
        key = keep_token_key(&k.r.config);
        store_get(k.port, &key, on_got, &err);
        RUN_UNTIL(k.r.loop, err != ERR_TIMEOUT);
        EXPECT_INT(err, loses[i] ? ERR_NOT_FOUND : ERR_NONE);
        token_deinit(&a.token);
        keeper_stop(&k);
        keeper_close(&k);
    }
}

static void a_jar_that_came_meanwhile_is_tried_before_it_is_signed_out(void)
{
    static const struct {
        const char *jar; /* that another gateway leaves; NULL: none */
        bool fails;      /* the store */
        enum account_answer want;
        enum failure_kind kind;
        unsigned asked;
    } rows[] = {
        { "__client=third", false, ACCOUNT_READY, FAILURE_NONE, 2 },
        { NULL, false, ACCOUNT_FAILED, FAILURE_UPSTREAM_AUTH, 1 },
        { NULL, true, ACCOUNT_FAILED, FAILURE_UNAVAILABLE, 1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct keeper k;
        struct asker a = { 0 };
        char why[128] = "";

        keeper_open(&k, true);
        put_jar(&k, "__client=second");
        keeper_start(&k);
        fake_say(&k.r.fake, FAKE_CLIENT, FAKE_HOLD, NULL);
        fake_say(&k.r.fake, FAKE_CLIENT, 0, NULL);
        ask(&a, k.r.port);
        RUN_UNTIL(k.r.loop, k.r.fake.at[FAKE_CLIENT].held);
        if (rows[i].jar)
            put_jar(&k, rows[i].jar);
        k.odd.fails_jar_gets = rows[i].fails;
        fake_let_go(&k.r.fake, FAKE_CLIENT, 401);
        RUN_UNTIL(k.r.loop, a.answer != ACCOUNT_WAITS);
        EXPECT_INT(a.answer, rows[i].want);
        EXPECT_INT(a.notice.kind, rows[i].kind);
        EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, rows[i].asked);
        if (rows[i].jar)
            expect_cookie(&k, rows[i].jar);
        account_is_ready(k.r.account, why);
        EXPECT((strstr(why, "CLERK_COOKIE") != NULL) == (rows[i].kind == FAILURE_UPSTREAM_AUTH));
        token_deinit(&a.token);
        keeper_stop(&k);
        keeper_close(&k);
    }
}

static void a_lock_whose_reply_was_lost_is_given_back(void)
{
    struct keeper k;
    struct asker a;

    keeper_open(&k, true);
    keeper_start(&k);
    k.odd.loses_lock_reply = true;
    EXPECT_INT(get(&k.r, &a), ACCOUNT_FAILED);
    EXPECT_INT(get(&k.r, &a), ACCOUNT_READY);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_token_that_comes_just_before_the_lock_is_taken_is_used(void)
{
    char payload[256], jwt[512], text[1024];
    struct keeper k;
    struct asker a;

    keeper_open(&k, true);
    snprintf(payload, sizeof(payload),
             "{\"sub\":\"user_9\",\"iat\":1000,\"exp\":1060,\"sid\":\"sess_9\"}");
    token_text(payload, jwt, sizeof(jwt));
    snprintf(text, sizeof(text), "token 1\n%lld\nsess_9\norg_9\n%s",
             (long long)loop_wall_ms(k.r.loop) + 59000, jwt);
    k.odd.token = text;
    k.odd.token_key = keep_token_key(&k.r.config);
    keeper_start(&k);
    EXPECT_INT(get(&k.r, &a), ACCOUNT_READY);
    EXPECT_Z(a.token.user_id, "user_9");
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 0);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_close(&k);
}

static void another_cookie_in_the_settings_is_another_token(void)
{
    struct keeper k;

    keeper_open(&k, true);
    keeper_start(&k);
    get_any(&k.r);
    keeper_stop(&k);
    secret_set(&k.r.config.cookie, STR("__client=of somebody else"));
    keeper_start(&k);
    get_any(&k.r);
    EXPECT_INT(k.r.fake.at[FAKE_TOKEN].count, 2);
    EXPECT_Z(k.r.fake.at[FAKE_TOKEN].cookie, "__client=of somebody else");
    keeper_stop(&k);
    keeper_close(&k);
}

static const struct test suite[] = {
    { "a jar whose reply was lost is replaced by the next",
      a_jar_whose_reply_was_lost_is_replaced_by_the_next },
    { "an older jar of the store never wins", an_older_jar_of_the_store_never_wins },
    { "a jar that is kept again gives way to a newer one",
      a_jar_that_is_kept_again_gives_way_to_a_newer_one },
    { "a jar that comes between look and put stays", a_jar_that_comes_between_look_and_put_stays },
    { "who lost the lock asks for nothing more", who_lost_the_lock_asks_for_nothing_more },
    { "who lost the lock publishes nothing", who_lost_the_lock_publishes_nothing },
    { "a jar that came meanwhile is tried before it is signed out",
      a_jar_that_came_meanwhile_is_tried_before_it_is_signed_out },
    { "a lock whose reply was lost is given back", a_lock_whose_reply_was_lost_is_given_back },
    { "a token that comes just before the lock is taken is used",
      a_token_that_comes_just_before_the_lock_is_taken_is_used },
    { "another cookie in the settings is another token",
      another_cookie_in_the_settings_is_another_token },
    { "one of many gateways signs in for all", one_of_many_gateways_signs_in_for_all },
    { "a gateway that dies with the lock is waited for",
      a_gateway_that_dies_with_the_lock_is_waited_for },
};

TEST_MAIN(suite)
