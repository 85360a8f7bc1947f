/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials files: what is read of them, and how they are replaced. */
#include "provider/openai/credentials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char folder[64];
static char path[128];

static void begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/test_openai.XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/credentials", folder);
}

/* Nothing but the file may be left. */
static void end(void)
{
    unlink(path);
    EXPECT_INT(rmdir(folder), 0);
}

static void write_file(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, text, strlen(text)), strlen(text));
    EXPECT_INT(fchmod(fd, mode), 0);
    close(fd);
}

static const char *read_file(void)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n;

    EXPECT(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    EXPECT(n >= 0);
    text[n] = '\0';
    return text;
}

static void reads_tokens_and_their_end(void)
{
    static const struct {
        const char *text;
        const char *access;
        int64_t expires_ms;
    } rows[] = {
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":1700000000000}", "a",
          1700000000000 },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":1700000000}", "a",
          1700000000000 },
        { "{\"expiresAt\":1.7e12,\"refreshToken\":\"r\",\"accessToken\":\"\\u0061\"}", "a",
          1700000000000 },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":\"2026-01-01\"}", "a", 0 },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":-5}", "a", 0 },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":1e300}", "a", 0 },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\"}", "a", 0 },
        { "{\"refreshToken\":\"r\"}", "", 0 },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct credentials c = { 0 };
        char why[CREDENTIALS_WHY];

        write_file(rows[i].text, 0600);
        EXPECT_INT(credentials_read(path, &c, why), ERR_NONE);
        EXPECT_STR(secret_reveal(&c.access), rows[i].access);
        EXPECT_STR(secret_reveal(&c.refresh), "r");
        EXPECT_INT(c.expires_wall_ms, rows[i].expires_ms);
        credentials_deinit(&c);
    }
    end();
}

static void refuses_files_that_are_no_good(void)
{
    static const struct {
        const char *text;
        mode_t mode;
        enum err err;
        const char *said;
    } rows[] = {
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\"}", 0640, ERR_BAD_INPUT, "chmod 600" },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\"}", 0604, ERR_BAD_INPUT, "chmod 600" },
        { "{\"accessToken\":\"a\"}", 0600, ERR_BAD_INPUT, "refreshToken" },
        { "{\"refreshToken\":\"\"}", 0600, ERR_BAD_INPUT, "refreshToken" },
        { "{\"refreshToken\":5}", 0600, ERR_BAD_INPUT, "refreshToken" },
        { "nonsense", 0600, ERR_BAD_INPUT, "refreshToken" },
        { "", 0600, ERR_BAD_INPUT, "refreshToken" },
    };
    struct credentials c = { 0 };
    char why[CREDENTIALS_WHY];

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        write_file(rows[i].text, rows[i].mode);
        EXPECT_INT(credentials_read(path, &c, why), rows[i].err);
        EXPECT(strstr(why, rows[i].said) != NULL);
        EXPECT(strstr(why, path) != NULL);
    }
    unlink(path);
    EXPECT_INT(credentials_read(path, &c, why), ERR_NOT_FOUND);
    EXPECT(strstr(why, path) != NULL);
    EXPECT(!secret_is_set(&c.refresh));
    EXPECT_INT(rmdir(folder), 0);
}

static struct credentials tokens(const char *access, const char *refresh, int64_t expires_ms)
{
    struct credentials c = { .expires_wall_ms = expires_ms };

    secret_set(&c.access, str_of(access));
    secret_set(&c.refresh, str_of(refresh));
    return c;
}

static void replaces_tokens_and_keeps_the_rest(void)
{
    static const struct {
        const char *before;
        const char *after;
    } rows[] = {
        { "{\"accessToken\":\"a\", \"x\" : "
          "1e400,\"refreshToken\":\"r\",\"expiresAt\":1700000000000}\n",
          "{\"accessToken\":\"n\\\"\", \"x\" : 1e400,\"refreshToken\":\"m\",\"expiresAt\":"
          "1800000000000}\n" },
        { "{\"accessToken\":\"a\",\"refreshToken\":\"r\",\"expiresAt\":1700000000}",
          "{\"accessToken\":\"n\\\"\",\"refreshToken\":\"m\",\"expiresAt\":1800000000}" },
        { "{}", "{\"accessToken\":\"n\\\"\",\"refreshToken\":\"m\",\"expiresAt\":1800000000000}" },
        { "nonsense",
          "{\"accessToken\":\"n\\\"\",\"refreshToken\":\"m\",\"expiresAt\":1800000000000}" },
    };
    struct credentials c = tokens("n\"", "m", 1800000000000);
    char why[CREDENTIALS_WHY];
    struct stat st;

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        write_file(rows[i].before, 0600);
        EXPECT_INT(credentials_write(path, &c, why), ERR_NONE);
        EXPECT_Z(read_file(), rows[i].after);
        EXPECT_INT(stat(path, &st), 0);
        EXPECT_INT(st.st_mode & 0777, 0600);
    }
    unlink(path);
    EXPECT_INT(credentials_write(path, &c, why), ERR_NONE);
    EXPECT_Z(read_file(), rows[2].after);
    credentials_deinit(&c);
    end();
}

/* A link is not replaced, but what it leads to. */
static void follows_a_link(void)
{
    struct credentials c = tokens("n", "m", 5);
    char why[CREDENTIALS_WHY];
    char at[160];
    struct stat st;

    begin();
    write_file("{}", 0600);
    snprintf(at, sizeof(at), "%s.link", path);
    EXPECT_INT(symlink(path, at), 0);
    EXPECT_INT(credentials_write(at, &c, why), ERR_NONE);
    EXPECT_INT(lstat(at, &st), 0);
    EXPECT(S_ISLNK(st.st_mode));
    EXPECT(strstr(read_file(), "\"m\"") != NULL);
    unlink(at);
    credentials_deinit(&c);
    end();
}

static void tells_that_it_cannot_be_written(void)
{
    struct credentials c = tokens("n", "m", 5);
    char why[CREDENTIALS_WHY];

    EXPECT_INT(credentials_write("/nowhere/at/all", &c, why), ERR_IO);
    EXPECT(strstr(why, "/nowhere/at/all") != NULL);
    credentials_deinit(&c);
}

static const struct test suite[] = {
    { "reads tokens and their end", reads_tokens_and_their_end },
    { "refuses files that are no good", refuses_files_that_are_no_good },
    { "replaces tokens and keeps the rest", replaces_tokens_and_keeps_the_rest },
    { "follows a link", follows_a_link },
    { "tells that it cannot be written", tells_that_it_cannot_be_written },
};

TEST_MAIN(suite)
