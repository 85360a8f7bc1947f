/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines on standard error: a message and typed fields, as text
 * for a terminal or as one JSON object a line. Lines go into a bounded queue that
 * a thread of its own writes, so a slow reader never stops a worker; what does
 * not fit is counted. Only gateway/, ops/ and cli/ log above debug, but for what is
 * said once in a process. Any thread.
 */
#pragma once

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *name; /* snake_case; must outlive the call only */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_SECRET } type;
    struct str str;
    int64_t number;
};

/* Values of fields; control characters are escaped when written. */
#define LOG_STR(field, s) ((struct log_field){ (field), LOG_FIELD_STR, (s), 0 })
#define LOG_Z(field, z) ((struct log_field){ (field), LOG_FIELD_STR, str_of(z), 0 })
#define LOG_INT(field, i) ((struct log_field){ (field), LOG_FIELD_INT, { NULL, 0 }, (i) })

/* Starts the writing thread; `fd` is borrowed until log_stop(). Text has colors when `fd` is a
 * terminal, TERM names one that is not "dumb", and NO_COLOR is not set. Call it before other
 * threads run. Before it, and after log_stop(), lines are written at once. */
void log_start(enum log_level level, enum log_format format, int fd);

/* Writes what waits, then ends the thread. A reader that has stopped reading is waited for
 * one second; what it leaves is counted as dropped. Does nothing when nothing was started. */
void log_stop(void);

/* Waits, one second at most, until all is written, without ending the thread; safe from die(). */
void log_flush(void);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_is_on(enum log_level level);

/* "debug", "info", "warn", "error", "off". */
const char *log_level_name(enum log_level level);

/* False: no level has that name. */
bool log_level_find(struct str name, enum log_level *ret);

/* Lines since the start of the process that found no room or no reader. */
uint64_t log_dropped(void);

/* The macros below spare the cost of building fields for levels that are off. */
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n);

#define LOG_AT(level, message, ...)                                \
    do {                                                           \
        if (log_is_on(level)) {                                    \
            const struct log_field fields_[] = { __VA_ARGS__ };    \
            log_write(level, message, fields_, COUNT_OF(fields_)); \
        }                                                          \
    } while (0)
/* At least one field each. */
#define log_debug(message, ...) LOG_AT(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_ERROR, message, __VA_ARGS__)
