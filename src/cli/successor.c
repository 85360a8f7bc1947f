/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between fork() and exec() other threads may have held any lock, so the child only makes system
 * calls; all texts are made before. Only its pid it has to write itself.
 */
#include "cli/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { FIRST = 3, PID_DIGITS = 10 };

/* What the child needs. */
struct start {
    char *const *argv;
    char **environment; /* owned; its last three are those below */
    int fds[INHERITED_WHATS];
    int n_fds;
    char count[32]; /* LISTEN_FDS=... */
    char names[160];
    char pid[16 + PID_DIGITS];
};

#define PID_PREFIX "LISTEN_PID="

void successor_init(struct successor *s)
{
    *s = (struct successor){ .ready_fd = -1 };
}

static void choose(struct start *t, const struct inherited *give)
{
    size_t n = (size_t)snprintf(t->names, sizeof(t->names), "LISTEN_FDNAMES=");

    for (size_t i = 0; i < INHERITED_WHATS; i++) {
        if (give->fds[i] < 0)
            continue;
        n += (size_t)snprintf(t->names + n, sizeof(t->names) - n, "%s%s", t->n_fds ? ":" : "",
                              inherited_names[i]);
        t->fds[t->n_fds++] = give->fds[i];
    }
    snprintf(t->count, sizeof(t->count), "LISTEN_FDS=%d", t->n_fds);
    snprintf(t->pid, sizeof(t->pid), PID_PREFIX);
}

/* This one's without what was for it alone. */
static void make_environment(struct start *t)
{
    size_t n = 0, kept = 0;

    while (environ[n])
        n++;
    t->environment = mem_alloc_array(n + 4, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        if (!str_starts(str_of(environ[i]), STR("LISTEN_")))
            t->environment[kept++] = environ[i];
    t->environment[kept++] = t->count;
    t->environment[kept++] = t->names;
    t->environment[kept++] = t->pid;
    t->environment[kept] = NULL;
}

/* ---- the child ---- */

static void write_pid(struct start *t)
{
    char digits[PID_DIGITS];
    char *to = t->pid + strlen(PID_PREFIX);
    size_t n = 0;

    for (unsigned pid = (unsigned)getpid(); pid > 0 && n < sizeof(digits); pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        *to++ = digits[--n];
    *to = '\0';
}

/* To 3 and up, in order; out of the way first, since some may be there already. */
static bool place(struct start *t)
{
    for (int i = 0; i < t->n_fds; i++) {
        t->fds[i] = fcntl(t->fds[i], F_DUPFD_CLOEXEC, FIRST + INHERITED_WHATS);
        if (t->fds[i] < 0)
            return false;
    }
    for (int i = 0; i < t->n_fds; i++)
        if (dup2(t->fds[i], FIRST + i) < 0)
            return false;
    return true;
}

NORETURN static void become(struct start *t)
{
    static const char said[] = "enginelabs-2api: the program cannot be started anew\n";
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    write_pid(t);
    if (place(t))
        execvpe(t->argv[0], t->argv, t->environment);
    (void)!write(STDERR_FILENO, said, sizeof(said) - 1);
    _exit(127);
}

/* ---- this process ---- */

enum err successor_start(struct successor *s, char *const *argv, const struct inherited *give)
{
    struct inherited all = *give;
    struct start t = { .argv = argv };
    int ready[2];

    successor_end(s);
    if (pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0)
        return ERR_IO;
    all.fds[INHERITED_READY] = ready[1];
    choose(&t, &all);
    make_environment(&t);
    s->pid = fork();
    if (s->pid == 0)
        become(&t);
    close(ready[1]);
    mem_free(t.environment);
    if (s->pid < 0) {
        close(ready[0]);
        successor_init(s);
        return ERR_IO;
    }
    s->ready_fd = ready[0];
    return ERR_NONE;
}

bool successor_serves(struct successor *s)
{
    char byte;
    ssize_t n = s->ready_fd >= 0 ? read(s->ready_fd, &byte, 1) : -1;

    if (n == 0)
        successor_end(s);
    if (n != 1)
        return false;
    close(s->ready_fd);
    successor_init(s);
    return true;
}

void successor_end(struct successor *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(s->ready_fd);
    successor_init(s);
}
