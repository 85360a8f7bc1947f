/* SPDX-License-Identifier: Apache-2.0 */
/* The one defined end for what must not happen: say it in the log, then abort for a core. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

static void say_plainly(const char *file, int line, const char *what)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "fatal: %s (%s:%d)\n", what, file, line);

    if (n < 0)
        return;
    if ((size_t)n >= sizeof(text))
        n = (int)sizeof(text) - 1;
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        return; /* nowhere left to say it */
}

void die(const char *file, int line, const char *what)
{
    if (log_is_on(LOG_ERROR)) {
        log_error("fatal: the program cannot go on", LOG_Z("what", what), LOG_Z("file", file),
                  LOG_INT("line", line));
        log_flush();
    } else {
        say_plainly(file, line, what);
    }
    abort();
}
