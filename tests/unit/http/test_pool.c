/* SPDX-License-Identifier: Apache-2.0 */
/* Kept connections: which are used again, which are closed, and what happens to a stale one. */
#include "client_test.h"

#include <sys/resource.h>

#include "http/client_internal.h"

static struct told t;
static struct told u;

/* A call that ends well and leaves its connection behind. */
static void leave_a_connection(void)
{
    start_and_accept(&t, HTTP_GET, STR(""));
    answer(&t, OK_HELLO);
    f.far.n = 0;
}

static void uses_a_connection_again(void)
{
    begin();
    leave_a_connection();
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(http_client_idle(f.c), 1);
        EXPECT_INT(metric_get(METRIC_UPSTREAM_IDLE), 1);
        start(&t, HTTP_GET, STR(""));
        WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
        EXPECT_INT(http_client_idle(f.c), 0);
        answer(&t, OK_HELLO);
        f.far.n = 0;
    }
    EXPECT(!far_accept(&f.far));
    end();
}

static void keeps_endpoints_apart(void)
{
    struct url other;
    struct http_call_params p;
    char text[64];
    char what[128];

    begin();
    leave_a_connection();
    snprintf(text, sizeof(text), "http://localhost:%u", f.far.port);
    EXPECT(url_parse(str_of(text), &other, what) == ERR_NONE);
    p = params_of(HTTP_GET, STR(""));
    p.url = &other;
    memset(&u, 0, sizeof(u));
    u.call = http_call_start(f.c, &p, &telling, &u);
    some_turns(f.l);
    EXPECT_INT(http_client_idle(f.c), 1);
    http_call_cancel(u.call);
    url_deinit(&other);
    end();
}

static void takes_the_connection_used_last(void)
{
    int first;

    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    first = f.far.fd;
    start_and_accept(&u, HTTP_GET, STR(""));
    answer(&u, OK_HELLO);
    write_text(first, OK_HELLO);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(http_client_idle(f.c), 2);
    start(&u, HTTP_GET, STR(""));
    some_turns(f.l);
    f.far.n = 0;
    far_read(&f.far);
    EXPECT_INT(f.far.n, 0);
    write_text(first, OK_HELLO);
    WAIT(f.l, u.n_done == 1);
    close(first);
    end();
}

static void keeps_no_more_than_the_limit(void)
{
    static struct told many[4];
    int fds[4];

    begin();
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        start_and_accept(&many[i], HTTP_GET, STR(""));
        fds[i] = f.far.fd;
    }
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        write_text(fds[i], OK_HELLO);
        WAIT(f.l, many[i].n_done == 1);
    }
    EXPECT_INT(http_client_idle(f.c), 2);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_CONNS), 2);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    end();
}

/* To the same far end by another name. */
static void start_elsewhere(struct told *to)
{
    struct url other;
    struct http_call_params p = params_of(HTTP_GET, STR(""));
    char text[64];
    char what[128];

    snprintf(text, sizeof(text), "http://localhost:%u", f.far.port);
    EXPECT(url_parse(str_of(text), &other, what) == ERR_NONE);
    p.url = &other;
    memset(to, 0, sizeof(*to));
    to->call = http_call_start(f.c, &p, &telling, to);
    url_deinit(&other);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\n"));
}

static void lets_the_oldest_go_of_whichever_endpoint(void)
{
    static struct told v;
    int first;
    int second;
    char byte;

    begin();
    start_and_accept(&t, HTTP_GET, STR(""));
    first = f.far.fd;
    start_elsewhere(&u);
    second = f.far.fd;
    start_elsewhere(&v);
    write_text(first, OK_HELLO);
    WAIT(f.l, t.n_done == 1);
    write_text(second, OK_HELLO);
    WAIT(f.l, u.n_done == 1);
    EXPECT_INT(http_client_idle(f.c), 2);
    EXPECT(recv(first, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    answer(&v, OK_HELLO);
    EXPECT_INT(http_client_idle(f.c), 2);
    EXPECT_INT(recv(first, &byte, 1, MSG_DONTWAIT), 0);
    EXPECT(recv(second, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    close(first);
    close(second);
    end();
}

/* No descriptor is free from now on; returns the limit as it was. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before;
    struct rlimit low;
    int lowest = dup(0);

    EXPECT(lowest >= 0);
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)lowest;
    close(lowest);
    EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
    return before;
}

static void gives_the_oldest_for_a_connection_that_finds_no_descriptor(void)
{
    struct rlimit before;
    int first;

    begin();
    start_elsewhere(&t);
    first = f.far.fd;
    start_elsewhere(&u);
    write_text(first, OK_HELLO);
    WAIT(f.l, t.n_done == 1);
    answer(&u, OK_HELLO);
    before = use_up_descriptors();
    start(&t, HTTP_GET, STR(""));
    WAIT(f.l, http_client_idle(f.c) == 1);
    WAIT(f.l, t.n_sent == 1);
    EXPECT_INT(http_client_idle(f.c), 1);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(far_accept(&f.far));
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    close(first);
    end();
}

static void has_no_descriptor_when_none_is_kept(void)
{
    struct rlimit before;

    begin();
    before = use_up_descriptors();
    start(&t, HTTP_GET, STR(""));
    WAIT(f.l, t.n_done == 1);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT_INT(t.err, ERR_NO_FDS);
    EXPECT(t.certainly_unsent);
    end();
}

static void keeps_none_if_told_so(void)
{
    begin_with(0);
    leave_a_connection();
    EXPECT_INT(http_client_idle(f.c), 0);
    end();
}

static void closes_what_is_idle_for_long(void)
{
    begin();
    leave_a_connection();
    pass(29999);
    EXPECT_INT(http_client_idle(f.c), 1);
    pass(1);
    EXPECT_INT(http_client_idle(f.c), 0);
    EXPECT(!far_read(&f.far));
    end();
}

static void closes_what_becomes_readable(void)
{
    for (int i = 0; i < 3; i++) {
        begin();
        leave_a_connection();
        if (i == 0)
            far_write(&f.far, "HTTP/1.1 408 Request Timeout\r\n\r\n");
        else
            far_hang_up(&f.far, i == 1);
        WAIT(f.l, http_client_idle(f.c) == 0);
        end();
    }
}

/* The far end closed it, and nobody noticed yet. */
static void leave_a_stale_connection(bool reset)
{
    leave_a_connection();
    far_hang_up(&f.far, reset);
}

static void replaces_a_stale_connection(void)
{
    for (int reset = 0; reset < 2; reset++) {
        begin();
        leave_a_stale_connection(reset);
        start(&t, HTTP_POST, STR("body"));
        WAIT(f.l, far_accept(&f.far));
        WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
        answer(&t, OK_HELLO);
        EXPECT_INT(t.err, ERR_NONE);
        EXPECT_INT(t.n_sent, 1);
        EXPECT_Z(t.body, "hello");
        end();
    }
}

static void replaces_a_connection_that_ends_under_the_request(void)
{
    begin();
    leave_a_connection();
    start(&t, HTTP_POST, STR("body"));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    far_hang_up(&f.far, false);
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    answer(&t, OK_HELLO);
    EXPECT_INT(t.err, ERR_NONE);
    EXPECT(!t.certainly_unsent);
    end();
}

static void sends_once_what_may_not_be_sent_twice(void)
{
    struct http_call_params p;

    begin();
    leave_a_connection();
    p = params_of(HTTP_POST, STR("body"));
    p.send_once = true;
    memset(&t, 0, sizeof(t));
    t.call = http_call_start(f.c, &p, &telling, &t);
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    far_hang_up(&f.far, false);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_CLOSED);
    EXPECT(!t.certainly_unsent);
    EXPECT(!far_accept(&f.far));
    end();
}

static void replaces_it_only_once(void)
{
    begin();
    leave_a_stale_connection(false);
    start(&t, HTTP_POST, STR("body"));
    WAIT(f.l, far_accept(&f.far));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    far_hang_up(&f.far, false);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_CLOSED);
    EXPECT(!t.certainly_unsent);
    end();
}

static void does_not_replace_it_once_it_answered(void)
{
    begin();
    leave_a_connection();
    start(&t, HTTP_POST, STR("body"));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    far_write(&f.far, "H");
    some_turns(f.l);
    far_hang_up(&f.far, false);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_CLOSED);
    EXPECT(!far_accept(&f.far));
    end();
}

static void does_not_replace_a_slow_one(void)
{
    begin();
    leave_a_connection();
    start(&t, HTTP_POST, STR("body"));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    pass(10000);
    EXPECT_INT(t.n_done, 1);
    EXPECT_INT(t.err, ERR_TIMEOUT);
    EXPECT(!far_accept(&f.far));
    end();
}

static void knows_what_was_sent_when_the_second_try_fails(void)
{
    begin();
    leave_a_connection();
    start(&t, HTTP_POST, STR("body"));
    WAIT(f.l, far_has(&f.far, "\r\n\r\nbody"));
    close(f.far.listening);
    far_hang_up(&f.far, false);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_REFUSED);
    EXPECT(!t.certainly_unsent);
    f.far.listening = -1;
    end();
}

static enum err take_five(void *arg, const struct str *parts, size_t n, size_t *ret_written)
{
    (void)arg;
    (void)parts;
    EXPECT(n > 0);
    *ret_written = 5;
    return ERR_RESET;
}

static void close_nothing(void *arg, bool reset)
{
    (void)arg;
    (void)reset;
}

static void knows_what_was_sent_before_writing_failed(void)
{
    static const struct conn_script script = { .write = take_five, .close = close_nothing };
    struct conn *conn;

    begin();
    far_close(&f.far);
    conn = conn_new_scripted(f.l, &script);
    pool_put(pool_get(f.c, &f.url.endpoint), conn);
    start(&t, HTTP_GET, STR(""));
    some_turns(f.l);
    EXPECT(conn_script_read(conn, ERR_RESET, STR("")) == ERR_NONE);
    WAIT(f.l, t.n_done == 1);
    EXPECT_INT(t.err, ERR_REFUSED);
    EXPECT(!t.certainly_unsent);
    far_open(&f.far);
    end();
}

static void is_canceled_during_the_second_try(void)
{
    begin();
    leave_a_stale_connection(false);
    start(&t, HTTP_GET, STR(""));
    run_turn_now(f.l);
    http_call_cancel(t.call);
    some_turns(f.l);
    EXPECT_INT(t.n_done, 0);
    end();
}

static void free_client_on_done(void *arg, const struct http_outcome *outcome)
{
    (void)arg;
    EXPECT_INT(outcome->err, ERR_NONE);
    http_client_free(f.c);
    f.c = NULL;
}

static void may_be_freed_from_inside_on_done(void)
{
    static const struct http_call_handler handler = {
        .on_head = tell_head,
        .on_body = tell_body,
        .on_done = free_client_on_done,
    };
    struct http_call_params p;

    begin();
    p = params_of(HTTP_GET, STR(""));
    http_call_start(f.c, &p, &handler, &t);
    WAIT(f.l, far_accept(&f.far));
    far_write(&f.far, OK_HELLO);
    WAIT(f.l, f.c == NULL);
    end();
}

static const struct test suite[] = {
    { "uses a connection again", uses_a_connection_again },
    { "keeps endpoints apart", keeps_endpoints_apart },
    { "takes the connection used last", takes_the_connection_used_last },
    { "keeps no more than the limit", keeps_no_more_than_the_limit },
    { "lets the oldest go, of whichever endpoint", lets_the_oldest_go_of_whichever_endpoint },
    { "gives the oldest for a connection that finds no descriptor",
      gives_the_oldest_for_a_connection_that_finds_no_descriptor },
    { "has no descriptor when none is kept", has_no_descriptor_when_none_is_kept },
    { "keeps none if told so", keeps_none_if_told_so },
    { "closes what is idle for long", closes_what_is_idle_for_long },
    { "closes what becomes readable", closes_what_becomes_readable },
    { "replaces a stale connection", replaces_a_stale_connection },
    { "replaces a connection that ends under the request",
      replaces_a_connection_that_ends_under_the_request },
    { "sends once what may not be sent twice", sends_once_what_may_not_be_sent_twice },
    { "replaces it only once", replaces_it_only_once },
    { "does not replace it once it answered", does_not_replace_it_once_it_answered },
    { "does not replace a slow one", does_not_replace_a_slow_one },
    { "knows what was sent when the second try fails",
      knows_what_was_sent_when_the_second_try_fails },
    { "knows what was sent before writing failed", knows_what_was_sent_before_writing_failed },
    { "is canceled during the second try", is_canceled_during_the_second_try },
    { "may be freed from inside on_done", may_be_freed_from_inside_on_done },
};

TEST_MAIN(suite)
