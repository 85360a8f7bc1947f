/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls whose answers come in random pieces and that are canceled at random.
 * An answer that nobody spoiled arrives unchanged, however it was cut.
 */
#include "client_test.h"
#include "storm.h"

#include "http/client_internal.h"

enum { ROUNDS = 4000, BODY_MAX = 3000, ANSWER_MAX = 30000 };

static struct told t;
static struct wire w;

static struct {
    char body[BODY_MAX];
    size_t body_n;
    char p[ANSWER_MAX]; /* all that the server sends */
    size_t n;
    size_t sent;
    bool ends; /* with the connection */
    bool is_spoiled;
} reply;

static void add(const void *p, size_t n)
{
    EXPECT(reply.n + n <= sizeof(reply.p));
    if (n > 0)
        memcpy(reply.p + reply.n, p, n);
    reply.n += n;
}

static FORMAT(1, 2) void addf(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(text, strlen(text));
}

static void add_chunks(void)
{
    for (size_t at = 0; at < reply.body_n;) {
        size_t n = 1 + dice((unsigned)(reply.body_n - at));

        addf("%zx%s\r\n", n, dice(4) ? "" : ";ext=1");
        add(reply.body + at, n);
        addf("\r\n");
        at += n;
    }
    addf("0\r\n%s\r\n", dice(3) ? "" : "X-Trailer: 1\r\n");
}

static void make_answer(void)
{
    unsigned framing = dice(3);

    reply.n = reply.sent = 0;
    reply.body_n = dice(3) ? dice(BODY_MAX) : dice(3);
    for (size_t i = 0; i < reply.body_n; i++)
        reply.body[i] = (char)dice(256);
    for (unsigned n = dice(3); n > 0; n--)
        addf("HTTP/1.1 10%u Early\r\nX: y\r\n\r\n", 2 * dice(2));
    addf("HTTP/1.1 200 OK\r\n%s", dice(4) ? "" : "Connection: close\r\n");
    if (framing == 0)
        addf("Content-Length: %zu\r\n\r\n", reply.body_n);
    else
        addf("%s\r\n", framing == 1 ? "Transfer-Encoding: chunked\r\n" : "");
    if (framing == 1)
        add_chunks();
    else
        add(reply.body, reply.body_n);
    reply.ends = framing == 2;
    reply.is_spoiled = dice(3) == 0;
    if (reply.is_spoiled && dice(2))
        reply.p[dice((unsigned)reply.n)] = (char)dice(256);
    else if (reply.is_spoiled && dice(2))
        reply.n = dice((unsigned)reply.n);
    else if (reply.is_spoiled)
        add("extra", 5);
}

static void send_some(void)
{
    size_t left = reply.n - reply.sent;
    size_t n = dice(3) ? dice((unsigned)left + 1) : left;
    char *copy;

    if (n == 0)
        return;
    copy = mem_alloc(n); /* nobody may look at it later */
    memcpy(copy, reply.p + reply.sent, n);
    if (wire_feed(&w, (struct str){ copy, n }))
        reply.sent += n;
    mem_free(copy);
}

static void act(void)
{
    switch (dice(6)) {
    case 0:
        turn(f.l);
        break;
    case 1:
        if (w.conn && w.room == 0)
            wire_give_room(&w, dice(2) ? SIZE_MAX : 10);
        break;
    case 2:
        if (dice(200) == 0) {
            http_call_cancel(t.call);
            t.call = NULL;
        } else if (dice(100) == 0) {
            pass(3100);
            reply.is_spoiled = true;
        }
        break;
    default:
        send_some();
        break;
    }
}

/* The rest comes, and the call ends. */
static void see_the_end(void)
{
    if (w.conn && w.room < 10000)
        wire_give_room(&w, SIZE_MAX);
    for (int i = 0; i < 100 && t.call; i++) {
        turn(f.l);
        if (t.call)
            send_some();
        if (t.call && reply.sent == reply.n && (reply.ends || reply.is_spoiled))
            wire_end(&w, ERR_CLOSED);
    }
}

static void one_call(void)
{
    struct http_call_params p = params_of(dice(2) ? HTTP_POST : HTTP_GET, STR("the body"));
    bool is_canceled;

    make_answer();
    wire_open(&w, f.l);
    w.room = dice(3) ? SIZE_MAX : dice(100);
    pool_put(pool_get(f.c, &f.url.endpoint), w.conn);
    memset(&t, 0, sizeof(t));
    p.send_once = true;
    t.call = http_call_start(f.c, &p, &telling, &t);
    run_turn_now(f.l);
    for (unsigned n = dice(80); n > 0 && t.call; n--)
        act();
    is_canceled = !t.call && t.n_done == 0;
    if (t.call)
        see_the_end();
    if (!reply.is_spoiled && !is_canceled) {
        EXPECT_INT(t.n_done, 1);
        EXPECT_Z(t.detail, "");
        EXPECT_INT(t.status, 200);
        EXPECT_INT(t.n, reply.body_n);
        EXPECT(memcmp(t.body, reply.body, reply.body_n) == 0);
    }
    if (t.call)
        http_call_cancel(t.call);
    turn(f.l);
    if (w.conn)
        wire_end(&w, ERR_CLOSED);
    turn(f.l);
    EXPECT_INT(http_client_idle(f.c), 0);
    wire_free(&w);
}

static void survives_any_weather(void)
{
    unsigned long n = storm_start(ROUNDS);

    begin();
    for (unsigned long i = 0; i < n; i++)
        one_call();
    end();
}

static const struct test suite[] = {
    { "survives any weather", survives_any_weather },
};

TEST_MAIN(suite)
