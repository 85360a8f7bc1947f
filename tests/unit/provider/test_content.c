/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas or snapshots: the rule at its edges, then against the model of units.h on random pieces.
 * Texts are notes (units.h): "a<" ends with the first half of a pair that ">b" completes.
 */
#include "units.h"

enum { ROW_PIECES = 8, ROUNDS = 4000, TEXTS = 300, TEXT_UNITS = 700, RIG_BYTES = 65536 };

/* What came out, and how often. */
struct sink {
    struct buf text;
    unsigned calls;
};

struct rig {
    struct sink sink;
    struct buf piece; /* as UTF-8 */
    struct joiner joiner;
    struct content content;
};

static void on_emit(void *arg, struct str text)
{
    struct sink *s = arg;

    EXPECT(text.n > 0 && utf8_is_valid(text));
    EXPECT(!buf_add(&s->text, text));
    s->calls++;
}

/* What the rig itself needs is taken here, so that a failing allocation is the code's own. */
static void rig_init(struct rig *r, enum enginelabs_content mode, size_t max_bytes)
{
    char *room;

    memset(r, 0, sizeof(*r));
    buf_init(&r->sink.text, RIG_BYTES);
    buf_init(&r->piece, RIG_BYTES);
    EXPECT(!buf_reserve(&r->sink.text, RIG_BYTES, &room));
    EXPECT(!buf_reserve(&r->piece, RIG_BYTES, &room));
    r->joiner = (struct joiner){ .emit = on_emit, .arg = &r->sink };
    content_init(&r->content, mode, max_bytes);
}

static void rig_deinit(struct rig *r)
{
    content_deinit(&r->content);
    buf_deinit(&r->sink.text);
    buf_deinit(&r->piece);
}

/* From memory of exactly its size, gone after the call. */
static enum err feed(struct rig *r, const struct units *u)
{
    size_t from = u->n > 0 && is_low(u->u[0]) ? 1 : 0;
    size_t to = u->n > from && is_high(u->u[u->n - 1]) ? u->n - 1 : u->n;
    struct piece piece = { .head = from > 0 ? u->u[0] : 0, .tail = to < u->n ? u->u[to] : 0 };
    enum err err;
    char *copy;

    buf_clear(&r->piece);
    piece.lost = units_to_utf8(u, from, to, &r->piece);
    copy = mem_alloc(r->piece.n);
    memcpy(copy, r->piece.p, r->piece.n);
    piece.text = (struct str){ copy, r->piece.n };
    err = content_feed(&r->content, &piece, &r->joiner);
    mem_free(copy);
    return err;
}

static enum err feed_note(struct rig *r, const char *note)
{
    struct units u;

    units_of(note, &u);
    return feed(r, &u);
}

static void end(struct rig *r)
{
    content_end(&r->content, &r->joiner);
    joiner_end(&r->joiner);
}

static bool is_note(struct str got, const char *note)
{
    struct units u;
    struct buf want;
    bool is;

    units_of(note, &u);
    buf_init(&want, SIZE_MAX);
    units_to_utf8(&u, 0, u.n, &want);
    is = str_eq(got, buf_str(&want));
    buf_deinit(&want);
    return is;
}

struct row {
    const char *pieces[ROW_PIECES];
    const char *out;  /* before the end */
    const char *rest; /* that the end brings */
    uint64_t lost;
};

static bool row_fits(enum enginelabs_content mode, const struct row *row)
{
    struct rig r;
    size_t before;
    bool fits;

    rig_init(&r, mode, 4096);
    for (size_t i = 0; i < ROW_PIECES && row->pieces[i]; i++)
        EXPECT_INT(feed_note(&r, row->pieces[i]), ERR_NONE);
    before = r.sink.text.n;
    fits = is_note(buf_str(&r.sink.text), row->out);
    end(&r);
    fits = fits && is_note(str_from(buf_str(&r.sink.text), before), row->rest);
    fits = fits && r.joiner.lost == row->lost && r.joiner.emitted == (r.sink.calls > 0);
    if (!fits)
        print_error("got \"%.*s\", then \"%.*s\", lost %d\n", (int)before, r.sink.text.p,
                    STR_ARGS(str_from(buf_str(&r.sink.text), before)), (int)r.joiner.lost);
    before = r.sink.text.n;
    end(&r); /* once more changes nothing */
    EXPECT_INT(r.joiner.lost, row->lost);
    EXPECT_INT(r.sink.text.n, before);
    rig_deinit(&r);
    return fits;
}

static void run_rows(enum enginelabs_content mode, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (row_fits(mode, &rows[i]))
            continue;
        for (size_t k = 0; k < ROW_PIECES && rows[i].pieces[k]; k++)
            print_error("    %s\n", rows[i].pieces[k]);
        EXPECT(false);
    }
}

#define BYTES_30 "123456789012345678901234567890"
#define BYTES_31 "0" BYTES_30
#define BYTES_32 BYTES_31 "1"

static void holds_back_only_what_is_undecided(void)
{
    static const struct row rows[] = {
        /* one piece */
        { { "Hello" }, "Hello", "", 0 },
        { { "" }, "", "", 0 },
        /* a piece that does not grow out of the one before: deltas */
        { { "Hel", "lo" }, "Hello", "", 0 },
        { { "ha", "ha" }, "haha", "", 0 },
        { { BYTES_32, BYTES_32 }, BYTES_32 BYTES_32, "", 0 },
        { { "abc", "ab" }, "abcab", "", 0 },
        { { "abc", "abd" }, "abcabd", "", 0 },
        { { "a", "ab", "x" }, "aabx", "", 0 },
        { { "a", "ab", "abc", "x" }, "aababcx", "", 0 },
        { { "a", "ab", "abc", "ab" }, "aababcab", "", 0 },
        { { "a", "ab", "abc", "abc" }, "aababcabc", "", 0 },
        /* ... for good */
        { { "a", "b", "bc", "bcd", "bcde", "bcdef" }, "abbcbcdbcdebcdef", "", 0 },
        { { "a", "b", BYTES_32, BYTES_32 "x" }, "ab" BYTES_32 BYTES_32 "x", "", 0 },
        /* three in a row: snapshots, and only what is new */
        { { "a", "ab", "abc" }, "a", "ababc", 0 },
        { { "a", "ab", "abc", "abcd" }, "abcd", "", 0 },
        { { "a", "ab", "abc", "abcd", "abcde" }, "abcde", "", 0 },
        { { "a", "ab", "abc", "abcd", "abcd", "abcdef" }, "abcdef", "", 0 },
        /* one behind at least 32 bytes */
        { { BYTES_31, BYTES_31 "x" }, BYTES_31, "x", 0 },
        { { BYTES_32, BYTES_32 "x" }, BYTES_32 "x", "", 0 },
        { { "0", BYTES_32, BYTES_32 "x" }, BYTES_32 "x", "", 0 },
        { { "0", BYTES_31, BYTES_31 "x" }, "0", BYTES_30 "x", 0 },
        { { BYTES_31, BYTES_31 "x", BYTES_31 "xy" }, BYTES_31 "xy", "", 0 },
        /* the end decides: 8 bytes of the last but one */
        { { "1234567", "12345678" }, "1234567", "12345678", 0 },
        { { "12345678", "123456789" }, "12345678", "9", 0 },
        { { "1", "1234567", "12345678" }, "1", "123456712345678", 0 },
        { { "1", "12345678", "123456789" }, "1", "23456789", 0 },
        { { "12345678", "123456789", "1234567890" }, "12345678", "90", 0 },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void joins_halves_of_undecided_pieces(void)
{
    static const struct row rows[] = {
        { { "a<", ">b" }, "a<>b", "", 0 },
        { { "<", ">" }, "<>", "", 0 },
        { { "<", "><", "><", ">" }, "<><><>", "", 0 },
        { { "a<" }, "a", "<", 1 },
        { { ">a" }, ">a", "", 1 },
        { { ">" }, ">", "", 1 },
        { { "<" }, "", "<", 1 },
        { { "a<", "b" }, "a<b", "", 1 },
        { { "a<", "<", ">" }, "a<<>", "", 1 },
        { { "a", ">" }, "a>", "", 1 },
        { { "><", "><" }, "><>", "<", 2 },
        /* a delta would have brought the other half first */
        { { "a<", "a<>" }, "a<>", "", 0 },
        { { "a<", "a<>!", "a<>!?" }, "a<>!?", "", 0 },
        { { "a", "a<", "a<>b" }, "a<>b", "", 0 },
        { { "<", "<>", "<><", "<><>", "<><><" }, "<><>", "<", 1 },
        { { "<", "<x" }, "<x", "", 1 },
        { { ">a<", ">a<>" }, ">a<>a<>", "", 1 },
        /* longer by a half alone */
        { { "12345678", "12345678<" }, "12345678", "<", 1 },
        { { "1234567", "1234567<" }, "1234567", "1234567<", 1 },
        { { BYTES_32, BYTES_32 "<", BYTES_32 "<>" }, BYTES_32 "<>", "", 0 },
        { { BYTES_32, BYTES_32 "<", BYTES_32 "<" }, BYTES_32, "<", 1 },
        { { BYTES_32 "<", BYTES_32 "<><", BYTES_32 "<><>" }, BYTES_32 "<><>", "", 0 },
        /* the same bytes, but another half */
        { { ">a", "ab", "abc" }, ">aababc", "", 1 },
        { { ">", ">a", ">ab", ">abc" }, ">abc", "", 1 },
        /* inside a piece it is lost at once */
        { { "a", "a<b", "a<bc", "x" }, "aa<ba<bcx", "", 2 },
        { { "a", "a<b", "a<bc", "a<bc>d" }, "a<bc>d", "", 2 },
        { { "12345678", "12345678<b" }, "12345678", "<b", 1 },
        { { "1234567>", "1234567>8", "1234567>8>9" }, "1234567>", "8>9", 2 },
        { { "12345678<", "12345678x" }, "12345678<12345678x", "", 1 },
    };

    run_rows(CONTENT_AUTO, rows, COUNT_OF(rows));
}

static void takes_the_settings_word(void)
{
    static const struct row deltas[] = {
        { { "a", "ab", "abc", "abcd", "abcde" }, "aababcabcdabcde", "", 0 },
        { { BYTES_32, BYTES_32 "x" }, BYTES_32 BYTES_32 "x", "", 0 },
        { { "a<", "a<>" }, "a<a<>", "", 1 },
        { { "a<", ">", "", "<", "", ">" }, "a<><>", "", 0 },
        { { "x<" }, "x", "<", 1 },
    };
    static const struct row snapshots[] = {
        { { "a", "ab", "ab", "abc" }, "abc", "", 0 },
        { { "a" }, "a", "", 0 },
        { { "a<", "a<>", "a<><", "a<><>b" }, "a<><>b", "", 0 },
        { { "<", "<>", "<>" }, "<>", "", 0 },
        { { "a<" }, "a", "<", 1 },
        { { "a<", "a<" }, "a", "<", 1 },
        { { ">a", ">ab" }, ">ab", "", 1 },
        { { "", "a" }, "a", "", 0 },
        { { "abc", "ab", "a", "", "abc", "abcd" }, "abcd", "", 0 }, /* late ones */
        { { "a<>b", "a<", "a<>", "a<>bc" }, "a<>bc", "", 0 },
        { { "a<b", "a<bc", "a<bc>d", "a<bc>de" }, "a<bc>de", "", 2 },
        { { "a", "a<", "a", "a<>" }, "a<>", "", 0 },
    };

    run_rows(CONTENT_DELTA, deltas, COUNT_OF(deltas));
    run_rows(CONTENT_SNAPSHOT, snapshots, COUNT_OF(snapshots));
}

static void refuses_a_snapshot_that_takes_text_back(void)
{
    static const struct {
        enum enginelabs_content mode;
        const char *pieces[ROW_PIECES];
        const char *out;
    } rows[] = {
        { CONTENT_SNAPSHOT, { "abc", "abd" }, "abc" },
        { CONTENT_SNAPSHOT, { "abc", "xbcd" }, "abc" },
        { CONTENT_SNAPSHOT, { "a", "ab", "x" }, "ab" },
        { CONTENT_AUTO, { BYTES_32, BYTES_32 "x", BYTES_32 "yz" }, BYTES_32 "x" },
        { CONTENT_AUTO, { "a", "ab", "abc", "abcd", "x" }, "abcd" },
        { CONTENT_SNAPSHOT, { "a<>", "a<b" }, "a<>" },
        { CONTENT_SNAPSHOT, { "a<", "ab" }, "a" },
        { CONTENT_SNAPSHOT, { "ab", "a<" }, "ab" },
        { CONTENT_SNAPSHOT, { "ab", ">ab" }, "ab" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        size_t n = 0;

        rig_init(&r, rows[i].mode, 4096);
        for (; rows[i].pieces[n + 1]; n++)
            EXPECT_INT(feed_note(&r, rows[i].pieces[n]), ERR_NONE);
        EXPECT_INT(feed_note(&r, rows[i].pieces[n]), ERR_PROTOCOL);
        EXPECT(is_note(buf_str(&r.sink.text), rows[i].out));
        rig_deinit(&r);
    }
}

static void refuses_to_keep_a_piece_above_the_limit(void)
{
    static const struct {
        enum enginelabs_content mode;
        const char *fits[ROW_PIECES];
        const char *too_big;
    } rows[] = {
        { CONTENT_AUTO, { NULL }, "12345" },
        { CONTENT_AUTO, { "123" }, "12345" },
        { CONTENT_AUTO, { "1234" }, "12345" },
        { CONTENT_AUTO, { "1", "12", "123", "1234" }, "12345" },
        { CONTENT_SNAPSHOT, { NULL }, "12345" },
        { CONTENT_SNAPSHOT, { "1", "12", "123", "1234" }, "12345" },
    };
    struct rig r;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_init(&r, rows[i].mode, 4);
        for (size_t k = 0; rows[i].fits[k]; k++)
            EXPECT_INT(feed_note(&r, rows[i].fits[k]), ERR_NONE);
        EXPECT_INT(feed_note(&r, rows[i].too_big), ERR_TOO_BIG);
        end(&r);
        rig_deinit(&r);
    }
    rig_init(&r, CONTENT_DELTA, 4);
    EXPECT_INT(feed_note(&r, "0123456789"), ERR_NONE);
    EXPECT_INT(feed_note(&r, "0123456789"), ERR_NONE);
    rig_deinit(&r);
}

static void may_go_on_after_an_end(void)
{
    struct rig r;

    rig_init(&r, CONTENT_AUTO, 4096);
    EXPECT_INT(feed_note(&r, "12345678"), ERR_NONE);
    EXPECT_INT(feed_note(&r, "123456789"), ERR_NONE);
    end(&r);
    EXPECT_INT(feed_note(&r, "1234567890"), ERR_NONE);
    end(&r);
    EXPECT(is_note(buf_str(&r.sink.text), "1234567890"));
    rig_deinit(&r);
}

/* One joiner for several messages, as frames has it: a half does not wait beyond its message. */
static void gives_up_a_half_at_the_end_of_the_message(void)
{
    struct content next;
    struct rig r;

    rig_init(&r, CONTENT_AUTO, 4096);
    EXPECT_INT(feed_note(&r, "a<"), ERR_NONE);
    end(&r);
    content_init(&next, CONTENT_AUTO, 4096);
    EXPECT_INT(content_feed(&next, &(struct piece){ STR("b"), HALF_LOW, 0, 0 }, &r.joiner),
               ERR_NONE);
    content_end(&next, &r.joiner);
    content_deinit(&next);
    EXPECT_STR(buf_str(&r.sink.text), "a\xEF\xBF\xBD\xEF\xBF\xBD"
                                      "b");
    EXPECT_INT(r.joiner.lost, 2);
    rig_deinit(&r);
}

/* ---- against the model ---- */

/* All pieces, and what came out of them against `want`; true when nothing failed. */
static void compare(enum enginelabs_content mode, const struct pieces *p)
{
    struct units out = { 0 };
    enum err want_err = model_text(mode, p, &out);
    enum err err = ERR_NONE;
    struct buf want;
    uint64_t lost;
    struct rig r;

    buf_init(&want, SIZE_MAX);
    lost = units_to_utf8(&out, 0, out.n, &want);
    rig_init(&r, mode, SIZE_MAX);
    for (size_t i = 0; i < p->n && !err; i++)
        err = feed(&r, &p->at[i]);
    EXPECT_INT(err, want_err);
    end(&r);
    EXPECT(str_eq(buf_str(&r.sink.text), buf_str(&want)));
    EXPECT_INT(r.joiner.lost, lost);
    rig_deinit(&r);
    buf_deinit(&want);
}

static void follows_the_model_on_random_pieces(void)
{
    static struct pieces p;
    uint64_t seed = 1;

    for (int i = 0; i < ROUNDS; i++) {
        chance_pieces(&seed, &p);
        compare(CONTENT_AUTO, &p);
        compare(CONTENT_DELTA, &p);
        compare(CONTENT_SNAPSHOT, &p);
    }
}

/* The pieces give the text itself, whatever the model thinks. */
static void expect_whole(enum enginelabs_content mode, const struct pieces *p,
                         const struct units *text)
{
    struct buf want;
    struct rig r;

    buf_init(&want, SIZE_MAX);
    EXPECT_INT(units_to_utf8(text, 0, text->n, &want), 0);
    rig_init(&r, mode, SIZE_MAX);
    for (size_t i = 0; i < p->n; i++)
        EXPECT_INT(feed(&r, &p->at[i]), ERR_NONE);
    end(&r);
    EXPECT(str_eq(buf_str(&r.sink.text), buf_str(&want)));
    EXPECT_INT(r.joiner.lost, 0);
    rig_deinit(&r);
    buf_deinit(&want);
}

static void gives_back_a_text_cut_anywhere(void)
{
    static struct pieces p;
    struct units text;
    uint64_t seed = 2;

    for (int i = 0; i < TEXTS; i++) {
        size_t step = 1 + chance(&seed, 30);

        chance_text(&seed, 1 + chance(&seed, TEXT_UNITS), &text);
        chance_cut(&seed, &text, false, step, &p);
        expect_whole(CONTENT_DELTA, &p, &text);
        compare(CONTENT_AUTO, &p);
        chance_cut(&seed, &text, true, step, &p);
        expect_whole(CONTENT_SNAPSHOT, &p, &text);
        compare(CONTENT_AUTO, &p);
    }
}

/* ... undetermined only as long as pieces are short: here each has 8 bytes and two halves. */
static void finds_out_snapshots_of_longer_pieces(void)
{
    static struct pieces p;
    struct units text;
    uint64_t seed = 3;

    for (int i = 0; i < TEXTS; i++) {
        chance_text(&seed, 1 + chance(&seed, TEXT_UNITS), &text);
        p.n = 0;
        for (size_t at = 0; at < text.n && p.n < PIECES_MAX; p.n++) {
            at += 10 + chance(&seed, 40);
            if (at > text.n || p.n == PIECES_MAX - 1)
                at = text.n;
            p.at[p.n].n = 0;
            units_add_part(&p.at[p.n], &text, 0, at);
        }
        expect_whole(CONTENT_AUTO, &p, &text);
    }
}

/* ---- faults ---- */

/* False when the n-th allocation was one too many. */
static bool runs_with_a_fault(uint64_t nth)
{
    static const char *const pieces[] = { "a", "ab", "ab<", "ab<>c", "ab<>cd" };
    const struct str want = STR("ab\xF0\x9F\x98\x80"
                                "cd");
    enum err err = ERR_NONE;
    struct rig r;

    rig_init(&r, CONTENT_AUTO, 4096);
    mem_fail_nth(nth);
    for (size_t i = 0; i < COUNT_OF(pieces) && !err; i++)
        err = feed_note(&r, pieces[i]);
    mem_fail_nth(0);
    EXPECT(str_starts(want, buf_str(&r.sink.text)));
    EXPECT(err == ERR_NOMEM || str_eq(want, buf_str(&r.sink.text)));
    rig_deinit(&r);
    return err == ERR_NONE;
}

static void survives_memory_that_runs_out(void)
{
    uint64_t nth = 1;

    while (!runs_with_a_fault(nth))
        nth++;
    EXPECT(nth > 3);
}

static const struct test suite[] = {
    { "holds back only what is undecided", holds_back_only_what_is_undecided },
    { "joins halves of undecided pieces", joins_halves_of_undecided_pieces },
    { "takes the setting's word", takes_the_settings_word },
    { "refuses a snapshot that takes text back", refuses_a_snapshot_that_takes_text_back },
    { "refuses to keep a piece above the limit", refuses_to_keep_a_piece_above_the_limit },
    { "may go on after an end", may_go_on_after_an_end },
    { "gives up a half at the end of the message", gives_up_a_half_at_the_end_of_the_message },
    { "follows the model on random pieces", follows_the_model_on_random_pieces },
    { "gives back a text cut anywhere", gives_back_a_text_cut_anywhere },
    { "finds out snapshots of longer pieces", finds_out_snapshots_of_longer_pieces },
    { "survives memory that runs out", survives_memory_that_runs_out },
};

TEST_MAIN(suite)
