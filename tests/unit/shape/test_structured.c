/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/structured.h"

#include "shape_test.h"

enum { ROUNDS = 20000 };

#define SCHEMA \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}"
#define FAULT(text, why, what)                                                                \
    "Your last answer did not do:\n\n" text "\n\n" why "\nWrite the whole answer once more, " \
    "corrected: " what " and nothing else.\n"
#define OBJECT "one JSON object"
#define FITTING "one JSON value that fits the JSON Schema"

struct rig {
    struct arena arena;
    struct chat_format format;
    struct heard heard;
    struct structured s;
    struct str said;
};

static enum err feed(void *stage, const struct chat_event *event)
{
    return structured_feed(stage, event);
}

/* `schema` NULL: any object. */
static void start(struct rig *r, const char *schema, bool is_held)
{
    struct failure failure;

    arena_init(&r->arena);
    r->format =
        (struct chat_format){ .type = schema ? CHAT_FORMAT_JSON_SCHEMA : CHAT_FORMAT_JSON_OBJECT,
                              .schema = str_of(schema) };
    EXPECT(structured_init(&r->s, &r->format, is_held, &r->arena, heard_init(&r->heard), &failure));
}

static enum structured_outcome answer(struct rig *r, struct str text, size_t cut)
{
    enum structured_outcome outcome;
    enum err err;

    feed_cut(feed, &r->s, CHAT_TEXT, text, cut);
    outcome = structured_end(&r->s, &r->arena, &r->said, &err);
    EXPECT_INT(err, ERR_NONE);
    return outcome;
}

static void stop(struct rig *r)
{
    structured_deinit(&r->s);
    buf_deinit(&r->heard.line);
    arena_deinit(&r->arena);
}

#define DEEP_8 "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
#define DEEP_64 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8

static const struct row {
    const char *schema;
    bool is_held;
    const char *text;
    enum structured_outcome outcome;
    const char *out;
    const char *said;
} rows[] = {
    { NULL, true, "{\"a\":1}", STRUCTURED_OK, "{\"a\":1}", "" },
    { NULL, false, "```json\n{\"a\": [1]}\n```\nThat is it.", STRUCTURED_OK, "{\"a\": [1]}", "" },
    { NULL, false, "Of the {best} and { x } I take: { \"a\":1} and {}", STRUCTURED_OK, "{ \"a\":1}",
      "" },
    { NULL, false, "[1]{}", STRUCTURED_OK, "{}", "" },
    { SCHEMA, true, "Sure: {\"n\":1}!", STRUCTURED_OK, "{\"n\":1}", "" },
    { SCHEMA, false, "{\"n\":1}", STRUCTURED_OK, "{\"n\":1}", "" },
    { "{\"type\":\"array\"}", true, "{x} [ 1, 2]", STRUCTURED_OK, "[ 1, 2]", "" },
    { "{\"type\":\"integer\"}", false, "```\n42\n```\n", STRUCTURED_OK, "42", "" },
    { "{\"type\":\"string\"}", false, " \"a\" ", STRUCTURED_OK, "\"a\"", "" },
    { NULL, true, "I cannot.", STRUCTURED_REPAIR, "",
      FAULT("", "- there is no JSON in it\n", OBJECT) },
    { NULL, false, "Well {", STRUCTURED_REPAIR, "",
      FAULT("", "- there is no JSON in it\n", OBJECT) },
    { NULL, true, "{\"a\":", STRUCTURED_REPAIR, "",
      FAULT("{\"a\":", "- the JSON ends too early\n", OBJECT) },
    { NULL, true, "{\"a\":nil}", STRUCTURED_REPAIR, "",
      FAULT("{\"a\":n", "- it is right up to there, and what follows is no valid JSON\n", OBJECT) },
    { NULL, false, DEEP_64 "{", STRUCTURED_LOST, DEEP_64,
      "- up to there it is right, but it is nested too deep: more than 64 arrays and objects in "
      "one another\n" },
    { SCHEMA, true, "{\"n\":\"1\"}", STRUCTURED_REPAIR, "",
      FAULT("{\"n\":\"1\"}", "- $.n: expected a whole number, got \"1\"\n", FITTING) },
    { "{\"type\":\"integer\"}", false, "4.5", STRUCTURED_REPAIR, "",
      FAULT("4.5", "- $: expected a whole number, got 4.5\n", FITTING) },
    { NULL, false, "{\"a\":nil}", STRUCTURED_LOST, "{\"a\":n",
      "- it is right up to there, and what follows is no valid JSON\n" },
    { NULL, false, "{\"a", STRUCTURED_LOST, "{\"a", "- the JSON ends too early\n" },
    { SCHEMA, false, "{}", STRUCTURED_LOST, "{}",
      "- $: the property \"n\" (a whole number) is missing\n" },
};

static void takes_the_json_out_of_an_answer(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
            struct rig r;

            start(&r, rows[i].schema, rows[i].is_held);
            EXPECT_INT(answer(&r, str_of(rows[i].text), cut), rows[i].outcome);
            EXPECT_STR(heard_line(&r.heard), rows[i].out);
            EXPECT_STR(r.said, rows[i].said);
            stop(&r);
        }
    }
}

static void repairs_once(void)
{
    struct rig r;

    start(&r, SCHEMA, true);
    EXPECT_INT(answer(&r, STR("{\"n\":\"1\"}"), 0), STRUCTURED_REPAIR);
    structured_again(&r.s);
    EXPECT_INT(answer(&r, STR("Sorry: {\"n\":1}"), 0), STRUCTURED_OK);
    EXPECT_STR(heard_line(&r.heard), "{\"n\":1}");
    stop(&r);
    start(&r, SCHEMA, true);
    EXPECT_INT(answer(&r, STR("no"), 0), STRUCTURED_REPAIR);
    structured_again(&r.s);
    EXPECT_INT(answer(&r, STR("{\"n\":{}}"), 0), STRUCTURED_LOST);
    EXPECT_STR(r.said, "- $.n: expected a whole number, got an object\n");
    EXPECT_STR(heard_line(&r.heard), "");
    stop(&r);
}

static void gives_out_what_is_held_when_cut(void)
{
    struct rig r;

    start(&r, NULL, true);
    feed_cut(feed, &r.s, CHAT_TEXT, STR("Here: {\"a\":[1,"), 0);
    EXPECT_STR(heard_line(&r.heard), "");
    EXPECT_INT(structured_cut(&r.s), ERR_NONE);
    EXPECT_STR(heard_line(&r.heard), "{\"a\":[1,");
    stop(&r);
}

static void says_when_the_upstream_may_stop(void)
{
    char words[STRUCTURED_BEHIND_MAX + 1];
    struct rig r;

    memset(words, 'x', sizeof(words));
    start(&r, NULL, false);
    feed_cut(feed, &r.s, CHAT_TEXT, STR("{}\n```\n"), 0);
    EXPECT(!structured_is_done(&r.s) && r.s.is_changed);
    feed_cut(feed, &r.s, CHAT_TEXT, (struct str){ words, sizeof(words) }, 0);
    EXPECT(structured_is_done(&r.s));
    stop(&r);
    start(&r, NULL, false);
    feed_cut(feed, &r.s, CHAT_TEXT, STR(" {\"a\":1}\n"), 0);
    EXPECT(!r.s.is_changed);
    feed_cut(feed, &r.s, CHAT_TEXT, STR("!"), 0);
    EXPECT(r.s.is_changed);
    stop(&r);
}

static void bounds_an_answer(void)
{
    static char space[STRUCTURED_MAX];
    struct chat_event event = { .type = CHAT_TEXT, .text = STR("{\"a\":") };
    struct rig r;

    memset(space, ' ', sizeof(space));
    start(&r, NULL, true);
    EXPECT_INT(feed(&r.s, &event), ERR_NONE);
    event.text = (struct str){ space, sizeof(space) };
    EXPECT_INT(feed(&r.s, &event), ERR_TOO_BIG);
    stop(&r);
}

static void does_not_care_how_text_is_cut(void)
{
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[300];
        struct str text =
            dice_text("{ } {\"n\": 1 [ ] , \"a\": \"b\" {\"n\":2} x _ ~ ``` \xC3\xA9 true",
                      dice(14), room, sizeof(room));
        const char *schema = dice(2) ? SCHEMA : NULL;
        bool is_held = dice(2);
        struct rig once;
        struct rig cut;

        start(&once, schema, is_held);
        start(&cut, schema, is_held);
        EXPECT_INT(answer(&once, text, 0), answer(&cut, text, SIZE_MAX));
        EXPECT(str_eq(heard_line(&once.heard), heard_line(&cut.heard)));
        EXPECT(str_eq(once.said, cut.said));
        stop(&once);
        stop(&cut);
    }
}

static const struct test suite[] = {
    { "takes the JSON out of an answer", takes_the_json_out_of_an_answer },
    { "repairs once", repairs_once },
    { "gives out what is held when cut", gives_out_what_is_held_when_cut },
    { "says when the upstream may stop", says_when_the_upstream_may_stop },
    { "bounds an answer", bounds_an_answer },
    { "does not care how text is cut", does_not_care_how_text_is_cut },
};

TEST_MAIN(suite)
