/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "bench/socket.h"

enum { READ_MAX = 256 << 10, EVENTS = 512 };

struct client {
    struct list free; /* in the line of those without a request */
    int fd;           /* -1: not connected */
    bool is_busy;
    size_t sent;
    int64_t due_us;
    int64_t last_us; /* when the text before came */
    struct answer answer;
};

struct load {
    struct load_params params;
    struct client *clients;
    struct list free;
    int epoll;
    uint64_t begun, running;
    bool is_closed; /* no more requests begin */
    struct load_result *result;
    char room[READ_MAX];
};

struct load *load_new(const struct load_params *params)
{
    struct load *l = mem_new(struct load);

    l->params = *params;
    l->clients = mem_alloc_array(params->connections, sizeof(*l->clients));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    BUG_ON(l->epoll < 0);
    list_init(&l->free);
    for (size_t i = 0; i < params->connections; i++) {
        l->clients[i].fd = -1;
        list_add_tail(&l->free, &l->clients[i].free);
    }
    return l;
}

static void hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void rest(struct load *l, struct client *c)
{
    c->is_busy = false;
    l->running--;
    list_add_tail(&l->free, &c->free);
}

static void on_broken(struct load *l, struct client *c)
{
    hang_up(c);
    if (!c->is_busy)
        return;
    l->result->broken++;
    rest(l, c);
}

static void push(struct load *l, struct client *c)
{
    struct str left = str_from(l->params.request, c->sent);
    int64_t n = left.n ? socket_send(c->fd, left) : 0;

    if (n < 0)
        on_broken(l, c);
    else
        c->sent += (size_t)n;
}

static void begin(struct load *l, struct client *c, int64_t due_us)
{
    list_remove(&c->free);
    answer_expect(&c->answer, &l->params.want);
    c->is_busy = true;
    c->sent = 0;
    c->due_us = due_us;
    l->begun++;
    l->running++;
    if (c->fd < 0) {
        c->fd = socket_connect(l->params.port);
        socket_watch(l->epoll, c->fd, c);
        l->result->connects++;
    }
    push(l, c);
}

/* When the next request is due: now, if as many run as can. */
static int64_t next_due_us(const struct load *l, int64_t now)
{
    if (!l->params.rate)
        return now;
    return l->result->begun_us + (int64_t)(l->begun * 1000000 / l->params.rate);
}

static void begin_due(struct load *l)
{
    int64_t now = clock_now_us();

    l->is_closed = l->is_closed || l->begun == l->params.requests ||
                   now - l->result->begun_us >= l->params.time_us;
    while (!l->is_closed && !list_is_empty(&l->free)) {
        int64_t due = next_due_us(l, now);

        if (due > now)
            return;
        begin(l, CONTAINER_OF(l->free.next, struct client, free), due);
        l->is_closed = l->begun == l->params.requests;
    }
}

static void note_pieces(struct load *l, struct client *c, size_t before, int64_t now)
{
    struct load_result *r = l->result;

    for (size_t i = before; i < c->answer.pieces; i++) {
        if (i == 0)
            samples_add(&r->first, now - c->due_us);
        else
            samples_add(&r->gap, now - c->last_us);
        c->last_us = now;
        r->pieces++;
    }
}

static void note_fault(struct load_result *r, const char *fault, struct str read)
{
    if (r->fault)
        return;
    r->fault = fault;
    str_to_z(read, r->sample, sizeof(r->sample));
}

static void end(struct load *l, struct client *c, int64_t now)
{
    if (c->answer.fault) {
        l->result->wrong++;
    } else {
        l->result->whole++;
        samples_add(&l->result->answer, now - c->due_us);
    }
    if (!c->answer.keeps_open)
        hang_up(c);
    rest(l, c);
}

static void leave(struct load *l, struct client *c)
{
    l->result->canceled++;
    samples_add(&l->result->left, clock_now_us() - l->result->begun_us);
    hang_up(c);
    rest(l, c);
}

static void take(struct load *l, struct client *c, struct str in)
{
    size_t before = c->answer.pieces;
    bool is_over = answer_feed(&c->answer, in);
    int64_t now = clock_now_us();

    note_pieces(l, c, before, now);
    if (c->answer.fault)
        note_fault(l->result, c->answer.fault, in);
    if (is_over)
        end(l, c, now);
    else if (l->params.cancel_after && c->answer.pieces >= l->params.cancel_after)
        leave(l, c);
}

/* False: nothing more can be read now. */
static bool read_some(struct load *l, struct client *c)
{
    ssize_t n = recv(c->fd, l->room, sizeof(l->room), 0);

    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        on_broken(l, c);
        return false;
    }
    if (!c->is_busy) { /* nobody asked for it */
        l->result->wrong++;
        note_fault(l->result, "bytes without a request", (struct str){ l->room, (size_t)n });
        hang_up(c);
        return false;
    }
    take(l, c, (struct str){ l->room, (size_t)n });
    return n == (ssize_t)sizeof(l->room) && c->fd >= 0;
}

static void on_event(struct load *l, struct client *c, uint32_t events)
{
    if (c->fd >= 0 && c->is_busy && c->sent < l->params.request.n)
        push(l, c);
    if (c->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        while (read_some(l, c))
            ;
    if (c->fd >= 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        on_broken(l, c);
}

/* Until something is due, or the end of patience. */
static int64_t time_left_us(const struct load *l, int64_t now)
{
    int64_t until = l->result->begun_us + l->params.time_us + (l->is_closed ? LOAD_PATIENCE_US : 0);

    if (!l->is_closed && !list_is_empty(&l->free)) {
        int64_t due = next_due_us(l, now);

        until = due < until ? due : until;
    }
    return until > now ? until - now : 0;
}

static bool is_over(const struct load *l)
{
    return l->is_closed && (!l->running || clock_now_us() - l->result->begun_us >=
                                               l->params.time_us + LOAD_PATIENCE_US);
}

static void give_up_rest(struct load *l)
{
    for (size_t i = 0; i < l->params.connections; i++)
        if (l->clients[i].is_busy)
            on_broken(l, &l->clients[i]);
}

void load_run(struct load *l, struct load_result *ret_result)
{
    struct epoll_event events[EVENTS];

    *ret_result = (struct load_result){ .begun_us = clock_now_us() };
    l->result = ret_result;
    l->begun = 0;
    l->is_closed = false;
    begin_due(l);
    while (!is_over(l)) {
        int n = socket_wait(l->epoll, events, EVENTS, time_left_us(l, clock_now_us()));

        for (int i = 0; i < n; i++)
            on_event(l, events[i].data.ptr, events[i].events);
        begin_due(l);
    }
    ret_result->us = clock_now_us() - ret_result->begun_us;
    give_up_rest(l);
    l->result = NULL;
}

void load_free(struct load *l)
{
    for (size_t i = 0; i < l->params.connections; i++)
        hang_up(&l->clients[i]);
    close(l->epoll);
    mem_free(l->clients);
    mem_free(l);
}

void load_result_deinit(struct load_result *r)
{
    samples_deinit(&r->answer);
    samples_deinit(&r->first);
    samples_deinit(&r->gap);
    samples_deinit(&r->left);
}
