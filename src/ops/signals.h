/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process, taken by the main thread; workers have them blocked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Before any thread is started: blocks SIGTERM, SIGINT, SIGHUP and SIGUSR2; ignores SIGPIPE, and
 * SIGXFSZ: a file that may not grow (ulimit -f) is an error of its writer. */
void signals_block(void);

/* Waits for SIGTERM, SIGINT, SIGHUP or SIGUSR2 and returns its number; a SIGHUP that nobody sent,
 * since the terminal was closed, counts as SIGTERM. 0: none came in `timeout_ms`
 * (0: waits for ever), or `fd` (-1: none) has something to read, or has ended. */
int signals_wait(int64_t timeout_ms, int fd);

/* From now on another SIGTERM or SIGINT ends the process at once with 128 + its number. When it
 * ends for another reason than a first one (`was_asked` false), the first changes nothing. */
void signals_arm_second(bool was_asked);
