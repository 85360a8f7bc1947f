/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log line as bytes; pure, for log.c and its tests. A line is one line
 * whatever its values hold: control characters, what turns the direction of
 * text, and invalid UTF-8 are escaped. Too long values are cut; a field that
 * does not fit is left out and the line says that it is truncated.
 */
#pragma once

#include "base/log.h"

/* PIPE_BUF: one write() of a line to a pipe never mixes with another process's. */
enum { LOG_LINE_MAX = 4096 };

struct log_entry {
    enum log_level level;
    int64_t wall_ms; /* since 1970, UTC */
    const char *message;
    const struct log_field *fields;
    size_t n; /* fields */
};

/* Writes the line with its '\n' (no NUL) and returns its length. */
size_t log_line(char out[LOG_LINE_MAX], enum log_format format, bool has_colors,
                const struct log_entry *entry);
