/* SPDX-License-Identifier: Apache-2.0 */
/* A chat that was known before: what is of its last turn, and what is ours. Each row runs a first
 * turn, whose messages are then remembered, and a second one on a new stream. */
#include "frames_rig.h"
#include "test.h"

#define LONG "A text of more than thirty-two bytes, so that only its beginning is kept."

enum { PAST_MAX = 512 };

/* The first turn: two messages, the second a paragraph of its own. */
static size_t first_turn(const char *const *lines, char past[PAST_MAX])
{
    struct rig r;
    size_t n;

    rig_init(&r, CONTENT_AUTO, RIG_BYTES);
    frames_turn_began(r.frames);
    for (size_t i = 0; lines[i]; i++)
        EXPECT(!rig_say(&r, WRAP_OBJECT, lines[i]));
    EXPECT_INT(r.end, FRAMES_FINISHED);
    n = frames_write_past(r.frames, past, PAST_MAX);
    rig_deinit(&r);
    return n;
}

struct past_row {
    const char *lines[ROW_LINES];
    enum frames_end end;
    const char *text; /* after the lines, and after frames_settle() when the end is unsure */
};

static void expect_row(const struct past_row *row, struct str past, enum wrap how, size_t number)
{
    struct rig r;

    rig_init(&r, CONTENT_AUTO, RIG_BYTES);
    EXPECT(!frames_read_past(r.frames, past));
    for (size_t i = 0; i < ROW_LINES && row->lines[i]; i++)
        EXPECT(!rig_say(&r, how, row->lines[i]));
    if (r.end != row->end)
        print_message("row %zu\n", number);
    EXPECT_INT(r.end, row->end);
    EXPECT_INT(frames_is_unsure(r.frames), row->end == FRAMES_UNSURE);
    if (row->end == FRAMES_UNSURE)
        EXPECT(!frames_settle(r.frames));
    if (!str_eq(buf_str(&r.text), str_of(row->text)))
        print_message("row %zu\n", number);
    EXPECT_STR(buf_str(&r.text), row->text);
    EXPECT(!frames_is_unsure(r.frames));
    rig_deinit(&r);
}

/* The first turn said "One and two." as m1 and LONG as m2. */
static const struct past_row late_replays[] = {
    /* No replay. */
    { { "POST", BUSY, CHAT("m3", "New"), IDLE }, FRAMES_FINISHED, "New" },
    /* In time, before our POST. */
    { { BUSY, CHAT("m1", "One and two."), IDLE, "POST", BUSY, CHAT("m3", "New"), IDLE },
      FRAMES_FINISHED,
      "New" },
    /* Late: with an end of its own, without one, in deltas, with its own states. */
    { { "POST", BUSY, CHAT("m1", "One and two."), CHAT("m2", LONG), IDLE, BUSY, CHAT("m3", "New"),
        IDLE },
      FRAMES_FINISHED,
      "New" },
    { { "POST", CHAT("m1", "One"), CHAT("m1", " and two."), CHAT("m3", "New"), BUSY, IDLE },
      FRAMES_FINISHED,
      "New" },
    { { "POST", BUSY, CHAT("m1", "One"), CHAT("m1", "One and two."), IDLE, CHAT("m3", "New"),
        IDLE },
      FRAMES_FINISHED,
      "New" },
    { { "POST", BUSY, CHAT("m2", LONG), IDLE, LABEL }, FRAMES_UNSURE, LONG },
    { { "POST", BUSY, THINKING("m1", "Hm"), CHAT("m1", "One and two."), IDLE, BUSY,
        CHAT("m3", "New"), IDLE },
      FRAMES_FINISHED,
      "New" },
    /* A service that counts its ids anew each turn: another text shows it at once. */
    { { "POST", BUSY, CHAT("m1", "Another one") }, FRAMES_RUNNING, "" },
    { { "POST", BUSY, CHAT("m1", "Another one"), CHAT("m1", " it is") },
      FRAMES_RUNNING,
      "Another one it is" },
    { { "POST", BUSY, CHAT("m1", "On"), CHAT("m1", "ce upon a time"), IDLE },
      FRAMES_FINISHED,
      "Once upon a time" },
    { { "POST", BUSY, CHAT("m1", "One and two. And three."), IDLE },
      FRAMES_FINISHED,
      "One and two. And three." },
    { { "POST", BUSY, CHAT("m1", "One"), IDLE }, FRAMES_UNSURE, "One" },
    { { "POST", BUSY, CHAT("m1", "One"), CHAT("m1", " and"), CHAT("m1", " two."), IDLE },
      FRAMES_UNSURE,
      "One and two." },
    /* ... and the same text only when nothing else comes. */
    { { "POST", BUSY, CHAT("m1", "One and two."), CHAT("m2", LONG), IDLE },
      FRAMES_UNSURE,
      "One and two.\n\n" LONG },
    { { "POST", BUSY, CHAT("m1", "One and two."), "CLOSE" }, FRAMES_RUNNING, "One and two." },
    /* A replay in the middle of the answer, and its end, are not the answer's. */
    { { "POST", BUSY, CHAT("m3", "New"), CHAT("m1", "One and two."), CHAT("m2", LONG), IDLE,
        CHAT("m3", " text"), IDLE },
      FRAMES_FINISHED,
      "New text" },
    { { "POST", BUSY, CHAT("m3", "New"), BUSY, CHAT("m1", "One"), CHAT("m3", " text"),
        CHAT("m1", " and two."), IDLE, CHAT("m3", " more"), IDLE },
      FRAMES_FINISHED,
      "New text more" },
    { { "POST", BUSY, CHAT("m3", "New"), CHAT("m1", "One and two."), IDLE }, FRAMES_UNSURE, "New" },
    /* Nothing at all. */
    { { "POST", BUSY, IDLE }, FRAMES_UNSURE, "" },
    { { "POST", BUSY, IDLE, BUSY, CHAT("m3", "New"), IDLE }, FRAMES_FINISHED, "New" },
    { { "POST", BUSY, CHAT("m1", "One"), CANCELLED }, FRAMES_CANCELLED, "" },
};

static void tells_a_late_replay_from_the_answer(void)
{
    static const char *const turn[] = {
        BUSY, CHAT("m1", "One"), CHAT("m1", " and two."), CHAT("m2", LONG), IDLE, NULL
    };
    char past[PAST_MAX];
    size_t n = first_turn(turn, past);

    for (int how = 0; how < WRAPS; how++)
        for (size_t i = 0; i < COUNT_OF(late_replays); i++)
            expect_row(&late_replays[i], (struct str){ past, n }, (enum wrap)how, i);
}

static void finds_its_answer_in_a_late_history(void)
{
    static const char *const turn[] = { BUSY, CHAT("m1", "One"), IDLE, NULL };
    static const struct past_row rows[] = {
        /* What follows our own prompt is ours. */
        { { "POST", BUSY,
            HISTORY(PAST("u1", "user", "\"a\"") "," PAST("m1", "assistant", "\"One\"") "," PAST(
                "u2", "user", "\"b\"") "," PAST("m2", "assistant", "\"hel\"")),
            CHAT("m2", "lo"), IDLE },
          FRAMES_FINISHED,
          "hello" },
        { { "POST", BUSY,
            HISTORY(PAST("u1", "user", "\"a\"") "," PAST("m1", "assistant", "\"One\"") "," PAST(
                "u2", "user", "\"b\"") "," PAST("m2", "assistant", "\"\"")),
            CHAT("m2", "hello"), IDLE },
          FRAMES_FINISHED,
          "hello" },
        /* What has begun to come by itself is not said twice. */
        { { "POST", BUSY, CHAT("m2", "hel"),
            HISTORY(PAST("m1", "assistant", "\"One\"") "," PAST("u2", "user", "\"b\"") "," PAST(
                "m2", "assistant", "\"hel\"")),
            CHAT("m2", "lo"), IDLE },
          FRAMES_FINISHED,
          "hello" },
        /* A history from before our prompt has nothing of ours. */
        { { "POST", BUSY,
            HISTORY(PAST("u1", "user", "\"a\"") "," PAST("m1", "assistant", "\"One\"")),
            CHAT("m2", "hello"), IDLE },
          FRAMES_FINISHED,
          "hello" },
    };
    char past[PAST_MAX];
    size_t n = first_turn(turn, past);

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_row(&rows[i], (struct str){ past, n }, WRAP_STRING, i);
}

/* Without a past nothing is proven: what a history holds stays silent, as a replay would be. */
static void takes_nothing_from_a_history_that_proves_nothing(void)
{
    static const struct past_row row = {
        { "POST", BUSY, HISTORY(PAST("u1", "user", "\"a\"") "," PAST("m1", "assistant", "\"One\"")),
          CHAT("m2", "hello"), IDLE },
        FRAMES_FINISHED,
        "hello",
    };

    expect_row(&row, STR(""), WRAP_OBJECT, 0);
}

static void passes_over_a_past_that_is_none(void)
{
    static const struct past_row row = { { "POST", BUSY, CHAT("m1", "One"), IDLE },
                                         FRAMES_FINISHED,
                                         "One" };
    static const struct {
        const char *p;
        size_t n;
    } rows[] = { { "m1", 2 },
                 { "m1\0", 3 },
                 { "m1\0"
                   "03",
                   5 },
                 { "\0"
                   "030123456789abcdef\0",
                   20 },
                 { "\0\0\0\0", 4 },
                 { "m1\0"
                   "99x123456789abcdef",
                   21 } };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_row(&row, (struct str){ rows[i].p, rows[i].n }, WRAP_OBJECT, i);
}

/* As many as fit, whole ones only. */
static void writes_what_fits(void)
{
    char past[PAST_MAX], line[128];
    struct rig r;

    rig_init(&r, CONTENT_AUTO, RIG_BYTES);
    frames_turn_began(r.frames);
    for (int i = 0; i < 20; i++) {
        snprintf(line, sizeof(line), CHAT("message-%02d", "x"), i);
        EXPECT(!rig_say(&r, WRAP_OBJECT, line));
    }
    EXPECT_INT(frames_write_past(r.frames, past, 100), 3 * (11 + 19));
    EXPECT_INT(frames_write_past(r.frames, past, 29), 0);
    EXPECT_INT(frames_write_past(r.frames, past, PAST_MAX), 17 * (11 + 19));
    rig_deinit(&r);
}

/* A POST that was refused has no answer: what came belongs to the baseline. */
static void a_refused_turn_is_taken_back(void)
{
    struct rig r;

    rig_init(&r, CONTENT_AUTO, RIG_BYTES);
    frames_turn_began(r.frames);
    EXPECT(!rig_say(&r, WRAP_OBJECT, BUSY));
    EXPECT(!rig_say(&r, WRAP_OBJECT, TOOL("m1")));
    frames_turn_refused(r.frames);
    EXPECT(!frames_turn_runs(r.frames));
    EXPECT(!rig_say(&r, WRAP_OBJECT, IDLE));
    EXPECT(!rig_say(&r, WRAP_OBJECT, CHAT("m1", "of the refused one")));
    frames_turn_began(r.frames);
    EXPECT(!rig_say(&r, WRAP_OBJECT, IDLE));
    EXPECT_INT(r.end, FRAMES_RUNNING);
    EXPECT(!rig_say(&r, WRAP_OBJECT, CHAT("m2", "ours")));
    EXPECT(!rig_say(&r, WRAP_OBJECT, IDLE));
    EXPECT_INT(r.end, FRAMES_FINISHED);
    EXPECT_STR(buf_str(&r.text), "ours");
    rig_deinit(&r);
}

static void a_new_chat_may_be_stopped_before_it_runs(void)
{
    static const struct past_row rows[] = {
        { { "POSTED", CANCELLED }, FRAMES_CANCELLED, "" },
        { { CANCELLED, "POSTED", BUSY, CHAT("m", "x"), IDLE }, FRAMES_FINISHED, "x" },
        { { "POST", CANCELLED, BUSY, CHAT("m", "x"), IDLE }, FRAMES_FINISHED, "x" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_row(&rows[i], STR(""), WRAP_OBJECT, i);
}

static const struct test suite[] = {
    { "tells a late replay from the answer", tells_a_late_replay_from_the_answer },
    { "finds its answer in a late history", finds_its_answer_in_a_late_history },
    { "takes nothing from a history that proves nothing",
      takes_nothing_from_a_history_that_proves_nothing },
    { "passes over a past that is none", passes_over_a_past_that_is_none },
    { "writes what fits", writes_what_fits },
    { "a refused turn is taken back", a_refused_turn_is_taken_back },
    { "a new chat may be stopped before it runs", a_new_chat_may_be_stopped_before_it_runs },
};

TEST_MAIN(suite)
