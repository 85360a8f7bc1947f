/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/jwt.h"
#include "test.h"
#include "token_text.h"

static void reads_the_claims(void)
{
    struct jwt_claims c;
    char token[1024];

    token_text("{\"sub\":\"user_1\",\"iat\":1700000000,\"exp\":1700000060,\"sid\":\"sess_1\","
               "\"o\":{\"id\":\"org_1\",\"rol\":\"admin\"},\"more\":[1,{}]}",
               token, sizeof(token));
    EXPECT_INT(jwt_read(str_of(token), &c), ERR_NONE);
    EXPECT_Z(c.user_id, "user_1");
    EXPECT_Z(c.session_id, "sess_1");
    EXPECT_Z(c.organization_id, "org_1");
    EXPECT_INT(c.issued_s, 1700000000);
    EXPECT_INT(c.expires_s, 1700000060);
}

static void session_and_organization_may_be_absent(void)
{
    static const char *const rows[] = {
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61,\"o\":null,\"sid\":null}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61,\"o\":{},\"sid\":7}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61,\"o\":\"org\"}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61,\"o\":{\"id\":\"\"},\"sid\":\"\"}",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct jwt_claims c;
        char token[512];

        token_text(rows[i], token, sizeof(token));
        EXPECT_INT(jwt_read(str_of(token), &c), ERR_NONE);
        EXPECT_Z(c.session_id, "");
        EXPECT_Z(c.organization_id, "");
    }
}

static void refuses_claims_it_cannot_use(void)
{
    static const char *const rows[] = {
        "",
        "[]",
        "{}",
        "{\"iat\":1,\"exp\":61}",
        "{\"sub\":\"\",\"iat\":1,\"exp\":61}",
        "{\"sub\":7,\"iat\":1,\"exp\":61}",
        "{\"sub\":\"a\\u0000b\",\"iat\":1,\"exp\":61}",
        "{\"sub\":\"u\",\"exp\":61}",
        "{\"sub\":\"u\",\"iat\":1}",
        "{\"sub\":\"u\",\"iat\":61,\"exp\":61}",
        "{\"sub\":\"u\",\"iat\":-1,\"exp\":61}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":\"61\"}",
        "{\"sub\":\"u\",\"iat\":1,\"exp\":61",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct jwt_claims c;
        char token[512];

        token_text(rows[i], token, sizeof(token));
        EXPECT_INT(jwt_read(str_of(token), &c), ERR_BAD_INPUT);
    }
}

static void refuses_what_is_no_token(void)
{
    static const char *const rows[] = {
        "", ".", "..", "a", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b c.d", "a.b.c\r\n",
    };
    struct jwt_claims c;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(jwt_read(str_of(rows[i]), &c), ERR_BAD_INPUT);
}

/* It is sent in a header, signature and all. */
static void refuses_what_no_header_may_hold(void)
{
    static const char good[] = "azAZ09-_", bad[] = "`{@[/:+=.,;\" \r\n\t\x7f\x80";
    char token[512];
    struct jwt_claims c;
    size_t n;

    token_text("{\"sub\":\"user_1\",\"iat\":1,\"exp\":61}", token, sizeof(token) - 1);
    n = strlen(token);
    token[n + 1] = '\0';
    for (size_t i = 0; good[i]; i++) {
        token[n] = good[i];
        EXPECT_INT(jwt_read(str_of(token), &c), ERR_NONE);
    }
    for (size_t i = 0; i < sizeof(bad); i++) { /* the NUL, too */
        token[n] = bad[i];
        EXPECT_INT(jwt_read((struct str){ token, n + 1 }, &c), ERR_BAD_INPUT);
    }
}

static void refuses_a_token_cut_anywhere_in_its_claims(void)
{
    struct jwt_claims c;
    char token[512];
    struct str last;
    struct str head;

    token_text("{\"sub\":\"user_1\",\"iat\":1,\"exp\":61}", token, sizeof(token));
    head = str_cut(str_of(token), '.', &last);
    for (size_t cut = 0; cut < last.n - 5; cut++) {
        char text[512];

        snprintf(text, sizeof(text), "%.*s.%.*s.c2ln", STR_ARGS(head), (int)cut, last.p);
        EXPECT_INT(jwt_read(str_of(text), &c), ERR_BAD_INPUT);
    }
}

static void refuses_a_token_beyond_the_bound(void)
{
    static char token[20000];
    struct jwt_claims c;

    memset(token, 'a', sizeof(token));
    EXPECT_INT(jwt_read((struct str){ token, sizeof(token) }, &c), ERR_TOO_BIG);
}

static const struct test suite[] = {
    { "reads the claims", reads_the_claims },
    { "session and organization may be absent", session_and_organization_may_be_absent },
    { "refuses claims it cannot use", refuses_claims_it_cannot_use },
    { "refuses what is no token", refuses_what_is_no_token },
    { "refuses what no header may hold", refuses_what_no_header_may_hold },
    { "refuses a token cut anywhere in its claims", refuses_a_token_cut_anywhere_in_its_claims },
    { "refuses a token beyond the bound", refuses_a_token_beyond_the_bound },
};

TEST_MAIN(suite)
