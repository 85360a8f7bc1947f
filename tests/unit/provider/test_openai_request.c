/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of other dialects, written as OpenAI's JSON. */
#include "provider/openai/request_write.h"

#include "test.h"
#include "json/reader.h"

static void expect_written(const struct chat_request *r, const char *want)
{
    struct json_value whole;
    struct buf out;

    buf_init(&out, 4096);
    EXPECT_INT(request_write(r, STR("m\"1"), &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), want);
    EXPECT_INT(json_find(buf_str(&out), &whole, NULL), ERR_NONE);
    buf_deinit(&out);
}

#define HEAD "{\"model\":\"m\\\"1\",\"messages\":["

static void writes_messages_of_all_shapes(void)
{
    struct chat_part text[] = { { CHAT_PART_TEXT, STR("a\n") }, { CHAT_PART_TEXT, STR("b") } };
    struct chat_part image[] = { { CHAT_PART_IMAGE, STR("data:x") } };
    struct chat_tool_call calls[] = { { STR("c1"), STR("f"), STR("{\"a\":1}") },
                                      { STR("c2"), STR("g"), STR("") } };
    struct chat_message messages[] = {
        { .role = CHAT_SYSTEM, .parts = text, .n_parts = 1 },
        { .role = CHAT_USER, .parts = text, .n_parts = 2 },
        { .role = CHAT_USER, .parts = image, .n_parts = 1 },
        { .role = CHAT_USER },
        { .role = CHAT_ASSISTANT, .tool_calls = calls, .n_tool_calls = 2 },
        { .role = CHAT_ASSISTANT,
          .parts = text,
          .n_parts = 1,
          .tool_calls = calls,
          .n_tool_calls = 1 },
        { .role = CHAT_TOOL, .parts = text, .n_parts = 1, .tool_call_id = STR("c1") },
    };
    struct chat_request r = { .messages = messages, .n_messages = COUNT_OF(messages) };

    expect_written(
        &r, HEAD
        "{\"role\":\"system\",\"content\":\"a\\n\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\\n\"},"
        "{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:x\"}"
        "}]},"
        "{\"role\":\"user\",\"content\":\"\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},"
        "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
        "{\"role\":\"assistant\",\"content\":\"a\\n\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},"
        "{\"role\":\"tool\",\"content\":\"a\\n\",\"tool_call_id\":\"c1\"}],\"stream\":false}");
}

static void a_stream_asks_for_usage(void)
{
    struct chat_part text = { CHAT_PART_TEXT, STR("a") };
    struct chat_message message = { .role = CHAT_USER, .parts = &text, .n_parts = 1 };
    struct chat_request r = { .messages = &message, .n_messages = 1, .stream = true };

    expect_written(&r, HEAD "{\"role\":\"user\",\"content\":\"a\"}],\"stream\":true,"
                            "\"stream_options\":{\"include_usage\":true}}");
}

static void knows_its_bound(void)
{
    struct chat_part text = { CHAT_PART_TEXT, STR("a") };
    struct chat_message message = { .role = CHAT_USER, .parts = &text, .n_parts = 1 };
    struct chat_request r = { .messages = &message, .n_messages = 1 };
    struct buf out;

    buf_init(&out, 16);
    EXPECT_INT(request_write(&r, STR("m"), &out), ERR_TOO_BIG);
    buf_deinit(&out);
}

/* ---- what is asked of the answer ---- */

static void expect_asked(const struct chat_request *r, const char *want)
{
    char all[2048];
    struct chat_part text = { CHAT_PART_TEXT, STR("a") };
    struct chat_message message = { .role = CHAT_USER, .parts = &text, .n_parts = 1 };
    struct chat_request whole = *r;

    whole.messages = &message;
    whole.n_messages = 1;
    snprintf(all, sizeof(all), HEAD "{\"role\":\"user\",\"content\":\"a\"}]%s,\"stream\":false}",
             want);
    expect_written(&whole, all);
}

static void writes_tools(void)
{
    const struct chat_tool tools[] = {
        { STR("f"), STR("does f"), STR("{\"type\": \"object\"}"), true, false },
        { .name = STR("g") },
    };
    struct chat_request r = { .tools = { .list = tools, .n = 2 } };
#define TOOLS                                                                                     \
    ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"does f\"," \
    "\"parameters\":{\"type\": "                                                                  \
    "\"object\"},\"strict\":true}},{\"type\":\"function\",\"function\":{"                         \
    "\"name\":\"g\"}}]"

    expect_asked(&r, TOOLS);
    r.tools.choice = CHAT_CHOOSE_NONE;
    expect_asked(&r, TOOLS ",\"tool_choice\":\"none\"");
    r.tools.choice = CHAT_CHOOSE_REQUIRED;
    expect_asked(&r, TOOLS ",\"tool_choice\":\"required\"");
    r.tools.choice = CHAT_CHOOSE_NAMED;
    r.tools.named = STR("g");
    r.tools.is_serial = true;
    expect_asked(&r, TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}},"
                           "\"parallel_tool_calls\":false");
}

static void writes_formats_limits_and_parameters(void)
{
    const struct str stops[] = { STR("a\""), STR("b") };
    const struct chat_parameter parameters[] = { { "temperature", STR("1e400") },
                                                 { "seed", STR("-0") } };
    struct chat_request r = { .format = { .type = CHAT_FORMAT_JSON_OBJECT } };

    expect_asked(&r, ",\"response_format\":{\"type\":\"json_object\"}");
    r.format = (struct chat_format){ .type = CHAT_FORMAT_JSON_SCHEMA, .schema = STR("{}") };
    expect_asked(&r, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"answer\",\"schema\":{}}}");
    r.format.name = STR("n");
    r.format.description = STR("d");
    r.format.is_strict = true;
    expect_asked(&r, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"n\",\"description\":\"d\",\"schema\":{},\"strict\":true}}");
    r = (struct chat_request){
        .limits = { stops, 2, 77 }, .n = 3, .parameters = parameters, .n_parameters = 2
    };
    expect_asked(&r, ",\"max_tokens\":77,\"stop\":[\"a\\\"\",\"b\"],\"n\":3,\"temperature\":1e400,"
                     "\"seed\":-0");
}

static void what_was_thought_goes_back_with_its_tool_calls(void)
{
    struct chat_tool_call call = { STR("c"), STR("f"), STR("{}") };
    struct chat_message messages[] = {
        { .role = CHAT_ASSISTANT, .reasoning = STR("hm"), .tool_calls = &call, .n_tool_calls = 1 },
        { .role = CHAT_ASSISTANT, .reasoning = STR("hm") },
    };
    struct chat_request r = { .messages = messages, .n_messages = 2 };

    expect_written(&r, HEAD "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\","
                            "\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{"
                            "\"name\":\"f\",\"arguments\":\"{}\"}}]},"
                            "{\"role\":\"assistant\",\"content\":\"\"}],\"stream\":false}");
}

static const struct test suite[] = {
    { "writes tools", writes_tools },
    { "writes formats, limits and parameters", writes_formats_limits_and_parameters },
    { "what was thought goes back with its tool calls",
      what_was_thought_goes_back_with_its_tool_calls },
    { "writes messages of all shapes", writes_messages_of_all_shapes },
    { "a stream asks for usage", a_stream_asks_for_usage },
    { "knows its bound", knows_its_bound },
};

TEST_MAIN(suite)
