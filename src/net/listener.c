/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every worker polls the same socket; each takes one connection per wake-up, so a
 * burst spreads over those that are idle.
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <uv.h>

#include "base/mem.h"
#include "net/conn_internal.h"
#include "net/timer.h"

enum { NO_FDS_PAUSE_MS = 100 };

struct listener {
    struct loop *loop;
    uv_poll_t poll;
    int fd; /* the caller's */
    void (*accept)(void *arg, struct conn *c);
    void *arg;
    struct timer pause; /* armed while out of descriptors */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void settle(struct listener *s)
{
    if (timer_is_armed(&s->pause))
        BUG_ON(uv_poll_stop(&s->poll) != 0);
    else
        BUG_ON(uv_poll_start(&s->poll, UV_READABLE, on_poll) != 0);
}

static void on_pause_over(void *arg)
{
    settle(arg);
}

static void on_accept_failed(struct listener *s, int error)
{
    /* Another worker was faster, or the peer left already. */
    if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
        return;
    /* EMFILE, ENFILE, ENOMEM, ...: the connection still waits, so a poll would only spin. */
    timer_arm(s->loop, &s->pause, NO_FDS_PAUSE_MS, on_pause_over, s);
    settle(s);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *s = CONTAINER_OF(poll, struct listener, poll);
    struct address peer = { .n = sizeof(peer.sa) };
    int one = 1;
    int fd;

    (void)status;
    (void)events;
    fd = accept4(s->fd, &peer.sa.any, &peer.n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        on_accept_failed(s, errno);
        return;
    }
    if (peer.sa.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    s->accept(s->arg, conn_open(s->loop, fd, &peer));
}

struct listener *listener_new(struct loop *l, int fd, void (*accept)(void *arg, struct conn *c),
                              void *arg)
{
    struct listener *s = mem_new(struct listener);

    s->loop = l;
    s->fd = fd;
    s->accept = accept;
    s->arg = arg;
    BUG_ON(uv_poll_init(loop_uv(l), &s->poll, fd) != 0);
    settle(s);
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void listener_free(struct listener *s)
{
    if (!s)
        return;
    timer_disarm(&s->pause);
    s->poll.data = s;
    uv_close((uv_handle_t *)&s->poll, on_closed);
}
