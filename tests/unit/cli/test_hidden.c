/* SPDX-License-Identifier: Apache-2.0 */
/* What is typed at a terminal without being shown; the tests type at a real one. */
#include "cli/hidden.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "test.h"

/* Somebody at the keyboard. */
struct typist {
    int master, slave;
    struct str keys;
    pthread_t thread;
};

static bool is_hidden(int slave)
{
    struct termios t;

    EXPECT(tcgetattr(slave, &t) == 0);
    return !(t.c_lflag & (tcflag_t)(ECHO | ICANON));
}

/* As soon as nothing is shown any more. */
static void *type(void *arg)
{
    struct typist *t = arg;

    while (!is_hidden(t->slave))
        usleep(1000);
    while (t->keys.n > 0) {
        ssize_t n = write(t->master, t->keys.p, t->keys.n);

        EXPECT(n > 0);
        t->keys = str_from(t->keys, (size_t)n);
    }
    return NULL;
}

static void sit_down(struct typist *t, struct str keys)
{
    t->keys = keys;
    t->master = posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT(t->master >= 0 && grantpt(t->master) == 0 && unlockpt(t->master) == 0);
    t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT(t->slave >= 0);
    EXPECT(pthread_create(&t->thread, NULL, type, t) == 0);
}

/* Nothing was shown, and the terminal is as it was. */
static void get_up(struct typist *t)
{
    struct pollfd seen = { .fd = t->master, .events = POLLIN };

    pthread_join(t->thread, NULL);
    EXPECT_INT(poll(&seen, 1, 0), 0);
    EXPECT(!is_hidden(t->slave));
    close(t->slave);
    close(t->master);
}

static const struct row {
    const char *keys;
    enum err err;
    const char *line;
} rows[] = {
    { "a=b; c=d\n", ERR_NONE, "a=b; c=d" },
    { "a=b\r", ERR_NONE, "a=b" },
    { "\n", ERR_NONE, "" },
    { "ab\x7f\x7f\x7f\b=c\n", ERR_NONE, "=c" },
    { "wrong\x15right\n", ERR_NONE, "right" },
    { "half\x03", ERR_CANCELED, "half" },
    { "\x04", ERR_CANCELED, "" },
};

static void reads_what_is_typed_without_showing_it(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct typist t;
        struct buf line;

        sit_down(&t, str_of(rows[i].keys));
        buf_init(&line, COOKIE_MAX);
        EXPECT_INT(hidden_line(t.slave, &line), rows[i].err);
        EXPECT_STR(buf_str(&line), rows[i].line);
        get_up(&t);
        buf_deinit(&line);
    }
}

/* A terminal's own line has 4,095 bytes. */
static void takes_a_long_cookie(void)
{
    static char keys[20000];
    struct typist t;
    struct buf line;

    memset(keys, 'k', sizeof(keys) - 1);
    keys[sizeof(keys) - 1] = '\n';
    sit_down(&t, (struct str){ keys, sizeof(keys) });
    buf_init(&line, COOKIE_MAX);
    EXPECT_INT(hidden_line(t.slave, &line), ERR_NONE);
    EXPECT_INT(line.n, sizeof(keys) - 1);
    get_up(&t);
    buf_deinit(&line);
}

/* What keys do at a terminal is text in a file. */
static void reads_a_file_to_its_end_or_a_line(void)
{
    static const char *const texts[] = { "a\x7f", "a\x7f\nmore" };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        FILE *file = tmpfile();
        struct buf line;

        EXPECT(file && fputs(texts[i], file) >= 0 && fflush(file) == 0);
        EXPECT(lseek(fileno(file), 0, SEEK_SET) == 0);
        buf_init(&line, COOKIE_MAX);
        EXPECT_INT(hidden_line(fileno(file), &line), ERR_NONE);
        EXPECT_STR(buf_str(&line), "a\x7f");
        buf_deinit(&line);
        fclose(file);
    }
}

static void refuses_what_is_no_cookie(void)
{
    struct buf line;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    buf_init(&line, COOKIE_MAX);
    EXPECT_INT(hidden_line(fd, &line), ERR_TOO_BIG);
    EXPECT_INT(hidden_line(-1, &line), ERR_IO);
    buf_deinit(&line);
    close(fd);
}

static const struct test suite[] = {
    { "reads what is typed without showing it", reads_what_is_typed_without_showing_it },
    { "takes a long cookie", takes_a_long_cookie },
    { "reads a file to its end or a line", reads_a_file_to_its_end_or_a_line },
    { "refuses what is no cookie", refuses_what_is_no_cookie },
};
TEST_MAIN(suite)
