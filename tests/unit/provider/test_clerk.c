/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/clerk.h"
#include "test.h"

static void writes_its_requests(void)
{
    struct buf b;

    buf_init(&b, 512);
    EXPECT_INT(clerk_client_target(&b), ERR_NONE);
    EXPECT_STR(buf_str(&b), "/v1/client?__clerk_api_version=2025-04-10");
    buf_clear(&b);
    EXPECT_INT(clerk_memberships_target(&b), ERR_NONE);
    EXPECT_STR(buf_str(&b), "/v1/me/organization_memberships?paginated=true&limit=10&offset=0&"
                            "__clerk_api_version=2025-04-10");
    buf_clear(&b);
    EXPECT_INT(clerk_token_target(&b, STR("sess_1/../x")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "/v1/client/sessions/sess_1%2F..%2Fx/tokens?"
                            "__clerk_api_version=2025-04-10");
    buf_clear(&b);
    EXPECT_INT(clerk_token_body(&b, STR("")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "");
    EXPECT_INT(clerk_token_body(&b, STR("org_1&x")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "organization_id=org_1%26x");
    buf_deinit(&b);
}

#define TWO_SESSIONS                                                                      \
    "\"sessions\":[{\"id\":\"sess_a\",\"status\":\"expired\","                            \
    "\"last_active_organization_id\":\"org_a\"},"                                         \
    "{\"id\":\"sess_b\",\"status\":\"active\",\"last_active_organization_id\":\"org_b\"," \
    "\"user\":{\"id\":\"user_b\"}},{\"id\":\"sess_c\"}]"

static void finds_the_session(void)
{
    static const struct {
        const char *client;
        const char *wanted;
        enum clerk_state state;
        const char *id;
        const char *organization;
    } rows[] = {
        { "null", "", CLERK_SIGNED_OUT, "", "" },
        { "null", "sess_b", CLERK_SIGNED_OUT, "", "" },
        { "{}", "", CLERK_NO_SESSION, "", "" },
        { "{\"sessions\":[]}", "", CLERK_NO_SESSION, "", "" },
        { "{\"sessions\":[],\"last_active_session_id\":null}", "", CLERK_NO_SESSION, "", "" },
        { "{\"last_active_session_id\":\"sess_b\"," TWO_SESSIONS "}", "", CLERK_SIGNED_IN, "sess_b",
          "org_b" },
        { "{\"last_active_session_id\":\"sess_a\"," TWO_SESSIONS "}", "", CLERK_SIGNED_IN, "sess_b",
          "org_b" },
        { "{\"last_active_session_id\":\"sess_z\"," TWO_SESSIONS "}", "", CLERK_SIGNED_IN, "sess_b",
          "org_b" },
        { "{" TWO_SESSIONS "}", "", CLERK_SIGNED_IN, "sess_b", "org_b" },
        { "{" TWO_SESSIONS "}", "sess_c", CLERK_SIGNED_IN, "sess_c", "" },
        { "{" TWO_SESSIONS "}", "sess_mine", CLERK_SIGNED_IN, "sess_mine", "" },
        { "{\"last_active_session_id\":\"sess_z\"}", "", CLERK_SIGNED_IN, "sess_z", "" },
        { "{\"sessions\":[{\"id\":\"sess_a\",\"status\":\"ended\"}]}", "", CLERK_NO_SESSION, "",
          "" },
        { "{\"sessions\":[7,null,{\"id\":7},{\"id\":\"\"}]}", "", CLERK_NO_SESSION, "", "" },
        { "{\"sessions\":{\"id\":\"sess_a\"}}", "", CLERK_NO_SESSION, "", "" },
        { "{\"sessions\":7,\"last_active_session_id\":\"sess_z\"}", "", CLERK_SIGNED_IN, "sess_z",
          "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct clerk_session s = { 0 };
        enum clerk_state state = CLERK_SIGNED_IN;
        char body[1024];

        snprintf(body, sizeof(body), "{\"x\":[],\"response\":%s}", rows[i].client);
        EXPECT_INT(clerk_read_client(str_of(body), "response", rows[i].wanted, &s, &state),
                   ERR_NONE);
        EXPECT_INT(state, rows[i].state);
        EXPECT_Z(s.id, rows[i].id);
        EXPECT_Z(s.organization_id, rows[i].organization);
    }
}

static void refuses_what_is_no_client(void)
{
    static const char *const rows[] = {
        "", "[]", "{}", "{\"response\":7}", "<html>no", "{\"response\":{}", "{\"client\":{}}"
    };
    struct clerk_session s;
    enum clerk_state state;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(clerk_read_client(str_of(rows[i]), "response", "", &s, &state), ERR_BAD_INPUT);
}

static void a_cut_answer_is_refused_at_every_cut(void)
{
    struct str whole = STR("{\"response\":{" TWO_SESSIONS "}}");
    struct clerk_session s;
    enum clerk_state state;

    for (size_t cut = 0; cut < whole.n; cut++)
        EXPECT_INT(clerk_read_client(str_sub(whole, 0, cut), "response", "", &s, &state),
                   ERR_BAD_INPUT);
}

static void reads_the_token(void)
{
    static const struct {
        const char *body;
        enum err err;
    } rows[] = {
        { "{\"object\":\"token\",\"jwt\":\"a.b.c\"}", ERR_NONE },
        { "{\"jwt\":\"a.b.\\u0063\"}", ERR_NONE },
        { "{\"object\":\"token\"}", ERR_BAD_INPUT },
        { "{\"jwt\":null}", ERR_BAD_INPUT },
        { "{\"jwt\":7}", ERR_BAD_INPUT },
        { "", ERR_BAD_INPUT },
        { "{\"jwt\":\"a.b.c\"", ERR_BAD_INPUT },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str jwt = STR("");
        struct arena a;

        arena_init(&a);
        EXPECT_INT(clerk_read_token(str_of(rows[i].body), &a, &jwt), rows[i].err);
        EXPECT_STR(jwt, rows[i].err ? "" : "a.b.c");
        arena_deinit(&a);
    }
}

static void knows_by_status_and_code_who_is_signed_out(void)
{
    static const struct {
        int status;
        const char *body;
        bool want;
    } rows[] = {
        { 401, "", true },
        { 401, "{\"errors\":[{\"code\":\"signed_out\"}]}", true },
        { 404, "{\"errors\":[{\"code\":\"resource_not_found\"}]}", true },
        { 403, "{\"errors\":[{\"code\":\"other\"},{\"code\":\"authentication_invalid\"}]}", true },
        { 422, "{\"errors\":[{\"code\":\"signed_out\"}]}", true },
        { 404, "", false },
        { 404, "{\"errors\":[{\"code\":\"no_such_route\",\"message\":\"signed_out\"}]}", false },
        { 403, "you are signed_out", false },
        { 404, "{\"errors\":{\"code\":\"signed_out\"}}", false },
        { 404, "{\"errors\":[7,null]}", false },
        { 500, "{\"errors\":[{\"code\":\"signed_out\"}]}", false },
        { 302, "{\"errors\":[{\"code\":\"signed_out\"}]}", false },
        { 403, "{\"errors\":[{\"code\":7},{\"codes\":\"signed_out\"}]}", false },
        { 429, "{\"errors\":[{\"code\":\"too_many_requests\"}]}", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(clerk_is_signed_out(rows[i].status, str_of(rows[i].body)), rows[i].want);
}

static const struct test suite[] = {
    { "writes its requests", writes_its_requests },
    { "finds the session", finds_the_session },
    { "refuses what is no client", refuses_what_is_no_client },
    { "a cut answer is refused at every cut", a_cut_answer_is_refused_at_every_cut },
    { "reads the token", reads_the_token },
    { "knows by status and code who is signed out", knows_by_status_and_code_who_is_signed_out },
};

TEST_MAIN(suite)
