/* SPDX-License-Identifier: Apache-2.0 */
/* The client may leave at any time: connections close at once, nothing is left, others go on. */
#include "call_rig.h"
#include "store/backend.h"
#include "test.h"

/* A store that holds an operation until the test lets it go. */
struct held_store {
    struct store store;
    struct store *real;
    bool is_holding;
    struct store_op *held;
};

static void held_run(struct store *s, void *port, struct store_op *op)
{
    struct held_store *h = CONTAINER_OF(s, struct held_store, store);

    if (h->is_holding && op->port && op->keys[0].space == STORE_TIP)
        h->held = op;
    else
        h->real->backend->run(h->real, port, op);
}

static void held_close(struct store *s)
{
    store_deinit(s);
    store_close(CONTAINER_OF(s, struct held_store, store)->real);
}

static const struct store_backend held_backend = { .name = "held",
                                                   .run = held_run,
                                                   .close = held_close };

static void hold_store(struct rig *r, struct held_store *h)
{
    *h = (struct held_store){ .real = r->store };
    store_init(&h->store, &held_backend);
    r->store = &h->store;
}

static void let_go(struct held_store *h)
{
    h->is_holding = false;
    h->real->backend->run(h->real, NULL, h->held);
}

/* The rig serves the next one as if nothing had been. */
static void expect_as_new(struct rig *r)
{
    struct watch w;

    RUN_UNTIL(r->loop, !r->fake.socket);
    for (enum fake_place p = 0; p < FAKE_PLACES; p++) {
        RUN_UNTIL(r->loop, !r->fake.at[p].held);
        fake_reset(&r->fake, p);
    }
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    r->fake.frames[3] = IDLE;
    r->fake.has_prompt = false;
    ANSWERED(r, &w, "u:Still there?");
    EXPECT_Z(w.text, "Hello, world");
}

static void leaving_before_the_first_turn_leaves_nothing(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    START(&r, &w, "u:Hi");
    leave(&w);
    run_turn_now(r.loop);
    EXPECT_INT(w.n_phases, 0);
    EXPECT_INT(r.fake.at[FAKE_CLIENT].count, 0);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_the_queue_leaves_nothing(void)
{
    struct rig r;
    struct watch first;
    struct watch second;

    rig_open(&r);
    r.config.max_parallel = 1;
    rig_attach(&r);
    fake_say(&r.fake, FAKE_STREAM, FAKE_HOLD, NULL);
    START(&r, &first, "u:Hi");
    START(&r, &second, "u:Ho");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_STREAM].held); /* the task has not begun */
    EXPECT_INT(second.n_phases, 1);
    leave(&second);
    leave(&first);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_just_when_the_lease_comes_leaves_nothing(void)
{
    struct rig r;
    struct watch first;
    struct watch second;

    rig_open(&r);
    r.config.max_parallel = 1;
    rig_attach(&r);
    fake_say(&r.fake, FAKE_STREAM, FAKE_HOLD, NULL);
    START(&r, &first, "u:Hi");
    START(&r, &second, "u:Ho");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_STREAM].held); /* the task has not begun */
    leave(&first);                                  /* calls the second, whose mail is under way */
    leave(&second);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_a_held_request_leaves_nothing(void)
{
    static const enum fake_place places[] = { FAKE_STREAM, FAKE_POST };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        fake_say(&r.fake, places[i], FAKE_HOLD, NULL);
        START(&r, &w, "u:Hi");
        RUN_UNTIL(r.loop, r.fake.at[places[i]].held);
        leave(&w);
        expect_as_new(&r);
        rig_end(&r);
    }
}

/* The refresh goes on without who asked for it. */
static void leaving_while_the_token_is_fetched_leaves_nothing(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].held);
    leave(&w);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    fake_let_go(&r.fake, FAKE_TOKEN, 0);
    expect_as_new(&r);
    EXPECT_INT(r.fake.at[FAKE_TOKEN].count, 0);
    rig_end(&r);
}

static void leaving_while_the_chat_is_looked_for_leaves_nothing(void)
{
    struct held_store h;
    struct rig r;
    struct watch w;

    rig_open(&r);
    hold_store(&r, &h);
    rig_attach(&r);
    h.is_holding = true;
    START(&r, &w, "u:Hi", "a:Ho", "u:More");
    RUN_UNTIL(r.loop, h.held);
    leave(&w);
    let_go(&h);
    expect_as_new(&r);
    rig_end(&r);
}

static void a_claim_that_comes_too_late_goes_back(void)
{
    struct rig r;
    struct watch w;
    char first[512];

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    START(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    w.leave_in_phase = PHASE_CONNECTING; /* the claim begins right behind it */
    RUN_UNTIL(r.loop, !w.call);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_POSTED(&r, "chatHistoryId", first);
    START(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:Yet");
    w.leave_in_phase = PHASE_UNSENT;
    RUN_UNTIL(r.loop, !w.call);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:Yet");
    EXPECT_POSTED(&r, "chatHistoryId", first);
    rig_end(&r);
}

static void leaving_a_running_answer_closes_its_stream(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    r.fake.frames[3] = NULL;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts == 2);
    leave(&w);
    RUN_UNTIL(r.loop, r.fake.n_ended == 1);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_a_known_chat_that_replays_leaves_nothing(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    r.fake.baseline[0] = IDLE;
    START(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    RUN_UNTIL(r.loop, w.n_activity > 0);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    leave(&w);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_inside_any_callback_leaves_nothing(void)
{
    enum { PHASES = 6, EVENTS = 3 };
    static const int events[EVENTS] = { CHAT_TEXT, CHAT_REASONING, CHAT_FINISH };

    for (int i = 0; i <= PHASES + EVENTS; i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        r.fake.frames[1] = THINKING("m0", "Hm.");
        START(&r, &w, "u:Hi");
        if (i < PHASES)
            w.leave_in_phase = i;
        else if (i < PHASES + EVENTS)
            w.leave_in_event = events[i - PHASES];
        else
            w.leave_in_activity = true;
        RUN_UNTIL(r.loop, !w.call);
        r.fake.frames[1] = CHAT("m1", "Hello");
        expect_as_new(&r);
        rig_end(&r);
    }
}

static void leaving_inside_a_failure_leaves_nothing(void)
{
    static const enum fake_place places[] = { FAKE_CLIENT, FAKE_TOKEN, FAKE_STREAM, FAKE_POST };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct rig r;
        struct watch w;

        rig_start(&r);
        fake_say(&r.fake, places[i], 500, "{}");
        START(&r, &w, "u:Hi");
        w.leave_in_event = CHAT_ERROR;
        RUN_UNTIL(r.loop, !w.call);
        EXPECT(w.is_failed);
        expect_as_new(&r);
        rig_end(&r);
    }
}

static void a_settlement_that_has_begun_completes_without_its_client(void)
{
    struct held_store h;
    struct rig r;
    struct watch w;

    rig_open(&r);
    hold_store(&r, &h);
    rig_attach(&r);
    h.is_holding = true;
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, watch_is_over(&w));
    provider_enginelabs.settle(w.call, SETTLE_EXACT, &(struct fingerprint_said){ .text = w.said },
                               on_watch_settled);
    EXPECT(h.held != NULL);
    leave(&w);
    let_go(&h);
    run_turn_now(r.loop);
    EXPECT(!w.is_settled);
    expect_as_new(&r);
    rig_end(&r);
}

static void leaving_right_after_a_settlement_without_a_tip_leaves_nothing(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, watch_is_over(&w));
    provider_enginelabs.settle(w.call, SETTLE_DIVERGED, NULL, on_watch_settled);
    leave(&w);
    run_turn_now(r.loop);
    EXPECT(!w.is_settled);
    expect_as_new(&r);
    rig_end(&r);
}

static const struct test suite[] = {
    { "leaving before the first turn leaves nothing",
      leaving_before_the_first_turn_leaves_nothing },
    { "leaving the queue leaves nothing", leaving_the_queue_leaves_nothing },
    { "leaving just when the lease comes leaves nothing",
      leaving_just_when_the_lease_comes_leaves_nothing },
    { "leaving a held request leaves nothing", leaving_a_held_request_leaves_nothing },
    { "leaving while the token is fetched leaves nothing",
      leaving_while_the_token_is_fetched_leaves_nothing },
    { "leaving while the chat is looked for leaves nothing",
      leaving_while_the_chat_is_looked_for_leaves_nothing },
    { "a claim that comes too late goes back", a_claim_that_comes_too_late_goes_back },
    { "leaving a running answer closes its stream", leaving_a_running_answer_closes_its_stream },
    { "leaving a known chat that replays leaves nothing",
      leaving_a_known_chat_that_replays_leaves_nothing },
    { "leaving inside any callback leaves nothing", leaving_inside_any_callback_leaves_nothing },
    { "leaving inside a failure leaves nothing", leaving_inside_a_failure_leaves_nothing },
    { "a settlement that has begun completes without its client",
      a_settlement_that_has_begun_completes_without_its_client },
    { "leaving right after a settlement without a tip leaves nothing",
      leaving_right_after_a_settlement_without_a_tip_leaves_nothing },
};

TEST_MAIN(suite)
