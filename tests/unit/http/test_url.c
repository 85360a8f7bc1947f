/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of settings, the Host header they make, and values of query strings. */
#include "base/mem.h"
#include "http/url.h"
#include "test.h"

enum { WHAT_SIZE = 128 };

static void takes_urls_apart(void)
{
    static const struct {
        const char *in;
        const char *host;
        int port;
        bool tls;
        const char *path;
        const char *header;
    } rows[] = {
        { "http://a", "a", 80, false, "", "a" },
        { "https://a", "a", 443, true, "", "a" },
        { "ws://a", "a", 80, false, "", "a" },
        { "wss://a", "a", 443, true, "", "a" },
        { "HTTPS://Api.Example.AI", "api.example.ai", 443, true, "", "api.example.ai" },
        { "http://a/", "a", 80, false, "", "a" },
        { "http://a//", "a", 80, false, "", "a" },
        { "http://a/V1", "a", 80, false, "/V1", "a" },
        { "http://a/v1/", "a", 80, false, "/v1", "a" },
        { "http://a/b//c/%20@:", "a", 80, false, "/b//c/%20@:", "a" },
        { "http://a:80", "a", 80, false, "", "a" },
        { "http://a:443", "a", 443, false, "", "a:443" },
        { "https://a:80/x", "a", 80, true, "/x", "a:80" },
        { "https://a:443", "a", 443, true, "", "a" },
        { "http://a:", "a", 80, false, "", "a" },
        { "http://a:08089/", "a", 8089, false, "", "a:8089" },
        { "http://a:65535", "a", 65535, false, "", "a:65535" },
        { "http://127.0.0.1:11434/v1", "127.0.0.1", 11434, false, "/v1", "127.0.0.1:11434" },
        { "http://[::1]", "::1", 80, false, "", "[::1]" },
        { "https://[2001:DB8::1]:8443/x", "2001:db8::1", 8443, true, "/x", "[2001:db8::1]:8443" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct url u;
        char what[WHAT_SIZE];
        char header[URL_HOST_HEADER_SIZE];

        EXPECT_INT(url_parse(str_of(rows[i].in), &u, what), ERR_NONE);
        EXPECT_Z(u.endpoint.host, rows[i].host);
        EXPECT_INT(u.endpoint.port, rows[i].port);
        EXPECT_INT(u.endpoint.tls, rows[i].tls);
        EXPECT(!u.endpoint.is_unix);
        EXPECT_Z(u.path, rows[i].path);
        EXPECT_Z(url_host_header(&u, header), rows[i].header);
        url_deinit(&u);
        EXPECT(u.path == NULL);
        url_deinit(&u);
    }
}

static void a_unix_socket_is_asked_as_localhost(void)
{
    const struct url u = { .endpoint = { .host = "/run/gateway.sock", .is_unix = true } };
    char header[URL_HOST_HEADER_SIZE];

    EXPECT_Z(url_host_header(&u, header), "localhost");
}

static void says_what_is_wrong_with_a_url(void)
{
    static const char scheme[] = "the URL must begin with http://, https://, ws:// or wss://";
    static const char none[] = "the URL names no host";
    static const char user[] = "a user name or password in the URL is not supported; remove it";
    static const char host[] = "malformed host or port; write host, host:port or [IPv6]:port";
    static const char query[] = "the URL must end before any '?' or '#'";
    static const char byte[] = "a space or another byte that no URL may have";
    static const struct {
        const char *in;
        const char *what;
    } rows[] = {
        { "", scheme },
        { "a", scheme },
        { "a.b/c", scheme },
        { "http:", scheme },
        { "http:/a", scheme },
        { "http//a", scheme },
        { "ftp://a", scheme },
        { " http://a", scheme },
        { "//a", scheme },
        { "http://", none },
        { "http:///a", none },
        { "http://u@a", user },
        { "http://u:secret@a/", user },
        { "http://:80", host },
        { "http://a:b", host },
        { "http://a:-1", host },
        { "http://a:65536", host },
        { "http://a:80:80", host },
        { "http://a,b", host },
        { "http://a%20b", host },
        { "http://a\\b", host },
        { "http://::1", host },
        { "http://[::1", host },
        { "http://[::1]x", host },
        { "http://[a]", host },
        { "http://a:0", "port 0 cannot be connected to" },
        { "http://a?b", query },
        { "http://a/?", query },
        { "http://a#", query },
        { "http://a/b#c", query },
        { "http://a b", byte },
        { "http://a/b c", byte },
        { "http://a\n", byte },
        { "http://a/\xc3\xa9", byte },
        { "http://a/\x7f", byte },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct url u;
        char what[WHAT_SIZE] = "";

        EXPECT_INT(url_parse(str_of(rows[i].in), &u, what), ERR_BAD_INPUT);
        EXPECT_Z(what, rows[i].what);
    }
}

/* "http://" and `n` times 'a'. */
static enum err parse_long_host(size_t n, struct url *ret, char *ret_what)
{
    char in[512] = "http://";

    memset(in + 7, 'a', n);
    return url_parse((struct str){ in, 7 + n }, ret, ret_what);
}

static void bounds_the_length_of_a_url(void)
{
    struct url u;
    char what[WHAT_SIZE];
    char header[URL_HOST_HEADER_SIZE];
    char in[5000] = "http://a/";

    EXPECT_INT(parse_long_host(HOST_MAX, &u, what), ERR_NONE);
    EXPECT_INT(strlen(url_host_header(&u, header)), HOST_MAX);
    u.endpoint.port = 65535;
    EXPECT_INT(strlen(url_host_header(&u, header)), HOST_MAX + 6);
    url_deinit(&u);
    EXPECT_INT(parse_long_host(HOST_MAX + 1, &u, what), ERR_BAD_INPUT);
    EXPECT_Z(what, "the host name is longer than 255 bytes");

    memset(in + 9, 'a', sizeof(in) - 9);
    EXPECT_INT(url_parse((struct str){ in, 4096 }, &u, what), ERR_NONE);
    url_deinit(&u);
    EXPECT_INT(url_parse((struct str){ in, 4097 }, &u, what), ERR_BAD_INPUT);
    EXPECT_Z(what, "the URL is longer than 4096 bytes");
}

static void finds_values_in_a_query(void)
{
    static const struct {
        const char *query;
        const char *name;
        const char *want; /* NULL: absent */
    } rows[] = {
        { "a=1", "a", "1" },
        { "a=1&b=2", "b", "2" },
        { "a=1&a=2", "a", "1" },
        { "&&a=1&", "a", "1" },
        { "a=", "a", "" },
        { "a", "a", "" },
        { "a=b=c", "a", "b=c" },
        { "a=%41%2b%2B%26", "a", "A++&" },
        { "a=b+c%20d", "a", "b c d" },
        { "%61b=1", "ab", "1" },
        { "a=%c3%a9\xc3\xa9", "a", "\xc3\xa9\xc3\xa9" },
        { "a=1234567", "a", "1234567" },
        { "a=12345678", "a", NULL },
        { "a=%", "a", NULL },
        { "a=%4", "a", NULL },
        { "a=%4g", "a", NULL },
        { "a=%00", "a", NULL },
        { "a=b%00c", "a", NULL },
        { "", "a", NULL },
        { "b=1", "a", NULL },
        { "ab=1", "a", NULL },
        { "a=1", "ab", NULL },
        { "A=1", "a", NULL },
        { "%6=1", "a", NULL },
        { "a%00=1", "a", NULL },
        { "=1", "a", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[8];
        bool found = url_query_get(str_of(rows[i].query), rows[i].name, out, sizeof(out));

        EXPECT_INT(found, rows[i].want != NULL);
        if (found)
            EXPECT_Z(out, rows[i].want);
    }
}

static void tells_what_cannot_be_read_from_what_is_absent(void)
{
    static const struct {
        const char *query;
        bool has;
    } rows[] = {
        { "a=1", true },   { "b=2&a", true },     { "a=12345678", true }, { "%61=%", true },
        { "a=%00", true }, { "b=1&a=%4g", true }, { "", false },          { "b=a", false },
        { "ab=1", false }, { "a%00=1", false },   { "%6=1", false },      { "=a", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(url_query_has(str_of(rows[i].query), "a"), rows[i].has);
}

static void reads_segments_of_a_path(void)
{
    static const struct {
        const char *segment;
        const char *want; /* NULL: it cannot be read */
    } rows[] = {
        { "key_1", "key_1" }, { "a+b", "a+b" },  { "a%2Fb", "a/b" },       { "", "" },
        { "%zz", NULL },      { "a%00b", NULL }, { "1234567", "1234567" }, { "12345678", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[8];
        bool is_read = url_segment_get(str_of(rows[i].segment), out, sizeof(out));

        EXPECT_INT(is_read, rows[i].want != NULL);
        if (is_read)
            EXPECT_Z(out, rows[i].want);
    }
}

static void a_copy_is_equal_and_its_own(void)
{
    static const char *const others[] = { "http://a/b", "https://a/c", "https://b/b",
                                          "https://a:1/b" };
    struct url u, copy, unset = { .path = NULL };
    char what[WHAT_SIZE];

    EXPECT_INT(url_parse(STR("https://a/b"), &u, what), ERR_NONE);
    url_copy(&copy, &u);
    EXPECT(url_eq(&u, &copy) && copy.path != u.path);
    EXPECT(!url_eq(&u, &unset) && !url_eq(&unset, &u));
    url_deinit(&copy);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        EXPECT_INT(url_parse(str_of(others[i]), &copy, what), ERR_NONE);
        EXPECT(!url_eq(&u, &copy));
        url_deinit(&copy);
    }
    url_copy(&copy, &unset);
    EXPECT(!copy.path && url_eq(&copy, &unset));
    url_deinit(&u);
}

static void reads_no_byte_behind_a_query(void)
{
    struct str query = STR("a=%41");

    for (size_t n = 0; n <= query.n; n++) {
        char *copy = mem_alloc(n);
        char out[8];

        memcpy(copy, query.p, n);
        bool found = url_query_get((struct str){ copy, n }, "a", out, sizeof(out));
        EXPECT_INT(found, n == 1 || n == 2 || n == 5);
        mem_free(copy);
    }
}

static const struct test suite[] = {
    { "takes URLs apart", takes_urls_apart },
    { "a unix socket is asked as localhost", a_unix_socket_is_asked_as_localhost },
    { "says what is wrong with a URL", says_what_is_wrong_with_a_url },
    { "bounds the length of a URL", bounds_the_length_of_a_url },
    { "finds values in a query", finds_values_in_a_query },
    { "tells what cannot be read from what is absent",
      tells_what_cannot_be_read_from_what_is_absent },
    { "reads segments of a path", reads_segments_of_a_path },
    { "a copy is equal and its own", a_copy_is_equal_and_its_own },
    { "reads no byte behind a query", reads_no_byte_behind_a_query },
};

TEST_MAIN(suite)
