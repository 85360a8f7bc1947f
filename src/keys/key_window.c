/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_window.h"

#include "base/clock.h"

enum { ID_MAX = 100 }; /* with all that is behind it, the key has room */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct key_span key_window_at(enum key_window window, int64_t wall_ms)
{
    struct key_span span = { .name = "ever", .ends_ms = INT64_MAX, .ttl_ms = STORE_FOREVER };
    char text[CLOCK_TEXT_SIZE];
    struct str at = clock_text(wall_ms, text);

    switch (window) {
    case KEY_WINDOW_MINUTE:
        str_to_z(str_sub(at, 0, CLOCK_MINUTE_LEN), span.name, sizeof(span.name));
        span.name[CLOCK_MINUTE_LEN] = 'Z';
        span.ends_ms = wall_ms - wall_ms % 60000 + 60000;
        span.ttl_ms = 3600 * 1000;
        break;
    case KEY_WINDOW_DAY:
        str_to_z(str_sub(at, 0, CLOCK_DAY_LEN), span.name, sizeof(span.name));
        span.ends_ms = wall_ms - wall_ms % DAY_MS + DAY_MS;
        span.ttl_ms = 2 * DAY_MS;
        break;
    case KEY_WINDOW_MONTH:
        str_to_z(str_sub(at, 0, CLOCK_MONTH_LEN), span.name, sizeof(span.name));
        span.ends_ms = clock_month_end_ms(wall_ms);
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
    char *text = (char *)ret->bytes;
    const char *end = str_join(STRS(str_sub(id, 0, ID_MAX), STR("/"), str_of(unit),
                                    span ? STR("/") : STR(""), str_of(span ? span->name : "")),
                               text);

    ret->space = STORE_LIMIT;
    ret->n = (uint8_t)(end - text);
}
