/* SPDX-License-Identifier: Apache-2.0 */
/* Single requests to the gateway for tests of what its service makes of them. */
#pragma once

#include "flow.h"

/* A request with these lines behind the first one ("Name: value\r\n" each) on the test's
 * connection, which is opened anew if need be; its answer is then in head() and body(). */
static inline void request_with_body(enum http_method how, const char *method, const char *path,
                                     const char *lines, const char *sent)
{
    char text[8192];
    struct str in;
    int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n%s", method, path, lines);

    EXPECT(n > 0 && (size_t)n < sizeof(text));
    if (f.w.is_closed) {
        wire_free(&f.w);
        open_wire(&f.w);
    }
    EXPECT(wire_feed_z(&f.w, text));
    if (sent) {
        n = snprintf(text, sizeof(text), "Content-Length: %zu\r\n\r\n%s", strlen(sent), sent);
        EXPECT(n > 0 && (size_t)n < sizeof(text));
    }
    EXPECT(wire_feed_z(&f.w, sent ? text : "\r\n"));
    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, how));
    EXPECT_INT(in.n, 0);
    wire_clear(&f.w);
}

static inline void request(const char *method, const char *path, const char *lines)
{
    bool is_head = strcmp(method, "HEAD") == 0;

    request_with_body(is_head ? HTTP_HEAD : HTTP_GET, method, path, lines, NULL);
}

/* A request for a chat, whose body is wrong: 400 when it is let through. */
static inline void post_chat(const char *lines)
{
    request_with_body(HTTP_POST, "POST", "/v1/chat/completions", lines, "{}");
}

static inline int status(void)
{
    uint64_t number = 0;

    EXPECT(str_starts(str_of(head()), STR("HTTP/1.1 ")));
    EXPECT(str_to_u64(str_sub(str_of(head()), 9, 3), 999, &number) == ERR_NONE);
    return (int)number;
}

/* A header line of the answer: "name: value". */
static inline bool has_line(const char *line)
{
    char text[512];

    snprintf(text, sizeof(text), "\r\n%s\r\n", line);
    return has(str_of(head()), text);
}

/* The answer is an error of this status and code (NULL: null) in OpenAI's shape. */
static inline void expect_error(int want, const char *code)
{
    char member[64] = "\"code\":null}}";

    if (code)
        snprintf(member, sizeof(member), "\"code\":\"%s\"}}", code);
    EXPECT_INT(status(), want);
    EXPECT(has_line("content-type: application/json"));
    EXPECT(str_starts(str_of(body()), STR("{\"error\":{\"message\":\"")));
    EXPECT(str_ends(str_of(body()), str_of(member)));
}

#define HOST "Host: localhost:8089\r\n"
#define JSON_TYPE "Content-Type: application/json\r\n"
