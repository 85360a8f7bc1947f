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

static const struct test suite[] = {
    { "writes messages of all shapes", writes_messages_of_all_shapes },
    { "a stream asks for usage", a_stream_asks_for_usage },
    { "knows its bound", knows_its_bound },
};

TEST_MAIN(suite)
