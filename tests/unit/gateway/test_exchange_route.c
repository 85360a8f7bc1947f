/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges with several targets: who is asked next, when nobody is any more, and what the client
 * hears of it. */
#include "flow_routes.h"

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

/* The head went out long before: that stays true however slow the next one is. */
static void a_second_target_that_is_slow_is_told_of_too(void)
{
    const struct failure e = { .kind = FAILURE_UNAVAILABLE, .message = STR("It broke.") };

    begin_routes();
    fail_first(&e, true, true);
    phase(PHASE_CONNECTING);
    pass(COMMIT_MS);
    expect_moved(true, true);
    end();
}

static const struct test suite[] = {
    { "a second target that is slow is told of, too", a_second_target_that_is_slow_is_told_of_too },
    { "asks one after the other", asks_one_after_the_other },
    { "kinds of failure move on or not", kinds_of_failure_move_on_or_not },
    { "statuses move on or not", statuses_move_on_or_not },
    { "nothing moves after the first event", nothing_moves_after_the_first_event },
    { "what was refused by the only target is the client's",
      what_was_refused_by_the_only_target_is_the_clients },
    { "deadlines of phases move on", deadlines_of_phases_move_on },
    { "the total deadline ends all", the_total_deadline_ends_all },
    { "nothing is left of a client that leaves", nothing_is_left_of_a_client_that_leaves },
    { "a shutdown asks nobody else", a_shutdown_asks_nobody_else },
};

TEST_MAIN(suite)
