/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/file_watch.h"
#include "net_test.h"

enum { EVERY_MS = 10 };

static struct file_seen {
    struct loop *loop;
    char dir[64];
    char path[96];
    char text[64];
    unsigned n;
    bool is_gone;
} seen;

static void on_changed(UNUSED void *arg, struct str content)
{
    seen.n++;
    str_to_z(content, seen.text, sizeof(seen.text));
}

static void begin(void)
{
    seen = (struct file_seen){ .loop = loop_new(), .dir = "/tmp/file-watch-XXXXXX" };
    EXPECT(mkdtemp(seen.dir) != NULL);
    snprintf(seen.path, sizeof(seen.path), "%s/secret", seen.dir);
}

static void on_gone(UNUSED void *arg)
{
    seen.is_gone = true;
}

static void end(struct file_watch *w)
{
    unsigned n = seen.n;

    file_watch_stop(w, on_gone, NULL);
    RUN_UNTIL(seen.loop, seen.is_gone);
    EXPECT_INT(seen.n, n);
    unlink(seen.path);
    EXPECT(rmdir(seen.dir) == 0);
    loop_free(seen.loop);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    EXPECT(fd >= 0);
    EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void what_is_there_is_told_and_each_change(void)
{
    struct file_watch *w;
    char other[96];

    begin();
    write_file(seen.path, "one");
    w = file_watch_start(seen.loop, seen.path, EVERY_MS, on_changed, NULL);
    RUN_UNTIL(seen.loop, strcmp(seen.text, "one") == 0);
    write_file(seen.path, "second");
    RUN_UNTIL(seen.loop, strcmp(seen.text, "second") == 0);
    snprintf(other, sizeof(other), "%s/new", seen.dir);
    write_file(other, "renamed over it");
    EXPECT(rename(other, seen.path) == 0);
    RUN_UNTIL(seen.loop, strcmp(seen.text, "renamed over it") == 0);
    end(w);
}

static void a_file_may_come_and_go(void)
{
    struct file_watch *w;

    begin();
    w = file_watch_start(seen.loop, seen.path, EVERY_MS, on_changed, NULL);
    write_file(seen.path, "here");
    RUN_UNTIL(seen.loop, strcmp(seen.text, "here") == 0);
    unlink(seen.path);
    write_file(seen.path, "again!");
    RUN_UNTIL(seen.loop, strcmp(seen.text, "again!") == 0);
    end(w);
}

/* Read in vain, then a good one: only that is told. */
static void a_file_that_is_too_large_is_passed_over(void)
{
    struct file_watch *w;

    begin();
    write_file(seen.path, "");
    EXPECT(truncate(seen.path, FILE_WATCH_MAX + 1) == 0);
    w = file_watch_start(seen.loop, seen.path, EVERY_MS, on_changed, NULL);
    for (int i = 0; i < 20; i++)
        run_turn(seen.loop);
    EXPECT_INT(seen.n, 0);
    write_file(seen.path, "small");
    RUN_UNTIL(seen.loop, seen.n > 0);
    EXPECT_Z(seen.text, "small");
    end(w);
}

static void it_may_be_stopped_while_it_reads(void)
{
    struct file_watch *w;

    begin();
    write_file(seen.path, "one");
    w = file_watch_start(seen.loop, seen.path, EVERY_MS, on_changed, NULL);
    end(w);
    EXPECT_INT(seen.n, 0);
}

static const struct test suite[] = {
    { "what is there is told, and each change", what_is_there_is_told_and_each_change },
    { "a file may come and go", a_file_may_come_and_go },
    { "a file that is too large is passed over", a_file_that_is_too_large_is_passed_over },
    { "it may be stopped while it reads", it_may_be_stopped_while_it_reads },
};

TEST_MAIN(suite)
