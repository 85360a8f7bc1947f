/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis.h"
#include "test.h"

static void reads_what_a_url_says(void)
{
    static const struct {
        const char *url;
        const char *host;
        uint16_t port;
        bool tls;
        const char *user;
        const char *password;
        unsigned db;
    } rows[] = {
        { "redis://localhost", "localhost", 6379, false, "", "", 0 },
        { "redis://localhost/", "localhost", 6379, false, "", "", 0 },
        { "rediss://redis.example:6380/2", "redis.example", 6380, true, "", "", 2 },
        { "REDIS://10.0.0.1:1", "10.0.0.1", 1, false, "", "", 0 },
        { "redis://[::1]", "::1", 6379, false, "", "", 0 },
        { "redis://[2001:db8::7]:7000/15", "2001:db8::7", 7000, false, "", "", 15 },
        { "redis://:secret@h", "h", 6379, false, "", "secret", 0 },
        { "redis://me:secret@[::1]:5/1", "::1", 5, false, "me", "secret", 1 },
        { "redis://m%65:p%40ss%2F%3a%25@h:5", "h", 5, false, "me", "p@ss/:%", 0 },
        { "redis://me:p@ss:word@h", "h", 6379, false, "me", "p@ss:word", 0 },
        { "redis://h/65535", "h", 6379, false, "", "", 65535 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store_redis_url u;
        char what[128];

        EXPECT_INT(store_redis_parse(str_of(rows[i].url), &u, what), ERR_NONE);
        EXPECT_Z(u.at.host, rows[i].host);
        EXPECT_INT(u.at.port, rows[i].port);
        EXPECT_INT(u.at.tls, rows[i].tls);
        EXPECT(!u.at.is_unix);
        EXPECT_Z(u.user, rows[i].user);
        EXPECT_STR(secret_reveal(&u.password), rows[i].password);
        EXPECT_INT(u.db, rows[i].db);
        store_redis_url_deinit(&u);
    }
}

static void says_what_is_wrong(void)
{
    static const struct {
        const char *url;
        const char *what;
    } rows[] = {
        { "", "must begin with redis:// or rediss://" },
        { "http://h", "must begin with redis:// or rediss://" },
        { "redis:/h", "must begin with redis:// or rediss://" },
        { "redis://", "names no host" },
        { "redis:///1", "names no host" },
        { "redis://:6379", "names no host" },
        { "redis://::1", "names no host" },
        { "redis://h:", "the port must be a number up to 65535" },
        { "redis://h:x", "the port must be a number up to 65535" },
        { "redis://h:65536", "the port must be a number up to 65535" },
        { "redis://h:-1", "the port must be a number up to 65535" },
        { "redis://h:0", "port 0" },
        { "redis://[::1", "malformed host" },
        { "redis://[::1]x", "malformed host" },
        { "redis://[h]", "malformed host" },
        { "redis://h h", "malformed host" },
        { "redis://unix:5", "malformed host" },
        { "redis://h%41", "malformed host" },
        { "redis://h/x", "number of a database" },
        { "redis://h/0/", "number of a database" },
        { "redis://h/65536", "number of a database" },
        { "redis://h/-1", "number of a database" },
        { "redis://me@h", "no password before the '@'" },
        { "redis://@h", "no password before the '@'" },
        { "redis://me:@h", "no password before the '@'" },
        { "redis://me:%zz@h", "write % as %25" },
        { "redis://me:100%@h", "write % as %25" },
        { "redis://m%e:x@h", "write % as %25" },
        { "redis://me:%00@h", "a zero byte" },
        { "redis://me:pa/ss@h", "a '/' before the '@'" },
        { "redis://me:pa#ss@h", "a '?' or '#'" },
        { "redis://h?db=1", "a '?' or '#'" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct store_redis_url u;
        char what[128];

        EXPECT_INT(store_redis_parse(str_of(rows[i].url), &u, what), ERR_BAD_INPUT);
        if (str_find(str_of(what), str_of(rows[i].what)) != SIZE_MAX)
            continue;
        print_error("%s: got \"%s\", want \"%s\"\n", rows[i].url, what, rows[i].what);
        EXPECT(false);
    }
}

/* `before`, `n` times a letter, `behind`. */
static enum err parse_long(const char *before, size_t n, const char *behind, char *ret_what)
{
    struct store_redis_url u;
    char url[8192];
    enum err err;
    size_t at = strlen(before);

    memset(url, 'a', sizeof(url));
    memcpy(url, before, at);
    snprintf(url + at + n, sizeof(url) - at - n, "%s", behind);
    err = store_redis_parse(str_of(url), &u, ret_what);
    if (!err)
        store_redis_url_deinit(&u);
    return err;
}

static void has_bounds(void)
{
    char what[128];

    EXPECT_INT(parse_long("redis://", 255, "", what), ERR_NONE);
    EXPECT_INT(parse_long("redis://", 256, "", what), ERR_BAD_INPUT);
    EXPECT_Z(what, "the host name is longer than 255 bytes");
    EXPECT_INT(parse_long("redis://", 127, ":x@h", what), ERR_NONE);
    EXPECT_INT(parse_long("redis://", 128, ":x@h", what), ERR_BAD_INPUT);
    EXPECT_Z(what, "the user name is longer than 127 bytes");
    EXPECT_INT(parse_long("redis://:", 4096 - 11, "@h", what), ERR_NONE);
    EXPECT_INT(parse_long("redis://:", 4097 - 11, "@h", what), ERR_BAD_INPUT);
    EXPECT_Z(what, "the URL is longer than 4096 bytes");
}

static const struct test suite[] = {
    { "reads what a URL says", reads_what_a_url_says },
    { "says what is wrong", says_what_is_wrong },
    { "has bounds", has_bounds },
};

TEST_MAIN(suite)
