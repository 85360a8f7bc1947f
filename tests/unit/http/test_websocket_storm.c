/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that come in random fragments and pieces to a socket that is paused and resumed at
 * random: each arrives whole, unchanged and in order.
 */
#include "websocket_client_test.h"

#include "storm.h"

enum { ROUNDS = 300, MESSAGE_MAX = 900 };

/* What was sent and what came: how many, how long, and a sum that minds the order. */
struct tally {
    unsigned n;
    size_t bytes;
    uint64_t sum;
};

static struct tally sent;
static struct tally came;
static struct websocket *ws;
static bool has_ended;

static void count(struct tally *t, struct str message)
{
    t->n++;
    t->bytes += message.n;
    for (size_t i = 0; i < message.n; i++)
        t->sum = t->sum * 31 + (unsigned char)message.p[i];
}

static void on_message(void *arg, bool is_text, struct str message)
{
    (void)arg;
    (void)is_text;
    count(&came, message);
    if (dice(8) == 0)
        websocket_pause(ws);
    if (dice(16) == 0)
        websocket_resume(ws);
}

static void on_end(void *arg, const struct websocket_end *end)
{
    (void)arg;
    EXPECT_INT(end->close_code, 1000);
    has_ended = true;
    ws = NULL;
}

static void add_message(void)
{
    char text[MESSAGE_MAX];
    size_t n = dice(4) ? dice(200) : dice(MESSAGE_MAX);
    unsigned first = dice(2) ? TEXT : BINARY;
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        text[i] = (char)('a' + dice(26));
    count(&sent, (struct str){ text, n });
    do {
        size_t part = dice(3) ? n - at : dice((unsigned)(n - at) + 1);

        at += part;
        add_frame(&out, first | (at == n ? FIN : 0), false, (struct str){ text + at - part, part });
        first = 0;
        if (dice(6) == 0)
            add_frame(&out, FIN | (dice(2) ? PING : PONG), false, STR("beat"));
    } while (at < n);
}

static void send_in_pieces(void)
{
    size_t at = 0;

    while (at < out.n) {
        size_t n = dice(3) ? 1 + dice((unsigned)(out.n - at)) : 1 + dice(10);

        n = n < out.n - at ? n : out.n - at;
        write_all(f.far.fd, out.p + at, n);
        at += n;
        if (dice(2))
            run_turn_now(f.l);
        if (ws && dice(4) == 0)
            websocket_resume(ws);
        far_read(&f.far);
        f.far.n = 0;
    }
}

static void one_socket(void)
{
    static const struct websocket_handler handler = { .on_message = on_message, .on_end = on_end };
    struct websocket_params p = ws_params();
    char text[512];

    out.n = 0;
    sent = came = (struct tally){ 0 };
    has_ended = false;
    ws = websocket_connect(f.connector, &p, &handler, NULL);
    if (dice(4) == 0)
        websocket_pause(ws);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    make_101(text, sizeof(text), "");
    add_bytes(&out, text, strlen(text));
    for (unsigned n = dice(60); n > 0; n--)
        add_message();
    add_frame(&out, FIN | CLOSE, false, STR("\x03\xe8"));
    send_in_pieces();
    while (!has_ended) {
        websocket_resume(ws);
        run_turn_now(f.l);
    }
    EXPECT_INT(came.n, sent.n);
    EXPECT_INT(came.bytes, sent.bytes);
    EXPECT(came.sum == sent.sum);
    far_hang_up(&f.far, false);
}

static void survives_any_weather(void)
{
    unsigned long n = storm_start(ROUNDS);

    begin();
    for (unsigned long i = 0; i < n; i++)
        one_socket();
    end();
}

static const struct test suite[] = {
    { "survives any weather", survives_any_weather },
};

TEST_MAIN(suite)
