/* SPDX-License-Identifier: Apache-2.0 */
/* Requests whose body is handed over piece by piece: how it is framed, back-pressure, deadlines,
 * and answers that come before its end. */
#include "client_test.h"

static struct told t;
static unsigned n_rooms;

static void tell_room(void *arg)
{
    EXPECT(arg == &t);
    n_rooms++;
}

static const struct http_call_handler uploading = {
    .on_room = tell_room,
    .on_sent = tell_sent,
    .on_head = tell_head,
    .on_body = tell_body,
    .on_done = tell_done,
};

static void start_upload(struct str first, uint64_t length)
{
    struct http_call_params p = params_of(HTTP_POST, first);

    p.is_streamed = true;
    p.length = length;
    p.send_timeout_ms = 2000;
    memset(&t, 0, sizeof(t));
    n_rooms = 0;
    t.call = http_call_start(f.c, &p, &uploading, &t);
}

static void start_and_accept_upload(struct str first, uint64_t length)
{
    start_upload(first, length);
    EXPECT_INT(n_rooms, 0);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, n_rooms == 1);
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    EXPECT_INT(t.n_sent, 0);
}

static void write_piece(const char *text)
{
    EXPECT(http_call_write(t.call, str_of(text)) == ERR_NONE);
}

static void end_body(void)
{
    EXPECT(http_call_end_body(t.call) == ERR_NONE);
    WAIT(f.l, t.n_sent == 1);
}

static void expect_ends_with(const char *text)
{
    size_t n = strlen(text);

    WAIT(f.l, far_has(&f.far, text));
    EXPECT(f.far.n >= n && strcmp(f.far.got + f.far.n - n, text) == 0);
}

static void sends_a_length_that_is_known(void)
{
    begin();
    start_and_accept_upload(STR("abc"), 10);
    EXPECT(far_has(&f.far, "Content-Length: 10\r\n"));
    expect_ends_with("\r\n\r\nabc");
    write_piece("defg");
    write_piece("");
    write_piece("hij");
    end_body();
    expect_ends_with("\r\n\r\nabcdefghij");
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

static void sends_chunks_else(void)
{
    begin();
    start_and_accept_upload(STR("abc"), HTTP_LENGTH_UNKNOWN);
    EXPECT(far_has(&f.far, "Transfer-Encoding: chunked\r\n"));
    EXPECT(!far_has(&f.far, "Content-Length"));
    write_piece("0123456789abcdef!");
    write_piece("x");
    end_body();
    expect_ends_with("\r\n\r\n3\r\nabc\r\n11\r\n0123456789abcdef!\r\n1\r\nx\r\n0\r\n\r\n");
    answer(&t, OK_HELLO);
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

static void chunks_may_be_none(void)
{
    begin();
    start_and_accept_upload(STR(""), HTTP_LENGTH_UNKNOWN);
    end_body();
    expect_ends_with("\r\n\r\n0\r\n\r\n");
    answer(&t, OK_HELLO);
    end();
}

static void goes_out_on_a_new_connection(void)
{
    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    answer(&t, OK_HELLO);
    EXPECT_INT(http_client_idle(f.c), 1);
    start_and_accept_upload(STR("abc"), 3);
    EXPECT_INT(http_client_idle(f.c), 1);
    end_body();
    answer(&t, OK_HELLO);
    EXPECT_INT(http_client_idle(f.c), 2);
    end();
}

/* Fills all that is between the two ends. */
static void fill(void)
{
    static char piece[16384];

    while (!http_call_is_full(t.call))
        EXPECT(http_call_write(t.call, (struct str){ piece, sizeof(piece) }) == ERR_NONE);
}

static void asks_for_more_when_there_is_room(void)
{
    begin();
    start_and_accept_upload(STR(""), HTTP_LENGTH_UNKNOWN);
    fill();
    some_turns(f.l);
    EXPECT_INT(n_rooms, 1);
    f.far.n = 0;
    WAIT(f.l, (far_read(&f.far), f.far.n = 0, n_rooms == 2));
    EXPECT(!http_call_is_full(t.call));
    http_call_cancel(t.call);
    end();
}

static void a_server_that_does_not_read_is_given_up(void)
{
    begin();
    start_and_accept_upload(STR(""), HTTP_LENGTH_UNKNOWN);
    fill();
    some_turns(f.l);
    pass(2000);
    EXPECT_INT(t.err, ERR_TIMEOUT);
    EXPECT(strstr(t.detail, "did not take the request in 2000 ms"));
    end();
}

/* It is not the server that is slow. */
static void no_deadline_passes_while_nothing_is_written(void)
{
    begin();
    start_and_accept_upload(STR("abc"), 6);
    some_turns(f.l);
    pass(1000000);
    EXPECT_INT(t.n_done, 0);
    write_piece("def");
    end_body();
    pass(9999);
    EXPECT_INT(t.n_done, 0);
    pass(1);
    EXPECT_INT(t.err, ERR_TIMEOUT);
    EXPECT(strstr(t.detail, "did not answer in 10000 ms"));
    end();
}

static void an_answer_may_come_first(void)
{
    begin();
    start_and_accept_upload(STR("abc"), 6);
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    WAIT(f.l, t.n == 3);
    pass(1000000); /* it may wait for the rest of the request */
    EXPECT_INT(t.n_done, 0);
    write_piece("def");
    end_body();
    expect_ends_with("\r\n\r\nabcdef");
    answer(&t, "lo");
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_Z(t.body, "hello");
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

/* The server may not read on before its answer has begun. */
static void goes_on_behind_the_head_of_an_answer(void)
{
    begin();
    start_and_accept_upload(STR(""), HTTP_LENGTH_UNKNOWN);
    fill();
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    WAIT(f.l, t.n_heads == 1);
    WAIT(f.l, (far_read(&f.far), f.far.n = 0, n_rooms == 2));
    EXPECT(http_call_end_body(t.call) == ERR_NONE);
    WAIT(f.l, (far_read(&f.far), f.far.n = 0, t.n_sent == 1));
    answer(&t, "hello");
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

static void a_whole_answer_ends_the_request(void)
{
    begin();
    start_and_accept_upload(STR("abc"), HTTP_LENGTH_UNKNOWN);
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.n_sent, 0);
    EXPECT_INT(http_client_idle(f.c), 0);
    WAIT(f.l, !far_read(&f.far));
    EXPECT(!strstr(f.far.got, "\r\n0\r\n\r\n"));
    end();
}

static void never_looks_whole_when_it_is_canceled(void)
{
    begin();
    start_and_accept_upload(STR("abc"), HTTP_LENGTH_UNKNOWN);
    write_piece("def");
    http_call_cancel(t.call);
    WAIT(f.l, !far_read(&f.far));
    EXPECT(strstr(f.far.got, "3\r\nabc\r\n3\r\ndef"));
    EXPECT(!strstr(f.far.got, "0\r\n\r\n"));
    end();
}

static void a_server_that_hangs_up_ends_it(void)
{
    begin();
    start_and_accept_upload(STR("abc"), HTTP_LENGTH_UNKNOWN);
    far_hang_up(&f.far, true);
    for (int i = 0; i < 10 && t.call; i++) {
        write_piece("def");
        run_turn_now(f.l);
    }
    WAIT(f.l, t.n_done == 1);
    EXPECT(t.err != ERR_NONE && !t.certainly_unsent && !t.responded);
    end();
}

static void cancel_in_room(void *arg)
{
    (void)arg;
    http_call_cancel(t.call);
    n_rooms++;
}

static void can_be_canceled_when_asked_for_more(void)
{
    static const struct http_call_handler canceling = {
        .on_room = cancel_in_room, .on_head = tell_head, .on_body = tell_body, .on_done = tell_done
    };
    struct http_call_params p = params_of(HTTP_POST, STR("abc"));

    begin();
    p.url = &f.url;
    p.is_streamed = true;
    p.length = 9;
    n_rooms = 0;
    memset(&t, 0, sizeof(t));
    t.call = http_call_start(f.c, &p, &canceling, &t);
    WAIT(f.l, n_rooms == 1);
    some_turns(f.l);
    EXPECT_INT(t.n_done, 0);
    end();
}

static const struct test suite[] = {
    { "sends a length that is known", sends_a_length_that_is_known },
    { "sends chunks else", sends_chunks_else },
    { "chunks may be none", chunks_may_be_none },
    { "goes out on a new connection", goes_out_on_a_new_connection },
    { "asks for more when there is room", asks_for_more_when_there_is_room },
    { "a server that does not read is given up", a_server_that_does_not_read_is_given_up },
    { "no deadline passes while nothing is written", no_deadline_passes_while_nothing_is_written },
    { "an answer may come first", an_answer_may_come_first },
    { "goes on behind the head of an answer", goes_on_behind_the_head_of_an_answer },
    { "a whole answer ends the request", a_whole_answer_ends_the_request },
    { "never looks whole when it is canceled", never_looks_whole_when_it_is_canceled },
    { "a server that hangs up ends it", a_server_that_hangs_up_ends_it },
    { "can be canceled when asked for more", can_be_canceled_when_asked_for_more },
};

TEST_MAIN(suite)
