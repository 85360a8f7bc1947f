/* SPDX-License-Identifier: Apache-2.0 */
/* Values of settings: what is taken, what it means, what is refused. */
#include "gateway/setting_value.h"

#include "base/buf.h"
#include "test.h"

static void reads_seconds(void)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        { "5", 5000 },    { "0.5", 500 },
        { "0", 0 },       { "1.25", 1250 },
        { "0.001", 1 },   { "300", 300000 },
        { "", -1 },       { "-1", -1 },
        { "1e3", -1 },    { "1.", -1 },
        { ".5", -1 },     { "5s", -1 },
        { "1.2345", -1 }, { "99999999999999", -1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ms = -1;
        enum err err = setting_seconds(str_of(rows[i].text), &ms);

        EXPECT_INT(ms, rows[i].ms);
        EXPECT((err == ERR_NONE) == (rows[i].ms >= 0));
    }
}

static void reads_sizes(void)
{
    static const struct {
        const char *text;
        size_t bytes; /* SIZE_MAX: refused */
    } rows[] = {
        { "0", 0 },
        { "32000", 32000 },
        { "1KiB", 1024 },
        { "32 MiB", 32UL << 20 },
        { "1gib", 1UL << 30 },
        { "5B", 5 },
        { "1KB", SIZE_MAX },
        { "MiB", SIZE_MAX },
        { "-1", SIZE_MAX },
        { "1.5MiB", SIZE_MAX },
        { "99999999999999999999", SIZE_MAX },
        { "9999999999999999GiB", SIZE_MAX },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t bytes = SIZE_MAX;
        enum err err = setting_size(str_of(rows[i].text), &bytes);

        EXPECT(bytes == rows[i].bytes);
        EXPECT((err == ERR_NONE) == (rows[i].bytes != SIZE_MAX));
    }
}

static void reads_booleans(void)
{
    bool value = false;

    EXPECT_INT(setting_bool(STR("TRUE"), &value), ERR_NONE);
    EXPECT(value);
    EXPECT_INT(setting_bool(STR("off"), &value), ERR_NONE);
    EXPECT(!value);
    EXPECT_INT(setting_bool(STR("maybe"), &value), ERR_BAD_INPUT);
    EXPECT_INT(setting_bool(STR(""), &value), ERR_BAD_INPUT);
}

static void reads_lists(void)
{
    static const struct {
        const char *text;
        const char *want; /* items with | between; NULL: refused */
    } rows[] = {
        { "a,b", "a|b" },
        { " a , b ,, c ", "a|b|c" },
        { "", "" },
        { "[\"a\",\"b,c\"]", "a|b,c" },
        { "[]", "" },
        { "[\"\\u4f60\"]", "\xe4\xbd\xa0" },
        { "[\"a\"", NULL },
        { "[1]", NULL },
        { "[\"a\"] x", NULL },
        { "a,b,a", "a|b" },
        { "[\"a\",\"a\"]", "a" },
        { "[\"a\\u0000b\"]", NULL },
        { "a\tb", NULL },
        { "a\x7f", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const *items = NULL;
        char joined[256] = "";
        struct arena a;

        arena_init(&a);
        enum err err = setting_list(str_of(rows[i].text), &a, &items);
        EXPECT((err == ERR_NONE) == (rows[i].want != NULL));
        for (size_t k = 0; !err && items[k]; k++) {
            size_t n = strlen(joined);

            snprintf(joined + n, sizeof(joined) - n, "%s%s", k ? "|" : "", items[k]);
        }
        if (rows[i].want)
            EXPECT_Z(joined, rows[i].want);
        arena_deinit(&a);
    }
}

/* "0,1,2,..." and ["0","1","2",...] */
static void write_list(size_t items, bool json, struct buf *out)
{
    EXPECT_INT(buf_add(out, json ? STR("[") : STR("")), ERR_NONE);
    for (size_t i = 0; i < items; i++)
        EXPECT_INT(buf_addf(out, json ? "%s\"%zu\"" : "%s%zu", i ? "," : "", i), ERR_NONE);
    EXPECT_INT(buf_add(out, json ? STR("]") : STR("")), ERR_NONE);
}

static void refuses_a_list_that_is_too_long(void)
{
    for (size_t items = 1000; items <= 1001; items++)
        for (int json = 0; json <= 1; json++) {
            const char *const *list = NULL;
            struct arena a;
            struct buf text;

            arena_init(&a);
            buf_init(&text, 10000);
            write_list(items, json, &text);
            EXPECT_INT(setting_list(buf_str(&text), &a, &list),
                       items > 1000 ? ERR_TOO_BIG : ERR_NONE);
            if (items == 1000)
                EXPECT_Z(list[999], "999");
            buf_deinit(&text);
            arena_deinit(&a);
        }
}

static void reads_origins_that_a_browser_may_send(void)
{
    static const struct {
        const char *text;
        const char *what; /* NULL: taken */
    } rows[] = {
        { "", NULL },
        { "*", NULL },
        { "null", NULL },
        { "https://app.example, http://localhost:5173", NULL },
        { "[\"http://[::1]:8080\"]", NULL },
        { "chrome-extension://abcdef,tauri://localhost", NULL },
        { "http://app.example:443", NULL },
        { "aA.z+Z-09://x", NULL },
        { "a_b://x", "\"a_b://x\" can never match" },
        { "a@b://x", "\"***@b://x\" can never match" },
        { "a[b://x", "\"a[b://x\" can never match" },
        { "a`b://x", "\"a`b://x\" can never match" },
        { "a{b://x", "\"a{b://x\" can never match" },
        { "a:b://x", "\"a:b://x\" can never match" },
        { "a/b://x", "\"a/b://x\" can never match" },
        { "https:///", "\"https:///\" can never match" },
        { "https://x/y/", "\"https://x/y/\" can never match" },
        { "https://app.example/",
          "\"https://app.example/\" can never match: browsers send no slash" },
        { "https://a.example,https://b.example/app", "\"https://b.example/app\" can never match" },
        { "https://app.example?x", "remove the rest" },
        { "https://u:hush@app.example", "\"https://***@app.example\" can never match" },
        { "https://*.example", "no wildcards" },
        { "app.example", "write SCHEME://HOST" },
        { "//app.example", "write SCHEME://HOST" },
        { "https://", "write SCHEME://HOST" },
        { "https://app.example:443", "the scheme's own port" },
        { "HTTP://app.example:80", "the scheme's own port" },
        { "[\"https://\u00fc.example\"]", "xn--" },
        { "[\"x", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const *items = NULL;
        struct arena a;
        char what[256];

        arena_init(&a);
        enum err err = setting_origins(str_of(rows[i].text), &a, &items, what);
        EXPECT((err == ERR_NONE) == !rows[i].what);
        if (rows[i].what && (!strstr(what, rows[i].what) || !rows[i].what[0] != !what[0]))
            fail_msg("%s: %s", rows[i].text, what);
        arena_deinit(&a);
    }
}

static void reads_one_origin(void)
{
    static const struct {
        const char *text;
        const char *what; /* NULL: taken */
    } rows[] = {
        { "https://cto.new", NULL },
        { "http://127.0.0.1:8090", NULL },
        { "https://cto.new/", "no slash at the end" },
        { "https://cto.new/x", "remove the rest" },
        { "x y", "write SCHEME" },
        { "*", "write SCHEME" },
        { "https://a\x01", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *origin = NULL;
        struct arena a;
        char what[256];

        arena_init(&a);
        enum err err = setting_origin(str_of(rows[i].text), &a, &origin, what);
        EXPECT((err == ERR_NONE) == !rows[i].what);
        if (!rows[i].what)
            EXPECT_Z(origin, rows[i].text);
        else if (!strstr(what, rows[i].what))
            fail_msg("%s: %s", rows[i].text, what);
        arena_deinit(&a);
    }
}

static void reads_choices(void)
{
    const char *word = NULL;
    struct arena a;

    arena_init(&a);
    EXPECT_INT(setting_choice(STR("Delta"), "auto|delta|snapshot", &a, &word), ERR_NONE);
    EXPECT_Z(word, "delta");
    EXPECT_INT(setting_choice(STR("deltas"), "auto|delta|snapshot", &a, &word), ERR_BAD_INPUT);
    EXPECT_INT(setting_choice(STR(""), "auto|delta", &a, &word), ERR_BAD_INPUT);
    arena_deinit(&a);
}

static void shows_no_password_and_nothing_that_a_terminal_obeys(void)
{
    static const struct {
        const char *value;
        const char *want;
    } rows[] = {
        { "", "" },
        { "plain \xe4\xbd\xa0", "plain \xe4\xbd\xa0" },
        { "redis://user:hush@h:1/0", "redis://***@h:1/0" },
        { "https://hush@host/", "https://***@host/" },
        { "https://u:hu/s?h#@h", "https://***@h" },
        { "https://u:hu@sh@h", "https://***@h" },
        { "https://u:hush@a,https://v:hush@b", "https://***@b" },
        { "u:hush@host:1", "***@host:1" },
        { "https:/u:hush@host", "***@host" },
        { "u:hush://x@host", "***@host" },
        { "a\x1b[31m\n\x7f", "a\\x1b[31m\\x0a\\x7f" },
        { "\xc2\x9b\xff\xe4\xbd", "\\xc2\\x9b\\xff\\xe4\\xbd" },
    };
    char text[300];
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_Z(setting_show(str_of(rows[i].value), &a), rows[i].want);
    EXPECT_Z(setting_show(STR("a\0b"), &a), "a\\x00b");
    /* Cut where a character ends. */
    memset(text, 'x', sizeof(text));
    memcpy(text + 199, "\xc3\xa4", 2);
    EXPECT_INT(strlen(setting_show((struct str){ text, sizeof(text) }, &a)), 199 + 3);
    EXPECT_INT(strlen(setting_show((struct str){ text, 199 }, &a)), 199);
    memset(text, 1, sizeof(text));
    EXPECT_INT(strlen(setting_show((struct str){ text, sizeof(text) }, &a)), 4 * 200 + 3);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "reads seconds", reads_seconds },
    { "reads sizes", reads_sizes },
    { "reads booleans", reads_booleans },
    { "reads lists", reads_lists },
    { "refuses a list that is too long", refuses_a_list_that_is_too_long },
    { "reads origins that a browser may send", reads_origins_that_a_browser_may_send },
    { "reads one origin", reads_one_origin },
    { "reads choices", reads_choices },
    { "shows no password and nothing that a terminal obeys",
      shows_no_password_and_nothing_that_a_terminal_obeys },
};

TEST_MAIN(suite)
