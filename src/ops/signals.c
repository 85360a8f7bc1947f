/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process. */
#include "ops/signals.h"

#include <pthread.h>
#include <signal.h>
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
}

int signals_wait(void)
{
    sigset_t set;
    int number = 0;

    termination_set(&set);
    sigaddset(&set, SIGHUP);
    sigwait(&set, &number);
    return number;
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
