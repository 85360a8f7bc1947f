/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes through TLS: both ways, much, held up, cut off. */
#include "tls_fixture.h"

enum { LARGE = 6 * 1000 * 1000 };

/* Ends without goodbye, as somebody on the way could make it look. */
static void talk_cut(struct tls_server *s, SSL *ssl)
{
    (void)s;
    SSL_write(ssl, "hello", 5);
    shutdown(SSL_get_fd(ssl), SHUT_WR);
    read_to_end(SSL_get_fd(ssl));
}

static char pattern_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void the_end_is_only_believed_with_a_goodbye(void)
{
    static const struct {
        void (*talk)(struct tls_server *s, SSL *ssl);
        enum err end;
    } rows[] = { { talk_hello, ERR_CLOSED }, { talk_cut, ERR_RESET } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_server s;
        struct client c;

        tls_server_start(&s, &server_id, 0, rows[i].talk);
        client_open(&c);
        EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
        conn_read_start(c.conn);
        RUN_UNTIL(c.loop, c.seen.end);
        EXPECT_STR(seen_text(&c.seen), "hello");
        EXPECT_INT(c.seen.end, rows[i].end);
        client_close(&c);
        tls_server_stop(&s);
    }
}

struct transfer {
    struct conn *conn;
    size_t total;
    size_t sent;
    size_t received;
    size_t part; /* bytes of one part */
    bool stops;  /* turns reading off in each on_read */
    bool is_stopped;
    unsigned n_writable;
    enum err end;
};

static void send_more(struct transfer *t)
{
    static char block[50000];

    while (t->sent < t->total) {
        struct str parts[8];
        size_t n = 0;
        size_t written;
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            size_t size = t->part < t->total - t->sent - n ? t->part : t->total - t->sent - n;
            if (n + size > sizeof(block))
                size = sizeof(block) - n;
            parts[i] = (struct str){ block + n, size };
            n += size;
        }
        for (size_t i = 0; i < n; i++)
            block[i] = pattern_at(t->sent + i);
        EXPECT_INT(conn_write(t->conn, parts, COUNT_OF(parts), &written), ERR_NONE);
        t->sent += written;
        /* What waits must not depend on the caller's memory. */
        memset(block, 0, sizeof(block));
        if (written < n)
            return;
    }
}

static void on_transfer_read(void *arg, enum err err, struct str bytes)
{
    struct transfer *t = arg;

    if (err) {
        t->end = err;
        return;
    }
    EXPECT(!t->is_stopped);
    for (size_t i = 0; i < bytes.n; i++)
        if (bytes.p[i] != pattern_at(t->received + i))
            fail();
    t->received += bytes.n;
    if (t->stops) {
        conn_read_stop(t->conn);
        t->is_stopped = true;
    }
}

static void on_transfer_writable(void *arg)
{
    struct transfer *t = arg;

    t->n_writable++;
    send_more(t);
}

static const struct conn_handler transfer_handler = { .on_read = on_transfer_read,
                                                      .on_writable = on_transfer_writable };

static void much_goes_both_ways_unchanged(void)
{
    static const struct {
        size_t part;
        bool stops;
        size_t total;
    } rows[] = {
        { 16384, false, LARGE }, { 1000, false, LARGE }, { 6000, true, LARGE }, { 7, true, 50000 }
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct transfer t = { .part = rows[i].part,
                              .stops = rows[i].stops,
                              .total = rows[i].total };
        struct tls_server s;
        struct client c;

        tls_server_start(&s, &server_id, 0, talk_echo);
        client_open(&c);
        EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
        t.conn = c.conn;
        conn_set_handler(c.conn, &transfer_handler, &t);
        conn_read_start(c.conn);
        send_more(&t);
        while (t.received < t.total) {
            run_turn_now(c.loop);
            EXPECT(!t.end);
            t.is_stopped = false;
            conn_read_start(c.conn);
        }
        EXPECT_INT(t.received, t.total);
        EXPECT_INT(t.sent, t.total);
        conn_shutdown(c.conn);
        RUN_UNTIL(c.loop, t.end);
        EXPECT_INT(t.end, ERR_CLOSED);
        client_close(&c);
        tls_server_stop(&s);
        EXPECT_INT(s.received, t.total);
        EXPECT_INT(s.step, 1);
    }
}

/* Reads nothing until it is told to. */
static void talk_late(struct tls_server *s, SSL *ssl)
{
    char space[16384];
    int n;

    while (atomic_load(&s->step) == 0)
        usleep(1000);
    while ((n = SSL_read(ssl, space, sizeof(space))) > 0) {
        for (int i = 0; i < n; i++)
            if (space[i] != pattern_at(s->received + (size_t)i))
                return;
        s->received += (size_t)n;
    }
    atomic_store(&s->step, SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN ? 2 : 3);
}

static void a_slow_server_holds_up_the_writer(void)
{
    struct transfer t = { .part = 10000, .total = LARGE };
    struct tls_server s;
    struct client c;

    tls_server_start(&s, &server_id, 0, talk_late);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
    t.conn = c.conn;
    conn_set_handler(c.conn, &transfer_handler, &t);
    send_more(&t);
    run_for(c.loop, 20);
    EXPECT(t.sent < LARGE);
    EXPECT_INT(t.n_writable, 0);
    atomic_store(&s.step, 1);
    RUN_UNTIL(c.loop, t.sent == LARGE);
    EXPECT(t.n_writable > 0);
    /* The last record and the goodbye may still have to wait. */
    conn_shutdown(c.conn);
    RUN_UNTIL(c.loop, atomic_load(&s.step) > 1);
    client_close(&c);
    tls_server_stop(&s);
    EXPECT_INT(s.step, 2);
    EXPECT_INT(s.received, LARGE);
}

static void a_goodbye_waits_for_what_was_written(void)
{
    struct transfer t = { .part = 16384, .total = LARGE };
    struct tls_server s;
    struct client c;

    tls_server_start(&s, &server_id, 0, talk_late);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
    t.conn = c.conn;
    conn_set_handler(c.conn, &seen_handler, &c.seen);
    send_more(&t);
    EXPECT(t.sent < LARGE);
    conn_shutdown(c.conn);
    run_for(c.loop, 10);
    atomic_store(&s.step, 1);
    RUN_UNTIL(c.loop, atomic_load(&s.step) > 1);
    client_close(&c);
    tls_server_stop(&s);
    EXPECT_INT(s.step, 2);
    EXPECT_INT(s.received, t.sent);
}

/* Resets while the client's writing is held up. */
static void talk_reset(struct tls_server *s, SSL *ssl)
{
    struct linger now = { .l_onoff = 1 };

    while (atomic_load(&s->step) == 0)
        usleep(1000);
    EXPECT(setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
}

static void on_failed_writable(void *arg)
{
    struct transfer *t = arg;
    struct str x = STR("x");
    size_t written;

    t->n_writable++;
    t->end = conn_write(t->conn, &x, 1, &written);
}

static const struct conn_handler failing_handler = { .on_read = on_transfer_read,
                                                     .on_writable = on_failed_writable };

static void a_reset_is_told_to_a_held_up_writer(void)
{
    struct transfer t = { .part = 16384, .total = LARGE };
    struct tls_server s;
    struct client c;

    tls_server_start(&s, &server_id, 0, talk_reset);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
    t.conn = c.conn;
    conn_set_handler(c.conn, &failing_handler, &t);
    send_more(&t);
    run_turn_now(c.loop);
    atomic_store(&s.step, 1);
    RUN_UNTIL(c.loop, t.n_writable > 0);
    EXPECT(t.end == ERR_RESET || t.end == ERR_CLOSED);
    conn_shutdown(c.conn);
    client_close(&c);
    tls_server_stop(&s);
}

/* Changes its keys in mid-stream and wants the client to do the same. */
static void talk_new_keys(struct tls_server *s, SSL *ssl)
{
    char got[4];

    for (int i = 0; i < 3; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_write(ssl, "ping", 4);
        if (SSL_read(ssl, got, 4) != 4 || memcmp(got, "pong", 4) != 0)
            return;
        s->received += 4;
    }
    SSL_shutdown(ssl);
}

static void on_ping(void *arg, enum err err, struct str bytes)
{
    struct client *c = arg;
    struct str pong = STR("pong");
    size_t written;

    on_seen_read(&c->seen, err, bytes);
    if (!err)
        EXPECT_INT(conn_write(c->conn, &pong, 1, &written), ERR_NONE);
}

static void on_no_room(void *arg)
{
    (void)arg;
    fail();
}

static const struct conn_handler pong_handler = { .on_read = on_ping, .on_writable = on_no_room };

static void keys_may_change_in_mid_stream(void)
{
    struct tls_server s;
    struct client c;

    tls_server_start(&s, &server_id, TLS1_3_VERSION, talk_new_keys);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
    conn_set_handler(c.conn, &pong_handler, &c);
    conn_read_start(c.conn);
    RUN_UNTIL(c.loop, c.seen.end);
    EXPECT_INT(c.seen.end, ERR_CLOSED);
    EXPECT_INT(c.seen.n, 12);
    client_close(&c);
    tls_server_stop(&s);
    EXPECT_INT(s.received, 12);
}

/* Several records at once, so that more waits when the first is delivered. */
static void talk_burst(struct tls_server *s, SSL *ssl)
{
    (void)s;
    for (int i = 0; i < 5; i++)
        SSL_write(ssl, "abcde", 5);
    read_to_end(SSL_get_fd(ssl));
}

static void on_burst(void *arg, enum err err, struct str bytes)
{
    struct client *c = arg;

    on_seen_read(&c->seen, err, bytes);
    conn_close(TAKE(c->conn), true);
}

static const struct conn_handler burst_handler = { .on_read = on_burst, .on_writable = on_no_room };

static void may_be_closed_inside_on_read(void)
{
    struct tls_server s;
    struct client c;

    tls_server_start(&s, &server_id, 0, talk_burst);
    client_open(&c);
    EXPECT_INT(client_connect(&c, "localhost", s.peer.port), ERR_NONE);
    conn_set_handler(c.conn, &burst_handler, &c);
    conn_read_start(c.conn);
    RUN_UNTIL(c.loop, !c.conn);
    EXPECT_INT(c.seen.reads, 1);
    client_close(&c);
    tls_server_stop(&s);
}

static const struct test suite[] = {
    { "the end is only believed with a goodbye", the_end_is_only_believed_with_a_goodbye },
    { "much goes both ways unchanged", much_goes_both_ways_unchanged },
    { "a slow server holds up the writer", a_slow_server_holds_up_the_writer },
    { "a goodbye waits for what was written", a_goodbye_waits_for_what_was_written },
    { "a reset is told to a held-up writer", a_reset_is_told_to_a_held_up_writer },
    { "keys may change in mid-stream", keys_may_change_in_mid_stream },
    { "may be closed inside on_read", may_be_closed_inside_on_read },
};

int main(void)
{
    return run_tls_suite(__FILE__, suite, COUNT_OF(suite));
}
