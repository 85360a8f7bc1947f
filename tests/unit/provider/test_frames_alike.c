/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates that are like the one before but for their text, which may be read without being taken
 * apart: they say what they would say alone. Those in a string are; what is true of all wrappings
 * is tested with them.
 */
#include "frames_rig.h"

#define BEFORE                                                                           \
    "{\"type\":\"update\",\"buffer\":\"{\\\"id\\\":\\\"m\\\",\\\"type\\\":\\\"chat\\\"," \
    "\\\"chat\\\":{\\\"content\\\":\\\""
#define BEHIND "\\\"}}\\n\"}"

static void reads_any_text(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", CHAT("m", "one"), CHAT("m", " two"), CHAT("m", ""), CHAT("m", "!") },
          .text = "one two!" },
        { .lines = { "POST", CHAT("m", "a"), CHAT("m", "\\n"), CHAT("m", "say \\\"b\\\" \\\\"),
                     CHAT("m", "\\u00e9\xC3\xA9\\/"), CHAT("m", "z") },
          .text = "a\nsay \"b\" \\\xC3\xA9\xC3\xA9/z" },
        { .lines = { "POST", CHAT("m", ""), CHAT("m", "long enough for several words of eight, "),
                     CHAT("m", "\xE4\xBD\xA0\xE5\xA5\xBD"), CHAT("m", LOST) },
          .text = "long enough for several words of eight, \xE4\xBD\xA0\xE5\xA5\xBD" LOST },
        { .lines = { "POST", CHAT("m", "a"), CHAT("m", "b\\uD83D"), CHAT("m", "\\uDE00c"),
                     CHAT("m", "d\\uD83D"), CHAT("m", "e\\uDE00f\\uD83D!") },
          .text = "ab" SMILE "cd" LOST "e" LOST "f" LOST "!",
          .lost = 3 },
        { .lines = { "POST", THINKING("m", "a"), THINKING("m", "b"), CHAT("m", "c"), CHAT("m", "d"),
                     CHAT("n", "e"), CHAT("n", "f"), THINKING("m", "g") },
          .text = "cd\n\nef",
          .reasoning = "abg" },
        { .lines = { CHAT("m", "old"), CHAT("m", "old"), "POST", CHAT("m", "old"), CHAT("n", "a"),
                     CHAT("n", "b"), CHAT("m", "old") },
          .text = "ab" },
        { .lines = { "POST", USER("u", "a"), USER("u", "b"), TOOL("m"), TOOL("m"), CHAT("m", "a"),
                     TOOL("m"), CHAT("m", "b") },
          .text = "ab",
          .unknown = 3 },
    };

    run_rows(CONTENT_DELTA, rows, COUNT_OF(rows));
}

static void reads_snapshots(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", CHAT("m", "one"), CHAT("m", "one"), CHAT("m", "one two"),
                     CHAT("m", "one"), CHAT("m", "one two\\n3") },
          .text = "one two\n3" },
        { .lines = { "POST", CHAT("m", "1\\uD83D"), CHAT("m", "1\\uD83D\\uDE00"),
                     CHAT("m", "1\\uD83D\\uDE00!") },
          .text = "1" SMILE "!" },
    };

    run_rows(CONTENT_SNAPSHOT, rows, COUNT_OF(rows));
}

/* The second is like the first, but its text is not one. */
static void is_not_led_astray(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b" BEHIND }, .text = "ab" },
        /* the inner string ends */
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\\",\\\"x\\\":\\\"c" BEHIND },
          .text = "ab" },
        { .lines = { "POST", BEFORE "a" BEHIND,
                     BEFORE "b\\u0022,\\u0022content\\u0022:\\u0022c" BEHIND },
          .text = "ac" },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\\"}} \\\"" BEHIND },
          .text = "a",
          .unknown = 1 },
        /* the outer string ends */
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\",\"x\":\"" BEHIND },
          .text = "a",
          .unknown = 1 },
        { .lines = { "POST", BEFORE "a" BEHIND,
                     BEFORE
                     "b\\\"}}\",\"buffer\":\"{\\\"id\\\":\\\"m\\\",\\\"type\\\":\\\"chat\\\","
                     "\\\"chat\\\":{\\\"content\\\":\\\"c" BEHIND },
          .text = "ac" },
        /* an escape runs into what is behind it */
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\" BEHIND }, .text = "a", .unknown = 1 },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\\\" BEHIND },
          .text = "a",
          .unknown = 1 },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\u005c" BEHIND },
          .text = "a",
          .unknown = 1 },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\\\u12" BEHIND, BEFORE "b\\u12" BEHIND },
          .text = "a",
          .unknown = 2 },
        /* control bytes in either string, what is no UTF-8, an escape that is none */
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\nc" BEHIND, BEFORE "b\\nc" BEHIND,
                     BEFORE "b\\u0000c" BEHIND, BEFORE "b\xC3" BEHIND, BEFORE "\\x" BEHIND,
                     BEFORE "\\\\x" BEHIND, BEFORE "!" BEHIND },
          .text = "a!",
          .unknown = 6 },
        /* one end alone, both with a quote in common, and turned round */
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE, BEHIND, BEFORE "}}\\n\"}", BEHIND BEFORE },
          .text = "a",
          .unknown = 4 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        run_row(CONTENT_DELTA, &rows[i], WRAP_STRING);
}

/* Halves of pairs in the outer string, alone and beside those of the inner one. */
static void joins_halves_of_either_string(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "b\\uD83D" BEHIND,
                     BEFORE "\\uDE00c" BEHIND },
          .text = "ab" SMILE "c" },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "\\uD83D\\uDE00" BEHIND,
                     BEFORE "\\uD83D\\\\uDE00" BEHIND, BEFORE "\\\\uD83D\\uDE00" BEHIND },
          .text = "a" SMILE SMILE SMILE },
        { .lines = { "POST", BEFORE "a" BEHIND, BEFORE "\\uD83D" BEHIND, BEFORE "b\\uDE00" BEHIND },
          .text = "a" LOST "b" LOST,
          .lost = 2 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        run_row(CONTENT_DELTA, &rows[i], WRAP_STRING);
}

/* More than is remembered, more than is held, and more messages than are worth it. */
static void reads_what_is_not_remembered(void)
{
    char id[1200];
    char line[1400];
    struct rig r;

    memset(id, 'i', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    rig_init(&r, CONTENT_DELTA, RIG_BYTES);
    frames_turn_begins(r.frames);
    for (int i = 0; i < 3; i++) {
        snprintf(line, sizeof(line), CHAT("%s", "a"), id);
        EXPECT_INT(rig_say(&r, WRAP_STRING, line), ERR_NONE);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(line, sizeof(line), CHAT("%d", "b"), i);
        EXPECT_INT(rig_say(&r, WRAP_STRING, line), ERR_NONE);
        EXPECT_INT(rig_say(&r, WRAP_STRING, line), ERR_NONE);
    }
    EXPECT(str_starts(buf_str(&r.text), STR("aaa\n\nbb\n\nbb")));
    EXPECT_INT(r.text.n, 3 + 20 * 4);
    rig_deinit(&r);
}

/* Of all that is decoded in a string; in an object, of the text. */
static void holds_its_bound(void)
{
    static const struct {
        enum wrap how;
        size_t max; /* of the text */
    } rows[] = { { WRAP_STRING, 2954 }, { WRAP_OBJECT, 3000 } };
    static char text[3002];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t n = rows[i].max - 1; n <= rows[i].max + 1; n++) {
            bool fits = n <= rows[i].max;
            struct rig r;

            rig_init(&r, CONTENT_DELTA, 3000);
            frames_turn_begins(r.frames);
            EXPECT_INT(rig_say(&r, rows[i].how, CHAT("m", "a")), ERR_NONE);
            memset(text, 'b', n);
            text[n] = '\0';
            buf_clear(&r.inner);
            EXPECT(!buf_addf(&r.inner, CHAT("m", "%s") + 1, text));
            EXPECT_INT(rig_feed_inner(&r, rows[i].how, buf_str(&r.inner)),
                       fits ? ERR_NONE : ERR_TOO_BIG);
            EXPECT_INT(r.text.n, fits ? n + 1 : 1);
            rig_deinit(&r);
        }
}

static const struct test suite[] = {
    { "reads any text", reads_any_text },
    { "reads snapshots", reads_snapshots },
    { "is not led astray", is_not_led_astray },
    { "joins halves of either string", joins_halves_of_either_string },
    { "reads what is not remembered", reads_what_is_not_remembered },
    { "holds its bound", holds_its_bound },
};

TEST_MAIN(suite)
