/* SPDX-License-Identifier: Apache-2.0 */
/* Byte classes, runs and authorities, from memory of exactly their size. */
#include "http/syntax.h"

#include "base/mem.h"
#include "test.h"

static bool is_authority(struct str s, bool *ret_has_port, size_t *ret_port)
{
    char *copy = mem_alloc(s.n);
    struct str port;

    memcpy(copy, s.p, s.n);
    bool is = syntax_is_authority((struct str){ copy, s.n }, &port);
    *ret_has_port = is && port.p;
    *ret_port = *ret_has_port ? (size_t)(port.p - copy) : 0;
    mem_free(copy);
    return is;
}

static void tells_where_the_port_begins(void)
{
    static const struct {
        const char *in;
        bool has_port;
        size_t port;
    } rows[] = {
        { "a", false, 0 },
        { "a:", true, 2 },
        { "a:1", true, 2 },
        { "a.b:65535", true, 4 },
        { "%41:1", true, 4 },
        { "[::]", false, 0 },
        { "[::1]:", true, 6 },
        { "[::1]:1", true, 6 },
        { "[1111:2222:3333:4444:5555:6666:111.111.111.111]", false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool has_port;
        size_t port;

        EXPECT(is_authority(str_of(rows[i].in), &has_port, &port));
        EXPECT_INT(has_port, rows[i].has_port);
        EXPECT_INT(port, rows[i].port);
    }
}

static void refuses_what_is_no_authority(void)
{
    static const struct {
        const char *p;
        size_t n;
    } rows[] = {
        { "", 0 },     { "%", 1 },       { "%4", 2 },    { "a%4", 3 },      { "a%4g", 4 },
        { "[", 1 },    { "[]", 2 },      { "[::1", 4 },  { "[::1\0]", 6 },  { "a\0", 2 },
        { "a:\0", 3 }, { "a:65536", 7 }, { "a:1:2", 5 }, { "[::1]:1x", 8 }, { "u@a", 3 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool has_port;
        size_t port;

        EXPECT(!is_authority((struct str){ rows[i].p, rows[i].n }, &has_port, &port));
    }
}

/* The fast way and the table must agree wherever the byte lies. */
static void a_run_of_values_stops_at_the_first_bad_byte(void)
{
    char text[50];

    for (int c = 0; c < 256; c++) {
        bool is_good = syntax_is((char)c, SYNTAX_VALUE);

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'a', sizeof(text));
            text[at] = (char)c;
            const char *stop = syntax_value_run(text, text + sizeof(text));
            EXPECT(stop == text + (is_good ? sizeof(text) : at));
        }
    }
}

static void reads_hex_digits(void)
{
    static const char digits[] = "0123456789abcdef";

    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

        EXPECT_INT(syntax_hex_value((char)c), at ? at - digits : -1);
    }
}

static void a_token_has_at_least_one_byte(void)
{
    EXPECT(syntax_is_token(STR("a")));
    EXPECT(!syntax_is_token(STR("")));
    EXPECT(!syntax_is_token((struct str){ NULL, 0 }));
    EXPECT(!syntax_is_token(STR("a ")));
}

static const struct test suite[] = {
    { "tells where the port begins", tells_where_the_port_begins },
    { "refuses what is no authority", refuses_what_is_no_authority },
    { "a run of values stops at the first bad byte", a_run_of_values_stops_at_the_first_bad_byte },
    { "reads hex digits", reads_hex_digits },
    { "a token has at least one byte", a_token_has_at_least_one_byte },
};

TEST_MAIN(suite)
