/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/limits.h"

#include "shape_test.h"

enum { ROUNDS = 20000 };

static enum err feed_stops(void *stage, const struct chat_event *event)
{
    return stops_feed(stage, event);
}

static enum err feed_tokens(void *stage, const struct chat_event *event)
{
    return token_limit_feed(stage, event);
}

/* The rule once more, without any cleverness. */
static size_t first_stop(struct str text, const struct str *stops, size_t n, size_t *ret_which)
{
    for (size_t end = 1; end <= text.n; end++) {
        size_t longest = 0;

        for (size_t i = 0; i < n; i++) {
            if (!str_ends(str_sub(text, 0, end), stops[i]) || stops[i].n <= longest)
                continue;
            longest = stops[i].n;
            *ret_which = i;
        }
        if (longest > 0)
            return end - longest;
    }
    return SIZE_MAX;
}

static void expect_stop(struct str text, const struct str *stops, size_t n, size_t cut)
{
    struct heard heard;
    struct arena a;
    struct stops s;
    size_t which = 0;
    size_t at = first_stop(text, stops, n, &which);

    arena_init(&a);
    EXPECT_INT(stops_init(&s, stops, n, &a, heard_init(&heard)), ERR_NONE);
    feed_cut(feed_stops, &s, CHAT_TEXT, text, cut);
    EXPECT_INT(stops_flush(&s), ERR_NONE);
    EXPECT_INT(s.is_stopped, at != SIZE_MAX);
    EXPECT(!s.is_stopped || s.matched == which);
    EXPECT(str_eq(heard_line(&heard), str_sub(text, 0, at)));
    buf_deinit(&heard.line);
    arena_deinit(&a);
}

static size_t split_list(const char *list, struct str out[8])
{
    struct str rest = str_of(list);
    size_t n = 0;

    while (rest.p && n < 8)
        out[n++] = str_cut(rest, ' ', &rest);
    return n;
}

static void stops_where_a_sequence_ends_first_however_cut(void)
{
    static const struct {
        const char *stops;
        const char *text;
    } rows[] = {
        { "END", "all of ENENDED it" },
        { "aabaaac", "aabaaabaaacd" },
        { "abc b", "abd" },
        { "bc abcd", "xabcdy" },
        { "aab", "aaaaab" },
        { "abab abac", "ababab" },
        { "\xC3\xA9", "caf\xC3\xA8\xC3\xA9!" },
        { "\n\n ###", "a\n#\n##\n\nb" },
        { "x", "no" },
        { "bc abc", "abc" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str stops[8];
        size_t n = split_list(rows[i].stops, stops);
        struct str text = str_of(rows[i].text);

        for (size_t cut = 0; cut <= text.n; cut++)
            expect_stop(text, stops, n, cut);
    }
}

static void finds_what_the_plain_rule_finds_in_any_text(void)
{
    static const char *const lists[] = { "ab ba aab",   "aaa aaab b",   "abcabd cab",     "a",
                                         "abc bcd cde", "abababc babc", "aabaaac aabaaad" };
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        struct str stops[8];
        size_t n = split_list(lists[dice(COUNT_OF(lists))], stops);
        char text[64];

        expect_stop(dice_text("a b c d ab e", dice(24), text, sizeof(text)), stops, n, SIZE_MAX);
    }
}

static void holds_back_only_what_may_still_be_a_stop(void)
{
    static const struct {
        const char *text;
        const char *out;
    } rows[] = {
        { "Hello", "Hello" }, { "Hello ST", "Hello " }, { "STSTO", "ST" }, { "STX", "STX" }
    };
    const struct str stop = STR("STOP");

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct chat_event event = { .type = CHAT_TEXT, .text = str_of(rows[i].text) };
        struct heard heard;
        struct arena a;
        struct stops s;

        arena_init(&a);
        EXPECT_INT(stops_init(&s, &stop, 1, &a, heard_init(&heard)), ERR_NONE);
        EXPECT_INT(stops_feed(&s, &event), ERR_NONE);
        EXPECT_STR(heard_line(&heard), rows[i].out);
        buf_deinit(&heard.line);
        arena_deinit(&a);
    }
}

static void looks_for_stops_in_text_alone(void)
{
    const struct str stop = STR("STOP");
    struct heard heard;
    struct arena a;
    struct stops s;

    arena_init(&a);
    EXPECT_INT(stops_init(&s, &stop, 1, &a, heard_init(&heard)), ERR_NONE);
    feed_cut(feed_stops, &s, CHAT_REASONING, STR("a STOP b"), 0);
    feed_cut(feed_stops, &s, CHAT_TEXT, STR("c STOP d"), 0);
    feed_cut(feed_stops, &s, CHAT_REASONING, STR("late"), 0);
    EXPECT_STR(heard_line(&heard), "[think:a STOP b]c ");
    buf_deinit(&heard.line);
    arena_deinit(&a);
}

static void refuses_more_stops_than_it_can_watch(void)
{
    struct str many[STOPS_MAX + 1];
    static char huge[STOPS_BYTES_MAX + 1];
    const struct str one = { huge, sizeof(huge) };
    struct heard heard;
    struct arena a;
    struct stops s;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = STR("x");
    EXPECT_INT(stops_init(&s, many, COUNT_OF(many), &a, heard_init(&heard)), ERR_TOO_BIG);
    EXPECT_INT(stops_init(&s, &one, 1, &a, heard_init(&heard)), ERR_TOO_BIG);
    EXPECT_INT(stops_init(&s, many, STOPS_MAX, &a, heard_init(&heard)), ERR_NONE);
    arena_deinit(&a);
}

/* ---- tokens ---- */

static struct str limited(struct str text, int64_t max, size_t cut, struct heard *heard,
                          bool *ret_spent)
{
    struct token_limit t;

    token_limit_init(&t, max, heard_init(heard));
    feed_cut(feed_tokens, &t, CHAT_TEXT, text, cut);
    *ret_spent = t.is_spent;
    return heard_line(heard);
}

static int64_t tokens_in(struct str text)
{
    struct token_estimate e = { 0 };

    token_estimate_add(&e, text);
    return token_estimate_total(&e);
}

static void cuts_at_the_limit_wherever_pieces_end(void)
{
    unsigned long rounds = storm_start(ROUNDS / 4);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[400];
        struct str text =
            dice_text("the _ quick ~ 42 \xE4\xBD\xA0 \xF0\x9F\x98\x80 , xyzzy ==== \xC3\xA9",
                      dice(60), room, sizeof(room));
        int64_t max = 1 + dice(40);
        struct heard once;
        struct heard cut;
        bool spent_once;
        bool spent_cut;
        struct str whole = limited(text, max, 0, &once, &spent_once);

        EXPECT(str_eq(whole, limited(text, max, SIZE_MAX, &cut, &spent_cut)));
        EXPECT_INT(spent_once, spent_cut);
        EXPECT(str_starts(text, whole) && !is_inside_char(text, whole.n));
        EXPECT(tokens_in(whole) <= max && spent_once == (whole.n < text.n));
        buf_deinit(&once.line);
        buf_deinit(&cut.line);
    }
}

static void counts_reasoning_and_tool_calls_as_well(void)
{
    const struct chat_tool_piece call = { 0, STR("id"), STR("get"), STR("{\"a\": 1, \"b\": 22}") };
    const struct chat_event event = { .type = CHAT_TOOL_CALL, .tool = &call };
    struct token_limit t;
    struct heard heard;

    token_limit_init(&t, 6, heard_init(&heard));
    feed_cut(feed_tokens, &t, CHAT_REASONING, STR("one two"), 0);
    EXPECT_INT(token_limit_feed(&t, &event), ERR_NONE);
    feed_cut(feed_tokens, &t, CHAT_TEXT, STR("late"), 0);
    EXPECT(t.is_spent);
    EXPECT(str_starts(heard_line(&heard), STR("[think:one two][call 0 id get:{\"a")));
    EXPECT(!str_ends(heard_line(&heard), STR("22}]")));
    buf_deinit(&heard.line);
}

static void passes_everything_without_a_limit(void)
{
    struct heard heard;
    bool spent;

    EXPECT_STR(limited(STR("one two three"), 0, 0, &heard, &spent), "one two three");
    EXPECT(!spent);
    buf_deinit(&heard.line);
}

static const struct test suite[] = {
    { "stops where a sequence ends first, however cut",
      stops_where_a_sequence_ends_first_however_cut },
    { "finds what the plain rule finds, in any text", finds_what_the_plain_rule_finds_in_any_text },
    { "holds back only what may still be a stop", holds_back_only_what_may_still_be_a_stop },
    { "looks for stops in text alone", looks_for_stops_in_text_alone },
    { "refuses more stops than it can watch", refuses_more_stops_than_it_can_watch },
    { "cuts at the limit wherever pieces end", cuts_at_the_limit_wherever_pieces_end },
    { "counts reasoning and tool calls as well", counts_reasoning_and_tool_calls_as_well },
    { "passes everything without a limit", passes_everything_without_a_limit },
};

TEST_MAIN(suite)
