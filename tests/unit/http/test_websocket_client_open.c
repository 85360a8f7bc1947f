/* SPDX-License-Identifier: Apache-2.0 */
/* An open client: masks, pings, every way to be stopped; and both of our sides together. */
#include "websocket_client_test.h"

#include "net/listener.h"

/* ---- messages ---- */

static void masks_what_it_sends(void)
{
    char first[4];

    begin_open();
    EXPECT(websocket_send(told.ws, true, STR("hello")) == ERR_NONE);
    EXPECT(websocket_send(told.ws, false, STR("hello")) == ERR_NONE);
    WAIT(f.l, (far_read(&f.far), f.far.n == 22));
    memcpy(first, f.far.got + 2, 4);
    EXPECT(memcmp(first, f.far.got + 13, 4) != 0);
    EXPECT_Z(far_frame()->payload, "hello");
    EXPECT_Z(far_frame()->payload, "hello");
    end_ws();
}

static void reads_several_messages_of_one_read(void)
{
    begin_open();
    add_frame(&out, FIN | TEXT, false, STR("one"));
    add_frame(&out, TEXT, false, STR("tw"));
    add_frame(&out, FIN | PING, false, STR("beat"));
    add_frame(&out, FIN, false, STR("o"));
    add_frame(&out, FIN | BINARY, false, STR("three"));
    far_send_frames();
    WAIT(f.l, told.n_messages > 0);
    EXPECT_Z(told.log, "text=one;text=two;binary=three;");
    EXPECT_Z(far_frame()->payload, "beat");
    end_ws();
}

/* A frame that is all there is read in another way than one that comes in pieces. */
static void reads_messages_whatever_the_cut(void)
{
    static char sent[1024];
    char text[200];
    size_t n, cut = 0;

    memset(text, 't', sizeof(text));
    do {
        begin_open();
        add_frame(&out, FIN | TEXT, false, STR("one"));
        add_frame(&out, FIN | TEXT, false, STR(""));
        add_frame(&out, FIN | TEXT, false, (struct str){ text, 126 });
        add_frame(&out, TEXT, false, STR("two"));
        add_frame(&out, FIN | PONG, false, STR(""));
        add_frame(&out, FIN, false, STR(" three"));
        add_frame(&out, FIN | TEXT, false, (struct str){ text, sizeof(text) });
        /* from the cut in its first character on it looks like a frame */
        add_frame(&out, FIN | TEXT, false,
                  STR("\xC3\x81\x03"
                      "four"));
        n = out.n;
        memcpy(sent, out.p, n);
        write_all(f.far.fd, sent, cut);
        turn(f.l);
        write_all(f.far.fd, sent + cut, n - cut);
        WAIT(f.l, told.n_messages == 6);
        EXPECT_Z(told.log, "text=one;text=;text=126 bytes;text=two three;text=200 bytes;"
                           "text=\xC3\x81\x03"
                           "four;");
        end_ws();
    } while (cut++ < n);
}

static void refuses_frames_that_are_not_as_they_should_be(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } rows[] = {
        { "\x81\x7e\x00\x05hello", 9, 1002 }, /* a length that is longer than need be */
        { "\x81\x7e\x00\x7d"
          "hello",
          9, 1002 },
        { "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello", 15, 1002 },
        { "\x81\x7e\x03\xe9hello", 9, 1009 }, /* above the limit */
        { "\x01\x01"
          "a\x81\x02"
          "bc",
          7, 1002 }, /* a message inside another */
        { "\xc1\x02"
          "ab",
          4, 1002 },
        { "\x81\x82"
          "abcdef",
          8, 1002 },
        { "\x81\x02\xc3"
          "b",
          4, 1007 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_open();
        write_all(f.far.fd, rows[i].bytes, rows[i].n);
        WAIT(f.l, told.n_ends == 1);
        EXPECT_INT(told.n_messages, 0);
        EXPECT_INT(close_code(far_frame()), rows[i].code);
        end_ws();
    }
}

static void ends_at_once_when_the_server_breaks_the_rules(void)
{
    static const struct {
        unsigned first;
        bool masked;
        const char *payload;
        int code;
        const char *want;
    } rows[] = {
        { FIN | TEXT, true, "masked", 1002, "end ERR_PROTOCOL 1006;" },
        { FIN | TEXT, false, "\xff", 1007, "end ERR_PROTOCOL 1006;" },
        { FIN | 5, false, "", 1002, "end ERR_PROTOCOL 1006;" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_open();
        add_frame(&out, rows[i].first, rows[i].masked, str_of(rows[i].payload));
        far_send_frames();
        WAIT(f.l, told.n_ends == 1);
        EXPECT_Z(told.log, rows[i].want);
        EXPECT_INT(close_code(far_frame()), rows[i].code);
        end_ws();
    }
}

static void answers_the_servers_close(void)
{
    begin_open();
    add_frame(&out, FIN | TEXT, false, STR("last"));
    add_frame(&out, FIN | CLOSE, false, STR("\x03\xf4"));
    far_send_frames();
    WAIT(f.l, told.n_ends == 1);
    EXPECT_Z(told.log, "text=last;end ERR_NONE 1012;");
    EXPECT(strstr(told.detail, "127.0.0.1:") == told.detail);
    EXPECT_INT(close_code(far_frame()), 1012);
    EXPECT(!far_read(&f.far));
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    end_ws();
}

/* ---- pings ---- */

static void pings_in_silence(void)
{
    begin_open();
    pass(19999);
    some_turns(f.l);
    far_read(&f.far);
    EXPECT_INT(f.far.n, 0);
    pass(1);
    EXPECT_INT(far_frame()->first, FIN | PING);
    add_frame(&out, FIN | PONG, true, STR(""));
    out.n = 0;
    add_frame(&out, FIN | PONG, false, STR(""));
    far_send_frames();
    some_turns(f.l);
    pass(20000);
    EXPECT_INT(far_frame()->first, FIN | PING);
    pass(19999);
    EXPECT_INT(told.n_ends, 0);
    pass(1);
    EXPECT_Z(told.log, "end ERR_TIMEOUT 1006;");
    end_ws();
}

static void does_not_ping_who_talks(void)
{
    begin_open();
    for (unsigned i = 1; i <= 10; i++) {
        pass(15000);
        add_frame(&out, FIN | TEXT, false, STR("x"));
        far_send_frames();
        WAIT(f.l, told.n_messages == i);
    }
    far_read(&f.far);
    EXPECT_INT(f.far.n, 0);
    end_ws();
}

static void does_not_ping_while_paused(void)
{
    begin_open();
    websocket_pause(told.ws);
    pass(20000);
    pass(20000);
    pass(20000);
    EXPECT_INT(told.n_ends, 0);
    websocket_resume(told.ws);
    turn(f.l);
    pass(20000);
    EXPECT_INT(far_frame()->first, FIN | PING);
    end_ws();
}

/* The pong may be among what nobody read. */
static void forgets_an_open_ping_when_it_was_paused(void)
{
    begin_open();
    pass(20000);
    EXPECT_INT(far_frame()->first, FIN | PING);
    websocket_pause(told.ws);
    add_frame(&out, FIN | PONG, false, STR(""));
    far_send_frames();
    pass(40000);
    websocket_resume(told.ws);
    pass(20000);
    EXPECT_INT(told.n_ends, 0);
    end_ws();
}

/* ---- being stopped ---- */

static struct {
    struct task task;
    int rounds;
} aborter;

static void on_aborter(void *arg)
{
    (void)arg;
    if (aborter.rounds-- > 0) {
        loop_defer(f.l, &aborter.task);
        return;
    }
    websocket_abort(told.ws, true);
    told.ws = NULL;
}

static void is_aborted_while_it_connects(void)
{
    for (int rounds = 0; rounds < 5; rounds++) {
        begin();
        connect_ws();
        aborter.rounds = rounds;
        task_init(&aborter.task, on_aborter, NULL);
        loop_defer(f.l, &aborter.task);
        some_turns(f.l);
        EXPECT(told.ws == NULL);
        EXPECT_Z(told.log, "");
        end_ws();
    }
}

static void is_aborted_before_it_began(void)
{
    begin();
    connect_ws();
    websocket_abort(told.ws, false);
    told.ws = NULL;
    some_turns(f.l);
    EXPECT(!far_accept(&f.far));
    end_ws();
}

static void is_aborted_in_the_handshake(void)
{
    static const char *const texts[] = { "", "HTTP/1.1 101",
                                         "HTTP/1.1 404 Gone\r\nContent-Length: 9\r\n\r\nabc" };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        begin_asked();
        far_write(&f.far, texts[i]);
        some_turns(f.l);
        websocket_abort(told.ws, true);
        told.ws = NULL;
        some_turns(f.l);
        EXPECT_Z(told.log, "");
        end_ws();
    }
}

static void is_aborted_from_inside_each_callback(void)
{
    for (const char *at = "ome"; *at; at++) {
        char text[600];
        size_t n;
        begin_asked();
        told.abort_at = *at;
        make_101(text, sizeof(text), "");
        n = strlen(text);
        add_frame(&out, FIN | TEXT, false, STR("a"));
        add_frame(&out, FIN | CLOSE, false, STR(""));
        memcpy(text + n, out.p, out.n);
        write_all(f.far.fd, text, n + out.n);
        WAIT(f.l, told.ws == NULL);
        some_turns(f.l);
        EXPECT_Z(told.log, *at == 'o'   ? "open;"
                           : *at == 'm' ? "open;text=a;"
                                        : "open;text=a;end ERR_NONE 1005;");
        end_ws();
    }
}

static void is_paused_from_inside_on_open(void)
{
    char text[600];
    size_t n;

    begin_asked();
    told.pause_at = 'o';
    make_101(text, sizeof(text), "");
    n = strlen(text);
    add_frame(&out, FIN | TEXT, false, STR("a"));
    memcpy(text + n, out.p, out.n);
    write_all(f.far.fd, text, n + out.n);
    WAIT(f.l, told.log[0] != '\0');
    some_turns(f.l);
    EXPECT_Z(told.log, "open;");
    websocket_resume(told.ws);
    WAIT(f.l, told.n_messages == 1);
    end_ws();
}

static void is_paused_before_it_is_open(void)
{
    static char large[900];
    char text[600];

    memset(large, 'x', sizeof(large));
    begin_asked();
    websocket_pause(told.ws);
    make_101(text, sizeof(text), "");
    far_write(&f.far, text);
    WAIT(f.l, strcmp(told.log, "open;") == 0);
    /* More than a paused socket keeps: the rest must stay with the kernel. */
    for (int i = 0; i < 200; i++)
        add_frame(&out, FIN | TEXT, false, (struct str){ large, sizeof(large) });
    far_send_frames();
    some_turns(f.l);
    EXPECT_Z(told.log, "open;");
    websocket_abort(told.ws, false);
    told.ws = NULL;
    end_ws();
}

static void survives_every_failed_allocation(void)
{
    bool is_clean = false;

    for (uint64_t n = 1; !is_clean; n++) {
        char text[600] = "";
        begin();
        mem_fail_nth(n);
        connect_ws();
        for (int i = 0; i < 1000 && told.ws && !far_accept(&f.far); i++)
            run_turn_now(f.l);
        if (told.ws) {
            WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
            mem_fail_nth(0);
            make_101(text, sizeof(text), "");
            mem_fail_nth(n > 10 ? n - 10 : n);
        }
        add_frame(&out, TEXT, false, STR("a"));
        add_frame(&out, FIN, false, STR("b"));
        for (const char *p = text; *p && told.ws; p++) {
            write_all(f.far.fd, p, 1);
            some_turns(f.l);
        }
        for (size_t i = 0; i < out.n && told.ws; i++) {
            write_all(f.far.fd, out.p + i, 1);
            some_turns(f.l);
        }
        mem_fail_nth(0);
        is_clean = strcmp(told.log, "open;text=ab;") == 0;
        EXPECT(is_clean || told.n_ends == 1);
        end_ws();
        EXPECT(n < 1000);
    }
}

/* ---- both sides ---- */

static struct {
    struct http_server *server;
    struct websocket *ws; /* the server's side */
    unsigned n_ends;
} other;

static void echo(void *arg, bool is_text, struct str message)
{
    (void)arg;
    if (message.n > 100)
        EXPECT(websocket_send_fragmented(other.ws, message, 7) == ERR_NONE);
    else
        EXPECT(websocket_send(other.ws, is_text, message) == ERR_NONE);
}

static void other_ended(void *arg, const struct websocket_end *end)
{
    (void)arg;
    EXPECT_INT(end->err, ERR_NONE);
    EXPECT_INT(end->close_code, 1000);
    other.n_ends++;
}

static const struct websocket_handler echoing = { .on_message = echo, .on_end = other_ended };

static void on_request(void *arg, struct http_request *r)
{
    (void)arg;
    EXPECT(websocket_accept(r, 100000, &echoing, NULL, &other.ws) == ERR_NONE);
}

static const struct http_service service = { .on_request = on_request };

static void on_accept(void *arg, struct conn *c)
{
    (void)arg;
    http_server_accept(other.server, c);
}

static void talks_to_our_own_server(void)
{
    static char text[60000];
    static const size_t sizes[] = { 0, 1, 100, 125, 126, 1000, 4096, 60000 };
    struct http_server_limits limits;
    struct websocket_params p;
    struct listener *listener;
    size_t total = 0;

    memset(&other, 0, sizeof(other));
    memset(&told, 0, sizeof(told));
    memset(text, 'x', sizeof(text));
    begin();
    http_server_limits_default(&limits);
    other.server = http_server_new(f.l, &service, NULL, &limits);
    listener = listener_new(f.l, f.far.listening, on_accept, NULL);
    p = ws_params();
    p.max_message = 100000;
    told.ws = websocket_connect(f.connector, &p, &ws_telling, NULL);
    WAIT(f.l, strcmp(told.log, "open;") == 0);
    for (unsigned i = 0; i < 64; i++) {
        size_t n = sizes[i % COUNT_OF(sizes)];
        total += n;
        EXPECT(websocket_send(told.ws, true, (struct str){ text, n }) == ERR_NONE);
        WAIT(f.l, told.n_messages == i + 1);
        EXPECT_INT(told.message_bytes, total);
    }
    websocket_close(told.ws, 1000, STR("done"));
    WAIT(f.l, told.n_ends == 1 && other.n_ends == 1);
    EXPECT_INT(told.err, ERR_NONE);
    EXPECT_INT(told.close_code, 1000);
    listener_free(listener);
    http_server_free(other.server);
    end_ws();
}

static const struct test suite[] = {
    { "masks what it sends", masks_what_it_sends },
    { "reads several messages of one read", reads_several_messages_of_one_read },
    { "reads messages whatever the cut", reads_messages_whatever_the_cut },
    { "refuses frames that are not as they should be",
      refuses_frames_that_are_not_as_they_should_be },
    { "ends at once when the server breaks the rules",
      ends_at_once_when_the_server_breaks_the_rules },
    { "answers the server's close", answers_the_servers_close },
    { "pings in silence", pings_in_silence },
    { "does not ping who talks", does_not_ping_who_talks },
    { "does not ping while paused", does_not_ping_while_paused },
    { "forgets an open ping when it was paused", forgets_an_open_ping_when_it_was_paused },
    { "is aborted while it connects", is_aborted_while_it_connects },
    { "is aborted before it began", is_aborted_before_it_began },
    { "is aborted in the handshake", is_aborted_in_the_handshake },
    { "is aborted from inside each callback", is_aborted_from_inside_each_callback },
    { "is paused from inside on_open", is_paused_from_inside_on_open },
    { "is paused before it is open", is_paused_before_it_is_open },
    { "survives every failed allocation", survives_every_failed_allocation },
    { "talks to our own server", talks_to_our_own_server },
};

TEST_MAIN(suite)
