/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that leave in every state, slow clients, and memory that runs out. */
#include "openai_rig.h"

static struct rig r;
static struct watch w;

/* ---- leaving ---- */

static void is_released_in_every_phase(void)
{
    for (int phase = PHASE_QUEUED; phase <= PHASE_ANSWERING; phase++) {
        for (unsigned stream = 0; stream < 2; stream++) {
            rig_start(&r);
            SAY(&r.up, UP_CHAT, .body = stream ? hello : "{\"choices\":[{}]}");
            watch_init(&w, &r);
            w.leave_in_phase = phase == PHASE_UNSENT ? PHASE_SENT : phase;
            watch_start(&w, ASK_STREAM, stream);
            RUN_UNTIL(r.loop, watch_is_over(&w));
            EXPECT(!w.call);
            EXPECT_INT(w.n_events, 0);
            watch_end(&w);
            rig_end(&r);
        }
    }
}

static void is_released_inside_every_event(void)
{
    static const struct {
        enum chat_event_type type;
        const char *body;
        bool raw;
    } rows[] = {
        { CHAT_RAW, hello, true },
        { CHAT_TEXT, hello, false },
        { CHAT_USAGE, hello, true },
        { CHAT_FINISH, hello, true },
        { CHAT_ERROR, "data: x\n\n", true },
        { CHAT_REASONING, EVENT(CHOICE("\"reasoning\":\"a\"")), false },
        { CHAT_TOOL_CALL, EVENT(CHOICE("\"tool_calls\":[{},{}]")), false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .body = rows[i].body);
        watch_init(&w, &r);
        w.leave_in_event = (int)rows[i].type;
        watch_start(&w, rows[i].raw ? ASK_STREAM : NULL, true);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT(!w.call);
        watch_end(&w);
        rig_end(&r);
    }
}

static void is_released_while_it_waits(void)
{
    for (unsigned turns = 0; turns < 12; turns++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .end = UP_HOLD);
        watch_init(&w, &r);
        watch_start(&w, ASK_STREAM, true);
        for (unsigned i = 0; i < turns; i++)
            run_turn_now(r.loop);
        leave(&w);
        watch_end(&w);
        rig_end(&r);
    }
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    watch_init(&w, &r);
    w.leave_in_activity = true;
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    watch_end(&w);
    rig_end(&r);
}

/* The upstream sees at once that nobody listens any more. */
static void closes_the_connection_when_it_is_released(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = EVENT(CHOICE("\"content\":\"a\"")), .end = UP_OPEN);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.seen.n > 0);
    leave(&w);
    RUN_UNTIL(r.loop, r.up.at[UP_CHAT].is_gone);
    EXPECT_INT(http_client_idle(r.client), 0);
    watch_end(&w);
    rig_end(&r);
}

static void is_released_when_it_is_whole(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT(w.is_finished);
    leave(&w);
    watch_end(&w);
    rig_end(&r);
}

/* ---- slow clients ---- */

#define AB_END "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n"
#define AB "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n"

static void holds_events_while_paused(void)
{
    static const char many[] = "data: " AB "\ndata: " AB "\ndata: " AB_END "\n" DONE;

    for (unsigned raw = 0; raw < 2; raw++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .body = many);
        watch_init(&w, &r);
        w.pauses = true;
        watch_start(&w, raw ? ASK_STREAM : NULL, true);
        RUN_UNTIL(r.loop, w.seen.n > 0);
        for (unsigned i = 0; i < 20; i++)
            run_turn_now(r.loop);
        EXPECT_STR(buf_str(&w.seen), raw ? AB : "a");
        w.pauses = true; /* again inside the next */
        provider_openai.resume(w.call);
        EXPECT_STR(buf_str(&w.seen), raw ? AB : "a");
        RUN_UNTIL(r.loop, !w.pauses);
        for (unsigned i = 0; i < 20; i++)
            run_turn_now(r.loop);
        EXPECT_STR(buf_str(&w.seen), raw ? AB AB : "aa");
        EXPECT(!w.is_finished);
        provider_openai.resume(w.call);
        provider_openai.pause(w.call);
        provider_openai.resume(w.call);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT(w.is_finished);
        EXPECT_STR(buf_str(&w.seen), raw ? AB AB AB_END : "aaa");
        watch_end(&w);
        rig_end(&r);
    }
}

/* What the client does not take is not read: the upstream feels it. */
/* It is one by its event's name only, which is kept with it. */
static void an_error_that_was_held_is_still_one(void)
{
    static const char failing[] =
        "data: " AB "\nevent: error\ndata: {\"message\":\"boom\"}\n\n" DONE;

    for (unsigned raw = 0; raw < 2; raw++) {
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .body = failing);
        watch_init(&w, &r);
        w.pauses = true;
        watch_start(&w, raw ? ASK_STREAM : NULL, true);
        RUN_UNTIL(r.loop, w.seen.n > 0);
        for (unsigned i = 0; i < 20; i++)
            run_turn_now(r.loop);
        EXPECT(!w.is_failed);
        provider_openai.resume(w.call);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
        EXPECT(strstr(w.text, "\"boom\"") != NULL);
        EXPECT_STR(buf_str(&w.seen), raw ? AB : "a");
        watch_end(&w);
        rig_end(&r);
    }
}

static void reads_no_more_while_paused(void)
{
    enum { PIECE = 100000, PIECES = 400 };
    char *piece = mem_alloc(PIECE + 64);
    unsigned sent = 0;

    snprintf(piece, 64, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    memset(piece + strlen(piece), 'x', PIECE);
    snprintf(piece + strlen(piece), 16, "\"}}]}\n\n");
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = EVENT(CHOICE("\"content\":\"a\"")), .end = UP_OPEN);
    watch_init(&w, &r);
    w.pauses = true;
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.seen.n > 0);
    while (!http_reply_is_full(r.up.at[UP_CHAT].held) && sent < PIECES) {
        up_more(&r.up, piece);
        sent++;
        for (unsigned i = 0; i < 5; i++)
            run_turn_now(r.loop);
    }
    EXPECT(sent < PIECES);
    EXPECT(mem_budget_used() < (size_t)8 << 20);
    EXPECT(w.seen.n < 200);
    provider_openai.resume(w.call);
    up_more(&r.up, EVENT(FINISHED("stop")) DONE);
    up_end(&r.up, false);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    EXPECT_INT(w.said.n, 1 + (size_t)sent * PIECE);
    watch_end(&w);
    rig_end(&r);
    mem_free(piece);
}

static void an_end_waits_for_what_is_held(void)
{
    static const char *const ends[] = { EVENT(FINISHED("stop")) DONE, "", "data: nonsense\n\n",
                                        EVENT("{\"error\":{\"message\":\"x\"}}") };

    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char body[512];

        snprintf(body, sizeof(body), "data: %s\ndata: %s\n%s", AB, AB, ends[i]);
        rig_start(&r);
        SAY(&r.up, UP_CHAT, .body = body);
        watch_init(&w, &r);
        w.pauses = true;
        watch_start(&w, ASK_STREAM, true);
        RUN_UNTIL(r.loop, w.seen.n > 0);
        for (unsigned k = 0; k < 20 && !w.is_failed; k++)
            run_turn_now(r.loop);
        if (!w.is_failed)
            provider_openai.resume(w.call);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_INT(w.is_finished, i == 0);
        watch_end(&w);
        rig_end(&r);
    }
}

static void is_released_while_paused(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    watch_init(&w, &r);
    w.pauses = true;
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.seen.n > 0);
    leave(&w);
    watch_end(&w);
    watch_init(&w, &r);
    w.pauses = true;
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.seen.n > 0);
    provider_openai.resume(w.call);
    leave(&w);
    watch_end(&w);
    rig_end(&r);
}

/* ---- memory ---- */

static void survives_every_failed_allocation(void)
{
    for (unsigned raw = 0; raw < 2; raw++) {
        bool is_finished = false;

        for (uint64_t n = 1; !is_finished; n++) {
            EXPECT(n < 500);
            rig_start(&r);
            SAY(&r.up, UP_CHAT, .body = hello);
            watch_init(&w, &r);
            mem_fail_nth(n);
            watch_start(&w, raw ? ASK_STREAM : NULL, true);
            for (unsigned i = 0; i < 2000 && !watch_is_over(&w); i++)
                run_turn_now(r.loop);
            mem_fail_nth(0);
            is_finished = w.is_finished;
            EXPECT(is_finished || w.is_failed);
            if (w.is_finished)
                EXPECT(w.said.n == 5 || !raw);
            watch_end(&w);
            rig_end(&r);
        }
    }
}

static const struct test suite[] = {
    { "is released in every phase", is_released_in_every_phase },
    { "is released inside every event", is_released_inside_every_event },
    { "is released while it waits", is_released_while_it_waits },
    { "closes the connection when it is released", closes_the_connection_when_it_is_released },
    { "is released when it is whole", is_released_when_it_is_whole },
    { "holds events while paused", holds_events_while_paused },
    { "an error that was held is still one", an_error_that_was_held_is_still_one },
    { "reads no more while paused", reads_no_more_while_paused },
    { "an end waits for what is held", an_end_waits_for_what_is_held },
    { "is released while paused", is_released_while_paused },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
