/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/shaper.h"

#include "base/mem.h"
#include "shape_test.h"

enum { ROUNDS = 10000 };

#define CALL(name, arguments) "<tool_call name=\"" name "\">\n" arguments "\n</tool_call>\n"
#define SCHEMA \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}"

/* What a request asks for: letters say what of it (see start()). */
struct rig {
    struct arena arena;
    struct chat_tool list[2];
    struct chat_tools tools;
    struct chat_format format;
    struct str stops[2];
    struct chat_limits limits;
    struct heard heard;
    struct shaper s;
    struct shape_result result;
};

static enum err feed(void *stage, const struct chat_event *event)
{
    return shaper_feed(stage, event);
}

static enum err hear(void *arg, const struct chat_event *event)
{
    struct chat_tool_piece piece;
    struct chat_event plain = *event;

    if (event->type == CHAT_TOOL_CALL) {
        piece = *event->tool;
        if (piece.id.n > 0)
            piece.id = STR("#");
        plain.tool = &piece;
    }
    return heard_put(arg, &plain);
}

/* t: tools, T: a call is due, 1: at most one, j: any JSON object, J: a schema, s: stops, m: 8
 * tokens, h: held, r: "<think>" of the upstream, R: for the client */
static void start(struct rig *r, const char *asks)
{
    const struct str said = str_of(asks);
    struct shape_config c = { .seed = 1 };
    struct failure failure;
    char *room;

    *r = (struct rig){ .list = { { STR("get"), { NULL, 0 }, STR(SCHEMA), true },
                                 { STR("now"), { NULL, 0 }, { NULL, 0 }, false } } };
    r->tools = (struct chat_tools){ .list = r->list, .n = 2 };
    r->tools.choice = strchr(asks, 'T') ? CHAT_CHOOSE_REQUIRED : CHAT_CHOOSE_AUTO;
    r->tools.is_serial = strchr(asks, '1') != NULL;
    r->format.type = strchr(asks, 'J') ? CHAT_FORMAT_JSON_SCHEMA : CHAT_FORMAT_JSON_OBJECT;
    r->format.schema = STR(SCHEMA);
    r->stops[0] = STR("STOP");
    r->stops[1] = STR("\n\n");
    r->limits =
        (struct chat_limits){ r->stops, strchr(asks, 's') ? 2 : 0, strchr(asks, 'm') ? 8 : 0 };
    c.tools = strchr(asks, 't') || strchr(asks, 'T') ? &r->tools : NULL;
    c.format = strchr(asks, 'j') || strchr(asks, 'J') ? &r->format : NULL;
    c.limits = said.n > 0 ? &r->limits : NULL;
    c.is_held = strchr(asks, 'h') != NULL;
    c.split_think = strchr(asks, 'r') != NULL;
    c.wrap_think = strchr(asks, 'R') != NULL;
    arena_init(&r->arena);
    heard_init(&r->heard);
    EXPECT_INT(buf_reserve(&r->heard.line, 4096, &room), ERR_NONE);
    EXPECT(shaper_init(&r->s, &c, &r->arena, (struct shape_sink){ hear, &r->heard }, &failure));
}

static void answer(struct rig *r, struct str text, size_t cut, enum chat_finish finish)
{
    feed_cut(feed, &r->s, CHAT_TEXT, text, cut);
    EXPECT_INT(shaper_end(&r->s, finish, &r->result), ERR_NONE);
}

static void stop(struct rig *r)
{
    shaper_deinit(&r->s);
    buf_deinit(&r->heard.line);
    arena_deinit(&r->arena);
}

static const struct row {
    const char *asks;
    const char *text;
    const char *out;
    enum shape_verdict verdict;
    enum chat_finish finish;
    bool is_exact;
} rows[] = {
    { "", "Hello\n\n STOP <think>{}", "Hello\n\n STOP <think>{}", SHAPE_DONE, CHAT_FINISH_STOP,
      true },
    { "s", "Hello STOP more", "Hello ", SHAPE_DONE, CHAT_FINISH_STOP, false },
    { "s", "Hello STO", "Hello STO", SHAPE_DONE, CHAT_FINISH_STOP, true },
    { "m", "one two three four five six seven eight nine ten",
      "one two three four five six seven eight", SHAPE_DONE, CHAT_FINISH_LENGTH, false },
    { "sm", "one two STOP four five six seven eight nine ten", "one two ", SHAPE_DONE,
      CHAT_FINISH_STOP, false },
    { "t", "So:\n" CALL("now", "{}"), "So:\n[call 0 # now:{}]", SHAPE_DONE, CHAT_FINISH_TOOL_CALLS,
      true },
    { "t", "a\n<tool_call", "a\n<tool_call", SHAPE_DONE, CHAT_FINISH_STOP, true },
    { "ht", CALL("get", "{\"n\":1}") CALL("now", "{}"), "[call 0 # get:{\"n\":1}][call 1 # now:{}]",
      SHAPE_DONE, CHAT_FINISH_TOOL_CALLS, true },
    { "ht", CALL("get", "{}"), "", SHAPE_REPAIR, CHAT_FINISH_STOP, false },
    { "T", "No.", "No.", SHAPE_REPAIR, CHAT_FINISH_STOP, false },
    { "t", "<tool_call name=\"now\">{\"a", "[call 0 # now:{\"a]", SHAPE_FAILED,
      CHAT_FINISH_TOOL_CALLS, false },
    { "t1", CALL("now", "{}") CALL("now", "{}"), "[call 0 # now:{}]", SHAPE_DONE,
      CHAT_FINISH_TOOL_CALLS, false },
    { "ts", CALL("now", "{}") "Done STOP" CALL("now", "{}"), "[call 0 # now:{}]\nDone ", SHAPE_DONE,
      CHAT_FINISH_TOOL_CALLS, false },
    { "htm", CALL("now", "{\"a\":1,\"b\":2,\"c\":3}"), "", SHAPE_DONE, CHAT_FINISH_LENGTH, false },
    { "j", "Sure: {\"a\":1}.", "{\"a\":1}", SHAPE_DONE, CHAT_FINISH_STOP, false },
    { "J", "{\"n\":1}\n", "{\"n\":1}", SHAPE_DONE, CHAT_FINISH_STOP, true },
    { "J", "{\"n\":\"\"}", "{\"n\":\"\"}", SHAPE_FAILED, CHAT_FINISH_STOP, false },
    { "hJ", "{\"n\":\"\"}", "", SHAPE_REPAIR, CHAT_FINISH_STOP, false },
    { "hJm", "{\"n\":1,\"a\":[1,2,3,4,5,6,7]}", "{\"n\":1,\"a\":[1", SHAPE_DONE, CHAT_FINISH_LENGTH,
      false },
    { "tj", CALL("now", "{}"), "[call 0 # now:{}]", SHAPE_DONE, CHAT_FINISH_TOOL_CALLS, true },
    { "tj", "{\"a\":1}", "{\"a\":1}", SHAPE_DONE, CHAT_FINISH_STOP, true },
    { "r", "<think>Hm.</think>\nYes", "[think:Hm.]Yes", SHAPE_DONE, CHAT_FINISH_STOP, true },
    { "rRs", "<think>Hm STOP</think>\nYes", "<think>\nHm STOP\n</think>\n\nYes", SHAPE_DONE,
      CHAT_FINISH_STOP, true },
    { "rRt", "<think>Hm.</think>\n" CALL("now", "{}"),
      "<think>\nHm.\n</think>\n\n[call 0 # now:{}]", SHAPE_DONE, CHAT_FINISH_TOOL_CALLS, true },
};

static void shapes_an_answer_however_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
            struct rig r;

            start(&r, rows[i].asks);
            answer(&r, str_of(rows[i].text), cut, CHAT_FINISH_STOP);
            EXPECT_STR(heard_line(&r.heard), rows[i].out);
            EXPECT_INT(r.result.verdict, rows[i].verdict);
            if (rows[i].verdict == SHAPE_DONE) {
                EXPECT_INT(r.result.finish, rows[i].finish);
                EXPECT_INT(r.result.is_exact, rows[i].is_exact);
            }
            stop(&r);
        }
    }
}

/* Two answers, and what became of them. */
static void repairs_once(void)
{
    static const struct {
        const char *asks;
        const char *first;
        const char *second;
        enum shape_verdict verdict;
        enum chat_finish finish;
        const char *out;
    } twice[] = {
        { "ht", "So.\n" CALL("get", "{}"), "Sorry.\n" CALL("get", "{\"n\":1}"), SHAPE_DONE,
          CHAT_FINISH_TOOL_CALLS, "So.\n[call 0 # get:{\"n\":1}]" },
        { "ht", CALL("get", "{}"), "No.", SHAPE_FAILED, CHAT_FINISH_STOP, "" },
        { "htJ", CALL("get", "{}"), CALL("get", "{\"n\":1}"), SHAPE_DONE, CHAT_FINISH_TOOL_CALLS,
          "[call 0 # get:{\"n\":1}]" },
        { "htJ", "Well", CALL("now", "{}"), SHAPE_DONE, CHAT_FINISH_TOOL_CALLS,
          "[call 0 # now:{}]" },
        { "htJ", "Well", CALL("nov", "{}"), SHAPE_FAILED, CHAT_FINISH_STOP, "" },
        { "htJ", "Well", "Well", SHAPE_FAILED, CHAT_FINISH_STOP, "" },
        { "hJ", "{\"n\":\"\"}", "So: {\"n\":2}", SHAPE_DONE, CHAT_FINISH_STOP, "{\"n\":2}" },
        { "hJ", "{\"n\":\"\"}", "{}", SHAPE_FAILED, CHAT_FINISH_STOP, "" },
        { "j", "Well", "{}", SHAPE_DONE, CHAT_FINISH_STOP, "{}" },
        { "rj", "<think>a</think>Well", "<think>b</think>{}", SHAPE_DONE, CHAT_FINISH_STOP,
          "[think:a]{}" },
        { "hJs", "{\"n\":\"\"}", "{\"n\":1,\"a\":\"STOP\"}", SHAPE_DONE, CHAT_FINISH_STOP,
          "{\"n\":1,\"a\":\"" },
    };

    for (size_t i = 0; i < COUNT_OF(twice); i++) {
        struct rig r;

        start(&r, twice[i].asks);
        answer(&r, str_of(twice[i].first), 0, CHAT_FINISH_STOP);
        EXPECT_INT(r.result.verdict, SHAPE_REPAIR);
        EXPECT(r.result.repair.n > 0);
        shaper_again(&r.s);
        answer(&r, str_of(twice[i].second), SIZE_MAX, CHAT_FINISH_STOP);
        EXPECT_INT(r.result.verdict, twice[i].verdict);
        EXPECT_STR(heard_line(&r.heard), twice[i].out);
        if (r.result.verdict == SHAPE_DONE)
            EXPECT_INT(r.result.finish, twice[i].finish);
        EXPECT(!r.result.is_exact);
        stop(&r);
    }
}

static void fails_with_what_is_wrong(void)
{
    struct rig r;

    start(&r, "hJ");
    answer(&r, STR("{\"n\":true}"), 0, CHAT_FINISH_STOP);
    shaper_again(&r.s);
    answer(&r, STR("{\"n\":false}"), 0, CHAT_FINISH_STOP);
    EXPECT_INT(r.result.failure.kind, FAILURE_PROTOCOL);
    EXPECT(r.result.failure.prompt_accepted);
    EXPECT_STR(r.result.failure.message,
               "The model's answer is not what was asked for, also when it was asked to correct "
               "it. Try again, ask for less, or choose another model. What is wrong:\n- $.n: "
               "expected a whole number, got false\n");
    stop(&r);
    start(&r, "hJ");
    answer(&r, STR("no"), 0, CHAT_FINISH_STOP);
    shaper_give_up(&r.s, &r.result);
    EXPECT_INT(r.result.verdict, SHAPE_FAILED);
    EXPECT(str_find(r.result.failure.message, STR("- there is no JSON in it")) != SIZE_MAX);
    stop(&r);
}

static void says_when_the_upstream_may_be_canceled(void)
{
    static const struct {
        const char *asks;
        const char *text;
        bool is_done;
    } ends[] = {
        { "s", "a STO", false },
        { "s", "a STOP", true },
        { "m", "one two three", false },
        { "m", "one two three four five six seven eight nine ten", true },
        { "t1", CALL("now", "{}"), false },
        { "t1", CALL("now", "{}") CALL("now", "{}"), true },
        { "t", CALL("now", "{}") CALL("now", "{}"), false },
        { "j", "{}\n```", false },
        { "j", "{} and now for something completely different, on and on and on and on and on",
          true },
    };

    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct rig r;

        start(&r, ends[i].asks);
        feed_cut(feed, &r.s, CHAT_TEXT, str_of(ends[i].text), 0);
        EXPECT_INT(shaper_is_done(&r.s), ends[i].is_done);
        stop(&r);
    }
}

static void tells_which_stop_matched(void)
{
    struct rig r;

    start(&r, "s");
    answer(&r, STR("a\n\nb"), 0, CHAT_FINISH_STOP);
    EXPECT_INT(r.result.stop, 1);
    stop(&r);
    start(&r, "s");
    answer(&r, STR("a"), 0, CHAT_FINISH_STOP);
    EXPECT(r.result.stop == SIZE_MAX);
    stop(&r);
}

static void keeps_the_upstreams_own_finish(void)
{
    struct rig r;

    start(&r, "t");
    answer(&r, STR("So\n<tool_ca"), 0, CHAT_FINISH_LENGTH);
    EXPECT_INT(r.result.finish, CHAT_FINISH_LENGTH);
    EXPECT_STR(heard_line(&r.heard), "So\n");
    stop(&r);
    start(&r, "hJ");
    answer(&r, STR("{\"n\":"), 0, CHAT_FINISH_FILTER);
    EXPECT_INT(r.result.finish, CHAT_FINISH_FILTER);
    EXPECT_STR(heard_line(&r.heard), "{\"n\":");
    stop(&r);
}

static void passes_other_events_and_calls_of_the_upstream(void)
{
    const struct chat_tool_piece piece = { 0, STR("id"), STR("own"), STR("{}") };
    const struct chat_event call = { .type = CHAT_TOOL_CALL, .tool = &piece };
    struct rig r;

    start(&r, "tsmrR");
    EXPECT_INT(shaper_feed(&r.s, &call), ERR_NONE);
    answer(&r, STR(""), 0, CHAT_FINISH_STOP);
    EXPECT_STR(heard_line(&r.heard), "[call 0 # own:{}]");
    EXPECT_INT(r.result.finish, CHAT_FINISH_TOOL_CALLS);
    stop(&r);
}

static void takes_no_memory_for_plain_text(void)
{
    struct rig r;

    start(&r, "");
    answer(&r, STR("Hello world"), SIZE_MAX, CHAT_FINISH_STOP);
    EXPECT_INT(r.arena.used, 0);
    EXPECT(r.s.first.arg == &r.heard);
    stop(&r);
}

static void refuses_what_it_cannot_check(void)
{
    const struct chat_format format = { .type = CHAT_FORMAT_JSON_SCHEMA,
                                        .schema = STR("{\"type\":1}") };
    struct str many[STOPS_MAX + 1];
    const struct chat_limits limits = { many, COUNT_OF(many), 0 };
    struct shape_config c = { .format = &format };
    struct failure failure;
    struct heard heard;
    struct shaper s;
    struct arena a;

    arena_init(&a);
    EXPECT(!shaper_init(&s, &c, &a, heard_init(&heard), &failure));
    EXPECT_STR(failure.param, "response_format");
    shaper_deinit(&s);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = STR("x");
    c = (struct shape_config){ .limits = &limits };
    EXPECT(!shaper_init(&s, &c, &a, heard_init(&heard), &failure));
    EXPECT_INT(failure.kind, FAILURE_BAD_REQUEST);
    shaper_deinit(&s);
    arena_deinit(&a);
}

static void tells_the_upstream_what_is_asked(void)
{
    struct buf out;
    struct rig r;

    buf_init(&out, 8192);
    start(&r, "sm");
    EXPECT_INT(shape_prompt(&r.s.config, &out), ERR_NONE);
    EXPECT_INT(out.n, 0);
    stop(&r);
    start(&r, "tJ");
    EXPECT_INT(shape_prompt(&r.s.config, &out), ERR_NONE);
    EXPECT(str_starts(buf_str(&out), STR("You can call tools.")));
    EXPECT(str_find(buf_str(&out), STR("\n\nWhen your answer is no tool call,")) != SIZE_MAX);
    stop(&r);
    buf_deinit(&out);
}

static void does_not_care_how_text_is_cut(void)
{
    static const char *const asks[] = { "htJsrR", "tjs", "hts", "tsmr", "jm", "htJ1", "rRms", "T" };
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[500];
        const char *what = asks[dice(COUNT_OF(asks))];
        struct str text = dice_text(
            "<tool_call_name=\"get\">~{\"n\":1}~</tool_call>~ <tool_call_name=\"now\">{} "
            "<tool_call </ "
            "<think> </think> { } {\"n\":2} a_word \xC3\xA9 ~ ~ ST OP STOP STO_ </tool_call>",
            dice(16), room, sizeof(room));
        struct rig once;
        struct rig cut;

        start(&once, what);
        start(&cut, what);
        answer(&once, text, 0, CHAT_FINISH_STOP);
        answer(&cut, text, SIZE_MAX, CHAT_FINISH_STOP);
        if (!str_eq(heard_line(&once.heard), heard_line(&cut.heard)))
            fail_msg("%s: %.*s", what, STR_ARGS(text));
        EXPECT_INT(once.result.verdict, cut.result.verdict);
        EXPECT_INT(once.result.finish, cut.result.finish);
        EXPECT(str_eq(once.result.repair, cut.result.repair));
        stop(&once);
        stop(&cut);
    }
}

/* ---- failures ---- */

static const char *const stories[][2] = {
    { "rRtsm",
      "<think>Hm </th</think>So:\n<tool_call name=\"now\">{\"a\":1}\n</tool_call>\nST x <" },
    { "rths",
      "<think>Hm</thin</think>" CALL("get", "{\"n\":1}") CALL("now", "") "<to S STO x\n<b" },
    { "rRhJs", "<think>a</think>So {\"n\":1,\"b\":\"STO\\u00e9\"} ." },
    { "jsm", " <tool_call {\"n\":1,\"b\":\"STO\"} ." },
    { "hJ", "{\"n\":\"\\n\"}" },
    { "t", "a\n<tool_call name=\"x\">\n<to b" },
};

struct faulty {
    unsigned left; /* events until one fails */
    bool failed;
};

static enum err put_faulty(void *arg, const struct chat_event *event UNUSED)
{
    struct faulty *f = arg;

    EXPECT(!f->failed); /* nothing may follow a failure */
    f->failed = --f->left == 0;
    return f->failed ? ERR_CLOSED : ERR_NONE;
}

/* All of a story, until something fails. */
static enum err tell(struct rig *r, const char *text)
{
    enum err err = ERR_NONE;

    for (size_t i = 0; text[i] && !err; i++) {
        const struct chat_event event = { .type = CHAT_TEXT, .text = { text + i, 1 } };

        err = shaper_feed(&r->s, &event);
    }
    return err ? err : shaper_end(&r->s, CHAT_FINISH_STOP, &r->result);
}

static void passes_on_each_error_of_its_sink(void)
{
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        bool failed = true;

        for (unsigned n = 1; failed; n++) {
            struct faulty f = { .left = n };
            struct rig r;
            enum err err;

            start(&r, stories[i][0]);
            r.s.out = (struct shape_sink){ put_faulty, &f };
            if (r.s.first.arg == &r.heard)
                r.s.first = r.s.out;
            if (r.s.structured && r.s.structured->out.arg == &r.heard)
                r.s.structured->out = r.s.out;
            if (r.s.stops.out.arg == &r.heard)
                r.s.stops.out = r.s.out;
            if (r.s.wrap.out.arg == &r.heard)
                r.s.wrap.out = r.s.out;
            err = tell(&r, stories[i][1]);
            EXPECT_INT(err, f.failed ? ERR_CLOSED : ERR_NONE);
            failed = f.failed;
            stop(&r);
        }
    }
}

static void survives_each_lack_of_memory(void)
{
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        struct rig whole;

        start(&whole, stories[i][0]);
        EXPECT_INT(tell(&whole, stories[i][1]), ERR_NONE);
        for (uint64_t n = 1; n < 60; n++) {
            struct rig r;
            enum err err;

            start(&r, stories[i][0]);
            mem_fail_nth(n);
            err = tell(&r, stories[i][1]);
            mem_fail_nth(0);
            EXPECT(err == ERR_NONE || err == ERR_NOMEM);
            if (!err)
                EXPECT(str_eq(heard_line(&r.heard), heard_line(&whole.heard)));
            stop(&r);
        }
        stop(&whole);
    }
}

static const struct test suite[] = {
    { "shapes an answer however cut", shapes_an_answer_however_cut },
    { "repairs once", repairs_once },
    { "fails with what is wrong", fails_with_what_is_wrong },
    { "says when the upstream may be canceled", says_when_the_upstream_may_be_canceled },
    { "tells which stop matched", tells_which_stop_matched },
    { "keeps the upstream's own finish", keeps_the_upstreams_own_finish },
    { "passes other events and calls of the upstream",
      passes_other_events_and_calls_of_the_upstream },
    { "takes no memory for plain text", takes_no_memory_for_plain_text },
    { "refuses what it cannot check", refuses_what_it_cannot_check },
    { "tells the upstream what is asked", tells_the_upstream_what_is_asked },
    { "passes on each error of its sink", passes_on_each_error_of_its_sink },
    { "survives each lack of memory", survives_each_lack_of_memory },
    { "does not care how text is cut", does_not_care_how_text_is_cut },
};

TEST_MAIN(suite)
