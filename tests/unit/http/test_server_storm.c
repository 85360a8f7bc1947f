/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that send, wait, stop reading and leave at random, at a service that answers at random:
 * whatever comes in whatever order, nothing aborts and nothing is left behind.
 */
#include "server_test.h"
#include "storm.h"

enum { ROUNDS = 4000, TEXT_MAX = 6000 };

/* What a client will send on its connection. */
static struct {
    char p[TEXT_MAX];
    size_t n;
    size_t sent;
} text;

static void add(const char *piece)
{
    size_t n = strlen(piece);

    if (text.n + n > TEXT_MAX)
        return;
    memcpy(text.p + text.n, piece, n);
    text.n += n;
}

static void add_request(void)
{
    static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "OPTIONS" };
    static const char *const paths[] = { "/hold", "/hold",        "/stream", "/stream", "/x",
                                         "/deny", "/deny-stream", "/small",  "/empty",  "/take" };
    static const char *const versions[] = { "1.1", "1.1", "1.1", "1.1", "1.0" };
    static const char *const rest[] = {
        "\r\n",
        "\r\n",
        "Connection: close\r\n\r\n",
        "Connection: keep-alive\r\n\r\n",
        "Content-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "Content-Length: 99999\r\n\r\nonly some of it",
        "Content-Length: 999999\r\n\r\ntoo much",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nbroken",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nbytes behind it",
    };
    char line[128];

    snprintf(line, sizeof(line), "%s %s HTTP/%s\r\nHost: h\r\n", methods[dice(COUNT_OF(methods))],
             paths[dice(COUNT_OF(paths))], versions[dice(COUNT_OF(versions))]);
    add(line);
    add(rest[dice(COUNT_OF(rest))]);
}

static void make_text(void)
{
    text.n = text.sent = 0;
    for (unsigned n = 1 + dice(5); n > 0; n--)
        add_request();
    if (dice(10) == 0)
        text.p[dice((unsigned)text.n)] = (char)dice(256);
}

static void send_some(void)
{
    size_t left = text.n - text.sent;
    size_t n = dice(3) ? left : dice((unsigned)left + 1);
    char *copy;

    if (n == 0)
        return;
    copy = mem_alloc(n); /* nobody may look at it later */
    memcpy(copy, text.p + text.sent, n);
    if (wire_feed(&f.w, (struct str){ copy, n }))
        text.sent += n;
    mem_free(copy);
}

static void answer_some(void)
{
    static char large[3000];
    struct http_request *r = f.held;
    bool is_begun = r && http_reply_is_begun(r);

    if (!r)
        return;
    memset(large, 'x', sizeof(large));
    switch (dice(6)) {
    case 0:
        if (is_begun)
            http_reply_abort(r);
        else
            reply_text(r, 200, "whole");
        f.held = NULL;
        break;
    case 1:
    case 2:
        if (is_begun)
            http_reply_end(r);
        else
            http_reply(r, 200, NULL, 0, (struct str){ large, sizeof(large) });
        f.held = NULL;
        break;
    default:
        if (is_begun)
            http_reply_write(r, (struct str){ large, 1 + dice(sizeof(large)) });
        break;
    }
}

static void act(void)
{
    switch (dice(14)) {
    case 0:
        wire_end(&f.w, dice(2) ? ERR_CLOSED : ERR_RESET);
        break;
    case 1:
        f.w.room = dice(2) ? 0 : dice(500);
        break;
    case 2:
    case 3:
        if (f.w.conn && f.w.room == 0)
            wire_give_room(&f.w, dice(3) ? SIZE_MAX : dice(2000));
        break;
    case 4:
        if (dice(10) == 0)
            f.w.broken = ERR_RESET;
        break;
    case 5:
        if (dice(4) == 0)
            pass(dice(2) ? 5100 : 31000);
        break;
    case 6:
    case 7:
    case 8:
        answer_some();
        break;
    case 9:
        turn(f.l);
        break;
    default:
        send_some();
        break;
    }
}

static void one_connection(void)
{
    begin_connected();
    make_text();
    for (unsigned n = 10 + dice(60); n > 0 && f.w.conn; n--)
        act();
    if (dice(3) == 0) {
        http_server_drain(f.s, HTTP_DRAIN_GRACE_MS, on_drained, NULL);
        for (unsigned n = dice(30); n > 0 && f.w.conn; n--)
            act();
        if (dice(2))
            http_server_refuse_rest(f.s);
        for (unsigned n = dice(10); n > 0 && f.w.conn; n--)
            act();
    }
    end();
}

static void survives_any_weather(void)
{
    unsigned long n = storm_start(ROUNDS);

    for (unsigned long i = 0; i < n; i++)
        one_connection();
}

static const struct test suite[] = {
    { "survives any weather", survives_any_weather },
};

TEST_MAIN(suite)
