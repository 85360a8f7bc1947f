/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of sockets share: running a loop until something holds, with a watchdog,
 * and a peer that is a thread with plain blocking sockets.
 */
#pragma once

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net/timer.h"

enum { WATCHDOG_MS = 20000 };

/* One turn that does not wait. */
static inline void run_turn_now(struct loop *l)
{
    uv_run(loop_uv(l), UV_RUN_NOWAIT);
}

/* One turn, then waits for the next one to have something to do, but not for long. */
static inline void run_turn(struct loop *l)
{
    struct pollfd p = { .fd = uv_backend_fd(loop_uv(l)), .events = POLLIN };
    int timeout;

    run_turn_now(l);
    timeout = uv_backend_timeout(loop_uv(l));
    poll(&p, 1, timeout < 0 || timeout > 5 ? 5 : timeout);
}

/* By the real clock, which runs on when the loop's is turned by hand. */
#define RUN_UNTIL(l, cond)                                     \
    do {                                                       \
        int64_t give_up_ = clock_now_ms() + WATCHDOG_MS;       \
        while (!(cond)) {                                      \
            run_turn(l);                                       \
            if (clock_now_ms() > give_up_)                     \
                die(__FILE__, __LINE__, "never true: " #cond); \
        }                                                      \
    } while (0)

static inline void on_pause_end(void *arg)
{
    *(bool *)arg = true;
}

/* Runs the loop for some time of the real clock. */
static inline void run_for(struct loop *l, int64_t ms)
{
    struct timer t = { .loop = NULL };
    bool is_over = false;

    timer_arm(l, &t, ms, on_pause_end, &is_over);
    while (!is_over)
        run_turn(l);
}

static inline void set_nonblocking(int fd)
{
    EXPECT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
}

/* A blocking socket that listens on a free port of 127.0.0.1. */
static inline int listen_loopback(uint16_t *ret_port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(bind(fd, (struct sockaddr *)&a, n) == 0);
    EXPECT(listen(fd, 64) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static inline int connect_loopback(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    return fd;
}

/* Two ends of one TCP connection. */
static inline void tcp_pair(int *ret_a, int *ret_b)
{
    uint16_t port;
    int listening = listen_loopback(&port);

    *ret_a = connect_loopback(port);
    *ret_b = accept(listening, NULL, NULL);
    EXPECT(*ret_b >= 0);
    close(listening);
}

static inline void write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        n -= (size_t)sent;
    }
}

static inline void write_text(int fd, const char *text)
{
    write_all(fd, text, strlen(text));
}

/* Reads up to `n` bytes; fewer only at the end of the stream. */
static inline size_t read_all(int fd, void *out, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = recv(fd, (char *)out + got, n - got, 0);
        if (r <= 0)
            break;
        got += (size_t)r;
    }
    return got;
}

/* Waits until the other end has closed or reset. */
static inline void read_to_end(int fd)
{
    char dropped[4096];

    while (recv(fd, dropped, sizeof(dropped), 0) > 0)
        continue;
}

/* A thread that accepts connections, one after the other, and serves each. */
struct peer {
    int listening;
    uint16_t port;
    void (*serve)(void *arg, int fd);
    void *arg;
    pthread_t thread;
};

static inline void *run_peer(void *arg)
{
    struct peer *p = arg;
    int fd;

    while ((fd = accept(p->listening, NULL, NULL)) >= 0) {
        p->serve(p->arg, fd);
        close(fd);
    }
    return NULL;
}

static inline void peer_start(struct peer *p, void (*serve)(void *arg, int fd), void *arg)
{
    p->listening = listen_loopback(&p->port);
    p->serve = serve;
    p->arg = arg;
    EXPECT(pthread_create(&p->thread, NULL, run_peer, p) == 0);
}

static inline void peer_stop(struct peer *p)
{
    shutdown(p->listening, SHUT_RDWR);
    EXPECT(pthread_join(p->thread, NULL) == 0);
    close(p->listening);
}

/* What came on a connection. */
struct seen {
    struct loop *loop;
    struct conn *conn;
    char bytes[256];
    size_t n;     /* all bytes, also those that `bytes` has no room for */
    size_t reads; /* calls with bytes */
    enum err end; /* ERR_NONE until the stream ended */
    unsigned n_writable;
};

static inline void on_seen_read(void *arg, enum err err, struct str bytes)
{
    struct seen *s = arg;

    if (err) {
        EXPECT(!s->end);
        s->end = err;
        return;
    }
    EXPECT(bytes.n > 0);
    for (size_t i = 0; i < bytes.n && s->n + i < sizeof(s->bytes); i++)
        s->bytes[s->n + i] = bytes.p[i];
    s->n += bytes.n;
    s->reads++;
}

static inline void on_seen_writable(void *arg)
{
    struct seen *s = arg;

    s->n_writable++;
}

static const struct conn_handler seen_handler UNUSED = { .on_read = on_seen_read,
                                                         .on_writable = on_seen_writable };

static inline struct str seen_text(const struct seen *s)
{
    return (struct str){ s->bytes, s->n < sizeof(s->bytes) ? s->n : sizeof(s->bytes) };
}

/* Descriptors that this process has open. */
static inline size_t count_fds(void)
{
    size_t n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}
