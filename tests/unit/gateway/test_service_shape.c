/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before a dialect sees it has the shape of the path's API all the same. */
#include "gateway/service.h"

#include "requests.h"

#define MESSAGES "/v1/messages"
#define KEY "x-api-key: sesame\r\n"

static void expect_anthropic(int want, const char *type)
{
    char begin[128];

    EXPECT_INT(status(), want);
    snprintf(begin, sizeof(begin), "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"",
             type);
    EXPECT(str_starts(str_of(body()), str_of(begin)));
}

static void keys_paths_and_methods(void)
{
    static const struct {
        const char *method, *path, *lines;
        int status;
        const char *type;
    } rows[] = {
        { "POST", MESSAGES, HOST, 401, "authentication_error" },
        { "POST", MESSAGES "?beta=true", HOST, 401, "authentication_error" },
        { "POST", MESSAGES, HOST "x-api-key: wrong\r\n", 403, "permission_error" },
        { "POST", MESSAGES "/count_tokens", HOST, 401, "authentication_error" },
        { "GET", MESSAGES, HOST KEY, 405, "invalid_request_error" },
        { "POST", MESSAGES "/batches", HOST KEY, 404, "not_found_error" },
        { "GET", MESSAGES "/batches/b", HOST, 404, "not_found_error" },
    };

    BEGIN("API_MASTER_KEY=sesame");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        request(rows[i].method, rows[i].path, rows[i].lines);
        expect_anthropic(rows[i].status, rows[i].type);
    }
    request("GET", "/v1/messagesx", HOST);
    expect_error(404, "not_found");
    end();
}

static void types_and_pages_without_a_key(void)
{
    begin();
    request("POST", MESSAGES, HOST "Content-Type: text/plain\r\n");
    expect_anthropic(415, "invalid_request_error");
    request("POST", MESSAGES, HOST JSON_TYPE "Origin: https://evil.example\r\n");
    expect_anthropic(403, "permission_error");
    request("POST", MESSAGES, "Host: evil.example\r\n" JSON_TYPE);
    expect_anthropic(403, "permission_error");
    end();
}

static void errors_of_http(void)
{
    struct str in;

    BEGIN("MAX_BODY_BYTES=4KiB");
    EXPECT(wire_feed_z(&f.w, "POST " MESSAGES " HTTP/1.1\r\n" HOST JSON_TYPE
                             "Content-Length: 5000\r\n\r\n"));
    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    expect_anthropic(413, "request_too_large");
    end();
}

static const struct test suite[] = {
    { "keys, paths and methods", keys_paths_and_methods },
    { "types and pages without a key", types_and_pages_without_a_key },
    { "errors of HTTP", errors_of_http },
};

TEST_MAIN(suite)
