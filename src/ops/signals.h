/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the process, taken by the main thread; workers have them blocked. */
#pragma once

/* Before any thread is started: blocks SIGTERM, SIGINT and SIGHUP, ignores SIGPIPE. */
void signals_block(void);

/* Waits for SIGTERM, SIGINT or SIGHUP and returns its number. */
int signals_wait(void);

/* From now on another SIGTERM or SIGINT ends the process at once with 128 + its number. */
void signals_arm_second(void);
