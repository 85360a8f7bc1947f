/* SPDX-License-Identifier: Apache-2.0 */
/* The map against a plain array, over long random histories. */
#include "base/map.h"

#include "base/mem.h"
#include "test.h"

enum { KEYS = 400, STEPS = 40000 };

static struct str key_of(size_t i, char text[16])
{
    return (struct str){ text, (size_t)snprintf(text, 16, "key-%zu", i) };
}

static void an_empty_map_has_nothing(void)
{
    struct map m;
    struct str key;
    size_t cursor = 0;

    map_init(&m);
    EXPECT(map_find(&m, STR("a")) == NULL);
    EXPECT(map_take(&m, STR("a")) == NULL);
    EXPECT(map_next(&m, &cursor, &key) == NULL);
    map_deinit(&m);
}

static void keeps_any_bytes_as_key(void)
{
    struct map m;
    int values[4];
    char key[] = "copied";

    map_init(&m);
    EXPECT(map_set(&m, STR(""), &values[0]) == NULL);
    EXPECT(map_set(&m, STR("a\0b"), &values[1]) == NULL);
    EXPECT(map_set(&m, STR("a\0c"), &values[2]) == NULL);
    EXPECT(map_set(&m, str_of(key), &values[3]) == NULL);
    key[0] = 'X';
    EXPECT(map_find(&m, (struct str){ NULL, 0 }) == &values[0]);
    EXPECT(map_find(&m, STR("a\0b")) == &values[1]);
    EXPECT(map_find(&m, STR("a\0c")) == &values[2]);
    EXPECT(map_find(&m, STR("copied")) == &values[3]);
    EXPECT(map_find(&m, STR("a")) == NULL);
    map_deinit(&m);
    EXPECT_INT(m.n, 0);
}

static void replacing_returns_the_old_value(void)
{
    struct map m;
    int one;
    int two;

    map_init(&m);
    EXPECT(map_set(&m, STR("k"), &one) == NULL);
    EXPECT(map_set(&m, STR("k"), &two) == &one);
    EXPECT_INT(m.n, 1);
    EXPECT(map_take(&m, STR("k")) == &two);
    EXPECT_INT(m.n, 0);
    map_deinit(&m);
}

static void step(struct map *m, char *want[KEYS], unsigned seed)
{
    static char values[256];
    size_t i = seed / 7 % KEYS;
    char *value = &values[seed / 3 % 256];
    char text[16];
    struct str key = key_of(i, text);

    switch (seed % 3) {
    case 0:
        EXPECT(map_set(m, key, value) == want[i]);
        want[i] = value;
        break;
    case 1:
        EXPECT(map_take(m, key) == want[i]);
        want[i] = NULL;
        break;
    default:
        EXPECT(map_find(m, key) == want[i]);
        break;
    }
}

static void agrees_with_an_array_over_a_long_history(void)
{
    char *want[KEYS] = { NULL };
    unsigned seed = 1;
    size_t entries = 0;
    struct map m;

    map_init(&m);
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 1664525 + 1013904223;
        step(&m, want, seed >> 8);
    }
    for (size_t i = 0; i < KEYS; i++) {
        char text[16];

        EXPECT(map_find(&m, key_of(i, text)) == want[i]);
        entries += want[i] != NULL;
    }
    EXPECT_INT(m.n, entries);
    map_deinit(&m);
}

static void walks_every_entry_once(void)
{
    bool seen[KEYS] = { false };
    size_t indexes[KEYS];
    struct map m;
    struct str key;
    size_t cursor = 0;
    size_t n = 0;
    size_t *at;

    map_init(&m);
    for (size_t i = 0; i < KEYS; i++) {
        char text[16];

        indexes[i] = i;
        EXPECT(map_set(&m, key_of(i, text), &indexes[i]) == NULL);
    }
    while ((at = map_next(&m, &cursor, &key))) {
        char text[16];

        EXPECT(!seen[*at]);
        EXPECT(str_eq(key, key_of(*at, text)));
        seen[*at] = true;
        n++;
    }
    EXPECT_INT(n, KEYS);
    map_deinit(&m);
}

static const struct test suite[] = {
    { "an empty map has nothing", an_empty_map_has_nothing },
    { "keeps any bytes as key", keeps_any_bytes_as_key },
    { "replacing returns the old value", replacing_returns_the_old_value },
    { "agrees with an array over a long history", agrees_with_an_array_over_a_long_history },
    { "walks every entry once", walks_every_entry_once },
};

TEST_MAIN(suite)
