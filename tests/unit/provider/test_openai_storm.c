/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls at an upstream that answers at random and a client that acts at random: whatever comes, a
 * call tells its end at most once, a cut answer is never whole, nothing aborts and nothing is left.
 */
#include "openai_rig.h"
#include "storm.h"

enum { ROUNDS = 1200, CALLS = 16, STEPS = 60 };

static const char *random_body(void)
{
    static const char *const bodies[] = {
        hello,
        hello,
        EVENT(CHOICE("\"content\":\"a\"")),
        EVENT(CHOICE("\"role\":\"assistant\"")),
        EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")),
        EVENT(CHOICE("\"tool_calls\":[{\"id\":\"c\"},{}]")) DONE,
        DONE,
        "data: nonsense\n\n",
        EVENT("{\"error\":{\"message\":\"x\"}}"),
        ": alive\n\n",
        "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
        "{\"error\":{\"code\":429}}",
        "",
    };

    return bodies[dice(COUNT_OF(bodies))];
}

static void script(struct upstream *u)
{
    static const int statuses[] = { 302, 400, 401, 402, 403, 404, 408, 429, 429, 500 };
    static const enum up_end ends[] = { UP_WHOLE, UP_WHOLE, UP_WHOLE, UP_CUT,
                                        UP_OPEN,  UP_DROP,  UP_HOLD };

    up_reset(u, UP_CHAT);
    for (unsigned n = 1 + dice(4); n > 0; n--)
        SAY(u, UP_CHAT, .status = dice(3) ? 0 : statuses[dice(COUNT_OF(statuses))],
            .end = ends[dice(COUNT_OF(ends))], .body = random_body(),
            .type = dice(4) ? NULL : "text/event-stream");
}

static void meddle(struct rig *r, struct watch *w)
{
    struct http_request *held = r->up.at[UP_CHAT].held;

    switch (dice(12)) {
    case 0:
        if (held && http_reply_is_begun(held))
            up_more(&r->up, random_body());
        break;
    case 1:
        if (held && http_reply_is_begun(held))
            up_end(&r->up, dice(2));
        break;
    case 2:
        if (held && !http_reply_is_begun(held))
            up_let_go(&r->up, UP_CHAT);
        break;
    case 3:
    case 4:
        provider_openai.pause(w->call);
        break;
    case 5:
    case 6:
    case 7:
        provider_openai.resume(w->call);
        break;
    case 8:
        loop_clock_set(r->loop, loop_now_ms(r->loop) + dice(400));
        break;
    default:
        break;
    }
}

static void drop_held(struct rig *r)
{
    struct http_request *held = r->up.at[UP_CHAT].held;

    if (held && http_reply_is_begun(held))
        up_end(&r->up, true);
    else if (held)
        up_let_go(&r->up, UP_CHAT);
}

static void one_call(struct rig *r)
{
    struct watch w;

    drop_held(r);
    drop_held(r);
    script(&r->up);
    watch_init(&w, r);
    w.leave_in_phase = dice(20) ? -1 : (int)dice(PHASE_ANSWERING + 1);
    w.leave_in_event = dice(20) ? -1 : (int)dice(CHAT_ERROR + 1);
    w.leave_in_activity = dice(20) == 0;
    w.pauses = dice(4) == 0;
    watch_start(&w, dice(2) ? ASK_STREAM : NULL, dice(4) > 0);
    for (int i = 0; i < STEPS && w.call && !watch_is_over(&w); i++) {
        run_turn_now(r->loop);
        if (w.call && !watch_is_over(&w))
            meddle(r, &w);
    }
    watch_end(&w);
    run_turn_now(r->loop);
}

static void survives_any_weather(void)
{
    unsigned long n = storm_start(ROUNDS);

    for (unsigned long i = 0; i < n / CALLS; i++) {
        struct rig r;

        rig_open(&r);
        loop_clock_set(r.loop, 1000000);
        for (unsigned k = dice(3); k > 0; k--)
            rig_key(&r, "sk");
        rig_attach(&r);
        for (int k = 0; k < CALLS; k++)
            one_call(&r);
        drop_held(&r);
        rig_end(&r);
    }
}

static const struct test suite[] = {
    { "survives any weather", survives_any_weather },
};

TEST_MAIN(suite)
