/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small answers: their bound, their one deadline, and what lives how long. */
#include "http/fetch.h"

#include "client_test.h"

static struct {
    struct fetch *fetch;
    unsigned n_done;
    enum err err;
    bool certainly_unsent;
    bool responded;
    int status;
    char type[64];
    char body[256];
    char detail[512];
    bool cancels;
} got;

static void on_done(void *arg, const struct fetch_result *r)
{
    EXPECT(arg == &got);
    got.n_done++;
    got.err = r->outcome.err;
    got.certainly_unsent = r->outcome.certainly_unsent;
    got.responded = r->outcome.responded;
    got.status = r->head ? r->head->status : 0;
    if (r->head)
        str_to_z(http_value(r->head, "content-type"), got.type, sizeof(got.type));
    str_to_z(r->body, got.body, sizeof(got.body));
    str_to_z(str_of(r->outcome.detail), got.detail, sizeof(got.detail));
    if (got.cancels)
        fetch_cancel(got.fetch);
}

static void start_fetch(int64_t total_ms)
{
    char body[] = "query";
    struct http_call_params p = params_of(HTTP_POST, STR(""));

    p.body = str_of(body);
    p.connect_timeout_ms = 0;
    p.head_timeout_ms = 0;
    p.idle_timeout_ms = 0;
    memset(&got, 0, sizeof(got));
    got.fetch = fetch_start(f.c, &p, 10, total_ms, on_done, &got);
    memset(body, '#', sizeof(body)); /* it was copied */
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nquery"));
}

static void gives_the_whole_answer(void)
{
    begin();
    start_fetch(5000);
    far_write(&f.far, "HTTP/1.1 418 Teapot\r\nContent-Type: text/x\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n");
    some_turns(f.l);
    EXPECT_INT(got.n_done, 0);
    far_write(&f.far, "5\r\n56789\r\n0\r\n\r\n");
    WAIT(f.l, got.n_done == 1);
    EXPECT_INT(got.err, ERR_NONE);
    EXPECT_INT(got.status, 418);
    EXPECT(got.responded && !got.certainly_unsent);
    EXPECT_Z(got.type, "text/x");
    EXPECT_Z(got.body, "0123456789");
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

static void refuses_a_body_above_the_bound(void)
{
    begin();
    start_fetch(5000);
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890");
    WAIT(f.l, got.n_done == 1);
    EXPECT_INT(got.err, ERR_TOO_BIG);
    EXPECT_INT(got.status, 200);
    EXPECT(strstr(got.detail, "more than the 10 bytes") != NULL);
    EXPECT_INT(http_client_idle(f.c), 0);
    end();
}

static void has_one_deadline_for_all(void)
{
    static const char *const answers[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        begin();
        start_fetch(5000);
        pass(4000);
        far_write(&f.far, answers[i]);
        some_turns(f.l);
        pass(999);
        EXPECT_INT(got.n_done, 0);
        pass(1);
        EXPECT_INT(got.n_done, 1);
        EXPECT_INT(got.err, ERR_TIMEOUT);
        EXPECT_INT(got.responded, i == 2);
        EXPECT(!got.certainly_unsent);
        EXPECT(strstr(got.detail, "5000 ms") != NULL);
        end();
    }
}

static void tells_failures_of_the_call(void)
{
    begin();
    start_fetch(5000);
    far_hang_up(&f.far, false);
    WAIT(f.l, got.n_done == 1);
    EXPECT_INT(got.err, ERR_CLOSED);
    EXPECT_INT(got.status, 0);
    EXPECT_Z(got.body, "");
    end();
}

static void is_canceled_in_every_state(void)
{
    static const char *const answers[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        begin();
        start_fetch(5000);
        far_write(&f.far, answers[i]);
        some_turns(f.l);
        fetch_cancel(got.fetch);
        pass(10000);
        EXPECT_INT(got.n_done, 0);
        end();
    }
}

static void may_be_canceled_when_it_is_done(void)
{
    begin();
    start_fetch(5000);
    got.cancels = true;
    far_write(&f.far, OK_HELLO);
    WAIT(f.l, got.n_done == 1);
    end();
}

static void tells_when_memory_runs_out(void)
{
    begin();
    start_fetch(5000);
    far_write(&f.far, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    some_turns(f.l);
    mem_fail_nth(1);
    far_write(&f.far, "hello");
    WAIT(f.l, got.n_done == 1);
    mem_fail_nth(0);
    EXPECT_INT(got.err, ERR_NOMEM);
    end();
}

static const struct test suite[] = {
    { "gives the whole answer", gives_the_whole_answer },
    { "refuses a body above the bound", refuses_a_body_above_the_bound },
    { "has one deadline for all", has_one_deadline_for_all },
    { "tells failures of the call", tells_failures_of_the_call },
    { "is canceled in every state", is_canceled_in_every_state },
    { "may be canceled when it is done", may_be_canceled_when_it_is_done },
    { "tells when memory runs out", tells_when_memory_runs_out },
};

TEST_MAIN(suite)
