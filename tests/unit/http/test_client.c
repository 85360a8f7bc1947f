/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: what is sent, what is read whatever the cut, deadlines, failures, cancellation. */
#include "client_test.h"

static struct told t;

/* ---- requests ---- */

static void sends_the_request_in_one_piece(void)
{
    char want[512];

    begin();
    start(&t, HTTP_POST, STR("{}"));
    EXPECT_INT(t.n_sent, 0);
    EXPECT(http_call_is_unsent(t.call));
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, t.n_sent == 1);
    EXPECT(!http_call_is_unsent(t.call));
    far_read(&f.far);
    snprintf(want, sizeof(want),
             "POST /base/x?y HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept-Encoding: identity\r\n"
             "User-Agent: enginelabs-2api\r\nContent-Length: 2\r\n\r\n{}",
             f.far.port);
    EXPECT_Z(f.far.got, want);
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT(t.responded && !t.certainly_unsent);
    EXPECT_Z(t.body, "hello");
    end();
}

static void sends_the_headers_it_is_given(void)
{
    struct http_header headers[] = {
        { STR("Authorization"), STR("Bearer x") },
        { STR("user-agent"), STR("me") },
    };
    struct http_call_params p;

    begin();
    p = params_of(HTTP_GET, STR(""));
    p.headers = headers;
    p.n_headers = 2;
    memset(&t, 0, sizeof(t));
    t.call = http_call_start(f.c, &p, &telling, &t);
    memset(headers, 0, sizeof(headers));
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    EXPECT(far_has(&f.far, "\r\nAuthorization: Bearer x\r\nuser-agent: me\r\n\r\n"));
    EXPECT(!far_has(&f.far, "User-Agent"));
    EXPECT(!far_has(&f.far, "Content-Length"));
    answer(&t, OK_HELLO);
    end();
}

static void refuses_what_would_break_the_request(void)
{
    static const struct {
        const char *name;
        const char *value;
        const char *target;
    } rows[] = {
        { "X", "a\r\nHost: evil", "/" },
        { "X: y", "a", "/" },
        { "X", "a", "/a b" },
        { "X", "a", "/a\r\n" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_header header = { str_of(rows[i].name), str_of(rows[i].value) };
        struct http_call_params p;
        begin();
        p = params_of(HTTP_GET, STR(""));
        p.headers = &header;
        p.n_headers = 1;
        p.target = str_of(rows[i].target);
        memset(&t, 0, sizeof(t));
        t.call = http_call_start(f.c, &p, &telling, &t);
        EXPECT_INT(t.n_done, 0);
        turn(f.l);
        EXPECT_INT(t.n_done, 1);
        EXPECT_INT(t.err, ERR_BAD_INPUT);
        EXPECT(t.certainly_unsent);
        end();
    }
}

/* ---- responses ---- */

static const struct {
    enum http_method method;
    const char *text;
    int status;
    const char *body;
    bool kept;
    bool ends; /* the far end closes behind it */
} rows[] = {
    { HTTP_GET, OK_HELLO, 200, "hello", true, false },
    { HTTP_GET,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2;x\r\n, \r\n0\r\nT: "
      "u\r\n\r\n",
      200, "hello, ", true, false },
    { HTTP_GET, "HTTP/1.1 200 OK\r\n\r\nuntil close", 200, "until close", false, true },
    { HTTP_GET, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false },
    { HTTP_GET, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi",
      false, false },
    { HTTP_GET, "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, false },
    { HTTP_GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true, false },
    { HTTP_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", true, false },
    { HTTP_POST,
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na",
      201, "a", true, false },
    { HTTP_GET, OK_HELLO "extra", 200, "hello", false, false },
};

static void reads_responses_whatever_the_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = str_of(rows[i].text);
        begin();
        for (size_t cut = 1; cut <= text.n; cut++) {
            start(&t, rows[i].method, STR("x"));
            if (http_client_idle(f.c) == 0)
                WAIT(f.l, far_accept(&f.far));
            f.far.n = 0;
            WAIT(f.l, far_has(&f.far, "\r\n\r\nx"));
            write_all(f.far.fd, text.p, cut);
            some_turns(f.l);
            write_all(f.far.fd, text.p + cut, text.n - cut);
            if (rows[i].ends)
                far_hang_up(&f.far, false);
            WAIT(f.l, t.n_done == 1);
            EXPECT_INT(t.err, ERR_NONE);
            EXPECT_INT(t.status, rows[i].status);
            EXPECT_INT(t.n_heads, 1);
            EXPECT_Z(t.body, rows[i].body);
            WAIT(f.l, http_client_idle(f.c) == rows[i].kept);
            if (!rows[i].kept)
                far_hang_up(&f.far, false);
        }
        end();
    }
}

static void reads_a_head_byte_by_byte(void)
{
    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    for (const char *p = rows[8].text; *p; p++) {
        write_all(f.far.fd, p, 1);
        some_turns(f.l);
    }
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.status, 201);
    end();
}

static void names_broken_answers(void)
{
    static char large[3000];
    static const struct {
        const char *text;
        enum err err;
        bool responded;
        const char *detail;
    } broken[] = {
        { "SSH-2.0-OpenSSH\r\n\r\n", ERR_PROTOCOL, false, "no valid HTTP" },
        { "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ERR_PROTOCOL, false, "no valid HTTP" },
        { "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", ERR_PROTOCOL, false, "unasked" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ERR_PROTOCOL, true,
          "chunk" },
        { large, ERR_PROTOCOL, false, "more than 1024 bytes" },
        { "", ERR_CLOSED, false, "without an answer" },
        { "HTTP/1.1 200", ERR_CLOSED, false, "in the middle" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ERR_CLOSED, true, "in the middle" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ERR_CLOSED, true,
          "in the middle" },
    };

    memset(large, 'a', sizeof(large) - 1);
    memcpy(large, "HTTP/1.1 200 OK\r\nX: ", 20);
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        char host[32];
        begin();
        snprintf(host, sizeof(host), "127.0.0.1:%u ", f.far.port);
        start_and_accept(&t, HTTP_GET, STR(""));
        far_write(&f.far, broken[i].text);
        some_turns(f.l);
        far_hang_up(&f.far, false);
        WAIT(f.l, t.n_done == 1);
        EXPECT_INT(t.err, broken[i].err);
        EXPECT_INT(t.responded, broken[i].responded);
        EXPECT(!t.certainly_unsent);
        EXPECT(strstr(t.detail, broken[i].detail) != NULL);
        EXPECT(strstr(t.detail, host) == t.detail);
        EXPECT_INT(http_client_idle(f.c), 0);
        end();
    }
}

static void tells_a_reset(void)
{
    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    far_hang_up(&f.far, true);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_RESET);
    end();
}

static void tells_that_nobody_listens(void)
{
    begin();
    close(f.far.listening);
    start(&t, HTTP_POST, STR("x"));
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_REFUSED);
    EXPECT(t.certainly_unsent && !t.responded);
    EXPECT(t.detail[0] != '\0');
    f.far.listening = -1;
    end();
}

/* ---- uploads ---- */

static void sends_a_large_body(void)
{
    size_t size = (size_t)32 << 20;
    char *body = calloc(1, size);
    size_t got = 0;

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    some_turns(f.l);
    EXPECT_INT(t.n_sent, 0);
    while (got < size) {
        run_turn_now(f.l);
        f.far.n = 0;
        far_read(&f.far);
        got += f.far.n;
    }
    WAIT(f.l, t.n_sent == 1);
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
    free(body);
}

/* Where the writes are cut does not matter. */
static void sends_a_body_that_lies_in_pieces(void)
{
    enum { SIZE = 12000007, FIRST = 1000003, SECOND = 4000037 };
    unsigned char *body = malloc(SIZE);
    struct str rest = { (const char *)body + FIRST, SIZE - FIRST };
    struct http_call_params p = params_of(HTTP_POST, (struct str){ (const char *)body, FIRST });
    size_t got = 0;

    EXPECT(body != NULL);
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (unsigned char)(i % 251 + i / 65536);
    p.more[0] = str_sub(rest, 0, SECOND);
    p.more[1] = str_from(rest, SECOND);
    begin();
    p.url = &f.url;
    memset(&t, 0, sizeof(t));
    t.call = http_call_start(f.c, &p, &telling, &t);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    EXPECT(strstr(f.far.got, "Content-Length: 12000007\r\n") != NULL);
    f.far.n -= (size_t)(strstr(f.far.got, "\r\n\r\n") + 4 - f.far.got);
    memmove(f.far.got, strstr(f.far.got, "\r\n\r\n") + 4, f.far.n);
    while (got < SIZE) {
        EXPECT(got + f.far.n <= SIZE && memcmp(f.far.got, body + got, f.far.n) == 0);
        got += f.far.n;
        run_turn_now(f.l);
        f.far.n = 0;
        far_read(&f.far);
    }
    WAIT(f.l, t.n_sent == 1);
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    end();
    free(body);
}

/* A server that refuses an upload answers, and resets what still comes. */
static void takes_the_answer_of_who_hangs_up_on_the_upload(void)
{
    size_t size = (size_t)64 << 20;
    char *body = calloc(1, size);

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    far_write(&f.far, "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\nno");
    some_turns(f.l);
    far_hang_up(&f.far, false);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.status, 413);
    EXPECT_INT(http_client_idle(f.c), 0);
    end();
    free(body);
}

static void takes_an_answer_before_the_request_is_sent(void)
{
    size_t size = (size_t)64 << 20;
    char *body = calloc(1, size);

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    answer(&t, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_INT(t.status, 413);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.n_sent, 0);
    EXPECT_INT(http_client_idle(f.c), 0);
    end();
    free(body);
}

/* An answer of 2xx may be made while the request is read: both go on. */
static void goes_on_sending_behind_the_head_of_an_answer(void)
{
    size_t size = (size_t)32 << 20;
    char *body = calloc(1, size);
    size_t got = 0;

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    got = f.far.n - (size_t)(strstr(f.far.got, "\r\n\r\n") + 4 - f.far.got);
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    WAIT(f.l, t.n_heads == 1);
    for (int idle = 0; got < size && idle < 10000; idle++) {
        run_turn_now(f.l);
        f.far.n = 0;
        far_read(&f.far);
        got += f.far.n;
        idle = f.far.n > 0 ? 0 : idle;
    }
    EXPECT_INT(got, size);
    answer(&t, "hello");
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
    free(body);
}

/* What refuses it wants no more of it (RFC 9112 9.5). */
static void stops_sending_behind_a_refusal(void)
{
    size_t size = (size_t)32 << 20;
    char *body = calloc(1, size);
    size_t got = 0;

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
    far_write(&f.far, "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\n");
    WAIT(f.l, t.n_heads == 1);
    for (int idle = 0; got < size && idle < 100; idle++) {
        run_turn_now(f.l);
        f.far.n = 0;
        far_read(&f.far);
        got += f.far.n;
        idle = f.far.n > 0 ? 0 : idle;
    }
    EXPECT(got < size);
    answer(&t, "hello");
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_INT(t.n_sent, 0);
    EXPECT_INT(http_client_idle(f.c), 0);
    end();
    free(body);
}

/* ---- deadlines ---- */

static void times_out_in_each_phase(void)
{
    size_t size = (size_t)64 << 20;
    char *body = calloc(1, size);
    static const struct {
        const char *answer;
        int64_t ms;
        bool is_sending;
        const char *detail;
    } phases[] = {
        { "", 10000, true, "did not take the request in 10000 ms" },
        { "", 10000, false, "did not answer in 10000 ms" },
        { "HTTP/1.1 200 OK\r\nCon", 10000, false, "did not answer in 10000 ms" },
        { "HTTP/1.1 100 Continue\r\n\r\n", 10000, false, "did not answer in 10000 ms" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", 3000, false, "for 3000 ms" },
    };

    EXPECT(body != NULL);
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        begin();
        start(&t, HTTP_POST, (struct str){ body, phases[i].is_sending ? size : 1 });
        WAIT(f.l, far_accept(&f.far));
        some_turns(f.l);
        EXPECT_INT(t.n_sent, !phases[i].is_sending);
        far_write(&f.far, phases[i].answer);
        some_turns(f.l);
        pass(phases[i].ms - 1);
        EXPECT_INT(t.n_done, 0);
        pass(1);
        EXPECT_INT(t.n_done, 1);
        EXPECT_INT(t.err, ERR_TIMEOUT);
        EXPECT(!t.certainly_unsent);
        EXPECT(strstr(t.detail, phases[i].detail) != NULL);
        end();
    }
    free(body);
}

static void counts_the_body_from_its_last_piece(void)
{
    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    WAIT(f.l, t.n_heads == 1);
    for (size_t i = 0; i < 5; i++) {
        pass(2999);
        EXPECT_INT(t.n_done, 0);
        far_write(&f.far, "x");
        WAIT(f.l, t.n == i + 1);
    }
    EXPECT_INT(t.n_done, 1);
    EXPECT_INT(t.err, ERR_NONE);
    end();
}

/* ---- cancellation ---- */

static void is_canceled_before_it_began(void)
{
    begin();
    start(&t, HTTP_GET, STR(""));
    http_call_cancel(t.call);
    some_turns(f.l);
    EXPECT(!far_accept(&f.far));
    EXPECT_INT(t.n_done, 0);
    end();
}

/* Cancels after some rounds of tasks, before sockets are looked at. */
static struct {
    struct task task;
    int rounds;
} canceler;

static void on_canceler(void *arg)
{
    if (canceler.rounds-- > 0)
        loop_defer(f.l, &canceler.task);
    else
        http_call_cancel(arg);
}

static void is_canceled_while_it_connects(void)
{
    for (int rounds = 0; rounds < 5; rounds++) {
        begin();
        start(&t, HTTP_GET, STR(""));
        canceler.rounds = rounds;
        task_init(&canceler.task, on_canceler, t.call);
        loop_defer(f.l, &canceler.task);
        some_turns(f.l);
        EXPECT_INT(t.n_done + t.n_sent, 0);
        end();
    }
}

static void is_canceled_while_it_sends(void)
{
    size_t size = (size_t)64 << 20;
    char *body = calloc(1, size);

    EXPECT(body != NULL);
    begin();
    start(&t, HTTP_POST, (struct str){ body, size });
    WAIT(f.l, far_accept(&f.far));
    some_turns(f.l);
    http_call_cancel(t.call);
    free(body);
    some_turns(f.l);
    EXPECT_INT(t.n_done + t.n_sent, 0);
    end();
}

static void is_canceled_while_it_waits(void)
{
    static const char *const texts[] = {
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        begin();
        start_and_accept(&t, HTTP_GET, STR(""));
        far_write(&f.far, texts[i]);
        some_turns(f.l);
        http_call_cancel(t.call);
        WAIT(f.l, !far_read(&f.far));
        EXPECT_INT(t.n_done, 0);
        EXPECT_INT(http_client_idle(f.c), 0);
        end();
    }
}

static void is_canceled_from_inside_each_callback(void)
{
    for (const char *at = "shbd"; *at; at++) {
        begin();
        start(&t, HTTP_GET, STR(""));
        t.cancel_at = *at;
        WAIT(f.l, far_accept(&f.far));
        some_turns(f.l);
        far_write(&f.far, OK_HELLO);
        some_turns(f.l);
        EXPECT_INT(t.n_sent, 1);
        EXPECT_INT(t.n_heads, *at != 's');
        EXPECT_INT(t.n_done, *at == 'd');
        EXPECT_INT(http_client_idle(f.c), *at == 'd');
        end();
    }
}

static void survives_every_failed_allocation(void)
{
    bool is_clean = false;

    for (uint64_t n = 1; !is_clean; n++) {
        begin();
        mem_fail_nth(n);
        start(&t, HTTP_POST, STR("x"));
        for (int i = 0; i < 1000 && !t.n_done && !far_accept(&f.far); i++)
            run_turn_now(f.l);
        for (const char *p = rows[1].text; *p && f.far.fd >= 0 && !t.n_done; p++) {
            write_all(f.far.fd, p, 1);
            some_turns(f.l);
        }
        mem_fail_nth(0);
        EXPECT_INT(t.n_done, 1);
        is_clean = t.err == ERR_NONE && strcmp(t.body, "hello, ") == 0;
        EXPECT(is_clean || t.err != ERR_NONE);
        end();
        EXPECT(n < 1000);
    }
}

static const struct test suite[] = {
    { "sends the request in one piece", sends_the_request_in_one_piece },
    { "sends the headers it is given", sends_the_headers_it_is_given },
    { "refuses what would break the request", refuses_what_would_break_the_request },
    { "reads responses whatever the cut", reads_responses_whatever_the_cut },
    { "reads a head byte by byte", reads_a_head_byte_by_byte },
    { "names broken answers", names_broken_answers },
    { "tells a reset", tells_a_reset },
    { "tells that nobody listens", tells_that_nobody_listens },
    { "sends a large body", sends_a_large_body },
    { "sends a body that lies in pieces", sends_a_body_that_lies_in_pieces },
    { "takes the answer of who hangs up on the upload",
      takes_the_answer_of_who_hangs_up_on_the_upload },
    { "takes an answer before the request is sent", takes_an_answer_before_the_request_is_sent },
    { "goes on sending behind the head of an answer",
      goes_on_sending_behind_the_head_of_an_answer },
    { "stops sending behind a refusal", stops_sending_behind_a_refusal },
    { "times out in each phase", times_out_in_each_phase },
    { "counts the body from its last piece", counts_the_body_from_its_last_piece },
    { "is canceled before it began", is_canceled_before_it_began },
    { "is canceled while it connects", is_canceled_while_it_connects },
    { "is canceled while it sends", is_canceled_while_it_sends },
    { "is canceled while it waits", is_canceled_while_it_waits },
    { "is canceled from inside each callback", is_canceled_from_inside_each_callback },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
