/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/api.h"
#include "test.h"

static const struct enginelabs_config config = { .name = "cto", .account = "default" };

static void writes_its_requests(void)
{
    struct buf b;

    buf_init(&b, 512);
    EXPECT_INT(api_chat_body(&b, STR("say \"hi\"\n\xf0\x9f\x98\x80"), STR("c-1"), STR("GPT5")),
               ERR_NONE);
    EXPECT_STR(buf_str(&b), "{\"prompt\":\"say \\\"hi\\\"\\n\xf0\x9f\x98\x80\","
                            "\"chatHistoryId\":\"c-1\",\"adapterName\":\"GPT5\"}");
    buf_clear(&b);
    EXPECT_INT(api_stream_target(&b, STR("c/1"), STR("user_1:x&y")), ERR_NONE);
    EXPECT_STR(buf_str(&b),
               "/engine-agent/chat-histories/c%2F1/buffer/stream?token=user_1%3Ax%26y");
    buf_deinit(&b);
}

static void writes_those_of_protocol_project(void)
{
    struct buf b;

    buf_init(&b, 256);
    EXPECT_INT(api_project_body(&b, STR("say \"hi\"\n"), STR("p\"1")), ERR_NONE);
    EXPECT_STR(buf_str(&b),
               "{\"prompt\":\"c2F5ICJoaSIK\",\"chatHistoryId\":\"p\\\"1\",\"encoded\":true}");
    buf_clear(&b);
    EXPECT_INT(api_project_stream_target(&b, STR("p1"), STR("user_1"), STR("org_1"), STR("ws/1")),
               ERR_NONE);
    EXPECT_STR(buf_str(&b), "/engine-agent/chat-histories/p1/buffer/stream"
                            "?token=user_1:org_1&workspaceId=ws%2F1");
    buf_clear(&b);
    EXPECT_INT(api_project_stream_target(&b, STR("p1"), STR("user_1"), STR(""), STR("")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "/engine-agent/chat-histories/p1/buffer/stream?token=user_1");
    buf_clear(&b);
    EXPECT_INT(api_chat_target(&b, STR("../x")), ERR_NONE);
    EXPECT_STR(buf_str(&b), "/engine-agent/chat-histories/..%2Fx");
    buf_deinit(&b);
    buf_init(&b, 60);
    EXPECT_INT(api_project_body(&b, STR("0123456789012345"), STR("p1")), ERR_TOO_BIG);
    buf_deinit(&b);
}

static void every_status_has_its_kind(void)
{
    static const struct {
        int status;
        enum failure_kind api;
        enum failure_kind clerk;
    } rows[] = {
        { 101, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 200, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 302, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 400, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 401, FAILURE_UPSTREAM_AUTH, FAILURE_UPSTREAM_AUTH },
        { 402, FAILURE_QUOTA, FAILURE_UPSTREAM_AUTH },
        { 403, FAILURE_QUOTA, FAILURE_UPSTREAM_AUTH },
        { 404, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 408, FAILURE_UPSTREAM_TIMEOUT, FAILURE_UPSTREAM_TIMEOUT },
        { 409, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 413, FAILURE_CONTEXT_LENGTH, FAILURE_PROTOCOL },
        { 422, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
        { 429, FAILURE_QUOTA, FAILURE_RATE_LIMIT },
        { 500, FAILURE_UNAVAILABLE, FAILURE_UNAVAILABLE },
        { 502, FAILURE_UNAVAILABLE, FAILURE_UNAVAILABLE },
        { 503, FAILURE_UNAVAILABLE, FAILURE_UNAVAILABLE },
        { 599, FAILURE_UNAVAILABLE, FAILURE_UNAVAILABLE },
        { 600, FAILURE_PROTOCOL, FAILURE_PROTOCOL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct api_status s = api_status_of(rows[i].status, NULL, 0);

        EXPECT_INT(api_kind(API_PEER_API, &s), rows[i].api);
        EXPECT_INT(api_kind(API_PEER_CLERK, &s), rows[i].clerk);
    }
}

static void headers_tell_a_browser_check(void)
{
    static const struct {
        int status;
        const char *mitigated;
        const char *type;
        const char *server;
        bool want;
    } rows[] = {
        { 403, "challenge", "text/html; charset=UTF-8", "cloudflare", true },
        { 403, "challenge", "", "", true },
        { 200, "challenge", "", "", true },
        { 403, "", "text/html; charset=UTF-8", "cloudflare", true },
        { 503, "", "Text/HTML", "Cloudflare", true },
        { 502, "", "text/html", "cloudflare", false },
        { 403, "", "application/json", "cloudflare", false },
        { 403, "", "text/html", "nginx", false },
        { 403, "block", "application/json", "cloudflare", false },
    };
    static struct http_head head;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        head.n_headers = 3;
        head.headers[0] = (struct http_header){ STR("CF-Mitigated"), str_of(rows[i].mitigated) };
        head.headers[1] = (struct http_header){ STR("Content-Type"), str_of(rows[i].type) };
        head.headers[2] = (struct http_header){ STR("Server"), str_of(rows[i].server) };
        struct api_status s = api_status_of(rows[i].status, &head, 0);

        EXPECT_INT(s.is_challenge, rows[i].want);
        if (s.is_challenge)
            EXPECT_INT(api_kind(API_PEER_API, &s), FAILURE_CHALLENGE);
    }
}

static void retry_after_reaches_the_failure(void)
{
    static struct http_head head;
    struct api_status s;
    struct failure f;
    struct arena a;

    arena_init(&a);
    head.n_headers = 1;
    head.headers[0] = (struct http_header){ STR("Retry-After"), STR("7") };
    s = api_status_of(429, &head, 0);
    api_failure(&f, &a, &config, API_PEER_API, "POST /x", &s, STR(""));
    EXPECT_INT(f.kind, FAILURE_QUOTA);
    EXPECT_INT(f.retry_after_ms, 7000);
    arena_deinit(&a);
}

static void expect_said(const char *body, const char *want)
{
    struct api_status s = { .status = 500 };
    struct failure f;
    struct arena a;

    arena_init(&a);
    api_failure(&f, &a, &config, API_PEER_API, "POST /x", &s, str_of(body));
    EXPECT(str_find(f.message, STR("\"cto\"")) != SIZE_MAX);
    EXPECT(str_find(f.message, STR("POST /x")) != SIZE_MAX);
    EXPECT(str_find(f.message, STR("500")) != SIZE_MAX);
    EXPECT(str_find(f.message, str_of(want)) != SIZE_MAX);
    arena_deinit(&a);
}

static void a_message_quotes_what_the_service_says_for_people(void)
{
    static const char *const rows[][2] = {
        { "{\"message\":\"no\\nroom\"}", "status 500: \"no room\". The service" },
        { "{\"error\":\"down\"}", "status 500: \"down\". The service" },
        { "{\"error\":{\"message\":\"down\"}}", "status 500: \"down\". The service" },
        { "{\"message\":7,\"error\":[]}", "status 500. The service" },
        { "<html>", "status 500. The service" },
        { "", "status 500. The service" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_said(rows[i][0], rows[i][1]);
}

static void a_long_quotation_is_cut_between_characters(void)
{
    char body[600] = "{\"message\":\"a";
    struct api_status s = { .status = 500 };
    struct failure f;
    struct arena a;

    arena_init(&a);
    while (strlen(body) < 500)
        strncat(body, "\xc3\xa4", sizeof(body) - strlen(body) - 1);
    strncat(body, "\"}", sizeof(body) - strlen(body) - 1);
    api_failure(&f, &a, &config, API_PEER_API, "POST /x", &s, str_of(body));
    EXPECT(str_find(f.message, STR("\xc3\xa4\". The")) != SIZE_MAX);
    EXPECT(f.message.n < 400);
    arena_deinit(&a);
}

static void a_request_without_answer_has_its_kind(void)
{
    static const struct {
        enum err err;
        enum failure_kind want;
    } rows[] = {
        { ERR_TIMEOUT, FAILURE_UPSTREAM_TIMEOUT }, { ERR_PROTOCOL, FAILURE_PROTOCOL },
        { ERR_TOO_BIG, FAILURE_PROTOCOL },         { ERR_REFUSED, FAILURE_UNAVAILABLE },
        { ERR_RESET, FAILURE_UNAVAILABLE },        { ERR_CLOSED, FAILURE_UNAVAILABLE },
        { ERR_DNS, FAILURE_UNAVAILABLE },          { ERR_TLS, FAILURE_UNAVAILABLE },
        { ERR_CERT, FAILURE_UNAVAILABLE },         { ERR_NO_FDS, FAILURE_OVERLOADED },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct failure f;
        struct arena a;

        arena_init(&a);
        api_transport_failure(&f, &a, &config, API_PEER_API, "POST /x", rows[i].err, "it broke");
        EXPECT_INT(f.kind, rows[i].want);
        EXPECT(str_find(f.message, STR("it broke")) != SIZE_MAX);
        EXPECT((str_find(f.message, STR("ulimit -n")) != SIZE_MAX) == (rows[i].err == ERR_NO_FDS));
        EXPECT((str_find(f.message, STR("the network")) == SIZE_MAX) ==
               (rows[i].err == ERR_NO_FDS));
        arena_deinit(&a);
    }
}

static const struct test suite[] = {
    { "writes its requests", writes_its_requests },
    { "writes those of protocol project", writes_those_of_protocol_project },
    { "every status has its kind", every_status_has_its_kind },
    { "headers tell a browser check", headers_tell_a_browser_check },
    { "Retry-After reaches the failure", retry_after_reaches_the_failure },
    { "a message quotes what the service says for people",
      a_message_quotes_what_the_service_says_for_people },
    { "a long quotation is cut between characters", a_long_quotation_is_cut_between_characters },
    { "a request without answer has its kind", a_request_without_answer_has_its_kind },
};

TEST_MAIN(suite)
