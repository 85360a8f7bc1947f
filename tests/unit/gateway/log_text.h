/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says between two calls, as one text. */
#pragma once

#include <stdio.h>

#include "base/log.h"
#include "test.h"

static inline FILE *begin_log(void)
{
    FILE *file = tmpfile();

    EXPECT(file != NULL);
    log_start(LOG_INFO, LOG_JSON, fileno(file));
    return file;
}

static inline struct str end_log(FILE *file, char *out, size_t cap)
{
    size_t n;

    log_stop();
    log_set_level(LOG_OFF);
    rewind(file);
    n = fread(out, 1, cap, file);
    EXPECT(n < cap);
    fclose(file);
    return (struct str){ out, n };
}
