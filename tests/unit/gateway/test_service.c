/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its handler: paths and methods, keys, and what protects a gateway that has no
 * key. */
#include "log_text.h"
#include "requests.h"

/* ---- paths and methods ---- */

static void finds_the_handler_of_each_path(void)
{
    static const struct {
        const char *method, *path;
        int status;
    } rows[] = {
        { "GET", "/healthz", 200 },
        { "GET", "/healthz?x=/both", 200 },
        { "GET", "http://localhost/healthz", 200 },
        { "HEAD", "/healthz", 200 },
        { "GET", "/both", 200 },
        { "HEAD", "/both", 200 },
        { "DELETE", "/both", 200 },
        { "GET", "/v1/models", 200 },
        { "GET", "/v1/models/GPT5", 200 },
        { "GET", "/v1/models/a/b", 404 },
        { "GET", "/v1/models/", 404 },
        { "GET", "/healthz/", 404 },
        { "GET", "/HEALTHZ", 404 },
        { "GET", "/health", 404 },
        { "GET", "/", 404 },
        { "POST", "/v2/chat/completions", 404 },
        { "POST", "/healthz", 405 },
        { "PUT", "/both", 405 },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request(rows[i].method, rows[i].path, HOST);
        EXPECT_INT(status(), rows[i].status);
        EXPECT(has(str_of(head()), "x-request-id: req_"));
    }
    end();
}

static void says_what_is_unknown(void)
{
    char path[8000];

    begin();
    request("GET", "/v1/models/", HOST);
    expect_error(404, "not_found");
    request("GET", "/v1/nothing?x=1", HOST);
    expect_error(404, "not_found");
    EXPECT(has(str_of(body()), "There is no /v1/nothing here."));
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    request("GET", path, HOST);
    expect_error(404, "not_found");
    EXPECT(strlen(body()) < 500);
    end();
}

static void names_the_methods_that_a_path_takes(void)
{
    static const struct {
        const char *method, *path, *allow;
    } rows[] = {
        { "GET", "/v1/chat/completions", "allow: POST" },
        { "HEAD", "/v1/chat/completions", "allow: POST" },
        { "OPTIONS", "/v1/chat/completions", "allow: POST" },
        { "POST", "/v1/models", "allow: GET, HEAD" },
        { "BREW", "/v1/models/GPT5", "allow: GET, HEAD" },
        { "PATCH", "/both", "allow: GET, HEAD, POST, DELETE" },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request(rows[i].method, rows[i].path, HOST);
        EXPECT(has_line(rows[i].allow));
        if (strcmp(rows[i].method, "HEAD") == 0) {
            EXPECT_INT(status(), 405);
            continue;
        }
        expect_error(405, "method_not_allowed");
        EXPECT(has(str_of(body()), rows[i].method));
        EXPECT(has(str_of(body()), rows[i].path));
    }
    end();
}

static void gives_head_the_head_of_get(void)
{
    static const char *const paths[] = { "/healthz", "/v1/models", "/v1/models/GPT5", "/nothing",
                                         "/v1/models/nothing" };
    char get[1024];

    begin();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        request("GET", paths[i], HOST "X-Request-Id: same\r\n");
        EXPECT(body()[0] != '\0');
        str_to_z(str_of(head()), get, sizeof(get));
        request("HEAD", paths[i], HOST "X-Request-Id: same\r\n");
        EXPECT_Z(head(), get);
        EXPECT_Z(body(), "");
    }
    end();
}

/* What HTTP itself refuses looks like all other errors. */
static void answers_errors_of_http_in_the_same_shape(void)
{
    static const struct {
        const char *bytes;
        int status;
        const char *code;
    } rows[] = {
        { "GET /healthz HTTP/1.1\r\n\r\n", 400, NULL },
        { "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400, NULL },
        { "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http_version" },
        { "POST /both HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 5000\r\n\r\n", 413,
          "request_too_large" },
        { "POST /both HTTP/1.1\r\n" HOST JSON_TYPE "Transfer-Encoding: gzip\r\n\r\n", 501,
          "not_implemented" },
    };
    struct str in;

    BEGIN("MAX_BODY_BYTES=4KiB");
    wire_end(&f.w, ERR_CLOSED);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        wire_free(&f.w);
        open_wire(&f.w);
        EXPECT(wire_feed_z(&f.w, rows[i].bytes));
        turn(f.l);
        in = wire_str(&f.w);
        EXPECT(hear(&in, HTTP_POST));
        expect_error(rows[i].status, rows[i].code);
        wire_end(&f.w, ERR_CLOSED);
    }
    end();
}

/* ---- keys ---- */

static const struct key_row {
    const char *lines;
    int status;
} keys[] = {
    { "Authorization: Bearer sesame\r\n", 200 },
    { "authorization: bearer sesame\r\n", 200 },
    { "AUTHORIZATION: BEARER   sesame  \r\n", 200 },
    { "x-api-key: sesame\r\n", 200 },
    { "Authorization: Bearer \r\nx-api-key: sesame\r\n", 200 },
    { "X-API-Key:   sesame\r\n", 200 },
    { "Authorization: Basic c2VzYW1l\r\nx-api-key: sesame\r\n", 200 },
    { "", 401 },
    { "Authorization: Bearer\r\n", 401 },
    { "Authorization: Bearer \r\n", 401 },
    { "Authorization:\r\n", 401 },
    { "Authorization: sesame\r\n", 401 },
    { "Authorization: Basic sesame\r\n", 401 },
    { "x-api-key:\r\n", 401 },
    { "Authorization: Bearer Sesame\r\n", 403 },
    { "Authorization: Bearer sesam\r\n", 403 },
    { "Authorization: Bearer sesame2\r\n", 403 },
    { "Authorization: Bearer sesame sesame\r\n", 403 },
    { "Authorization: Bearer wrong\r\nx-api-key: sesame\r\n", 403 },
    { "x-api-key: Bearer sesame\r\n", 403 },
    { "x-api-key: wrong\r\n", 403 },
};

static void takes_a_key_in_either_header(void)
{
    char lines[256];

    BEGIN("API_MASTER_KEY=sesame");
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        snprintf(lines, sizeof(lines), "Host: gateway.example\r\n%s", keys[i].lines);
        request("GET", "/v1/models", lines);
        if (keys[i].status == 200)
            EXPECT_INT(status(), 200);
        else if (keys[i].status == 401)
            expect_error(401, "missing_api_key");
        else
            expect_error(403, "invalid_api_key");
        EXPECT_INT(has(str_of(head()), "www-authenticate: Bearer realm=\"enginelabs-2api\"\r\n"),
                   keys[i].status == 401);
        EXPECT(!has(str_of(body()), "sesame"));
    }
    end();
}

static void wants_the_key_before_the_body(void)
{
    BEGIN("API_MASTER_KEY=sesame");
    EXPECT(wire_feed_z(&f.w, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                             "Content-Length: 10\r\n\r\n"));
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 401 "));
    wire_clear(&f.w);
    EXPECT(wire_feed_z(&f.w, "0123456789"));
    request("GET", "/healthz", HOST);
    EXPECT_INT(status(), 200);
    post_chat("Host: x\r\nx-api-key: sesame\r\n");
    expect_error(400, NULL);
    end();
}

static void needs_no_key_where_the_table_asks_for_none(void)
{
    BEGIN("API_MASTER_KEY=sesame");
    request("GET", "/healthz", "Host: gateway.example\r\nOrigin: https://web.example\r\n");
    EXPECT_INT(status(), 200);
    request("GET", "/nothing", "Host: gateway.example\r\n");
    expect_error(404, "not_found");
    request("PUT", "/v1/models", "Host: gateway.example\r\n");
    expect_error(405, "method_not_allowed");
    end();
}

static void does_not_care_for_host_origin_and_type_when_it_has_a_key(void)
{
    BEGIN("API_MASTER_KEY=sesame");
    post_chat("Host: gateway.example\r\nOrigin: https://web.example\r\nx-api-key: sesame\r\n"
              "Content-Type: text/plain\r\n");
    expect_error(400, NULL);
    end();
}

/* ---- without a key ---- */

static const struct name_row {
    const char *name;
    bool is_loopback;
} names[] = {
    { "localhost", true },
    { "LocalHost", true },
    { "localhost:8089", true },
    { "localhost:", true },
    { "127.0.0.1", true },
    { "127.0.0.1:80", true },
    { "127.1.2.3", true },
    { "[::1]", true },
    { "[::1]:8089", true },
    { "[0:0:0:0:0:0:0:1]", true },
    { "[::ffff:127.0.0.1]", true },
    { "localhost.evil.com", false },
    { "evil.com", false },
    { "evil.localhost.com:8089", false },
    { "xlocalhost", false },
    { "127.0.0.1.evil.com", false },
    { "127.0.0.1.", false },
    { "128.0.0.1", false },
    { "0.0.0.0", false },
    { "0x7f.1", false },
    { "0x7f.0.0.1", false },
    { "0177.0.0.1", false },
    { "127.1", false },
    { "2130706433", false },
    { "[::]", false },
    { "[::2]", false },
    { "[::ffff:8.8.8.8]", false },
    { "192.168.0.1", false },
};

/* What no Host header can be, but an Origin might. */
static const char *const no_names[] = {
    "",
    ":8089",
    "::1",
    "[::1",
    "[]",
    "[::1]evil",
    "[::1].evil",
    "localhost:x",
    "localhost:1/",
    "localhost:99999",
    "localhost@evil.com",
    "localhost:1@evil.com",
    "localhost/",
    "[localhost]",
    "[127.0.0.1]",
    "[::1]x:1",
};

static void knows_the_names_of_this_machine(void)
{
    char origin[64];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        EXPECT_INT(host_is_loopback(str_of(names[i].name)), names[i].is_loopback);
        snprintf(origin, sizeof(origin), "http://%s", names[i].name);
        EXPECT_INT(origin_is_loopback(str_of(origin)), names[i].is_loopback);
        snprintf(origin, sizeof(origin), "HTTPS://%s", names[i].name);
        EXPECT_INT(origin_is_loopback(str_of(origin)), names[i].is_loopback);
        snprintf(origin, sizeof(origin), "ftp://%s", names[i].name);
        EXPECT(!origin_is_loopback(str_of(origin)));
        EXPECT(!origin_is_loopback(str_of(names[i].name)));
    }
    for (size_t i = 0; i < COUNT_OF(no_names); i++) {
        EXPECT(!host_is_loopback(str_of(no_names[i])));
        snprintf(origin, sizeof(origin), "http://%s", no_names[i]);
        EXPECT(!origin_is_loopback(str_of(origin)));
    }
    EXPECT(!host_is_loopback(STR("localhost\0.evil.com")));
    EXPECT(!host_is_loopback(STR("127.0.0.1\0")));
}

static void answers_only_to_names_of_this_machine_without_a_key(void)
{
    static const char *const paths[] = { "/healthz", "/v1/models" };
    char lines[128];

    begin();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(lines, sizeof(lines), "Host: %s\r\n", names[i].name);
        for (size_t k = 0; k < COUNT_OF(paths); k++) {
            request("GET", paths[k], lines);
            if (names[i].is_loopback)
                EXPECT_INT(status(), 200);
            else
                expect_error(403, "forbidden");
        }
    }
    request("GET", "http://evil.com/healthz", HOST);
    expect_error(403, "forbidden");
    end();
}

static void takes_nothing_from_foreign_pages_without_a_key(void)
{
    char lines[128];

    begin();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(lines, sizeof(lines), HOST JSON_TYPE "Origin: http://%s\r\n", names[i].name);
        post_chat(lines);
        if (names[i].is_loopback)
            expect_error(400, NULL);
        else
            expect_error(403, "forbidden");
    }
    post_chat(HOST JSON_TYPE "Origin: null\r\n");
    expect_error(403, "forbidden");
    post_chat(HOST JSON_TYPE "Origin:\r\n");
    expect_error(403, "forbidden");
    end();
}

/* A page may send text/plain anywhere without asking; application/json it may not. */
static void wants_json_to_be_called_so_without_a_key(void)
{
    static const struct {
        const char *line;
        bool is_fine;
    } rows[] = {
        { "Content-Type: application/json\r\n", true },
        { "content-type:Application/JSON\r\n", true },
        { "Content-Type: application/json; charset=utf-8\r\n", true },
        { "Content-Type: application/json ;x=text/plain\r\n", true },
        { "", false },
        { "Content-Type:\r\n", false },
        { "Content-Type: text/plain\r\n", false },
        { "Content-Type: text/plain; application/json\r\n", false },
        { "Content-Type: application/json2\r\n", false },
        { "Content-Type: application/x-www-form-urlencoded\r\n", false },
    };
    char lines[256];

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(lines, sizeof(lines), HOST "%s", rows[i].line);
        post_chat(lines);
        if (rows[i].is_fine)
            expect_error(400, NULL);
        else
            expect_error(415, "unsupported_media_type");
    }
    request("GET", "/v1/models", HOST);
    EXPECT_INT(status(), 200);
    end();
}

/* Programs of other machines may come, under whatever name; web pages of others still may not. */
static void is_open_to_all_but_pages_when_told_so(void)
{
    BEGIN("ALLOW_NO_AUTH=true", "LISTEN=0.0.0.0:8089");
    post_chat("Host: gateway.example:8089\r\n" JSON_TYPE);
    expect_error(400, NULL);
    post_chat("Host: gateway.example:8089\r\nOrigin: http://Gateway.example:8089\r\n" JSON_TYPE);
    expect_error(400, NULL);
    post_chat("Host: gateway.example:8089\r\nOrigin: https://web.example\r\n" JSON_TYPE);
    expect_error(403, "forbidden");
    post_chat("Host: gateway.example:8089\r\nOrigin: http://gateway.example\r\n" JSON_TYPE);
    expect_error(403, "forbidden");
    post_chat("Host: gateway.example:8089\r\nContent-Type: text/plain\r\n");
    expect_error(415, "unsupported_media_type");
    request("GET", "/v1/models", "Host: gateway.example\r\nAuthorization: Bearer whatever\r\n");
    EXPECT_INT(status(), 200);
    end();
}

static void is_no_less_careful_on_loopback_when_open_to_all(void)
{
    BEGIN("ALLOW_NO_AUTH=true");
    post_chat("Host: gateway.example\r\n" JSON_TYPE);
    expect_error(403, "forbidden");
    post_chat(HOST "Origin: https://web.example\r\n" JSON_TYPE);
    expect_error(403, "forbidden");
    post_chat("Host: web.example\r\nOrigin: https://web.example\r\n" JSON_TYPE);
    expect_error(403, "forbidden");
    post_chat(HOST "Content-Type: text/plain\r\n");
    expect_error(415, "unsupported_media_type");
    post_chat(HOST JSON_TYPE);
    expect_error(400, NULL);
    end();
}

static void counts_and_logs_what_it_refuses(void)
{
    int64_t before = metric_get(METRIC_REJECTED);
    char out[8192];
    struct str log;
    FILE *file;

    BEGIN("API_MASTER_KEY=right-key");
    file = begin_log();
    request("GET", "/v1/models?secret=1",
            HOST "X-Request-Id: r1\r\nAuthorization: Bearer bad-key\r\n");
    request("PUT", "/healthz", HOST);
    request("GET", "/nothing", HOST);
    request_with_body(HTTP_POST, "POST", "/v1/chat/completions",
                      HOST JSON_TYPE "Authorization: Bearer right-key\r\n",
                      "{\"messages\":[{\"role\":\"user\"}]}");
    request("GET", "/healthz", HOST);
    log = end_log(file, out, sizeof(out));
    EXPECT_INT(metric_get(METRIC_REJECTED) - before, 4);
    EXPECT(has(log, "\"request_id\":\"r1\""));
    EXPECT(has(log, "\"path\":\"/v1/models\""));
    EXPECT(has(log, "\"code\":\"invalid_api_key\""));
    EXPECT(has(log, "\"status\":405"));
    EXPECT(has(log, "\"status\":404"));
    EXPECT(has(log, "\"param\":\"messages[0].content\""));
    EXPECT(!has(log, "secret") && !has(log, "bad-key") && !has(log, "right-key"));
    end();
}

/* No web page reaches a socket file by a name of its own. */
static void does_not_care_for_the_host_on_a_socket_file(void)
{
    BEGIN("LISTEN=unix:/run/gateway.sock");
    request("GET", "/v1/models", "Host: gateway.example\r\n");
    EXPECT_INT(status(), 200);
    request("GET", "/v1/models", "Host: x\r\nOrigin: https://web.example\r\n");
    expect_error(403, "forbidden");
    end();
}

static const struct test suite[] = {
    { "finds the handler of each path", finds_the_handler_of_each_path },
    { "says what is unknown", says_what_is_unknown },
    { "names the methods that a path takes", names_the_methods_that_a_path_takes },
    { "gives HEAD the head of GET", gives_head_the_head_of_get },
    { "answers errors of HTTP in the same shape", answers_errors_of_http_in_the_same_shape },
    { "takes a key in either header", takes_a_key_in_either_header },
    { "wants the key before the body", wants_the_key_before_the_body },
    { "needs no key where the table asks for none", needs_no_key_where_the_table_asks_for_none },
    { "does not care for host, origin and type when it has a key",
      does_not_care_for_host_origin_and_type_when_it_has_a_key },
    { "knows the names of this machine", knows_the_names_of_this_machine },
    { "answers only to names of this machine without a key",
      answers_only_to_names_of_this_machine_without_a_key },
    { "takes nothing from foreign pages without a key",
      takes_nothing_from_foreign_pages_without_a_key },
    { "wants JSON to be called so without a key", wants_json_to_be_called_so_without_a_key },
    { "is open to all but pages when told so", is_open_to_all_but_pages_when_told_so },
    { "is no less careful on loopback when open to all",
      is_no_less_careful_on_loopback_when_open_to_all },
    { "counts and logs what it refuses", counts_and_logs_what_it_refuses },
    { "does not care for the host on a socket file", does_not_care_for_the_host_on_a_socket_file },
};

TEST_MAIN(suite)
