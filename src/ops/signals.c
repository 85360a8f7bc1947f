/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process. */
#include "ops/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

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
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

int signals_wait(int64_t timeout_ms)
{
    struct timespec limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
    sigset_t set;
    int number;

    termination_set(&set);
    sigaddset(&set, SIGHUP);
    do
        number = timeout_ms ? sigtimedwait(&set, NULL, &limit) : sigwaitinfo(&set, NULL);
    while (number < 0 && errno == EINTR);
    return number < 0 ? 0 : number;
}

static void end_now(int number)
{
    _exit(128 + number);
}

void signals_arm_second(void)
{
    struct sigaction action = { .sa_handler = end_now };
    sigset_t set;

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    termination_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
