/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the responses API. */
#include "dialect/dialect.h"

#include "base/mem.h"
#include "listing.h"

#define BODY(members) "{\"input\":\"hi\"," members "}"
#define INPUT(items) "{\"input\":[" items "]}"
#define CUSTOM "{\"type\":\"custom\",\"name\":\"p\"}"
#define GRAMMAR                                                                                   \
    "{\"type\":\"custom\",\"name\":\"p\",\"description\":\"d\",\"format\":{\"type\":\"grammar\"," \
    "\"syntax\":\"lark\",\"definition\":\"start: \\\"x\\\"\"}}"
#define HOW "The string \"input\" is the free text that this tool takes."
#define FREE                                                                 \
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}}," \
    "\"required\":[\"input\"],\"additionalProperties\":false}"
#define TOOL "{\"type\":\"function\",\"name\":\"f\"}"

static bool decode(const char *body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    *ret = (struct chat_request){ 0 };
    *f = (struct failure){ 0 };
    return dialect_openai_responses.decode(str_of(body), a, ret, f);
}

static void list_parameters(const char *what, const struct chat_parameter *list, size_t n,
                            struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        EXPECT(!buf_addf(out, "%s%s=%.*s", what, list[i].name, STR_ARGS(list[i].json)));
}

static const struct {
    const char *body;
    const char *want;
} asked[] = {
    { BODY("\"x\":1"), "user(hi)0; 0||||0; 0 0" },
    { BODY("\"instructions\":\"be\""),
      "system(be)user(hi)0; 0||||0; 0 0 again instructions=\"be\"" },
    { INPUT("{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"message\",\"role\":"
            "\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"b\"},"
            "{\"type\":\"input_image\",\"image_url\":\"u\",\"detail\":\"auto\"}]},"
            "{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[{\"type\":"
            "\"output_text\",\"text\":\"c\",\"annotations\":[]},{\"type\":\"refusal\","
            "\"refusal\":\"d\"}]}"),
      "user(a)developer(b[u])assistant(cd)0; 0||||0; 0 0" },
    { INPUT("{\"type\":\"reasoning\",\"id\":\"r\",\"summary\":[{\"type\":\"summary_text\","
            "\"text\":\"h\"},{\"type\":\"summary_text\",\"text\":\"m\"}]},"
            "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":"
            "\"{}\"},{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"g\","
            "\"arguments\":\"\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\","
            "\"output\":\"1\"},{\"type\":\"function_call_output\",\"call_id\":\"c2\","
            "\"output\":[{\"type\":\"input_text\",\"text\":\"2\"},{\"type\":\"input_image\","
            "\"image_url\":\"u\"}]}"),
      "assistant({c1 f {}}{c2 g }<hm>)tool(1#c1)tool(2#c2)user([u])0; 0||||0; 0 0" },
    { INPUT("{\"type\":\"reasoning\",\"summary\":[]},{\"type\":\"reasoning\",\"content\":["
            "{\"type\":\"reasoning_text\",\"text\":\"x\"}],\"summary\":[]},"
            "{\"role\":\"assistant\",\"content\":\"a\"},{\"type\":\"function_call\","
            "\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}"),
      "assistant(a{c f {}}<x>)0; 0||||0; 0 0" },
    { BODY("\"max_output_tokens\":9,\"temperature\":1e0,\"top_p\":0.5,\"store\":true,"
           "\"metadata\":{\"a\":1},\"reasoning\":{\"effort\":\"low\"},\"include\":[],"
           "\"truncation\":\"auto\",\"background\":false,\"previous_response_id\":null"),
      "user(hi)0; 0||||0; 9 0 temperature=1e0 top_p=0.5 again max_output_tokens=9 again "
      "temperature=1e0 again top_p=0.5 again metadata={\"a\":1} again reasoning={\"effort\":"
      "\"low\"}" },
    { BODY("\"tools\":[" TOOL ",{\"type\":\"web_search\"},{\"type\":\"namespace\",\"tools\":"
           "[]},{\"type\":\"function\",\"name\":\"g\",\"description\":\"d\",\"parameters\":{"
           "\"x\":1},\"strict\":true}]"),
      "user(hi)f|||0 g|d|{\"x\":1}|1 0; 0||||0; 0 0 again tools=[" TOOL
      ",{\"type\":\"web_search\"},{\"type\":\"namespace\",\"tools\":[]},{\"type\":"
      "\"function\",\"name\":\"g\",\"description\":\"d\",\"parameters\":{\"x\":1},\"strict\":"
      "true}]" },
    { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},"
           "\"parallel_tool_calls\":false"),
      "user(hi)f|||0 3fs; 0||||0; 0 0 again tools=[" TOOL
      "] again tool_choice={\"type\":\"function\",\"name\":\"f\"} again "
      "parallel_tool_calls=false" },
    { BODY("\"tools\":[" CUSTOM "],\"tool_choice\":{\"type\":\"custom\",\"name\":\"p\"}"),
      "user(hi)p|" HOW "|" FREE "|0 3p; 0||||0; 0 0 again tools=[" CUSTOM
      "] again tool_choice={\"type\":\"custom\",\"name\":\"p\"}" },
    { BODY("\"tools\":[" GRAMMAR "]"),
      "user(hi)p|d\n\n" HOW " It must follow this grammar (lark):\nstart: \"x\"|" FREE
      "|0 0; 0||||0; 0 0 again tools=[" GRAMMAR "]" },
    { INPUT(
          "{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"p\",\"input\":"
          "\"a \\\"b\\\"\\n\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"c\",\"output\":"
          "\"1\"}"),
      "assistant({c p {\"input\":\"a \\\"b\\\"\\n\"}})tool(1#c)0; 0||||0; 0 0" },
    { BODY("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{},"
           "\"strict\":true}}"),
      "user(hi)0; 2|n||{}|1; 0 0 again text={\"format\":{\"type\":\"json_schema\",\"name\":"
      "\"n\",\"schema\":{},\"strict\":true}}" },
    { BODY("\"text\":{\"verbosity\":\"low\"}"), "user(hi)0; 0||||0; 0 0" },
    { BODY("\"text\":{\"format\":{\"type\":\"text\"}}"),
      "user(hi)0; 0||||0; 0 0 again text={\"format\":{\"type\":\"text\"}}" },
    { BODY("\"text\":{\"format\":{\"type\":\"json_object\"}}"),
      "user(hi)0; 1||||0; 0 0 again text={\"format\":{\"type\":\"json_object\"}}" },
    { BODY("\"top_logprobs\":0,\"background\":false"), "user(hi)0; 0||||0; 0 0" },
};

static void reads_input_and_what_is_asked(void)
{
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;
        struct buf out;

        arena_init(&a);
        buf_init(&out, 4096);
        if (!decode(asked[i].body, &a, &r, &f))
            fail_msg("%s: %.*s", asked[i].body, STR_ARGS(f.message));
        for (size_t k = 0; k < r.n_messages; k++)
            list_message(&r.messages[k], &out);
        list_shape(&r, &out);
        list_parameters(" ", r.parameters, r.n_parameters, &out);
        list_parameters(" again ", r.repeated, r.n_repeated, &out);
        EXPECT_STR(buf_str(&out), asked[i].want);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static const struct {
    const char *body;
    const char *param;
} refused[] = {
    { "", "" },
    { "{\"input\":\"hi\"", "" },
    { "{}", "input" },
    { "{\"input\":[]}", "input" },
    { "{\"input\":5}", "input" },
    { INPUT("5"), "input[0]" },
    { INPUT("{}"), "input[0].role" },
    { INPUT("{\"role\":\"tool\",\"content\":\"a\"}"), "input[0].role" },
    { INPUT("{\"role\":\"user\"}"), "input[0].content" },
    { INPUT("{\"role\":\"user\",\"content\":[5]}"), "input[0].content[0]" },
    { INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\"}]}"),
      "input[0].content[0].type" },
    { INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\"}]}"),
      "input[0].content[0].text" },
    { INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"x\"}]}"),
      "input[0].content[0].image_url" },
    { INPUT("{\"type\":\"item_reference\",\"id\":\"x\"}"), "input[0].type" },
    { INPUT("{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"}"), "input[0].call_id" },
    { INPUT("{\"type\":\"function_call\",\"call_id\":\"c\",\"arguments\":\"\"}"), "input[0].name" },
    { INPUT("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{}}"),
      "input[0].arguments" },
    { INPUT("{\"type\":\"function_call_output\",\"output\":\"\"}"), "input[0].call_id" },
    { INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\"}"), "input[0].output" },
    { BODY("\"instructions\":[]"), "instructions" },
    { BODY("\"max_output_tokens\":0"), "max_output_tokens" },
    { BODY("\"previous_response_id\":\"resp_x\""), "previous_response_id" },
    { BODY("\"conversation\":\"c\""), "conversation" },
    { BODY("\"background\":true"), "background" },
    { BODY("\"top_logprobs\":2"), "top_logprobs" },
    { BODY("\"prompt\":{}"), "prompt" },
    { BODY("\"tools\":[{}]"), "tools[0].type" },
    { BODY("\"tools\":[" TOOL ",{\"type\":\"file_search\"}]"), "tools[1].type" },
    { BODY("\"tools\":[{\"type\":\"custom\"}]"), "tools[0].name" },
    { BODY("\"tools\":[{\"type\":\"custom\",\"name\":\"p\",\"format\":{\"syntax\":1}}]"),
      "tools[0].format.syntax" },
    { INPUT("{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"p\",\"input\":{}}"),
      "input[0].input" },
    { INPUT("{\"type\":\"custom_tool_call\",\"call_id\":\"c\",\"name\":\"p\"}"), "input[0].input" },
    { BODY("\"tools\":[{\"type\":\"function\"}]"), "tools[0].name" },
    { BODY("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":5}]"),
      "tools[0].parameters" },
    { BODY("\"tool_choice\":\"any\""), "tool_choice" },
    { BODY("\"tool_choice\":\"required\",\"tools\":[{\"type\":\"web_search\"}]"), "tool_choice" },
    { BODY("\"tool_choice\":{\"type\":\"web_search\"}"), "tool_choice.type" },
    { BODY("\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}"), "tool_choice.name" },
    { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\"}"), "tool_choice.name" },
    { BODY("\"tool_choice\":{\"type\":7}"), "tool_choice.type" },
    { BODY("\"tool_choice\":7"), "tool_choice" },
    { BODY("\"tool_choice\":\"required\""), "tool_choice" },
    { BODY("\"tools\":[5]"), "tools[0]" },
    { BODY("\"text\":{\"format\":5}"), "text.format" },
    { BODY("\"text\":{\"format\":{}}"), "text.format.type" },
    { BODY("\"text\":{\"format\":{\"type\":5}}"), "text.format.type" },
    { INPUT("{\"type\":5}"), "input[0].type" },
    { INPUT("{\"type\":\"message\",\"role\":5}"), "input[0].role" },
    { INPUT("{\"role\":\"user\",\"content\":5}"), "input[0].content" },
    { INPUT("{\"role\":\"user\",\"content\":[{\"type\":5}]}"), "input[0].content[0].type" },
    { INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"refusal\"}]}"),
      "input[0].content[0].refusal" },
    { INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":5}"),
      "input[0].output" },
    { INPUT("{\"type\":\"function_call_output\",\"call_id\":5,\"output\":\"\"}"),
      "input[0].call_id" },
    { BODY("\"text\":{\"format\":{\"type\":\"xml\"}}"), "text.format.type" },
    { BODY("\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"), "text.format.name" },
};

static void names_what_is_wrong(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        if (decode(refused[i].body, &a, &r, &f))
            fail_msg("taken: %s", refused[i].body);
        EXPECT_INT(f.kind, FAILURE_BAD_REQUEST);
        if (!str_eq(f.param, str_of(refused[i].param)))
            fail_msg("%s: \"%.*s\": %.*s", refused[i].body, STR_ARGS(f.param), STR_ARGS(f.message));
        arena_deinit(&a);
    }
}

static void a_failing_allocation_is_reported(void)
{
    static const char body[] =
        "{\"instructions\":\"s\",\"tools\":[" TOOL "],\"temperature\":1,\"input\":[{\"type\":"
        "\"reasoning\",\"summary\":[{\"text\":\"a\"}]},{\"type\":\"function_call\",\"call_id\":"
        "\"c\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\","
        "\"call_id\":\"c\",\"output\":[{\"type\":\"input_image\",\"image_url\":\"u\"}]}]}";
    uint64_t n = 0;
    bool taken;

    do {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        mem_fail_nth(++n);
        taken = decode(body, &a, &r, &f);
        mem_fail_nth(0);
        EXPECT(taken || f.kind == FAILURE_OVERLOADED);
        arena_deinit(&a);
    } while (!taken);
}

static const struct test suite[] = {
    { "reads input and what is asked", reads_input_and_what_is_asked },
    { "names what is wrong", names_what_is_wrong },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
};

TEST_MAIN(suite)
