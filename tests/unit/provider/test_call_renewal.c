/* SPDX-License-Identifier: Apache-2.0 */
/* Second tries: with a new token, on a new chat, and where there must be none. */
#include "call_rig.h"
#include "test.h"

static void a_stream_that_ends_while_the_token_is_renewed_is_opened_again(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, 401, "{}");
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    fake_say(&r.fake, FAKE_TOKEN, 0, NULL);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].held);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    EXPECT(r.fake.socket != NULL);
    websocket_abort(r.fake.socket, false);
    r.fake.socket = NULL;
    RUN_UNTIL(r.loop, metric_get(METRIC_UPSTREAM_WEBSOCKETS) == 0);
    EXPECT(!watch_is_over(&w));
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.message, "");
    EXPECT(w.is_finished);
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    leave(&w);
    rig_end(&r);
}

/* Neither a 401 nor a 404 of the browser check says anything of token or chat. */
static void a_browser_check_is_no_reason_for_a_second_try(void)
{
    static const int statuses[] = { 401, 404 };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        ANSWERED(&r, &w, "u:Hi");
        fake_reset(&r.fake, FAKE_POST);
        fake_say_header(&r.fake, FAKE_POST, statuses[i], "cf-mitigated", "challenge");
        FAILED(&r, &w, FAILURE_CHALLENGE, "u:Hi", "a:Hello, world", "u:More");
        EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
        EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 1);
        EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
        rig_end(&r);
    }
}

enum { FILLERS = 8 };

/* From now on nobody gets a connection: the queue of those not accepted is full. */
static void take_no_more(struct fake *f, int fillers[FILLERS])
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(f->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    listener_free(f->listener);
    f->listener = NULL;
    run_turn_now(f->loop);
    EXPECT_INT(listen(f->fd, 0), 0);
    for (size_t i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        EXPECT(fillers[i] >= 0);
        EXPECT(!connect(fillers[i], (struct sockaddr *)&to, sizeof(to)) || errno == EINPROGRESS);
    }
}

static void a_connection_that_times_out_is_not_tried_twice(void)
{
    int fillers[FILLERS];
    struct fake api;
    struct rig r;
    struct watch w;

    rig_open(&r);
    fake_start(&api, r.loop);
    r.config.api.endpoint.port = api.port;
    rig_attach(&r);
    loop_clock_set(r.loop, 1000);
    fake_say(&api, FAKE_STREAM, FAKE_HOLD, NULL);
    fake_say(&api, FAKE_BILLING, FAKE_DROP, NULL); /* no connection is left to be used again */
    fake_say(&api, FAKE_ADAPTERS, FAKE_DROP, NULL);
    START(&r, &w, "u:Hi");
    while (!api.at[FAKE_STREAM].held || !api.at[FAKE_BILLING].count || !api.at[FAKE_ADAPTERS].count)
        run_turn(r.loop);
    take_no_more(&api, fillers);
    fake_let_go(&api, FAKE_STREAM, 0);
    RUN_UNTIL(r.loop, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_UNSENT);
    loop_clock_set(r.loop, 1000 + RIG_TIMEOUT_MS + 1);
    RUN_UNTIL(r.loop, watch_is_over(&w)); /* the clock stands still: one time-out is all */
    EXPECT(w.is_failed);
    EXPECT_INT(w.failure.kind, FAILURE_UPSTREAM_TIMEOUT);
    EXPECT_INT(api.at[FAKE_POST].count, 0);
    leave(&w);
    for (size_t i = 0; i < FILLERS; i++)
        close(fillers[i]);
    fake_stop(&api);
    rig_end(&r);
}

static void a_binary_message_is_no_part_of_the_answer(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[2] = NULL;
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts == 1);
    EXPECT(!websocket_send(r.fake.socket, false, STR(CHAT("m1", " and evil"))));
    EXPECT(!websocket_send(r.fake.socket, false, STR(IDLE)));
    EXPECT(!websocket_send(r.fake.socket, true, STR(CHAT("m1", ", world"))));
    EXPECT(!websocket_send(r.fake.socket, true, STR(IDLE)));
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    EXPECT_Z(w.text, "Hello, world");
    leave(&w);
    rig_end(&r);
}

/* The ids that were heard on the lost chat's stream may come again on the new one. */
static void a_new_chat_begins_without_what_the_old_one_said(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    fake_reset(&r.fake, FAKE_POST);
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    r.fake.baseline[0] = CHAT("m1", "Hello, world");
    START(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    r.fake.baseline[0] = NULL;
    fake_let_go(&r.fake, FAKE_POST, 404);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT_Z(w.message, "");
    EXPECT(w.is_finished);
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    leave(&w);
    rig_end(&r);
}

static const struct test suite[] = {
    { "a stream that ends while the token is renewed is opened again",
      a_stream_that_ends_while_the_token_is_renewed_is_opened_again },
    { "a browser check is no reason for a second try",
      a_browser_check_is_no_reason_for_a_second_try },
    { "a connection that times out is not tried twice",
      a_connection_that_times_out_is_not_tried_twice },
    { "a binary message is no part of the answer", a_binary_message_is_no_part_of_the_answer },
    { "a new chat begins without what the old one said",
      a_new_chat_begins_without_what_the_old_one_said },
};

TEST_MAIN(suite)
