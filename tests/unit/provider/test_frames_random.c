/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of chance through the whole decoder, as JSON in every wrapping and shape: several
 * messages of two kinds, cut anywhere, with what does not belong to them in between. What must
 * come out is the text itself or, for a stream that nobody named, what the model of units.h says.
 */
#include "frames_rig.h"

enum { ROUNDS = 40, MESSAGES_MAX = 4 };

enum cut { CUT_DELTAS, CUT_SNAPSHOTS, CUT_LONG_SNAPSHOTS, CUT_ODD };

enum kind { KIND_TEXT, KIND_REASONING, KINDS };

/* ---- writing ---- */

/* As content blocks: the text cut once, behind any unit. */
static void add_blocks(uint64_t *seed, struct buf *out, const struct units *t)
{
    size_t cut = chance(seed, (uint32_t)t->n + 1);
    struct units half;

    add(out, "[{\"type\":\"text\",\"text\":");
    half.n = 0;
    units_add_part(&half, t, 0, cut);
    add_string(seed, out, &half);
    add(out, "},{\"type\":\"image\"},{\"text\":");
    half.n = 0;
    units_add_part(&half, t, cut, t->n);
    add_string(seed, out, &half);
    add(out, ",\"type\":\"text\"}]");
}

static void add_update(uint64_t *seed, struct buf *out, size_t id, enum kind kind,
                       const struct units *t)
{
    uint32_t shape = kind == KIND_REASONING ? 3 : chance(seed, 4);

    EXPECT(!buf_addf(out, "{\"id\":\"m%zu\",", id));
    if (shape == 0) {
        add(out, "\"role\":\"assistant\",\"content\":");
        add_blocks(seed, out, t);
    } else if (shape == 1) {
        add(out, "\"role\":\"assistant\",\"content\":");
        add_string(seed, out, t);
    } else {
        add(out, "\"chat\":{\"content\":");
        add_string(seed, out, t);
        add(out, kind == KIND_REASONING ? "},\"type\":\"thinking\"" : "},\"type\":\"chat\"");
    }
    add(out, "}");
}

/* ---- an answer ---- */

/* Snapshots that grow by at least ten units, so that each has eight bytes between its halves. */
static void cut_long(const struct units *text, struct pieces *p)
{
    p->n = 0;
    for (size_t at = 0; at < text->n; p->n++) {
        at = p->n == PIECES_MAX - 1 || text->n - at < 20 ? text->n : at + 10;
        p->at[p->n].n = 0;
        units_add_part(&p->at[p->n], text, 0, at);
    }
}

static void cut(uint64_t *seed, enum cut how, struct units *text, struct pieces *p)
{
    chance_text(seed, chance(seed, 400), text);
    if (how == CUT_ODD)
        chance_pieces(seed, p);
    else if (how == CUT_LONG_SNAPSHOTS)
        cut_long(text, p);
    else
        chance_cut(seed, text, how == CUT_SNAPSHOTS, 1 + chance(seed, 12), p);
}

static void send_stray(uint64_t *seed, struct rig *r, enum wrap how)
{
    static const char *const strays[] = {
        LABEL,
        BUSY,
        "pong",
        "{\"type\":\"upd",
        TOOL("m0"),
        USER("u", "echo"),
        CHAT("old", "old"),
        SAID("m0", ""),
        "={\"type\":\"chat\",\"chat\":{}}",
    };

    EXPECT_INT(rig_say(r, how, strays[chance(seed, COUNT_OF(strays))]), ERR_NONE);
}

/* Both kinds of one message, interleaved, mostly wrapped like the one before. ERR_PROTOCOL: the
 * piece of *ret_kind took text back. */
static enum err send_message(uint64_t *seed, struct rig *r, size_t id, const struct pieces *p,
                             enum kind *ret_kind)
{
    enum wrap how = (enum wrap)chance(seed, WRAPS);
    size_t sent[KINDS] = { 0 };
    enum err err = ERR_NONE;

    while (!err && (sent[0] < p[0].n || sent[1] < p[1].n)) {
        enum kind k = chance(seed, 2) ? KIND_TEXT : KIND_REASONING;

        if (sent[k] == p[k].n)
            continue;
        if (chance(seed, 4) == 0)
            how = (enum wrap)chance(seed, WRAPS);
        *ret_kind = k;
        buf_clear(&r->inner);
        add_update(seed, &r->inner, id, k, &p[k].at[sent[k]++]);
        err = rig_feed_inner(r, how, buf_str(&r->inner));
        if (!err && chance(seed, 4) == 0)
            send_stray(seed, r, how);
    }
    return err;
}

/* Appends what the pieces of a message must give. */
static enum err expect(enum enginelabs_content mode, const struct pieces *p, struct buf *want,
                       uint64_t *lost)
{
    static struct units out;
    enum err err;

    if (p->n == 0)
        return ERR_NONE;
    if (want->n > 0)
        add(want, "\n\n");
    out.n = 0;
    err = model_text(mode, p, &out);
    *lost += units_to_utf8(&out, 0, out.n, want);
    return err;
}

/* The text itself, at the end of what is expected. */
static void expect_text(const struct units *text, struct str want)
{
    struct buf b;

    buf_init(&b, RIG_BYTES);
    EXPECT_INT(units_to_utf8(text, 0, text->n, &b), 0);
    EXPECT(str_ends(want, buf_str(&b)));
    buf_deinit(&b);
}

/* One answer. With `is_exact` it is the texts, else what the model makes of the pieces. */
static void run_answer(uint64_t *seed, enum enginelabs_content mode, enum cut how, bool is_exact)
{
    static struct pieces pieces[KINDS];
    struct units text[KINDS];
    struct buf want[KINDS];
    enum err err = ERR_NONE;
    enum kind kind = KIND_TEXT;
    size_t n = 1 + chance(seed, MESSAGES_MAX);
    uint64_t lost = 0;
    struct rig r;

    rig_init(&r, mode, RIG_BYTES);
    EXPECT_INT(rig_say(&r, WRAP_STRING, CHAT("old", "older")), ERR_NONE);
    EXPECT_INT(rig_say(&r, WRAP_STRING, "POST"), ERR_NONE);
    for (int k = 0; k < KINDS; k++)
        buf_init(&want[k], RIG_BYTES);
    for (size_t i = 0; i < n && !err; i++) {
        enum err want_err[KINDS];

        for (int k = 0; k < KINDS; k++) {
            cut(seed, how, &text[k], &pieces[k]);
            want_err[k] = expect(mode, &pieces[k], &want[k], &lost);
            if (is_exact)
                expect_text(&text[k], buf_str(&want[k]));
        }
        err = send_message(seed, &r, i, pieces, &kind);
        EXPECT(err ? err == want_err[kind] : !want_err[0] && !want_err[1]);
    }
    if (err) {
        struct str got = buf_str(kind == KIND_TEXT ? &r.text : &r.reasoning);

        EXPECT(str_starts(buf_str(&want[kind]), got));
    } else {
        EXPECT_INT(rig_say(&r, WRAP_STRING, BUSY), ERR_NONE);
        EXPECT_INT(rig_say(&r, WRAP_STRING, IDLE), ERR_NONE);
        EXPECT_INT(r.end, FRAMES_FINISHED);
        EXPECT(str_eq(buf_str(&r.text), buf_str(&want[KIND_TEXT])));
        EXPECT(str_eq(buf_str(&r.reasoning), buf_str(&want[KIND_REASONING])));
        EXPECT_INT(frames_surrogates_lost(r.frames), lost);
    }
    rig_deinit(&r);
    for (int k = 0; k < KINDS; k++)
        buf_deinit(&want[k]);
}

static void run_answers(uint64_t seed, enum enginelabs_content mode, enum cut how, bool is_exact)
{
    for (int i = 0; i < ROUNDS; i++)
        run_answer(&seed, mode, how, is_exact);
}

static void gives_back_texts_sent_as_deltas(void)
{
    run_answers(1, CONTENT_DELTA, CUT_DELTAS, true);
}

static void gives_back_texts_sent_as_snapshots(void)
{
    run_answers(2, CONTENT_SNAPSHOT, CUT_SNAPSHOTS, true);
}

static void finds_out_snapshots_of_long_pieces(void)
{
    run_answers(3, CONTENT_AUTO, CUT_LONG_SNAPSHOTS, true);
}

static void follows_the_rule_when_nobody_says(void)
{
    run_answers(4, CONTENT_AUTO, CUT_DELTAS, false);
    run_answers(5, CONTENT_AUTO, CUT_SNAPSHOTS, false);
    run_answers(6, CONTENT_AUTO, CUT_ODD, false);
}

static void follows_the_setting_on_odd_pieces(void)
{
    run_answers(7, CONTENT_DELTA, CUT_ODD, false);
    run_answers(8, CONTENT_SNAPSHOT, CUT_ODD, false);
}

static const struct test suite[] = {
    { "gives back texts sent as deltas", gives_back_texts_sent_as_deltas },
    { "gives back texts sent as snapshots", gives_back_texts_sent_as_snapshots },
    { "finds out snapshots of long pieces", finds_out_snapshots_of_long_pieces },
    { "follows the rule when nobody says", follows_the_rule_when_nobody_says },
    { "follows the setting on odd pieces", follows_the_setting_on_odd_pieces },
};

TEST_MAIN(suite)
