/* SPDX-License-Identifier: Apache-2.0 */
/* Relays with targets that fail too often: they count, and are passed over as long as there are
 * others. */
#include "flow_relay.h"

static void begin_health(void)
{
    begin_relays();
    f.settings.circuit.window_ms = 1000 * f.settings.request_timeout_ms;
    f.gateway.health = health_new();
}

static void end_health(void)
{
    struct health_problem p;

    pass(HEALTH_FORGET_MS);
    EXPECT(!health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    health_free(f.gateway.health);
    f.gateway.health = NULL;
    end_relays();
}

static bool is_sick(const char *target)
{
    struct health_problem p;

    for (size_t i = 0; health_problem_at(f.gateway.health, loop_now_ms(f.l), i, &p); i++)
        if (strcmp(p.target, target) == 0)
            return true;
    return false;
}

#define ALONE_REQUEST HEAD("/v1/embeddings", "Content-Length: 17\r\n") "{\"model\":\"alone\"}"

static void ask_alone(void)
{
    if (f.w.is_closed) {
        wire_free(&f.w);
        open_wire(&f.w);
    }
    wire_clear(&f.w);
    n_calls = 0;
    EXPECT(wire_feed_z(&f.w, ALONE_REQUEST));
    turn(f.l);
    EXPECT_INT(n_calls, 1);
    attempt();
}

static void break_a(void)
{
    for (int i = 0; i < HEALTH_LEAST; i++) {
        EXPECT(!is_sick("a/ma"));
        ask_alone();
        relay_fails(FAILURE_UNAVAILABLE, false);
    }
    EXPECT(is_sick("a/ma"));
    wire_clear(&f.w);
    n_calls = 0;
}

static void a_sick_target_is_passed_over(void)
{
    begin_health();
    break_a();
    send_small();
    EXPECT(newest()->instance == &f.instances[1]);
    EXPECT_Z(newest()->first, "{\"input\":\"x\",\"model\":\"mb\"}");
    relay_fails(FAILURE_RATE_LIMIT, false);
    EXPECT_INT(n_calls, 2); /* before there is an error it is asked, and is well again */
    EXPECT(newest()->instance == &f.instances[0]);
    attempt();
    answer_head(HTTP_BODY_LENGTH, 0);
    relay_ends(NULL, false);
    pass(f.settings.circuit.slow_start_ms);
    EXPECT(!is_sick("a/ma"));
    end_health();
}

static void where_all_are_sick_each_is_asked_once(void)
{
    begin_health();
    for (int i = 0; i < HEALTH_LEAST + 1; i++) {
        EXPECT_INT(is_sick("a/ma"), i == HEALTH_LEAST);
        wire_clear(&f.w);
        n_calls = 0;
        send_small();
        EXPECT(newest()->instance == &f.instances[0]);
        relay_fails(FAILURE_UNAVAILABLE, false);
        EXPECT_INT(n_calls, 2);
        EXPECT(newest()->instance == &f.instances[1]);
        attempt();
        relay_fails(FAILURE_UNAVAILABLE, false);
        turn(f.l);
        EXPECT_INT(n_calls, 2);
        expect_refusal(502, "upstream_unavailable");
    }
    end_health();
}

/* The first one's silence leaves the second hardly any time. */
static void the_second_is_not_blamed_for_the_time_of_the_first(void)
{
    begin_health();
    for (int i = 0; i < HEALTH_LEAST; i++) {
        if (f.w.is_closed) {
            wire_free(&f.w);
            open_wire(&f.w);
        }
        wire_clear(&f.w);
        n_calls = 0;
        send_small();
        pass(f.settings.request_timeout_ms - 1000);
        relay_fails(FAILURE_UNAVAILABLE, false);
        EXPECT_INT(n_calls, 2);
        attempt();
        pass(1000);
        EXPECT(has(wire_str(&f.w), "API_REQUEST_TIMEOUT"));
    }
    EXPECT(is_sick("a/ma"));
    EXPECT(!is_sick("b/mb"));
    end_health();
}

static void a_failure_at_one_target_counts_there(void)
{
    begin_health();
    for (int i = 0; i < HEALTH_LEAST; i++) {
        EXPECT(!is_sick("a/ma"));
        wire_clear(&f.w);
        n_calls = 0;
        send_small();
        relay_fails(FAILURE_UNAVAILABLE, false);
        EXPECT_INT(n_calls, 2);
        attempt();
        answer_head(HTTP_BODY_LENGTH, 0);
        relay_ends(NULL, false);
    }
    EXPECT(is_sick("a/ma"));
    end_health();
}

/* The client's ways to end it, its own mistakes, and answers that only take long. */
static void what_is_not_its_fault_does_not_count(void)
{
    enum { WAYS = 5 };

    begin_health();
    for (int i = 0; i < 2 * WAYS * HEALTH_LEAST; i++) {
        ask_alone();
        if (i % WAYS == 0) {
            relay_fails(FAILURE_BAD_REQUEST, false);
        } else if (i % WAYS == 1) {
            relay_fails(FAILURE_UPSTREAM_AUTH, false);
        } else if (i % WAYS == 2) {
            EXPECT(wire_end(&f.w, ERR_RESET));
        } else {
            answer_head(HTTP_BODY_CHUNKED, 0);
            answer_body("a");
            if (i % WAYS == 3)
                EXPECT(wire_end(&f.w, ERR_RESET));
            else
                pass(f.settings.request_timeout_ms);
        }
        turn(f.l);
        EXPECT(!is_sick("a/ma"));
    }
    end_health();
}

static void a_client_that_is_slow_is_no_fault_of_the_target(void)
{
    begin_health();
    for (int i = 0; i < 2 * HEALTH_LEAST; i++) {
        if (f.w.is_closed) {
            wire_free(&f.w);
            open_wire(&f.w);
        }
        wire_clear(&f.w);
        n_calls = 0;
        send_big(); /* the rest of its body never comes */
        pass(f.settings.request_timeout_ms);
        EXPECT(newest()->is_released);
        if (!f.w.is_closed)
            EXPECT(wire_end(&f.w, ERR_RESET));
        turn(f.l);
        EXPECT(!is_sick("a/ma"));
    }
    for (int i = 0; i < HEALTH_LEAST; i++) {
        EXPECT(!is_sick("a/ma"));
        ask_alone();
        pass(f.settings.request_timeout_ms);
    }
    EXPECT(is_sick("a/ma"));
    end_health();
}

static void without_a_model_there_is_no_circuit(void)
{
    begin_health();
    for (int i = 0; i < 2 * HEALTH_LEAST; i++) {
        struct health_problem p;

        wire_clear(&f.w);
        n_calls = 0;
        EXPECT(wire_feed_z(&f.w, "GET /files/a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        EXPECT_INT(n_calls, 1);
        relay_fails(FAILURE_UNAVAILABLE, false);
        turn(f.l);
        EXPECT(!health_problem_at(f.gateway.health, loop_now_ms(f.l), 0, &p));
    }
    end_health();
}

static const struct test suite[] = {
    { "a sick target is passed over", a_sick_target_is_passed_over },
    { "where all are sick each is asked once", where_all_are_sick_each_is_asked_once },
    { "the second is not blamed for the time of the first",
      the_second_is_not_blamed_for_the_time_of_the_first },
    { "a failure at one target counts there", a_failure_at_one_target_counts_there },
    { "what is not its fault does not count", what_is_not_its_fault_does_not_count },
    { "a client that is slow is no fault of the target",
      a_client_that_is_slow_is_no_fault_of_the_target },
    { "without a model there is no circuit", without_a_model_there_is_no_circuit },
};

TEST_MAIN(suite)
