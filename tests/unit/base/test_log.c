/* SPDX-License-Identifier: Apache-2.0 */
/* The queue between loggers and a reader that may be slow, stopped or gone. */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "test.h"

static int reader;
static int writer;

static void open_pipe(void)
{
    int fds[2];

    EXPECT(pipe(fds) == 0);
    reader = fds[0];
    writer = fds[1];
}

/* All that can be read now; the write end is closed first. */
static void read_all(struct buf *b)
{
    ssize_t n;

    close(writer);
    buf_init(b, 64 << 20);
    do {
        char *room;

        EXPECT_INT(buf_reserve(b, 65536, &room), ERR_NONE);
        n = read(reader, room, 65536);
        EXPECT(n >= 0);
        buf_commit(b, (size_t)n);
    } while (n > 0);
    close(reader);
}

static void lines_below_the_level_are_not_written(void)
{
    struct buf b;

    open_pipe();
    log_start(LOG_WARN, LOG_TEXT, writer);
    EXPECT(!log_is_on(LOG_INFO));
    EXPECT(log_is_on(LOG_WARN));
    EXPECT(!log_is_on(LOG_OFF));
    log_info("too quiet", LOG_INT("n", 1));
    log_warn("loud enough", LOG_INT("n", 2));
    log_set_level(LOG_DEBUG);
    log_debug("now too", LOG_INT("n", 3));
    log_set_level(LOG_OFF);
    log_error("not at all", LOG_INT("n", 4));
    log_stop();
    read_all(&b);
    EXPECT(str_find(buf_str(&b), STR("quiet")) == SIZE_MAX);
    EXPECT(str_find(buf_str(&b), STR("WARN  loud enough n=2\n")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&b), STR("DEBUG now too n=3\n")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&b), STR("at all")) == SIZE_MAX);
    buf_deinit(&b);
}

static void a_flush_returns_when_all_is_written(void)
{
    char text[4096];
    ssize_t n;

    open_pipe();
    log_start(LOG_INFO, LOG_JSON, writer);
    EXPECT(fcntl(reader, F_SETFL, O_NONBLOCK) == 0);
    for (int i = 0; i < 100; i++) {
        log_info("first", LOG_INT("n", i));
        log_info("second", LOG_INT("n", 2));
        log_flush();
        n = read(reader, text, sizeof(text));
        EXPECT(n > 0);
        EXPECT(str_ends((struct str){ text, (size_t)n }, STR("\"message\":\"second\",\"n\":2}\n")));
    }
    log_stop();
    close(reader);
    close(writer);
}

static void lines_are_written_at_once_when_no_thread_runs(void)
{
    char text[4096];
    ssize_t n;

    open_pipe();
    log_start(LOG_INFO, LOG_TEXT, writer);
    log_stop();
    log_stop();
    log_info("after the end", LOG_INT("n", 1));
    n = read(reader, text, sizeof(text));
    EXPECT(n > 0);
    EXPECT(str_ends((struct str){ text, (size_t)n }, STR("after the end n=1\n")));
    log_flush();
    close(reader);
    close(writer);
}

static bool has_color_at(int terminal, int master)
{
    char text[512];
    ssize_t n;

    log_start(LOG_INFO, LOG_TEXT, terminal);
    log_info("seen", LOG_INT("n", 1));
    log_stop();
    n = read(master, text, sizeof(text));
    EXPECT(n > 0);
    EXPECT(str_find((struct str){ text, (size_t)n }, STR("seen n=1")) != SIZE_MAX);
    return memchr(text, '\033', (size_t)n) != NULL;
}

static void a_terminal_gets_colors_unless_told_not_to(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    int terminal;

    EXPECT(master >= 0);
    EXPECT(grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    EXPECT(terminal >= 0);
    EXPECT(unsetenv("NO_COLOR") == 0);
    EXPECT(setenv("TERM", "xterm", 1) == 0);
    EXPECT(has_color_at(terminal, master));
    EXPECT(setenv("NO_COLOR", "1", 1) == 0);
    EXPECT(!has_color_at(terminal, master));
    EXPECT(setenv("NO_COLOR", "", 1) == 0); /* empty is not set: no-color.org */
    EXPECT(has_color_at(terminal, master));
    EXPECT(setenv("TERM", "dumb", 1) == 0);
    EXPECT(!has_color_at(terminal, master));
    EXPECT(unsetenv("TERM") == 0);
    EXPECT(!has_color_at(terminal, master));
    close(terminal);
    close(master);
}

enum { THREADS = 4, LINES = 10000 /* together more than the ring, so that it wraps */ };

static void *log_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("many", LOG_Z("thread", arg), LOG_INT("line", i), LOG_Z("pad", "0123456789"));
    return NULL;
}

static void *read_slowly(void *arg)
{
    read_all(arg);
    return NULL;
}

/* Each line whole, each thread's in order; what is missing was counted. */
static uint64_t check_lines(struct str text)
{
    int64_t last[THREADS] = { -1, -1, -1, -1 };
    uint64_t lines = 0;

    while (text.n > 0) {
        struct str line = str_cut(text, '\n', &text);
        struct str rest = str_from(line, str_find(line, STR("many")));
        uint64_t thread;
        uint64_t number;

        EXPECT(str_starts(rest, STR("many thread=")));
        EXPECT(str_ends(rest, STR(" pad=0123456789")));
        rest = str_from(rest, strlen("many thread="));
        EXPECT_INT(str_to_u64(str_cut(rest, ' ', &rest), THREADS - 1, &thread), ERR_NONE);
        rest = str_from(rest, strlen("line="));
        EXPECT_INT(str_to_u64(str_cut(rest, ' ', &rest), LINES - 1, &number), ERR_NONE);
        EXPECT((int64_t)number > last[thread]);
        last[thread] = (int64_t)number;
        lines++;
    }
    return lines;
}

static void lines_of_many_threads_come_whole_and_in_order(void)
{
    static const char *const names[THREADS] = { "0", "1", "2", "3" };
    pthread_t threads[THREADS];
    pthread_t reading;
    uint64_t dropped = log_dropped();
    struct buf b;
    int keep;

    open_pipe();
    keep = dup(writer);
    log_start(LOG_INFO, LOG_TEXT, keep);
    EXPECT_INT(pthread_create(&reading, NULL, read_slowly, &b), 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_create(&threads[i], NULL, log_many, (void *)(uintptr_t)names[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT_INT(pthread_join(threads[i], NULL), 0);
    log_stop();
    close(keep);
    EXPECT_INT(pthread_join(reading, NULL), 0);
    EXPECT_INT(check_lines(buf_str(&b)) + (log_dropped() - dropped), THREADS * LINES);
    buf_deinit(&b);
}

static void a_reader_that_stopped_holds_up_nobody(void)
{
    enum { MANY = 40000 }; /* far more than pipe and ring hold */
    uint64_t dropped = log_dropped();
    int64_t begin_ms = clock_now_ms();
    struct buf b;
    uint64_t lines = 0;

    open_pipe();
    log_start(LOG_INFO, LOG_TEXT, writer);
    for (int i = 0; i < MANY; i++)
        log_info("nobody reads this line, which is made longer than need be", LOG_INT("n", i));
    EXPECT(log_dropped() > dropped);
    log_stop();
    EXPECT(clock_now_ms() - begin_ms < 20000);
    read_all(&b);
    for (size_t i = 0; i < b.n; i++)
        lines += b.p[i] == '\n';
    EXPECT(lines > 100);
    EXPECT_INT(lines + (log_dropped() - dropped), MANY);
    EXPECT_INT(b.p[b.n - 1], '\n');
    buf_deinit(&b);
}

static void a_reader_that_left_costs_lines_only(void)
{
    uint64_t dropped = log_dropped();

    signal(SIGPIPE, SIG_IGN);
    open_pipe();
    close(reader);
    log_start(LOG_INFO, LOG_TEXT, writer);
    log_info("lost", LOG_INT("n", 1));
    log_info("lost", LOG_INT("n", 2));
    log_stop();
    log_info("lost", LOG_INT("n", 3));
    EXPECT_INT(log_dropped() - dropped, 3);
    close(writer);
}

static void the_last_words_come_behind_what_waits(void)
{
    struct buf b;
    int status;
    pid_t child;

    open_pipe();
    child = fork();
    if (child == 0) {
        log_start(LOG_INFO, LOG_JSON, writer);
        for (int i = 0; i < 100; i++)
            log_info("waits", LOG_INT("n", i));
        die("here.c", 7, "the sky fell");
    }
    read_all(&b);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT(str_find(buf_str(&b), STR("\"n\":99}\n")) != SIZE_MAX);
    EXPECT(
        str_ends(buf_str(&b), STR("\"what\":\"the sky fell\",\"file\":\"here.c\",\"line\":7}\n")));
    buf_deinit(&b);
}

static void levels_are_found_by_their_names(void)
{
    enum log_level level;

    for (int i = LOG_DEBUG; i <= LOG_OFF; i++) {
        EXPECT(log_level_find(str_of(log_level_name((enum log_level)i)), &level));
        EXPECT_INT(level, i);
    }
    EXPECT(!log_level_find(STR("loud"), &level));
    EXPECT(!log_level_find(STR("INFO"), &level));
    EXPECT(!log_level_find(STR(""), &level));
    log_set_level(LOG_ERROR);
    EXPECT_INT(log_get_level(), LOG_ERROR);
    log_set_level(LOG_INFO);
}

static const struct test suite[] = {
    { "levels are found by their names", levels_are_found_by_their_names },
    { "lines below the level are not written", lines_below_the_level_are_not_written },
    { "a flush returns when all is written", a_flush_returns_when_all_is_written },
    { "lines are written at once when no thread runs",
      lines_are_written_at_once_when_no_thread_runs },
    { "a terminal gets colors unless told not to", a_terminal_gets_colors_unless_told_not_to },
    { "lines of many threads come whole and in order",
      lines_of_many_threads_come_whole_and_in_order },
    { "a reader that stopped holds up nobody", a_reader_that_stopped_holds_up_nobody },
    { "a reader that left costs lines only", a_reader_that_left_costs_lines_only },
    { "the last words come behind what waits", the_last_words_come_behind_what_waits },
};

TEST_MAIN(suite)
