/* SPDX-License-Identifier: Apache-2.0 */
/* What a WebSocket sends and when, back-pressure, pings, and each way in which it ends. */
#include "websocket_server_test.h"

/* A message in three frames with a ping and a pong between them. */
static const struct piece fragments[] = {
    { TEXT, "he" }, { FIN | PING, "p" }, { 0, "ll" }, { FIN | PONG, "" }, { FIN, "o" },
};

/* ---- pings ---- */

static void answers_pings(void)
{
    begin_open();
    add_frame(&in, FIN | PING, true, STR("beat"));
    EXPECT(wire_feed(&f.w, fed()));
    EXPECT_Z(expect_frame(FIN | PONG).payload, "beat");
    end();
}

static void answers_no_flood_of_pings(void)
{
    char payload[100];

    memset(payload, 'x', sizeof(payload));
    begin_open();
    f.w.room = 0;
    add_frame(&in, FIN | PING, true, (struct str){ payload, sizeof(payload) });
    for (int i = 0; i < 2000; i++) {
        EXPECT(wire_feed(&f.w, fed()));
        turn(f.l);
    }
    EXPECT(websocket_queued(told.ws) < 70000);
    end();
}

/* ---- sending ---- */

static void sends_all_of_a_turn_in_one_write(void)
{
    static struct frame frame;
    struct str out;

    begin_open();
    EXPECT(websocket_send(told.ws, true, STR("one")) == ERR_NONE);
    EXPECT(websocket_send(told.ws, false, STR("two")) == ERR_NONE);
    EXPECT_INT(f.w.n_writes, 0);
    EXPECT_INT(websocket_queued(told.ws), 10);
    turn(f.l);
    EXPECT_INT(f.w.n_writes, 1);
    EXPECT_INT(websocket_queued(told.ws), 0);
    out = wire_str(&f.w);
    EXPECT(take_frame(&out, &frame));
    EXPECT_INT(frame.first, FIN | TEXT);
    EXPECT_Z(frame.payload, "one");
    EXPECT(take_frame(&out, &frame));
    EXPECT_INT(frame.first, FIN | BINARY);
    EXPECT_Z(frame.payload, "two");
    end();
}

static void sends_fragments(void)
{
    static const char *const want[] = { "ab", "cd", "efg" };
    static struct frame frame;
    struct str out;

    begin_open();
    EXPECT(websocket_send_fragmented(told.ws, STR("abcdefg"), 3) == ERR_NONE);
    turn(f.l);
    out = wire_str(&f.w);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(take_frame(&out, &frame));
        EXPECT_INT(frame.first, (i == 0 ? TEXT : 0) | (i == 2 ? FIN : 0));
        EXPECT_Z(frame.payload, want[i]);
    }
    end();
}

static void bounds_what_waits(void)
{
    static char payload[60000];
    unsigned n = 0;

    begin_open();
    f.w.room = 100;
    while (websocket_send(told.ws, false, (struct str){ payload, sizeof(payload) }) == ERR_NONE) {
        turn(f.l);
        n++;
    }
    EXPECT_INT(n, 18);
    EXPECT_INT(websocket_send(told.ws, false, STR("")), ERR_TOO_BIG);
    EXPECT_INT(websocket_send_fragmented(told.ws, STR("abc"), 2), ERR_TOO_BIG);
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT_INT(websocket_queued(told.ws), 0);
    EXPECT_INT(f.w.n, 18 * 60004);
    EXPECT(websocket_send(told.ws, true, STR("on")) == ERR_NONE);
    end();
}

static void ends_when_writing_fails(void)
{
    begin_open();
    f.w.broken = ERR_RESET;
    EXPECT(websocket_send(told.ws, true, STR("x")) == ERR_NONE);
    EXPECT_INT(told.n_ends, 0);
    turn(f.l);
    EXPECT_Z(told.log, "end ERR_RESET 1006;");
    end();
}

/* ---- back-pressure ---- */

static void pauses_between_messages_of_one_read(void)
{
    begin_open();
    for (char c = 'a'; c <= 'e'; c++)
        add_frame(&in, FIN | TEXT, true, (struct str){ &c, 1 });
    told.pause_at = 'm';
    EXPECT(wire_feed(&f.w, fed()));
    EXPECT_Z(told.log, "text=a;");
    EXPECT(!wire_feed(&f.w, fed()));
    turn(f.l);
    EXPECT_Z(told.log, "text=a;");
    for (unsigned i = 2; i <= 5; i++) {
        websocket_resume(told.ws);
        EXPECT_INT(told.n_messages, i - 1);
        turn(f.l);
        EXPECT_INT(told.n_messages, i);
    }
    told.pause_at = 0;
    websocket_resume(told.ws);
    turn(f.l);
    EXPECT(wire_feed(&f.w, fed()));
    EXPECT_INT(told.n_messages, 10);
    end();
}

static void closes_while_paused(void)
{
    begin_open();
    told.pause_at = 'm';
    add_frame(&in, FIN | TEXT, true, STR("a"));
    add_frame(&in, FIN | TEXT, true, STR("b"));
    add_frame(&in, FIN | CLOSE, true, STR("\x03\xe8"));
    EXPECT(wire_feed(&f.w, fed()));
    websocket_close(told.ws, 1001, STR(""));
    turn(f.l);
    EXPECT_Z(told.log, "text=a;end ERR_NONE 1000;");
    end();
}

/* ---- the end ---- */

static void echoes_the_close_frame(void)
{
    struct frame frame;

    begin_open();
    add_frame(&in, FIN | CLOSE, true, STR("\x0f\xa1reason"));
    EXPECT(wire_feed(&f.w, fed()));
    frame = expect_frame(FIN | CLOSE);
    EXPECT_INT(close_code(&frame), 4001);
    EXPECT_INT(frame.n, 2);
    EXPECT(f.w.is_closed && !f.w.is_reset);
    EXPECT_Z(told.log, "end ERR_NONE 4001;");
    end();
}

static void closes_with_a_handshake(void)
{
    struct frame frame;

    begin_open();
    EXPECT(websocket_send(told.ws, true, STR("last")) == ERR_NONE);
    websocket_close(told.ws, 1001, STR("going"));
    EXPECT_INT(websocket_send(told.ws, true, STR("more")), ERR_CLOSED);
    websocket_close(told.ws, 1000, STR(""));
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "last"));
    wire_clear(&f.w);
    add_frame(&in, FIN | TEXT, true, STR("late"));
    add_frame(&in, FIN | CLOSE, true, STR("\x03\xe9"));
    EXPECT(wire_feed(&f.w, fed()));
    EXPECT_Z(told.log, "end ERR_NONE 1001;");
    EXPECT_INT(f.w.n, 0);
    end();
    begin_open();
    websocket_close(told.ws, 1001, STR("going"));
    frame = expect_frame(FIN | CLOSE);
    EXPECT_INT(close_code(&frame), 1001);
    EXPECT_Z(frame.payload + 2, "going");
    end();
}

static void does_not_wait_long_for_the_close_frame(void)
{
    begin_open();
    websocket_close(told.ws, 1000, STR(""));
    pass(1999);
    EXPECT_INT(told.n_ends, 0);
    pass(1);
    EXPECT_Z(told.log, "end ERR_TIMEOUT 1006;");
    EXPECT(f.w.is_reset);
    end();
}

static void tells_that_the_peer_left(void)
{
    static const struct {
        enum err err;
        bool closing;
        const char *want;
    } ways[] = {
        { ERR_CLOSED, false, "end ERR_CLOSED 1006;" },
        { ERR_RESET, false, "end ERR_RESET 1006;" },
        { ERR_CLOSED, true, "end ERR_CLOSED 1006;" },
    };

    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        begin_open();
        add_frame(&in, TEXT, true, STR("half a message"));
        EXPECT(wire_feed(&f.w, fed()));
        if (ways[i].closing)
            websocket_close(told.ws, 1000, STR(""));
        EXPECT(wire_end(&f.w, ways[i].err));
        EXPECT_Z(told.log, ways[i].want);
        EXPECT(told.detail[0] != '\0');
        end();
    }
}

static void is_aborted_politely_or_not(void)
{
    struct frame frame;

    for (int polite = 0; polite < 2; polite++) {
        begin_open();
        EXPECT(websocket_send(told.ws, true, STR("x")) == ERR_NONE);
        turn(f.l);
        wire_clear(&f.w);
        websocket_abort(told.ws, polite);
        told.ws = NULL;
        EXPECT(f.w.is_closed);
        EXPECT_INT(f.w.is_reset, !polite);
        if (polite) {
            frame = expect_frame(FIN | CLOSE);
            EXPECT_INT(close_code(&frame), 1000);
        }
        EXPECT_INT(f.w.n, 0);
        EXPECT_INT(told.n_ends, 0);
        end();
    }
}

static void may_be_aborted_from_inside_a_callback(void)
{
    for (const char *at = "me"; *at; at++) {
        begin_open();
        told.abort_at = *at;
        add_frame(&in, TEXT, true, STR("a"));
        add_frame(&in, FIN, true, STR("b"));
        add_frame(&in, FIN | TEXT, true, STR("c"));
        add_frame(&in, FIN | CLOSE, true, STR(""));
        EXPECT(wire_feed(&f.w, fed()));
        EXPECT_Z(told.log, *at == 'm' ? "text=ab;" : "text=ab;text=c;end ERR_NONE 1005;");
        end();
    }
}

static void holds_no_buffers_while_idle(void)
{
    begin_open();
    add_pieces(fragments, COUNT_OF(fragments));
    EXPECT(wire_feed(&f.w, fed()));
    turn(f.l);
    EXPECT_INT(mem_budget_used(), 0);
    end();
}

static void survives_every_failed_allocation(void)
{
    bool is_clean = false;

    for (uint64_t n = 1; !is_clean; n++) {
        begin();
        mem_fail_nth(n);
        wire_feed_z(&f.w, HANDSHAKE);
        turn(f.l);
        add_pieces(fragments, COUNT_OF(fragments));
        for (size_t k = 0; k < in.n; k++) {
            wire_feed(&f.w, (struct str){ in.p + k, 1 });
            turn(f.l);
        }
        is_clean = told.ws && websocket_send(told.ws, true, STR("answer")) == ERR_NONE;
        turn(f.l);
        mem_fail_nth(0);
        is_clean = is_clean && strcmp(told.log, "text=hello;") == 0;
        pass(2000);                                           /* a close frame may be awaited */
        EXPECT(is_clean || !told.ws || told.n_messages == 1); /* the last: only sending failed */
        if (!f.w.is_closed && !told.ws)
            wire_end(&f.w, ERR_CLOSED);
        end();
        EXPECT(n < 1000);
    }
}

static const struct test suite[] = {
    { "answers pings", answers_pings },
    { "answers no flood of pings", answers_no_flood_of_pings },
    { "sends all of a turn in one write", sends_all_of_a_turn_in_one_write },
    { "sends fragments", sends_fragments },
    { "bounds what waits", bounds_what_waits },
    { "ends when writing fails", ends_when_writing_fails },
    { "pauses between messages of one read", pauses_between_messages_of_one_read },
    { "closes while paused", closes_while_paused },
    { "echoes the close frame", echoes_the_close_frame },
    { "closes with a handshake", closes_with_a_handshake },
    { "does not wait long for the close frame", does_not_wait_long_for_the_close_frame },
    { "tells that the peer left", tells_that_the_peer_left },
    { "is aborted politely or not", is_aborted_politely_or_not },
    { "may be aborted from inside a callback", may_be_aborted_from_inside_a_callback },
    { "holds no buffers while idle", holds_no_buffers_while_idle },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
