/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process, taken by the main thread; workers have them blocked. */
#pragma once

#include <stdint.h>

/* Before any thread is started: blocks SIGTERM, SIGINT and SIGHUP; ignores SIGPIPE, and
 * SIGXFSZ: a file that may not grow (ulimit -f) is an error of its writer. */
void signals_block(void);

/* Waits for SIGTERM, SIGINT or SIGHUP and returns its number; 0 when none came in `timeout_ms` (0:
 * waits for ever). */
int signals_wait(int64_t timeout_ms);

/* From now on another SIGTERM or SIGINT ends the process at once with 128 + its number. */
void signals_arm_second(void);
