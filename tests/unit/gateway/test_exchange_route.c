/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges with several targets: who is asked next, when nobody is any more, and what the client
 * hears of it. */
#include <stdlib.h>
#include <unistd.h>

#include "flow.h"

#define UPSTREAM(name, model)                                                      \
    "  - {name: " name ", provider: openai, base_url: \"http://127.0.0.1:1/v1\", " \
    "models: [" model "]}\n"

static const char yaml[] =
    "default_model: m\n"
    "upstreams:\n" UPSTREAM("a", "ma") UPSTREAM("b", "mb") UPSTREAM(
        "c", "mc") "models:\n"
                   "  - name: m\n"
                   "    aliases: [m-latest]\n"
                   "    targets: [{upstream: a, model: ma}, {upstream: b, model: mb}, {upstream: "
                   "c, model: mc}]\n"
                   "  - name: alone\n"
                   "    targets: [{upstream: a, model: ma}]\n"
                   "  - name: w\n"
                   "    strategy: weighted\n"
                   "    targets: [{upstream: a, model: ma, weight: 2}, {upstream: b, model: mb, "
                   "weight: 2}]\n"
                   "  - name: changed\n"
                   "    targets:\n"
                   "      - upstream: a\n"
                   "        model: ma\n"
                   "        set: {temperature: 0.5, stop: [x]}\n"
                   "        drop: [logit_bias]\n"
                   "        rename: {max_completion_tokens: max_tokens}\n"
                   "        system_prompt: Be kind.\n"
                   "      - {upstream: b, model: mb}\n"
                   "  - name: \"star/*\"\n"
                   "    targets: [{upstream: c, model: \"*\"}, {upstream: b, model: mb}]\n";

#define ASK(model, rest) "{\"model\":\"" model "\"," rest HI "}"
#define M ASK("m", "")
#define M_STREAM ASK("m", "\"stream\":true,")

static void begin_routes(void)
{
    char path[] = "/tmp/routes-XXXXXX";
    int fd = mkstemp(path);

    EXPECT(fd >= 0);
    EXPECT_INT(write(fd, yaml, sizeof(yaml) - 1), sizeof(yaml) - 1);
    close(fd);
    begin_file(NULL, path);
    unlink(path);
}

/* Everything of the requests before is over and forgotten. */
static void again(void)
{
    if (f.w.is_closed) {
        wire_free(&f.w);
        open_wire(&f.w);
    }
    wire_clear(&f.w);
    expect_quiet(1);
    memset(f.calls, 0, sizeof(f.calls));
    f.n_calls = 0;
}

static struct failure failure_of(enum failure_kind kind)
{
    return (struct failure){ .kind = kind, .message = STR("It broke.") };
}

static void break_it(void)
{
    struct failure e = failure_of(FAILURE_UNAVAILABLE);

    error(&e);
}

static void answer(const char *said)
{
    text(said);
    finish(CHAT_FINISH_STOP);
    settled();
    turn(f.l);
}

static const char *asked(void)
{
    return f.upstreams[call()->instance - f.instances].name;
}

static bool heard(const char *what)
{
    turn(f.l);
    return has(wire_str(&f.w), what);
}

/* ---- the order ---- */

static void asks_one_after_the_other(void)
{
    static const char *const names[] = { "a", "b", "c" }, *const models[] = { "ma", "mb", "mc" };

    begin_routes();
    for (size_t ends = 0; ends <= COUNT_OF(names); ends++) {
        char want[64];
        size_t last = ends < COUNT_OF(names) ? ends : COUNT_OF(names) - 1;

        ask(M);
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            EXPECT_INT(f.n_calls, i + 1);
            EXPECT_Z(asked(), names[i]);
            EXPECT_STR(call()->request.model, models[i]);
            EXPECT_STR(call()->request.client_model, "m");
            phase(PHASE_CONNECTING);
            if (i == ends)
                break;
            break_it();
            turn(f.l);
        }
        if (ends < COUNT_OF(names))
            answer("hello");
        EXPECT(heard(ends < COUNT_OF(names) ? "HTTP/1.1 200 OK" : "HTTP/1.1 502 Bad Gateway"));
        snprintf(want, sizeof(want),
                 "x-upstream: %s\r\nx-attempts: %zu\r\nx-gateway-overhead-ms: ", names[last],
                 last + 1);
        EXPECT(heard(want));
        again();
    }
    expect_books(3, 1, 0);
    end();
}

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

/* ---- what moves on ---- */

static bool moves(enum failure_kind kind)
{
    switch ((int)kind) {
    case FAILURE_QUEUE_TIMEOUT:
    case FAILURE_RATE_LIMIT:
    case FAILURE_QUOTA:
    case FAILURE_UPSTREAM_AUTH:
    case FAILURE_CHALLENGE:
    case FAILURE_UNAVAILABLE:
    case FAILURE_INTERRUPTED:
    case FAILURE_PROTOCOL:
    case FAILURE_UPSTREAM_TIMEOUT:
    case FAILURE_CONTEXT_LENGTH:
    case FAILURE_NOT_SUPPORTED:
        return true;
    default:
        return false;
    }
}

/* The failure of the first target, at once or behind the head of a stream that had to go out. */
static void fail_first(const struct failure *e, bool stream, bool is_committed)
{
    ask(stream ? M_STREAM : M);
    phase(PHASE_CONNECTING);
    if (is_committed)
        pass(COMMIT_MS);
    error(e);
    turn(f.l);
}

static void expect_moved(bool stream, bool is_committed)
{
    EXPECT_INT(f.n_calls, 2);
    EXPECT_Z(asked(), "b");
    answer("hello");
    EXPECT(heard("HTTP/1.1 200 OK"));
    EXPECT(heard("\"content\":\"hello\""));
    EXPECT_INT(heard("x-upstream: b\r\nx-attempts: 2\r\n"), !is_committed);
    EXPECT_INT(heard("x-upstream: a\r\nx-attempts: 1\r\n"), is_committed);
    EXPECT_INT(heard("\n: upstream=b attempts=2\n\n"), is_committed);
    EXPECT_INT(heard(DONE), stream);
}

static void expect_stayed(const struct failure *e, bool is_committed)
{
    char line[32];

    EXPECT_INT(f.n_calls, 1);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", is_committed ? 200 : failure_status(e));
    EXPECT(heard(line));
    EXPECT(heard("It broke."));
    EXPECT(heard("x-upstream: a\r\nx-attempts: 1\r\n"));
    EXPECT_INT(heard("\n: upstream=a attempts=1\n\n"), is_committed);
    EXPECT(!heard(DONE));
}

static void kinds_of_failure_move_on_or_not(void)
{
    begin_routes();
    for (enum failure_kind kind = FAILURE_NONE + 1; kind <= FAILURE_HTTP_VERSION; kind++)
        for (unsigned way = 0; way < 3; way++) {
            struct failure e = failure_of(kind);

            fail_first(&e, way > 0, way == 2);
            if (moves(kind))
                expect_moved(way > 0, way == 2);
            else
                expect_stayed(&e, way == 2);
            again();
        }
    end();
}

/* Where the upstream's own status is handed back, that decides and not the kind. */
static void statuses_move_on_or_not(void)
{
    static const struct {
        int status;
        bool moves;
    } rows[] = {
        { 400, false }, { 401, true },  { 402, true }, { 403, true },
        { 404, false }, { 408, true },  { 409, true }, { 413, false },
        { 418, false }, { 422, false }, { 429, true }, { 500, true },
        { 502, true },  { 503, true },  { 504, true }, { 529, true },
    };
    static const enum failure_kind kinds[] = { FAILURE_BAD_REQUEST, FAILURE_RATE_LIMIT };

    begin_routes();
    for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(kinds) * 3; i++) {
        struct failure e = failure_of(kinds[i / 3 % 2]);

        e.status = rows[i / 6].status;
        fail_first(&e, i % 3 > 0, i % 3 == 2);
        if (rows[i / 6].moves)
            expect_moved(i % 3 > 0, i % 3 == 2);
        else
            expect_stayed(&e, i % 3 == 2);
        again();
    }
    end();
}

static void nothing_moves_after_the_first_event(void)
{
    begin_routes();
    for (size_t i = 0; i < FLOW_UPSTREAMS; i++)
        f.providers[i].capabilities = PROVIDER_RAW;
    for (enum failure_kind kind = FAILURE_NONE + 1; kind <= FAILURE_HTTP_VERSION; kind++)
        for (unsigned way = 0; way < 8; way++) {
            struct failure e = failure_of(kind);
            const struct chat_event raw = { .type = CHAT_RAW, .text = STR("{}") };

            ask(way % 2 ? M_STREAM : M);
            if (way / 2 == 0) {
                text("x");
            } else if (way / 2 == 1) {
                reasoning("x");
            } else if (way / 2 == 2) {
                phase(PHASE_ANSWERING);
                event_of(call(), &raw);
            } else {
                phase(PHASE_CONNECTING);
                pass(COMMIT_MS);
                text("x");
            }
            error(&e);
            EXPECT_INT(f.n_calls, 1);
            EXPECT(heard("It broke."));
            EXPECT(!heard(DONE));
            again();
        }
    expect_books(0, 8 * FAILURE_HTTP_VERSION, 0);
    end();
}

static void what_was_refused_by_the_only_target_is_the_clients(void)
{
    struct failure e = failure_of(FAILURE_RATE_LIMIT);

    begin_routes();
    e.retry_after_ms = 3000;
    ask(ASK("alone", ""));
    phase(PHASE_CONNECTING);
    error(&e);
    EXPECT(heard("HTTP/1.1 429 "));
    EXPECT(heard("retry-after: 3\r\n"));
    EXPECT(heard("x-upstream: a\r\nx-attempts: 1\r\n"));
    again();
    end();
}

/* ---- time ---- */

/* The phase of the first target lasts too long: the next one has a time of its own. */
static void deadlines_of_phases_move_on(void)
{
    begin_routes();
    for (unsigned way = 0; way < 2 * PHASE_ANSWERING; way++) {
        int64_t waited = 0;
        bool stream = way % 2;

        ask(stream ? M_STREAM : M);
        phase((enum provider_phase)(way / 2));
        while (f.n_calls == 1 && waited < f.settings.request_timeout_ms) {
            pass(1000);
            waited += 1000;
        }
        EXPECT(waited < f.settings.request_timeout_ms);
        EXPECT_INT(f.calls[0].n_releases, 1);
        EXPECT_Z(asked(), "b");
        answer("late");
        EXPECT(heard("late"));
        EXPECT(heard("HTTP/1.1 200 OK"));
        again();
    }
    end();
}

static void the_total_deadline_ends_all(void)
{
    begin_routes();
    for (unsigned stream = 0; stream < 2; stream++) {
        ask(stream ? M_STREAM : M);
        phase(PHASE_CONNECTING);
        break_it();
        phase(PHASE_CONNECTING);
        f.settings.queue_timeout_ms = f.settings.request_timeout_ms * 2;
        break_it();
        phase(PHASE_QUEUED);
        pass(f.settings.request_timeout_ms);
        EXPECT_INT(f.n_calls, 3);
        EXPECT(heard("API_REQUEST_TIMEOUT"));
        EXPECT(heard("\"code\":\"upstream_timeout\""));
        again();
    }
    ask(M);
    phase(PHASE_SENT);
    f.settings.accept_timeout_ms = f.settings.request_timeout_ms * 2;
    phase(PHASE_ACCEPTED);
    pass(f.settings.request_timeout_ms);
    EXPECT(heard("upstream_timeout"));
    again();
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
    call()->request.sink->on_trimmed(call()->request.arg, 7);
    break_it();
    answer("x");
    EXPECT(!heard("1234"));
    EXPECT(!heard("x-trimmed-messages"));
    again();
    ask(M);
    break_it();
    phase(PHASE_ACCEPTED);
    call()->request.sink->on_trimmed(call()->request.arg, 7);
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

/* ---- what goes to a target ---- */

#define DOUBT ASK("m", "\"n\":2,\"temperature\":1e400,")

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

/* ---- ends ---- */

static void nothing_is_left_of_a_client_that_leaves(void)
{
    int64_t n = 0;

    begin_routes();
    for (unsigned target = 0; target < 3; target++)
        for (unsigned phases = 0; phases <= PHASE_ANSWERING + 1; phases++)
            for (unsigned way = 0; way < 3; way++) {
                ask(way ? M_STREAM : M);
                if (way == 2) {
                    phase(PHASE_CONNECTING);
                    pass(COMMIT_MS);
                }
                for (unsigned i = 0; i < target; i++)
                    break_it();
                EXPECT_INT(f.n_calls, target + 1);
                if (phases > 0)
                    phase((enum provider_phase)(phases - 1));
                EXPECT(wire_end(&f.w, ERR_CLOSED));
                turn(f.l);
                for (unsigned i = 0; i <= target; i++)
                    EXPECT_INT(f.calls[i].n_releases, 1);
                expect_quiet(0);
                pass(1000000);
                EXPECT_INT(f.n_calls, target + 1);
                again();
                expect_books(0, 0, ++n);
            }
    end();
}

static void a_shutdown_asks_nobody_else(void)
{
    begin_routes();
    for (unsigned stream = 0; stream < 2; stream++) {
        ask(stream ? M_STREAM : M);
        phase(PHASE_CONNECTING);
        exchange_end_all(&f.worker);
        EXPECT_INT(f.n_calls, 1);
        EXPECT(heard("HTTP/1.1 503 "));
        EXPECT(heard("shutting down"));
        again();
    }
    expect_books(0, 2, 0);
    end();
}

static const struct test suite[] = {
    { "asks one after the other", asks_one_after_the_other },
    { "finds the route by each of its names", finds_the_route_by_each_of_its_names },
    { "asks nobody for a name that is unknown", asks_nobody_for_a_name_that_is_unknown },
    { "weights keep a conversation", weights_keep_a_conversation },
    { "kinds of failure move on or not", kinds_of_failure_move_on_or_not },
    { "statuses move on or not", statuses_move_on_or_not },
    { "nothing moves after the first event", nothing_moves_after_the_first_event },
    { "what was refused by the only target is the client's",
      what_was_refused_by_the_only_target_is_the_clients },
    { "deadlines of phases move on", deadlines_of_phases_move_on },
    { "the total deadline ends all", the_total_deadline_ends_all },
    { "a prompt once taken stays taken", a_prompt_once_taken_stays_taken },
    { "what a target used does not count for the next",
      what_a_target_used_does_not_count_for_the_next },
    { "each try of an account is an attempt", each_try_of_an_account_is_an_attempt },
    { "only a raw upstream gets what only it can judge",
      only_a_raw_upstream_gets_what_only_it_can_judge },
    { "targets of both kinds stand in for each other",
      targets_of_both_kinds_stand_in_for_each_other },
    { "overrides are edits or a system message", overrides_are_edits_or_a_system_message },
    { "nothing is left of a client that leaves", nothing_is_left_of_a_client_that_leaves },
    { "a shutdown asks nobody else", a_shutdown_asks_nobody_else },
};

TEST_MAIN(suite)
