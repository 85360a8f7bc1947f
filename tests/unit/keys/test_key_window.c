/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_window.h"

#include "test.h"

#define AT INT64_C(1798709999123) /* 2026-12-31T09:39:59.123Z */

static const struct {
    enum key_window window;
    int64_t wall_ms;
    const char *name;
    int64_t ends_ms;
} rows[] = {
    { KEY_WINDOW_MINUTE, AT, "2026-12-31T09:39Z", 1798710000000 },
    { KEY_WINDOW_MINUTE, 1798710000000, "2026-12-31T09:40Z", 1798710060000 },
    { KEY_WINDOW_DAY, AT, "2026-12-31", 1798761600000 },
    { KEY_WINDOW_MONTH, AT, "2026-12", 1798761600000 }, /* 2027-01-01 */
    { KEY_WINDOW_MONTH, 1772323199999, "2026-02", 1772323200000 },
    { KEY_WINDOW_EVER, AT, "ever", INT64_MAX },
};

static void windows_are_those_of_utc(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct key_span span = key_window_at(rows[i].window, rows[i].wall_ms);

        EXPECT_Z(span.name, rows[i].name);
        EXPECT_INT(span.ends_ms, rows[i].ends_ms);
        EXPECT(span.ends_ms == INT64_MAX ? span.ttl_ms == STORE_FOREVER : span.ttl_ms > 60000);
    }
}

static void names_tell_key_unit_and_window_apart(void)
{
    struct key_span span = key_window_at(KEY_WINDOW_DAY, AT);
    struct store_key key;

    key_window_name(&key, STR("key_1"), "tokens", &span);
    EXPECT_STR(((struct str){ (const char *)key.bytes, key.n }), "key_1/tokens/2026-12-31");
    key_window_name(&key, STR("key_1"), "parallel", NULL);
    EXPECT_STR(((struct str){ (const char *)key.bytes, key.n }), "key_1/parallel");
}

static const struct test suite[] = {
    { "windows are those of UTC", windows_are_those_of_utc },
    { "names tell key, unit and window apart", names_tell_key_unit_and_window_apart },
};
TEST_MAIN(suite)
