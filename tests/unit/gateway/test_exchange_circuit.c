/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges with targets that failed too often: they are passed over as long as there are others.
 */
#include "flow_routes.h"

static void begin_health(void)
{
    begin_routes();
    f.gateway.health = health_new();
}

static void end_health(void)
{
    health_free(f.gateway.health);
    f.gateway.health = NULL;
    end();
}

#define ALONE ASK("alone", "")

/* A connection may be closed meanwhile. */
static void wait_for(int64_t ms)
{
    pass(ms);
    again();
}

/* Target a/ma fails as often as it takes. */
static void break_a(void)
{
    struct health_problem p;

    for (int i = 0; i < HEALTH_LEAST; i++) {
        ask(ALONE);
        break_it();
        again();
    }
    EXPECT(health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    EXPECT_Z(p.target, "a/ma");
}

static void expect_asked(const char *model, const char *upstream)
{
    ask(model);
    EXPECT_INT(f.n_calls, 1);
    EXPECT_Z(asked(), upstream);
    phase(PHASE_CONNECTING);
    answer("hello");
    EXPECT(heard("HTTP/1.1 200 OK"));
    EXPECT(heard("x-attempts: 1\r\n"));
    again();
}

static void the_sick_one_is_passed_over(void)
{
    begin_health();
    break_a();
    expect_asked(M, "b");
    wait_for(f.settings.circuit.open_ms + f.settings.circuit.open_ms / 5);
    expect_asked(M, "a"); /* the probe */
    wait_for(f.settings.circuit.slow_start_ms);
    expect_asked(M, "a");
    EXPECT_INT(metric_get(METRIC_CIRCUITS_OPEN), 0);
    end_health();
}

static void the_only_one_is_always_asked(void)
{
    begin_health();
    break_a();
    ask(ALONE);
    EXPECT_INT(f.n_calls, 1);
    break_it();
    EXPECT(heard("HTTP/1.1 502 Bad Gateway"));
    again();
    expect_asked(ALONE, "a");
    wait_for(f.settings.circuit.slow_start_ms);
    expect_asked(M, "a");
    end_health();
}

static void end_sick(void)
{
    wait_for(HEALTH_FORGET_MS);
    EXPECT(
        !health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &(struct health_problem){ 0 }));
    end_health();
}

/* Whoever was let in has no answer: the sick one may be well by now. */
static void a_sick_one_is_asked_before_there_is_an_error(void)
{
    struct failure limited = failure_of(FAILURE_RATE_LIMIT);

    begin_health();
    break_a();
    ask(ASK("w", ""));
    EXPECT_Z(asked(), "b"); /* first or second by its weight */
    error(&limited);
    turn(f.l);
    EXPECT_INT(f.n_calls, 2);
    EXPECT_Z(asked(), "a");
    answer("hello");
    EXPECT(heard("HTTP/1.1 200 OK"));
    EXPECT(heard("x-upstream: a\r\n"));
    again();
    wait_for(f.settings.circuit.slow_start_ms);
    expect_asked(M, "a");
    end_health();
}

/* Route m is a, b and c. */
static void break_all(void)
{
    for (int i = 0; i < HEALTH_LEAST; i++) {
        ask(M);
        for (unsigned n = 1; n <= 3; n++) {
            EXPECT_INT(f.n_calls, n);
            break_it();
            turn(f.l);
        }
        again();
    }
}

static void where_all_are_sick_each_is_asked_once(void)
{
    static const char *const names[] = { "a", "b", "c" };

    begin_health();
    break_all();
    ask(M);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT_INT(f.n_calls, n + 1);
        EXPECT_Z(asked(), names[n]);
        break_it();
        turn(f.l);
    }
    EXPECT_INT(f.n_calls, 3);
    EXPECT(heard("HTTP/1.1 502 Bad Gateway"));
    EXPECT(heard("x-upstream: c\r\n"));
    again();
    end_sick();
}

static void one_that_answers_again_goes_before_those_that_do_not(void)
{
    begin_health();
    break_all();
    ask(M);
    break_it();
    turn(f.l);
    EXPECT_Z(asked(), "b");
    answer("hello");
    EXPECT(heard("x-upstream: b\r\n"));
    again();
    for (int i = 0; i < 50; i++)
        expect_asked(M, "b"); /* though it is to get a tenth only */
    end_sick();
}

static void a_client_that_leaves_gives_the_trial_to_the_next(void)
{
    begin_health();
    break_a();
    wait_for(f.settings.circuit.open_ms + f.settings.circuit.open_ms / 5);
    ask(M);
    EXPECT_Z(asked(), "a");
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    turn(f.l);
    wire_free(&f.w);
    open_wire(&f.w);
    again();
    expect_asked(M, "a");
    wait_for(f.settings.circuit.slow_start_ms);
    expect_asked(M, "a");
    end_health();
}

/* Failures that are no fault of the target, and answers that are only long. */
static void what_is_not_its_fault_does_not_count(void)
{
    static const enum failure_kind kinds[] = { FAILURE_BAD_REQUEST, FAILURE_QUOTA,
                                               FAILURE_UPSTREAM_AUTH, FAILURE_QUEUE_TIMEOUT,
                                               FAILURE_CONTEXT_LENGTH };
    struct health_problem p;

    begin_health();
    for (size_t i = 0; i < 10 * COUNT_OF(kinds); i++) {
        struct failure e = failure_of(kinds[i % COUNT_OF(kinds)]);

        ask(ALONE);
        error(&e);
        again();
    }
    for (int i = 0; i < 2 * HEALTH_LEAST; i++) {
        ask(ALONE);
        for (int64_t ms = 0; ms < f.settings.request_timeout_ms; ms += 60000) {
            text("more ");
            pass(60000);
        }
        EXPECT(heard("API_REQUEST_TIMEOUT"));
        again();
    }
    EXPECT(!health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    end_health();
}

/* The first two used the time up: a whole answer of theirs has as long as the first word of a
 * stream, since there is another. */
static void the_last_is_not_blamed_for_the_time_of_those_before(void)
{
    struct health_problem p;

    begin_health();
    f.settings.circuit.window_ms = 100 * f.settings.request_timeout_ms;
    for (size_t i = 0; i < 3; i++)
        f.providers[i].capabilities = PROVIDER_LATE;
    for (int i = 0; i < HEALTH_LEAST; i++) {
        int64_t left = f.settings.request_timeout_ms - 2 * f.settings.first_token_timeout_ms;

        ask(M);
        for (unsigned n = 1; n < 3; n++) {
            EXPECT_INT(f.n_calls, n);
            phase(PHASE_SENT);
            pass(f.settings.first_token_timeout_ms - 1);
            EXPECT_INT(f.n_calls, n);
            pass(1);
        }
        EXPECT_INT(f.n_calls, 3);
        phase(PHASE_SENT);
        pass(left);
        EXPECT(heard("API_REQUEST_TIMEOUT"));
        EXPECT(heard("x-upstream: c\r\n"));
        again();
    }
    EXPECT(health_problem_at(f.gateway.health, loop_now_ms(f.l), 1, &p));
    EXPECT(!health_problem_at(f.gateway.health, loop_now_ms(f.l), 2, &p));
    end_sick();
}

static const struct test suite[] = {
    { "the last is not blamed for the time of those before",
      the_last_is_not_blamed_for_the_time_of_those_before },
    { "the sick one is passed over", the_sick_one_is_passed_over },
    { "the only one is always asked", the_only_one_is_always_asked },
    { "a sick one is asked before there is an error",
      a_sick_one_is_asked_before_there_is_an_error },
    { "where all are sick each is asked once", where_all_are_sick_each_is_asked_once },
    { "one that answers again goes before those that do not",
      one_that_answers_again_goes_before_those_that_do_not },
    { "a client that leaves gives the trial to the next",
      a_client_that_leaves_gives_the_trial_to_the_next },
    { "what is not its fault does not count", what_is_not_its_fault_does_not_count },
};

TEST_MAIN(suite)
