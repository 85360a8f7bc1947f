/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/tool_check.h"

#include "shape_test.h"

#define WEATHER                                                                           \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[" \
    "\"city\"],\"additionalProperties\":false}"
#define DEEP_8 "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
#define DEEP_64 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8 DEEP_8
#define CALL(name, arguments) "<tool_call name=\"" name "\">\n" arguments "\n</tool_call>\n"
#define HOW                                                                            \
    ", corrected, each so and with nothing around it:\n\n<tool_call name=\"NAME\">\n{" \
    "\"parameter\": \"value\"}\n</tool_call>\n"
#define FAULT "Your last answer did not do:\n\n"
#define CALLS "\nWrite only these calls once more" HOW

struct rig {
    struct arena arena;
    struct chat_tool list[3];
    struct chat_tools tools;
    struct heard heard;
    struct tool_check check;
    struct tool_parser parser;
    struct str said; /* by the end */
};

static enum err put(void *arg, const struct chat_event *event)
{
    struct rig *r = arg;

    return tool_check_feed(&r->check, event);
}

static enum err ended(void *arg, enum tool_call_end end)
{
    struct rig *r = arg;

    return tool_check_ended(&r->check, end);
}

static enum err feed(void *stage, const struct chat_event *event)
{
    return tool_parser_feed(stage, event);
}

/* Ids, which are of chance, become "#". */
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

static void start(struct rig *r, enum chat_tool_choice choice, bool is_held)
{
    struct failure failure;

    *r = (struct rig){
        .list = { { STR("weather"), { NULL, 0 }, STR(WEATHER), false, false },
                  { STR("strict"), { NULL, 0 }, STR(WEATHER), true, false },
                  { STR("now"), { NULL, 0 }, { NULL, 0 }, false, false } },
    };
    r->tools = (struct chat_tools){ r->list, 3, choice, STR("now"), false };
    arena_init(&r->arena);
    heard_init(&r->heard);
    EXPECT(tool_check_init(&r->check, &r->tools, is_held, &r->arena,
                           (struct shape_sink){ hear, &r->heard }, &failure));
    tool_parser_init(&r->parser, 1, (struct shape_sink){ put, r }, ended, r);
}

static enum tool_outcome answer(struct rig *r, const char *text, size_t cut)
{
    feed_cut(feed, &r->parser, CHAT_TEXT, str_of(text), cut);
    EXPECT_INT(tool_parser_flush(&r->parser), ERR_NONE);
    return tool_check_end(&r->check, &r->arena, &r->said);
}

static void stop(struct rig *r)
{
    tool_check_deinit(&r->check);
    buf_deinit(&r->heard.line);
    arena_deinit(&r->arena);
}

struct row {
    enum chat_tool_choice choice;
    const char *text;
    enum tool_outcome outcome;
    const char *out;
    const char *said;
};

static void judges_calls_whole(void)
{
    static const struct row rows[] = {
        { CHAT_CHOOSE_AUTO, "Just text", TOOLS_NONE, "Just text", "" },
        { CHAT_CHOOSE_AUTO, "So:\n" CALL("weather", "{\"city\":\"Rome\"}") CALL("now", "{}"),
          TOOLS_CALLED, "So:\n[call 0 # weather:{\"city\":\"Rome\"}][call 1 # now:{}]", "" },
        { CHAT_CHOOSE_AUTO, CALL("weather", "{\"town\":1}") CALL("now", "{}"), TOOLS_REPAIR,
          "[call 0 # now:{}]",
          FAULT "The call of \"weather\" with {\"town\":1}\n"
                "- $.town: this property is not allowed; allowed are \"city\"\n"
                "- $: the property \"city\" (a string) is missing\n" CALLS },
        { CHAT_CHOOSE_AUTO, CALL("wether", "{}"), TOOLS_REPAIR, "",
          FAULT "The call of \"wether\" with {}\n- there is no such tool to call; there is "
                "\"weather\", \"strict\", \"now\"\n" CALLS },
        { CHAT_CHOOSE_AUTO, CALL("now", DEEP_64 "{"), TOOLS_REPAIR, "",
          FAULT "The call of \"now\" with " DEEP_64
                "\n- the arguments are nested too deep: more than 64 arrays and objects in one "
                "another\n" CALLS },
        { CHAT_CHOOSE_AUTO, CALL("now", "{\"a\": oops}") "bye", TOOLS_REPAIR, "\nbye",
          FAULT "The call of \"now\" with {\"a\": \n- the arguments are no valid JSON: they are "
                "right up to there, and what follows is wrong or missing\n" CALLS },
        { CHAT_CHOOSE_REQUIRED, "No.", TOOLS_REPAIR, "No.",
          FAULT "- it has no tool call, and must have one\n\nWrite it as a tool call once "
                "more" HOW },
        { CHAT_CHOOSE_NAMED, CALL("weather", "{\"city\":\"Rome\"}"), TOOLS_REPAIR, "",
          FAULT
          "The call of \"weather\" with {\"city\":\"Rome\"}\n- there is no such tool to call; "
          "there is \"now\"\n" CALLS },
        { CHAT_CHOOSE_NAMED, CALL("now", "{}"), TOOLS_CALLED, "[call 0 # now:{}]", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t cut = 0; cut <= strlen(rows[i].text); cut++) {
            struct rig r;

            start(&r, rows[i].choice, true);
            EXPECT_INT(answer(&r, rows[i].text, cut), rows[i].outcome);
            EXPECT_STR(heard_line(&r.heard), rows[i].out);
            EXPECT_STR(r.said, rows[i].said);
            stop(&r);
        }
    }
}

/* First answer, second answer, and what became of them. */
static void repairs_once(void)
{
    static const struct {
        const char *first;
        const char *second;
        enum tool_outcome outcome;
        const char *out;
    } rows[] = {
        { "Hm.\n" CALL("weather", "{}"), "Sorry!\n" CALL("weather", "{\"city\":\"Rome\"}"),
          TOOLS_CALLED, "Hm.\n[call 0 # weather:{\"city\":\"Rome\"}]" },
        { CALL("now", "{}") CALL("strict", "{}"), CALL("strict", "{\"city\":\"\"}"), TOOLS_CALLED,
          "[call 0 # now:{}][call 1 # strict:{\"city\":\"\"}]" },
        { CALL("weather", "{}"), CALL("weather", "{\"city\":1}"), TOOLS_CALLED,
          "[call 0 # weather:{\"city\":1}]" },
        { CALL("strict", "{}"), CALL("strict", "{\"city\":1}"), TOOLS_LOST, "" },
        { CALL("now", "{}") CALL("strict", "{}"), CALL("strict", "{}"), TOOLS_CALLED,
          "[call 0 # now:{}]" },
        { CALL("nov", "{}"), "I cannot.", TOOLS_LOST, "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;

        start(&r, CHAT_CHOOSE_AUTO, true);
        EXPECT_INT(answer(&r, rows[i].first, 0), TOOLS_REPAIR);
        tool_check_again(&r.check, true);
        tool_parser_init(&r.parser, 2, (struct shape_sink){ put, &r }, ended, &r);
        EXPECT_INT(answer(&r, rows[i].second, 0), rows[i].outcome);
        EXPECT_STR(heard_line(&r.heard), rows[i].out);
        EXPECT_INT(r.said.n > 0, rows[i].outcome == TOOLS_LOST);
        stop(&r);
    }
}

static void lets_arguments_flow_when_not_held(void)
{
    struct rig r;

    start(&r, CHAT_CHOOSE_AUTO, false);
    feed_cut(feed, &r.parser, CHAT_TEXT, STR("<tool_call name=\"weather\">\n{\"town\":\"Ro"), 0);
    EXPECT_STR(buf_str(&r.heard.line), "[call 0 # weather:{\"town\":\"Ro");
    EXPECT_INT(answer(&r, "me\"}</tool_call>" CALL("nov", "{}"), 0), TOOLS_REPAIR);
    EXPECT_STR(heard_line(&r.heard), "[call 0 # weather:{\"town\":\"Rome\"}]");
    stop(&r);
    start(&r, CHAT_CHOOSE_AUTO, false);
    EXPECT_INT(answer(&r, CALL("now", "{\"a\""), 0), TOOLS_LOST);
    EXPECT_STR(heard_line(&r.heard), "[call 0 # now:{\"a\"\n]");
    stop(&r);
}

static void makes_one_call_of_a_serial_answer(void)
{
    struct rig r;

    start(&r, CHAT_CHOOSE_AUTO, true);
    r.tools.is_serial = true;
    EXPECT_INT(answer(&r, CALL("now", "{}") CALL("now", "{\"a\":1}") CALL("x", "{}"), 0),
               TOOLS_CALLED);
    EXPECT_STR(heard_line(&r.heard), "[call 0 # now:{}]");
    EXPECT_INT(r.check.n_dropped, 2);
    stop(&r);
}

static void bounds_arguments(void)
{
    static char space[TOOL_ARGUMENTS_MAX];
    struct rig r;

    memset(space, ' ', sizeof(space));
    start(&r, CHAT_CHOOSE_AUTO, true);
    feed_cut(feed, &r.parser, CHAT_TEXT, STR("<tool_call name=\"now\">\n{"), 0);
    feed_cut(feed, &r.parser, CHAT_TEXT, (struct str){ space, sizeof(space) }, 0);
    EXPECT_INT(answer(&r, "}\n</tool_call>", 0), TOOLS_REPAIR);
    EXPECT(str_find(r.said, STR("- the arguments are longer than 1048576 bytes\n")) != SIZE_MAX);
    stop(&r);
}

static void refuses_tools_with_wrong_schemas(void)
{
    const struct chat_tool bad[] = {
        { STR("ok"), { NULL, 0 }, STR("{}"), false, false },
        { STR("x"), { NULL, 0 }, STR("{\"type\":\"objekt\"}"), false, false }
    };
    const struct chat_tools tools = { .list = bad, .n = 2 };
    struct tool_check check;
    struct heard heard;
    struct failure failure;
    struct arena a;

    arena_init(&a);
    EXPECT(!tool_check_init(&check, &tools, true, &a, heard_init(&heard), &failure));
    EXPECT_INT(failure.kind, FAILURE_BAD_REQUEST);
    EXPECT_STR(failure.param, "tools[1]");
    EXPECT_STR(failure.message,
               "The parameters of tool \"x\" are no JSON Schema that this gateway can use. #/type: "
               "must be null, boolean, number, integer, string, array or object. Correct the "
               "schema.");
    tool_check_deinit(&check);
    arena_deinit(&a);
}

static void refuses_too_much_schema(void)
{
    static struct chat_tool many[TOOL_SCHEMAS_MAX / SCHEMA_BYTES_MAX + 1];
    static char space[SCHEMA_BYTES_MAX];
    const struct chat_tools tools = { .list = many, .n = COUNT_OF(many) };
    struct tool_check check;
    struct heard heard;
    struct failure failure;
    struct arena a;

    memset(space, ' ', sizeof(space));
    memcpy(space, "{}", 2);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = (struct chat_tool){ .name = STR("x"), .parameters = { space, sizeof(space) } };
    arena_init(&a);
    EXPECT(!tool_check_init(&check, &tools, true, &a, heard_init(&heard), &failure));
    EXPECT_STR(failure.param, "tools");
    tool_check_deinit(&check);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "judges calls whole", judges_calls_whole },
    { "repairs once", repairs_once },
    { "lets arguments flow when not held", lets_arguments_flow_when_not_held },
    { "makes one call of a serial answer", makes_one_call_of_a_serial_answer },
    { "bounds arguments", bounds_arguments },
    { "refuses tools with wrong schemas", refuses_tools_with_wrong_schemas },
    { "refuses too much schema", refuses_too_much_schema },
};

TEST_MAIN(suite)
