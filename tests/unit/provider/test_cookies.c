/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/cookies.h"
#include "test.h"

enum { NOW_MS = 1700000000 };

static void expect_jar(const struct cookies *c, const char *want)
{
    struct buf text;

    buf_init(&text, COOKIES_MAX_BYTES * 2);
    EXPECT_INT(cookies_write(c, &text), ERR_NONE);
    EXPECT_STR(buf_str(&text), want);
    buf_deinit(&text);
}

static void takes_a_header_or_the_bare_value(void)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        { "abc.def-ghi_", "__client=abc.def-ghi_" },
        { "  abc  ", "__client=abc" },
        { "ab==", "__client=ab==" },
        { "__client=abc", "__client=abc" },
        { "__client=abc; __cf_bm=1", "__client=abc; __cf_bm=1" },
        { "x=1;__client=abc;y=2;", "x=1; __client=abc; y=2" },
        { "Cookie: __client=abc; y=", "__client=abc; y=" },
        { "cookie:__client=abc", "__client=abc" },
        { "__client=a; __client=b", "__client=b" },
        { "junk; __client=a=b; =c", "__client=a=b" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cookies c = { 0 };

        EXPECT_INT(cookies_load(&c, str_of(rows[i].text)), ERR_NONE);
        expect_jar(&c, rows[i].want);
        cookies_deinit(&c);
    }
}

static void refuses_what_holds_no_cookie(void)
{
    static const char *const rows[] = { "", "  ", "Cookie:", ";", "; ;", "junk;more", "a\nb" };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cookies c = { 0 };

        EXPECT_INT(cookies_load(&c, STR("old")), ERR_NONE);
        EXPECT_INT(cookies_load(&c, str_of(rows[i])), ERR_BAD_INPUT);
        EXPECT_INT(c.n, 0);
        expect_jar(&c, "");
    }
}

static void refuses_more_than_it_may_hold(void)
{
    static char text[COOKIES_MAX_BYTES + 1];
    struct cookies c = { 0 };
    struct buf many;

    memset(text, 'a', sizeof(text));
    EXPECT_INT(cookies_load(&c, (struct str){ text, sizeof(text) }), ERR_TOO_BIG);
    buf_init(&many, 4096);
    for (int i = 0; i <= COOKIES_MAX; i++)
        EXPECT_INT(buf_addf(&many, "c%d=1;", i), ERR_NONE);
    EXPECT_INT(cookies_load(&c, buf_str(&many)), ERR_TOO_BIG);
    EXPECT_INT(c.n, 0);
    buf_deinit(&many);
}

/* A reply that sets these cookies. */
static bool merge_of(int status, struct cookies *c, const char *first, const char *second)
{
    static struct http_head head;

    head.status = status;
    head.n_headers = 0;
    head.headers[head.n_headers++] = (struct http_header){ STR("Date"), STR("x=1") };
    head.headers[head.n_headers++] = (struct http_header){ STR("Set-Cookie"), str_of(first) };
    if (second)
        head.headers[head.n_headers++] = (struct http_header){ STR("set-cookie"), str_of(second) };
    return cookies_merge(c, &head, NOW_MS);
}

static bool merge(struct cookies *c, const char *first, const char *second)
{
    return merge_of(200, c, first, second);
}

/* It may renew, but a sign-in does not end because something went wrong. */
static void a_reply_that_is_no_success_takes_nothing_away(void)
{
    static const int statuses[] = { 302, 401, 429, 500, 503 };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct cookies c = { 0 };

        EXPECT_INT(cookies_load(&c, STR("__client=old; b=2")), ERR_NONE);
        EXPECT(!merge_of(statuses[i], &c, "__client=; Max-Age=0", "b="));
        expect_jar(&c, "__client=old; b=2");
        EXPECT(merge_of(statuses[i], &c, "__client=new", NULL));
        expect_jar(&c, "__client=new; b=2");
        cookies_deinit(&c);
    }
}

static void a_reply_replaces_adds_and_removes(void)
{
    static const struct {
        const char *set;
        const char *want;
        bool changed;
    } rows[] = {
        { "__client=new; Path=/; HttpOnly; Secure", "__client=new; b=2", true },
        { "__client=old", "__client=old; b=2", false },
        { "__cf_bm=x; path=/; expires=Fri, 01-Jan-2100 00:00:00 GMT",
          "__client=old; b=2; __cf_bm=x", true },
        { "b=", "__client=old", true },
        { "b=3; Max-Age=0", "__client=old", true },
        { "b=3; max-age=-1", "__client=old", true },
        { "b=3; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "__client=old; b=3", true },
        { "b=3; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "__client=old", true },
        { "b=3; Expires=whenever", "__client=old; b=3", true },
        { "__client=; Max-Age=0", "b=2", true },
        { "gone=; Max-Age=0", "__client=old; b=2", false },
        { "nonsense", "__client=old; b=2", false },
        { "=x", "__client=old; b=2", false },
        { "", "__client=old; b=2", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cookies c = { 0 };

        EXPECT_INT(cookies_load(&c, STR("__client=old; b=2")), ERR_NONE);
        EXPECT_INT(merge(&c, rows[i].set, NULL), rows[i].changed);
        expect_jar(&c, rows[i].want);
        cookies_deinit(&c);
    }
}

static void all_cookies_of_a_reply_are_taken(void)
{
    struct cookies c = { 0 };

    EXPECT_INT(cookies_load(&c, STR("old")), ERR_NONE);
    EXPECT(merge(&c, "__cf_bm=1", "__client=new; HttpOnly"));
    expect_jar(&c, "__client=new; __cf_bm=1");
    cookies_deinit(&c);
}

static void a_cookie_beyond_the_bound_leaves_the_jar_as_it_was(void)
{
    static char big[COOKIES_MAX_BYTES + 16] = "b=";
    struct cookies c = { 0 };

    memset(big + 2, 'x', sizeof(big) - 3);
    EXPECT_INT(cookies_load(&c, STR("old")), ERR_NONE);
    EXPECT(!merge(&c, big, NULL));
    expect_jar(&c, "__client=old");
    cookies_deinit(&c);
}

static void a_copy_is_its_own(void)
{
    struct cookies a = { 0 };
    struct cookies b = { 0 };

    EXPECT_INT(cookies_load(&a, STR("__client=1; x=2")), ERR_NONE);
    EXPECT_INT(cookies_load(&b, STR("other")), ERR_NONE);
    cookies_copy(&b, &a);
    EXPECT(merge(&a, "__client=changed", NULL));
    expect_jar(&b, "__client=1; x=2");
    cookies_deinit(&a);
    expect_jar(&b, "__client=1; x=2");
    cookies_deinit(&b);
}

static const struct test suite[] = {
    { "takes a header or the bare value", takes_a_header_or_the_bare_value },
    { "refuses what holds no cookie", refuses_what_holds_no_cookie },
    { "refuses more than it may hold", refuses_more_than_it_may_hold },
    { "a reply that is no success takes nothing away",
      a_reply_that_is_no_success_takes_nothing_away },
    { "a reply replaces, adds and removes", a_reply_replaces_adds_and_removes },
    { "all cookies of a reply are taken", all_cookies_of_a_reply_are_taken },
    { "a cookie beyond the bound leaves the jar as it was",
      a_cookie_beyond_the_bound_leaves_the_jar_as_it_was },
    { "a copy is its own", a_copy_is_its_own },
};

TEST_MAIN(suite)
