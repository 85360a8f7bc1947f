/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, cookies and tokens that follow from a seed. */
#include "simulator/identity.h"

#include "base/encoding.h"
#include "simulator/simulator.h"
#include "test.h"

static const struct sim_claims claims = { .user = "user_a",
                                          .session = "sess_b",
                                          .organization = "org_c",
                                          .issued_s = 1000,
                                          .expires_s = 1060,
                                          .number = 7 };

static void the_same_seed_gives_the_same_users(void)
{
    struct sim_identity a;
    struct sim_identity b;

    sim_identity_make(1, 0, &a);
    sim_identity_make(1, 0, &b);
    EXPECT_Z(a.user, b.user);
    EXPECT(strncmp(a.session, "sess_", 5) == 0);
    EXPECT_INT(strlen(a.session), 5 + SIM_ID_LEN);
    sim_identity_make(1, 1, &b);
    EXPECT(strcmp(a.user, b.user) != 0);
    sim_identity_make(2, 0, &b);
    EXPECT(strcmp(a.user, b.user) != 0);
}

static void tokens_have_the_shape_of_rs256(void)
{
    struct buf part;
    struct buf token;
    struct str rest;

    buf_init(&token, 4096);
    buf_init(&part, 4096);
    EXPECT_INT(sim_token_make(1, &claims, &token), ERR_NONE);
    EXPECT_INT(base64_decode(&part, str_cut(buf_str(&token), '.', &rest)), ERR_NONE);
    EXPECT(str_find(buf_str(&part), STR("\"alg\":\"RS256\"")) != SIZE_MAX);
    buf_clear(&part);
    EXPECT_INT(base64_decode(&part, str_cut(rest, '.', &rest)), ERR_NONE);
    EXPECT(str_find(buf_str(&part), STR("\"exp\":1060,\"iat\":1000")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&part), STR("\"o\":{\"id\":\"org_c\"")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&part), STR("\"sub\":\"user_a\"")) != SIZE_MAX);
    buf_clear(&part);
    EXPECT_INT(base64_decode(&part, rest), ERR_NONE);
    EXPECT_INT(part.n, 256);
    EXPECT(str_find_char(buf_str(&token), '=') == SIZE_MAX);
    buf_deinit(&part);
    buf_deinit(&token);
}

static void reads_its_own_tokens_and_no_others(void)
{
    struct sim_claims got;
    struct buf token;

    buf_init(&token, 4096);
    EXPECT_INT(sim_token_make(1, &claims, &token), ERR_NONE);
    EXPECT_INT(sim_token_read(1, buf_str(&token), &got), ERR_NONE);
    EXPECT_Z(got.user, "user_a");
    EXPECT_Z(got.organization, "org_c");
    EXPECT_INT(got.expires_s, 1060);
    EXPECT_INT(got.number, 7);
    EXPECT_INT(sim_token_read(2, buf_str(&token), &got), ERR_BAD_INPUT);
    for (size_t i = 0; i < token.n; i++) {
        token.p[i] ^= 1;
        EXPECT_INT(sim_token_read(1, buf_str(&token), &got), ERR_BAD_INPUT);
        token.p[i] ^= 1;
    }
    for (size_t n = 0; n < token.n; n++)
        EXPECT_INT(sim_token_read(1, str_sub(buf_str(&token), 0, n), &got), ERR_BAD_INPUT);
    buf_deinit(&token);
}

static void cookies_say_whose_and_how_often_rotated(void)
{
    struct sim_identity identity;
    char client[SIM_ID_MAX];
    unsigned generation;
    struct buf cookie;

    sim_identity_make(1, 3, &identity);
    buf_init(&cookie, SIMULATOR_COOKIE_MAX);
    EXPECT_INT(sim_identity_cookie(1, 3, 258, &cookie), ERR_NONE);
    EXPECT_INT(sim_identity_cookie_read(1, buf_str(&cookie), client, &generation), ERR_NONE);
    EXPECT_Z(client, identity.client);
    EXPECT_INT(generation, 258);
    EXPECT_INT(sim_identity_cookie_read(2, buf_str(&cookie), client, &generation), ERR_BAD_INPUT);
    EXPECT_INT(sim_identity_cookie_read(1, STR("a.b.c"), client, &generation), ERR_BAD_INPUT);
    EXPECT_INT(sim_identity_cookie_read(1, STR(""), client, &generation), ERR_BAD_INPUT);
    buf_deinit(&cookie);
}

static void a_token_is_no_cookie(void)
{
    char client[SIM_ID_MAX];
    unsigned generation;
    struct buf token;

    buf_init(&token, 4096);
    EXPECT_INT(sim_token_make(1, &claims, &token), ERR_NONE);
    EXPECT_INT(sim_identity_cookie_read(1, buf_str(&token), client, &generation), ERR_BAD_INPUT);
    buf_deinit(&token);
}

static void finds_a_cookie_among_others(void)
{
    EXPECT_STR(sim_cookie_value(STR("__client=a.b"), "__client"), "a.b");
    EXPECT_STR(sim_cookie_value(STR("x=1; __client=a=b ;y=2"), "__client"), "a=b");
    EXPECT_STR(sim_cookie_value(STR("__client="), "__client"), "");
    EXPECT(!sim_cookie_value(STR("__client_uat=1"), "__client").p);
    EXPECT(!sim_cookie_value(STR("__client"), "__client").p);
    EXPECT(!sim_cookie_value(STR(""), "__client").p);
}

static const struct test suite[] = {
    { "the same seed gives the same users", the_same_seed_gives_the_same_users },
    { "tokens have the shape of RS256", tokens_have_the_shape_of_rs256 },
    { "reads its own tokens and no others", reads_its_own_tokens_and_no_others },
    { "cookies say whose and how often rotated", cookies_say_whose_and_how_often_rotated },
    { "a token is no cookie", a_token_is_no_cookie },
    { "finds a cookie among others", finds_a_cookie_among_others },
};

TEST_MAIN(suite)
