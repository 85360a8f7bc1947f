/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal gets to see of text from elsewhere, and that a file gets the very bytes. */
#include "cli/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "test.h"

static const struct row {
    const char *text;
    const char *want;
} rows[] = {
    { "", "" },
    { "plain\n\ttext", "plain\n\ttext" },
    { "\xe4\xbd\xa0 \xf0\x9f\x98\x80 \xc3\xa9 \xc2\xa0",
      "\xe4\xbd\xa0 \xf0\x9f\x98\x80 \xc3\xa9 \xc2\xa0" },
    { "\x1b[31mred", "\\u001b[31mred" },
    { "\x1b]0;title\x07", "\\u001b]0;title\\u0007" },
    { "over\rwrite", "over\\u000dwrite" },
    { "a,b\r\nc\r\r\n", "a,b\r\nc\\u000d\r\n" },
    { "\r", "\\u000d" },
    { "\x7f\x08", "\\u007f\\u0008" },
    { "\xc2\x9b"
      "31m \xc2\x80\xc2\x9f",
      "\\u009b31m \\u0080\\u009f" },
    { "\x9b"
      "31m \xff\xe4\xbd",
      "\\x9b31m \\xff\\xe4\\xbd" },
};

static void shows_control_characters_instead_of_obeying_them(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out;

        buf_init(&out, 1000);
        EXPECT_INT(terminal_text(&out, str_of(rows[i].text)), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
    }
}

static void shows_a_zero_byte(void)
{
    struct buf out;

    buf_init(&out, 1000);
    EXPECT_INT(terminal_text(&out, STR("a\0b")), ERR_NONE);
    EXPECT_STR(buf_str(&out), "a\\u0000b");
    buf_deinit(&out);
}

/* Prints to `path`, which is opened in addition to `fd`, and reads back from `fd`. */
static size_t print_and_read(const char *path, int fd, struct str text, char *got, size_t cap)
{
    FILE *f = fopen(path, "we");
    size_t n = 0;
    ssize_t r;

    EXPECT(f != NULL);
    terminal_print(f, text);
    fclose(f);
    while (n < cap && (r = read(fd, got + n, cap - n)) > 0)
        n += (size_t)r;
    return n;
}

static int open_terminal(char *path, size_t cap)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios t;

    EXPECT(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0);
    EXPECT_INT(ptsname_r(fd, path, cap), 0);
    EXPECT_INT(tcgetattr(fd, &t), 0);
    t.c_oflag &= ~(tcflag_t)OPOST;
    EXPECT_INT(tcsetattr(fd, TCSANOW, &t), 0);
    return fd;
}

static void a_terminal_gets_what_is_shown(void)
{
    char path[64], got[256];
    int fd = open_terminal(path, sizeof(path));
    /* Held open, so that what was printed is not gone when the printer closes its end. */
    int held = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    size_t n = print_and_read(path, fd, STR("a\033[31m\n"), got, sizeof(got));

    EXPECT_STR(((struct str){ got, n }), "a\\u001b[31m\n");
    close(held);
    close(fd);
}

/* Characters of each length stand at every place of the piece that is shown at once. */
static void cuts_no_character_of_a_long_text(void)
{
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80",
                                              "\r\n" };
    char path[64], text[3000], got[3000];

    for (size_t i = 0; i < COUNT_OF(characters); i++)
        for (size_t shift = 0; shift < 4; shift++) {
            int fd = open_terminal(path, sizeof(path));
            int held = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
            size_t n = shift;

            memset(text, 'x', shift);
            for (size_t width = strlen(characters[i]); n + width <= 2500; n += width)
                memcpy(text + n, characters[i], width);
            EXPECT_INT(print_and_read(path, fd, (struct str){ text, n }, got, sizeof(got)), n);
            EXPECT(memcmp(got, text, n) == 0);
            close(held);
            close(fd);
        }
}

static void a_file_gets_the_bytes_as_they_are(void)
{
    char path[] = "/tmp/test_terminal.XXXXXX", got[64];
    int fd = mkstemp(path);
    size_t n = print_and_read(path, fd, STR("a\0\033[31m\xff"), got, sizeof(got));

    EXPECT_INT(n, 8);
    EXPECT(memcmp(got, "a\0\033[31m\xff", n) == 0);
    close(fd);
    unlink(path);
}

static const struct test suite[] = {
    { "shows control characters instead of obeying them",
      shows_control_characters_instead_of_obeying_them },
    { "shows a zero byte", shows_a_zero_byte },
    { "a terminal gets what is shown", a_terminal_gets_what_is_shown },
    { "cuts no character of a long text", cuts_no_character_of_a_long_text },
    { "a file gets the bytes as they are", a_file_gets_the_bytes_as_they_are },
};
TEST_MAIN(suite)
