/* SPDX-License-Identifier: Apache-2.0 */
/* Where a message ends, whether its connection stays, and for which host it is. */
#include "http/heads.h"

#define POST(fields) TEXT("POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")
#define POST_1_0(fields) TEXT("POST / HTTP/1.0\r\n" fields "\r\n")
#define HOST(value) TEXT("GET / HTTP/1.1\r\nHost:" value "\r\n\r\n")
#define REPLY(fields) TEXT("HTTP/1.1 200 OK\r\n" fields "\r\n")

struct row {
    struct text in;
    const char *want;
};

static const struct parser request = { .is_response = false };
static const struct parser reply_to_get = { .is_response = true, .asked = HTTP_GET };
static const struct parser reply_to_head = { .is_response = true, .asked = HTTP_HEAD };

static void expect_rows(const struct parser *how, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_head(how, rows[i].in, rows[i].want);
}

static void reads_the_length_of_a_request(void)
{
    static const struct row rows[] = {
        { POST(""), "POST / @h keep" },
        { POST("Content-Length: 0\r\n"), "POST / @h keep len=0" },
        { POST("Content-Length: 5\r\n"), "POST / @h keep len=5" },
        { POST("content-LENGTH:5\r\n"), "POST / @h keep len=5" },
        { POST("Content-Length:  5 \t\r\n"), "POST / @h keep len=5" },
        { POST("Content-Length: 007\r\n"), "POST / @h keep len=7" },
        { POST("Content-Length: 5\r\nContent-Length: 5\r\n"), "POST / @h keep len=5" },
        { POST("Content-Length: 9223372036854775807\r\n"),
          "POST / @h keep len=9223372036854775807" },
        { POST("Transfer-Encoding: chunked\r\n"), "POST / @h keep chunked" },
        { POST("transfer-encoding:CHUNKED\r\n"), "POST / @h keep chunked" },
        { POST("Transfer-Encoding:  Chunked  \r\n"), "POST / @h keep chunked" },
        { POST("Transfer-Encodings: gzip\r\nX-Content-Length: x\r\n"), "POST / @h keep" },
        { POST_1_0("Content-Length: 5\r\n"), "POST / @ 1.0 close len=5" },
        { POST("Expect: 100-continue\r\nContent-Length: 5\r\n"), "POST / @h keep continue len=5" },
        { POST("expect: 100-Continue\r\n"), "POST / @h keep continue" },
        { POST("Expect: else\r\n"), "POST / @h keep" },
        { POST_1_0("Expect: 100-continue\r\n"), "POST / @ 1.0 close" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_a_length_that_is_no_number(void)
{
    static const char length[] = "400 a malformed Content-Length";
    static const struct row rows[] = {
        { POST("Content-Length:\r\n"), length },
        { POST("Content-Length: +5\r\n"), length },
        { POST("Content-Length: -5\r\n"), length },
        { POST("Content-Length: 5 5\r\n"), length },
        { POST("Content-Length: 5,5\r\n"), length },
        { POST("Content-Length: 5, 6\r\n"), length },
        { POST("Content-Length: 5,\r\n"), length },
        { POST("Content-Length: 0x5\r\n"), length },
        { POST("Content-Length: 5a\r\n"), length },
        { POST("Content-Length: 5.0\r\n"), length },
        { POST("Content-Length: 1e2\r\n"), length },
        { POST("Content-Length: \"5\"\r\n"), length },
        { POST("Content-Length: 5;a\r\n"), length },
        { POST("Content-Length: \xd9\xa5\r\n"), length },
        { POST("Content-Length: 9223372036854775808\r\n"), length },
        { POST("Content-Length: 18446744073709551621\r\n"), length },
        { POST("Content-Length: 99999999999999999999999999999999999999\r\n"), length },
        { POST("Content-Length: 5\r\nContent-Length: x\r\n"), length },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_a_body_with_two_ends(void)
{
    static const char both[] = "400 Content-Length beside Transfer-Encoding";
    static const char differing[] = "400 two different Content-Length headers";
    static const char coding[] = "400 a malformed Transfer-Encoding";
    static const char twice[] = "400 two Transfer-Encoding headers";
    static const char tab[] = "400 a tab in Transfer-Encoding";
    static const char unknown[] = "501 a transfer coding other than chunked";
    static const struct row rows[] = {
        { POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), both },
        { POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), both },
        { POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), both },
        { POST("Content-Length: 5\r\nContent-Length: 6\r\n"), differing },
        { POST("Content-Length: 0\r\nA: b\r\nContent-Length: 6\r\n"), differing },
        { POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), twice },
        { POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), twice },
        { POST("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), unknown },
        { POST("Transfer-Encoding:\r\n"), coding },
        { POST("Transfer-Encoding: ,\r\n"), coding },
        { POST("Transfer-Encoding: ,chunked\r\n"), coding },
        { POST("Transfer-Encoding: chunked,\r\n"), coding },
        { POST("Transfer-Encoding: chunked, chunked\r\n"), coding },
        { POST("Transfer-Encoding: chunked, gzip\r\n"), coding },
        { POST("Transfer-Encoding: chunked, identity\r\n"), coding },
        { POST("Transfer-Encoding: \"chunked\"\r\n"), coding },
        { POST("Transfer-Encoding: 'chunked' x\r\n"), coding },
        { POST("Transfer-Encoding: chunked;q=1\r\n"), coding },
        { POST("Transfer-Encoding: chunked x\r\n"), coding },
        { POST("Transfer-Encoding: x chunked\r\n"), coding },
        { POST("Transfer-Encoding: chun ked\r\n"), coding },
        { POST("Transfer-Encoding: \xff\r\n"), coding },
        { POST("Transfer-Encoding:\tchunked\r\n"), tab },
        { POST("Transfer-Encoding: \tchunked\r\n"), tab },
        { POST("Transfer-Encoding: chunked\t\r\n"), tab },
        { POST("Transfer-Encoding: chunked\t,\r\n"), tab },
        { POST("Transfer-Encoding: \x0b"
               "chunked\r\n"),
          "400 a control byte in a header's value" },
        { POST("Transfer-Encoding: chunked\0\r\n"), "400 a control byte in a header's value" },
        { POST("Transfer-Encoding\x00: chunked\r\n"),
          "400 a header line without a colon or with a bad byte in its name" },
        { POST("Transfer-Encoding: gzip\r\n"), unknown },
        { POST("Transfer-Encoding: gzip, chunked\r\n"), unknown },
        { POST("Transfer-Encoding: identity\r\n"), unknown },
        { POST("Transfer-Encoding: xchunked\r\n"), unknown },
        { POST("Transfer-Encoding: chunkedx\r\n"), unknown },
        { POST_1_0("Transfer-Encoding: chunked\r\n"), "400 Transfer-Encoding in HTTP/1.0" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void knows_whether_a_connection_stays(void)
{
    static const struct row rows[] = {
        { POST("Connection: close\r\n"), "POST / @h close" },
        { POST("connection: CLOSE\r\n"), "POST / @h close" },
        { POST("Connection: keep-alive\r\n"), "POST / @h keep" },
        { POST("Connection: keep-alive, close\r\n"), "POST / @h close" },
        { POST("Connection: x\r\nConnection: close\r\n"), "POST / @h close" },
        { POST("Connection: closed\r\n"), "POST / @h keep" },
        { POST("Proxy-Connection: close\r\n"), "POST / @h keep" },
        { POST_1_0("Connection: keep-alive\r\n"), "POST / @ 1.0 keep" },
        { POST_1_0("Connection: keep-alive, close\r\n"), "POST / @ 1.0 close" },
        { POST("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "POST / @h keep upgrade" },
        { POST("Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n"),
          "POST / @h keep upgrade" },
        { POST("Upgrade: websocket\r\n"), "POST / @h keep" },
        { POST("Connection: upgrade\r\n"), "POST / @h keep" },
        { POST_1_0("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "POST / @ 1.0 close" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void reads_the_host(void)
{
    static const struct row rows[] = {
        { HOST(" a.b-c_d~1"), "GET / @a.b-c_d~1 keep" },
        { HOST("127.0.0.1:8089"), "GET / @127.0.0.1:8089 keep" },
        { HOST(" [::1]"), "GET / @[::1] keep" },
        { HOST(" [2001:DB8::1.2.3.4]:65535"), "GET / @[2001:DB8::1.2.3.4]:65535 keep" },
        { HOST(" a:"), "GET / @a: keep" },
        { HOST(" a:00080"), "GET / @a:00080 keep" },
        { HOST(" a%20b"), "GET / @a%20b keep" },
        { HOST(" a!$&'()*+;="), "GET / @a!$&'()*+;= keep" },
        { TEXT("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), "GET / @a 1.0 close" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_a_host_that_is_none(void)
{
    static const char malformed[] = "400 a malformed Host header";
    static const struct row rows[] = {
        { TEXT("GET / HTTP/1.1\r\n\r\n"), "400 no Host header" },
        { TEXT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), "400 two Host headers" },
        { TEXT("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"), "400 two Host headers" },
        { TEXT("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), "400 two Host headers" },
        { TEXT("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"), malformed },
        { TEXT("GET / HTTP/1.0\r\nHost: /\r\n\r\n"), malformed },
        { HOST(""), malformed },
        { HOST(" "), malformed },
        { HOST(" a b"), malformed },
        { HOST(" a,b"), malformed },
        { HOST(" a/b"), malformed },
        { HOST(" a?b"), malformed },
        { HOST(" a#b"), malformed },
        { HOST(" a@b"), malformed },
        { HOST(" http://a"), malformed },
        { HOST(" a\\b"), malformed },
        { HOST(" \"a\""), malformed },
        { HOST(" \xc3\xa9"), malformed },
        { HOST(" a%2"), malformed },
        { HOST(" a%zz"), malformed },
        { HOST(" %"), malformed },
        { HOST(" :80"), malformed },
        { HOST(" a:b"), malformed },
        { HOST(" a:80:80"), malformed },
        { HOST(" a:-1"), malformed },
        { HOST(" a:65536"), malformed },
        { HOST(" a:80 "
               "x"),
          malformed },
        { HOST(" ::1"), malformed },
        { HOST(" []"), malformed },
        { HOST(" [::1"), malformed },
        { HOST(" [::1]x"), malformed },
        { HOST(" [::1]80"), malformed },
        { HOST(" x[::1]"), malformed },
        { HOST(" [::1%25eth0]"), malformed },
        { HOST(" [127.0.0.1]"), malformed },
        { HOST(" [v1.a]"), malformed },
        { HOST(" [1:2:3:4:5:6:7:8:9]"), malformed },
        { HOST(" [::00000000000000000000000000000000000000000000000000001]"), malformed },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void knows_where_a_response_ends(void)
{
    static const struct row rows[] = {
        { REPLY("Content-Length: 5\r\n"), "200 \"OK\" keep len=5" },
        { REPLY("Content-Length: 0\r\n"), "200 \"OK\" keep len=0" },
        { REPLY("Content-Length: 5\r\nContent-Length: 5\r\n"), "200 \"OK\" keep len=5" },
        { REPLY("Transfer-Encoding: chunked\r\n"), "200 \"OK\" keep chunked" },
        { REPLY("Transfer-Encoding: chunked\r\nConnection: close\r\n"),
          "200 \"OK\" close chunked" },
        { REPLY("Connection: keep-alive\r\n"), "200 \"OK\" close eof" },
        { REPLY("Host: a\r\nHost: ?\r\nContent-Length: 1\r\n"), "200 \"OK\" keep len=1" },
        { TEXT("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n"), "200 \"OK\" 1.0 close len=1" },
        { TEXT("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"),
          "200 \"OK\" 1.0 keep len=1" },
        { TEXT("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\n\r\n"),
          "101 \"Switching Protocols\" keep upgrade" },
        { TEXT("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), "103 \"Early Hints\" keep" },
        { TEXT("HTTP/1.1 204 No Content\r\n\r\n"), "204 \"No Content\" keep" },
        { TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), "204 \"No Content\" keep" },
        { TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"),
          "204 \"No Content\" close" },
        { TEXT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
          "204 \"No Content\" close" },
        { TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
          "304 \"Not Modified\" keep" },
        { TEXT("HTTP/1.1 304 Not Modified\r\n\r\n"), "304 \"Not Modified\" keep" },
        { REPLY("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
          "400 Content-Length beside Transfer-Encoding" },
        { REPLY("Content-Length: 5\r\nContent-Length: 6\r\n"),
          "400 two different Content-Length headers" },
        { REPLY("Content-Length: 5, 5\r\n"), "400 a malformed Content-Length" },
        { REPLY("Transfer-Encoding: gzip, chunked\r\n"),
          "501 a transfer coding other than chunked" },
        { TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
          "400 Transfer-Encoding in HTTP/1.0" },
    };
    static const struct row heads[] = {
        { REPLY("Content-Length: 5\r\n"), "200 \"OK\" keep" },
        { REPLY("Transfer-Encoding: chunked\r\n"), "200 \"OK\" keep" },
        { REPLY(""), "200 \"OK\" keep" },
        { REPLY("Connection: close\r\n"), "200 \"OK\" close" },
    };

    expect_rows(&reply_to_get, rows, COUNT_OF(rows));
    expect_rows(&reply_to_head, heads, COUNT_OF(heads));
}

static const struct test suite[] = {
    { "reads the length of a request", reads_the_length_of_a_request },
    { "refuses a length that is no number", refuses_a_length_that_is_no_number },
    { "refuses a body with two ends", refuses_a_body_with_two_ends },
    { "knows whether a connection stays", knows_whether_a_connection_stays },
    { "reads the host", reads_the_host },
    { "refuses a host that is none", refuses_a_host_that_is_none },
    { "knows where a response ends", knows_where_a_response_ends },
};

TEST_MAIN(suite)
