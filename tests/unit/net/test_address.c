/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints as people write them. */
#include "test.h"

#include "net/address.h"
#include "net/sockaddr.h"

static void reads_what_people_write(void)
{
    static const struct {
        const char *text;
        enum err err;
        const char *host;
        uint16_t port;
        bool is_unix;
        const char *again; /* endpoint_text(); NULL for the same */
    } rows[] = {
        { "127.0.0.1:8089", ERR_NONE, "127.0.0.1", 8089, false, NULL },
        { "localhost:80", ERR_NONE, "localhost", 80, false, NULL },
        { "api.example.com:443", ERR_NONE, "api.example.com", 443, false, NULL },
        { "my_host-1.:0", ERR_NONE, "my_host-1.", 0, false, NULL },
        { "a:65535", ERR_NONE, "a", 65535, false, NULL },
        { "a:00080", ERR_NONE, "a", 80, false, "a:80" },
        { "[::1]:0", ERR_NONE, "::1", 0, false, NULL },
        { "[2001:db8::7]:443", ERR_NONE, "2001:db8::7", 443, false, NULL },
        { "unix:/run/x.sock", ERR_NONE, "/run/x.sock", 0, true, NULL },
        { "unix:rel", ERR_NONE, "rel", 0, true, NULL },
        { "", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost:", ERR_BAD_INPUT, "", 0, false, NULL },
        { ":80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost:x", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost:-1", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost:80 ", ERR_BAD_INPUT, "", 0, false, NULL },
        { "localhost:65536", ERR_TOO_BIG, "", 0, false, NULL },
        { "loc alhost:1", ERR_BAD_INPUT, "", 0, false, NULL },
        { "http://a:1", ERR_BAD_INPUT, "", 0, false, NULL },
        { "::1:80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[::1]", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[::1]80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[::1:80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[]:80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[127.0.0.1]:80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "[fe80::1%eth0]:80", ERR_BAD_INPUT, "", 0, false, NULL },
        { "unix:", ERR_BAD_INPUT, "", 0, false, NULL },
    };
    char text[HOST_MAX + 9];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint e = { .port = 7 };
        EXPECT_INT(endpoint_parse(str_of(rows[i].text), &e), rows[i].err);
        if (rows[i].err) {
            EXPECT_INT(e.port, 7);
            continue;
        }
        EXPECT_Z(e.host, rows[i].host);
        EXPECT_INT(e.port, rows[i].port);
        EXPECT(e.is_unix == rows[i].is_unix && !e.tls);
        EXPECT_Z(endpoint_text(&e, text), rows[i].again ? rows[i].again : rows[i].text);
    }
}

static void takes_names_and_paths_up_to_their_limit(void)
{
    char text[400];
    struct endpoint e;

    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_MAX, ":1", 3);
    EXPECT_INT(endpoint_parse(str_of(text), &e), ERR_NONE);
    EXPECT_INT(strlen(e.host), HOST_MAX);
    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_MAX + 1, ":1", 3);
    EXPECT_INT(endpoint_parse(str_of(text), &e), ERR_TOO_BIG);

    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:", 5);
    EXPECT_INT(endpoint_parse((struct str){ text, 5 + 107 }, &e), ERR_NONE);
    EXPECT_INT(endpoint_parse((struct str){ text, 5 + 108 }, &e), ERR_TOO_BIG);
    text[6] = '\0';
    EXPECT_INT(endpoint_parse((struct str){ text, 20 }, &e), ERR_BAD_INPUT);
}

static void knows_what_only_this_machine_reaches(void)
{
    static const struct {
        const char *text;
        bool is_loopback;
    } rows[] = {
        { "127.0.0.1:1", true },
        { "127.8.9.1:1", true },
        { "[::1]:1", true },
        { "localhost:1", true },
        { "LocalHost:1", true },
        { "unix:/x", true },
        { "[::ffff:127.0.0.1]:1", true },
        { "0.0.0.0:1", false },
        { "[::]:1", false },
        { "128.0.0.1:1", false },
        { "10.0.0.1:1", false },
        { "[::ffff:10.0.0.1]:1", false },
        { "localhost.evil.com:1", false },
        { "127.0.0.1.evil.com:1", false },
        { "127.1:1", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint e;
        EXPECT_INT(endpoint_parse(str_of(rows[i].text), &e), ERR_NONE);
        EXPECT(endpoint_is_loopback(&e) == rows[i].is_loopback);
    }
}

static void writes_socket_addresses(void)
{
    static const struct {
        const char *literal;
        const char *text;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1" },
        { "::1", "::1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "2001:DB8:0::1", "2001:db8::1" },
    };
    struct address a;
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT(address_of_literal(rows[i].literal, 4711, &a));
        EXPECT_INT(address_port(&a), 4711);
        address_text(&a, text);
        EXPECT_Z(text, rows[i].text);
    }
    EXPECT(!address_of_literal("localhost", 1, &a));
    EXPECT(!address_of_literal("[::1]", 1, &a));
    EXPECT_INT(address_of_path("/x", &a), ERR_NONE);
    EXPECT(address_is_loopback(&a));
    address_text(&a, text);
    EXPECT_Z(text, "unix");
    a.n = 0;
    EXPECT(!address_is_loopback(&a));
    address_text(&a, text);
    EXPECT_Z(text, "unknown");
}

static const struct test suite[] = {
    { "reads what people write", reads_what_people_write },
    { "takes names and paths up to their limit", takes_names_and_paths_up_to_their_limit },
    { "knows what only this machine reaches", knows_what_only_this_machine_reaches },
    { "writes socket addresses", writes_socket_addresses },
};

TEST_MAIN(suite)
