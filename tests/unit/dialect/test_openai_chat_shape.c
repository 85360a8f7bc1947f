/* SPDX-License-Identifier: Apache-2.0 */
/* What a chat completion asks of its answer. */
#include "dialect/dialect.h"

#include "listing.h"

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define BODY(members) "{\"messages\":[" USER "]," members "}"
#define NAMED(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define TOOL NAMED("f")
#define MESSAGE(message) "{\"messages\":[" message "]}"

static bool decode(struct str body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    *ret = (struct chat_request){ 0 };
    *f = (struct failure){ 0 };
    return dialect_openai_chat.decode(body, a, ret, f) && ret->doubt.kind == FAILURE_NONE;
}

static void reads_the_shape_of_the_answer(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { BODY("\"x\":1"), "0; 0||||0; 0 0" },
        { BODY("\"tools\":[" TOOL ",{\"function\":{\"parameters\":{\"a\": 1e400},\"strict\":true,"
               "\"description\":\"d\\n\",\"name\":\"\\u0067\"},\"type\":\"function\"}]"),
          "f|||0 g|d\n|{\"a\": 1e400}|1 0; 0||||0; 0 0" },
        { BODY("\"tools\":[" TOOL "],\"tool_choice\":\"none\",\"parallel_tool_calls\":false"),
          "f|||0 1s; 0||||0; 0 0" },
        { BODY("\"tool_choice\":\"required\",\"tools\":[" TOOL "],\"parallel_tool_calls\":true"),
          "f|||0 2; 0||||0; 0 0" },
        { BODY("\"tools\":[" TOOL "," NAMED("g") "," NAMED("h") "," NAMED("i") "," NAMED(
              "j") "],\"tools\":[" TOOL "],"
                   "\"tool_choice\":{\"function\":{\"name\":\"f\"},\"type\":\"function\"}"),
          "f|||0 3f; 0||||0; 0 0" },
        { BODY("\"response_format\":{\"type\":\"json_object\"},\"n\":3"), "0; 1||||0; 0 3" },
        { BODY("\"response_format\":{\"json_schema\":{\"name\":\"a\",\"description\":\"b\","
               "\"schema\":{\"type\":\"object\"},\"strict\":true},\"type\":\"json_schema\"}"),
          "0; 2|a|b|{\"type\":\"object\"}|1; 0 0" },
        { BODY("\"stop\":\"\\u0041\",\"max_tokens\":5"), "0; 0||||0; 'A' 5 0" },
        { BODY("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"max_completion_tokens\":7,"
               "\"max_tokens\":5"),
          "0; 0||||0; 'a' 'b' 'c' 'd' 'e' 7 0" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;
        struct buf out;

        arena_init(&a);
        buf_init(&out, 4096);
        if (!decode(str_of(rows[i].body), &a, &r, &f))
            fail_msg("%s: %.*s", rows[i].body, STR_ARGS(f.message));
        list_shape(&r, &out);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void what_was_thought_is_read(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;

    arena_init(&a);
    EXPECT(decode(STR(MESSAGE("{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":"
                              "\"hm\"}," USER)),
                  &a, &r, &f));
    EXPECT_STR(r.messages[0].reasoning, "hm");
    EXPECT(r.messages[1].reasoning.n == 0);
    arena_deinit(&a);
}

static const struct {
    const char *body;
    const char *param;
} refused[] = {
    { BODY("\"tools\":[5]"), "tools[0]" },
    { BODY("\"tools\":[{\"function\":{}}]"), "tools[0].type" },
    { BODY("\"tools\":[{\"type\":\"custom\"}]"), "tools[0].type" },
    { BODY("\"tools\":[{\"type\":\"function\"}]"), "tools[0].function" },
    { BODY("\"tools\":[" TOOL ",{\"type\":\"function\",\"function\":{\"name\":5}}]"),
      "tools[1].function.name" },
    { BODY("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":[]}}]"),
      "tools[0].function.parameters" },
    { BODY("\"tools\":[" TOOL "],\"tool_choice\":\"any\""), "tool_choice" },
    { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"allowed_tools\"}"),
      "tool_choice.type" },
    { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\"}"),
      "tool_choice.function.name" },
    { BODY("\"tool_choice\":\"required\""), "tool_choice" },
    { BODY("\"response_format\":{}"), "response_format.type" },
    { BODY("\"response_format\":{\"type\":\"xml\"}"), "response_format.type" },
    { BODY("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{}}}"),
      "response_format.json_schema.name" },
    { BODY("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\"}}"),
      "response_format.json_schema.schema" },
};

static void names_what_is_wrong(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        if (decode(str_of(refused[i].body), &a, &r, &f))
            fail_msg("taken: %s", refused[i].body);
        EXPECT_STR(r.doubt.param, refused[i].param);
        EXPECT(str_starts(r.doubt.message, r.doubt.param));
        arena_deinit(&a);
    }
}

/* `n` tools whose names are of one length, and the first once more. */
static void write_tools(struct buf *out, int n)
{
    EXPECT_INT(buf_add(out, STR("{\"messages\":[" USER "],\"tools\":[")), ERR_NONE);
    for (int i = 0; i <= n; i++)
        EXPECT_INT(buf_addf(out, "%s" NAMED("%08d"), i ? "," : "", i % n), ERR_NONE);
    EXPECT_INT(buf_add(out, STR("]}")), ERR_NONE);
}

static void names_of_as_many_tools_as_there_may_be(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf body;

    buf_init(&body, 4 << 20);
    write_tools(&body, 4095);
    arena_init(&a);
    EXPECT(!decode(buf_str(&body), &a, &r, &f));
    EXPECT_STR(r.doubt.param, "tools[4095].function.name");
    EXPECT_INT(r.tools.n, 4095);
    arena_deinit(&a);
    buf_deinit(&body);
}

static const struct test suite[] = {
    { "names of as many tools as there may be", names_of_as_many_tools_as_there_may_be },
    { "names what is wrong", names_what_is_wrong },
    { "reads the shape of the answer", reads_the_shape_of_the_answer },
    { "what was thought is read", what_was_thought_is_read },
};

TEST_MAIN(suite)
