/* SPDX-License-Identifier: Apache-2.0 */
/* The targets of an exchange: which ones a name has, what each of them gets, and what is left of
 * those that failed. */
#include "flow_routes.h"

/* ---- names ---- */

static void finds_the_route_by_each_of_its_names(void)
{
    static const struct {
        const char *body, *upstream, *model, *client_model;
    } rows[] = {
        { M, "a", "ma", "m" },
        { ASK("m-latest", ""), "a", "ma", "m-latest" },
        { "{" HI "}", "a", "ma", "m" },
        { ASK("star/mc", ""), "c", "mc", "star/mc" },
        { ASK("star/x", ""), "b", "mb", "star/x" },
    };

    begin_routes();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        ask(rows[i].body);
        EXPECT_Z(asked(), rows[i].upstream);
        EXPECT_STR(call()->request.model, rows[i].model);
        EXPECT_STR(call()->request.client_model, rows[i].client_model);
        answer("x");
        EXPECT(heard("HTTP/1.1 200 OK"));
        again();
    }
    end();
}

static void asks_nobody_for_a_name_that_is_unknown(void)
{
    begin_routes();
    ask(ASK("ma", ""));
    expect_refusal(404, "model_not_found");
    ask(ASK("star/", "\"stream\":true,"));
    expect_refusal(404, "model_not_found");
    EXPECT_INT(f.n_calls, 0);
    end();
}

/* By what the conversation began with: its later turns find the same upstream. */
static void weights_keep_a_conversation(void)
{
    unsigned n[2] = { 0 };

    begin_routes();
    for (unsigned i = 0; i < 40; i++) {
        char body[256];
        size_t first;

        snprintf(body, sizeof(body),
                 "{\"model\":\"w\",\"messages\":[{\"role\":\"user\",\"content\":\"talk %u\"}]}", i);
        ask(body);
        first = (size_t)(call()->instance - f.instances);
        EXPECT(first < 2);
        n[first]++;
        answer("x");
        again();
        snprintf(body, sizeof(body),
                 "{\"model\":\"w\",\"messages\":[{\"role\":\"user\",\"content\":\"talk %u\"},"
                 "{\"role\":\"assistant\",\"content\":\"x\"},"
                 "{\"role\":\"user\",\"content\":\"more\"}]}",
                 i);
        ask(body);
        EXPECT(call()->instance == &f.instances[first]);
        phase(PHASE_SENT);
        break_it();
        EXPECT(call()->instance == &f.instances[1 - first]);
        answer("y");
        again();
    }
    EXPECT(n[0] > 5 && n[1] > 5);
    end();
}

/* ---- what goes to a target ---- */

#define DOUBT ASK("m", "\"n\":2,\"logprobs\":true,")

static void only_a_raw_upstream_gets_what_only_it_can_judge(void)
{
    begin_routes();
    f.providers[1].capabilities = PROVIDER_RAW;
    ask(DOUBT);
    EXPECT_Z(asked(), "b");
    EXPECT(call()->request.wants_raw);
    EXPECT_STR(call()->request.chat->raw, DOUBT);
    break_it();
    EXPECT_INT(f.n_calls, 1);
    EXPECT(heard("HTTP/1.1 502 "));
    EXPECT(heard("x-upstream: b\r\n"));
    again();
    f.providers[1].capabilities = 0;
    ask(DOUBT);
    expect_refusal(400, NULL);
    EXPECT_INT(f.n_calls, 0);
    end();
}

static void targets_of_both_kinds_stand_in_for_each_other(void)
{
    const struct chat_event raw = { .type = CHAT_RAW, .text = STR("{\"x\":-0}") };

    begin_routes();
    for (unsigned way = 0; way < 8; way++) {
        bool stream = way % 2, first_is_raw = way / 2 % 2, is_committed = stream && way / 4;

        f.providers[0].capabilities = first_is_raw ? PROVIDER_RAW : 0;
        f.providers[1].capabilities = first_is_raw ? 0 : PROVIDER_RAW;
        ask(stream ? M_STREAM : M);
        EXPECT_INT(call()->request.wants_raw, first_is_raw);
        phase(PHASE_CONNECTING);
        if (is_committed)
            pass(COMMIT_MS);
        break_it();
        EXPECT_INT(call()->request.wants_raw, !first_is_raw);
        phase(PHASE_ANSWERING);
        if (first_is_raw)
            text("hello");
        else
            event_of(call(), &raw);
        finish(CHAT_FINISH_STOP);
        settled();
        EXPECT(heard(first_is_raw ? "\"content\":\"hello\"" : "{\"x\":-0}"));
        EXPECT_INT(heard("\"role\":\"assistant\""), first_is_raw);
        EXPECT_INT(heard(DONE), stream);
        again();
    }
    end();
}

static void expect_edit(size_t i, enum provider_edit_type type, const char *name, const char *value)
{
    const struct provider_edit *e = &call()->request.edits[i];

    EXPECT_INT(e->type, type);
    EXPECT_STR(e->name, name);
    EXPECT_STR(e->value, value);
}

static void overrides_are_edits_or_a_system_message(void)
{
    begin_routes();
    for (unsigned raw = 0; raw < 2; raw++) {
        const struct chat_request *chat;

        f.providers[0].capabilities = raw ? PROVIDER_RAW : 0;
        ask(ASK("changed", ""));
        chat = call()->request.chat;
        EXPECT_INT(call()->request.n_edits, 5);
        expect_edit(0, EDIT_DROP, "logit_bias", "");
        expect_edit(1, EDIT_RENAME, "max_completion_tokens", "max_tokens");
        expect_edit(2, EDIT_SET, "temperature", "0.5");
        expect_edit(3, EDIT_SET, "stop", "[\"x\"]");
        expect_edit(4, EDIT_SYSTEM, "", "Be kind.");
        EXPECT_INT(chat->n_messages, raw ? 1 : 2);
        if (!raw) {
            EXPECT_INT(chat->messages[0].role, CHAT_SYSTEM);
            EXPECT_STR(chat->messages[0].parts[0].text, "Be kind.");
            EXPECT_INT(chat->messages[1].role, CHAT_USER);
        }
        break_it();
        EXPECT_Z(asked(), "b");
        EXPECT_INT(call()->request.n_edits, 0);
        EXPECT_INT(call()->request.chat->n_messages, 1);
        answer("x");
        again();
    }
    end();
}

/* ---- what a target that failed leaves behind ---- */

static void a_prompt_once_taken_stays_taken(void)
{
    struct failure taken = failure_of(FAILURE_INTERRUPTED);
    struct failure busy = failure_of(FAILURE_RATE_LIMIT);

    begin_routes();
    taken.prompt_accepted = true;
    ask(M);
    phase(PHASE_ACCEPTED);
    error(&taken);
    error(&busy);
    error(&busy);
    EXPECT(heard("HTTP/1.1 429 "));
    EXPECT(heard("x-should-retry: false\r\n"));
    again();
    ask(M);
    error(&busy);
    error(&busy);
    error(&busy);
    EXPECT(heard("HTTP/1.1 429 "));
    EXPECT(!heard("x-should-retry"));
    again();
    end();
}

static void what_a_target_used_does_not_count_for_the_next(void)
{
    begin_routes();
    ask(M);
    phase(PHASE_ACCEPTED);
    usage(1234, 5678, 0);
    call()->request.sink->on_prompt(call()->request.arg, STR("chat-1"), 7);
    break_it();
    answer("x");
    EXPECT(!heard("1234"));
    EXPECT(!heard("x-trimmed-messages"));
    again();
    ask(M);
    break_it();
    phase(PHASE_ACCEPTED);
    call()->request.sink->on_prompt(call()->request.arg, STR("chat-1"), 7);
    usage(1234, 5678, 0);
    answer("x");
    EXPECT(heard("\"prompt_tokens\":1234"));
    EXPECT(heard("x-trimmed-messages: 7\r\n"));
    again();
    end();
}

static void each_try_of_an_account_is_an_attempt(void)
{
    begin_routes();
    ask(M_STREAM);
    phase(PHASE_CONNECTING);
    call()->request.sink->on_attempt(call()->request.arg, STR("other"));
    call()->request.sink->on_attempt(call()->request.arg, STR("third"));
    break_it();
    answer("x");
    EXPECT(heard("x-upstream: b\r\nx-attempts: 4\r\n"));
    again();
    end();
}

static const struct test suite[] = {
    { "finds the route by each of its names", finds_the_route_by_each_of_its_names },
    { "asks nobody for a name that is unknown", asks_nobody_for_a_name_that_is_unknown },
    { "weights keep a conversation", weights_keep_a_conversation },
    { "a prompt once taken stays taken", a_prompt_once_taken_stays_taken },
    { "what a target used does not count for the next",
      what_a_target_used_does_not_count_for_the_next },
    { "each try of an account is an attempt", each_try_of_an_account_is_an_attempt },
    { "only a raw upstream gets what only it can judge",
      only_a_raw_upstream_gets_what_only_it_can_judge },
    { "targets of both kinds stand in for each other",
      targets_of_both_kinds_stand_in_for_each_other },
    { "overrides are edits or a system message", overrides_are_edits_or_a_system_message },
};

TEST_MAIN(suite)
