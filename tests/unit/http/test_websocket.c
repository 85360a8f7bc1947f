/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side over wires: the handshake, frames at every cut, the rules about them. */
#include "websocket_server_test.h"

/* ---- the handshake ---- */

static void answers_the_handshake(void)
{
    begin();
    EXPECT(wire_feed_z(&f.w, HANDSHAKE));
    EXPECT_STR(wire_str(&f.w), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    EXPECT_INT(http_server_connections(f.s), 0);
    end();
}

static void refuses_improper_handshakes(void)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        { "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426 },
        { "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 426 },
        { "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
          426 },
        { "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
          400 },
        { "POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
          400 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct response r;
        struct str out;
        begin();
        EXPECT(wire_feed_z(&f.w, rows[i].text));
        EXPECT_INT(f.accepted, ERR_BAD_INPUT);
        EXPECT(told.ws == NULL);
        out = wire_str(&f.w);
        EXPECT(response_read(&out, HTTP_GET, &r));
        EXPECT_INT(r.head.status, rows[i].status);
        EXPECT_INT(http_value(&r.head, "sec-websocket-version").n, rows[i].status == 426 ? 2 : 0);
        response_free(&r);
        EXPECT(wire_end(&f.w, ERR_CLOSED));
        end();
    }
}

static void tells_when_the_handshake_cannot_be_answered(void)
{
    begin();
    f.w.broken = ERR_RESET;
    EXPECT(wire_feed_z(&f.w, HANDSHAKE));
    EXPECT_INT(f.accepted, ERR_RESET);
    end();
}

/* ---- messages ---- */

static const struct {
    struct piece pieces[5];
    const char *want;
} rows[] = {
    { { { FIN | TEXT, "hello" } }, "text=hello;" },
    { { { FIN | TEXT, "" } }, "text=;" },
    { { { FIN | BINARY, "\xff\xfe" } }, "binary=\xff\xfe;" },
    { { { FIN | TEXT, "one" }, { FIN | BINARY, "two" }, { FIN | TEXT, "three" } },
      "text=one;binary=two;text=three;" },
    { { { TEXT, "he" }, { FIN, "llo" } }, "text=hello;" },
    { { { TEXT, "" }, { 0, "" }, { FIN, "" } }, "text=;" },
    { { { TEXT, "" }, { 0, "a" }, { 0, "" }, { FIN, "b" } }, "text=ab;" },
    { { { TEXT, "he" }, { FIN | PING, "p" }, { 0, "ll" }, { FIN | PONG, "" }, { FIN, "o" } },
      "text=hello;" },
    { { { TEXT, "\xe2\x82" }, { FIN, "\xac" } }, "text=\xe2\x82\xac;" },
    { { { FIN | TEXT, "a" },
        { FIN | CLOSE, "\x03\xe8"
                       "bye" } },
      "text=a;end ERR_NONE 1000;" },
    { { { FIN | CLOSE, "" } }, "end ERR_NONE 1005;" },
    { { { FIN | CLOSE, "\x0f\xa0" } }, "end ERR_NONE 4000;" },
};

static void reads_messages_whatever_the_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        add_pieces(rows[i].pieces, COUNT_OF(rows[i].pieces));
        for (size_t cut = 0; cut <= in.n; cut++) {
            size_t n = in.n;
            begin_open();
            in.n = n;
            wire_feed(&f.w, str_sub(fed(), 0, cut));
            turn(f.l);
            wire_feed(&f.w, str_from(fed(), cut));
            EXPECT_Z(told.log, rows[i].want);
            turn(f.l);
            EXPECT_INT(mem_budget_used(), 0);
            end();
            in.n = n;
        }
    }
}

static void reads_messages_byte_by_byte(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_open();
        add_pieces(rows[i].pieces, COUNT_OF(rows[i].pieces));
        for (size_t k = 0; k < in.n; k++)
            wire_feed(&f.w, (struct str){ in.p + k, 1 });
        EXPECT_Z(told.log, rows[i].want);
        end();
    }
}

static void reads_messages_behind_the_handshake(void)
{
    static char text[1000];

    begin();
    add_bytes(&in, HANDSHAKE, strlen(HANDSHAKE));
    add_frame(&in, FIN | TEXT, true, STR("early"));
    memcpy(text, in.p, in.n);
    EXPECT(wire_feed(&f.w, (struct str){ text, in.n }));
    EXPECT_INT(told.n_messages, 0);
    turn(f.l);
    EXPECT_Z(told.log, "text=early;");
    end();
}

static void reads_messages_of_all_sizes(void)
{
    static const size_t sizes[] = { 125, 126, 127, 4089, 4096, 8192, 65535, 65536, 70000 };
    static char payload[70000];

    memset(payload, 'x', sizeof(payload));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        begin();
        f.max_message = sizes[i];
        EXPECT(wire_feed_z(&f.w, HANDSHAKE));
        turn(f.l);
        wire_clear(&f.w);
        add_frame(&in, FIN | TEXT, true, (struct str){ payload, sizes[i] });
        for (size_t at = 0; at < in.n; at += 1000)
            EXPECT(wire_feed(&f.w, str_sub(fed(), at, 1000)));
        EXPECT_INT(told.n_messages, 1);
        EXPECT_INT(told.message_bytes, sizes[i]);
        EXPECT(websocket_send(told.ws, true, (struct str){ payload, sizes[i] }) == ERR_NONE);
        EXPECT_INT(expect_frame(FIN | TEXT).n, sizes[i]);
        end();
    }
}

/* ---- the rules ---- */

static void ends_sockets_that_break_the_rules(void)
{
    static char large[MAX_MESSAGE + 2];
    static const struct {
        struct piece pieces[3];
        int code;
        enum err err;
    } broken[] = {
        { { { FIN | 0x40 | TEXT, "a" } }, 1002, ERR_PROTOCOL },
        { { { FIN | 3, "a" } }, 1002, ERR_PROTOCOL },
        { { { FIN | 11, "a" } }, 1002, ERR_PROTOCOL },
        { { { PING, "a" } }, 1002, ERR_PROTOCOL },
        { { { FIN | PING, large } }, 1002, ERR_PROTOCOL },
        { { { FIN, "a" } }, 1002, ERR_PROTOCOL },
        { { { TEXT, "a" }, { FIN | TEXT, "b" } }, 1002, ERR_PROTOCOL },
        { { { FIN | CLOSE, "\x03" } }, 1002, ERR_PROTOCOL },
        { { { FIN | CLOSE, "\x03\xe7" } }, 1002, ERR_PROTOCOL }, /* 999 */
        { { { FIN | CLOSE, "\x03\xec" } }, 1002, ERR_PROTOCOL }, /* 1004 */
        { { { FIN | CLOSE, "\x03\xed" } }, 1002, ERR_PROTOCOL }, /* 1005 */
        { { { FIN | CLOSE, "\x03\xee" } }, 1002, ERR_PROTOCOL }, /* 1006 */
        { { { FIN | CLOSE, "\x03\xf7" } }, 1002, ERR_PROTOCOL }, /* 1015 */
        { { { FIN | CLOSE, "\x13\x88" } }, 1002, ERR_PROTOCOL }, /* 5000 */
        { { { FIN | CLOSE, "\x03\xe8\xff" } }, 1007, ERR_PROTOCOL },
        { { { FIN | TEXT, "a\xc0\xaf" } }, 1007, ERR_PROTOCOL },
        { { { TEXT, "\xe2\x82" }, { FIN, "b" } }, 1007, ERR_PROTOCOL },
        { { { FIN | TEXT, "\xed\xa0\xbd" } }, 1007, ERR_PROTOCOL }, /* a surrogate */
        { { { FIN | TEXT, large } }, 1009, ERR_TOO_BIG },
        { { { TEXT, large + 1 }, { FIN, "b" } }, 1009, ERR_TOO_BIG },
    };

    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct frame frame;
        begin_open();
        add_pieces(broken[i].pieces, COUNT_OF(broken[i].pieces));
        EXPECT(wire_feed(&f.w, fed()));
        frame = expect_frame(FIN | CLOSE);
        EXPECT_INT(close_code(&frame), broken[i].code);
        EXPECT_INT(told.n_messages, 0);
        EXPECT(wire_feed_z(&f.w, "whatever follows"));
        EXPECT_INT(websocket_send(told.ws, true, STR("x")), ERR_CLOSED);
        EXPECT_INT(told.n_ends, 0);
        if (i % 2)
            EXPECT(wire_end(&f.w, ERR_CLOSED));
        else
            pass(2000);
        EXPECT_INT(told.n_ends, 1);
        EXPECT_INT(told.err, broken[i].err);
        EXPECT_INT(told.close_code, 1006);
        EXPECT(strstr(told.detail, "127.0.0.1 ") == told.detail);
        end();
    }
}

static void wants_masked_frames_of_clients(void)
{
    struct frame frame;

    begin_open();
    add_frame(&in, FIN | TEXT, false, STR("plain"));
    EXPECT(wire_feed(&f.w, fed()));
    frame = expect_frame(FIN | CLOSE);
    EXPECT_INT(close_code(&frame), 1002);
    EXPECT_INT(told.n_messages, 0);
    end();
}

static void refuses_lengths_that_are_longer_than_need_be(void)
{
    static const char *const texts[] = {
        "\x81\xfe\x00\x05\x01\x02\x03\x04hello",
        "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04hello",
        "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04hello",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct frame frame;
        begin_open();
        EXPECT(wire_feed(&f.w, (struct str){ texts[i], i ? 19 : 13 }));
        frame = expect_frame(FIN | CLOSE);
        EXPECT_INT(close_code(&frame), 1002);
        end();
    }
}

static void refuses_a_huge_length_at_once(void)
{
    struct frame frame;

    begin_open();
    EXPECT(wire_feed(
        &f.w, (struct str){ "\x82\xff\x00\x00\x00\x7f\xff\xff\xff\xff\x01\x02\x03\x04h", 15 }));
    frame = expect_frame(FIN | CLOSE);
    EXPECT_INT(close_code(&frame), 1009);
    EXPECT_INT(told.n_messages, 0);
    end();
}

static const struct test suite[] = {
    { "answers the handshake", answers_the_handshake },
    { "refuses improper handshakes", refuses_improper_handshakes },
    { "tells when the handshake cannot be answered", tells_when_the_handshake_cannot_be_answered },
    { "reads messages whatever the cut", reads_messages_whatever_the_cut },
    { "reads messages byte by byte", reads_messages_byte_by_byte },
    { "reads messages behind the handshake", reads_messages_behind_the_handshake },
    { "reads messages of all sizes", reads_messages_of_all_sizes },
    { "ends sockets that break the rules", ends_sockets_that_break_the_rules },
    { "wants masked frames of clients", wants_masked_frames_of_clients },
    { "refuses lengths that are longer than need be",
      refuses_lengths_that_are_longer_than_need_be },
    { "refuses a huge length at once", refuses_a_huge_length_at_once },
};

TEST_MAIN(suite)
