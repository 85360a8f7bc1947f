/* SPDX-License-Identifier: Apache-2.0 */
/* Browsers from other origins: preflight requests, and headers on whatever the answer is. */
#include "gateway/cors.h"

#include "requests.h"

#define ORIGIN "Origin: https://app.example\r\n"
#define ALLOW_ORIGIN "access-control-allow-origin: https://app.example"
#define ASK_POST "Access-Control-Request-Method: POST\r\n"

/* All headers that let the page at https://app.example see the answer, or none. */
static void expect_cors(bool wanted)
{
    EXPECT_INT(has_line(ALLOW_ORIGIN), wanted);
    EXPECT_INT(
        has_line(
            "access-control-expose-headers: x-request-id, request-id, retry-after, x-should-retry, "
            "x-trimmed-messages"),
        wanted);
    EXPECT_INT(has_line("vary: origin"), wanted);
    EXPECT_INT(has(str_of(head()), "access-control-"), wanted);
}

static void answers_a_preflight_byte_for_byte(void)
{
    BEGIN("API_MASTER_KEY=sesame", "CORS_ORIGINS=https://app.example");
    request("OPTIONS", "/v1/chat/completions",
            "Host: gateway.example\r\nX-Request-Id: r1\r\n" ORIGIN ASK_POST
            "Access-Control-Request-Headers: authorization,x-stainless-os\r\n");
    EXPECT_Z(
        head(),
        "HTTP/1.1 204 No Content\r\ndate: DATE\r\nx-request-id: r1\r\n"
        "access-control-allow-methods: GET, HEAD, POST, DELETE, OPTIONS\r\n"
        "access-control-allow-headers: authorization,x-stainless-os\r\n"
        "access-control-max-age: 600\r\n" ALLOW_ORIGIN "\r\n"
        "access-control-expose-headers: x-request-id, request-id, retry-after, x-should-retry, "
        "x-trimmed-messages\r\n"
        "vary: origin\r\n\r\n");
    EXPECT_Z(body(), "");
    request("OPTIONS", "/v1/chat/completions", "Host: gateway.example\r\n" ORIGIN ASK_POST);
    EXPECT_INT(status(), 204);
    EXPECT(has_line("access-control-allow-headers: authorization, content-type"));
    end();
}

static void takes_other_requests_for_no_preflight(void)
{
    static const char *const rows[] = {
        HOST ORIGIN, /* no preflight */
        HOST ORIGIN "Access-Control-Request-Method:\r\n",
        HOST ASK_POST, /* no origin */
        HOST "Origin:\r\n" ASK_POST,
        HOST "Origin: https://other.example\r\n" ASK_POST,
        HOST "Origin: https://app.example.evil\r\n" ASK_POST,
        HOST "Origin: null\r\n" ASK_POST,
    };

    BEGIN("API_MASTER_KEY=sesame", "CORS_ORIGINS=https://app.example");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request("OPTIONS", "/v1/chat/completions", rows[i]);
        expect_error(405, "method_not_allowed");
        expect_cors(i < 2);
    }
    request("GET", "/healthz", HOST ORIGIN ASK_POST);
    EXPECT_INT(status(), 200);
    end();
}

static void knows_the_allowed_origins(void)
{
    static const struct {
        const char *setting, *origin;
        bool is_allowed;
    } rows[] = {
        { "CORS_ORIGINS=https://app.example", "https://app.example", true },
        { "CORS_ORIGINS=https://app.example", "HTTPS://App.Example", true },
        { "CORS_ORIGINS=https://app.example", "http://app.example", false },
        { "CORS_ORIGINS=https://app.example", "https://app.example:8443", false },
        { "CORS_ORIGINS=https://app.example", "https://app.exampl", false },
        { "CORS_ORIGINS=http://a.example, http://b.example:81", "http://b.example:81", true },
        { "CORS_ORIGINS=http://a.example, http://b.example:81", "http://b.example", false },
        { "CORS_ORIGINS=*", "https://any.example", true },
        { "CORS_ORIGINS=*", "null", true },
        { "API_MASTER_KEY=x", "https://app.example", false },
        { "API_MASTER_KEY=x", "", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        BEGIN(rows[i].setting);
        EXPECT_INT(cors_allows(&f.settings, str_of(rows[i].origin)), rows[i].is_allowed);
        end();
    }
}

/* A page that may not read an error cannot tell what is wrong. */
static void adds_the_headers_to_every_answer(void)
{
    static const struct {
        const char *method, *path, *lines, *sent;
        int status;
    } rows[] = {
        { "GET", "/v1/models", "x-api-key: sesame\r\n", NULL, 200 },
        { "GET", "/v1/models", "", NULL, 401 },
        { "GET", "/v1/models", "x-api-key: wrong\r\n", NULL, 403 },
        { "GET", "/v1/models/none", "x-api-key: sesame\r\n", NULL, 404 },
        { "GET", "/nothing", "", NULL, 404 },
        { "PUT", "/v1/models", "", NULL, 405 },
        { "POST", "/v1/chat/completions", "x-api-key: sesame\r\n", "{}", 400 },
        { "POST", "/both", "x-api-key: sesame\r\n", "longer than the limit", 413 },
    };
    char lines[256];

    BEGIN("API_MASTER_KEY=sesame", "CORS_ORIGINS=https://app.example", "MAX_BODY_BYTES=20");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned allowed = 0; allowed < 2; allowed++) {
            if (rows[i].status == 413)
                wire_end(&f.w, ERR_CLOSED);
            snprintf(lines, sizeof(lines), HOST "%s%s",
                     allowed ? ORIGIN : "Origin: https://other.example\r\n", rows[i].lines);
            request_with_body(HTTP_POST, rows[i].method, rows[i].path, lines, rows[i].sent);
            EXPECT_INT(status(), rows[i].status);
            expect_cors(allowed);
        }
    }
    wire_end(&f.w, ERR_CLOSED);
    end();
}

/* Asks for a chat from a page. */
static void ask_from_page(const char *chat)
{
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "POST /v1/chat/completions HTTP/1.1\r\n" HOST ORIGIN JSON_TYPE
                     "Content-Length: %zu\r\n\r\n%s",
                     strlen(chat), chat);

    EXPECT(n > 0 && (size_t)n < sizeof(text));
    EXPECT(wire_feed_z(&f.w, text));
    turn(f.l);
}

static void adds_the_headers_to_exchanges(void)
{
    static const struct failure e = { .kind = FAILURE_UNAVAILABLE };
    static const char *const chats[] = { STREAM, WHOLE };

    BEGIN("CORS_ORIGINS=https://app.example");
    for (size_t i = 0; i < 2 * COUNT_OF(chats); i++) {
        struct str in;

        ask_from_page(chats[i / 2]);
        call()->request.sink->on_prompt(call()->request.arg, STR("chat-1"), 2);
        if (i % 2) {
            error(&e);
        } else {
            finish(CHAT_FINISH_STOP);
            settled();
        }
        turn(f.l);
        in = wire_str(&f.w);
        EXPECT(hear(&in, HTTP_POST));
        wire_clear(&f.w);
        EXPECT_INT(status(), i % 2 ? 502 : 200);
        expect_cors(true);
        EXPECT(has_line("x-trimmed-messages: 2"));
    }
    end();
}

/* Without a key a listed origin is let in, others are not; the Host must be this machine's. */
static void opens_a_gateway_without_a_key_to_listed_origins(void)
{
    BEGIN("CORS_ORIGINS=https://app.example");
    post_chat(HOST JSON_TYPE ORIGIN);
    expect_error(400, NULL);
    expect_cors(true);
    post_chat(HOST JSON_TYPE "Origin: https://other.example\r\n");
    expect_error(403, "forbidden");
    expect_cors(false);
    post_chat("Host: app.example\r\n" JSON_TYPE ORIGIN);
    expect_error(403, "forbidden");
    expect_cors(true);
    end();
}

static void adds_nothing_without_an_origin_or_a_setting(void)
{
    BEGIN("CORS_ORIGINS=*");
    request("GET", "/healthz", HOST);
    EXPECT_INT(status(), 200);
    expect_cors(false);
    request("GET", "/healthz", HOST ORIGIN);
    expect_cors(true);
    end();
    begin();
    request("GET", "/healthz", HOST "Origin: http://localhost:3000\r\n");
    EXPECT_INT(status(), 200);
    expect_cors(false);
    end();
}

static const struct test suite[] = {
    { "answers a preflight byte for byte", answers_a_preflight_byte_for_byte },
    { "takes other requests for no preflight", takes_other_requests_for_no_preflight },
    { "knows the allowed origins", knows_the_allowed_origins },
    { "adds the headers to every answer", adds_the_headers_to_every_answer },
    { "adds the headers to exchanges", adds_the_headers_to_exchanges },
    { "opens a gateway without a key to listed origins",
      opens_a_gateway_without_a_key_to_listed_origins },
    { "adds nothing without an origin or a setting", adds_nothing_without_an_origin_or_a_setting },
};

TEST_MAIN(suite)
