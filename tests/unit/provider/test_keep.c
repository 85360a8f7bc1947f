/* SPDX-License-Identifier: Apache-2.0 */
/* What the store keeps of an account, and that it is there before it is used. */
#include "keep_rig.h"
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

static void a_port_that_closes_waits_for_what_is_kept_again(void)
{
    struct keeper k;

    keeper_open(&k, false);
    keeper_start_unkept(&k);
    k.odd.holds_jars = true;
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 5000);
    RUN_UNTIL(k.r.loop, k.odd.n_held == 1);
    account_port_close(k.r.port, count_closed, &k.r.n_closed);
    for (int i = 0; i < 5; i++)
        run_turn_now(k.r.loop);
    EXPECT_INT(k.r.n_closed, 0);
    k.odd.holds_jars = false;
    k.memory->backend->run(k.memory, NULL, k.odd.held[0]);
    RUN_UNTIL(k.r.loop, k.r.n_closed == 1);
    account_port_close(k.r.other, count_closed, &k.r.n_closed);
    RUN_UNTIL(k.r.loop, k.r.n_closed == 2);
    account_free(k.r.account);
    expect_kept(&k, "__client=second");
    keeper_close(&k);
}

static void a_jar_that_is_not_kept_is_tried_once_more_at_the_end(void)
{
    struct keeper k;

    for (int fails = 0; fails < 2; fails++) {
        keeper_open(&k, fails);
        keeper_start_unkept(&k);
        EXPECT_INT(k.odd.jar_puts, 1);
        k.odd.fails_jars = fails;
        keeper_stop(&k);
        EXPECT_INT(k.odd.jar_puts, 3); /* each port once */
        if (!fails)
            expect_kept(&k, "__client=second");
        keeper_close(&k);
    }
}

static void a_sign_in_that_is_cut_off_while_its_jar_is_put_leaves_it(void)
{
    struct keeper k;
    struct asker a = { 0 };

    keeper_open(&k, false);
    keeper_start(&k);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop));
    k.odd.holds_jars = true;
    fake_say_header(&k.r.fake, FAKE_CLIENT, 200, "Set-Cookie", "__client=second");
    ask(&a, k.r.port);
    RUN_UNTIL(k.r.loop, k.odd.n_held == 1);
    account_token_leave(k.r.port, &a.wait);
    k.odd.holds_jars = false;
    account_port_close(k.r.port, count_closed, &k.r.n_closed);
    loop_clock_set(k.r.loop, loop_now_ms(k.r.loop) + 3000);
    RUN_UNTIL(k.r.loop, k.r.n_closed == 1);
    expect_cookie(&(struct keeper){ .r.port = k.r.other }, "__client=second");
    account_port_close(k.r.other, count_closed, &k.r.n_closed);
    RUN_UNTIL(k.r.loop, k.r.n_closed == 2);
    account_free(k.r.account);
    store_answer_here(k.odd.held[0], ERR_IO);
    expect_kept(&k, "__client=second");
    keeper_close(&k);
}

static const struct test suite[] = {
    { "a store that does not say is not an empty one",
      a_store_that_does_not_say_is_not_an_empty_one },
    { "a jar is not kept again while a newer one comes",
      a_jar_is_not_kept_again_while_a_newer_one_comes },
    { "a port that closes waits for what is kept again",
      a_port_that_closes_waits_for_what_is_kept_again },
    { "a jar that is not kept is tried once more at the end",
      a_jar_that_is_not_kept_is_tried_once_more_at_the_end },
    { "a sign-in that is cut off while its jar is put leaves it",
      a_sign_in_that_is_cut_off_while_its_jar_is_put_leaves_it },
    { "a jar comes back as it was", a_jar_comes_back_as_it_was },
    { "a token comes back as it was", a_token_comes_back_as_it_was },
    { "a rotated cookie survives a restart", a_rotated_cookie_survives_a_restart },
    { "a token reply that rotates is kept before it is told",
      a_token_reply_that_rotates_is_kept_before_it_is_told },
    { "a store that fails is told and tried again", a_store_that_fails_is_told_and_tried_again },
};

TEST_MAIN(suite)
