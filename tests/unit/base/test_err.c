/* SPDX-License-Identifier: Apache-2.0 */
/* The error list says what each code means; errno maps onto it. */
#include "base/err.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void names_and_explains_every_error(void)
{
    EXPECT_Z(err_name(ERR_NONE), "ERR_NONE");
    EXPECT_Z(err_name(ERR_AGAIN), "ERR_AGAIN");
    EXPECT_Z(err_name(ERR_IO), "ERR_IO");
    EXPECT_Z(err_text(ERR_TIMEOUT), "no answer in time");
    for (int i = 0; i <= (int)ERR_IO; i++)
        EXPECT(err_text((enum err)i)[0] != '\0');
    EXPECT_Z(err_name((enum err)999), "ERR_UNKNOWN");
    EXPECT_Z(err_text((enum err)999), "unknown error");
}

static void knows_what_is_worth_another_try(void)
{
    EXPECT(err_is_retryable(ERR_RESET));
    EXPECT(!err_is_retryable(ERR_CERT));
    EXPECT(!err_is_retryable(ERR_NONE));
    EXPECT(!err_is_retryable((enum err)999));
}

static void maps_errno(void)
{
    EXPECT_INT(err_of_errno(0), ERR_NONE);
    EXPECT_INT(err_of_errno(EWOULDBLOCK), ERR_AGAIN);
    EXPECT_INT(err_of_errno(ECONNREFUSED), ERR_REFUSED);
    EXPECT_INT(err_of_errno(ENETUNREACH), ERR_UNREACHABLE);
    EXPECT_INT(err_of_errno(EMFILE), ERR_NO_FDS);
    EXPECT_INT(err_of_errno(ETIMEDOUT), ERR_TIMEOUT);
    EXPECT_INT(err_of_errno(EDOM), ERR_IO);
}

static void a_bug_ends_the_program_and_says_why(void)
{
    int fds[2];
    int status;
    char text[512];
    ssize_t n;
    pid_t child;

    EXPECT(pipe(fds) == 0);
    child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        BUG_ON(fds[0] >= 0);
        _exit(0);
    }
    close(fds[1]);
    n = read(fds[0], text, sizeof(text));
    close(fds[0]);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT(n > 0);
    EXPECT(str_find((struct str){ text, (size_t)n }, STR("fds[0] >= 0")) != SIZE_MAX);
    EXPECT(str_find((struct str){ text, (size_t)n }, STR("test_err.c")) != SIZE_MAX);
}

static const struct test suite[] = {
    { "names and explains every error", names_and_explains_every_error },
    { "knows what is worth another try", knows_what_is_worth_another_try },
    { "maps errno", maps_errno },
    { "a bug ends the program and says why", a_bug_ends_the_program_and_says_why },
};

TEST_MAIN(suite)
