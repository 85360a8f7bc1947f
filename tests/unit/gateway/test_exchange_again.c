/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges that call their upstream more than once: for a repair, and for each of several answers.
 */
#include "flow_shaped.h"

#include "log_text.h"

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
    EXPECT(has(wire_str(&f.w), "Before that:"));
    expect_refusal(502, "upstream_protocol");
    expect_books(0, 1, 0);
    end();
}

static void what_does_not_fit_opens_no_circuit(void)
{
    struct health_problem p;

    begin_routes();
    f.gateway.health = health_new();
    for (int i = 0; i < HEALTH_LEAST; i++) {
        ask(ASK("alone", TOOLS));
        text(BAD);
        finish_stop();
        text("I will not.");
        finish_stop();
        EXPECT(heard("HTTP/1.1 502 "));
        again();
    }
    EXPECT(!health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    health_free(f.gateway.health);
    f.gateway.health = NULL;
    end();
}

/* The client has nothing of it yet. */
static void a_repair_that_breaks_moves_on(void)
{
    begin_routes();
    ask(ASK("m", TOOLS));
    text(BAD);
    finish_stop();
    EXPECT_Z(asked(), "a");
    break_it();
    EXPECT_INT(f.n_calls, 3);
    EXPECT_INT(wire_str(&f.w).n, 0);
    text(GOOD);
    done();
    EXPECT(heard("\"finish_reason\":\"tool_calls\""));
    end();
}

/* A prompt was taken, if not this one. */
static void a_repair_that_is_refused_is_not_to_be_sent_again(void)
{
    struct failure limit = failure_of(FAILURE_RATE_LIMIT);

    begin_routes();
    ask(ASK("alone", TOOLS));
    text(BAD);
    finish_stop();
    error(&limit);
    EXPECT(has(wire_str(&f.w), "x-should-retry: false"));
    expect_refusal(429, "rate_limit_exceeded");
    end();
}

/* The trial of an open circuit is still to come. */
static void who_leaves_a_repair_says_nothing_of_its_target(void)
{
    struct health_problem p;

    begin_routes();
    f.gateway.health = health_new();
    for (int i = 0; i < HEALTH_LEAST; i++) {
        ask(ASK("alone", ""));
        break_it();
        again();
    }
    pass(f.settings.circuit.open_ms + f.settings.circuit.open_ms / 5);
    again();
    ask(ASK("alone", TOOLS));
    text(BAD);
    finish_stop();
    EXPECT_INT(f.n_calls, 2);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    turn(f.l);
    wire_free(&f.w);
    open_wire(&f.w);
    EXPECT(health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    health_free(f.gateway.health);
    f.gateway.health = NULL;
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
    again();
    ask(ASK("m", TOOLS "\"tool_choice\":\"required\","));
    phase(PHASE_ANSWERING);
    finish_stop();
    while (f.n_calls < 4)
        break_it();
    break_it();
    expect_refusal(502, "upstream_unavailable");
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

static void a_repair_that_nobody_took_cost_nothing(void)
{
    char log[4096];
    FILE *file;
    struct str said;

    BEGIN("QUEUE_TIMEOUT=7");
    ask_to_repair(ASK_WHOLE(TOOLS));
    phase(PHASE_QUEUED);
    file = begin_log();
    pass(7000);
    said = end_log(file, log, sizeof(log));
    EXPECT(has(said, "\"prompt_tokens\":10,\"completion_tokens\":20,"));
    expect_refusal(429, "queue_timeout");
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

static void each_of_several_calls_is_counted(void)
{
    struct token_estimate said = { 0 };
    char want[64];

    token_estimate_add(&said, STR("some words"));
    begin();
    for (unsigned is_told = 0; is_told < 2; is_told++) {
        ask(ASK_WHOLE("\"n\":2,"));
        text("some words");
        if (is_told)
            usage(5, 40, 0);
        finish_stop();
        text("some words");
        done();
        snprintf(want, sizeof(want), "\"completion_tokens\":%lld,",
                 (long long)token_estimate_total(&said) +
                     (is_told ? 40 : token_estimate_total(&said)));
        EXPECT(heard(want));
        EXPECT(heard("\"x_estimated\":true"));
        wire_clear(&f.w);
    }
    end();
}

/* Its pause is over with its call. */
static void a_slow_client_pauses_only_the_present_call(void)
{
    static char piece[100000];

    memset(piece, 'x', sizeof(piece) - 1);
    begin();
    ask(ASK_STREAM("\"n\":2,"));
    f.w.room = 0;
    text(piece);
    EXPECT(call()->is_paused);
    finish_stop();
    EXPECT_INT(f.n_calls, 2);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT_INT(call()->n_resumes, 0);
    text("two");
    EXPECT(!call()->is_paused);
    done();
    expect_books(1, 0, 0);
    end();
}

static void what_is_shaped_has_a_call_of_its_own(void)
{
    begin();
    f.providers[0].capabilities = PROVIDER_N;
    ask(ASK_WHOLE("\"n\":2,\"stop\":\"!\","));
    EXPECT_INT(call()->request.chat->n, 1);
    text("one!");
    text("two!");
    expect_cut(call());
    EXPECT_INT(f.n_calls, 2);
    EXPECT(heard("{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"two\""));
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

static const struct test suite[] = {
    { "a bad call is asked for once more", a_bad_call_is_asked_for_once_more },
    { "what does not fit opens no circuit", what_does_not_fit_opens_no_circuit },
    { "there is no third call", there_is_no_third_call },
    { "a repair that breaks moves on", a_repair_that_breaks_moves_on },
    { "a repair that is refused is not to be sent again",
      a_repair_that_is_refused_is_not_to_be_sent_again },
    { "who leaves a repair says nothing of its target",
      who_leaves_a_repair_says_nothing_of_its_target },
    { "an empty answer can be repaired", an_empty_answer_can_be_repaired },
    { "a client that leaves takes the repair with it",
      a_client_that_leaves_takes_the_repair_with_it },
    { "a repair has the deadlines of its phases", a_repair_has_the_deadlines_of_its_phases },
    { "a repair that nobody took cost nothing", a_repair_that_nobody_took_cost_nothing },
    { "one limit counts for both calls", one_limit_counts_for_both_calls },
    { "json is repaired and ends early", json_is_repaired_and_ends_early },
    { "n answers come of n calls", n_answers_come_of_n_calls },
    { "streamed answers have their index", streamed_answers_have_their_index },
    { "each of several answers may be repaired", each_of_several_answers_may_be_repaired },
    { "each of several calls is counted", each_of_several_calls_is_counted },
    { "a slow client pauses only the present call", a_slow_client_pauses_only_the_present_call },
    { "what is shaped has a call of its own", what_is_shaped_has_a_call_of_its_own },
    { "one that breaks breaks all", one_that_breaks_breaks_all },
    { "how many is bounded", how_many_is_bounded },
};

TEST_MAIN(suite)
