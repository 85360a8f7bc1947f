/* SPDX-License-Identifier: Apache-2.0 */
/* Opening sockets, accepting, and what happens without descriptors. */
#include "net_test.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net/listener.h"

enum { WHAT_MAX = 256 };

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint e;

    EXPECT_INT(endpoint_parse(str_of(text), &e), ERR_NONE);
    return e;
}

struct door {
    struct loop *loop;
    struct conn *accepted[64];
    size_t n;
};

static void on_accept(void *arg, struct conn *c)
{
    struct door *d = arg;

    EXPECT(d->n < COUNT_OF(d->accepted));
    d->accepted[d->n++] = c;
}

static void door_close(struct door *d)
{
    for (size_t i = 0; i < d->n; i++)
        conn_close(d->accepted[i], false);
    d->n = 0;
}

static void accepts_on_the_port_it_was_given(void)
{
    static const char *const places[] = { "127.0.0.1:0", "[::1]:0", "localhost:0" };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct door d = { .loop = loop_new() };
        struct endpoint e = endpoint_of(places[i]);
        char what[WHAT_MAX];
        struct listener *s;
        int fd;
        int client;

        EXPECT_INT(listen_open(&e, &fd, what), ERR_NONE);
        EXPECT(e.port != 0);
        EXPECT((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
        s = listener_new(d.loop, fd, on_accept, &d);
        if (i == 0) {
            client = connect_loopback(e.port);
            RUN_UNTIL(d.loop, d.n == 1);
            EXPECT_STR(conn_peer(d.accepted[0]), "127.0.0.1");
            EXPECT(conn_peer_is_loopback(d.accepted[0]));
            close(client);
        }
        listener_free(s);
        door_close(&d);
        loop_free(d.loop);
        close(fd);
    }
}

static void says_what_is_wrong_with_a_place(void)
{
    struct endpoint e = endpoint_of("127.0.0.1:0");
    struct endpoint again;
    char what[WHAT_MAX] = "";
    char name[HOST_MAX + 9];
    int fd;
    int none = -1;

    EXPECT_INT(listen_open(&e, &fd, what), ERR_NONE);
    again = e;
    EXPECT(listen_open(&again, &none, what) != ERR_NONE);
    EXPECT_INT(none, -1);
    EXPECT(strstr(what, endpoint_text(&e, name)) && strstr(what, "in use"));
    close(fd);

    again = endpoint_of("192.0.2.1:0");
    EXPECT_INT(listen_open(&again, &none, what), ERR_UNREACHABLE);
    EXPECT(strstr(what, "192.0.2.1"));
    again = endpoint_of("unix:/nonexistent/dir/x.sock");
    EXPECT(listen_open(&again, &none, what) != ERR_NONE);
    EXPECT(strstr(what, "/nonexistent/dir/x.sock"));
    EXPECT_INT(none, -1);
}

/* ---- unix ---- */

static char *make_dir(char *path, size_t cap)
{
    snprintf(path, cap, "/tmp/listener-XXXXXX");
    EXPECT(mkdtemp(path) != NULL);
    return path;
}

static void a_unix_socket_is_private_and_replaced_when_stale(void)
{
    struct endpoint e = { .is_unix = true };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct door d = { .loop = loop_new() };
    char dir[64];
    char what[WHAT_MAX];
    struct stat st;
    struct listener *s;
    int first;
    int second;
    int client = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(e.host, sizeof(e.host), "%s/s", make_dir(dir, sizeof(dir)));
    EXPECT_INT(listen_open(&e, &first, what), ERR_NONE);
    EXPECT_INT(e.port, 0);
    EXPECT(stat(e.host, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
    /* Somebody answers there. */
    EXPECT(listen_open(&e, &second, what) != ERR_NONE);
    EXPECT(strstr(what, "in use"));
    close(first);
    /* Nobody does: the file is left over. */
    EXPECT_INT(listen_open(&e, &second, what), ERR_NONE);
    s = listener_new(d.loop, second, on_accept, &d);
    str_to_z(str_of(e.host), a.sun_path, sizeof(a.sun_path));
    EXPECT(connect(client, (struct sockaddr *)&a, sizeof(a)) == 0);
    RUN_UNTIL(d.loop, d.n == 1);
    EXPECT_STR(conn_peer(d.accepted[0]), "unix");
    EXPECT(conn_peer_is_loopback(d.accepted[0]));
    listener_free(s);
    door_close(&d);
    loop_free(d.loop);
    close(client);
    close(second);
    unlink(e.host);
    rmdir(dir);
}

static void a_file_that_is_no_socket_is_left_alone(void)
{
    struct endpoint e = { .is_unix = true };
    char dir[64];
    char what[WHAT_MAX];
    int fd;

    snprintf(e.host, sizeof(e.host), "%s/s", make_dir(dir, sizeof(dir)));
    close(open(e.host, O_CREAT | O_WRONLY, 0600));
    EXPECT(listen_open(&e, &fd, what) != ERR_NONE);
    EXPECT(access(e.host, F_OK) == 0);
    unlink(e.host);
    rmdir(dir);
}

/* ---- accepting ---- */

struct hall {
    struct door door;
    struct listener *listener;
    struct endpoint at;
    int fd;
};

static void hall_open(struct hall *h, struct loop *l)
{
    char what[WHAT_MAX];

    *h = (struct hall){ .door.loop = l, .at = endpoint_of("127.0.0.1:0") };
    EXPECT_INT(listen_open(&h->at, &h->fd, what), ERR_NONE);
    h->listener = listener_new(l, h->fd, on_accept, &h->door);
}

static void hall_close(struct hall *h)
{
    listener_free(h->listener);
    door_close(&h->door);
    loop_free(h->door.loop);
    close(h->fd);
}

static void accepts_many(void)
{
    struct hall h;
    int clients[40];

    hall_open(&h, loop_new());
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        clients[i] = connect_loopback(h.at.port);
    RUN_UNTIL(h.door.loop, h.door.n == COUNT_OF(clients));
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
    hall_close(&h);
}

static void on_accept_and_free(void *arg, struct conn *c)
{
    struct hall *h = arg;

    conn_close(c, false);
    h->door.n++;
    listener_free(TAKE(h->listener));
}

static void may_be_freed_inside_accept(void)
{
    struct hall h;
    int client;

    hall_open(&h, loop_new());
    listener_free(h.listener);
    run_turn_now(h.door.loop);
    h.listener = listener_new(h.door.loop, h.fd, on_accept_and_free, &h);
    client = connect_loopback(h.at.port);
    RUN_UNTIL(h.door.loop, !h.listener);
    h.door.n = 0;
    close(client);
    hall_close(&h);
}

static void two_loops_share_one_socket(void)
{
    struct hall h;
    struct door second = { .loop = loop_new() };
    struct listener *s;
    int clients[20];

    hall_open(&h, loop_new());
    s = listener_new(second.loop, h.fd, on_accept, &second);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = connect_loopback(h.at.port);
        while (h.door.n + second.n <= i) {
            run_turn_now(i % 2 ? h.door.loop : second.loop);
        }
    }
    EXPECT_INT(h.door.n, 10);
    EXPECT_INT(second.n, 10);
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
    listener_free(s);
    door_close(&second);
    loop_free(second.loop);
    hall_close(&h);
}

static void pauses_when_it_is_out_of_descriptors(void)
{
    struct hall h;
    struct rlimit before;
    struct rlimit low;
    int clients[2];
    int64_t start;

    hall_open(&h, loop_new());
    clients[0] = connect_loopback(h.at.port);
    RUN_UNTIL(h.door.loop, h.door.n == 1);
    clients[1] = connect_loopback(h.at.port);
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)clients[1] + 1;
    EXPECT(setrlimit(RLIMIT_NOFILE, &low) == 0);
    start = loop_now_ms(h.door.loop);
    RUN_UNTIL(h.door.loop, loop_timers(h.door.loop) == 1);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT_INT(h.door.n, 1);
    RUN_UNTIL(h.door.loop, h.door.n == 2);
    EXPECT(loop_now_ms(h.door.loop) - start >= 99);
    close(clients[0]);
    close(clients[1]);
    hall_close(&h);
}

static void sends_small_pieces_at_once(void)
{
    struct hall h;
    int client;
    int fd;
    size_t nodelay = 0;

    hall_open(&h, loop_new());
    client = connect_loopback(h.at.port);
    RUN_UNTIL(h.door.loop, h.door.n == 1);
    /* The accepted socket is the one besides the client's that has an open peer. */
    for (fd = 3; fd < 64; fd++) {
        int on = 0;
        socklen_t n = sizeof(on);
        if (fd != client && getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n) == 0 && on)
            nodelay++;
    }
    EXPECT_INT(nodelay, 1);
    close(client);
    hall_close(&h);
}

/* ---- sockets of other processes ---- */

static void adopts_what_another_process_opened(void)
{
    static const char *const places[] = { "127.0.0.1:0", "[::1]:0", "unix:/tmp/adopted.sock" };

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct endpoint e = endpoint_of(places[i]);
        struct endpoint got;
        char what[WHAT_MAX];
        int fd;

        EXPECT_INT(listen_open(&e, &fd, what), ERR_NONE);
        EXPECT(fcntl(fd, F_SETFL, 0) == 0 && fcntl(fd, F_SETFD, 0) == 0);
        EXPECT_INT(listen_adopt(fd, &got, what), ERR_NONE);
        EXPECT(endpoint_eq(&got, &e));
        EXPECT((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
        close(fd);
        if (e.is_unix)
            unlink(e.host);
    }
}

static void adopts_nothing_that_does_not_listen(void)
{
    const int fds[] = { open("/dev/null", O_RDWR), socket(AF_INET, SOCK_STREAM, 0),
                        socket(AF_INET, SOCK_DGRAM, 0), -1 };
    struct endpoint e;
    char what[WHAT_MAX];

    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        EXPECT_INT(listen_adopt(fds[i], &e, what), ERR_BAD_INPUT);
        EXPECT(strstr(what, "is no listening stream socket") != NULL);
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static void knows_whether_a_socket_is_what_is_wanted(void)
{
    static const struct {
        const char *at;
        const char *wanted;
        bool meets;
    } rows[] = {
        { "127.0.0.1:80", "127.0.0.1:80", true },  { "127.0.0.1:80", "127.0.0.1:0", true },
        { "127.0.0.1:80", "localhost:80", true },  { "127.0.0.1:80", "localhost:81", false },
        { "127.0.0.1:80", "127.0.0.1:81", false }, { "127.0.0.1:80", "0.0.0.0:80", false },
        { "unix:/run/a", "unix:/run/a", true },    { "unix:/run/a", "unix:/run/b", false },
        { "unix:/run/a", "127.0.0.1:80", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct endpoint at = endpoint_of(rows[i].at);
        struct endpoint wanted = endpoint_of(rows[i].wanted);

        EXPECT_INT(listen_meets(&at, &wanted), rows[i].meets);
    }
}

static const struct test suite[] = {
    { "accepts on the port it was given", accepts_on_the_port_it_was_given },
    { "says what is wrong with a place", says_what_is_wrong_with_a_place },
    { "a unix socket is private, and replaced when stale",
      a_unix_socket_is_private_and_replaced_when_stale },
    { "a file that is no socket is left alone", a_file_that_is_no_socket_is_left_alone },
    { "accepts many", accepts_many },
    { "may be freed inside accept", may_be_freed_inside_accept },
    { "two loops share one socket", two_loops_share_one_socket },
    { "pauses when it is out of descriptors", pauses_when_it_is_out_of_descriptors },
    { "sends small pieces at once", sends_small_pieces_at_once },
    { "adopts what another process opened", adopts_what_another_process_opened },
    { "adopts nothing that does not listen", adopts_nothing_that_does_not_listen },
    { "knows whether a socket is what is wanted", knows_whether_a_socket_is_what_is_wanted },
};

TEST_MAIN(suite)
