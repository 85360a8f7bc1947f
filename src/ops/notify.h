/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager is told (sd_notify(3)); without one, nothing is. */
#pragma once

#include "base/err.h"
#include "base/macros.h"

/* Sends `state`, lines as in sd_notify(3), to the socket that NOTIFY_SOCKET names. ERR_IO: nobody
 * is there to hear it, and errno is why. */
MUST_USE enum err notify_manager(const char *state);
