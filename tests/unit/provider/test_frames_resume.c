/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer whose stream breaks anywhere and is opened again, as often as it takes, on deployments
 * that replay it from its start, tell a history, both, or nothing. Whatever happens, what comes out
 * is the answer, byte for byte, or an error; with a deployment that replays it is the answer.
 */
#include "frames_rig.h"
#include "provider/enginelabs/resume.h"
#include "test.h"

enum { ROUNDS = 4000, STEPS_MAX = 24, STREAMS_MAX = 12, IDS = 3 };

enum again {
    AGAIN_REPLAY,         /* all frames from the start */
    AGAIN_GATHERED,       /* what was said so far in one frame a message and kind */
    AGAIN_HISTORY,        /* a history, then what is new */
    AGAIN_HISTORY_REPLAY, /* a history, then all frames from the start */
    AGAIN_NOTHING,        /* what is new */
    AGAIN_OTHER,          /* all frames from the start, but the first letter is another one */
    AGAINS
};

enum result { RESULT_WHOLE, RESULT_BROKEN, RESULT_FAILED };

struct step {
    size_t id;
    bool is_reasoning;
    struct units text;
};

struct world {
    uint64_t seed;
    enum enginelabs_content mode; /* what we are told */
    bool is_snapshot;             /* what it is */
    bool is_known;                /* the chat had a turn before */
    enum again again;
    struct step steps[STEPS_MAX];
    size_t n_steps;
    size_t at; /* the upstream has come so far */
    struct buf want[RESUME_SIDES];

    struct frames *frames;
    struct resume resume;
    struct buf out[RESUME_SIDES];
    struct buf line;
    struct buf message;
    bool is_posted;
    bool has_looked;
    enum frames_end end;
};

/* ---- the gateway ---- */

static void on_new(void *arg, enum resume_side side, struct str text)
{
    struct world *w = arg;

    EXPECT(text.n > 0 && utf8_is_valid(text));
    EXPECT(!buf_add(&w->out[side], text));
    w->has_looked = false;
}

static void on_text(void *arg, struct str text)
{
    (void)resume_take(&((struct world *)arg)->resume, RESUME_TEXT, text);
}

static void on_reasoning(void *arg, struct str text)
{
    (void)resume_take(&((struct world *)arg)->resume, RESUME_REASONING, text);
}

static void on_history(void *arg)
{
    resume_by_history(&((struct world *)arg)->resume);
}

static void on_rewind(void *arg)
{
    resume_rewind(&((struct world *)arg)->resume, RESUME_TEXT);
}

/* What becomes of a stream after a message; RESULT_WHOLE: it goes on. */
static enum result check(struct world *w)
{
    if (resume_failed(&w->resume) || (resume_must_look(&w->resume) && w->has_looked))
        return RESULT_FAILED;
    if (!resume_must_look(&w->resume))
        return RESULT_WHOLE;
    w->has_looked = true;
    return RESULT_BROKEN;
}

static enum result feed(struct world *w, struct str message)
{
    enum frames_end end;

    if (frames_feed(w->frames, message, &end))
        return RESULT_FAILED;
    if (end != FRAMES_RUNNING || !frames_is_unsure(w->frames))
        w->end = end;
    return check(w);
}

static enum result ended(struct world *w)
{
    enum result result;

    if (frames_is_unsure(w->frames) && frames_settle(w->frames))
        return RESULT_FAILED;
    result = check(w);
    if (result)
        return result;
    if (!frames_has_answer(w->frames))
        return RESULT_FAILED;
    if (resume_is_whole(&w->resume))
        return RESULT_WHOLE;
    if (!resume_is_caught_up(&w->resume) || w->has_looked)
        return RESULT_FAILED;
    w->has_looked = true;
    return RESULT_BROKEN;
}

/* ---- the upstream ---- */

/* Of the message and kind of a step: all up to and with it. */
static void all_up_to(const struct world *w, size_t step, struct units *ret)
{
    ret->n = 0;
    for (size_t i = 0; i <= step; i++)
        if (w->steps[i].id == w->steps[step].id &&
            w->steps[i].is_reasoning == w->steps[step].is_reasoning)
            units_add_part(ret, &w->steps[i].text, 0, w->steps[i].text.n);
}

static enum result send_content(struct world *w, size_t step, const struct units *text)
{
    const struct step *s = &w->steps[step];

    buf_clear(&w->line);
    buf_clear(&w->message);
    EXPECT(!buf_addf(&w->line, "{\"id\":\"m%zu\",\"type\":\"%s\",\"chat\":{\"content\":", s->id,
                     s->is_reasoning ? "thinking" : "chat"));
    add_string(&w->seed, &w->line, text);
    add(&w->line, "}}");
    wrap((enum wrap)chance(&w->seed, WRAPS), buf_str(&w->line), &w->message);
    return feed(w, buf_str(&w->message));
}

static enum result send_step(struct world *w, size_t step)
{
    struct units text;

    if (w->is_snapshot)
        all_up_to(w, step, &text);
    else
        text = w->steps[step].text;
    if (step == 0 && w->again == AGAIN_OTHER && w->out[w->steps[0].is_reasoning].n > 0)
        text.u[0] = '#';
    return send_content(w, step, &text);
}

static bool is_last_of_its_kind(const struct world *w, size_t step)
{
    for (size_t i = step + 1; i < w->at; i++)
        if (w->steps[i].id == w->steps[step].id &&
            w->steps[i].is_reasoning == w->steps[step].is_reasoning)
            return false;
    return true;
}

static enum result send_replay(struct world *w, bool is_gathered)
{
    enum result result = RESULT_WHOLE;

    for (size_t i = 0; !result && i < w->at; i++) {
        struct units text;

        if (is_gathered && !is_last_of_its_kind(w, i))
            continue;
        all_up_to(w, i, &text);
        result = is_gathered ? send_content(w, i, &text) : send_step(w, i);
    }
    return result;
}

static void add_past(struct world *w, const char *id, const char *role, const char *text)
{
    EXPECT(!buf_addf(&w->message,
                     "{\"id\":\"%s\",\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":\""
                     "%s\"}]},",
                     id, role, text));
}

static enum result send_history(struct world *w)
{
    buf_clear(&w->message);
    add(&w->message, "{\"type\":\"history\",\"messages\":[");
    if (w->is_known) {
        add_past(w, "u_old", "user", "Before?");
        add_past(w, "m_old", "assistant", "Before.");
    }
    if (w->is_posted)
        add_past(w, "u", "user", "Now?");
    for (size_t i = 0; i < w->at; i++) {
        struct units text;

        if (w->steps[i].is_reasoning || !is_last_of_its_kind(w, i))
            continue;
        all_up_to(w, i, &text);
        EXPECT(!buf_addf(&w->message,
                         "{\"id\":\"m%zu\",\"role\":\"assistant\",\"content\":", w->steps[i].id));
        add_string(&w->seed, &w->message, &text);
        add(&w->message, "},");
    }
    buf_truncate(&w->message, w->message.n - 1);
    add(&w->message, "]}");
    return feed(w, buf_str(&w->message));
}

static enum result greet(struct world *w)
{
    enum result result = RESULT_WHOLE;

    if (chance(&w->seed, 3) == 0)
        result = feed(w, STR(BUSY));
    if (!result && (w->again == AGAIN_HISTORY || w->again == AGAIN_HISTORY_REPLAY))
        result = send_history(w);
    if (!result && w->again != AGAIN_HISTORY && w->again != AGAIN_NOTHING)
        result = send_replay(w, w->again == AGAIN_GATHERED);
    if (!result && chance(&w->seed, 8) == 0)
        result = feed(w, STR(IDLE)); /* a greeting: it means nothing */
    return result;
}

/* One stream, from its opening to its end. */
static enum result stream(struct world *w, bool is_first)
{
    size_t left = w->n_steps - w->at;
    bool breaks = chance(&w->seed, 3) > 0;
    size_t n = breaks ? chance(&w->seed, (uint32_t)left + 1) : left;
    enum result result = is_first ? RESULT_WHOLE : greet(w);

    while (!result && n-- > 0)
        result = send_step(w, w->at++);
    if (result || breaks)
        return result ? result : RESULT_BROKEN;
    if (chance(&w->seed, 2) == 0)
        result = feed(w, STR(IDLE));
    else if (!frames_closed(w->frames))
        return RESULT_FAILED;
    return result ? result : ended(w);
}

static enum result run(struct world *w)
{
    enum result result = RESULT_BROKEN;

    for (size_t i = 0; result == RESULT_BROKEN && i < STREAMS_MAX; i++) {
        if (i > 0) {
            size_t gap = chance(&w->seed, 4);

            w->at = w->at + gap < w->n_steps ? w->at + gap : w->n_steps;
            frames_restart(w->frames);
            resume_again(&w->resume);
        }
        result = stream(w, i == 0);
    }
    return result;
}

/* ---- worlds ---- */

/* What is cut at any unit begins with letters of its own half of the alphabet, so that no delta
 * looks like a snapshot. */
static void add_step(struct world *w, size_t id, bool is_reasoning, bool is_cut)
{
    bool is_tame = w->mode == CONTENT_AUTO;
    struct step *s = &w->steps[w->n_steps++];
    size_t n = (is_tame ? 9 : 1) + chance(&w->seed, 9);

    s->id = id;
    s->is_reasoning = is_reasoning;
    s->text.n = 0;
    if (is_cut)
        units_add(&s->text, HALF_LOW);
    else
        units_add(&s->text, (w->n_steps & 1 ? 'a' : 'n') + chance(&w->seed, 13));
    while (s->text.n < n)
        if (chance(&w->seed, 10) == 0)
            units_add_char(&s->text, 0x1f642 + chance(&w->seed, 8));
        else
            units_add(&s->text, 'a' + chance(&w->seed, 26));
}

/* Of snapshots that just go on, what was never seen, and is over, cannot be missed. */
static bool misses_nothing(const struct world *w)
{
    return w->is_snapshot && w->again == AGAIN_NOTHING;
}

static void add_message(struct world *w, size_t id)
{
    size_t n = 1 + chance(&w->seed, STEPS_MAX / IDS / 2);
    bool has_reasoning = id == 0 && !misses_nothing(w) && chance(&w->seed, 3) == 0;
    bool is_cut = false;

    for (size_t i = 0; i < n && has_reasoning; i++)
        add_step(w, id, true, false);
    for (size_t i = 0; i < n; i++) {
        add_step(w, id, false, is_cut);
        is_cut = i + 1 < n && chance(&w->seed, 5) == 0;
        if (is_cut)
            units_add(&w->steps[w->n_steps - 1].text, HALF_HIGH);
    }
}

static void add_paragraph(struct units *all)
{
    units_add(all, '\n');
    units_add(all, '\n');
}

static void write_want(struct world *w)
{
    for (int side = 0; side < RESUME_SIDES; side++) {
        struct units all = { .n = 0 };
        size_t id = SIZE_MAX;
        char utf8[4];

        for (size_t i = 0; i < w->n_steps; i++) {
            const struct step *s = &w->steps[i];

            if (s->is_reasoning != (side == RESUME_REASONING))
                continue;
            if (id != SIZE_MAX && s->id != id)
                add_paragraph(&all);
            id = s->id;
            units_add_part(&all, &s->text, 0, s->text.n);
        }
        for (size_t at = 0; at < all.n;)
            EXPECT(!buf_add(&w->want[side],
                            (struct str){ utf8, utf8_put(units_next(&all, &at, all.n), utf8) }));
    }
}

static void world_empty(struct world *w, enum enginelabs_content mode)
{
    static const struct frames_sink sink = { .on_text = on_text,
                                             .on_reasoning = on_reasoning,
                                             .on_history = on_history,
                                             .on_rewind = on_rewind };

    memset(w, 0, sizeof(*w));
    for (int i = 0; i < RESUME_SIDES; i++) {
        buf_init(&w->want[i], RIG_BYTES);
        buf_init(&w->out[i], RIG_BYTES);
    }
    buf_init(&w->line, RIG_BYTES);
    buf_init(&w->message, RIG_BYTES);
    resume_init(&w->resume, RIG_BYTES, on_new, w);
    w->mode = mode;
    w->frames = frames_new(mode, RIG_BYTES, &sink, w);
}

static void world_init(struct world *w, uint64_t seed)
{
    uint64_t dice = seed * 7919 + 1;
    bool is_snapshot = chance(&dice, 2);
    size_t ids;

    world_empty(w, chance(&dice, 2) ? CONTENT_AUTO
                   : is_snapshot    ? CONTENT_SNAPSHOT
                                    : CONTENT_DELTA);
    w->seed = dice;
    w->is_snapshot = is_snapshot;
    w->again = (enum again)chance(&w->seed, AGAINS);
    w->is_known = chance(&w->seed, 2);
    ids = misses_nothing(w) ? 1 : 1 + chance(&w->seed, IDS);
    for (size_t id = 0; id < ids; id++)
        add_message(w, id);
    write_want(w);
    if (w->is_known) {
        EXPECT(!send_history(w)); /* without a word of ours */
        frames_turn_begins(w->frames);
    } else {
        frames_turn_began(w->frames);
    }
    w->is_posted = true;
}

static void world_deinit(struct world *w)
{
    frames_free(w->frames);
    resume_deinit(&w->resume);
    for (int i = 0; i < RESUME_SIDES; i++) {
        buf_deinit(&w->want[i]);
        buf_deinit(&w->out[i]);
    }
    buf_deinit(&w->line);
    buf_deinit(&w->message);
}

/* ---- properties ---- */

static bool must_succeed(const struct world *w)
{
    return w->again == AGAIN_REPLAY || w->again == AGAIN_GATHERED ||
           (w->again == AGAIN_HISTORY && w->want[RESUME_REASONING].n == 0) ||
           w->again == AGAIN_HISTORY_REPLAY;
}

static void the_answer_is_whole_or_an_error(void)
{
    unsigned results[AGAINS][3] = { { 0 } };

    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct world w;
        enum result result;
        bool is_fine = true;

        world_init(&w, seed);
        result = run(&w);
        results[w.again][result]++;
        for (int i = 0; i < RESUME_SIDES; i++) {
            struct str out = buf_str(&w.out[i]);
            struct str want = buf_str(&w.want[i]);

            /* Histories have no reasoning: what nobody saw of it is not missed. */
            if (i == RESUME_REASONING && w.again == AGAIN_HISTORY && out.n == 0)
                continue;
            is_fine &= result == RESULT_WHOLE ? str_eq(out, want) : str_starts(want, out);
        }
        is_fine &= result != RESULT_FAILED || !must_succeed(&w);
        if (!is_fine)
            print_error("seed %d: again %d, mode %d, snapshot %d, known %d, result %d\n  want "
                        "%.*s\n  got  %.*s\n",
                        (int)seed, w.again, w.mode, w.is_snapshot, w.is_known, result,
                        STR_ARGS(buf_str(&w.want[0])), STR_ARGS(buf_str(&w.out[0])));
        EXPECT(is_fine);
        world_deinit(&w);
    }
    /* The dice did not only fall on one side. */
    for (int i = 0; i < AGAINS; i++)
        EXPECT(results[i][RESULT_WHOLE] > ROUNDS / AGAINS / 4);
    EXPECT(results[AGAIN_NOTHING][RESULT_FAILED] > ROUNDS / AGAINS / 4);
    EXPECT(results[AGAIN_OTHER][RESULT_FAILED] > ROUNDS / AGAINS / 4);
}

/* ---- single cases ---- */

/* "R" opens the stream again; a line of messages as in frames_rig.h. */
struct again_row {
    enum enginelabs_content mode;
    const char *lines[ROW_LINES];
    const char *text;
    bool is_whole;
};

static enum err say(struct world *w, const char *line)
{
    enum frames_end end = FRAMES_RUNNING;

    if (strcmp(line, "R") == 0) {
        frames_restart(w->frames);
        resume_again(&w->resume);
        return ERR_NONE;
    }
    buf_clear(&w->message);
    if (line[0] == '=')
        wrap(WRAP_STRING, str_of(line + 1), &w->message);
    else
        add(&w->message, line);
    return frames_feed(w->frames, buf_str(&w->message), &end);
}

static void expect_again(const struct again_row *row, size_t number)
{
    struct world w;

    world_empty(&w, row->mode);
    frames_turn_began(w.frames);
    for (size_t i = 0; i < ROW_LINES && row->lines[i]; i++)
        EXPECT(!say(&w, row->lines[i]));
    if (frames_is_unsure(w.frames))
        EXPECT(!frames_settle(w.frames));
    if (!str_eq(buf_str(&w.out[RESUME_TEXT]), str_of(row->text)) ||
        row->is_whole != (!resume_failed(&w.resume) && resume_is_whole(&w.resume)))
        print_error("row %zu\n", number);
    EXPECT_STR(buf_str(&w.out[RESUME_TEXT]), row->text);
    EXPECT_INT(!resume_failed(&w.resume) && resume_is_whole(&w.resume), row->is_whole);
    world_deinit(&w);
}

#define LONG "A text of many bytes, "

static const struct again_row rows[] = {
    /* All of it again, and more; in one piece; cut elsewhere. */
    { CONTENT_DELTA,
      { BUSY, CHAT("m", LONG), "R", BUSY, CHAT("m", LONG), CHAT("m", "more"), IDLE },
      LONG "more",
      true },
    { CONTENT_DELTA, { CHAT("m", LONG), "R", CHAT("m", LONG "more"), IDLE }, LONG "more", true },
    { CONTENT_DELTA,
      { CHAT("m", LONG), "R", CHAT("m", "A text of "), CHAT("m", "many bytes, mo"), CHAT("m", "re"),
        IDLE },
      LONG "more",
      true },
    /* Just that, and the end. */
    { CONTENT_DELTA, { CHAT("m", LONG), "R", CHAT("m", LONG), IDLE }, LONG, true },
    /* Less; something else; only what is new; nothing. */
    { CONTENT_DELTA, { CHAT("m", LONG), "R", CHAT("m", "A text"), IDLE }, LONG, false },
    { CONTENT_DELTA,
      { CHAT("m", LONG), "R", CHAT("m", "a text of many bytes, "), CHAT("m", "more"), IDLE },
      LONG,
      false },
    { CONTENT_DELTA, { CHAT("m", LONG), "R", CHAT("m", "more"), IDLE }, LONG, false },
    { CONTENT_DELTA, { CHAT("m", LONG), "R", BUSY, IDLE }, LONG, false },
    /* A history, with deltas or snapshots behind it. */
    { CONTENT_AUTO,
      { CHAT("m", LONG), "R", HISTORY(PAST("m", "assistant", "\"" LONG "more\"")),
        CHAT("m", " and"), CHAT("m", " more"), IDLE },
      LONG "more and more",
      true },
    { CONTENT_AUTO,
      { CHAT("m", LONG), "R", HISTORY(PAST("m", "assistant", "[" BLOCK(LONG "more") "]")),
        CHAT("m", LONG "more and"), CHAT("m", LONG "more and more"), IDLE },
      LONG "more and more",
      true },
    /* Two paragraphs in it; then the second goes on. */
    { CONTENT_AUTO,
      { CHAT("m", LONG), "R",
        HISTORY(PAST("m", "assistant", "\"" LONG "\"") "," PAST("n", "assistant", "\"x\"")),
        CHAT("n", "yz"), IDLE },
      LONG "\n\nxyz",
      true },
    /* Half a pair was held, and comes whole. */
    { CONTENT_DELTA,
      { CHAT("m", LONG "\\ud83d"), "R", HISTORY(PAST("m", "assistant", "\"" LONG SMILE "\"")),
        CHAT("m", "!"), IDLE },
      LONG SMILE "!",
      true },
    { CONTENT_DELTA,
      { CHAT("m", LONG "\\ud83d"), "R", CHAT("m", LONG "\\ud83d"), CHAT("m", "\\ude00!"), IDLE },
      LONG SMILE "!",
      true },
    /* A greeting is no end. */
    { CONTENT_DELTA,
      { CHAT("m", LONG), "R", CHAT("m", LONG), IDLE, CHAT("m", "more"), IDLE },
      LONG "more",
      true },
    /* Too little was said to be sure of: what follows waits. */
    { CONTENT_DELTA, { CHAT("m", "A"), "R", CHAT("m", "A"), CHAT("m", " text") }, "A", false },
    { CONTENT_DELTA,
      { CHAT("m", "A"), "R", CHAT("m", "A text"), "R", CHAT("m", "A te"), CHAT("m", "xt."), IDLE },
      "A text.",
      true },
    { CONTENT_DELTA, { "R", CHAT("m", LONG) }, "", false },
    { CONTENT_DELTA, { "R", CHAT("m", LONG), "R", CHAT("m", LONG), IDLE }, LONG, true },
    { CONTENT_DELTA, { "R", CHAT("m", LONG), "R", CHAT("m", "more"), IDLE }, "", false },
};

static void tells_what_it_makes_of_each_stream(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_again(&rows[i], i);
}

static const struct test suite[] = {
    { "tells what it makes of each stream", tells_what_it_makes_of_each_stream },
    { "the answer is whole or an error", the_answer_is_whole_or_an_error },
};

TEST_MAIN(suite)
