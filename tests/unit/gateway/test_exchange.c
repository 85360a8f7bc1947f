/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges that go well: what the provider says comes out as the client is promised it, byte for
 * byte; settling, several at once, and what the provider is told. */
#include "chat/estimate.h"

#include "flow.h"

/* ---- streams ---- */

static void streams_an_answer_byte_for_byte(void)
{
    begin();
    ask(STREAM);
    phase(PHASE_ACCEPTED);
    expect_silence();
    text("He");
    expect_so_far(ROLE SAID("He"));
    EXPECT_Z(head(), "HTTP/1.1 200 OK\r\ndate: DATE\r\nx-request-id: r1\r\n"
                     "content-type: text/event-stream; charset=utf-8\r\n"
                     "cache-control: no-cache\r\nx-accel-buffering: no\r\n"
                     "transfer-encoding: chunked\r\n\r\n");
    text("y \"you\"\n");
    expect_so_far(ROLE SAID("He") SAID("y \\\"you\\\"\\n"));
    finish(CHAT_FINISH_STOP);
    expect_so_far(ROLE SAID("He") SAID("y \\\"you\\\"\\n"));
    settled();
    expect_whole(ROLE SAID("He") SAID("y \\\"you\\\"\\n") CLOSED("stop") DONE);
    expect_books(1, 0, 0);
    expect_quiet(1);
    end();
}

static void sends_the_text_of_a_turn_in_one_write(void)
{
    begin();
    ask(STREAM);
    text("a");
    text("b");
    text("c");
    EXPECT_INT(f.w.n_writes, 0);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 1);
    expect_so_far(ROLE SAID("a") SAID("b") SAID("c"));
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT_INT(f.w.n_writes, 2);
    end();
}

static void streams_reasoning_as_a_member_of_its_own(void)
{
    begin();
    ask(STREAM);
    reasoning("hm");
    text("so");
    finish(CHAT_FINISH_STOP);
    settled();
    expect_whole(ROLE THOUGHT("hm") SAID("so") CLOSED("stop") DONE);
    end();
}

static void streams_an_answer_without_text(void)
{
    begin();
    ask(STREAM);
    finish(CHAT_FINISH_STOP);
    settled();
    expect_whole(ROLE CLOSED("stop") DONE);
    expect_books(1, 0, 0);
    end();
}

static void names_why_an_answer_ended(void)
{
    static const struct {
        enum chat_finish how;
        const char *want;
    } rows[] = { { CHAT_FINISH_STOP, "stop" },
                 { CHAT_FINISH_LENGTH, "length" },
                 { CHAT_FINISH_TOOL_CALLS, "tool_calls" },
                 { CHAT_FINISH_FILTER, "content_filter" } };
    const struct chat_tool_piece look = { 0, STR("c"), STR("look"), STR("{}") };
    char want[64];

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(want, sizeof(want), "\"finish_reason\":\"%s\"", rows[i].want);
        for (unsigned stream = 0; stream < 2; stream++) {
            ask(stream ? STREAM : WHOLE);
            if (rows[i].how == CHAT_FINISH_TOOL_CALLS)
                event_of(call(), &(struct chat_event){ .type = CHAT_TOOL_CALL, .tool = &look });
            finish(rows[i].how);
            settled();
            EXPECT(has(wire_str(&f.w), want));
            wire_clear(&f.w);
        }
    }
    expect_books(2 * COUNT_OF(rows), 0, 0);
    end();
}

static void streams_until_close_to_a_client_of_http_1_0(void)
{
    struct str in;

    begin();
    post_on(&f.w, "HTTP/1.0", STREAM);
    text("x");
    finish(CHAT_FINISH_STOP);
    settled();
    in = wire_str(&f.w);
    hear(&in, HTTP_POST);
    EXPECT_Z(body(), ROLE SAID("x") CLOSED("stop") DONE);
    EXPECT(has(str_of(head()), "connection: close\r\n"));
    EXPECT(!has(str_of(head()), "transfer-encoding"));
    EXPECT(f.w.is_closed && !f.w.is_reset);
    expect_quiet(0);
    end();
}

/* ---- whole answers ---- */

#define ANSWER(members, usage)                                                                   \
    "{\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion\",\"created\":NOW,\"model\":\"GPT5\"," \
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," members                     \
    ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{" usage        \
    "},\"system_fingerprint\":null}"
#define USAGE(prompt, completion, total, reasoning)                                             \
    "\"prompt_tokens\":" prompt ",\"completion_tokens\":" completion ",\"total_tokens\":" total \
    ",\"prompt_tokens_details\":{\"cached_tokens\":0}"                                          \
    ",\"completion_tokens_details\":{\"reasoning_tokens\":" reasoning "}"
#define ESTIMATED ",\"x_estimated\":true"

static void gives_a_whole_answer_byte_for_byte(void)
{
    begin();
    ask(WHOLE);
    reasoning("h");
    text("a\xc3\xa4");
    reasoning("m");
    text("\tb");
    usage(7, 5, 2);
    finish(CHAT_FINISH_STOP);
    expect_silence();
    settled();
    expect_whole(ANSWER("\"content\":\"a\xc3\xa4\\tb\",\"reasoning_content\":\"hm\"",
                        USAGE("7", "5", "12", "2")));
    EXPECT_Z(head(), "HTTP/1.1 200 OK\r\ndate: DATE\r\nx-request-id: r1\r\n"
                     "content-type: application/json\r\ncontent-length: 447\r\n\r\n");
    expect_books(1, 0, 0);
    expect_quiet(1);
    end();
}

static void gives_a_whole_answer_without_text(void)
{
    begin();
    ask(WHOLE);
    usage(1, 0, 0);
    finish(CHAT_FINISH_STOP);
    settled();
    expect_whole(ANSWER("\"content\":\"\"", USAGE("1", "0", "1", "0")));
    end();
}

static void sends_no_comments_into_a_whole_answer(void)
{
    begin();
    ask(WHOLE);
    phase(PHASE_ACCEPTED);
    pass(COMMIT_MS);
    pass(KEEPALIVE_MS);
    text("x");
    pass(KEEPALIVE_MS);
    expect_silence();
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w), "\"content\":\"x\""));
    end();
}

/* ---- usage ---- */

#define WITH_USAGE \
    "{\"model\":\"GPT5\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," HI "}"

/* With usage asked for, each chunk before it says that it has none. */
static void expect_usage(const char *want)
{
    char member[256];

    snprintf(member, sizeof(member), "\"choices\":[],\"usage\":{%s}}\n\n" DONE, want);
    turn(f.l);
    EXPECT(str_ends(str_of(f.w.out), STR("0\r\n\r\n")));
    EXPECT(has(wire_str(&f.w), member));
    EXPECT(has(wire_str(&f.w), "\"finish_reason\":\"stop\"}],\"usage\":null}"));
    wire_clear(&f.w);
}

static void streams_usage_when_asked_as_the_upstream_counted(void)
{
    begin();
    ask(WITH_USAGE);
    usage(1, 1, 1);
    text("x");
    usage(11, 5, 2);
    finish(CHAT_FINISH_STOP);
    settled();
    expect_usage(USAGE("11", "5", "16", "2"));
    ask(STREAM);
    text("x");
    usage(11, 5, 2);
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(!has(wire_str(&f.w), "usage"));
    end();
}

static int64_t estimate(const char *z)
{
    struct token_estimate e = { 0 };

    token_estimate_add(&e, str_of(z));
    return token_estimate_total(&e);
}

static void estimates_usage_where_the_upstream_does_not_count(void)
{
    int64_t prompt = estimate("hi");
    int64_t thought = estimate("Let me think about it");
    int64_t said = estimate("Two plus two is four.");
    char want[256];

    begin();
    ask(WITH_USAGE);
    reasoning("Let me think ");
    text("Two plus tw");
    reasoning("about it");
    text("o is four.");
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(prompt > 0 && thought > 1 && said > 1);
    snprintf(want, sizeof(want), USAGE("%d", "%d", "%d", "%d") ESTIMATED, (int)prompt,
             (int)(said + thought), (int)(prompt + said + thought), (int)thought);
    expect_usage(want);
    end();
}

/* All of a history that goes upstream counts, and calls of tools do. */
static void estimates_tool_calls_too(void)
{
    static const char history[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"tool_"
        "calls\":[{"
        "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":"
        "\"{\\\"query\\\":\\\"how many tokens are there in all of this text\\\"}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"hi\"}]}";
    struct token_estimate all = { 0 };
    char want[64];

    token_estimate_add(&all, STR("hi"));
    token_estimate_add(&all, STR("look"));
    token_estimate_add(&all, STR("{\"query\":\"how many tokens are there in all of this text\"}"));
    token_estimate_add(&all, STR("hi"));
    begin();
    ask(history);
    text("x");
    finish(CHAT_FINISH_STOP);
    settled();
    snprintf(want, sizeof(want), "\"prompt_tokens\":%d,", (int)token_estimate_total(&all));
    EXPECT(has(wire_str(&f.w), want));
    end();
}

/* ---- what the provider is given ---- */

static void hands_the_provider_what_was_asked(void)
{
    const struct chat_request *chat;

    begin();
    ask(WHOLE);
    EXPECT_STR(call()->request.model, "GPT5");
    EXPECT_STR(call()->request.key_id, "master");
    chat = call()->request.chat;
    EXPECT_INT(chat->n_messages, 1);
    EXPECT_INT(chat->messages[0].role, CHAT_USER);
    EXPECT_STR(chat->messages[0].parts[0].text, "hi");
    finish(CHAT_FINISH_STOP);
    settled();
    wire_clear(&f.w);
    ask("{" HI "}");
    EXPECT_STR(call()->request.model, "ClaudeSonnet4_5");
    finish(CHAT_FINISH_STOP);
    settled();
    EXPECT(has(wire_str(&f.w), "\"model\":\"ClaudeSonnet4_5\""));
    end();
}

static void trimmed(size_t messages)
{
    call()->request.sink->on_prompt(call()->request.arg, STR("chat-1"), messages);
}

/* The provider may write its prompt anew, for a new chat: what it said last counts. */
static void says_how_many_messages_were_left_out(void)
{
    static const char *const bodies[] = { STREAM, WHOLE };

    begin();
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        ask(bodies[i]);
        trimmed(3);
        trimmed(12);
        finish(CHAT_FINISH_STOP);
        settled();
        EXPECT(has(wire_str(&f.w), "\r\nx-trimmed-messages: 12\r\n"));
        EXPECT(!has(wire_str(&f.w), "x-trimmed-messages: 3"));
        wire_clear(&f.w);
        ask(bodies[i]);
        trimmed(3);
        trimmed(0);
        finish(CHAT_FINISH_STOP);
        settled();
        EXPECT(!has(wire_str(&f.w), "x-trimmed-messages"));
        wire_clear(&f.w);
    }
    end();
}

static void starts_no_call_for_what_is_wrong(void)
{
    static const struct {
        const char *body;
        int status;
        const char *code, *param;
    } rows[] = {
        { "{\"model\":\"gpt-4\"," HI "}", 404, "model_not_found", "\"param\":\"model\"" },
        { "{\"model\":\"GPT5\"}", 400, NULL, "\"param\":\"messages\"" },
        { "{\"stream\":\"yes\"," HI "}", 400, NULL, "\"param\":\"stream\"" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":7}]}", 400, NULL,
          "\"param\":\"messages[0].content\"" },
        { "no JSON", 400, NULL, "\"param\":null" },
        { "", 400, NULL, "\"param\":null" },
    };

    begin();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].body);
        expect_refusal(rows[i].status, rows[i].code);
        EXPECT(has(str_of(body()), rows[i].param));
        EXPECT_INT(f.n_calls, 0);
        expect_quiet(1);
    }
    expect_books(0, 0, 0);
    end();
}

/* ---- settling ---- */

static void settles_what_the_client_received(void)
{
    static const struct fingerprint zero;
    struct fingerprint_text said;
    struct fingerprint want;

    fingerprint_text_init(&said);
    fingerprint_text_add(&said, STR("What was said."));
    fingerprint_answer(&zero, &(struct fingerprint_said){ .text = said }, &want);
    begin();
    for (unsigned stream = 0; stream < 2; stream++) {
        ask(stream ? STREAM : WHOLE);
        text("What was ");
        reasoning("(thought)");
        text("said.");
        finish(CHAT_FINISH_STOP);
        EXPECT_INT(call()->n_settles, 1);
        EXPECT_INT(call()->verdict, SETTLE_EXACT);
        EXPECT(memcmp(&call()->answer, &want, sizeof(want)) == 0);
        settled();
        EXPECT_INT(call()->n_releases, 0);
    }
    expect_books(2, 0, 0);
    end();
}

static void holds_the_last_bytes_200_ms_for_the_store_at_most(void)
{
    begin();
    for (unsigned stream = 0; stream < 2; stream++) {
        wire_clear(&f.w);
        ask(stream ? STREAM : WHOLE);
        text("x");
        finish(CHAT_FINISH_STOP);
        pass(HOLD_MS - 1);
        EXPECT(!has(str_of(f.w.out), "finish_reason\":\"stop"));
        pass(1);
        EXPECT(has(str_of(f.w.out), "finish_reason\":\"stop"));
        EXPECT_INT(call()->n_releases, 1);
        expect_quiet(1);
    }
    expect_books(2, 0, 0);
    end();
}

static void lets_no_deadline_spoil_an_answer_that_only_settles(void)
{
    BEGIN("API_REQUEST_TIMEOUT=10", "UPSTREAM_IDLE_TIMEOUT=1");
    for (unsigned stream = 0; stream < 2; stream++) {
        ask(stream ? STREAM : WHOLE);
        phase(PHASE_ACCEPTED);
        pass(9900);
        text("x");
        finish(CHAT_FINISH_STOP);
        pass(100);
        EXPECT_INT(call()->state, CALL_SETTLES);
        settled();
        EXPECT(has(wire_str(&f.w), "finish_reason\":\"stop"));
        wire_clear(&f.w);
    }
    expect_books(2, 0, 0);
    end();
}

/* ---- several ---- */

static void answers_pipelined_requests_in_turn(void)
{
    struct str in;

    begin();
    ask(STREAM);
    ask(WHOLE);
    ask("{}");
    ask(STREAM);
    EXPECT_INT(f.n_calls, 1);
    text("one");
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    EXPECT_INT(f.n_calls, 2);
    text("two");
    finish(CHAT_FINISH_STOP);
    pass(HOLD_MS);
    turn(f.l);
    EXPECT_INT(f.n_calls, 3);
    text("four");
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_Z(body(), ROLE SAID("one") CLOSED("stop") DONE);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT(has(str_of(body()), "\"content\":\"two\""));
    EXPECT(hear(&in, HTTP_POST));
    EXPECT(has(str_of(body()), "\"param\":\"messages\""));
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_Z(body(), ROLE SAID("four") CLOSED("stop") DONE);
    EXPECT_INT(in.n, 0);
    expect_books(3, 0, 0);
    expect_quiet(1);
    end();
}

static void runs_exchanges_of_several_clients_side_by_side(void)
{
    struct wire other;

    begin();
    open_wire(&other);
    ask(STREAM);
    ask_on(&other, STREAM);
    EXPECT_INT(metric_get(METRIC_EXCHANGES), 2);
    text_of(&f.calls[1], STR("for the other"));
    text_of(&f.calls[0], STR("for the first"));
    expect_so_far(ROLE SAID("for the first"));
    expect_on(&other, false, ROLE SAID("for the other"));
    f.w.room = 0;
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    EXPECT_INT(f.calls[0].n_releases, 1);
    finish(CHAT_FINISH_STOP);
    settled();
    expect_on(&other, true, ROLE SAID("for the other") CLOSED("stop") DONE);
    expect_books(1, 0, 1);
    wire_free(&other);
    end();
}

static const struct test suite[] = {
#define T(name)     \
    {               \
#name, name \
    }
    { "streams an answer byte for byte", streams_an_answer_byte_for_byte },
    { "sends the text of a turn in one write", sends_the_text_of_a_turn_in_one_write },
    { "streams reasoning as a member of its own", streams_reasoning_as_a_member_of_its_own },
    { "streams an answer without text", streams_an_answer_without_text },
    { "names why an answer ended", names_why_an_answer_ended },
    { "streams until close to a client of HTTP/1.0", streams_until_close_to_a_client_of_http_1_0 },
    { "gives a whole answer byte for byte", gives_a_whole_answer_byte_for_byte },
    { "gives a whole answer without text", gives_a_whole_answer_without_text },
    { "sends no comments into a whole answer", sends_no_comments_into_a_whole_answer },
    { "estimates tool calls too", estimates_tool_calls_too },
    { "streams usage when asked as the upstream counted",
      streams_usage_when_asked_as_the_upstream_counted },
    { "estimates usage where the upstream does not count",
      estimates_usage_where_the_upstream_does_not_count },
    { "hands the provider what was asked", hands_the_provider_what_was_asked },
    { "says how many messages were left out", says_how_many_messages_were_left_out },
    { "starts no call for what is wrong", starts_no_call_for_what_is_wrong },
    { "settles what the client received", settles_what_the_client_received },
    { "holds the last bytes 200 ms for the store at most",
      holds_the_last_bytes_200_ms_for_the_store_at_most },
    { "lets no deadline spoil an answer that only settles",
      lets_no_deadline_spoil_an_answer_that_only_settles },
    { "answers pipelined requests in turn", answers_pipelined_requests_in_turn },
    { "runs exchanges of several clients side by side",
      runs_exchanges_of_several_clients_side_by_side },
};

TEST_MAIN(suite)
