/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { BACKLOG = 4096 };

void socket_raise_limit(void)
{
    struct rlimit files;

    BUG_ON(getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = files.rlim_max;
    BUG_ON(setrlimit(RLIMIT_NOFILE, &files));
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int open_socket(void)
{
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    BUG_ON(fd < 0); /* more connections than descriptors were asked for */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

int socket_listen(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in at = loopback(port);
    socklen_t size = sizeof(at);
    int one = 1;
    int fd = open_socket();

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    BUG_ON(bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, BACKLOG) ||
           getsockname(fd, (struct sockaddr *)&at, &size));
    *ret_port = ntohs(at.sin_port);
    return fd;
}

int socket_connect(uint16_t port)
{
    struct sockaddr_in to = loopback(port);
    int fd = open_socket();

    BUG_ON(connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS);
    return fd;
}

int socket_accept(int fd)
{
    int one = 1;
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    BUG_ON(peer < 0 && errno != EAGAIN && errno != ECONNABORTED);
    if (peer >= 0)
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return peer;
}

void socket_watch(int epoll, int fd, void *arg)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = arg };

    BUG_ON(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int socket_wait(int epoll, struct epoll_event *events, int n, int64_t timeout_us)
{
    struct timespec timeout = { .tv_sec = timeout_us / 1000000,
                                .tv_nsec = timeout_us % 1000000 * 1000 };
    int got = epoll_pwait2(epoll, events, n, timeout_us < 0 ? NULL : &timeout, NULL);

    BUG_ON(got < 0 && errno != EINTR);
    return got < 0 ? 0 : got;
}

int64_t socket_send(int fd, struct str bytes)
{
    ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        return -1;
    return n < 0 ? 0 : n;
}
