/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     request read --> (delay) --> piece --> (every) --> piece --> ... --> next request
 *
 * Who waits stands in one of two lines, one a length of time, so that each is in order by itself.
 */
#include "bench/upstream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "bench/socket.h"

enum { HEAD_MAX = 4096, READ_MAX = 64 << 10, EVENTS = 256, ANSWER_MAX = 64 << 20 };

/* What goes over the wire, and where each piece of it ends. */
struct wire {
    struct buf bytes;
    size_t *ends;
    size_t n;
};

struct peer {
    struct list node;    /* among all */
    struct list waiting; /* in the line of who waits */
    int64_t due_us;
    int fd;
    char head[HEAD_MAX];
    size_t head_n;
    size_t body_left;
    const struct wire *wire; /* NULL while a request is read */
    size_t piece;            /* that is being sent */
    size_t sent;
};

struct upstream {
    struct upstream_params params;
    struct wire wire, spoiled, refusal;
    int epoll, listener;
    uint16_t port;
    struct list peers, delayed, paced;
    uint64_t asked, answered;
    int64_t *left_us;
    size_t n_left;
    char room[READ_MAX];
};

static void must(enum err err)
{
    BUG_ON(err != ERR_NONE);
}

static void add_chunk(struct buf *b, struct str s)
{
    must(buf_addf(b, "%zx\r\n", s.n));
    must(buf_add(b, s));
    must(buf_add(b, STR("\r\n")));
}

static void end_piece(struct wire *w)
{
    w->ends = mem_grow_array(w->ends, w->n + 1, sizeof(*w->ends));
    w->ends[w->n++] = w->bytes.n;
}

/* An event without text goes out with the piece before it. */
static void frame_events(struct wire *w, struct str events, bool in_one_write)
{
    must(buf_add(&w->bytes, STR("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                                "transfer-encoding: chunked\r\n\r\n")));
    while (events.n) {
        size_t end = str_find(events, STR("\n\n"));
        struct str event = str_sub(events, 0, end == SIZE_MAX ? events.n : end + 2);

        if (w->n && (in_one_write || str_find(event, STR("\"content\":")) == SIZE_MAX))
            w->n--;
        add_chunk(&w->bytes, event);
        end_piece(w);
        events = str_from(events, event.n);
    }
    BUG_ON(w->n == 0);
    must(buf_add(&w->bytes, STR("0\r\n\r\n")));
    w->ends[w->n - 1] = w->bytes.n;
}

static void frame_whole(struct wire *w, const char *status, struct str body)
{
    must(buf_addf(&w->bytes,
                  "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                  status, body.n));
    must(buf_add(&w->bytes, body));
    end_piece(w);
}

static void frame_answer(struct wire *w, const struct upstream_params *params)
{
    buf_init(&w->bytes, ANSWER_MAX);
    if (params->is_stream)
        frame_events(w, params->answer, params->in_one_write);
    else
        frame_whole(w, "200 OK", params->answer);
}

/* Another letter in the middle of the last text that is not empty. */
static void spoil(struct wire *w)
{
    struct str key = STR("\"content\":\"");
    size_t at = SIZE_MAX;

    for (size_t i = 0; i + key.n < w->bytes.n; i++)
        if (memcmp(w->bytes.p + i, key.p, key.n) == 0 && w->bytes.p[i + key.n] != '"')
            at = i + key.n;
    BUG_ON(at == SIZE_MAX);
    w->bytes.p[at] ^= 1;
}

struct upstream *upstream_new(const struct upstream_params *params)
{
    struct upstream *u = mem_new(struct upstream);

    u->params = *params;
    frame_answer(&u->wire, params);
    frame_answer(&u->spoiled, params);
    spoil(&u->spoiled);
    buf_init(&u->refusal.bytes, ANSWER_MAX);
    frame_whole(&u->refusal, "404 Not Found", STR("{}"));
    list_init(&u->peers);
    list_init(&u->delayed);
    list_init(&u->paced);
    u->left_us = mem_alloc_array(UPSTREAM_TIMES_MAX, sizeof(*u->left_us));
    u->listener = socket_listen(params->port, &u->port);
    u->epoll = epoll_create1(EPOLL_CLOEXEC);
    BUG_ON(u->epoll < 0);
    socket_watch(u->epoll, u->listener, &u->listener);
    socket_watch(u->epoll, params->stop_fd, NULL);
    return u;
}

uint16_t upstream_port(const struct upstream *u)
{
    return u->port;
}

static void drop(struct upstream *u, struct peer *p)
{
    if (p->wire && u->n_left < UPSTREAM_TIMES_MAX)
        u->left_us[u->n_left++] = clock_now_us();
    list_remove(&p->node);
    list_remove(&p->waiting);
    close(p->fd);
    mem_free(p);
}

static void wait_in(struct list *line, struct peer *p, int64_t due_us)
{
    p->due_us = due_us;
    list_add_tail(line, &p->waiting);
}

/* Sends what is due and there is room for. False: the connection is gone. */
static bool push(struct upstream *u, struct peer *p)
{
    while (p->wire && !list_is_linked(&p->waiting)) {
        struct str all = buf_str(&p->wire->bytes);
        int64_t n = socket_send(p->fd, str_sub(all, p->sent, p->wire->ends[p->piece] - p->sent));

        if (n < 0)
            return false;
        p->sent += (size_t)n;
        if (p->sent < p->wire->ends[p->piece])
            return true;
        if (++p->piece == p->wire->n) {
            p->wire = NULL;
            u->answered++;
        } else if (u->params.every_us) {
            wait_in(&u->paced, p, (p->due_us ? p->due_us : clock_now_us()) + u->params.every_us);
        }
    }
    return true;
}

static bool answer(struct upstream *u, struct peer *p)
{
    u->asked++;
    p->wire = u->asked == u->params.spoil_nth ? &u->spoiled : &u->wire;
    if (memcmp(p->head, "POST ", 5) != 0)
        p->wire = &u->refusal;
    p->head_n = p->piece = p->sent = 0;
    p->due_us = 0;
    if (u->asked == u->params.break_nth) {
        socket_send(p->fd, str_sub(buf_str(&p->wire->bytes), 0, p->wire->bytes.n / 2));
        p->wire = NULL;
        return false;
    }
    if (u->params.delay_us)
        wait_in(&u->delayed, p, clock_now_us() + u->params.delay_us);
    return push(u, p);
}

/* Zero when there is no body. */
static size_t length_of_body(struct str head)
{
    uint64_t n = 0;

    while (head.n) {
        struct str value;
        struct str name = str_cut(str_cut(head, '\n', &head), ':', &value);

        if (str_eq_nocase(name, STR("content-length")))
            must(str_to_u64(str_trim(value), SIZE_MAX, &n));
    }
    return (size_t)n;
}

/* One read of a request. False: the connection is to be dropped. */
static bool take(struct upstream *u, struct peer *p, struct str in)
{
    size_t before = p->head_n;
    const char *end;

    if (p->wire) /* nobody sends ahead */
        return false;
    if (p->body_left) {
        if (in.n > p->body_left)
            return false;
        p->body_left -= in.n;
        return p->body_left ? true : answer(u, p);
    }
    size_t n = in.n < HEAD_MAX - before ? in.n : HEAD_MAX - before;
    memcpy(p->head + before, in.p, n);
    p->head_n += n;
    end = memmem(p->head, p->head_n, "\r\n\r\n", 4);
    if (!end)
        return p->head_n < HEAD_MAX;
    size_t head = (size_t)(end - p->head) + 4;
    size_t body = length_of_body((struct str){ p->head, head });
    size_t here = in.n - (head - before);
    if (here > body)
        return false;
    p->body_left = body - here;
    return p->body_left ? true : answer(u, p);
}

static void on_peer(struct upstream *u, struct peer *p)
{
    for (;;) {
        ssize_t n = recv(p->fd, u->room, sizeof(u->room), 0);
        bool is_all = n < (ssize_t)sizeof(u->room);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0 || !take(u, p, (struct str){ u->room, (size_t)n })) {
            drop(u, p);
            return;
        }
        if (is_all)
            break;
    }
    if (!push(u, p))
        drop(u, p);
}

static void on_connection(struct upstream *u)
{
    int fd;

    while ((fd = socket_accept(u->listener)) >= 0) {
        struct peer *p = mem_new(struct peer);

        p->fd = fd;
        list_add_tail(&u->peers, &p->node);
        socket_watch(u->epoll, fd, p);
    }
}

static void run_due(struct upstream *u, struct list *line)
{
    int64_t now = list_is_empty(line) ? 0 : clock_now_us();

    while (!list_is_empty(line)) {
        struct peer *p = CONTAINER_OF(line->next, struct peer, waiting);

        if (p->due_us > now)
            return;
        list_remove(&p->waiting);
        if (!push(u, p))
            drop(u, p);
    }
}

static int64_t time_left_us(const struct upstream *u)
{
    const struct list *const lines[] = { &u->delayed, &u->paced };
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!list_is_empty(lines[i])) {
            const struct peer *p = CONTAINER_OF(lines[i]->next, struct peer, waiting);

            least = p->due_us < least ? p->due_us : least;
        }
    if (least == INT64_MAX)
        return -1;
    int64_t left = least - clock_now_us();
    return left > 0 ? left : 0;
}

void upstream_run(struct upstream *u)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = socket_wait(u->epoll, events, EVENTS, time_left_us(u));

        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                return;
            if (events[i].data.ptr == &u->listener)
                on_connection(u);
            else
                on_peer(u, events[i].data.ptr);
        }
        run_due(u, &u->delayed);
        run_due(u, &u->paced);
    }
}

uint64_t upstream_answered(const struct upstream *u)
{
    return u->answered;
}

const int64_t *upstream_left_us(const struct upstream *u, size_t *ret_n)
{
    *ret_n = u->n_left;
    return u->left_us;
}

static void wire_deinit(struct wire *w)
{
    buf_deinit(&w->bytes);
    mem_free(w->ends);
}

void upstream_free(struct upstream *u)
{
    while (!list_is_empty(&u->peers)) {
        struct peer *p = CONTAINER_OF(u->peers.next, struct peer, node);

        p->wire = NULL;
        drop(u, p);
    }
    close(u->listener);
    close(u->epoll);
    wire_deinit(&u->wire);
    wire_deinit(&u->spoiled);
    wire_deinit(&u->refusal);
    mem_free(u->left_us);
    mem_free(u);
}
