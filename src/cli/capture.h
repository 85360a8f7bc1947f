/* SPDX-License-Identifier: Apache-2.0 */
/* check --capture: one prompt, and what both sides said of it as a scenario for `simulate`. */
#pragma once

#include "cli/command.h"

/* Sends a prompt through the first upstream of enginelabs and its first account and writes `file`,
 * which must not be there. Says what happened; an exit code of the program. */
int capture_run(const struct settings *s, const char *file);
