/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway sees to itself where the upstream does not: the exchange around the shaper. What
 * comes of which text is the business of tests/unit/shape/. */
#include "flow_shaped.h"

/* ---- limits ---- */

static void a_stop_ends_the_upstream_at_once(void)
{
    begin();
    ask(ASK_STREAM("\"stop\":[\"STOP\"],"));
    text("one ST");
    expect_so_far(ROLE SAID("one "));
    text("OP two");
    expect_cut(call());
    expect_whole(ROLE SAID("one ") CLOSED("stop") DONE);
    ask(ASK_WHOLE("\"stop\":[\"STOP\"],"));
    text("one STOP");
    expect_cut(call());
    EXPECT(heard("\"content\":\"one \""));
    expect_books(2, 0, 0);
    end();
}

static void an_answer_that_no_stop_cuts_is_exact(void)
{
    begin();
    ask(ASK_STREAM("\"stop\":[\"STOP\"],"));
    text("one ST");
    finish_stop();
    EXPECT_INT(call()->verdict, SETTLE_EXACT);
    settled();
    expect_whole(ROLE SAID("one ") SAID("ST") CLOSED("stop") DONE);
    end();
}

static void a_limit_ends_the_upstream_and_counts(void)
{
    begin();
    ask(ASK_WHOLE("\"max_tokens\":3,"));
    text("one two three four five six");
    expect_cut(call());
    EXPECT(heard("\"content\":\"one two three\""));
    EXPECT(heard("\"finish_reason\":\"length\""));
    EXPECT(heard("\"completion_tokens\":3,"));
    EXPECT(heard("\"x_estimated\":true"));
    wire_clear(&f.w);
    ask(ASK_WHOLE("\"max_tokens\":3,"));
    text("one two");
    done();
    EXPECT(heard("\"finish_reason\":\"stop\""));
    end();
}

/* Nothing else is touched: that the client is gone shows while the last piece goes out. */
static void a_client_that_is_gone_when_the_answer_is_cut_is_let_go(void)
{
    begin();
    ask(ASK_STREAM("\"stop\":[\"STOP\"],"));
    f.w.broken = ERR_RESET;
    text("one STOP");
    turn(f.l);
    expect_cut(call());
    EXPECT(f.w.is_closed);
    expect_quiet(0);
    end();
}

static void a_slow_client_does_not_keep_a_cut_answer_open(void)
{
    static char piece[100000];

    memset(piece, 'x', sizeof(piece) - 1);
    begin();
    ask(ASK_STREAM("\"stop\":[\"STOP\"],"));
    f.w.room = 0;
    text(piece);
    EXPECT(call()->is_paused);
    text("STOP");
    expect_cut(call());
    EXPECT_INT(call()->n_resumes, 0);
    expect_books(1, 0, 0);
    wire_give_room(&f.w, SIZE_MAX);
    EXPECT(heard("\"finish_reason\":\"stop\""));
    end();
}

static void what_the_upstream_does_itself_is_left_to_it(void)
{
    begin();
    f.providers[0].capabilities = PROVIDER_STOP | PROVIDER_LIMITS | PROVIDER_SCHEMA;
    ask(ASK_WHOLE(JSON "\"stop\":\"STOP\",\"max_tokens\":2,"));
    EXPECT_INT(call()->request.instructions.n, 0);
    text("one STOP two three");
    done();
    EXPECT(heard("\"content\":\"one STOP two three\""));
    wire_clear(&f.w);
    f.providers[0].capabilities = PROVIDER_STOP;
    ask(ASK_WHOLE("\"stop\":\"STOP\",\"max_tokens\":3,"));
    text("STOP one two three four five");
    expect_cut(call());
    EXPECT(heard("\"content\":\"STOP one two\""));
    end();
}

/* ---- tools ---- */

static void tool_calls_are_found_in_the_text_and_settled(void)
{
    begin();
    for (unsigned stream = 0; stream < 2; stream++) {
        struct chat_tool_call calls[] = { { .name = STR("look"), .arguments = STR("{\"at\":1}") },
                                          { .name = STR("look"),
                                            .arguments = STR("{\"at\":2.0}") } };

        ask(stream ? ASK_STREAM(TOOLS) : ASK_WHOLE(TOOLS));
        EXPECT(has(call()->request.instructions, "\"look\""));
        text("Let me see.\n<tool_call na");
        text("me=\"look\">\n{\"at\": 1}\n</tool_call>\n");
        text("<tool_call name=\"look\">\n{\"at\": 2}\n</tool_call>");
        finish_stop();
        pass(HOLD_MS);
        calls[0].id = heard_id(0);
        calls[1].id = heard_id(1);
        expect_answer(call(), "Let me see.", calls, 2);
        EXPECT(heard("\"finish_reason\":\"tool_calls\""));
        EXPECT(heard("{\\\"at\\\": 1}"));
        EXPECT(!heard("<tool_call"));
        wire_clear(&f.w);
    }
    expect_books(2, 0, 0);
    end();
}

/* The upstream wrote the markup, once; the client's calls are made of it. */
static void what_the_upstream_wrote_is_counted_once(void)
{
    struct token_estimate wrote = { 0 };
    char want[64];

    token_estimate_add(&wrote, STR("Well.\n" GOOD));
    snprintf(want, sizeof(want), "\"completion_tokens\":%lld,",
             (long long)token_estimate_total(&wrote));
    begin();
    ask(ASK_WHOLE(TOOLS));
    text("Well.\n" GOOD);
    done();
    EXPECT(heard(want));
    end();
}

static void an_upstream_that_knows_tools_is_told_nothing(void)
{
    begin();
    f.providers[0].capabilities = PROVIDER_TOOLS;
    ask(ASK_STREAM(TOOLS));
    EXPECT_INT(call()->request.instructions.n, 0);
    text(GOOD);
    EXPECT(heard("<tool_call"));
    done();
    end();
}

static void calls_of_an_upstream_that_stream_past_are_settled_as_exact(void)
{
    const struct chat_tool_piece piece = { 0, STR("c"), STR("look"), STR("{}") };

    begin();
    f.providers[0].capabilities = PROVIDER_TOOLS;
    ask(ASK_STREAM(TOOLS));
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_TOOL_CALL, .tool = &piece });
    finish_stop();
    EXPECT_INT(call()->verdict, SETTLE_EXACT);
    settled();
    end();
}

static void what_is_not_held_goes_out_as_it_comes(void)
{
    BEGIN("HOLD_UNTIL_VALID=false");
    ask(ASK_STREAM(TOOLS));
    text("<tool_call name=\"look\">\n{\"to\"");
    EXPECT(heard("\"name\":\"look\""));
    EXPECT(heard("\\\"to\\\""));
    text(": 1}\n</tool_call>");
    done();
    EXPECT_INT(f.n_calls, 1);
    EXPECT(heard("\"finish_reason\":\"tool_calls\""));
    end();
}

static void the_gateway_can_be_kept_from_emulating_tools(void)
{
    BEGIN("EMULATE_TOOLS=false");
    ask(ASK_WHOLE(TOOLS));
    EXPECT(has(wire_str(&f.w), "\"param\":\"tools\""));
    expect_refusal(400, NULL);
    EXPECT_INT(f.n_calls, 0);
    end();
}

static void a_schema_that_is_wrong_is_refused_before_anybody_is_asked(void)
{
    begin();
    ask(ASK_WHOLE("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"parameters\":{\"type\":5}}}],"));
    EXPECT(has(wire_str(&f.w), "\"param\":\"tools[0]\""));
    expect_refusal(400, NULL);
    EXPECT_INT(f.n_calls, 0);
    expect_books(0, 1, 0);
    end();
}

static struct dialect_ops other;

static void handle_other(struct gateway_worker *w, struct http_request *r)
{
    exchange_start(w, r, &other);
}

/* As the Responses API does, whose error bodies name the member, too. */
static void a_member_is_named_as_the_client_wrote_it(void)
{
    const struct gateway_path paths[] = {
        { "/v1/chat/completions", HTTP_POST, PATH_KEY | PATH_JSON, handle_other,
          &dialect_openai_chat },
        { NULL, HTTP_GET, 0, NULL, NULL },
    };

    other = dialect_openai_chat;
    other.params[DIALECT_FORMAT] = "text.format";
    begin();
    f.gateway.paths = paths;
    ask(ASK_WHOLE("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
                  "\"schema\":{\"type\":5}}},"));
    EXPECT(has(wire_str(&f.w), "\"param\":\"text.format\""));
    expect_refusal(400, NULL);
    end();
}

/* ---- think tags ---- */

static void reasoning_is_split_and_tagged(void)
{
    BEGIN("SPLIT_THINK=true");
    ask(ASK_STREAM(""));
    text("<think>why");
    text("</think>so");
    done();
    expect_whole(ROLE THOUGHT("why") SAID("so") CLOSED("stop") DONE);
    f.settings.shape.think_tags = true; /* not what the routes have */
    end();
    BEGIN("THINK_TAGS=true");
    f.providers[0].capabilities = PROVIDER_RAW;
    ask(ASK_WHOLE(""));
    EXPECT(!call()->request.wants_raw);
    reasoning("why");
    text("so");
    done();
    EXPECT(heard("<think>\\nwhy\\n</think>\\n\\nso\""));
    end();
}

/* An Anthropic client that did not ask for thinking. */
static void hidden_reasoning_stays_hidden(void)
{
    static const char body_text[] = "{\"model\":\"GPT5\",\"max_tokens\":9," HI "}";
    char request[512];

    BEGIN("THINK_TAGS=true");
    snprintf(request, sizeof(request),
             "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body_text), body_text);
    EXPECT(wire_feed_z(&f.w, request));
    turn(f.l);
    reasoning("why");
    text("so");
    done();
    EXPECT(heard("\"text\":\"so\""));
    EXPECT(!heard("why"));
    end();
}

/* ---- other targets ---- */

static void the_next_target_is_shaped_anew(void)
{
    begin_routes();
    f.providers[1].capabilities = PROVIDER_TOOLS;
    ask(ASK("m", TOOLS));
    EXPECT(call()->request.instructions.n > 0);
    break_it();
    EXPECT_Z(asked(), "b");
    EXPECT_INT(call()->request.instructions.n, 0);
    break_it();
    EXPECT_Z(asked(), "c");
    EXPECT(call()->request.instructions.n > 0);
    text(GOOD);
    done();
    EXPECT(heard("\"finish_reason\":\"tool_calls\""));
    expect_books(1, 0, 0);
    end();
}

static const struct test suite[] = {
    { "a stop ends the upstream at once", a_stop_ends_the_upstream_at_once },
    { "an answer that no stop cuts is exact", an_answer_that_no_stop_cuts_is_exact },
    { "a limit ends the upstream and counts", a_limit_ends_the_upstream_and_counts },
    { "a client that is gone when the answer is cut is let go",
      a_client_that_is_gone_when_the_answer_is_cut_is_let_go },
    { "a slow client does not keep a cut answer open",
      a_slow_client_does_not_keep_a_cut_answer_open },
    { "tool calls are found in the text and settled",
      tool_calls_are_found_in_the_text_and_settled },
    { "what the upstream wrote is counted once", what_the_upstream_wrote_is_counted_once },
    { "a member is named as the client wrote it", a_member_is_named_as_the_client_wrote_it },
    { "an upstream that knows tools is told nothing",
      an_upstream_that_knows_tools_is_told_nothing },
    { "calls of an upstream that stream past are settled as exact",
      calls_of_an_upstream_that_stream_past_are_settled_as_exact },
    { "what is not held goes out as it comes", what_is_not_held_goes_out_as_it_comes },
    { "the gateway can be kept from emulating tools",
      the_gateway_can_be_kept_from_emulating_tools },
    { "a schema that is wrong is refused before anybody is asked",
      a_schema_that_is_wrong_is_refused_before_anybody_is_asked },
    { "hidden reasoning stays hidden", hidden_reasoning_stays_hidden },
    { "what the upstream does itself is left to it", what_the_upstream_does_itself_is_left_to_it },
    { "reasoning is split and tagged", reasoning_is_split_and_tagged },
    { "the next target is shaped anew", the_next_target_is_shaped_anew },
};

TEST_MAIN(suite)
