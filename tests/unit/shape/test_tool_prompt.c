/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/tool_prompt.h"

#include "test.h"

enum { PROMPT_MAX = 8192 };

#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static const struct chat_tool list[] = {
    { TEXT("get_weather"), TEXT("Weather of a city."),
      TEXT("{ \"type\": \"object\",\n \"properties\": {\"a b\": {\"const\": \" \\\" \"}} }"), false,
      false },
    { TEXT("now"), { NULL, 0 }, { NULL, 0 }, false, false },
};

static void expect_tools(struct chat_tools tools, const char *const has[4], const char *lacks)
{
    struct buf out;

    buf_init(&out, PROMPT_MAX);
    tools.list = list;
    tools.n = 2;
    EXPECT_INT(tool_prompt_write(&tools, &out), ERR_NONE);
    for (size_t i = 0; i < 4 && has[i]; i++)
        if (str_find(buf_str(&out), str_of(has[i])) == SIZE_MAX)
            fail_msg("\"%s\" is missing in %.*s", has[i], STR_ARGS(buf_str(&out)));
    EXPECT(str_find(buf_str(&out), str_of(lacks)) == SIZE_MAX);
    buf_deinit(&out);
}

static void tells_of_the_tools_and_how_to_call_them(void)
{
    const char *const auto_has[4] = {
        "<tool_call name=\"NAME\">\n",
        "Call a tool only when it helps",
        "\n\"get_weather\": Weather of a city.\n"
        "{\"type\":\"object\",\"properties\":{\"a b\":{\"const\":\" \\\" \"}}}\n",
        "\n\"now\"\n{\"type\":\"object\"}\n",
    };
    const char *const serial_has[4] = { "at most one call", "must hold a call.\n" };
    const char *const named_has[4] = { "must hold a call of the tool below", "\n\"now\"\n" };

    expect_tools((struct chat_tools){ .choice = CHAT_CHOOSE_AUTO }, auto_has, "at most one");
    expect_tools((struct chat_tools){ .choice = CHAT_CHOOSE_REQUIRED, .is_serial = true },
                 serial_has, "several");
    expect_tools((struct chat_tools){ .choice = CHAT_CHOOSE_NAMED, .named = STR("now") }, named_has,
                 "get_weather");
    expect_tools((struct chat_tools){ .choice = CHAT_CHOOSE_NONE }, (const char *const[4]){ NULL },
                 "tool");
}

static void tells_of_the_form_of_an_answer(void)
{
    const struct chat_format object = { .type = CHAT_FORMAT_JSON_OBJECT };
    const struct chat_format schema = { .type = CHAT_FORMAT_JSON_SCHEMA,
                                        .description = STR("A trip."),
                                        .schema = STR("{ \"type\" : \"object\" }") };
    const struct chat_format text = { .type = CHAT_FORMAT_TEXT };
    struct buf out;

    buf_init(&out, PROMPT_MAX);
    EXPECT_INT(format_prompt_write(&text, false, &out), ERR_NONE);
    EXPECT_INT(out.n, 0);
    EXPECT_INT(format_prompt_write(&object, true, &out), ERR_NONE);
    EXPECT_STR(buf_str(&out), "When your answer is no tool call, it is one JSON object, and "
                              "nothing else: no words before or behind it, no comments, no code "
                              "fence.\n");
    buf_clear(&out);
    EXPECT_INT(format_prompt_write(&schema, false, &out), ERR_NONE);
    EXPECT(str_ends(buf_str(&out), STR("\nWhat it is: A trip.\n\n{\"type\":\"object\"}\n")));
    buf_deinit(&out);
}

static void leaves_the_prompt_as_it_was_when_it_is_full(void)
{
    const struct chat_tools tools = { .list = list, .n = 2 };
    const struct chat_format object = { .type = CHAT_FORMAT_JSON_OBJECT };

    for (size_t max = 2; max < 80; max++) {
        struct buf out;

        buf_init(&out, max);
        EXPECT_INT(buf_add(&out, STR("ab")), ERR_NONE);
        EXPECT_INT(tool_prompt_write(&tools, &out), ERR_TOO_BIG);
        EXPECT_INT(format_prompt_write(&object, false, &out), ERR_TOO_BIG);
        EXPECT_STR(buf_str(&out), "ab");
        buf_deinit(&out);
    }
}

static const struct test suite[] = {
    { "tells of the tools and how to call them", tells_of_the_tools_and_how_to_call_them },
    { "tells of the form of an answer", tells_of_the_form_of_an_answer },
    { "leaves the prompt as it was when it is full", leaves_the_prompt_as_it_was_when_it_is_full },
};

TEST_MAIN(suite)
