/* SPDX-License-Identifier: Apache-2.0 */
/* The client's handshake: what it asks, which answers it takes, and what it tells of the others. */
#include "websocket_client_test.h"

/* ---- the handshake ---- */

static void sends_the_handshake(void)
{
    char want[512];

    begin_asked();
    snprintf(want, sizeof(want), "GET /base/ws?token=T HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n",
             f.far.port);
    EXPECT(strstr(f.far.got, want) == f.far.got);
    EXPECT(far_has(&f.far, "\r\nUpgrade: websocket\r\n"));
    EXPECT(far_has(&f.far, "\r\nConnection: Upgrade\r\n"));
    EXPECT(far_has(&f.far, "\r\nSec-WebSocket-Version: 13\r\n"));
    EXPECT(far_has(&f.far, "\r\nOrigin: https://x.test\r\n"));
    EXPECT(strstr(strstr(f.far.got, "Sec-WebSocket-Key: "), "==\r\n") != NULL);
    EXPECT(!far_has(&f.far, "Content-Length"));
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    end_ws();
}

static void uses_a_new_key_each_time(void)
{
    char first[32];

    begin_asked();
    str_to_z((struct str){ strstr(f.far.got, "Sec-WebSocket-Key: "), 31 }, first, sizeof(first));
    end_ws();
    begin_asked();
    EXPECT(!far_has(&f.far, first));
    end_ws();
}

static void opens_whatever_the_cut(void)
{
    size_t cut = 0;
    char text[600];
    size_t n;

    do {
        begin_asked();
        make_101(text, sizeof(text), "");
        n = strlen(text);
        add_frame(&out, FIN | TEXT, false, STR("first"));
        memcpy(text + n, out.p, out.n);
        n += out.n;
        cut++;
        write_all(f.far.fd, text, cut);
        some_turns(f.l);
        write_all(f.far.fd, text + cut, n - cut);
        WAIT(f.l, told.n_messages == 1);
        EXPECT_Z(told.log, "open;text=first;");
        EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 1);
        end_ws();
    } while (cut < n);
}

static void passes_over_other_interim_answers(void)
{
    char text[512];

    begin_asked();
    make_101(text, sizeof(text), "");
    far_write(&f.far, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    far_write(&f.far, text);
    WAIT(f.l, strcmp(told.log, "open;") == 0);
    end_ws();
}

static void refuses_a_101_that_is_not_what_was_asked(void)
{
    static const struct {
        const char *extra;
        size_t spoil; /* replaces this word */
        const char *detail;
    } rows[] = {
        { "Sec-WebSocket-Extensions: permessage-deflate\r\n", 0, "extension" },
        { "Sec-WebSocket-Protocol: chat\r\n", 0, "protocol" },
        { "Sec-WebSocket-Accept: AAAA\r\n", 0, "does not fit the key" },
        { "", 'u', "Upgrade header" },
        { "", 'c', "Connection header" },
        { "", 's', "does not fit the key" },
        { "", '0', "HTTP/1.0" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[512];
        begin_asked();
        make_101(text, sizeof(text), rows[i].extra);
        if (rows[i].spoil == 'u')
            memcpy(strstr(text, "WebSocket"), "Webbocket", 9);
        if (rows[i].spoil == 'c')
            memcpy(strstr(text, ": Upgrade"), ": Upgrada", 9);
        if (rows[i].spoil == 's')
            memcpy(strstr(text, "accept: ") + 8, "AAAA", 4);
        if (rows[i].spoil == '0')
            memcpy(text, "HTTP/1.0", 8);
        far_write(&f.far, text);
        WAIT(f.l, told.n_ends == 1);
        EXPECT_Z(told.log, "end ERR_PROTOCOL 1006;");
        EXPECT_INT(told.status, 0);
        EXPECT(strstr(told.detail, rows[i].detail) != NULL);
        EXPECT(!told.certainly_unsent);
        end_ws();
    }
}

static void delivers_a_refusal(void)
{
    static char large[6000];
    static const struct {
        const char *text;
        int status;
        const char *body;
        bool ends;
    } rows[] = {
        { "HTTP/1.1 404 Not Found\r\nX-Why: gone\r\nContent-Length: 4\r\n\r\nwhy?", 404, "why?",
          false },
        { "HTTP/1.1 403 Forbidden\r\nX-Why: gone\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2\r\nno\r\n0\r\n\r\n",
          403, "no", false },
        { "HTTP/1.1 503 Busy\r\nX-Why: gone\r\n\r\nuntil close", 503, "until close", true },
        { "HTTP/1.1 500 Oops\r\nX-Why: gone\r\nContent-Length: 99\r\n\r\ncut short", 500,
          "cut short", true },
        { "HTTP/1.1 200 OK\r\nX-Why: gone\r\nContent-Length: 0\r\n\r\n", 200, "", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].text);
        for (size_t cut = 1; cut < n; cut += 7) {
            begin_asked();
            write_all(f.far.fd, rows[i].text, cut);
            some_turns(f.l);
            write_all(f.far.fd, rows[i].text + cut, n - cut);
            if (rows[i].ends)
                far_hang_up(&f.far, false);
            WAIT(f.l, told.n_ends == 1);
            EXPECT_Z(told.log, "end ERR_REFUSED 1006;");
            EXPECT_INT(told.status, rows[i].status);
            EXPECT_Z(told.header, "gone");
            EXPECT_Z(told.body, rows[i].body);
            end_ws();
        }
    }
    memset(large, 'x', sizeof(large) - 1);
    begin_asked();
    far_write(&f.far, "HTTP/1.1 500 Oops\r\n\r\n");
    far_write(&f.far, large);
    WAIT(f.l, told.n_ends == 1);
    EXPECT_INT(strlen(told.body), 4096);
    end_ws();
}

static void delivers_a_refusal_whose_body_never_ends(void)
{
    begin_asked();
    far_write(&f.far, "HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nabc");
    some_turns(f.l);
    EXPECT_INT(told.n_ends, 0);
    pass(4000);
    EXPECT_INT(told.status, 500);
    EXPECT_Z(told.body, "abc");
    end_ws();
}

static void names_what_went_wrong_before_it_was_open(void)
{
    static const struct {
        const char *text;
        const char *want;
        const char *detail;
    } rows[] = {
        { "", "end ERR_CLOSED 1006;", "ended the connection" },
        { "HTTP/1.1 10", "end ERR_CLOSED 1006;", "ended the connection" },
        { "220 smtp\r\n\r\n", "end ERR_PROTOCOL 1006;", "no valid HTTP" },
    };
    static char large[70000];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin_asked();
        far_write(&f.far, rows[i].text);
        some_turns(f.l);
        far_hang_up(&f.far, false);
        WAIT(f.l, told.n_ends == 1);
        EXPECT_Z(told.log, rows[i].want);
        EXPECT(strstr(told.detail, rows[i].detail) != NULL);
        end_ws();
    }
    memset(large, 'x', sizeof(large) - 1);
    begin_asked();
    far_write(&f.far, "HTTP/1.1 200 OK\r\nX: ");
    far_write(&f.far, large);
    WAIT(f.l, told.n_ends == 1);
    EXPECT_Z(told.log, "end ERR_PROTOCOL 1006;");
    end_ws();
}

static void knows_that_nothing_was_sent(void)
{
    begin();
    close(f.far.listening);
    connect_ws();
    WAIT(f.l, told.n_ends == 1);
    EXPECT_Z(told.log, "end ERR_REFUSED 1006;");
    EXPECT_INT(told.status, 0);
    EXPECT(told.certainly_unsent);
    f.far.listening = -1;
    end_ws();
}

static void refuses_headers_that_would_break_the_request(void)
{
    struct websocket_params p;
    struct http_header header = { STR("Cookie"), STR("a\r\nb: c") };

    begin();
    p = ws_params();
    p.headers = &header;
    p.n_headers = 1;
    memset(&told, 0, sizeof(told));
    told.ws = websocket_connect(f.connector, &p, &ws_telling, NULL);
    turn(f.l);
    EXPECT_Z(told.log, "end ERR_BAD_INPUT 1006;");
    EXPECT(told.certainly_unsent);
    end_ws();
}

static void times_out_a_slow_handshake(void)
{
    static const char *const texts[] = { "", "HTTP/1.1 101 Sw" };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        begin_asked();
        far_write(&f.far, texts[i]);
        some_turns(f.l);
        pass(3999);
        EXPECT_INT(told.n_ends, 0);
        pass(1);
        EXPECT_Z(told.log, "end ERR_TIMEOUT 1006;");
        EXPECT(!told.certainly_unsent);
        end_ws();
    }
}

static const struct test suite[] = {
    { "sends the handshake", sends_the_handshake },
    { "uses a new key each time", uses_a_new_key_each_time },
    { "opens whatever the cut", opens_whatever_the_cut },
    { "passes over other interim answers", passes_over_other_interim_answers },
    { "refuses a 101 that is not what was asked", refuses_a_101_that_is_not_what_was_asked },
    { "delivers a refusal", delivers_a_refusal },
    { "delivers a refusal whose body never ends", delivers_a_refusal_whose_body_never_ends },
    { "names what went wrong before it was open", names_what_went_wrong_before_it_was_open },
    { "knows that nothing was sent", knows_that_nothing_was_sent },
    { "refuses headers that would break the request",
      refuses_headers_that_would_break_the_request },
    { "times out a slow handshake", times_out_a_slow_handshake },
};

TEST_MAIN(suite)
