/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process. */
#include "ops/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/macros.h"

/* The main thread's, for good. */
static int signal_fd = -1;

static void termination_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void signals_block(void)
{
    sigset_t set;

    termination_set(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    BUG_ON(signal_fd < 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static int take_signal(void)
{
    struct signalfd_siginfo info;

    if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    /* Nobody sent it: the terminal in whose foreground it ran was closed. */
    if (info.ssi_signo == SIGHUP && info.ssi_code == SI_KERNEL)
        return SIGTERM;
    return (int)info.ssi_signo;
}

int signals_wait(int64_t timeout_ms, int fd)
{
    struct pollfd of[] = { { .fd = signal_fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
    int n;

    do
        n = poll(of, COUNT_OF(of), timeout_ms ? (int)timeout_ms : -1);
    while (n < 0 && errno == EINTR);
    return n > 0 && of[0].revents ? take_signal() : 0;
}

static volatile sig_atomic_t ignored;

static void end_now(int number)
{
    if (ignored-- <= 0)
        _exit(128 + number);
}

void signals_arm_second(bool was_asked)
{
    struct sigaction action = { .sa_handler = end_now };
    sigset_t set;

    ignored = was_asked ? 0 : 1;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    termination_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
