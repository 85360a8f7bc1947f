/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_window.h"

#include <stdio.h>
#include <time.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* When a month begins; the 12th is the first of the next year. */
static int64_t month_ms(int year, int month)
{
    struct tm tm = { .tm_year = year, .tm_mon = month, .tm_mday = 1 };

    return (int64_t)timegm(&tm) * 1000;
}

struct key_span key_window_at(enum key_window window, int64_t wall_ms)
{
    struct key_span span = { .name = "ever", .ends_ms = INT64_MAX, .ttl_ms = STORE_FOREVER };
    time_t now = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&now, &tm);
    switch (window) {
    case KEY_WINDOW_MINUTE:
        strftime(span.name, sizeof(span.name), "%Y-%m-%dT%H:%MZ", &tm);
        span.ends_ms = wall_ms - wall_ms % 60000 + 60000;
        span.ttl_ms = 3600 * 1000;
        break;
    case KEY_WINDOW_DAY:
        strftime(span.name, sizeof(span.name), "%Y-%m-%d", &tm);
        span.ends_ms = wall_ms - wall_ms % DAY_MS + DAY_MS;
        span.ttl_ms = 2 * DAY_MS;
        break;
    case KEY_WINDOW_MONTH:
        strftime(span.name, sizeof(span.name), "%Y-%m", &tm);
        span.ends_ms = month_ms(tm.tm_year, tm.tm_mon + 1);
        span.ttl_ms = 40 * DAY_MS;
        break;
    case KEY_WINDOW_EVER:
        break;
    }
    return span;
}

void key_window_name(struct store_key *ret, struct str id, const char *unit,
                     const struct key_span *span)
{
    char text[STORE_KEY_MAX + 1];
    int n = snprintf(text, sizeof(text), "%.*s/%s%s%s", STR_ARGS(str_sub(id, 0, 100)), unit,
                     span ? "/" : "", span ? span->name : "");

    *ret = (struct store_key){ .space = STORE_LIMIT, .n = (uint8_t)n };
    memcpy(ret->bytes, text, (size_t)n);
}
