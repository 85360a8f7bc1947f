/* SPDX-License-Identifier: Apache-2.0 */
/* Several addresses: which is tried when, and which one wins. */
#include "net_test.h"

#include "net/conn_internal.h"
#include "net/dial.h"

/* An address that answers nothing: the queue of its listener is full. */
struct hole {
    int listening;
    int first;
    int second;
    uint16_t port;
};

static void hole_open(struct hole *h)
{
    struct sockaddr_in a = { .sin_family = AF_INET };

    h->listening = listen_loopback(&h->port);
    EXPECT(listen(h->listening, 0) == 0);
    h->first = connect_loopback(h->port);
    h->second = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    a.sin_port = htons(h->port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(connect(h->second, (struct sockaddr *)&a, sizeof(a)) == -1);
}

static void hole_close(struct hole *h)
{
    close(h->second);
    close(h->first);
    close(h->listening);
}

/* A port that nobody listens on. */
static uint16_t closed_port(void)
{
    uint16_t port;

    close(listen_loopback(&port));
    return port;
}

static struct address at(const char *literal, uint16_t port)
{
    struct address a;

    EXPECT(address_of_literal(literal, port, &a));
    return a;
}

struct result {
    bool is_done;
    enum err err;
    char why[DIAL_WHY_MAX];
    struct conn *conn;
};

static void on_done(void *arg, enum err err, const char *why, struct conn *conn)
{
    struct result *r = arg;

    EXPECT(!r->is_done);
    *r = (struct result){ .is_done = true, .err = err, .conn = conn };
    str_to_z(str_of(why), r->why, sizeof(r->why));
}

static uint16_t peer_port(struct conn *c)
{
    struct address a = { .n = sizeof(a.sa) };

    EXPECT(getpeername(c->fd, &a.sa.any, &a.n) == 0);
    return address_port(&a);
}

static void the_next_address_is_tried_after_250_ms(void)
{
    struct loop *l = loop_new();
    struct hole hole;
    uint16_t port;
    int listening = listen_loopback(&port);
    struct dial d;
    struct result r = { .is_done = false };

    hole_open(&hole);
    struct address list[] = { at("127.0.0.1", hole.port), at("127.0.0.1", port) };
    loop_clock_set(l, 1000);
    dial_start(&d, l, list, 2, on_done, &r);
    loop_clock_set(l, 1249);
    run_for(l, 0);
    EXPECT(!r.is_done);
    EXPECT_INT(d.n_tried, 1);
    loop_clock_set(l, 1250);
    EXPECT_INT(d.n_tried, 2);
    RUN_UNTIL(l, r.is_done);
    EXPECT_INT(r.err, ERR_NONE);
    EXPECT_INT(peer_port(r.conn), port);
    EXPECT_STR(conn_peer(r.conn), "127.0.0.1");
    EXPECT_INT(loop_timers(l), 0);
    conn_close(r.conn, false);
    loop_free(l);
    hole_close(&hole);
    close(listening);
}

static void the_next_address_is_tried_at_once_after_a_failure(void)
{
    struct loop *l = loop_new();
    uint16_t port;
    int listening = listen_loopback(&port);
    struct address list[] = { at("127.0.0.1", closed_port()), at("::1", closed_port()),
                              at("127.0.0.1", port) };
    struct dial d;
    struct result r = { .is_done = false };

    loop_clock_set(l, 1000);
    dial_start(&d, l, list, 3, on_done, &r);
    RUN_UNTIL(l, r.is_done);
    EXPECT_INT(r.err, ERR_NONE);
    EXPECT_INT(peer_port(r.conn), port);
    conn_close(r.conn, false);
    loop_free(l);
    close(listening);
}

static void the_first_that_answers_wins_and_the_others_are_closed(void)
{
    size_t before = count_fds();
    struct loop *l = loop_new();
    struct hole hole;
    uint16_t port;
    int listening = listen_loopback(&port);
    struct dial d;
    struct result r = { .is_done = false };

    hole_open(&hole);
    struct address list[] = { at("127.0.0.1", hole.port), at("127.0.0.1", hole.port),
                              at("127.0.0.1", port), at("127.0.0.1", port) };
    loop_clock_set(l, 1000);
    dial_start(&d, l, list, 4, on_done, &r);
    loop_clock_set(l, 1250);
    loop_clock_set(l, 1500);
    RUN_UNTIL(l, r.is_done);
    EXPECT_INT(d.n_tried, 3);
    conn_close(r.conn, false);
    loop_free(l);
    hole_close(&hole);
    close(listening);
    EXPECT_INT(count_fds(), before);
}

static void the_last_failure_ends_it_with_the_one_that_says_most(void)
{
    static const struct {
        const char *first;
        const char *second;
        enum err err;
        const char *why;
    } rows[] = {
        { "127.0.0.1", "::1", ERR_REFUSED, "127.0.0.1: Connection refused" },
        { "::1", "127.0.0.1", ERR_REFUSED, "::1: Connection refused" },
        /* Broadcast: refused by the kernel without a packet. */
        { "255.255.255.255", "::1", ERR_REFUSED, "::1: Connection refused" },
        { "::1", "255.255.255.255", ERR_REFUSED, "::1: Connection refused" },
        { "255.255.255.255", "255.255.255.255", ERR_UNREACHABLE, "255.255.255.255: " },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct loop *l = loop_new();
        uint16_t port = closed_port();
        struct address list[] = { at(rows[i].first, port), at(rows[i].second, port) };
        struct dial d;
        struct result r = { .is_done = false };

        dial_start(&d, l, list, 2, on_done, &r);
        RUN_UNTIL(l, r.is_done);
        EXPECT_INT(r.err, rows[i].err);
        EXPECT(str_starts(str_of(r.why), str_of(rows[i].why)));
        EXPECT(!r.conn);
        EXPECT_INT(loop_timers(l), 0);
        loop_free(l);
    }
}

static void families_take_turns(void)
{
    /* As families of what was resolved, and of what is tried. */
    static const struct {
        const char *list;
        const char *want;
    } rows[] = {
        { "6", "6" },         { "64", "64" },   { "46", "46" },         { "6644", "6464" },
        { "66644", "64646" }, { "444", "444" }, { "466666", "466666" }, { "4464", "4644" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct loop *l = loop_new();
        struct address list[RESOLVE_MAX];
        size_t n = strlen(rows[i].list);
        struct dial d;
        struct result r = { .is_done = false };

        for (size_t k = 0; k < n; k++)
            list[k] = at(rows[i].list[k] == '6' ? "::1" : "127.0.0.1", (uint16_t)(1 + k));
        dial_start(&d, l, list, n, on_done, &r);
        uint16_t last[2] = { 0, 0 };
        for (size_t k = 0; k < n; k++) {
            bool is_v6 = d.list[k].sa.any.sa_family == AF_INET6;
            EXPECT_INT(is_v6 ? '6' : '4', rows[i].want[k]);
            /* Within a family the resolver's order stays. */
            EXPECT(address_port(&d.list[k]) > last[is_v6]);
            last[is_v6] = address_port(&d.list[k]);
        }
        dial_cancel(&d);
        dial_cancel(&d);
        run_turn_now(l);
        EXPECT(!r.is_done);
        loop_free(l);
    }
}

static const struct test suite[] = {
    { "the next address is tried after 250 ms", the_next_address_is_tried_after_250_ms },
    { "the next address is tried at once after a failure",
      the_next_address_is_tried_at_once_after_a_failure },
    { "the first that answers wins, and the others are closed",
      the_first_that_answers_wins_and_the_others_are_closed },
    { "the last failure ends it with the one that says most",
      the_last_failure_ends_it_with_the_one_that_says_most },
    { "families take turns", families_take_turns },
};

TEST_MAIN(suite)
