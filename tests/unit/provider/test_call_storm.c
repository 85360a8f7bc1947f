/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls at an upstream that answers at random and a client that acts at random: whatever comes in
 * whatever order, a call tells its end at most once, nothing aborts and nothing is left behind.
 */
#include "call_rig.h"
#include "storm.h"

#define HISTORY                                                                  \
    "{\"type\":\"history\",\"messages\":[{\"id\":\"m1\",\"role\":\"assistant\"," \
    "\"content\":\"a\"}]}"

enum { ROUNDS = 800, CALLS = 16, STEPS = 60 };

static const char *random_frame(void)
{
    static const char *const frames[] = {
        RUNNING,
        RUNNING,
        IDLE,
        IDLE,
        CANCELED,
        CHAT("m1", "a"),
        CHAT("m1", "ab"),
        CHAT("m2", "b"),
        THINKING("m1", "c"),
        TOOL,
        "pong",
        "no JSON",
        HISTORY,
        "{\"type\":\"update\",\"buffer\":\"{}\"}",
        "{\"type\":\"label\"}",
    };

    return frames[dice(COUNT_OF(frames))];
}

static void random_frames(const char **frames, unsigned max)
{
    unsigned n = dice(max);

    memset(frames, 0, FAKE_FRAMES * sizeof(*frames));
    for (unsigned i = 0; i < n; i++)
        frames[i] = random_frame();
}

static int random_status(void)
{
    static const int statuses[] = { 200, 202, 302, 401, 401,       403,      404,
                                    404, 413, 429, 500, FAKE_DROP, FAKE_HOLD };

    return dice(3) ? 0 : statuses[dice(COUNT_OF(statuses))];
}

static void script(struct fake *f)
{
    static const int codes[] = { 0, 0, 0, 1000, 1001, 1011, -1 };
    static const enum fake_place places[] = { FAKE_CLIENT, FAKE_TOKEN, FAKE_POST, FAKE_STREAM };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        fake_reset(f, places[i]);
        if (i < 2 && dice(12))
            continue; /* a sign-in that fails leaves little to see */
        for (unsigned n = dice(4); n > 0; n--)
            fake_say(f, places[i], random_status(), NULL);
        if (dice(2) && f->at[places[i]].n_lines < COUNT_OF(f->at[0].lines))
            fake_say(f, places[i], 0, NULL);
    }
    f->drops_second = true;
    random_frames(f->baseline, 4);
    random_frames(f->frames, 8);
    if (dice(2)) {
        f->frames[0] = RUNNING;
        f->frames[1] = CHAT("m9", "Hello");
        f->frames[2] = IDLE;
    }
    f->frames_first = dice(2);
    f->close_code = codes[dice(COUNT_OF(codes))];
    f->has_prompt = false;
}

static void let_something_go(struct fake *f)
{
    for (enum fake_place place = 0; place < FAKE_PLACES; place++)
        if (f->at[place].held) {
            fake_let_go(f, place, dice(2) ? 0 : 500);
            return;
        }
}

static void meddle(struct rig *r, struct watch *w)
{
    struct fake *f = &r->fake;

    switch (dice(16)) {
    case 0:
        if (f->socket)
            EXPECT(websocket_send(f->socket, true, str_of(random_frame())) != ERR_NOMEM);
        break;
    case 1:
        websocket_abort(f->socket, dice(2));
        f->socket = NULL;
        break;
    case 2:
        if (f->socket)
            websocket_close(f->socket, dice(2) ? 1000 : 1012, STR(""));
        break;
    case 3:
        let_something_go(f);
        break;
    case 4:
        provider_enginelabs.pause(w->call);
        break;
    case 5:
    case 6:
        provider_enginelabs.resume(w->call);
        break;
    case 7:
        loop_clock_set(r->loop, loop_now_ms(r->loop) + dice(400));
        break;
    case 8:
        if (dice(8) == 0)
            loop_clock_set(r->loop, loop_now_ms(r->loop) + 31000);
        break;
    default:
        break;
    }
}

static void end_call(struct watch *w)
{
    if (w->call && w->is_finished && dice(4))
        watch_settle(w, dice(2) ? SETTLE_EXACT : SETTLE_DIVERGED);
    else if (w->call)
        leave(w);
}

static void one_call(struct rig *r)
{
    struct watch w;
    bool is_later = dice(2);

    script(&r->fake);
    watch_init(&w, r);
    w.leave_in_phase = dice(20) ? -1 : (int)dice(PHASE_ANSWERING + 1);
    w.leave_in_event = dice(20) ? -1 : (int)dice(CHAT_ERROR + 1);
    w.leave_in_activity = dice(20) == 0;
    watch_start(&w, is_later ? (const char *const[]){ "u:x", "a:a", "u:y", NULL }
                             : (const char *const[]){ "u:x", NULL });
    for (int i = 0; i < STEPS && w.call && !watch_is_over(&w); i++) {
        run_turn_now(r->loop);
        if (w.call && !watch_is_over(&w))
            meddle(r, &w);
    }
    end_call(&w);
    run_turn_now(r->loop);
}

static void survives_any_weather(void)
{
    unsigned long n = storm_start(ROUNDS);

    for (unsigned long i = 0; i < n / CALLS; i++) {
        struct rig r;

        rig_open(&r);
        loop_clock_set(r.loop, 1000000);
        r.config.max_parallel = dice(3);
        r.config.content = (enum enginelabs_content)dice(3);
        rig_attach(&r);
        for (int k = 0; k < CALLS; k++)
            one_call(&r);
        for (int k = 0; k < 8; k++)
            let_something_go(&r.fake);
        rig_end(&r);
    }
}

static const struct test suite[] = {
    { "survives any weather", survives_any_weather },
};

TEST_MAIN(suite)
