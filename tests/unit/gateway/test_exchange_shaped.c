/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway sees to itself where the upstream does not: the exchange around the shaper, in
 * each of its states. What comes of which text is the business of tests/unit/shape/. */
#include "flow_routes.h"

#include "chat/estimate.h"

#define TOOLS                                                            \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"," \
    "\"parameters\":{\"type\":\"object\",\"required\":[\"at\"],"         \
    "\"properties\":{\"at\":{\"type\":\"number\"}}}}}],"
#define JSON                                                                         \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\"," \
    "\"schema\":{\"type\":\"object\",\"required\":[\"a\"]}}},"
#define ASK_WHOLE(rest) "{\"model\":\"GPT5\"," rest HI "}"
#define ASK_STREAM(rest) "{\"model\":\"GPT5\",\"stream\":true," rest HI "}"
#define GOOD "<tool_call name=\"look\">\n{\"at\": 1}\n</tool_call>"
#define BAD "<tool_call name=\"look\">\n{\"to\": 1}\n</tool_call>"

static void finish_stop(void)
{
    finish(CHAT_FINISH_STOP);
}

static void done(void)
{
    finish_stop();
    settled();
    turn(f.l);
}

/* The answer ended before its upstream did: nothing is settled. */
static void expect_cut(const struct provider_call *c)
{
    EXPECT_INT(c->state, CALL_GONE);
    EXPECT_INT(c->n_releases, 1);
    EXPECT_INT(c->n_settles, 0);
}

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

/* ---- tools ---- */

static void expect_answer(const struct provider_call *c, const char *said,
                          const struct chat_tool_call *calls, size_t n)
{
    static const struct fingerprint zero;
    struct fingerprint_said want = { .tool_calls = calls, .n_tool_calls = n };
    struct fingerprint print;

    fingerprint_text_init(&want.text);
    fingerprint_text_add(&want.text, str_of(said));
    fingerprint_answer(&zero, &want, &print);
    EXPECT_INT(c->verdict, SETTLE_EXACT);
    EXPECT(memcmp(&c->answer, &print, sizeof(print)) == 0);
}

/* The id of the n-th tool call that the client heard of. */
static struct str heard_id(size_t n)
{
    struct str rest = wire_str(&f.w);

    do {
        size_t at = str_find(rest, STR("\"id\":\"call_"));

        EXPECT(at != SIZE_MAX);
        rest = str_from(rest, at + strlen("\"id\":\""));
    } while (n-- > 0);
    return str_sub(rest, 0, str_find_char(rest, '"'));
}

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

/* Its arguments are not kept, so nobody could say that they came back. */
static void calls_of_an_upstream_that_stream_past_are_not_settled_as_exact(void)
{
    const struct chat_tool_piece piece = { 0, STR("c"), STR("look"), STR("{}") };

    begin();
    f.providers[0].capabilities = PROVIDER_TOOLS;
    ask(ASK_STREAM(TOOLS));
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_TOOL_CALL, .tool = &piece });
    finish_stop();
    EXPECT_INT(call()->verdict, SETTLE_DIVERGED);
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

/* ---- the repair ---- */

static struct str asked_last(void)
{
    const struct chat_request *chat = call()->request.chat;
    const struct chat_message *m = &chat->messages[chat->n_messages - 1];

    EXPECT_INT(m->role, CHAT_USER);
    return m->parts[0].text;
}

/* The first answer is bad; the second call waits for its upstream. */
static void ask_to_repair(const char *body)
{
    struct provider_call *first;

    ask(body);
    first = call();
    text(BAD);
    usage(10, 20, 0);
    finish_stop();
    EXPECT_INT(first->verdict, SETTLE_DIVERGED);
    EXPECT_INT(first->n_settles, 1);
    EXPECT_INT(first->n_releases, 1);
    EXPECT(call() != first);
    EXPECT_INT(call()->request.chat->n_messages, 2);
    EXPECT(has(asked_last(), "\"at\" (a number) is missing"));
    EXPECT(has(call()->request.instructions, "\"look\""));
}

static void a_bad_call_is_asked_for_once_more(void)
{
    begin();
    for (unsigned stream = 0; stream < 2; stream++) {
        ask_to_repair(stream ? ASK_STREAM(TOOLS "\"stream_options\":{\"include_usage\":true},")
                             : ASK_WHOLE(TOOLS));
        text("Sorry.\n" GOOD);
        usage(1, 2, 0);
        finish_stop();
        EXPECT_INT(call()->verdict, SETTLE_DIVERGED);
        settled();
        EXPECT(heard("{\\\"at\\\": 1}"));
        EXPECT(!heard("Sorry"));
        EXPECT(heard("\"prompt_tokens\":11,\"completion_tokens\":22,"));
        EXPECT(stream || heard("x-attempts: 2\r\n"));
        wire_clear(&f.w);
    }
    expect_books(2, 0, 0);
    end();
}

static void there_is_no_third_call(void)
{
    begin();
    ask_to_repair(ASK_WHOLE(TOOLS));
    text("I will not.");
    finish_stop();
    EXPECT_INT(f.n_calls, 2);
    EXPECT(has(wire_str(&f.w), "asked to correct"));
    expect_refusal(502, "upstream_protocol");
    expect_books(0, 1, 0);
    end();
}

/* The upstream said its word, so nobody else is asked. */
static void a_repair_that_breaks_is_a_failure(void)
{
    begin_routes();
    ask(ASK("m", TOOLS));
    text(BAD);
    finish_stop();
    EXPECT_Z(asked(), "a");
    break_it();
    EXPECT_INT(f.n_calls, 2);
    expect_refusal(502, "upstream_unavailable");
    end();
}

static void an_empty_answer_can_be_repaired(void)
{
    begin_routes();
    ask(ASK("m", TOOLS "\"tool_choice\":\"required\","));
    phase(PHASE_ANSWERING);
    finish_stop();
    EXPECT(has(asked_last(), "it has no tool call"));
    text(GOOD);
    done();
    EXPECT(heard("\"finish_reason\":\"tool_calls\""));
    end();
}

static void a_client_that_leaves_takes_the_repair_with_it(void)
{
    begin();
    wire_end(&f.w, ERR_CLOSED);
    for (int at = PHASE_QUEUED; at <= PHASE_ANSWERING + 1; at++) {
        open_wire(&f.w);
        ask_to_repair(at % 2 ? ASK_STREAM(TOOLS) : ASK_WHOLE(TOOLS));
        if (at <= PHASE_ANSWERING)
            phase((enum provider_phase)at);
        EXPECT(wire_end(&f.w, ERR_CLOSED));
        EXPECT_INT(call()->n_releases, 1);
        turn(f.l);
        expect_quiet(0);
        wire_free(&f.w);
    }
    expect_books(0, 0, PHASE_ANSWERING + 2);
    end();
}

static void a_repair_has_the_deadlines_of_its_phases(void)
{
    BEGIN("QUEUE_TIMEOUT=7", "UPSTREAM_IDLE_TIMEOUT=3");
    ask_to_repair(ASK_WHOLE(TOOLS));
    pass(10000); /* the first call's deadline counts no longer */
    expect_silence();
    phase(PHASE_QUEUED);
    pass(7000);
    expect_refusal(429, "queue_timeout");
    ask_to_repair(ASK_WHOLE(TOOLS));
    phase(PHASE_ANSWERING);
    pass(3000);
    expect_refusal(504, "upstream_timeout");
    ask_to_repair(ASK_WHOLE(TOOLS));
    phase(PHASE_ACCEPTED);
    exchange_end_all(&f.worker);
    expect_refusal(503, "overloaded");
    expect_books(0, 3, 0);
    end();
}

static void one_limit_counts_for_both_calls(void)
{
    BEGIN("API_REQUEST_TIMEOUT=20", "UPSTREAM_IDLE_TIMEOUT=15");
    ask(ASK_WHOLE(TOOLS));
    text(BAD);
    pass(12000);
    finish_stop();
    phase(PHASE_ANSWERING);
    pass(8000);
    expect_refusal(504, "upstream_timeout");
    end();
}

/* ---- JSON ---- */

static void json_is_repaired_and_ends_early(void)
{
    struct provider_call *first;

    begin();
    ask(ASK_STREAM(JSON));
    EXPECT(has(call()->request.instructions, "JSON Schema"));
    first = call();
    text(
        "{\"b\": 1} And here is what I thought of it, at length, and more than anybody asked for.");
    expect_cut(first);
    EXPECT(has(asked_last(), "the property \"a\""));
    text("```json\n{\"a\": 1}\n```");
    done();
    expect_whole(ROLE SAID("{\\\"a\\\": 1}") CLOSED("stop") DONE);
    end();
}

/* ---- several answers ---- */

static void n_answers_come_of_n_calls(void)
{
    begin();
    ask(ASK_WHOLE("\"n\":2,"));
    EXPECT_INT(call()->request.chat->n, 1);
    text("one");
    usage(5, 1, 0);
    finish_stop();
    expect_answer(&f.calls[0], "one", NULL, 0);
    EXPECT_INT(f.calls[0].n_releases, 1);
    EXPECT_INT(f.n_calls, 2);
    text("two");
    usage(5, 2, 0);
    finish(CHAT_FINISH_LENGTH);
    expect_answer(call(), "two", NULL, 0);
    settled();
    EXPECT(heard("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"one\""));
    EXPECT(heard("\"finish_reason\":\"stop\"},"
                 "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"two\""));
    EXPECT(heard("\"finish_reason\":\"length\"}]"));
    EXPECT(heard("\"prompt_tokens\":10,\"completion_tokens\":3,"));
    EXPECT(heard("x-attempts: 2\r\n"));
    expect_books(1, 0, 0);
    end();
}

static void streamed_answers_have_their_index(void)
{
    begin();
    ask(ASK_STREAM("\"n\":3,\"stop\":\"!\","));
    text("one!");
    expect_cut(&f.calls[0]);
    EXPECT_INT(f.n_calls, 2);
    finish_stop();
    EXPECT_INT(f.n_calls, 3);
    text("three");
    done();
    EXPECT(heard("{\"index\":0,\"delta\":{\"content\":\"one\"}"));
    EXPECT(heard("{\"index\":2,\"delta\":{\"content\":\"three\"}"));
    EXPECT(heard("{\"index\":1,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}"));
    EXPECT(heard(DONE));
    end();
}

static void each_of_several_answers_may_be_repaired(void)
{
    begin();
    ask(ASK_WHOLE(TOOLS "\"n\":2,"));
    text(BAD);
    finish_stop();
    text(GOOD);
    finish_stop();
    EXPECT_INT(f.n_calls, 3);
    EXPECT_INT(call()->request.chat->n_messages, 1);
    text(BAD);
    finish_stop();
    EXPECT_INT(call()->request.chat->n_messages, 2);
    text(GOOD);
    done();
    EXPECT(!str_eq(heard_id(0), heard_id(1)));
    end();
}

/* Where the first answer was empty, too: it is one. */
static void one_that_breaks_breaks_all(void)
{
    begin_routes();
    ask(ASK("m", "\"n\":2,"));
    phase(PHASE_ANSWERING);
    finish_stop();
    break_it();
    EXPECT_INT(f.n_calls, 2);
    expect_refusal(502, "upstream_unavailable");
    expect_books(0, 1, 0);
    end();
}

static void how_many_is_bounded(void)
{
    BEGIN("MAX_CHOICES=2");
    ask(ASK_WHOLE("\"n\":3,"));
    EXPECT(has(wire_str(&f.w), "\"param\":\"n\""));
    EXPECT(has(wire_str(&f.w), "MAX_CHOICES"));
    expect_refusal(400, NULL);
    f.providers[0].capabilities = PROVIDER_N;
    ask(ASK_WHOLE("\"n\":3,"));
    EXPECT_INT(call()->request.chat->n, 3);
    done();
    again();
    ask(ASK_WHOLE("\"stop\":\"x\",\"n\":3,"));
    EXPECT(has(wire_str(&f.w), "\"param\":\"n\""));
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
    { "calls of an upstream that stream past are not settled as exact",
      calls_of_an_upstream_that_stream_past_are_not_settled_as_exact },
    { "what is not held goes out as it comes", what_is_not_held_goes_out_as_it_comes },
    { "the gateway can be kept from emulating tools",
      the_gateway_can_be_kept_from_emulating_tools },
    { "a schema that is wrong is refused before anybody is asked",
      a_schema_that_is_wrong_is_refused_before_anybody_is_asked },
    { "a bad call is asked for once more", a_bad_call_is_asked_for_once_more },
    { "there is no third call", there_is_no_third_call },
    { "a repair that breaks is a failure", a_repair_that_breaks_is_a_failure },
    { "an empty answer can be repaired", an_empty_answer_can_be_repaired },
    { "a client that leaves takes the repair with it",
      a_client_that_leaves_takes_the_repair_with_it },
    { "a repair has the deadlines of its phases", a_repair_has_the_deadlines_of_its_phases },
    { "one limit counts for both calls", one_limit_counts_for_both_calls },
    { "json is repaired and ends early", json_is_repaired_and_ends_early },
    { "n answers come of n calls", n_answers_come_of_n_calls },
    { "streamed answers have their index", streamed_answers_have_their_index },
    { "each of several answers may be repaired", each_of_several_answers_may_be_repaired },
    { "one that breaks breaks all", one_that_breaks_breaks_all },
    { "how many is bounded", how_many_is_bounded },
    { "reasoning is split and tagged", reasoning_is_split_and_tagged },
    { "the next target is shaped anew", the_next_target_is_shaped_anew },
};

TEST_MAIN(suite)
