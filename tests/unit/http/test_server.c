/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a client: what is taken apart, in which order, and within which limits. */
#include "server_test.h"

/* ---- requests ---- */

static void answers_in_one_write(void)
{
    struct response r;
    struct str in;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/a?b=c")));
    EXPECT_INT(f.w.n_writes, 1);
    in = wire_str(&f.w);
    EXPECT(response_read(&in, HTTP_GET, &r));
    EXPECT_INT(r.head.status, 200);
    EXPECT_STR(r.head.reason, "OK");
    EXPECT_Z(r.body, "GET /a?b=c ");
    EXPECT_STR(http_value(&r.head, "content-type"), "text/plain");
    EXPECT_STR(http_value(&r.head, "content-length"), "11");
    EXPECT_INT(http_value(&r.head, "date").n, 29);
    EXPECT(str_starts(http_value(&r.head, "x-request-id"), STR("req_")));
    EXPECT(http_value(&r.head, "connection").p == NULL);
    EXPECT(!f.w.is_closed);
    response_free(&r);
    end();
}

static const struct {
    const char *in;
    const char *want;
} uploads[] = {
    { "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "POST /a hello" },
    { "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n00a;x=y\r\n, you ther\r\n1\r\ne\r\n0\r\nTrailer: x\r\n\r\n",
      "POST /a hello, you there" },
    { "\r\nPUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "PUT /b " },
};

static void takes_uploads_whatever_the_cut(void)
{
    for (size_t i = 0; i < COUNT_OF(uploads); i++) {
        struct str in = str_of(uploads[i].in);
        begin_connected();
        for (size_t cut = 1; cut < in.n; cut++) {
            EXPECT(wire_feed(&f.w, str_sub(in, 0, cut)));
            turn(f.l);
            EXPECT(wire_feed(&f.w, str_from(in, cut)));
            expect_answer(HTTP_POST, 200, uploads[i].want);
        }
        end();
    }
}

static void takes_uploads_byte_by_byte(void)
{
    begin_connected();
    for (size_t i = 0; i < COUNT_OF(uploads); i++) {
        for (const char *p = uploads[i].in; *p; p++)
            EXPECT(wire_feed(&f.w, (struct str){ p, 1 }));
        expect_answer(HTTP_POST, 200, uploads[i].want);
    }
    EXPECT_INT(f.n_requests, COUNT_OF(uploads));
    end();
}

static void keeps_the_head_while_more_is_read(void)
{
    char in[] = "POST /a?q HTTP/1.1\r\nHost: x\r\nX-Request-Id: my-id\r\n"
                "Content-Length: 3\r\n\r\nabc";
    struct response r;
    struct str out;

    begin_connected();
    EXPECT(wire_feed(&f.w, (struct str){ in, sizeof(in) - 4 }));
    memset(in, '#', sizeof(in) - 4);
    EXPECT(wire_feed(&f.w, (struct str){ in + sizeof(in) - 4, 3 }));
    out = wire_str(&f.w);
    EXPECT(response_read(&out, HTTP_POST, &r));
    EXPECT_Z(r.body, "POST /a?q abc");
    EXPECT_STR(http_value(&r.head, "x-request-id"), "my-id");
    response_free(&r);
    end();
}

static void keeps_sane_request_ids_only(void)
{
    static const struct {
        const char *id;
        bool kept;
    } rows[] = {
        { "abc-123_X.y", true },
        { "a", true },
        { "a b", false },
        { "x\"y", false },
        { "012345678901234567890123456789012345678901234567890123456789012", true },
        { "0123456789012345678901234567890123456789012345678901234567890123", false },
    };

    begin_connected();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char in[256];
        char want[128];
        snprintf(in, sizeof(in), "GET / HTTP/1.1\r\nHost: x\r\nx-request-id: %s\r\n\r\n",
                 rows[i].id);
        snprintf(want, sizeof(want), "x-request-id: %s\r\n", rows[i].id);
        EXPECT(wire_feed_z(&f.w, in));
        EXPECT_INT(has(wire_str(&f.w), want), rows[i].kept);
        EXPECT_INT(has(wire_str(&f.w), "x-request-id: req_"), !rows[i].kept);
        wire_clear(&f.w);
    }
    end();
}

static void decides_whether_to_keep_the_connection(void)
{
    static const struct {
        const char *in;
        const char *connection; /* of the answer; "" for none */
        bool closed;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", false },
        { "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close", true },
        { "GET / HTTP/1.0\r\n\r\n", "close", true },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct response r;
        struct str in;
        begin_connected();
        EXPECT(wire_feed_z(&f.w, rows[i].in));
        in = wire_str(&f.w);
        EXPECT(response_read(&in, HTTP_GET, &r));
        EXPECT_STR(http_value(&r.head, "connection"), rows[i].connection);
        EXPECT_INT(f.w.is_closed, rows[i].closed);
        EXPECT(!f.w.is_reset);
        response_free(&r);
        end();
    }
}

static void sends_no_body_where_none_belongs(void)
{
    begin_connected();
    EXPECT(wire_feed_z(&f.w, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT(has(wire_str(&f.w), "content-length: 8\r\n"));
    expect_answer(HTTP_HEAD, 200, "");
    EXPECT(wire_feed_z(&f.w, GET("/empty")));
    EXPECT(!has(wire_str(&f.w), "content-length"));
    expect_answer(HTTP_GET, 204, "");
    end();
}

/* ---- pipelining ---- */

static void answers_pipelined_requests_in_order(void)
{
    struct str in;
    struct response r;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, GET("/1") GET("/2") "POST /3 HTTP/1.1\r\nHost: x\r\n"
                                                 "Content-Length: 2\r\n\r\nhi" GET("/4")));
    in = wire_str(&f.w);
    for (int i = 1; i <= 4; i++) {
        EXPECT(response_read(&in, HTTP_GET, &r));
        EXPECT_INT(strstr(r.body, "/")[1] - '0', i);
        response_free(&r);
    }
    EXPECT_INT(in.n, 0);
    end();
}

static void lets_pipelined_requests_wait(void)
{
    static const char in[] = GET("/hold") GET("/2");

    for (size_t cut = 1; cut < sizeof(in) - 1; cut++) {
        begin_connected();
        EXPECT(wire_feed(&f.w, (struct str){ in, cut }));
        turn(f.l);
        EXPECT(wire_feed(&f.w, (struct str){ in + cut, sizeof(in) - 1 - cut }));
        turn(f.l);
        EXPECT_INT(f.n_requests, 1);
        EXPECT_INT(f.w.n, 0);
        echo(f.held);
        EXPECT(wire_feed_z(&f.w, GET("/hold"))); /* behind what waits */
        expect_answer(HTTP_GET, 200, "GET /hold ");
        turn(f.l);
        EXPECT_INT(f.n_requests, 3);
        expect_answer(HTTP_GET, 200, "GET /2 ");
        EXPECT_INT(f.n_gone, 0);
        end();
        EXPECT_INT(f.n_gone, 1);
    }
}

/* Reading could only stop, and then nobody would see the client leave. */
static void resets_who_sends_too_much_behind_a_running_request(void)
{
    static const char *const requests[] = {
        GET("/hold"),
        GET("/stream"),
        "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
    };
    char more[MAX_HEAD / 2];

    memset(more, 'x', sizeof(more));
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        begin_connected();
        EXPECT(wire_feed_z(&f.w, requests[i]));
        turn(f.l);
        EXPECT(wire_feed(&f.w, (struct str){ more, sizeof(more) }));
        EXPECT(wire_feed(&f.w, (struct str){ more, sizeof(more) }));
        turn(f.l);
        EXPECT(!f.w.is_closed);
        EXPECT(wire_feed_z(&f.w, "x"));
        EXPECT(f.w.is_reset);
        EXPECT_INT(f.n_gone, 1);
        end();
    }
}

static void stops_reading_behind_an_answer_that_waits_for_room(void)
{
    char more[600];

    memset(more, 'x', sizeof(more));
    begin_connected();
    f.w.room = 0;
    EXPECT(wire_feed_z(&f.w, GET("/")));
    EXPECT(wire_feed(&f.w, (struct str){ more, sizeof(more) }));
    EXPECT(wire_feed(&f.w, (struct str){ more, sizeof(more) }));
    EXPECT(!wire_feed(&f.w, (struct str){ more, sizeof(more) }));
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 200 "));
    EXPECT(has(wire_str(&f.w), "HTTP/1.1 414 "));
    EXPECT(wire_feed(&f.w, (struct str){ more, sizeof(more) }));
    end();
}

static void reads_on_when_what_waited_was_served(void)
{
    struct buf in;

    begin_connected();
    buf_init(&in, MAX_HEAD * 4);
    while (in.n <= MAX_HEAD)
        EXPECT(buf_add(&in, STR(GET("/n"))) == ERR_NONE);
    f.w.room = 0;
    EXPECT(wire_feed_z(&f.w, GET("/")));
    EXPECT(wire_feed(&f.w, buf_str(&in)));
    EXPECT(!wire_feed_z(&f.w, GET("/")));
    wire_give_room(&f.w, SIZE_MAX);
    turn(f.l);
    EXPECT(f.n_requests > 20);
    wire_clear(&f.w);
    EXPECT(wire_feed_z(&f.w, GET("/again")));
    expect_answer(HTTP_GET, 200, "GET /again ");
    buf_deinit(&in);
    end();
}

/* ---- limits ---- */

/* Feeds as much as is read. */
static void feed_all(const char *in)
{
    for (struct str rest = str_of(in); rest.n > 0; rest = str_from(rest, 100))
        if (!wire_feed(&f.w, str_sub(rest, 0, 100)))
            return;
}

static void refuses_what_is_malformed_or_too_large(void)
{
    static char long_line[MAX_HEAD + 200];
    static char long_head[MAX_HEAD + 200];
    static const struct {
        const char *in;
        int status;
    } rows[] = {
        { long_line, 414 },
        { long_head, 431 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505 },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n", 413 },
        { "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", 413 },
        { "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde", 413 },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400 },
    };

    memset(long_line, 'a', sizeof(long_line) - 1);
    memcpy(long_line, "GET /", 5);
    memset(long_head, 'a', sizeof(long_head) - 1);
    memcpy(long_head, "GET / HTTP/1.1\r\nX: ", 19);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t rejected = metric_get(METRIC_REJECTED);
        begin_connected();
        feed_all(rows[i].in);
        EXPECT(has(wire_str(&f.w), "connection: close\r\n"));
        EXPECT(has(wire_str(&f.w), "content-type: application/json\r\n"));
        expect_status(rows[i].status);
        EXPECT_INT(f.n_requests, 0);
        EXPECT_INT(metric_get(METRIC_REJECTED), rejected + 1);
        EXPECT(!f.w.is_closed);
        EXPECT(wire_end(&f.w, ERR_CLOSED));
        EXPECT(f.w.is_closed && !f.w.is_reset);
        end();
    }
}

static void takes_the_largest_head_and_body(void)
{
    static char in[MAX_HEAD + 1];
    static char body[MAX_BODY];
    const char *start = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nX: ";

    memset(in, 'a', MAX_HEAD);
    memcpy(in, start, strlen(start));
    memcpy(in + MAX_HEAD - 4, "\r\n\r\n", 4);
    memset(body, 'b', sizeof(body));
    begin_connected();
    feed_all(in);
    EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) / 2 }));
    EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) / 2 }));
    expect_status(200);
    end();
}

static void refuses_new_work_without_memory(void)
{
    begin_connected();
    mem_budget_set(1);
    EXPECT(wire_feed_z(&f.w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"));
    mem_budget_set(SIZE_MAX);
    expect_status(503);
    end();
}

/* What is large enough is read to where the body lies, never what stands behind it. */
static void takes_large_bodies_whatever_the_cut(void)
{
    static const size_t cuts[] = { 0, 1, 16383, 16384, 16385, 40000, 65536, 99999 };
    static char body[MAX_BODY];

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct str rest = str_from((struct str){ body, sizeof(body) }, cuts[i]);
        struct buf in;

        begin_connected();
        EXPECT(
            wire_feed_z(&f.w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
        if (cuts[i] > 0)
            EXPECT(wire_feed(&f.w, (struct str){ body, cuts[i] }));
        buf_init(&in, SIZE_MAX);
        EXPECT_INT(buf_add_all(&in, STRS(rest, str_of(GET("/next")))), ERR_NONE);
        EXPECT(wire_feed(&f.w, buf_str(&in)));
        EXPECT(str_eq(f.held->body, (struct str){ body, sizeof(body) }));
        reply_text(f.held, 200, "all");
        expect_answer(HTTP_POST, 200, "all");
        turn(f.l);
        expect_answer(HTTP_GET, 200, "GET /next ");
        buf_deinit(&in);
        end();
    }
}

static void takes_memory_for_a_body_only_as_it_comes(void)
{
    static char body[MAX_BODY / 4];
    size_t before;

    begin_connected();
    EXPECT(wire_feed_z(&f.w, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
    before = mem_budget_used();
    EXPECT(before < 10000);
    for (size_t i = 1; i <= 4; i++) {
        EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
        EXPECT(mem_budget_used() - before >= i * sizeof(body));
        EXPECT(mem_budget_used() - before <= 2 * i * sizeof(body));
        if (i == 2) /* so that the second half does not move the first */
            EXPECT_INT(mem_budget_used() - before, MAX_BODY);
    }
    EXPECT_INT(mem_budget_used() - before, MAX_BODY);
    EXPECT_INT(f.held->body.n, MAX_BODY);
    reply_text(f.held, 200, "");
    end();
}

static void refuses_a_body_that_memory_runs_out_for(void)
{
    static const char *const lines[] = { "Content-Length: 100000\r\n\r\n",
                                         "Transfer-Encoding: chunked\r\n\r\n186a0\r\n" };
    static char body[MAX_BODY / 4];

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        begin_connected();
        mem_budget_set(MAX_BODY * 3 / 4);
        EXPECT(wire_feed_z(&f.w, "POST / HTTP/1.1\r\nHost: x\r\n"));
        EXPECT(wire_feed_z(&f.w, lines[i]));
        EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
        EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
        EXPECT_INT(f.w.n, 0);
        EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
        expect_status(503);
        EXPECT(has(wire_str(&f.w), "retry-after: 1\r\n"));
        turn(f.l);
        EXPECT_INT(mem_budget_used(), 0);
        EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
        EXPECT(!f.w.is_closed);
        mem_budget_set(SIZE_MAX);
        end();
    }
}

static void refuses_connections_above_the_limit(void)
{
    struct wire w[6];

    begin();
    for (size_t i = 0; i < COUNT_OF(w); i++)
        open_wire(&w[i]);
    EXPECT_INT(http_server_connections(f.s), 6);
    EXPECT_INT(w[3].n, 0);
    EXPECT(has(wire_str(&w[4]), "HTTP/1.1 503 "));
    EXPECT(has(wire_str(&w[5]), "HTTP/1.1 503 "));
    EXPECT(wire_feed_z(&w[4], GET("/")));
    pass(5000);
    EXPECT(w[4].is_closed && w[5].is_closed && !w[3].is_closed);
    EXPECT(wire_feed_z(&w[0], GET("/")));
    EXPECT(has(wire_str(&w[0]), "HTTP/1.1 200 "));
    end();
    for (size_t i = 0; i < COUNT_OF(w); i++)
        wire_free(&w[i]);
}

static void shares_the_limit_with_other_servers(void)
{
    struct http_server_limits limits = test_limits();
    atomic_size_t open = 3; /* those of another server */
    struct wire w[2];

    begin();
    http_server_free(f.s);
    limits.open = &open;
    f.s = http_server_new(f.l, &service, NULL, &limits);
    open_wire(&w[0]);
    open_wire(&w[1]);
    EXPECT_INT(w[0].n, 0);
    EXPECT(has(wire_str(&w[1]), "HTTP/1.1 503 "));
    EXPECT_INT(open, 5);
    pass(5000);
    EXPECT(w[1].is_closed && !w[0].is_closed);
    EXPECT_INT(open, 4);
    end();
    EXPECT_INT(open, 3);
    for (size_t i = 0; i < COUNT_OF(w); i++)
        wire_free(&w[i]);
}

static void resets_a_flood_of_connections(void)
{
    static struct wire w[200];
    size_t n_reset = 0;

    begin();
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        open_wire(&w[i]);
        n_reset += w[i].is_reset;
    }
    EXPECT_INT(n_reset, 200 - 4 - 64);
    end();
    for (size_t i = 0; i < COUNT_OF(w); i++)
        wire_free(&w[i]);
}

static const struct test suite[] = {
    { "answers in one write", answers_in_one_write },
    { "takes uploads whatever the cut", takes_uploads_whatever_the_cut },
    { "takes uploads byte by byte", takes_uploads_byte_by_byte },
    { "keeps the head while more is read", keeps_the_head_while_more_is_read },
    { "keeps sane request ids only", keeps_sane_request_ids_only },
    { "decides whether to keep the connection", decides_whether_to_keep_the_connection },
    { "sends no body where none belongs", sends_no_body_where_none_belongs },
    { "answers pipelined requests in order", answers_pipelined_requests_in_order },
    { "lets pipelined requests wait", lets_pipelined_requests_wait },
    { "resets who sends too much behind a running request",
      resets_who_sends_too_much_behind_a_running_request },
    { "stops reading behind an answer that waits for room",
      stops_reading_behind_an_answer_that_waits_for_room },
    { "reads on when what waited was served", reads_on_when_what_waited_was_served },
    { "refuses what is malformed or too large", refuses_what_is_malformed_or_too_large },
    { "takes the largest head and body", takes_the_largest_head_and_body },
    { "refuses new work without memory", refuses_new_work_without_memory },
    { "takes large bodies whatever the cut", takes_large_bodies_whatever_the_cut },
    { "takes memory for a body only as it comes", takes_memory_for_a_body_only_as_it_comes },
    { "refuses a body that memory runs out for", refuses_a_body_that_memory_runs_out_for },
    { "refuses connections above the limit", refuses_connections_above_the_limit },
    { "shares the limit with other servers", shares_the_limit_with_other_servers },
    { "resets a flood of connections", resets_a_flood_of_connections },
};

TEST_MAIN(suite)
