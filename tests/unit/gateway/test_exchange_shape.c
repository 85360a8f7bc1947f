/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of an answer's shape: handed to upstreams that can, refused by name else; tool
 * calls and several choices on their way back. */
#include "flow_routes.h"

enum { ALL = PROVIDER_STOP | PROVIDER_LIMITS | PROVIDER_TOOLS | PROVIDER_SCHEMA | PROVIDER_N };

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"

static void ask_for(const char *members)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"model\":\"m\",\"stream\":true,%s" HI "}", members);
    ask(body);
}

/* Everything else we see to ourselves: test_exchange_shaped.c, test_exchange_again.c. */
static const struct {
    const char *members;
    const char *param;
    unsigned capability;
} wishes[] = {
    { TOOLS ",", "tools", PROVIDER_TOOLS },
    { "\"n\":5,", "n", PROVIDER_N },
};

static void begin_without_tools(void)
{
    begin_routes();
    f.settings.routes[0].targets[0].shape.emulate_tools = false;
    f.settings.routes[0].targets[1].shape.emulate_tools = false;
    f.settings.routes[0].targets[2].shape.emulate_tools = false;
}

static void what_no_upstream_can_do_is_refused_by_name(void)
{
    char param[64];

    begin_without_tools();
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        f.providers[0].capabilities = f.providers[1].capabilities = ALL & ~wishes[i].capability;
        ask_for(wishes[i].members);
        snprintf(param, sizeof(param), "\"param\":\"%s\"", wishes[i].param);
        EXPECT(has(wire_str(&f.w), param));
        expect_refusal(400, NULL);
        EXPECT_INT(f.n_calls, 0);
        again();
    }
    end();
}

static void targets_that_cannot_are_passed_over(void)
{
    begin_without_tools();
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        f.providers[0].capabilities = 0;
        f.providers[1].capabilities = wishes[i].capability;
        ask_for(wishes[i].members);
        EXPECT_Z(asked(), "b");
        finish(CHAT_FINISH_STOP);
        settled();
        again();
    }
    end();
}

/* So that clients that always send them can be served. */
static void tools_that_must_not_be_called_need_no_upstream_that_knows_them(void)
{
    begin_routes();
    ask_for(TOOLS ",\"tool_choice\":\"none\",");
    EXPECT_INT(f.n_calls, 1);
    finish(CHAT_FINISH_STOP);
    settled();
    end();
}

static void tool(const char *id, const char *name, const char *arguments)
{
    const struct chat_tool_piece piece = { 0, str_of(id), str_of(name), str_of(arguments) };

    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_TOOL_CALL, .tool = &piece });
}

static void tool_calls_come_in_one_form(void)
{
    begin();
    f.providers[0].capabilities = ALL;
    ask("{\"model\":\"GPT5\",\"stream\":true," TOOLS "," HI "}");
    tool("c1", "f", "{");
    tool("c1", "f", "}");
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                               "\"arguments\":\"{\"}"));
    EXPECT(has(wire_str(&f.w), "[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]"));
    finish(CHAT_FINISH_TOOL_CALLS);
    settled();
    EXPECT(has(wire_str(&f.w), "\"finish_reason\":\"tool_calls\""));
    end();
}

static void who_called_tools_has_not_only_stopped(void)
{
    begin();
    f.providers[0].capabilities = ALL;
    ask("{\"model\":\"GPT5\"," TOOLS "," HI "}");
    tool("c1", "f", "{}");
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w), "\"finish_reason\":\"tool_calls\""));
    end();
}

static void a_whole_answer_has_its_tool_calls(void)
{
    begin();
    f.providers[0].capabilities = ALL;
    ask("{\"model\":\"GPT5\"," TOOLS "," HI "}");
    tool("c1", "f", "{");
    tool("", "", "}");
    finish(CHAT_FINISH_TOOL_CALLS);
    settled();
    EXPECT(
        has(wire_str(&f.w),
            "\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\",\"arguments\":\"{}\"}}]"));
    expect_quiet(1);
    end();
}

static void choice(size_t n, const char *text)
{
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_TEXT, .choice = n, .text = str_of(text) });
}

static void every_choice_has_its_text_and_its_end(void)
{
    const struct chat_event ended = { .type = CHAT_CHOICE_END,
                                      .choice = 1,
                                      .finish = CHAT_FINISH_LENGTH };

    begin();
    f.providers[0].capabilities = ALL;
    ask("{\"model\":\"GPT5\",\"n\":2," HI "}");
    choice(1, "b");
    choice(0, "a");
    choice(2, "nobody asked");
    event_of(call(), &ended);
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w),
               "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\","
               "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"},"
               "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"b\","
               "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}]"));
    EXPECT(!has(wire_str(&f.w), "nobody"));
    end();
}

/* ---- an API that cannot tell all of it ---- */

static void ask_messages(const char *members)
{
    char head[256], body[512];

    snprintf(body, sizeof(body), "{\"model\":\"GPT5\",%s" HI "}", members);
    snprintf(head, sizeof(head),
             "POST /v1/messages?beta=true HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "application/json\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    EXPECT(wire_feed_z(&f.w, head));
    EXPECT(wire_feed_z(&f.w, body));
    turn(f.l);
}

static void of_call(size_t index, const char *id, const char *arguments)
{
    const struct chat_tool_piece piece = { index, str_of(id), STR("f"), str_of(arguments) };

    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_TOOL_CALL, .tool = &piece });
}

static void calls_in_turns_end_a_message_with_an_error(void)
{
    begin();
    f.providers[0].capabilities = ALL;
    ask_messages("\"stream\":true,");
    of_call(0, "a", "{");
    of_call(1, "b", "{");
    of_call(0, "", "}");
    turn(f.l);
    EXPECT(has(wire_str(&f.w),
               "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
               "\"api_error\",\"message\":\"The upstream sends several tool calls"));
    EXPECT(!has(wire_str(&f.w), "message_stop"));
    expect_quiet(1);
    end();
}

static void thoughts_are_for_who_asked(void)
{
    for (unsigned way = 0; way < 4; way++) {
        bool stream = way % 2, asked_for = way / 2;

        begin();
        ask_messages(asked_for ? stream ? "\"stream\":true,\"thinking\":{\"type\":\"adaptive\"},"
                                        : "\"thinking\":{\"type\":\"adaptive\"},"
                     : stream  ? "\"stream\":true,"
                               : "");
        reasoning("hm, a thought"); /* no id that is drawn by chance has a comma */
        text("so");
        finish(CHAT_FINISH_STOP);
        settled();
        turn(f.l);
        EXPECT(has(wire_str(&f.w), "so"));
        EXPECT(has(wire_str(&f.w), "hm, a thought") == asked_for);
        end();
    }
}

static const struct test suite[] = {
    { "calls in turns end a message with an error", calls_in_turns_end_a_message_with_an_error },
    { "thoughts are for who asked", thoughts_are_for_who_asked },
    { "what no upstream can do is refused by name", what_no_upstream_can_do_is_refused_by_name },
    { "targets that cannot are passed over", targets_that_cannot_are_passed_over },
    { "tools that must not be called need no upstream that knows them",
      tools_that_must_not_be_called_need_no_upstream_that_knows_them },
    { "tool calls come in one form", tool_calls_come_in_one_form },
    { "who called tools has not only stopped", who_called_tools_has_not_only_stopped },
    { "a whole answer has its tool calls", a_whole_answer_has_its_tool_calls },
    { "every choice has its text and its end", every_choice_has_its_text_and_its_end },
};

TEST_MAIN(suite)
