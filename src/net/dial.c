/* SPDX-License-Identifier: Apache-2.0 */
/* Each try is a connection that is not connected yet: room to write means that the kernel is done
 * with it, one way or the other. */
#include "net/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "net/conn_internal.h"

enum { NEXT_AFTER_MS = 250 };

static void try_more(struct dial *d);

static enum err err_of_connect(int error)
{
    enum err err = err_of_errno(error);

    if (err == ERR_REFUSED || err == ERR_TIMEOUT || err == ERR_RESET || err == ERR_NO_FDS)
        return err;
    /* Unix sockets: no such file, or a full queue. */
    if (error == ENOENT || error == EAGAIN)
        return ERR_REFUSED;
    return error == ENOBUFS || error == ENOMEM ? ERR_NO_FDS : ERR_UNREACHABLE;
}

/* "Unreachable" often only means that this machine has no IPv6. */
static void note_failure(struct dial *d, const struct address *a, int error)
{
    char where[ADDRESS_TEXT_MAX];

    if (d->err && d->err != ERR_UNREACHABLE)
        return;
    d->err = err_of_connect(error);
    address_text(a, where);
    snprintf(d->why, sizeof(d->why), "%s: %s", where, strerror(error));
}

/* Whoever gets `d` back may free it in here. */
static void finish(struct dial *d, struct conn *c)
{
    dial_cancel(d);
    d->done(d->arg, c ? ERR_NONE : d->err, c ? "" : d->why, c);
}

static void on_room(void *arg)
{
    struct dial_try *t = arg;
    struct dial *d = t->dial;
    struct conn *c = t->conn;
    int error = 0;
    socklen_t n = sizeof(error);

    t->conn = NULL;
    d->n_running--;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error == 0) {
        conn_set_handler(c, NULL, NULL);
        finish(d, c);
        return;
    }
    conn_close(c, false);
    note_failure(d, &d->list[t->index], error);
    try_more(d);
}

static const struct conn_handler try_handler = { .on_writable = on_room };

static int open_socket(const struct address *a)
{
    int fd = socket(a->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd >= 0 && a->sa.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* 0, or an errno. */
static int start_try(struct dial *d, size_t index)
{
    const struct address *a = &d->list[index];
    struct dial_try *t = &d->tries[index];
    int fd = open_socket(a);
    int error;

    if (fd < 0)
        return errno;
    if (connect(fd, &a->sa.any, a->n) != 0 && errno != EINPROGRESS) {
        error = errno;
        close(fd);
        return error;
    }
    *t = (struct dial_try){ .dial = d, .conn = conn_open(d->loop, fd, a), .index = index };
    if (t->conn->broken) {
        conn_close(TAKE(t->conn), false);
        return ENOBUFS;
    }
    d->n_running++;
    conn_set_handler(t->conn, &try_handler, t);
    conn_await_room(t->conn);
    return 0;
}

static void on_next(void *arg)
{
    try_more(arg);
}

/* Starts one more try if an address is left; without any the dial has failed. */
static void try_more(struct dial *d)
{
    timer_disarm(&d->next);
    while (d->n_tried < d->n) {
        size_t index = d->n_tried++;
        int error = start_try(d, index);
        if (error) {
            note_failure(d, &d->list[index], error);
            continue;
        }
        if (d->n_tried < d->n)
            timer_arm(d->loop, &d->next, NEXT_AFTER_MS, on_next, d);
        return;
    }
    if (d->n_running == 0)
        finish(d, NULL);
}

/* The next unused address of (or not of) the family, or n. */
static size_t find_family(const struct address *list, size_t n, const bool *used, int family,
                          bool is_same)
{
    for (size_t i = 0; i < n; i++)
        if (!used[i] && (list[i].sa.any.sa_family == family) == is_same)
            return i;
    return n;
}

/* The order of RFC 8305 section 4: families in turn, beginning with that of the first. */
static void order_addresses(struct dial *d, const struct address *list, size_t n)
{
    bool used[RESOLVE_MAX] = { false };
    bool want_first = true;

    for (d->n = 0; d->n < n; d->n++) {
        size_t i = find_family(list, n, used, list[0].sa.any.sa_family, want_first);
        if (i == n)
            i = find_family(list, n, used, list[0].sa.any.sa_family, !want_first);
        used[i] = true;
        d->list[d->n] = list[i];
        want_first = !want_first;
    }
}

void dial_start(struct dial *d, struct loop *l, const struct address *list, size_t n,
                on_dialed *done, void *arg)
{
    BUG_ON(n == 0 || n > RESOLVE_MAX);
    *d = (struct dial){ .loop = l, .done = done, .arg = arg };
    order_addresses(d, list, n);
    try_more(d);
}

void dial_cancel(struct dial *d)
{
    timer_disarm(&d->next);
    for (size_t i = 0; i < d->n_tried; i++)
        conn_close(TAKE(d->tries[i].conn), false);
    d->n_running = 0;
}
