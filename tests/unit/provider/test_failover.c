/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a call when the service refuses it: another account, another try, or the end. */
#include "call_rig.h"

/* Two accounts; whose turn it is tells the cookie of the answer stream. */
static void begin_two(struct rig *r)
{
    rig_open(r);
    r->config.max_parallel = 2;
    rig_add_account(r, "spare", "__client=second");
    rig_attach(r);
}

static bool is_by(struct rig *r, const char *cookie)
{
    return strstr(r->fake.at[FAKE_STREAM].cookie, cookie);
}

/* One refusal, then good. */
static void say_once(struct rig *r, enum fake_place place, int status, const char *retry_after)
{
    if (retry_after)
        fake_say_header(&r->fake, place, status, "Retry-After", retry_after);
    else
        fake_say(&r->fake, place, status, "{}");
    fake_say(&r->fake, place, 0, NULL);
}

static void expect_moves(int status, const char *retry_after)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    say_once(&r, FAKE_POST, status, retry_after);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_Z(w.text, "Hello, world");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    EXPECT(is_by(&r, "second"));
    for (int i = 0; i < 3; i++) { /* the first one rests */
        ANSWERED(&r, &w, "u:Hi again");
        EXPECT(is_by(&r, "second"));
    }
    rig_end(&r);
}

static void a_limit_moves_on_to_the_next_account(void)
{
    expect_moves(429, NULL);
    expect_moves(429, "30");
}

static void what_the_plan_does_not_cover_moves_on(void)
{
    expect_moves(402, NULL);
    expect_moves(403, NULL);
}

static void expect_shortest(const char *first, const char *second)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    fake_say_header(&r.fake, FAKE_POST, 429, "Retry-After", first);
    fake_say_header(&r.fake, FAKE_POST, 429, "Retry-After", second);
    FAILED(&r, &w, FAILURE_QUOTA, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    EXPECT_INT(w.failure.retry_after_ms, 20000);
    FAILED(&r, &w, FAILURE_QUOTA, "u:Hi"); /* nobody is asked again meanwhile */
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    EXPECT(w.failure.retry_after_ms > 15000 && w.failure.retry_after_ms <= 22000);
    rig_end(&r);
}

static void a_limit_of_all_accounts_is_told_with_the_shortest_wait(void)
{
    expect_shortest("100", "20");
    expect_shortest("20", "100");
}

/* Refused even with a fresh token: that account is not trusted, the other one answers. */
static void a_refused_sign_in_moves_on(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    fake_say(&r.fake, FAKE_POST, 401, "{}");
    say_once(&r, FAKE_POST, 401, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 3);
    EXPECT(is_by(&r, "second"));
    rig_end(&r);
}

static void an_account_that_is_signed_out_moves_on(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    say_once(&r, FAKE_TOKEN, 401, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT(is_by(&r, "second"));
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void trouble_of_the_service_is_tried_again_in_a_new_chat(void)
{
    struct rig r;
    struct watch w;
    char before[512], after[512];

    begin_two(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", before);
    fake_reset(&r.fake, FAKE_POST);
    say_once(&r, FAKE_POST, 503, NULL);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    EXPECT(strcmp(before, posted(&r, "chatHistoryId", after)) != 0);
    EXPECT(strstr(r.fake.at[FAKE_POST].body, "Hi")); /* the whole transcript */
    rig_end(&r);
}

/* What the prompt did not reach stays as it was: the same chat goes on. */
static void trouble_before_the_prompt_keeps_the_chat(void)
{
    struct rig r;
    struct watch w;
    char before[512];

    begin_two(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", before);
    fake_reset(&r.fake, FAKE_STREAM);
    say_once(&r, FAKE_STREAM, 503, NULL);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_POSTED(&r, "chatHistoryId", before);
    EXPECT_POSTED(&r, "prompt", "More");
    rig_end(&r);
}

/* The conversation's own account is in trouble, the other one is not. */
static void the_last_try_is_another_accounts(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT(is_by(&r, "first"));
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 503, "{}");
    say_once(&r, FAKE_STREAM, 503, NULL);
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 3);
    EXPECT(is_by(&r, "second"));
    EXPECT(strstr(r.fake.at[FAKE_POST].body, "Hello, world"));
    rig_end(&r);
}

/* Its chat is of the other account: a new chat with all of the conversation. */
static void a_conversation_moves_with_its_transcript(void)
{
    struct rig r;
    struct watch w;
    char before[512], after[512];

    begin_two(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", before);
    EXPECT(is_by(&r, "first"));
    fake_reset(&r.fake, FAKE_POST);
    say_once(&r, FAKE_POST, 429, "60");
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT(is_by(&r, "second"));
    EXPECT(strcmp(before, posted(&r, "chatHistoryId", after)) != 0);
    EXPECT(strstr(r.fake.at[FAKE_POST].body, "Hello, world"));
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, world", "u:And?");
    EXPECT_POSTED(&r, "chatHistoryId", after);
    EXPECT_POSTED(&r, "prompt", "And?");
    rig_end(&r);
}

static void a_conversation_stays_with_its_account(void)
{
    struct rig r;
    struct watch w;
    char first[512];

    begin_two(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    ANSWERED(&r, &w, "u:Somebody else");
    EXPECT(is_by(&r, "second"));
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More");
    EXPECT(is_by(&r, "first"));
    EXPECT_POSTED(&r, "chatHistoryId", first);
    EXPECT_POSTED(&r, "prompt", "More");
    rig_end(&r);
}

static void what_no_account_can_help_is_told_at_once(void)
{
    static const struct {
        int status;
        enum failure_kind want;
    } rows[] = {
        { 413, FAILURE_CONTEXT_LENGTH },
        { 400, FAILURE_PROTOCOL },
        { 307, FAILURE_PROTOCOL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;
        struct watch w;

        begin_two(&r);
        fake_say(&r.fake, FAKE_POST, rows[i].status, "{}");
        FAILED(&r, &w, rows[i].want, "u:Hi");
        EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
        rig_end(&r);
    }
}

/* A browser check is asked of this network: other accounts would only meet it too. */
static void a_browser_check_is_told_at_once(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    fake_say_header(&r.fake, FAKE_POST, 403, "cf-mitigated", "challenge");
    FAILED(&r, &w, FAILURE_CHALLENGE, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void a_client_may_leave_during_the_pause(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    fake_say(&r.fake, FAKE_POST, 503, "{}");
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_QUEUED &&
                          r.fake.at[FAKE_POST].count == 1);
    leave(&w);
    rig_end(&r);
}

static void a_client_may_leave_when_it_is_told_of_another_try(void)
{
    struct rig r;
    struct watch w;

    begin_two(&r);
    fake_say(&r.fake, FAKE_POST, 429, "{}");
    watch_init(&w, &r);
    w.leave_in_phase_again = PHASE_QUEUED;
    watch_start(&w, (const char *const[]){ "u:Hi", NULL });
    RUN_UNTIL(r.loop, !w.call);
    rig_end(&r);
}

/* ---- leases of clients that left ---- */

static void begin_narrow(struct rig *r)
{
    rig_open(r);
    r->config.max_parallel = 1;
    r->fake.frames[2] = NULL; /* the task goes on */
    rig_attach(r);
    loop_clock_set(r->loop, loop_now_ms(r->loop));
}

static void leave_in_the_middle(struct rig *r, struct watch *w)
{
    START(r, w, "u:Hi");
    RUN_UNTIL(r->loop, w->n_texts > 0);
    leave(w);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
}

static void a_task_that_nobody_hears_keeps_its_lease_for_a_while(void)
{
    struct rig r;
    struct watch w, next;

    begin_narrow(&r);
    leave_in_the_middle(&r, &w);
    START(&r, &next, "u:Next");
    for (int i = 0; i < 50; i++)
        run_turn_now(r.loop);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    r.fake.at[FAKE_STREAM].n_lines = 0;
    fake_say(&r.fake, FAKE_STREAM, 404, "{}"); /* looking at it does not help */
    for (int i = 0; i < 119; i++) {
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
        for (int k = 0; k < 5; k++)
            run_turn_now(r.loop);
    }
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    fake_reset(&r.fake, FAKE_STREAM);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 2000);
    RUN_UNTIL(r.loop, next.n_texts > 0);
    leave(&next);
    rig_end(&r);
}

static void a_task_that_is_seen_idle_gives_its_lease_back(void)
{
    struct rig r;
    struct watch w, next;

    begin_narrow(&r);
    leave_in_the_middle(&r, &w);
    r.fake.baseline[0] = IDLE;
    START(&r, &next, "u:Next");
    for (int i = 0; i < 20; i++)
        run_turn_now(r.loop);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 1); /* not before a second has passed */
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
    RUN_UNTIL(r.loop, next.n_texts > 0);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    leave(&next);
    rig_end(&r);
}

static void nobody_looks_at_it_while_nobody_waits(void)
{
    struct rig r;
    struct watch w;

    begin_narrow(&r);
    leave_in_the_middle(&r, &w);
    for (int i = 0; i < 30; i++) {
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
        for (int k = 0; k < 5; k++)
            run_turn_now(r.loop);
    }
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 1);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    rig_end(&r);
}

/* A chat that is gone would not show that its task is over. */
static void a_chat_that_is_to_be_deleted_goes_when_its_task_is_over(void)
{
    struct rig r;
    struct watch w;

    rig_open(&r);
    r.config.max_parallel = 1;
    r.config.delete_chats = DELETE_AT_END;
    r.fake.frames[2] = NULL; /* the task goes on */
    rig_attach(&r);
    loop_clock_set(r.loop, loop_now_ms(r.loop));
    leave_in_the_middle(&r, &w);
    for (int i = 0; i < 5; i++) {
        loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
        for (int k = 0; k < 20; k++)
            run_turn_now(r.loop);
    }
    EXPECT_INT(r.fake.at[FAKE_DELETE].count, 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    RUN_UNTIL(r.loop, r.fake.socket);
    fake_send(r.fake.socket, (const char *const[FAKE_FRAMES]){ IDLE });
    RUN_UNTIL(r.loop, metric_get(METRIC_LEASES_DRAINING) == 0);
    loop_clock_set(r.loop, loop_now_ms(r.loop) + 1000);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_DELETE].count == 1);
    rig_end(&r);
}

static void pass(struct rig *r, int64_t ms)
{
    for (; ms > 0; ms -= 500) {
        loop_clock_set(r->loop, loop_now_ms(r->loop) + 500);
        for (int k = 0; k < 10; k++)
            run_turn_now(r->loop);
    }
}

/* The prompt may be worked on only after its chat was seen idle. */
static void an_idle_chat_says_little_of_a_prompt_that_nobody_answered(void)
{
    struct rig r;
    struct watch w, next;

    begin_narrow(&r);
    memset(r.fake.frames, 0, sizeof(r.fake.frames));
    fake_say(&r.fake, FAKE_POST, FAKE_HOLD, NULL);
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_phases > 0 && w.phases[w.n_phases - 1] == PHASE_SENT);
    RUN_UNTIL(r.loop, r.fake.at[FAKE_POST].held);
    leave(&w);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    r.fake.baseline[0] = IDLE;
    START(&r, &next, "u:Next");
    pass(&r, RIG_TIMEOUT_MS - 1000);
    EXPECT(r.fake.at[FAKE_STREAM].count > 1); /* it was looked at */
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    pass(&r, 2000);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0);
    leave(&next);
    rig_end(&r);
}

/* The service has one stream less to serve. */
static void a_task_is_looked_at_only_while_somebody_waits(void)
{
    struct rig r;
    struct watch w, next;

    begin_narrow(&r);
    r.fake.frames[2] = NULL; /* the task goes on */
    leave_in_the_middle(&r, &w);
    pass(&r, 2000);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    START(&r, &next, "u:Next");
    pass(&r, 2000);
    RUN_UNTIL(r.loop, metric_get(METRIC_UPSTREAM_WEBSOCKETS) == 1);
    leave(&next);
    pass(&r, 2000);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    rig_end(&r);
}

/* Whose task it is stays known when the token is not. */
static void a_task_drains_while_another_token_is_asked_for(void)
{
    struct rig r;
    struct watch w;

    rig_open(&r);
    r.config.max_parallel = 1;
    r.fake.frames[2] = NULL;
    rig_attach(&r);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts > 0);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 401, "{}");
    fake_reset(&r.fake, FAKE_TOKEN);
    fake_say(&r.fake, FAKE_TOKEN, FAKE_HOLD, NULL);
    websocket_abort(r.fake.socket, false); /* it is opened again, and refused */
    r.fake.socket = NULL;
    RUN_UNTIL(r.loop, r.fake.at[FAKE_TOKEN].held);
    leave(&w);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    rig_end(&r);
}

/* What /billing said may be older than the task. */
static void an_old_word_of_the_plan_ends_no_drain(void)
{
    static const char idle[] = "{\"taskCreditsLimit\":9,\"taskConcurrencyUsage\":0}";
    struct rig r;
    struct watch w;

    rig_open(&r);
    r.config.max_parallel = 1;
    r.config.max_parallel_is_set = true;
    r.fake.frames[2] = NULL;
    fake_say(&r.fake, FAKE_BILLING, FAKE_HOLD, idle);
    rig_attach(&r);
    START(&r, &w, "u:Hi");
    RUN_UNTIL(r.loop, w.n_texts > 0 && r.fake.at[FAKE_BILLING].held);
    leave(&w);
    http_reply(r.fake.at[FAKE_BILLING].held, 200, NULL, 0, str_of(idle));
    r.fake.at[FAKE_BILLING].held = NULL;
    for (int i = 0; i < 50; i++)
        run_turn_now(r.loop);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 1);
    rig_end(&r);
}

/* Nothing runs for a prompt that was refused, or an answer that is whole. */
static void only_tasks_that_may_run_drain(void)
{
    struct rig r;
    struct watch w;

    begin_narrow(&r);
    r.fake.frames[2] = IDLE;
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0);
    fake_reset(&r.fake, FAKE_POST);
    fake_say(&r.fake, FAKE_POST, 413, "{}");
    FAILED(&r, &w, FAILURE_CONTEXT_LENGTH, "u:Hi");
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0);
    rig_end(&r);
}

static const struct test suite[] = {
    { "a limit moves on to the next account", a_limit_moves_on_to_the_next_account },
    { "what the plan does not cover moves on", what_the_plan_does_not_cover_moves_on },
    { "a limit of all accounts is told with the shortest wait",
      a_limit_of_all_accounts_is_told_with_the_shortest_wait },
    { "a refused sign-in moves on", a_refused_sign_in_moves_on },
    { "an account that is signed out moves on", an_account_that_is_signed_out_moves_on },
    { "trouble of the service is tried again in a new chat",
      trouble_of_the_service_is_tried_again_in_a_new_chat },
    { "trouble before the prompt keeps the chat", trouble_before_the_prompt_keeps_the_chat },
    { "the last try is another account's", the_last_try_is_another_accounts },
    { "a conversation moves with its transcript", a_conversation_moves_with_its_transcript },
    { "a conversation stays with its account", a_conversation_stays_with_its_account },
    { "what no account can help is told at once", what_no_account_can_help_is_told_at_once },
    { "a browser check is told at once", a_browser_check_is_told_at_once },
    { "a client may leave during the pause", a_client_may_leave_during_the_pause },
    { "a client may leave when it is told of another try",
      a_client_may_leave_when_it_is_told_of_another_try },
    { "a task that nobody hears keeps its lease for a while",
      a_task_that_nobody_hears_keeps_its_lease_for_a_while },
    { "a task that is seen idle gives its lease back",
      a_task_that_is_seen_idle_gives_its_lease_back },
    { "nobody looks at it while nobody waits", nobody_looks_at_it_while_nobody_waits },
    { "a chat that is to be deleted goes when its task is over",
      a_chat_that_is_to_be_deleted_goes_when_its_task_is_over },
    { "an idle chat says little of a prompt that nobody answered",
      an_idle_chat_says_little_of_a_prompt_that_nobody_answered },
    { "a task is looked at only while somebody waits",
      a_task_is_looked_at_only_while_somebody_waits },
    { "a task drains while another token is asked for",
      a_task_drains_while_another_token_is_asked_for },
    { "an old word of the plan ends no drain", an_old_word_of_the_plan_ends_no_drain },
    { "only tasks that may run drain", only_tasks_that_may_run_drain },
};

TEST_MAIN(suite)
