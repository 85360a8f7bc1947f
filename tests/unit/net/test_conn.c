/* SPDX-License-Identifier: Apache-2.0 */
/* Plain connections, each with a blocking socket as the other end. */
#include "net_test.h"

#include "base/mem.h"

/* A connection whose events go to `s`, and the socket at its other end. */
static struct conn *open_pair(struct loop *l, struct seen *s, int *ret_other)
{
    int mine;

    tcp_pair(&mine, ret_other);
    set_nonblocking(mine);
    *s = (struct seen){ .loop = l, .conn = conn_new(l, mine) };
    conn_set_handler(s->conn, &seen_handler, s);
    return s->conn;
}

static enum err write_one(struct conn *c, const char *p, size_t n, size_t *ret_written)
{
    struct str part = { p, n };

    return conn_write(c, &part, 1, ret_written);
}

static void reads_what_comes_while_reading_is_on(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    EXPECT(conn_loop(c) == l);
    EXPECT_STR(conn_peer(c), "127.0.0.1");
    EXPECT(conn_peer_is_loopback(c) && !conn_is_tls(c));
    write_text(other, "hello");
    run_for(l, 20);
    EXPECT_INT(s.n, 0);
    conn_read_start(c);
    RUN_UNTIL(l, s.n == 5);
    EXPECT_STR(seen_text(&s), "hello");
    conn_read_stop(c);
    write_text(other, " world");
    run_for(l, 20);
    EXPECT_INT(s.n, 5);
    conn_read_start(c);
    RUN_UNTIL(l, s.n == 11);
    EXPECT_STR(seen_text(&s), "hello world");
    conn_close(c, false);
    loop_free(l);
    close(other);
}

static void writes_the_parts_in_order(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    struct str parts[200];
    char got[200];
    size_t written;

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        parts[i] = i % 3 == 1 ? (struct str){ NULL, 0 } : STR("x");
    parts[0] = STR("<");
    parts[199] = STR(">");
    EXPECT_INT(conn_write(c, parts, COUNT_OF(parts), &written), ERR_NONE);
    EXPECT_INT(written, 134);
    EXPECT_INT(conn_write(c, parts, 0, &written), ERR_NONE);
    EXPECT_INT(written, 0);
    EXPECT_INT(read_all(other, got, 134), 134);
    EXPECT(got[0] == '<' && got[1] == 'x' && got[132] == 'x' && got[133] == '>');
    conn_close(c, false);
    loop_free(l);
    close(other);
}

struct flood {
    struct conn *conn;
    size_t sent;
    size_t total;
    unsigned n_writable;
};

static char pattern_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void flood_more(struct flood *f)
{
    static char block[40000];

    while (f->sent < f->total) {
        size_t n = f->total - f->sent < sizeof(block) ? f->total - f->sent : sizeof(block);
        size_t written;
        for (size_t i = 0; i < n; i++)
            block[i] = pattern_at(f->sent + i);
        /* Two parts, so that a short write ends in either. */
        struct str parts[] = { { block, n / 3 }, { block + n / 3, n - n / 3 } };
        EXPECT_INT(conn_write(f->conn, parts, 2, &written), ERR_NONE);
        f->sent += written;
        if (written < n)
            return;
    }
}

static void on_flood_writable(void *arg)
{
    struct flood *f = arg;

    f->n_writable++;
    flood_more(f);
}

static const struct conn_handler flood_handler = { .on_read = on_seen_read,
                                                   .on_writable = on_flood_writable };

static void *run_slow_reader(void *arg)
{
    int fd = *(int *)arg;
    size_t *n = mem_new(size_t);
    char space[3000];
    ssize_t r;

    while ((r = recv(fd, space, sizeof(space), 0)) > 0) {
        for (ssize_t i = 0; i < r; i++)
            if (space[i] != pattern_at(*n + (size_t)i))
                return n;
        *n += (size_t)r;
    }
    return n;
}

static void a_short_write_is_followed_by_on_writable(void)
{
    enum { TOTAL = 20 * 1000 * 1000 };
    struct loop *l = loop_new();
    int mine;
    int other;
    struct flood f = { .total = TOTAL };
    pthread_t reader;
    void *got;

    tcp_pair(&mine, &other);
    set_nonblocking(mine);
    f.conn = conn_new(l, mine);
    conn_set_handler(f.conn, &flood_handler, &f);
    flood_more(&f);
    EXPECT(f.sent < TOTAL);
    run_for(l, 20);
    EXPECT_INT(f.n_writable, 0);
    EXPECT(pthread_create(&reader, NULL, run_slow_reader, &other) == 0);
    RUN_UNTIL(l, f.sent == TOTAL);
    EXPECT(f.n_writable > 0);
    conn_shutdown(f.conn);
    pthread_join(reader, &got);
    EXPECT_INT(*(size_t *)got, TOTAL);
    mem_free(got);
    conn_close(f.conn, false);
    loop_free(l);
    close(other);
}

static void a_peer_is_held_up_while_reading_is_off(void)
{
    static char block[65536];
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    size_t sent = 0;
    ssize_t n;

    conn_read_start(c);
    conn_read_stop(c);
    set_nonblocking(other);
    do {
        while ((n = send(other, block, sizeof(block), 0)) > 0)
            sent += (size_t)n;
        run_for(l, 5);
    } while (send(other, block, 1, 0) > 0 && ++sent);
    EXPECT_INT(s.n, 0);
    conn_read_start(c);
    RUN_UNTIL(l, s.n == sent);
    conn_close(c, false);
    loop_free(l);
    close(other);
}

static void the_end_of_the_stream_comes_once(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    size_t written;
    char got[4];

    write_text(other, "bye");
    shutdown(other, SHUT_WR);
    conn_read_start(c);
    RUN_UNTIL(l, s.end);
    EXPECT_STR(seen_text(&s), "bye");
    EXPECT_INT(s.end, ERR_CLOSED);
    conn_read_stop(c);
    conn_read_start(c);
    run_for(l, 20);
    /* The other direction still works. */
    EXPECT_INT(write_one(c, "ok", 2, &written), ERR_NONE);
    EXPECT_INT(written, 2);
    conn_shutdown(c);
    EXPECT_INT(read_all(other, got, sizeof(got)), 2);
    conn_close(c, false);
    loop_free(l);
    close(other);
}

static void a_closed_connection_does_not_keep_the_loop_busy(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    unsigned turns = 0;
    struct timer t = { .loop = NULL };
    bool is_over = false;

    conn_read_start(c);
    close(other);
    RUN_UNTIL(l, s.end);
    timer_arm(l, &t, 60, on_pause_end, &is_over);
    while (!is_over) {
        run_turn(l);
        turns++;
    }
    EXPECT(turns < 40);
    conn_close(c, false);
    loop_free(l);
}

static void reset(int fd)
{
    struct linger now = { .l_onoff = 1 };

    EXPECT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    close(fd);
}

static void a_reset_is_told_to_the_reader(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    size_t written;

    conn_read_start(c);
    run_turn_now(l);
    reset(other);
    RUN_UNTIL(l, s.end);
    EXPECT_INT(s.end, ERR_RESET);
    EXPECT_INT(write_one(c, "x", 1, &written), ERR_CLOSED);
    EXPECT_INT(write_one(c, "x", 1, &written), ERR_CLOSED);
    conn_shutdown(c);
    conn_close(c, false);
    loop_free(l);
}

static void a_reset_is_told_to_the_writer(void)
{
    static char block[1 << 20];
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);
    size_t written;
    enum err err;

    do {
        err = write_one(c, block, sizeof(block), &written);
        EXPECT_INT(err, ERR_NONE);
    } while (written == sizeof(block));
    run_turn_now(l);
    reset(other);
    RUN_UNTIL(l, s.n_writable > 0);
    err = write_one(c, "x", 1, &written);
    EXPECT(err == ERR_RESET || err == ERR_CLOSED);
    EXPECT_INT(s.end, ERR_NONE);
    conn_close(c, true);
    loop_free(l);
}

static void a_reset_with_nobody_waiting_is_told_later(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    conn_read_start(c);
    run_turn_now(l);
    conn_read_stop(c);
    reset(other);
    run_for(l, 20);
    EXPECT_INT(s.end, ERR_NONE);
    conn_read_start(c);
    RUN_UNTIL(l, s.end);
    EXPECT_INT(s.end, ERR_RESET);
    conn_close(c, false);
    loop_free(l);
}

/* Also when bytes wait in front of it, which are not read any more. */
static void the_end_is_told_while_reading_is_off(void)
{
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        struct loop *l = loop_new();
        struct seen s;
        int other;
        struct conn *c = open_pair(l, &s, &other);

        conn_read_start(c);
        write_text(other, "a");
        RUN_UNTIL(l, s.n == 1);
        conn_read_stop(c);
        conn_watch_end(c, true);
        write_text(other, "bc");
        run_for(l, 20);
        EXPECT_INT(s.n, 1);
        EXPECT_INT(s.end, ERR_NONE);
        if (with_reset)
            reset(other);
        else
            close(other);
        RUN_UNTIL(l, s.end != ERR_NONE);
        EXPECT_INT(s.n, 1);
        run_for(l, 20);

        conn_close(c, false);
        loop_free(l);
    }
}

static void the_end_comes_in_order_when_it_is_read_again(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    conn_read_start(c);
    conn_read_stop(c);
    conn_watch_end(c, true);
    run_for(l, 20);
    conn_watch_end(c, false);
    write_text(other, "abc");
    close(other);
    run_for(l, 20);
    EXPECT_INT(s.end, ERR_NONE);
    conn_read_start(c);
    RUN_UNTIL(l, s.end != ERR_NONE);
    EXPECT_STR(seen_text(&s), "abc");
    conn_close(c, false);
    loop_free(l);
}

static void the_peer_sees_how_it_was_closed(void)
{
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        struct loop *l = loop_new();
        struct seen s;
        int other;
        char got;
        struct conn *c = open_pair(l, &s, &other);

        conn_close(c, with_reset);
        errno = 0;
        EXPECT_INT(recv(other, &got, 1, 0), with_reset ? -1 : 0);
        EXPECT_INT(errno, with_reset ? ECONNRESET : 0);
        loop_free(l);
        close(other);
    }
    conn_close(NULL, true);
}

static void on_read_close(void *arg, enum err err, struct str bytes)
{
    struct seen *s = arg;

    on_seen_read(arg, err, bytes);
    conn_close(TAKE(s->conn), false);
}

static const struct conn_handler closing_handler = { .on_read = on_read_close,
                                                     .on_writable = on_seen_writable };

static void may_be_closed_inside_on_read(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    conn_set_handler(c, &closing_handler, &s);
    conn_read_start(c);
    write_text(other, "x");
    shutdown(other, SHUT_WR);
    RUN_UNTIL(l, !s.conn);
    run_for(l, 10);
    EXPECT_INT(s.n, 1);
    EXPECT_INT(s.end, ERR_NONE);
    loop_free(l);
    close(other);
}

static void on_read_stop(void *arg, enum err err, struct str bytes)
{
    struct seen *s = arg;

    on_seen_read(arg, err, bytes);
    conn_read_stop(s->conn);
}

static const struct conn_handler stopping_handler = { .on_read = on_read_stop,
                                                      .on_writable = on_seen_writable };

static void may_be_stopped_inside_on_read(void)
{
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    conn_set_handler(c, &stopping_handler, &s);
    for (size_t i = 1; i <= 3; i++) {
        write_text(other, "x");
        conn_read_start(c);
        RUN_UNTIL(l, s.n == i);
        write_text(other, "y");
        run_for(l, 10);
        EXPECT_INT(s.reads, 2 * i - 1);
        conn_read_start(c);
        RUN_UNTIL(l, s.reads == 2 * i);
        s.n = i;
    }
    conn_close(c, false);
    loop_free(l);
    close(other);
}

/* A number that was closed and given again at once must not bring the old one's events. */
static void a_number_used_again_is_a_new_connection(void)
{
    struct loop *l = loop_new();

    for (int i = 0; i < 50; i++) {
        struct seen s;
        int other;
        struct conn *c = open_pair(l, &s, &other);
        conn_read_start(c);
        write_text(other, "x");
        if (i % 2)
            run_turn(l);
        conn_close(c, i % 3 == 0);
        close(other);
    }
    loop_free(l);
}

static void leaves_no_descriptor_behind(void)
{
    size_t before = count_fds();
    struct loop *l = loop_new();
    struct seen s;
    int other;
    struct conn *c = open_pair(l, &s, &other);

    conn_read_start(c);
    run_turn_now(l);
    conn_close(c, false);
    close(other);
    loop_free(l);
    EXPECT_INT(count_fds(), before);
}

/* ---- scripted ---- */

struct script {
    char written[64];
    size_t n;
    int closed; /* 1: FIN, 2: RST */
};

static enum err on_script_write(void *arg, const struct str *parts, size_t n, size_t *ret_written)
{
    struct script *s = arg;

    for (size_t i = 0; i < n; i++) {
        memcpy(s->written + s->n, parts[i].p, parts[i].n);
        s->n += parts[i].n;
    }
    *ret_written = s->n;
    return ERR_NONE;
}

static void on_script_close(void *arg, bool with_reset)
{
    struct script *s = arg;

    s->closed = with_reset ? 2 : 1;
}

static void a_script_stands_for_a_socket(void)
{
    struct loop *l = loop_new();
    struct script script = { .n = 0 };
    struct conn_script ops = { on_script_write, on_script_close, &script };
    struct seen s = { .loop = l, .conn = conn_new_scripted(l, &ops) };
    struct str parts[] = { STR("ab"), STR("c") };
    size_t written;

    conn_set_handler(s.conn, &seen_handler, &s);
    EXPECT_INT(conn_write(s.conn, parts, 2, &written), ERR_NONE);
    EXPECT_INT(written, 3);
    EXPECT_INT(conn_script_read(s.conn, ERR_NONE, STR("x")), ERR_AGAIN);
    conn_read_start(s.conn);
    EXPECT_INT(conn_script_read(s.conn, ERR_NONE, STR("x")), ERR_NONE);
    EXPECT_INT(conn_script_read(s.conn, ERR_CLOSED, STR("")), ERR_NONE);
    EXPECT_INT(conn_script_read(s.conn, ERR_NONE, STR("x")), ERR_AGAIN);
    conn_script_writable(s.conn);
    EXPECT_INT(s.n_writable, 1);
    EXPECT_INT(s.end, ERR_CLOSED);
    conn_shutdown(s.conn);
    conn_close(s.conn, true);
    EXPECT_INT(script.closed, 2);
    loop_free(l);
}

static const struct test suite[] = {
    { "reads what comes while reading is on", reads_what_comes_while_reading_is_on },
    { "writes the parts in order", writes_the_parts_in_order },
    { "a short write is followed by on_writable", a_short_write_is_followed_by_on_writable },
    { "a peer is held up while reading is off", a_peer_is_held_up_while_reading_is_off },
    { "the end of the stream comes once", the_end_of_the_stream_comes_once },
    { "a closed connection does not keep the loop busy",
      a_closed_connection_does_not_keep_the_loop_busy },
    { "a reset is told to the reader", a_reset_is_told_to_the_reader },
    { "a reset is told to the writer", a_reset_is_told_to_the_writer },
    { "a reset with nobody waiting is told later", a_reset_with_nobody_waiting_is_told_later },
    { "the end is told while reading is off", the_end_is_told_while_reading_is_off },
    { "the end comes in order when it is read again",
      the_end_comes_in_order_when_it_is_read_again },
    { "the peer sees how it was closed", the_peer_sees_how_it_was_closed },
    { "may be closed inside on_read", may_be_closed_inside_on_read },
    { "may be stopped inside on_read", may_be_stopped_inside_on_read },
    { "a number used again is a new connection", a_number_used_again_is_a_new_connection },
    { "leaves no descriptor behind", leaves_no_descriptor_behind },
    { "a script stands for a socket", a_script_stands_for_a_socket },
};

TEST_MAIN(suite)
