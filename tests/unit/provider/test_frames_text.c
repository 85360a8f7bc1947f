/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What updates say: every shape of the protocol page in every wrapping, the odd ones, several
 * messages and kinds beside each other, halves of pairs. Longer texts are in test_frames_random.
 */
#include "frames_rig.h"

static void reads_every_shape_of_an_update(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", CHAT("m", "t\\u00e9xt\\n") }, .text = "t\xC3\xA9xt\n" },
        { .lines = { "POST", THINKING("m", "hm") }, .reasoning = "hm" },
        { .lines = { "POST", SAID("m", "text") }, .text = "text" },
        { .lines = { "POST", BLOCKS("m", BLOCK("text")) }, .text = "text" },
        { .lines = { "POST", BLOCKS("m", BLOCK("te") "," BLOCK("xt")) }, .text = "text" },
        { .lines = { "POST", BLOCKS("m", "{\"type\":\"tool_use\",\"text\":\"no\"},"
                                         "{\"text\":\"text\",\"type\":\"text\"},"
                                         "{\"type\":\"image\",\"source\":{\"text\":\"no\"}}") },
          .text = "text" },
        { .lines = { "POST", BLOCKS("m", "") } },
        { .lines = { "POST", USER("u", "echo"),
                     "={\"id\":\"u2\",\"role\":\"user\",\"content\":\"echo\"}",
                     "={\"content\":\"echo\",\"role\":\"user\",\"id\":\"u3\"}" } },
        { .lines = { "POST", "={\"id\":\"u\",\"role\":\"user\",\"type\":\"chat\","
                             "\"chat\":{\"content\":\"echo\"}}" } },
        { .lines = { "POST",
                     "={\"chat\":{\"content\":\"echo\"},\"type\":\"chat\",\"role\":\"user\","
                     "\"id\":\"u\"}" } },
        /* the order of the members, ids in one place or the other */
        { .lines = { "POST", "={\"chat\":{\"content\":\"a\"},\"type\":\"chat\",\"id\":\"m\"}",
                     "={\"content\":\"b\",\"role\":\"assistant\",\"id\":\"m\"}", CHAT("m", "c") },
          .text = "abc" },
        { .lines = { "POST",
                     "={\"chat\":{\"content\":\"hm\"},\"id\":\"m\",\"type\":\"thinking\"}" },
          .reasoning = "hm" },
        { .lines = { "POST", "={\"type\":\"chat\",\"chat\":{\"content\":\"a\",\"id\":\"m1\"}}",
                     "={\"type\":\"chat\",\"chat\":{\"id\":\"m1\",\"content\":\"b\"}}",
                     "={\"type\":\"chat\",\"chat\":{\"id\":\"m2\",\"content\":\"c\"}}",
                     CHAT("m2", "d") },
          .text = "ab\n\ncd" },
        { .lines = { "POST",
                     "={\"id\":\"m\",\"type\":\"chat\",\"extra\":[{\"content\":\"no\"}],"
                     "\"chat\":{\"meta\":{\"content\":\"no\"},\"content\":\"a\",\"n\":-1.5e3},"
                     "\"usage\":null}" },
          .text = "a" },
        { .lines = { "POST", " = " }, .unknown = 1 },
        { .lines = { "POST",
                     "= \t\r\n{ \"id\" : \"m\" , \"type\" : \"chat\" , \"chat\" : { \"content\" : "
                     "\"a\" } } \r\n" },
          .text = "a" },
        { .lines = { "POST", CHAT("m", "\\\"\\\\\\/\\b\\f\\r\\t") }, .text = "\"\\/\b\f\r\t" },
        { .lines = { "POST", CHAT("m\\u0031", "a"), CHAT("m1", "b"), CHAT("m\\\"", "c") },
          .text = "ab\n\nc" },
        { .lines = { "POST", BLOCKS("m", "{\"type\":\"text\",\"text\":7},{\"type\":\"text\"},"
                                         "\"no\",null," BLOCK("a")) },
          .text = "a" },
        { .lines = { "POST", "={\"id\":7,\"type\":\"chat\",\"chat\":{\"content\":\"a\"}}",
                     "={\"id\":8,\"type\":\"chat\",\"chat\":{\"content\":\"b\"}}" },
          .text = "a\n\nb" },
        { .lines = { "POST", "={\"type\":null,\"id\":\"m\",\"role\":\"assistant\","
                             "\"content\":\"a\"}" },
          .text = "a" },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void counts_what_it_does_not_know(void)
{
    static const char *const rows[] = {
        "",
        " ",
        "ping",
        "{",
        "{}",
        "[]",
        "null",
        "\"update\"",
        "{\"type\":\"update\"}",
        "{\"type\":\"update\",\"buffer\":null}",
        "{\"type\":\"update\",\"buffer\":7}",
        "{\"type\":\"update\",\"buffer\":\"\"}",
        "{\"type\":\"update\",\"buffer\":\"null\"}",
        "{\"type\":\"update\",\"buffer\":\"{no\"}",
        "{\"type\":\"update\",\"buffer\":[{\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":"
        "\"no\"}}]}",
        "{\"type\":\"telemetry\",\"data\":{\"buffer\":[1,2,3]}}",
        "{\"type\":7}",
        "{\"type\":null,\"buffer\":{\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":\"no\"}}}",
        "{\"buffer\":{\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":\"no\"}}}",
        "{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":"
        "\"no\"}}} x",
        "{\"type\":\"update\",\"buffer\":{\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":"
        "\"no\xff\"}}}",
        "={}",
        "=7",
        "={\"id\":\"m\"}",
        "={\"id\":\"m\",\"type\":\"chat\"}",
        "={\"id\":\"m\",\"type\":\"chat\",\"chat\":\"no\"}",
        "={\"id\":\"m\",\"type\":\"chat\",\"chat\":{}}",
        "={\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":7}}",
        "={\"id\":\"m\",\"type\":\"Chat\",\"chat\":{\"content\":\"no\"}}",
        "={\"id\":\"m\",\"type\":\"thinking\",\"chat\":[]}",
        "={\"id\":\"m\",\"role\":\"assistant\"}",
        "={\"id\":\"m\",\"role\":\"assistant\",\"content\":7}",
        "={\"id\":\"m\",\"role\":\"system\",\"content\":\"no\"}",
        "={\"id\":\"m\",\"role\":\"tool\",\"content\":\"no\"}",
        "={\"id\":\"m\",\"content\":\"no\"}",
        "={\"id\":\"m\",\"type\":\"tool_result\",\"role\":\"assistant\",\"content\":\"no\"}",
        TOOL("t"),
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct row row = { .lines = { "POST", rows[i] }, .unknown = 1 };

        run_rows(CONTENT_AUTO, &row, 1);
    }
}

static void takes_nothing_of_a_message_cut_short(void)
{
    static const char *const inner[] = {
        CHAT("m", "t\\u00e9\\uD83D\\uDE00xt"),    THINKING("m", "hm"), SAID("m", "text"),
        BLOCKS("m", BLOCK("te") "," BLOCK("xt")), USER("u", "echo"),   TOOL("t"),
    };
    struct rig r;

    rig_init(&r, CONTENT_AUTO, RIG_BYTES);
    frames_turn_begins(r.frames);
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        struct str whole = str_of(inner[i] + 1);

        for (size_t n = 0; n < whole.n; n++) {
            EXPECT_INT(rig_feed_inner(&r, WRAP_STRING, str_sub(whole, 0, n)), ERR_NONE);
            EXPECT_INT(rig_feed_inner(&r, WRAP_OBJECT, str_sub(whole, 0, n)), ERR_NONE);
        }
        for (int how = 0; how < WRAPS; how++) {
            struct buf message;

            buf_init(&message, RIG_BYTES);
            wrap((enum wrap)how, whole, &message);
            for (size_t n = 0; n + 2 < message.n; n++)
                EXPECT_INT(rig_feed(&r, str_sub(buf_str(&message), 0, n)), ERR_NONE);
            buf_deinit(&message);
        }
    }
    EXPECT_INT(rig_say(&r, WRAP_STRING, IDLE), ERR_NONE);
    EXPECT_INT(r.end, FRAMES_RUNNING);
    EXPECT(!frames_closed(r.frames));
    EXPECT(!frames_has_answer(r.frames));
    EXPECT_INT(r.text.n + r.reasoning.n, 0);
    rig_deinit(&r);
}

static void begins_a_paragraph_with_each_message(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", "two"), CHAT("c", "three"), IDLE },
          .text = "one\n\ntwo\n\nthree",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", THINKING("a", "hm"), CHAT("a", "one") },
          .text = "one",
          .reasoning = "hm" },
        { .lines = { "POST", THINKING("a", "hm"), CHAT("b", "one"), THINKING("b", "so"),
                     CHAT("b", "!") },
          .text = "one!",
          .reasoning = "hm\n\nso" },
        { .lines = { "POST", CHAT("a", "one"), TOOL("t"), USER("u", "echo"), CHAT("b", "two") },
          .text = "one\n\ntwo",
          .unknown = 1 },
        { .lines = { "POST", CHAT("a", "one"), TOOL("t"), CHAT("a", " more") },
          .text = "one more",
          .unknown = 1 },
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", ""), CHAT("c", ""), IDLE },
          .text = "one",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", ""), CHAT("b", "two") },
          .text = "one\n\ntwo" },
        { .lines = { "POST", CHAT("a", ""), CHAT("b", "one") }, .text = "one" },
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", "\\uD83D"), CHAT("b", "\\uDE00") },
          .text = "one\n\n" SMILE },
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", "\\uD83D"), IDLE },
          .text = "one\n\n" LOST,
          .end = FRAMES_FINISHED,
          .lost = 1 },
        /* what the one before held back goes out first */
        { .lines = { "POST", CHAT("a", "12345678"), CHAT("a", "123456789"), CHAT("b", "x") },
          .text = "123456789\n\nx" },
        { .lines = { "POST", CHAT("a", "1"), CHAT("a", "12"), CHAT("b", "x") },
          .text = "112\n\nx" },
        { .lines = { "POST", CHAT("a", "1\\uD83D"), CHAT("b", "\\uDE00x") },
          .text = "1" LOST "\n\n" LOST "x",
          .lost = 2 },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void joins_halves_of_a_pair_over_what_comes_between(void)
{
    static const struct row deltas[] = {
        { .lines = { "POST", CHAT("a", "x\\uD83D"), CHAT("a", "\\uDE00y") },
          .text = "x" SMILE "y" },
        { .lines = { "POST", THINKING("a", "x\\ud83d"), THINKING("a", "\\ude00y") },
          .reasoning = "x" SMILE "y" },
        { .lines = { "POST", CHAT("a", "x\\uD83D"), THINKING("a", "hm"), CHAT("a", "\\uDE00y") },
          .text = "x" SMILE "y",
          .reasoning = "hm" },
        { .lines = { "POST", CHAT("a", "x\\uD83D"), TOOL("t"), BUSY, LABEL, "pong", USER("u", "e"),
                     "{", CHAT("a", "\\uDE00y") },
          .text = "x" SMILE "y",
          .unknown = 2 },
        { .lines = { "POST", CHAT("a", "x\\uD83D"), CHAT("a", ""), CHAT("a", "\\uDE00y") },
          .text = "x" SMILE "y" },
        { .lines = { "POST", CHAT("a", "\\uD83D\\uDE00"), CHAT("a", "\\uD83D\\uDE00\\uD83D"),
                     CHAT("a", "\\uDE00") },
          .text = SMILE SMILE SMILE },
        { .lines = { "POST", BLOCKS("a", BLOCK("x\\uD83D") "," BLOCK("\\uDE00y")) },
          .text = "x" SMILE "y" },
        { .lines = { "POST",
                     BLOCKS("a", BLOCK("\\uDE00") "," BLOCK("\\uDE00x\\uD83D") "," BLOCK("y")) },
          .text = LOST LOST "x" LOST "y",
          .lost = 3 },
        /* and those that never find each other */
        { .lines = { "POST", CHAT("a", "x\\uD83D"), CHAT("a", "y\\uDE00") },
          .text = "x" LOST "y" LOST,
          .lost = 2 },
        { .lines = { "POST", CHAT("a", "\\uDE00\\uD83D"), IDLE },
          .text = LOST LOST,
          .lost = 2,
          .end = FRAMES_FINISHED },
        { .lines = { "POST", CHAT("a", "x\\uD83D\\uD83D"), CHAT("a", "\\uDE00") },
          .text = "x" LOST SMILE,
          .lost = 1 },
        { .lines = { "POST", CHAT("a", "x\\uD83Dy\\uDE00z") },
          .text = "x" LOST "y" LOST "z",
          .lost = 2 },
        { .lines = { "POST", CHAT("a", "x\\uD83D\\\\uDE00") },
          .text = "x" LOST "\\uDE00",
          .lost = 1 },
    };
    static const struct row snapshots[] = {
        { .lines = { "POST", CHAT("a", "x\\uD83D"), CHAT("a", "x\\uD83D\\uDE00"),
                     CHAT("a", "x\\uD83D\\uDE00y") },
          .text = "x" SMILE "y" },
        { .lines = { "POST", CHAT("a", "x\\uD83D"), CHAT("a", "x" SMILE "y") },
          .text = "x" SMILE "y" },
        { .lines = { "POST", SAID("a", "x\\uD83D"), BLOCKS("a", BLOCK("x" SMILE "y")) },
          .text = "x" SMILE "y" },
        { .lines = { "POST", CHAT("a", "x\\uD83D"), IDLE },
          .text = "x" LOST,
          .lost = 1,
          .end = FRAMES_FINISHED },
    };

    run_rows(CONTENT_DELTA, deltas, COUNT_OF(deltas));
    run_rows(CONTENT_SNAPSHOT, snapshots, COUNT_OF(snapshots));
}

static void tells_messages_and_kinds_apart(void)
{
    static const struct row snapshots[] = {
        { .lines = { "POST", CHAT("a", "one"), CHAT("b", "two"), CHAT("a", "one"),
                     CHAT("b", "two!") },
          .text = "one\n\ntwo!" },
        { .lines = { "POST", THINKING("a", "hm"), CHAT("a", "hm, yes"), THINKING("a", "hm!") },
          .text = "hm, yes",
          .reasoning = "hm!" },
        { .lines = { "POST", CHAT("a", "one"), SAID("a", "one two"),
                     BLOCKS("a", BLOCK("one two 3")) },
          .text = "one two 3" },
    };
    static const struct row undecided[] = {
        { .lines = { "POST", CHAT("a", "12345678"), THINKING("a", "1"), CHAT("a", "123456789"),
                     THINKING("a", "12"), IDLE },
          .text = "123456789",
          .reasoning = "112",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", CHAT("a", "12345678"), TOOL("t"), CHAT("a", "123456789"), BUSY, IDLE },
          .text = "123456789",
          .end = FRAMES_FINISHED,
          .unknown = 1 },
        { .lines = { "POST", CHAT("a", "1"), CHAT("a", "12"), CHAT("a", "3"), CHAT("b", "12345678"),
                     CHAT("b", "123456789"), IDLE },
          .text = "1123\n\n123456789",
          .end = FRAMES_FINISHED },
    };

    run_rows(CONTENT_SNAPSHOT, snapshots, COUNT_OF(snapshots));
    run_rows(CONTENT_AUTO, undecided, COUNT_OF(undecided));
}

static const struct test suite[] = {
    { "reads every shape of an update", reads_every_shape_of_an_update },
    { "counts what it does not know", counts_what_it_does_not_know },
    { "takes nothing of a message cut short", takes_nothing_of_a_message_cut_short },
    { "begins a paragraph with each message", begins_a_paragraph_with_each_message },
    { "joins halves of a pair over what comes between",
      joins_halves_of_a_pair_over_what_comes_between },
    { "tells messages and kinds apart", tells_messages_and_kinds_apart },
};

TEST_MAIN(suite)
