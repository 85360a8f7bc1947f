/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies as text, which hosts go without, and what is said to a proxy, cut at every byte. */
#include "test.h"

#include "base/mem.h"
#include "net/connector.h"
#include "net/proxy_talk.h"

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint e;

    EXPECT_INT(endpoint_parse(str_of(text), &e), ERR_NONE);
    return e;
}

/* ---- text ---- */

static void reads_proxies(void)
{
    static const struct {
        const char *text;
        enum proxy_type type;
        const char *at;
        const char *user;
        const char *password;
    } rows[] = {
        { "http://proxy.local:3128", PROXY_HTTP, "proxy.local:3128", "", "" },
        { "HTTP://proxy.local:3128/", PROXY_HTTP, "proxy.local:3128", "", "" },
        { "http://proxy.local", PROXY_HTTP, "proxy.local:80", "", "" },
        { "proxy.local:8080", PROXY_HTTP, "proxy.local:8080", "", "" },
        { "http://u:p@10.0.0.1:3128", PROXY_HTTP, "10.0.0.1:3128", "u", "p" },
        { "http://u@10.0.0.1:3128", PROXY_HTTP, "10.0.0.1:3128", "u", "" },
        { "http://a%40b:p%3A%2f%25@h:1", PROXY_HTTP, "h:1", "a@b", "p:/%" },
        { "http://u:p@ss@h:1", PROXY_HTTP, "h:1", "u", "p@ss" },
        { "http://u:a:b@h:1", PROXY_HTTP, "h:1", "u", "a:b" },
        { "socks5://h", PROXY_SOCKS5, "h:1080", "", "" },
        { "socks5h://u:p@[::1]:9050", PROXY_SOCKS5, "[::1]:9050", "u", "p" },
        { "socks5h://[::1]", PROXY_SOCKS5, "[::1]:1080", "", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proxy p;
        char at[HOST_MAX + 9];
        EXPECT_INT(proxy_parse(str_of(rows[i].text), &p), ERR_NONE);
        EXPECT_INT(p.type, rows[i].type);
        EXPECT_Z(endpoint_text(&p.at, at), rows[i].at);
        EXPECT_Z(p.user, rows[i].user);
        EXPECT_STR(secret_reveal(&p.password), rows[i].password);
        proxy_deinit(&p);
    }
}

static void refuses_what_is_no_proxy(void)
{
    static const char *const rows[] = {
        "",
        "http://",
        "https://h:1",
        "socks4://h:1",
        "ftp://h",
        "http://h:0",
        "http://h:70000",
        "http://h:1/path",
        "http://u%4:p@h:1",
        "http://u%zz:p@h:1",
        "http://u:p%0a@h:1",
        "http://u:p%00@h:1",
        "http://u:p@",
        "http://unix:/x",
        "http://h:x",
        "http://[::1",
    };
    char text[HOST_MAX + 100];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct proxy p = { .type = PROXY_SOCKS5 };
        EXPECT_INT(proxy_parse(str_of(rows[i]), &p), ERR_BAD_INPUT);
        EXPECT_INT(p.type, PROXY_SOCKS5);
    }
    memset(text, 'u', sizeof(text));
    memcpy(text + HOST_MAX + 1, "@h:1", 5);
    struct proxy p;
    EXPECT_INT(proxy_parse(str_of(text), &p), ERR_BAD_INPUT);
    memcpy(text, "http://h", 8);
    memset(text + 8, 'h', sizeof(text) - 8);
    EXPECT_INT(proxy_parse((struct str){ text, sizeof(text) }, &p), ERR_BAD_INPUT);
}

/* ---- rules ---- */

static void leaves_out_what_no_proxy_names(void)
{
    static const struct {
        const char *no_proxy;
        const char *to;
        bool is_direct;
    } rows[] = {
        { NULL, "api.example.com:443", false },
        { NULL, "localhost:443", true },
        { NULL, "127.0.0.5:443", true },
        { NULL, "[::1]:443", true },
        { NULL, "unix:/x", true },
        { "", "localhost:443", false },
        { "", "unix:/x", true },
        { "*", "api.example.com:443", true },
        { "example.com", "api.example.com:443", true },
        { "example.com", "EXAMPLE.com:443", true },
        { "example.com", "notexample.com:443", false },
        { "example.com", "example.com.evil:443", false },
        { ".example.com", "api.example.com:443", true },
        { "*.example.com", "api.example.com:443", true },
        { "a.b, example.com ,c", "example.com:443", true },
        { "example.com:443", "example.com:443", true },
        { "example.com:444", "example.com:443", false },
        { "example.com:x", "example.com:443", false },
        { ".", "example.com:443", false },
        { "10.0.0.0/8", "10.1.2.3:443", true },
        { "10.0.0.0/8", "11.1.2.3:443", false },
        { "10.1.2.128/25", "10.1.2.129:443", true },
        { "10.1.2.128/25", "10.1.2.127:443", false },
        { "0.0.0.0/0", "11.1.2.3:443", true },
        { "10.0.0.0/33", "10.1.2.3:443", false },
        { "10.0.0.0/x", "10.1.2.3:443", false },
        { "10.0.0.0/8", "ten.example.com:443", false },
        { "10.1.2.3", "10.1.2.3:443", true },
        { "10.1.2.3:443", "10.1.2.3:443", true },
        { "10.1.2.3:80", "10.1.2.3:443", false },
        { "2.3", "10.1.2.3:443", false },
        { "::1", "[::1]:443", true },
        { "[::1]", "[::1]:443", true },
        { "[::1]:443", "[::1]:443", true },
        { "[::1]:80", "[::1]:443", false },
        { "fd00::/8", "[fd12::1]:443", true },
        { "fd00::/8", "[fe80::1]:443", false },
        { "fd00::/8", "10.1.2.3:443", false },
        { "localhost", "localhost:443", true },
    };
    struct proxy_rules rules = { .no_proxy = NULL };

    EXPECT_INT(proxy_parse(STR("http://p:1"), &rules.https), ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint to = endpoint_of(rows[i].to);
        to.tls = true;
        rules.no_proxy = rows[i].no_proxy;
        EXPECT((proxy_for(&rules, &to) == NULL) == rows[i].is_direct);
        to.tls = false;
        EXPECT(proxy_for(&rules, &to) == NULL);
        EXPECT(proxy_for(NULL, &to) == NULL);
    }
}

static void plain_targets_have_a_proxy_of_their_own(void)
{
    struct proxy_rules rules = { .no_proxy = NULL };
    struct endpoint to = endpoint_of("h.example:80");

    EXPECT_INT(proxy_parse(STR("http://p:1"), &rules.http), ERR_NONE);
    EXPECT(proxy_for(&rules, &to) == &rules.http);
    to.tls = true;
    EXPECT(proxy_for(&rules, &to) == NULL);
}

/* ---- talk ---- */

/* What a proxy answers at each step, and what must have been sent before it. */
struct talk {
    const char *proxy;
    const char *to;
    struct {
        struct str sent;
        struct str answer;
    } steps[3];
    const char *why; /* "" when the tunnel opens */
};

#define S(literal)                      \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }

static const struct talk talks[] = {
    { "http://h:1",
      "api.example.com:443",
      { { S("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"),
          S("HTTP/1.1 200 Connection established\r\n\r\n") } },
      "" },
    { "http://u:secret@h:1",
      "[::1]:443",
      { { S("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"
            "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n\r\n"),
          S("HTTP/1.0 204 \r\nVia: x\r\nContent-Length: 10\r\n\r\n") } },
      "" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
          S("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\n") } },
      "answered 407 to CONNECT: it wants other credentials" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), S("HTTP/1.1 502 Bad Gateway\r\n\r\n") } },
      "answered 502 to CONNECT" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), S("HTTP/1.1 100 Continue\r\n\r\n") } },
      "answered 100 to CONNECT" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), S("HTTP/1.1 2x0 \r\n\r\n") } },
      "answered with malformed HTTP" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), S("HTTP/1.1\r\n\r\n") } },
      "answered with malformed HTTP" },
    { "http://h:1",
      "a:1",
      { { S("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), S("SSH-2.0-OpenSSH\r\n") } },
      "does not speak HTTP" },
    { "socks5h://h",
      "api.example.com:443",
      { { S("\5\1\0"), S("\5\0") },
        { S("\5\1\0\3\17api.example.com\1\273"), S("\5\0\0\1\0\0\0\0\0\0") } },
      "" },
    { "socks5h://u:pw@h",
      "10.1.2.3:80",
      { { S("\5\2\0\2"), S("\5\2") },
        { S("\1\1u\2pw"), S("\1\0") },
        { S("\5\1\0\1\12\1\2\3\0\120"), S("\5\0\0\3\4name\0\1") } },
      "" },
    { "socks5h://u:pw@h",
      "[::1]:80",
      { { S("\5\2\0\2"), S("\5\0") },
        { S("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\120"),
          S("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") } },
      "" },
    { "socks5h://h", "a:1", { { S("\5\1\0"), S("\5\377") } }, "wants credentials" },
    { "socks5h://u:pw@h",
      "a:1",
      { { S("\5\2\0\2"), S("\5\377") } },
      "accepts no user and password" },
    { "socks5h://h",
      "a:1",
      { { S("\5\1\0"), S("\5\2") } },
      "chose an authentication that was not offered" },
    { "socks5h://h", "a:1", { { S("\5\1\0"), S("\4\0") } }, "does not speak SOCKS5" },
    { "socks5h://h", "a:1", { { S("\5\1\0"), S("HTTP/1.1 400\r\n") } }, "does not speak SOCKS5" },
    { "socks5h://u:pw@h",
      "a:1",
      { { S("\5\2\0\2"), S("\5\2") }, { S("\1\1u\2pw"), S("\1\1") } },
      "did not accept the credentials" },
    { "socks5h://u:pw@h",
      "a:1",
      { { S("\5\2\0\2"), S("\5\2") }, { S("\1\1u\2pw"), S("\5\0") } },
      "does not speak SOCKS5" },
    { "socks5h://h",
      "a:1",
      { { S("\5\1\0"), S("\5\0") }, { S("\5\1\0\3\1a\0\1"), S("\5\5\0\1\0\0\0\0\0\0") } },
      "found the connection refused" },
    { "socks5h://h",
      "a:1",
      { { S("\5\1\0"), S("\5\0") }, { S("\5\1\0\3\1a\0\1"), S("\5\2") } },
      "does not allow this connection" },
    { "socks5h://h",
      "a:1",
      { { S("\5\1\0"), S("\5\0") }, { S("\5\1\0\3\1a\0\1"), S("\5\20") } },
      "answered with the unknown code 16" },
    { "socks5h://h",
      "a:1",
      { { S("\5\1\0"), S("\5\0") }, { S("\5\1\0\3\1a\0\1"), S("\5\0\0\2\0\0\0\0\0\0") } },
      "answered with malformed SOCKS" },
};

/* Feeds an answer in two pieces; stops at an error. */
static enum err feed_cut(struct proxy_talk *t, struct str answer, size_t cut)
{
    enum err err = ERR_NONE;

    if (cut > 0)
        err = proxy_talk_feed(t, str_sub(answer, 0, cut));
    if (!err && cut < answer.n) {
        EXPECT(t->step != PROXY_OPEN);
        err = proxy_talk_feed(t, str_from(answer, cut));
    }
    return err;
}

/* Cuts the answer of one step, or feeds it byte by byte for `cut` SIZE_MAX. */
static void run_talk(const struct talk *row, size_t cut_step, size_t cut)
{
    struct endpoint to = endpoint_of(row->to);
    struct proxy proxy;
    struct proxy_talk t;
    enum err err;

    EXPECT_INT(proxy_parse(str_of(row->proxy), &proxy), ERR_NONE);
    EXPECT_INT(proxy_talk_init(&t, &proxy, &to), ERR_NONE);
    err = ERR_NONE;
    for (size_t i = 0; i < COUNT_OF(row->steps) && row->steps[i].sent.n > 0 && !err; i++) {
        struct str answer = row->steps[i].answer;
        EXPECT(t.step != PROXY_OPEN);
        EXPECT(str_eq(buf_str(&t.out), row->steps[i].sent));
        buf_consume(&t.out, t.out.n);
        err = feed_cut(&t, answer, i == cut_step && cut < answer.n ? cut : answer.n);
    }
    EXPECT_INT(err, row->why[0] ? ERR_PROXY : ERR_NONE);
    EXPECT(row->why[0] || t.step == PROXY_OPEN);
    EXPECT_Z(t.why, row->why);
    EXPECT(!strstr(t.why, "secret"));
    proxy_talk_deinit(&t);
    proxy_deinit(&proxy);
}

static void talks_whatever_the_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(talks); i++)
        for (size_t step = 0; step < COUNT_OF(talks[i].steps); step++)
            for (size_t cut = 0; cut <= talks[i].steps[step].answer.n; cut++)
                run_talk(&talks[i], step, cut);
}

static void nothing_may_come_behind_an_answer(void)
{
    static const struct talk *const opening[] = { &talks[0], &talks[1], &talks[8], &talks[9] };

    for (size_t i = 0; i < COUNT_OF(opening); i++) {
        const struct talk *row = opening[i];
        for (size_t bad = 0; bad < 3 && row->steps[bad].sent.n > 0; bad++) {
            struct endpoint to = endpoint_of(row->to);
            struct proxy proxy;
            struct proxy_talk t;
            char answer[128];
            EXPECT_INT(proxy_parse(str_of(row->proxy), &proxy), ERR_NONE);
            EXPECT_INT(proxy_talk_init(&t, &proxy, &to), ERR_NONE);
            for (size_t step = 0; step < bad; step++)
                EXPECT_INT(proxy_talk_feed(&t, row->steps[step].answer), ERR_NONE);
            memcpy(answer, row->steps[bad].answer.p, row->steps[bad].answer.n);
            answer[row->steps[bad].answer.n] = 'x';
            EXPECT_INT(proxy_talk_feed(&t, (struct str){ answer, row->steps[bad].answer.n + 1 }),
                       ERR_PROXY);
            EXPECT_Z(t.why, "sent bytes that nobody asked for");
            proxy_talk_deinit(&t);
            proxy_deinit(&proxy);
        }
    }
}

static void an_answer_without_end_is_refused(void)
{
    struct endpoint to = endpoint_of("a:1");
    struct proxy proxy;
    struct proxy_talk t;
    enum err err;
    size_t fed = 0;

    EXPECT_INT(proxy_parse(STR("http://h:1"), &proxy), ERR_NONE);
    EXPECT_INT(proxy_talk_init(&t, &proxy, &to), ERR_NONE);
    EXPECT_INT(proxy_talk_feed(&t, STR("HTTP/1.1 200 \r\n")), ERR_NONE);
    while ((err = proxy_talk_feed(&t, STR("x: yyyyyyyyyyyyyyyy\r\n"))) == ERR_NONE)
        fed += 21;
    EXPECT_INT(err, ERR_PROXY);
    EXPECT(fed > 8000 && fed < 64000);
    EXPECT_Z(t.why, "gave an answer without end");
    proxy_talk_deinit(&t);
}

static void a_password_too_long_for_socks_is_refused(void)
{
    struct endpoint to = endpoint_of("a:1");
    struct proxy proxy;
    struct proxy_talk t;
    char password[256];

    memset(password, 'p', sizeof(password));
    EXPECT_INT(proxy_parse(STR("socks5://u:p@h"), &proxy), ERR_NONE);
    secret_set(&proxy.password, (struct str){ password, 255 });
    EXPECT_INT(proxy_talk_init(&t, &proxy, &to), ERR_NONE);
    proxy_talk_deinit(&t);
    secret_set(&proxy.password, (struct str){ password, 256 });
    EXPECT_INT(proxy_talk_init(&t, &proxy, &to), ERR_PROXY);
    EXPECT(t.why[0]);
    proxy_talk_deinit(&t);
    proxy_deinit(&proxy);
}

static const struct test suite[] = {
    { "reads proxies", reads_proxies },
    { "refuses what is no proxy", refuses_what_is_no_proxy },
    { "leaves out what NO_PROXY names", leaves_out_what_no_proxy_names },
    { "plain targets have a proxy of their own", plain_targets_have_a_proxy_of_their_own },
    { "talks whatever the cut", talks_whatever_the_cut },
    { "nothing may come behind an answer", nothing_may_come_behind_an_answer },
    { "an answer without end is refused", an_answer_without_end_is_refused },
    { "a password too long for SOCKS is refused", a_password_too_long_for_socks_is_refused },
};

TEST_MAIN(suite)
