/* SPDX-License-Identifier: Apache-2.0 */
/* Start lines, targets and fields of heads, and the small questions about headers. */
#include "http/heads.h"

/* A request with that line, and one with those fields. */
#define LINE(line) TEXT(line "\r\nHost: h\r\n\r\n")
#define WITH(fields) TEXT("GET / HTTP/1.1\r\nHost: h\r\n" fields "\r\n")

struct row {
    struct text in;
    const char *want;
};

static const struct parser request = { .is_response = false };
static const struct parser response = { .is_response = true, .asked = HTTP_GET };

static void expect_rows(const struct parser *how, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        expect_head(how, rows[i].in, rows[i].want);
}

static void reads_request_lines(void)
{
    static const struct row rows[] = {
        { LINE("GET / HTTP/1.1"), "GET / @h keep" },
        { LINE("HEAD / HTTP/1.1"), "HEAD / @h keep" },
        { LINE("POST /v1/chat/completions HTTP/1.1"), "POST /v1/chat/completions @h keep" },
        { LINE("DELETE /keys/1 HTTP/1.1"), "DELETE /keys/1 @h keep" },
        { LINE("PURGE / HTTP/1.1"), "PURGE / @h keep" },
        { LINE("get / HTTP/1.1"), "get / @h keep" },
        { LINE("M-SEARCH / HTTP/1.1"), "M-SEARCH / @h keep" },
        { LINE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1"), "!#$%&'*+-.^_`|~09azAZ / @h keep" },
        { LINE("GET /a?b=c&d HTTP/1.1"), "GET /a?b=c&d @h keep" },
        { LINE("GET /a? HTTP/1.1"), "GET /a? @h keep" },
        { LINE("GET /a?b?c HTTP/1.1"), "GET /a?b?c @h keep" },
        { LINE("GET /? HTTP/1.1"), "GET /? @h keep" },
        { LINE("GET //a HTTP/1.1"), "GET //a @h keep" },
        { LINE("GET /../%2e%00 HTTP/1.1"), "GET /../%2e%00 @h keep" },
        { LINE("GET /\"<>\\^`{|} HTTP/1.1"), "GET /\"<>\\^`{|} @h keep" },
        { LINE("GET /~!$&'()*+,;=:@ HTTP/1.1"), "GET /~!$&'()*+,;=:@ @h keep" },
        { LINE("OPTIONS * HTTP/1.1"), "OPTIONS * @h keep" },
        { LINE("OPTIONS /v1 HTTP/1.1"), "OPTIONS /v1 @h keep" },
        { LINE("CONNECT a.b:443 HTTP/1.1"), "CONNECT  @a.b:443 keep" },
        { LINE("CONNECT [::1]:443 HTTP/1.1"), "CONNECT  @[::1]:443 keep" },
        { LINE("GET / HTTP/1.0"), "GET / @h 1.0 close" },
        { LINE("GET / HTTP/1.2"), "GET / @h keep" },
        { LINE("GET / HTTP/1.9"), "GET / @h keep" },
        { TEXT("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "GET / @h keep" },
        { TEXT("GET / HTTP/1.0\r\n\r\n"), "GET / @ 1.0 close" },
        { TEXT("\r\nGET / HTTP/1.0\r\n\r\n"), "GET / @ 1.0 close" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void takes_the_host_of_an_absolute_target(void)
{
    static const struct row rows[] = {
        { LINE("GET http://a/b?c HTTP/1.1"), "GET /b?c @a keep" },
        { LINE("GET http://a HTTP/1.1"), "GET / @a keep" },
        { LINE("GET http://a/ HTTP/1.1"), "GET / @a keep" },
        { LINE("GET http://a?b HTTP/1.1"), "GET /?b @a keep" },
        { LINE("GET http://a? HTTP/1.1"), "GET /? @a keep" },
        { LINE("GET HTTPS://a:8443/b HTTP/1.1"), "GET /b @a:8443 keep" },
        { LINE("GET hTtP://[::1]:80/b HTTP/1.1"), "GET /b @[::1]:80 keep" },
        { LINE("GET http://a/http://b/ HTTP/1.1"), "GET /http://b/ @a keep" },
        { LINE("OPTIONS http://a HTTP/1.1"), "OPTIONS * @a keep" },
        { LINE("OPTIONS http://a/ HTTP/1.1"), "OPTIONS / @a keep" },
        { LINE("OPTIONS http://a?b HTTP/1.1"), "OPTIONS /?b @a keep" },
        { TEXT("GET http://a/ HTTP/1.0\r\n\r\n"), "GET / @a 1.0 close" },
        { TEXT("GET http://a/ HTTP/1.1\r\n\r\n"), "400 no Host header" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_what_does_not_begin_like_a_request(void)
{
    static const char no_request[] = "400 something that is no HTTP request";
    static const char bare_lf[] = "400 a line that ends with LF alone";
    static const struct row rows[] = {
        { TEXT("\n"), no_request },
        { TEXT("\nGET / HTTP/1.1\r\n"), no_request },
        { TEXT("\r\n\r\nGET / HTTP/1.1\r\n"), no_request },
        { TEXT("\r\n\n"), no_request },
        { TEXT("\r\r\n"), "400 a CR without LF" },
        { TEXT("\rGET / HTTP/1.1\r\n"), "400 a CR without LF" },
        { TEXT(" GET / HTTP/1.1\r\n"), no_request },
        { TEXT("\x16\x03\x01\x02\x00\x01"), no_request },
        { TEXT("\0"), no_request },
        { TEXT("(GET / HTTP/1.1\r\n"), no_request },
        { TEXT("GET / HTTP/1.1\nHost: h\n\n"), bare_lf },
        { TEXT("GET / HTTP/1.1\r\nHost: h\n\r\n"), bare_lf },
        { TEXT("GET / HTTP/1.1\r\nHost: h\r\n\n"), bare_lf },
        { TEXT("GET / HTTP/1.1\n"), bare_lf },
        { TEXT("GET\n"), bare_lf },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_malformed_request_lines(void)
{
    static const char version[] = "400 a malformed HTTP version";
    static const char byte[] = "400 a byte that no request target may have";
    static const char other[] = "505 an HTTP version other than 1.0 and 1.1";
    static const struct row rows[] = {
        { LINE("GET"), "400 a malformed method" },
        { LINE("GET\t/ HTTP/1.1"), "400 a malformed method" },
        { LINE("G(T / HTTP/1.1"), "400 a malformed method" },
        { LINE("G\x80T / HTTP/1.1"), "400 a malformed method" },
        { LINE("G\0T / HTTP/1.1"), "400 a malformed method" },
        { LINE("GET\r/ HTTP/1.1"), "400 a malformed method" },
        { LINE("GET "), "400 a request line without a target" },
        { LINE("GET  / HTTP/1.1"), "400 a request line without a target" },
        { LINE("GET  HTTP/1.1"), "400 a request line without a target" },
        { LINE("GET /"), "400 a request line without a version" },
        { LINE("GET HTTP/1.1"), "400 a request line without a version" },
        { LINE("GET / "), version },
        { LINE("GET / H"), version },
        { LINE("GET /  HTTP/1.1"), version },
        { LINE("GET / HTTP/1.1 "), version },
        { LINE("GET / HTTP/1.1\t"), version },
        { LINE("GET / HTTP/1.1\r"), version },
        { LINE("GET / HTTP/1.10"), version },
        { LINE("GET / HTTP/11"), version },
        { LINE("GET / HTTP/1,1"), version },
        { LINE("GET / HTTP/1."), version },
        { LINE("GET / HTTP/.1"), version },
        { LINE("GET / HTTP/1.x"), version },
        { LINE("GET / HTTP /1.1"), version },
        { LINE("GET / http/1.1"), version },
        { LINE("GET / Http/1.1"), version },
        { LINE("GET / HTTPS/1.1"), version },
        { LINE("GET / RTSP/1.0"), version },
        { LINE("GET / x HTTP/1.1"), version },
        { LINE("GET / HTTP/2.0"), other },
        { LINE("GET / HTTP/3.0"), other },
        { LINE("GET / HTTP/0.9"), other },
        { LINE("PRI * HTTP/2.0"), other },
        { LINE("GET /\ta HTTP/1.1"), byte },
        { LINE("GET /\x01 HTTP/1.1"), byte },
        { LINE("GET /a\0b HTTP/1.1"), byte },
        { LINE("GET /\x7f HTTP/1.1"), byte },
        { LINE("GET /\xc3\xa9 HTTP/1.1"), byte },
        { LINE("GET /a#b HTTP/1.1"), byte },
        { LINE("GET /\ra HTTP/1.1"), "400 a request line without a version" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_targets_of_the_wrong_form(void)
{
    static const char neither[] = "400 a request target that is neither a path nor an http URL";
    static const char host[] = "400 a malformed host in the request target";
    static const char connect[] = "400 a CONNECT to something other than host:port";
    static const struct row rows[] = {
        { LINE("GET * HTTP/1.1"), neither },
        { LINE("OPTIONS ** HTTP/1.1"), neither },
        { LINE("GET a HTTP/1.1"), neither },
        { LINE("GET a.b:443 HTTP/1.1"), neither },
        { LINE("GET ?a HTTP/1.1"), neither },
        { LINE("GET ftp://a/ HTTP/1.1"), neither },
        { LINE("GET ws://a/ HTTP/1.1"), neither },
        { LINE("GET http:/a HTTP/1.1"), neither },
        { LINE("GET http: HTTP/1.1"), neither },
        { LINE("GET \\a HTTP/1.1"), neither },
        { LINE("GET http:// HTTP/1.1"), host },
        { LINE("GET http:///a HTTP/1.1"), host },
        { LINE("GET http://?a HTTP/1.1"), host },
        { LINE("GET http://:80/ HTTP/1.1"), host },
        { LINE("GET http://u@a/ HTTP/1.1"), host },
        { LINE("GET http://u:p@a/ HTTP/1.1"), host },
        { LINE("GET http://a:x/ HTTP/1.1"), host },
        { LINE("GET http://a:99999/ HTTP/1.1"), host },
        { LINE("GET http://a\\b/ HTTP/1.1"), host },
        { LINE("CONNECT / HTTP/1.1"), connect },
        { LINE("CONNECT * HTTP/1.1"), connect },
        { LINE("CONNECT a HTTP/1.1"), connect },
        { LINE("CONNECT a: HTTP/1.1"), connect },
        { LINE("CONNECT :443 HTTP/1.1"), connect },
        { LINE("CONNECT http://a:443 HTTP/1.1"), connect },
        { LINE("CONNECT u@a:443 HTTP/1.1"), connect },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void reads_fields(void)
{
    static const struct row rows[] = {
        { WITH("a:b\r\n"), "GET / @h keep" },
        { WITH("a:\r\n"), "GET / @h keep" },
        { WITH("a: \t \r\n"), "GET / @h keep" },
        { WITH("a: b c\td \r\n"), "GET / @h keep" },
        { WITH("a: \xc3\xa9\xff\x80\r\n"), "GET / @h keep" },
        { WITH("a: :\r\n"), "GET / @h keep" },
        { WITH("!#$%&'*+-.^_`|~09azAZ: x\r\n"), "GET / @h keep" },
        { WITH("a: 0123456789012345678901234567890123456789\tx~\xff\r\n"), "GET / @h keep" },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void refuses_malformed_fields(void)
{
    static const char folded[] = "400 a folded header line";
    static const char space[] = "400 a space before a header's colon";
    static const char name[] = "400 a header line without a colon or with a bad byte in its name";
    static const char control[] = "400 a control byte in a header's value";
    static const struct row rows[] = {
        { WITH(" a: b\r\n"), folded },
        { WITH("a: b\r\n c\r\n"), folded },
        { WITH("a: b\r\n\tc\r\n"), folded },
        { WITH("a: b\r\n \r\n"), folded },
        { TEXT("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), folded },
        { WITH("a : b\r\n"), space },
        { WITH("a\t: b\r\n"), space },
        { WITH("Transfer-Encoding : chunked\r\n"), space },
        { WITH(": b\r\n"), "400 a header without a name" },
        { WITH("a\r\n"), name },
        { WITH("a(: b\r\n"), name },
        { WITH("a\0: b\r\n"), name },
        { WITH("a\x80: b\r\n"), name },
        { WITH("a/b: c\r\n"), name },
        { WITH("\x0b"
               "a: b\r\n"),
          name },
        { WITH("\"a\": b\r\n"), name },
        { WITH("a: b\0c\r\n"), control },
        { WITH("a: b\x01\r\n"), control },
        { WITH("a: b\x0b\r\n"), control },
        { WITH("a: b\x1f\r\n"), control },
        { WITH("a: b\x7f\r\n"), control },
        { WITH("a: 0123456789abcdef0123456789\x7f\r\n"), control },
        { WITH("a: 0123456789abcde\x01\r\n"), control },
        { WITH("a: b\rc\r\n"), control },
        { WITH("a: b\r\r\n"), control },
        { WITH("a: \rb: c\r\n"), control },
        { WITH("\ra: b\r\n"), "400 a CR without LF" },
        { WITH("\r\r\n"), "400 a CR without LF" },
        { WITH("a\rb: c\r\n"), name },
    };

    expect_rows(&request, rows, COUNT_OF(rows));
}

static void waits_for_the_rest_of_a_head(void)
{
    static const struct row rows[] = {
        { TEXT("\r"), "more" },
        { TEXT("\r\n"), "more" },
        { TEXT("G"), "more" },
        { TEXT("GET / HTTP/1.1\r\n"), "more" },
        { TEXT("GET / HTTP/1.1\r\nHost: h\r\n\r"), "more" },
        { TEXT("GET / HTTP/1.1\r\nHost: h\r\n"), "more" },
        { TEXT("PRI"), "more" },
    };
    struct http_head h;
    struct http_refusal why;
    size_t scanned = 0;
    size_t used;

    EXPECT_INT(http_parse_request((struct str){ NULL, 0 }, &scanned, &h, &used, &why), ERR_AGAIN);
    EXPECT_INT(http_parse_response((struct str){ NULL, 0 }, HTTP_GET, &scanned, &h, &used, &why),
               ERR_AGAIN);
    expect_rows(&request, rows, COUNT_OF(rows));
}

static void reads_status_lines(void)
{
    static const struct row rows[] = {
        { TEXT("HTTP/1.1 200 OK\r\n\r\n"), "200 \"OK\" close eof" },
        { TEXT("HTTP/1.1 200 \r\n\r\n"), "200 \"\" close eof" },
        { TEXT("HTTP/1.1 200\r\n\r\n"), "200 \"\" close eof" },
        { TEXT("HTTP/1.1 404 Not Found\r\n\r\n"), "404 \"Not Found\" close eof" },
        { TEXT("HTTP/1.1 500 d\xc3\xa9j\xc3\xa0 vu\t!\r\n\r\n"),
          "500 \"d\xc3\xa9j\xc3\xa0 vu\t!\" close eof" },
        { TEXT("HTTP/1.1 200  two \r\n\r\n"), "200 \" two \" close eof" },
        { TEXT("HTTP/1.0 200 OK\r\n\r\n"), "200 \"OK\" 1.0 close eof" },
        { TEXT("HTTP/1.2 200 OK\r\n\r\n"), "200 \"OK\" close eof" },
        { TEXT("HTTP/1.1 999 x\r\n\r\n"), "999 \"x\" close eof" },
        { TEXT("HTTP/1.1 100 Continue\r\n\r\n"), "100 \"Continue\" keep" },
        { TEXT("HTTP/1.1 200 OK\r\nA: \xe4\xff\r\nServer:\r\n\r\n"), "200 \"OK\" close eof" },
        { TEXT("HTTP/1.1 200 OK\r\n"), "more" },
        { TEXT("HTT"), "more" },
        { TEXT("HTTP/"), "more" },
    };

    expect_rows(&response, rows, COUNT_OF(rows));
}

static void refuses_malformed_responses(void)
{
    static const char no_response[] = "400 something that is no HTTP response";
    static const char status[] = "400 a malformed status line";
    static const char version[] = "400 a malformed HTTP version";
    static const struct row rows[] = {
        { TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n"), no_response },
        { TEXT("http/1.1 200 OK\r\n\r\n"), no_response },
        { TEXT("ICY 200 OK\r\n\r\n"), no_response },
        { TEXT("SSH-2.0-OpenSSH_9.2\r\n"), no_response },
        { TEXT("HTTX"), no_response },
        { TEXT("\x15\x03\x01"), no_response },
        { TEXT("HTTP/1.1 200 OK\n\n"), "400 a line that ends with LF alone" },
        { TEXT("HTTP/1.1 200 OK\r\nA: b\n\r\n"), "400 a line that ends with LF alone" },
        { TEXT("HTTP/2 200\r\n\r\n"), version },
        { TEXT("HTTP/\r\n\r\n"), version },
        { TEXT("HTTP/1\r\n\r\n"), version },
        { TEXT("HTTP/2.0 200 OK\r\n\r\n"), "505 an HTTP version other than 1.0 and 1.1" },
        { TEXT("HTTP/1.1\r\n\r\n"), status },
        { TEXT("HTTP/1.1 \r\n\r\n"), status },
        { TEXT("HTTP/1.1 2\r\n\r\n"), status },
        { TEXT("HTTP/1.1 20\r\n\r\n"), status },
        { TEXT("HTTP/1.1 20x OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 2000 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 099 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 -10 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 :00 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1  200 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1\t200 OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 200\tOK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 200OK\r\n\r\n"), status },
        { TEXT("HTTP/1.1 200 O\0K\r\n\r\n"), "400 a control byte in the status line" },
        { TEXT("HTTP/1.1 200 OK\r\r\n\r\n"), "400 a control byte in the status line" },
        { TEXT("HTTP/1.1 200\r\r\n\r\n"), "400 a control byte in the status line" },
        { TEXT("HTTP/1.1 200 OK\r\n a: b\r\n\r\n"), "400 a folded header line" },
        { TEXT("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), "400 a space before a header's colon" },
        { TEXT("HTTP/1.1 200 OK\r\nA: \x02\r\n\r\n"), "400 a control byte in a header's value" },
    };

    expect_rows(&response, rows, COUNT_OF(rows));
}

static size_t write_many_headers(char *out, size_t cap, size_t count)
{
    size_t n = (size_t)snprintf(out, cap, "GET / HTTP/1.1\r\nHost: h\r\n");

    for (size_t i = 1; i < count; i++)
        n += (size_t)snprintf(out + n, cap - n, "x-%zu: %zu\r\n", i, i);
    return n + (size_t)snprintf(out + n, cap - n, "\r\n");
}

static void takes_a_hundred_headers_and_no_more(void)
{
    char in[4096];
    struct text text = { in, 0 };
    struct http_head h;
    struct http_refusal why;
    size_t scanned = 0;
    size_t used;

    text.n = write_many_headers(in, sizeof(in), HTTP_HEADERS_MAX);
    expect_head(&request, text, "GET / @h keep");
    EXPECT_INT(http_parse_request((struct str){ in, text.n }, &scanned, &h, &used, &why), 0);
    EXPECT_INT(h.n_headers, HTTP_HEADERS_MAX);
    EXPECT_STR(http_value(&h, "X-99"), "99");

    text.n = write_many_headers(in, sizeof(in), HTTP_HEADERS_MAX + 1);
    expect_head(&request, text, "431 too many headers");
    EXPECT_INT(http_parse_request((struct str){ in, text.n }, &scanned, &h, &used, &why),
               ERR_TOO_BIG);
}

static void scans_no_byte_of_a_head_twice(void)
{
    struct str in = STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    struct http_head h;
    struct http_refusal why;
    size_t scanned = 0;
    size_t used = 0;

    for (size_t n = 1; n < in.n; n++) {
        EXPECT_INT(http_parse_request(str_sub(in, 0, n), &scanned, &h, &used, &why), ERR_AGAIN);
        EXPECT_INT(scanned, n);
    }
    EXPECT_INT(http_parse_request(in, &scanned, &h, &used, &why), ERR_NONE);
    EXPECT_INT(scanned, 0);
}

static void finds_headers_by_name_without_case(void)
{
    struct str in = STR("GET /p?q HTTP/1.1\r\nhOST:h\r\nA:  one \t\r\nB:\r\na: two\r\n\r\n");
    struct http_head h;
    struct http_refusal why;
    size_t scanned = 0;
    size_t used;

    EXPECT_INT(http_parse_request(in, &scanned, &h, &used, &why), ERR_NONE);
    EXPECT_INT(h.n_headers, 4);
    EXPECT_INT(h.method, HTTP_GET);
    EXPECT_STR(h.target, "/p?q");
    EXPECT_STR(h.query, "q");
    EXPECT_STR(h.headers[0].name, "hOST");
    EXPECT_STR(h.headers[1].value, "one");
    EXPECT_STR(http_value(&h, "a"), "one");
    EXPECT_STR(http_value(&h, "b"), "");
    EXPECT(http_value(&h, "b").p != NULL);
    EXPECT(http_value(&h, "c").p == NULL);
    EXPECT(http_find(&h, "A") == &h.headers[1]);
    EXPECT(http_find(&h, "") == NULL);
}

static void knows_the_methods(void)
{
    static const char *const names[] = { "GET",   "HEAD",   "POST",    "PUT",
                                         "PATCH", "DELETE", "OPTIONS", "OTHER" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char in[64];
        struct http_head h;
        struct http_refusal why;
        size_t scanned = 0;
        size_t used;

        snprintf(in, sizeof(in), "%s / HTTP/1.0\r\n\r\n", names[i]);
        EXPECT_INT(http_parse_request(str_of(in), &scanned, &h, &used, &why), ERR_NONE);
        EXPECT_INT(h.method, (int)i);
        EXPECT_STR(h.method_text, names[i]);
        EXPECT_Z(http_method_name(h.method), names[i]);
    }
}

static void finds_tokens_in_lists(void)
{
    EXPECT(http_list_has(STR("close"), "close"));
    EXPECT(http_list_has(STR("keep-alive, Upgrade"), "upgrade"));
    EXPECT(http_list_has(STR(" ,, a ,\tCLOSE\t"), "close"));
    EXPECT(!http_list_has(STR("closed, not close"), "close"));
    EXPECT(!http_list_has(STR(""), "close"));
    EXPECT(!http_list_has((struct str){ NULL, 0 }, "close"));
}

static void knows_what_may_be_sent(void)
{
    EXPECT(http_value_is_safe(STR("")));
    EXPECT(http_value_is_safe((struct str){ NULL, 0 }));
    EXPECT(http_value_is_safe(STR("a b\tc \xc3\xa9")));
    EXPECT(!http_value_is_safe(STR("a\r\nb: c")));
    EXPECT(!http_value_is_safe(STR("a\nb")));
    EXPECT(!http_value_is_safe(STR("0123456789abcdef\0")));
    EXPECT(!http_value_is_safe(STR("\x7f")));
    EXPECT(http_name_is_safe(STR("x-request-id")));
    EXPECT(!http_name_is_safe(STR("")));
    EXPECT(!http_name_is_safe(STR("a b")));
    EXPECT(!http_name_is_safe(STR("a:")));
    EXPECT(!http_name_is_safe(STR("\xc3")));
}

static void every_byte_is_what_the_grammar_says(void)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        struct str s = { &byte, 1 };
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool is_mark = c != 0 && c < 0x80 && strchr("!#$%&'*+-.^_`|~", c) != NULL;

        EXPECT_INT(http_name_is_safe(s), is_alnum || is_mark);
        EXPECT_INT(http_value_is_safe(s), c == '\t' || (c >= ' ' && c != 0x7f));
    }
}

static void names_the_statuses_it_sends(void)
{
    static const int sent[] = { 200, 400, 401, 403, 404, 405, 408, 413, 414,
                                429, 431, 500, 501, 502, 503, 504, 505 };

    for (size_t i = 0; i < COUNT_OF(sent); i++)
        EXPECT(http_reason(sent[i])[0] != '\0');
    EXPECT_Z(http_reason(101), "Switching Protocols");
    EXPECT_Z(http_reason(404), "Not Found");
    EXPECT_Z(http_reason(299), "");
    EXPECT_Z(http_reason(-1), "");
}

static const struct test suite[] = {
    { "reads request lines", reads_request_lines },
    { "takes the host of an absolute target", takes_the_host_of_an_absolute_target },
    { "refuses what does not begin like a request", refuses_what_does_not_begin_like_a_request },
    { "refuses malformed request lines", refuses_malformed_request_lines },
    { "refuses targets of the wrong form", refuses_targets_of_the_wrong_form },
    { "reads fields", reads_fields },
    { "refuses malformed fields", refuses_malformed_fields },
    { "waits for the rest of a head", waits_for_the_rest_of_a_head },
    { "reads status lines", reads_status_lines },
    { "refuses malformed responses", refuses_malformed_responses },
    { "takes a hundred headers and no more", takes_a_hundred_headers_and_no_more },
    { "scans no byte of a head twice", scans_no_byte_of_a_head_twice },
    { "finds headers by name without case", finds_headers_by_name_without_case },
    { "knows the methods", knows_the_methods },
    { "finds tokens in lists", finds_tokens_in_lists },
    { "knows what may be sent", knows_what_may_be_sent },
    { "every byte is what the grammar says", every_byte_is_what_the_grammar_says },
    { "names the statuses it sends", names_the_statuses_it_sends },
};

TEST_MAIN(suite)
