/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges where both sides speak the same format: the upstream's bytes reach the client as they
 * are, under the same rules for the head, errors, slow clients and the end. */
#include "flow.h"

static void begin_raw(unsigned capabilities)
{
    begin();
    f.providers[0].capabilities = capabilities;
}

static void raw(const char *json)
{
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_RAW, .text = str_of(json) });
}

static void raw_end(void)
{
    finish(CHAT_FINISH_STOP);
    settled();
}

#define TOOLS "{\"model\":\"GPT5\",\"n\":2,\"logprobs\":true,\"stream\":true," HI "}"

static void streams_events_as_they_are(void)
{
    begin_raw(PROVIDER_RAW);
    ask(TOOLS);
    EXPECT(call()->request.wants_raw);
    EXPECT_STR(call()->request.chat->raw, TOOLS);
    EXPECT_STR(call()->request.client_model, "GPT5");
    phase(PHASE_ACCEPTED);
    expect_silence();
    raw("{ \"a\": 1e400}");
    expect_so_far("data: { \"a\": 1e400}\n\n");
    raw("{\n\"b\":-0}");
    expect_so_far("data: { \"a\": 1e400}\n\ndata: {\ndata: \"b\":-0}\n\n");
    raw_end();
    expect_whole("data: { \"a\": 1e400}\n\ndata: {\ndata: \"b\":-0}\n\n" DONE);
    expect_books(1, 0, 0);
    expect_quiet(1);
    end();
}

static void answers_as_a_whole_as_it_is(void)
{
    begin_raw(PROVIDER_RAW);
    ask(WHOLE);
    raw("{\"x\":\n-0}");
    expect_silence();
    raw_end();
    expect_whole("{\"x\":\n-0}");
    EXPECT(has(str_of(head()), "content-type: application/json\r\n"));
    expect_books(1, 0, 0);
    end();
}

static void an_empty_stream_is_only_its_end(void)
{
    begin_raw(PROVIDER_RAW);
    ask(STREAM);
    raw_end();
    expect_whole(DONE);
    end();
}

/* The upstream that takes no raw body must not get what it cannot be asked. */
static void what_the_upstream_cannot_judge_is_refused(void)
{
    begin_raw(PROVIDER_TOOLS);
    ask(TOOLS);
    expect_refusal(400, NULL);
    EXPECT_INT(f.n_calls, 0);
    ask(STREAM);
    EXPECT(!call()->request.wants_raw);
    text("a");
    finish(CHAT_FINISH_STOP);
    settled();
    expect_whole(ROLE SAID("a") CLOSED("stop") DONE);
    end();
}

static void keep_alive_goes_out_before_the_first_event(void)
{
    begin_raw(PROVIDER_RAW);
    ask(STREAM);
    phase(PHASE_CONNECTING);
    pass(COMMIT_MS);
    expect_so_far(ALIVE);
    raw("{}");
    expect_so_far(ALIVE "data: {}\n\n");
    pass(KEEPALIVE_MS);
    expect_so_far(ALIVE "data: {}\n\n" ALIVE);
    raw_end();
    expect_whole(ALIVE "data: {}\n\n" ALIVE FROM DONE);
    end();
}

#define SAID_BUSY "{\"error\":{\"message\":\"busy\",\"x\":1e400}}"

static const struct failure busy = { .kind = FAILURE_RATE_LIMIT,
                                     .message = { "busy", 4 },
                                     .retry_after_ms = 1500,
                                     .status = 409,
                                     .body = { SAID_BUSY, sizeof(SAID_BUSY) - 1 },
                                     .body_has_error = true };

static void an_upstreams_error_is_handed_back_as_it_is(void)
{
    for (unsigned stream = 0; stream < 2; stream++) {
        begin_raw(PROVIDER_RAW);
        ask(stream ? STREAM : WHOLE);
        phase(PHASE_SENT);
        error(&busy);
        expect_whole(SAID_BUSY);
        EXPECT(has(str_of(head()), "HTTP/1.1 409 Conflict\r\n"));
        EXPECT(has(str_of(head()), "content-type: application/json\r\n"));
        EXPECT(has(str_of(head()), "x-request-id: r1\r\n"));
        EXPECT(has(str_of(head()), "retry-after: 2\r\n"));
        EXPECT(!has(str_of(head()), "x-should-retry"));
        expect_books(0, 1, 0);
        end();
    }
}

static void an_error_in_the_middle_is_an_event(void)
{
    begin_raw(PROVIDER_RAW);
    ask(STREAM);
    raw("{}");
    error(&busy);
    expect_whole("data: {}\n\ndata: " SAID_BUSY "\n\n");
    expect_books(0, 1, 0);
    end();
}

/* A client would take them for a piece of the answer. */
static void bytes_that_are_no_error_stay_out_of_a_stream(void)
{
    static const char page[] = "<h1>no</h1>";
    const struct failure refused = { .kind = FAILURE_BAD_REQUEST,
                                     .message = STR("It said no."),
                                     .status = 422,
                                     .body = str_of(page),
                                     .body_type = STR("text/html") };

    begin_raw(PROVIDER_RAW);
    ask(STREAM);
    raw("{}");
    error(&refused);
    expect_whole("data: {}\n\ndata: {\"error\":{\"message\":\"It said no.\",\"type\":"
                 "\"invalid_request_error\",\"param\":null,\"code\":null}}\n\n");
    ask(STREAM);
    error(&refused);
    expect_whole(page);
    EXPECT(has(str_of(head()), "HTTP/1.1 422 "));
    EXPECT(has(str_of(head()), "content-type: text/html\r\n"));
    end();
}

static void a_cut_answer_never_looks_whole(void)
{
    const struct failure cut = { .kind = FAILURE_INTERRUPTED,
                                 .message = STR("It broke off."),
                                 .prompt_accepted = true };

    begin_raw(PROVIDER_RAW);
    ask(STREAM);
    raw("{}");
    error(&cut);
    expect_broken_off("upstream_interrupted");
    ask(WHOLE);
    raw("{}");
    error(&cut);
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "x-should-retry: false\r\n"));
    expect_refusal(502, "upstream_interrupted");
    end();
}

static void an_upstream_that_is_late_has_the_first_tokens_time(void)
{
    int64_t accept = 0;

    begin_raw(PROVIDER_RAW | PROVIDER_LATE);
    accept = f.settings.accept_timeout_ms + f.settings.connect_timeout_ms;
    EXPECT(accept < f.settings.first_token_timeout_ms);
    ask(STREAM);
    phase(PHASE_SENT);
    for (int64_t ms = 0; ms <= accept; ms += COMMIT_MS)
        pass(COMMIT_MS);
    EXPECT_INT(call()->state, CALL_RUNS);
    pass(f.settings.first_token_timeout_ms - accept);
    expect_broken_off("upstream_timeout");
    ask(WHOLE);
    phase(PHASE_SENT);
    pass(f.settings.request_timeout_ms - 1);
    expect_silence();
    pass(1);
    EXPECT(has(wire_str(&f.w), "x-should-retry: false\r\n"));
    expect_refusal(504, "upstream_timeout");
    end();
}

static void a_slow_client_pauses_the_upstream(void)
{
    static char big[65536];

    begin_raw(PROVIDER_RAW);
    memset(big, 'x', sizeof(big) - 1);
    ask(STREAM);
    f.w.room = 0;
    for (int i = 0; i < 64 && !call()->is_paused; i++)
        raw(big);
    EXPECT(call()->is_paused);
    wire_give_room(&f.w, SIZE_MAX / 2);
    turn(f.l);
    EXPECT(!call()->is_paused);
    raw_end();
    wire_clear(&f.w);
    expect_books(1, 0, 0);
    end();
}

static const struct test suite[] = {
    { "streams events as they are", streams_events_as_they_are },
    { "answers as a whole as it is", answers_as_a_whole_as_it_is },
    { "an empty stream is only its end", an_empty_stream_is_only_its_end },
    { "what the upstream cannot judge is refused", what_the_upstream_cannot_judge_is_refused },
    { "keep-alive goes out before the first event", keep_alive_goes_out_before_the_first_event },
    { "an upstream's error is handed back as it is", an_upstreams_error_is_handed_back_as_it_is },
    { "an error in the middle is an event", an_error_in_the_middle_is_an_event },
    { "bytes that are no error stay out of a stream",
      bytes_that_are_no_error_stay_out_of_a_stream },
    { "a cut answer never looks whole", a_cut_answer_never_looks_whole },
    { "an upstream that is late has the first token's time",
      an_upstream_that_is_late_has_the_first_tokens_time },
    { "a slow client pauses the upstream", a_slow_client_pauses_the_upstream },
};

TEST_MAIN(suite)
