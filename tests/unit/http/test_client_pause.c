/* SPDX-License-Identifier: Apache-2.0 */
/* Back-pressure on an answer: nothing is read while it is paused, and no deadline passes. */
#include "client_test.h"

static struct told t;

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

static void reads_no_more_while_paused(void)
{
    begin();
    start_and_accept(&t, HTTP_POST, STR("x"));
    far_write(&f.far, HEAD "hello");
    WAIT(f.l, t.n == 5);
    http_call_pause(t.call);
    far_write(&f.far, "world");
    some_turns(f.l);
    pass(1000000);
    EXPECT_INT(t.n, 5);
    EXPECT_INT(t.n_done, 0);
    http_call_resume(t.call);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT_Z(t.body, "helloworld");
    EXPECT_INT(http_client_idle(f.c), 1);
    end();
}

static void pauses_an_answer_that_has_not_begun(void)
{
    begin();
    start_and_accept(&t, HTTP_POST, STR("x"));
    http_call_pause(t.call);
    far_write(&f.far, HEAD);
    WAIT(f.l, t.n_heads == 1);
    far_write(&f.far, "hello");
    some_turns(f.l);
    EXPECT_INT(t.n, 0);
    http_call_resume(t.call);
    WAIT(f.l, t.n == 5);
    pass(3000);
    EXPECT_INT(t.err, ERR_TIMEOUT);
    end();
}

static void is_canceled_while_paused(void)
{
    begin();
    start_and_accept(&t, HTTP_POST, STR("x"));
    far_write(&f.far, HEAD "hello");
    WAIT(f.l, t.n == 5);
    http_call_pause(t.call);
    http_call_cancel(t.call);
    EXPECT_INT(t.n_done, 0);
    end();
}

static const struct test suite[] = {
    { "reads no more while paused", reads_no_more_while_paused },
    { "pauses an answer that has not begun", pauses_an_answer_that_has_not_begun },
    { "is canceled while paused", is_canceled_while_paused },
};

TEST_MAIN(suite)
