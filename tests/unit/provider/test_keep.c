/* SPDX-License-Identifier: Apache-2.0 */
/* What the store keeps of an account, and that it is there before it is used. */
#include "account_rig.h"
#include "provider/enginelabs/keep.h"
#include "store/backend.h"
#include "test.h"

static struct enginelabs_config config_with(const char *cookie)
{
    struct enginelabs_config c = { .name = "cto", .account = "work" };

    secret_set(&c.cookie, str_of(cookie));
    return c;
}

static void a_jar_comes_back_as_it_was(void)
{
    struct enginelabs_config c = config_with("__client=first");
    struct enginelabs_config other = config_with("__client=renewed by hand");
    struct cookies jar = { 0 };
    struct cookies back = { 0 };
    struct buf text, header;

    buf_init(&text, KEEP_MAX);
    buf_init(&header, KEEP_MAX);
    EXPECT(!cookies_load(&jar, STR("__client=rotated; __cf_bm=x")));
    EXPECT(!cookies_load(&back, STR("__client=before")));
    EXPECT(!keep_write_jar(&c, &jar, &text));
    EXPECT_INT(keep_read_jar(&other, buf_str(&text), &back), ERR_NOT_FOUND);
    EXPECT(!cookies_write(&back, &header));
    EXPECT_STR(buf_str(&header), "__client=before");
    EXPECT(!keep_read_jar(&c, buf_str(&text), &back));
    buf_clear(&header);
    EXPECT(!cookies_write(&back, &header));
    EXPECT_STR(buf_str(&header), "__client=rotated; __cf_bm=x");
    EXPECT(str_find(buf_str(&text), STR("first")) == SIZE_MAX);
    for (size_t n = 0; n < text.n; n++)
        EXPECT(keep_read_jar(&c, str_sub(buf_str(&text), 0, n), &back) != ERR_NONE || n > 71);
    cookies_deinit(&jar);
    cookies_deinit(&back);
    buf_deinit(&text);
    buf_deinit(&header);
    secret_deinit(&c.cookie);
    secret_deinit(&other.cookie);
}

static void a_token_comes_back_as_it_was(void)
{
    static const char *const bad[] = { "",
                                       "token 1",
                                       "token 2\n5\nsess\norg\njwt",
                                       "token 1\nx\nsess\norg\njwt",
                                       "token 1\n5\n\norg\njwt",
                                       "token 1\n5\nsess\norg\n" };
    struct kept_token t = { 1234567890123, STR("sess_1"), STR(""), STR("a.b.c") };
    struct kept_token back;
    struct buf text;

    buf_init(&text, 1000);
    EXPECT(!keep_write_token(&t, &text));
    EXPECT(!keep_read_token(buf_str(&text), &back));
    EXPECT(back.expires_wall_ms == t.expires_wall_ms);
    EXPECT_STR(back.session_id, "sess_1");
    EXPECT_STR(back.organization_id, "");
    EXPECT_STR(back.jwt, "a.b.c");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT_INT(keep_read_token(str_of(bad[i]), &back), ERR_BAD_INPUT);
    buf_deinit(&text);
}

/* ---- with a store ---- */

/* A store that can fail, and can be shared, in front of one in memory. */
struct odd_store {
    struct store store;
    struct store *real;
    bool fails_jars; /* puts of them */
    bool fails_jar_gets;
    bool holds_jars;       /* puts of them, until the test lets them go */
    bool loses_lock_reply; /* once: it is taken, and whoever asked is told of a time-out */
    const char *token;     /* another gateway leaves it just before the lock is taken */
    struct store_key token_key;
    struct store_port *port;
    struct store_op *held[4];
    unsigned n_held;
    unsigned jar_puts;
    struct fake *fake;
    unsigned tokens_at_put;
};

static void odd_run(struct store *s, void *port, struct store_op *op)
{
    struct odd_store *o = CONTAINER_OF(s, struct odd_store, store);
    bool is_jar_put = op->verb == STORE_PUT && op->keys[0].space == STORE_JAR;

    if (is_jar_put) {
        o->jar_puts++;
        o->tokens_at_put = o->fake->at[FAKE_TOKEN].count;
    }
    if (o->token && op->verb == STORE_SWAP && op->expects_none) {
        store_put(o->port, &o->token_key, str_of(o->token), 60000, NULL, NULL);
        o->token = NULL;
    }
    if (o->loses_lock_reply && op->verb == STORE_SWAP && op->expects_none) {
        o->loses_lock_reply = false;
        store_put(o->port, op->keys, op->value, op->ttl_ms, NULL, NULL);
        store_answer_here(op, ERR_TIMEOUT);
    } else if (is_jar_put && o->holds_jars) {
        o->held[o->n_held++] = op;
    } else if (is_jar_put && o->fails_jars) {
        store_answer_here(op, ERR_IO);
    } else if (op->verb == STORE_GET && op->keys[0].space == STORE_JAR && o->fails_jar_gets) {
        store_answer_here(op, ERR_TIMEOUT);
    } else {
        o->real->backend->run(o->real, port, op);
    }
}

static void odd_close(struct store *s)
{
    store_deinit(s);
}

static const struct store_backend odd_backend = { .name = "odd",
                                                  .run = odd_run,
                                                  .close = odd_close };
static const struct store_backend shared_backend = {
    .name = "odd", .is_shared = true, .run = odd_run, .close = odd_close
};

static struct account_port *open_port(struct rig *r, struct account *a, struct store_port *p)
{
    return account_port_open(a, r->client, p, CONNECT_MS, ANSWER_MS);
}

struct keeper {
    struct rig r;
    struct store *memory;
    struct odd_store odd;
    struct store_port *port;
    bool is_closed;
};

static void on_store_closed(void *arg)
{
    ((struct keeper *)arg)->is_closed = true;
}

static void keeper_open(struct keeper *k, bool is_shared)
{
    *k = (struct keeper){ .memory = store_memory_new(1000) };
    rig_open(&k->r);
    store_init(&k->odd.store, is_shared ? &shared_backend : &odd_backend);
    k->odd.real = k->memory;
    k->odd.fake = &k->r.fake;
    k->port = store_port_open(&k->odd.store, k->r.loop);
    k->odd.port = k->port;
}

/* A gateway starts: what it knows is what is in the store. */
static void keeper_start(struct keeper *k)
{
    k->r.account = account_new(&k->r.config);
    k->r.port = open_port(&k->r, k->r.account, k->port);
    k->r.other = open_port(&k->r, k->r.account, k->port);
    k->r.n_closed = 0;
}

static void keeper_stop(struct keeper *k)
{
    account_port_close(k->r.port, count_closed, &k->r.n_closed);
    account_port_close(k->r.other, count_closed, &k->r.n_closed);
    RUN_UNTIL(k->r.loop, k->r.n_closed == 2);
    account_free(k->r.account);
}

static void keeper_close(struct keeper *k)
{
    store_port_close(k->port, on_store_closed, k);
    RUN_UNTIL(k->r.loop, k->is_closed);
    store_close(&k->odd.store);
    store_close(k->memory);
    http_client_free(k->r.client);
    connector_free(k->r.connector);
    fake_stop(&k->r.fake);
    fake_config_free(&k->r.config);
    run_turn_now(k->r.loop);
    EXPECT_INT(loop_timers(k->r.loop), 0);
    loop_free(k->r.loop);
}

static void a_rotated_cookie_survives_a_restart(void)
{
    struct keeper k;
    char why[128];

    keeper_open(&k, false);
    keeper_start(&k);
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second; HttpOnly");
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_TOKEN].cookie, "__client=second");
    EXPECT_INT(k.odd.jar_puts, 1);
    EXPECT_INT(k.odd.tokens_at_put, 0); /* kept before it was used */
    EXPECT(account_is_ready(k.r.account, why));
    keeper_stop(&k);
    keeper_start(&k);
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_CLIENT].cookie, "__client=second");
    keeper_stop(&k);
    secret_set(&k.r.config.cookie, STR("__client=by hand")); /* wins over what was kept */
    keeper_start(&k);
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_CLIENT].cookie, "__client=by hand");
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_token_reply_that_rotates_is_kept_before_it_is_told(void)
{
    struct keeper k;
    struct asker a;
    struct buf cookie;

    keeper_open(&k, false);
    keeper_start(&k);
    fake_say_header(&k.r.fake, FAKE_TOKEN, 200, "Set-Cookie", "__client=second");
    EXPECT_INT(get(&k.r, &a), ACCOUNT_READY);
    EXPECT_INT(k.odd.jar_puts, 1);
    buf_init(&cookie, 1000);
    EXPECT(!account_cookie(k.r.port, &cookie));
    EXPECT_STR(buf_str(&cookie), "__client=second");
    buf_deinit(&cookie);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_store_that_fails_is_told_and_tried_again(void)
{
    struct keeper k;
    char why[128] = "";

    keeper_open(&k, false);
    keeper_start(&k);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop));
    k.odd.fails_jars = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    get_any(&k.r); /* the new one is used all the same */
    EXPECT_Z(k.r.fake.at[FAKE_TOKEN].cookie, "__client=second");
    EXPECT(!account_is_ready(k.r.account, why));
    EXPECT(strstr(why, "cannot be stored"));
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    RUN_UNTIL(k.r.loop, k.odd.jar_puts == 2);
    k.odd.fails_jars = false;
    run_turn(k.r.loop);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    RUN_UNTIL(k.r.loop, account_is_ready(k.r.account, why));
    keeper_stop(&k);
    keeper_start(&k);
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_CLIENT].cookie, "__client=second");
    keeper_stop(&k);
    keeper_close(&k);
}

/* ---- several gateways on one store ---- */

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

/* What is in the store, as another gateway would have left it. */
static void put_jar(struct keeper *k, const char *cookie)
{
    struct store_key key = keep_key(&k->r.config, STORE_JAR, "");
    struct cookies jar = { 0 };
    struct buf text;

    buf_init(&text, KEEP_MAX);
    EXPECT(!cookies_load(&jar, str_of(cookie)));
    EXPECT(!keep_write_jar(&k->r.config, &jar, &text));
    store_put(k->port, &key, buf_str(&text), STORE_FOREVER, NULL, NULL);
    buf_deinit(&text);
    cookies_deinit(&jar);
}

static void get_another(struct keeper *k)
{
    struct asker a;

    EXPECT_INT(get(&k->r, &a), ACCOUNT_READY);
    account_token_refused(k->r.port, &a.token);
    token_deinit(&a.token);
    EXPECT_INT(get(&k->r, &a), ACCOUNT_READY);
    token_deinit(&a.token);
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

static void a_store_that_does_not_say_is_not_an_empty_one(void)
{
    struct keeper k;
    struct asker a;

    keeper_open(&k, false);
    put_jar(&k, "__client=rotated");
    k.odd.fails_jar_gets = true;
    keeper_start(&k);
    EXPECT_INT(get(&k.r, &a), ACCOUNT_FAILED);
    EXPECT_INT(a.notice.kind, FAILURE_UNAVAILABLE);
    EXPECT_INT(k.r.fake.at[FAKE_CLIENT].count, 0);
    k.odd.fails_jar_gets = false;
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_CLIENT].cookie, "__client=rotated");
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_jar_is_not_kept_again_while_a_newer_one_comes(void)
{
    struct keeper k;
    struct asker a;

    keeper_open(&k, false);
    keeper_start(&k);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop));
    k.odd.fails_jars = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=one");
    EXPECT_INT(get(&k.r, &a), ACCOUNT_READY);
    account_token_refused(k.r.port, &a.token);
    token_deinit(&a.token);
    k.odd.fails_jars = false;
    k.odd.holds_jars = true;
    fake_say_header(&k.r.fake, FAKE_TOKEN, 200, "Set-Cookie", "__client=two");
    a = (struct asker){ 0 };
    ask(&a, k.r.other);
    RUN_UNTIL(k.r.loop, k.odd.n_held == 1);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    for (int i = 0; i < 5; i++)
        run_turn(k.r.loop);
    EXPECT_INT(k.odd.n_held, 1);
    k.odd.holds_jars = false;
    k.memory->backend->run(k.memory, NULL, k.odd.held[0]);
    RUN_UNTIL(k.r.loop, a.answer != ACCOUNT_WAITS);
    token_deinit(&a.token);
    keeper_stop(&k);
    keeper_start(&k);
    get_any(&k.r);
    EXPECT_Z(k.r.fake.at[FAKE_CLIENT].cookie, "__client=two");
    keeper_stop(&k);
    keeper_close(&k);
}

static void a_port_that_closes_does_not_wait_for_what_is_kept_again(void)
{
    struct keeper k;

    keeper_open(&k, false);
    keeper_start(&k);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop));
    k.odd.fails_jars = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    get_any(&k.r);
    k.odd.holds_jars = true;
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    RUN_UNTIL(k.r.loop, k.odd.n_held == 1);
    keeper_stop(&k);
    store_answer_here(k.odd.held[0], ERR_NONE);
    keeper_close(&k);
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
    { "an older jar of the store never wins", an_older_jar_of_the_store_never_wins },
    { "a store that does not say is not an empty one",
      a_store_that_does_not_say_is_not_an_empty_one },
    { "a jar is not kept again while a newer one comes",
      a_jar_is_not_kept_again_while_a_newer_one_comes },
    { "a port that closes does not wait for what is kept again",
      a_port_that_closes_does_not_wait_for_what_is_kept_again },
    { "a lock whose reply was lost is given back", a_lock_whose_reply_was_lost_is_given_back },
    { "a token that comes just before the lock is taken is used",
      a_token_that_comes_just_before_the_lock_is_taken_is_used },
    { "another cookie in the settings is another token",
      another_cookie_in_the_settings_is_another_token },
    { "a jar comes back as it was", a_jar_comes_back_as_it_was },
    { "a token comes back as it was", a_token_comes_back_as_it_was },
    { "a rotated cookie survives a restart", a_rotated_cookie_survives_a_restart },
    { "a token reply that rotates is kept before it is told",
      a_token_reply_that_rotates_is_kept_before_it_is_told },
    { "a store that fails is told and tried again", a_store_that_fails_is_told_and_tried_again },
    { "one of many gateways signs in for all", one_of_many_gateways_signs_in_for_all },
    { "a gateway that dies with the lock is waited for",
      a_gateway_that_dies_with_the_lock_is_waited_for },
};

TEST_MAIN(suite)
