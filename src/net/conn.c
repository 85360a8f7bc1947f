/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets are read and written directly; libuv only says when. Turning reading off
 * takes back nothing: the poll is stopped when an event comes that nobody
 * wants, so that off and on within a turn costs no system call.
 */
#include "net/conn.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/conn_internal.h"

enum { WRITE_PARTS = 64 };

enum err conn_err_of_errno(int errno_value)
{
    if (errno_value == ECONNRESET)
        return ERR_RESET;
    if (errno_value == EPIPE)
        return ERR_CLOSED;
    if (errno_value == ETIMEDOUT)
        return ERR_TIMEOUT;
    return ERR_IO;
}

/* ---- events ---- */

void conn_end_read(struct conn *c, enum err err)
{
    c->is_ended = true;
    if (c->handler)
        c->handler->on_read(c->arg, err, (struct str){ NULL, 0 });
}

void conn_tell_room(struct conn *c)
{
    c->needs_room = false;
    if (c->handler)
        c->handler->on_writable(c->arg);
}

static bool wants_read(const struct conn *c)
{
    return c->is_reading && !c->is_ended;
}

/* Of its end, while what it sent is not read. */
static bool wants_end(const struct conn *c)
{
    return c->watches_end && !c->is_reading && !c->is_ended;
}

static int wanted(const struct conn *c)
{
    if (c->tls)
        return tls_wanted(c);
    return (wants_read(c) ? UV_READABLE : 0) | (wants_end(c) ? UV_DISCONNECT : 0) |
           (c->needs_room ? UV_WRITABLE : 0);
}

/* One read an event: if more waits, the poll says so again. */
static void read_once(struct conn *c)
{
    size_t size = LOOP_READ_SIZE;
    char *space = c->handler->room ? c->handler->room(c->arg, &size) : NULL;
    ssize_t n;

    if (!space)
        space = loop_read_space(c->loop);
    do
        n = recv(c->fd, space, size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        c->handler->on_read(c->arg, ERR_NONE, (struct str){ space, (size_t)n });
    else if (n == 0)
        conn_end_read(c, ERR_CLOSED);
    else if (errno != EAGAIN)
        conn_end_read(c, conn_err_of_errno(errno));
}

static void on_events(struct conn *c, int events)
{
    if (c->tls) {
        tls_on_events(c, events);
        return;
    }
    if ((events & UV_READABLE) && wants_read(c))
        read_once(c);
    else if ((events & UV_DISCONNECT) && wants_end(c))
        conn_end_read(c, ERR_CLOSED);
    if (!c->is_closed && (events & UV_WRITABLE) && c->needs_room)
        conn_tell_room(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = CONTAINER_OF(poll, struct conn, poll);
    int unwanted = 0;

    if (status < 0) {
        /* libuv saw POLLERR and stopped; the next read or write will say which error it is. */
        c->polled = 0;
        events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
    } else {
        unwanted = events & ~wanted(c);
    }
    on_events(c, events);
    if (!c->is_closed)
        conn_settle(c, unwanted);
}

void conn_settle(struct conn *c, int unwanted)
{
    int want = wanted(c);
    int ended = c->is_ended ? UV_READABLE | UV_DISCONNECT : 0;
    int surplus = c->polled & ~want & (UV_WRITABLE | unwanted | ended);

    if (c->fd < 0 || (!(want & ~c->polled) && !surplus))
        return;
    c->polled = want;
    if (want)
        BUG_ON(uv_poll_start(&c->poll, want, on_poll) != 0);
    else
        BUG_ON(uv_poll_stop(&c->poll) != 0);
}

/* The deferred read: bytes that TLS holds, unless an event was quicker; or the failure of a conn
 * that never worked. */
static void on_task(void *arg)
{
    struct conn *c = arg;

    if (!wants_read(c))
        return;
    if (c->tls && tls_has_bytes(c))
        tls_read(c);
    else if (c->fd < 0)
        conn_end_read(c, c->broken);
    if (!c->is_closed)
        conn_settle(c, 0);
}

/* ---- life ---- */

struct conn *conn_open(struct loop *l, int fd, const struct address *peer)
{
    struct conn *c = mem_new(struct conn);

    c->loop = l;
    c->fd = fd;
    task_init(&c->task, on_task, c);
    address_text(peer, c->peer);
    c->is_loopback = address_is_loopback(peer);
    /* Fails when the kernel has no room to watch one more. */
    if (uv_poll_init(loop_uv(l), &c->poll, fd) != 0) {
        close(fd);
        c->fd = -1;
        c->broken = ERR_IO;
    }
    return c;
}

struct conn *conn_new(struct loop *l, int fd)
{
    struct address peer = { .n = sizeof(peer.sa) };

    if (getpeername(fd, &peer.sa.any, &peer.n) != 0)
        peer.n = 0;
    return conn_open(l, fd, &peer);
}

void conn_count_upstream(struct conn *c)
{
    c->is_upstream = true;
    metric_add(METRIC_UPSTREAM_CONNS, 1);
}

static void free_conn(void *arg)
{
    struct conn *c = arg;

    mem_free(c->script);
    mem_free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    free_conn(handle->data);
}

static void close_socket(struct conn *c, bool reset)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    if (c->tls)
        tls_free(c, reset);
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    c->poll.data = c;
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
    /* After uv_close(), so that the number is not polled under its next owner. */
    close(c->fd);
}

void conn_close(struct conn *c, bool reset)
{
    if (!c)
        return;
    BUG_ON(c->is_closed);
    c->is_closed = true;
    task_cancel(&c->task);
    if (c->is_upstream)
        metric_add(METRIC_UPSTREAM_CONNS, -1);
    if (c->fd >= 0) {
        close_socket(c, reset);
        return;
    }
    if (c->script)
        c->script->close(c->script->arg, reset);
    task_init(&c->task, free_conn, c);
    loop_retire(c->loop, &c->task);
}

/* ---- use ---- */

void conn_set_handler(struct conn *c, const struct conn_handler *h, void *arg)
{
    c->handler = h;
    c->arg = arg;
}

void conn_read_start(struct conn *c)
{
    BUG_ON(!c->handler);
    c->is_reading = true;
    if (c->is_ended)
        return;
    if (c->tls ? tls_has_bytes(c) : c->fd < 0 && !c->script)
        loop_defer(c->loop, &c->task);
    conn_settle(c, 0);
}

void conn_read_stop(struct conn *c)
{
    c->is_reading = false;
}

void conn_watch_end(struct conn *c, bool on)
{
    c->watches_end = on;
    conn_settle(c, 0);
}

void conn_await_room(struct conn *c)
{
    c->needs_room = true;
    conn_settle(c, 0);
}

/* Hands at most WRITE_PARTS parts to the kernel; *ret_n is how many. */
static ssize_t send_parts(int fd, const struct str *parts, size_t n, size_t *ret_sum)
{
    struct iovec iov[WRITE_PARTS];
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
    ssize_t sent;

    *ret_sum = 0;
    for (size_t i = 0; i < n; i++) {
        iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)parts[i].p, .iov_len = parts[i].n };
        *ret_sum += parts[i].n;
    }
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static enum err write_plain(struct conn *c, const struct str *parts, size_t n, size_t *ret_written)
{
    while (n > 0) {
        size_t batch = n < WRITE_PARTS ? n : WRITE_PARTS;
        size_t sum;
        ssize_t sent = send_parts(c->fd, parts, batch, &sum);
        if (sent < 0 && errno != EAGAIN) {
            c->broken = conn_err_of_errno(errno);
            return c->broken;
        }
        *ret_written += sent > 0 ? (size_t)sent : 0;
        if (sent < 0 || (size_t)sent < sum) {
            conn_await_room(c);
            break;
        }
        parts += batch;
        n -= batch;
    }
    return ERR_NONE;
}

enum err conn_write(struct conn *c, const struct str *parts, size_t n, size_t *ret_written)
{
    enum err err;

    *ret_written = 0;
    if (c->broken)
        return c->broken;
    if (c->script)
        return c->script->write(c->script->arg, parts, n, ret_written);
    err = c->tls ? tls_write(c, parts, n, ret_written) : write_plain(c, parts, n, ret_written);
    /* Not each failure is the socket's own: without room in the kernel it would stay open, and who
     * waits for the reader to be told would wait for ever. What has come can still be read. */
    if (err)
        shutdown(c->fd, SHUT_RDWR);
    return err;
}

void conn_shutdown(struct conn *c)
{
    if (c->broken || c->fd < 0)
        return;
    if (c->tls)
        tls_shutdown(c);
    else
        shutdown(c->fd, SHUT_WR);
}

size_t conn_waiting(const struct conn *c)
{
    int n = 0;

    if (c->script)
        return c->script_waiting;
    return ioctl(c->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

struct str conn_peer(const struct conn *c)
{
    return str_of(c->peer);
}

bool conn_peer_is_loopback(const struct conn *c)
{
    return c->is_loopback;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls != NULL;
}
