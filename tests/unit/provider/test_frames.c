/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a turn on the answer stream: what is baseline, what is ours, what is the end; and
 * the bounds. What updates say is in test_frames_text.
 */
#include "frames_rig.h"

static void forwards_nothing_that_was_there_before_the_prompt(void)
{
    static const struct row rows[] = {
        { .lines = { CHAT("m1", "old") } },
        { .lines = { CHAT("m1", "old"), "POST", CHAT("m1", "more"), CHAT("m1", "old"), IDLE } },
        { .lines = { THINKING("m1", "old"), "POST", CHAT("m1", "more"), THINKING("m1", "more") } },
        { .lines = { SAID("m1", "old"), "POST", BLOCKS("m1", BLOCK("old")), IDLE } },
        { .lines = { TOOL("t1"), "POST", CHAT("t1", "tool"), IDLE } },
        { .lines = { USER("u1", "old"), "POST", SAID("u1", "odd"), IDLE } },
        { .lines = { HISTORY(PAST("u1", "user", "\"q\"") "," PAST("m1", "assistant", "\"old\"")),
                     "POST", CHAT("m1", "old"), CHAT("u1", "q"), IDLE } },
        { .lines = { HISTORY(PAST("m1", "assistant", "[" BLOCK("old") "]")), "POST",
                     SAID("m1", "old") } },
        { .lines = { CHAT("m1", "old"), "POST", CHAT("m1", "old"), IDLE, CHAT("m2", "new"),
                     CHAT("m1", "old"), IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
        { .lines = { HISTORY(PAST("m1", "assistant", "\"half \\uD83D\"")), "POST",
                     CHAT("m1", "old"), IDLE } },
        { .lines = { HISTORY("{\"role\":\"assistant\",\"content\":\"old\",\"id\":7}"), "POST",
                     "={\"id\":7,\"type\":\"chat\",\"chat\":{\"content\":\"old\"}}", IDLE } },
        { .lines = { HISTORY("{\"role\":\"assistant\",\"content\":\"old\"}"), "POST",
                     "={\"type\":\"chat\",\"chat\":{\"content\":\"new\"}}", IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
        { .lines = { "={\"type\":\"chat\",\"chat\":{\"content\":\"old\"}}", "POST",
                     "={\"type\":\"chat\",\"chat\":{\"content\":\"new\"}}", IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
        { .lines = { CHAT("m\\u0031", "old"), "POST", CHAT("m1", "old"), IDLE } },
        { .lines = { "={\"type\":\"chat\",\"chat\":{\"id\":\"m1\",\"content\":\"old\"}}", "POST",
                     CHAT("m1", "old"), IDLE } },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void ends_only_after_our_turn_began_to_run(void)
{
    static const struct row rows[] = {
        { .lines = { IDLE } },
        { .lines = { BUSY, IDLE } },
        { .lines = { IDLE, "POST", IDLE, IDLE } },
        { .lines = { BUSY, "POST", IDLE } },
        { .lines = { BUSY, CHAT("m1", "old"), "POST", CHAT("m1", "old"), IDLE, IDLE } },
        { .lines = { "POST", LABEL, "pong", "\"pong\"", IDLE } },
        { .lines = { "POST", BUSY } },
        { .lines = { "POST", BUSY, IDLE }, .end = FRAMES_FINISHED },
        { .lines = { "POST", IDLE, BUSY, IDLE }, .end = FRAMES_FINISHED },
        { .lines = { BUSY, "POST", IDLE, BUSY, IDLE }, .end = FRAMES_FINISHED },
        { .lines = { "POST", CHAT("m2", "new"), IDLE }, .text = "new", .end = FRAMES_FINISHED },
        { .lines = { "POST", THINKING("m2", "hm"), IDLE },
          .reasoning = "hm",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", TOOL("t2"), IDLE }, .end = FRAMES_FINISHED, .unknown = 1 },
        { .lines = { "POST", BUSY, CHAT("m2", "a"), BUSY, CHAT("m2", "b"), IDLE },
          .text = "ab",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", BUSY,
                     STATE("\"taskId\":\"t\",\"inProgress\":false,\"cancelled\":false") },
          .end = FRAMES_FINISHED },
        { .lines = { "POST", BUSY,
                     STATE("\"inProgress\":false,\"cancelled\":null,\"taskId\":null") },
          .end = FRAMES_FINISHED },
        { .lines = { "POST", BUSY, STATE("\"label\":\"half \\uD83D\",\"inProgress\":false") },
          .end = FRAMES_FINISHED },
        /* no state that says so */
        { .lines = { "POST", BUSY, STATE("\"inProgress\":true,\"cancelled\":true") } },
        { .lines = { "POST", BUSY, STATE("\"inProgress\":\"false\""), STATE("\"cancelled\":true"),
                     STATE(""), "{\"type\":\"state\"}", "{\"type\":\"state\",\"state\":false}",
                     STATE("\"inProgress\":0"), STATE("\"inProgress\":null") },
          .unknown = 7 },
        { .lines = { "POST", BUSY, "={\"type\":\"state\",\"state\":{\"inProgress\":false}}" },
          .unknown = 1 },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void tells_a_cancelled_task(void)
{
    static const struct row rows[] = {
        { .lines = { CANCELLED, "POST", CANCELLED } },
        { .lines = { "POST", BUSY, CANCELLED }, .end = FRAMES_CANCELLED },
        { .lines = { "POST", CHAT("m", "par"), CANCELLED },
          .text = "par",
          .end = FRAMES_CANCELLED },
        { .lines = { "POST", BUSY, STATE("\"cancelled\":true,\"inProgress\":false") },
          .end = FRAMES_CANCELLED },
        { .lines = { "POST", CHAT("m", "12345678"), CHAT("m", "123456789"), CANCELLED },
          .text = "123456789",
          .end = FRAMES_CANCELLED },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void takes_a_close_as_the_end_after_an_update(void)
{
    static const struct row rows[] = {
        { .lines = { "CLOSE" } },
        { .lines = { "POST", "CLOSE" } },
        { .lines = { CHAT("m1", "old"), "POST", "CLOSE" } },
        { .lines = { CHAT("m1", "old"), "POST", CHAT("m1", "old"), BUSY, LABEL, "CLOSE" } },
        { .lines = { "POST", HISTORY(PAST("m1", "assistant", "\"old\"")), "CLOSE" } },
        { .lines = { "POST", "={\"id\":\"m\",\"type\":\"chat\",\"chat\":{\"content\":\"no\"}",
                     "CLOSE" },
          .unknown = 1 },
        { .lines = { "POST", CHAT("m", "new"), "CLOSE" }, .text = "new", .is_closed = true },
        { .lines = { "POST", THINKING("m", "hm"), "CLOSE" }, .reasoning = "hm", .is_closed = true },
        { .lines = { "POST", CHAT("m", "12345678"), CHAT("m", "123456789"), "CLOSE" },
          .text = "123456789",
          .is_closed = true },
        { .lines = { "POST", CHAT("m", "a"), CHAT("m", "ab"), "CLOSE" },
          .text = "aab",
          .is_closed = true },
        { .lines = { "POST", CHAT("m", "a\\uD83D"), "CLOSE" },
          .text = "a" LOST,
          .is_closed = true,
          .lost = 1 },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

#define ASKED(id) PAST(id, "user", "\"q\"")
#define ANSWERED(id, text) PAST(id, "assistant", "\"" text "\"")

/* Not ours, and no sign of our turn. */
static void takes_nothing_from_a_history_pushed_late(void)
{
    static const struct row rows[] = {
        { .lines = { "POST", HISTORY(ASKED("u1") "," ANSWERED("m1", "old")), IDLE } },
        { .lines = { "POST", HISTORY(ANSWERED("m1", "old")), CHAT("m2", "new"), IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", CHAT("m2", "new"),
                     HISTORY(ANSWERED("m1", "old") "," ASKED("u2") "," ANSWERED("m2", "new")),
                     CHAT("m2", "er"), IDLE },
          .text = "newer",
          .end = FRAMES_FINISHED },
        { .lines = { "POST", THINKING("m2", "hm"), HISTORY(ANSWERED("m2", "")), CHAT("m2", "new"),
                     IDLE },
          .text = "new",
          .reasoning = "hm",
          .end = FRAMES_FINISHED },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void reads_history_where_there_is_no_baseline(void)
{
    static const struct row rows[] = {
        { .lines = { "POSTED", IDLE, HISTORY(ASKED("u1")), IDLE, "CLOSE" } },
        { .lines = { "POSTED", CHAT("m1", "new"), IDLE }, .text = "new", .end = FRAMES_FINISHED },
        { .lines = { "POSTED", BUSY, IDLE }, .end = FRAMES_FINISHED },
        { .lines = { "POSTED", HISTORY(ASKED("u1") "," ANSWERED("m1", "yes")), IDLE },
          .text = "yes",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED",
                     HISTORY(PAST("u1", "user", "[" BLOCK("q") "]") "," PAST(
                         "m1", "assistant", "[" BLOCK("ye") "," BLOCK("s") "]")),
                     "CLOSE" },
          .text = "yes",
          .is_closed = true },
        { .lines = { "POSTED",
                     HISTORY(ASKED("u1") "," ANSWERED("m1", "old") "," ASKED("u2") "," ANSWERED(
                         "m2", "new")),
                     CHAT("m1", "old"), IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED", HISTORY(ASKED("u1") "," ANSWERED("m1", "Hel")), CHAT("m1", "lo"),
                     IDLE },
          .text = "Hello",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED", CHAT("m1", "Hel"), CHAT("m1", "lo"),
                     HISTORY(ASKED("u1") "," ANSWERED("m1", "Hello")), CHAT("m1", "!"), IDLE },
          .text = "Hello!",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED", HISTORY(ASKED("u1") "," ANSWERED("m1", "Hello, w")),
                     CHAT("m1", "Hello, world"), IDLE },
          .text = "Hello, world",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED",
                     HISTORY(ASKED("u1") "," ANSWERED("m1", "one") "," ANSWERED("m2", "two")),
                     IDLE },
          .text = "one\n\ntwo",
          .end = FRAMES_FINISHED },
        { .lines = { "POSTED",
                     HISTORY(ANSWERED("m1", "old") "," PAST(
                         "u2", "user", "\"half \\uD83D\"") "," ANSWERED("m2", "new")),
                     IDLE },
          .text = "new",
          .end = FRAMES_FINISHED },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void takes_nothing_from_odd_histories(void)
{
    static const char *const rows[] = {
        "{\"type\":\"history\"}",
        "{\"type\":\"history\",\"messages\":7}",
        "{\"type\":\"history\",\"messages\":[]}",
        "{\"type\":\"history\",\"messages\":\"[{}]\"}",
        "{\"type\":\"history\",\"messages\":[7,null,{},[],{\"id\":7},{\"role\":\"user\"}]}",
        "{\"type\":\"history\",\"data\":{\"messages\":[{\"id\":\"m\",\"role\":\"assistant\","
        "\"content\":\"no\"}]}}",
        HISTORY("{\"id\":\"m\",\"role\":\"assistant\",\"content\":{\"text\":\"no\"}}"),
        HISTORY("{\"id\":\"m\",\"role\":\"system\",\"content\":\"no\"}"),
    };

    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        struct rig r;

        rig_init(&r, CONTENT_AUTO, RIG_BYTES);
        EXPECT_INT(rig_say(&r, WRAP_STRING, i % 2 ? "POST" : "POSTED"), ERR_NONE);
        EXPECT_INT(rig_say(&r, WRAP_STRING, rows[i / 2]), ERR_NONE);
        EXPECT_INT(r.text.n + r.reasoning.n, 0);
        EXPECT(!frames_has_answer(r.frames));
        rig_deinit(&r);
    }
}

static void fails_when_text_is_taken_back(void)
{
    static const char *const lines[] = { CHAT("a", "Hello, wo"), CHAT("a", "Hello, we") };
    struct rig r;

    rig_init(&r, CONTENT_SNAPSHOT, RIG_BYTES);
    frames_turn_begins(r.frames);
    EXPECT_INT(rig_say(&r, WRAP_STRING, lines[0]), ERR_NONE);
    EXPECT_INT(rig_say(&r, WRAP_STRING, lines[1]), ERR_PROTOCOL);
    EXPECT_STR(buf_str(&r.text), "Hello, wo");
    EXPECT_INT(r.end, FRAMES_RUNNING);
    rig_deinit(&r);
}

static void keeps_a_growing_message_within_the_bound(void)
{
    static char text[4000];
    enum err err = ERR_NONE;
    struct rig r;

    rig_init(&r, CONTENT_AUTO, 3000);
    frames_turn_begins(r.frames);
    memset(text, 'x', sizeof(text));
    for (int n = 1; n < 4000 && !err; n += 50) {
        buf_clear(&r.inner);
        EXPECT(!buf_addf(&r.inner, "{\"id\":\"m\",\"role\":\"assistant\",\"content\":\"%.*s\"}", n,
                         text));
        err = rig_feed_inner(&r, WRAP_OBJECT, buf_str(&r.inner));
    }
    EXPECT_INT(err, ERR_TOO_BIG);
    EXPECT(r.text.n > 2000 && r.text.n <= 3000);
    rig_deinit(&r);
}

static void keeps_all_messages_within_the_bound(void)
{
    static const struct {
        enum enginelabs_content mode;
        bool in_turn;
        int bytes; /* of a message */
        int messages;
    } rows[] = {
        { CONTENT_DELTA, false, 1, 100 },
        { CONTENT_DELTA, true, 1, 100 },
        { CONTENT_SNAPSHOT, true, 3000, 3 },
        { CONTENT_AUTO, true, 3000, 3 },
    };
    char line[4000];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum err err = ERR_NONE;
        struct rig r;

        rig_init(&r, rows[i].mode, 8192);
        if (rows[i].in_turn)
            frames_turn_begins(r.frames);
        for (int n = 0; n < rows[i].messages && !err; n++) {
            snprintf(line, sizeof(line), SAID("m%d", "%0*d"), n, rows[i].bytes, 0);
            err = rig_say(&r, WRAP_STRING, line);
        }
        EXPECT_INT(err, ERR_TOO_BIG);
        rig_deinit(&r);
    }
}

static void keeps_no_deltas(void)
{
    struct rig r;

    rig_init(&r, CONTENT_DELTA, 2048);
    frames_turn_begins(r.frames);
    for (int n = 0; n < 1000; n++)
        EXPECT_INT(rig_say(&r, WRAP_STRING, CHAT("m", "some text")), ERR_NONE);
    EXPECT_INT(r.text.n, 9000);
    rig_deinit(&r);
}

static void is_harmless_after_the_end(void)
{
    static const char *const more[] = { IDLE,
                                        BUSY,
                                        CANCELLED,
                                        CHAT("m", "123456789"),
                                        THINKING("n", "x"),
                                        "{",
                                        "CLOSE",
                                        HISTORY(PAST("m", "assistant", "\"x\"")),
                                        "CLOSE" };

    for (size_t first = 0; first < COUNT_OF(more); first++) {
        struct rig r;

        rig_init(&r, CONTENT_AUTO, RIG_BYTES);
        frames_turn_begins(r.frames);
        EXPECT_INT(rig_say(&r, WRAP_STRING, CHAT("m", "12345678")), ERR_NONE);
        EXPECT_INT(rig_say(&r, WRAP_STRING, IDLE), ERR_NONE);
        EXPECT_INT(r.end, FRAMES_FINISHED);
        for (size_t i = first; i < COUNT_OF(more); i++)
            EXPECT_INT(rig_say(&r, WRAP_STRING, more[i]), ERR_NONE);
        EXPECT(str_starts(buf_str(&r.text), STR("12345678")));
        rig_deinit(&r);
    }
}

static bool runs_with_a_fault(uint64_t nth)
{
    static const char *const lines[] = {
        HISTORY(PAST("m\\u0030", "assistant", "\"old\"")),
        CHAT("m1", "older"),
        "POST",
        THINKING("m\\u0032", "h\\u00e9"),
        CHAT("m2", "12\\uD83D"),
        CHAT("m2", "12\\uD83D\\uDE00"),
        CHAT("m2", "12\\uD83D\\uDE00 and 3"),
        BLOCKS("m3", BLOCK("wh") "," BLOCK("at")),
        IDLE,
    };
    const struct str want = STR("12" SMILE " and 3\n\nwhat");
    enum err err = ERR_NONE;
    struct rig r;

    rig_init(&r, CONTENT_SNAPSHOT, RIG_BYTES);
    mem_fail_nth(nth);
    for (size_t i = 0; i < COUNT_OF(lines) && !err; i++)
        err = rig_say(&r, WRAP_STRING, lines[i]);
    mem_fail_nth(0);
    EXPECT(err == ERR_NONE || err == ERR_NOMEM);
    EXPECT(str_starts(want, buf_str(&r.text)));
    EXPECT(err || str_eq(want, buf_str(&r.text)));
    rig_deinit(&r);
    return err == ERR_NONE;
}

static void survives_memory_that_runs_out(void)
{
    uint64_t nth = 1;

    while (!runs_with_a_fault(nth))
        nth++;
    EXPECT(nth > 3);
    frames_free(NULL);
}

static const struct test suite[] = {
    { "forwards nothing that was there before the prompt",
      forwards_nothing_that_was_there_before_the_prompt },
    { "ends only after our turn began to run", ends_only_after_our_turn_began_to_run },
    { "tells a canceled task", tells_a_cancelled_task },
    { "takes a close as the end after an update", takes_a_close_as_the_end_after_an_update },
    { "takes nothing from a history pushed late", takes_nothing_from_a_history_pushed_late },
    { "reads history where there is no baseline", reads_history_where_there_is_no_baseline },
    { "fails when text is taken back", fails_when_text_is_taken_back },
    { "takes nothing from odd histories", takes_nothing_from_odd_histories },
    { "keeps a growing message within the bound", keeps_a_growing_message_within_the_bound },
    { "keeps all messages within the bound", keeps_all_messages_within_the_bound },
    { "keeps no deltas", keeps_no_deltas },
    { "is harmless after the end", is_harmless_after_the_end },
    { "survives memory that runs out", survives_memory_that_runs_out },
};

TEST_MAIN(suite)
