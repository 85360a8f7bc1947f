/* SPDX-License-Identifier: Apache-2.0 */
/* A worker without clients of the API: its own loop, its own share of the provider. */
#include "ops/control.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/check_all.h"
#include "net/timer.h"

enum { LAST_WORDS_MS = 1000 }; /* how long answers may take to reach who asked, at the end */

struct control {
    struct gateway *gateway;
    struct endpoint at;
    int fd;
    struct worker *worker;

    /* On its thread. */
    struct gateway_worker share;
    struct loop *loop;
    struct listener *listener;
    struct http_server *server;
    struct list asked; /* struct question */
    struct timer limit;
    bool is_closing;
};

/* A request that waits for a report. */
struct question {
    struct list node;
    struct control *control;
    struct check_all *check;      /* running */
    struct http_request *request; /* NULL: who asked has left, or was answered */
};

/* ---- /check ---- */

static void free_question(struct question *q)
{
    list_remove(&q->node);
    mem_free(q);
}

static void on_checked_all(void *arg, UNUSED bool usable, struct str json)
{
    struct question *q = arg;

    q->check = NULL;
    if (q->request) {
        q->request->on_gone = NULL;
        gateway_reply_json(q->request, 200, json);
    }
    free_question(q);
}

static void on_gone(void *arg)
{
    struct question *q = arg;

    q->request = NULL;
}

static void refuse(struct http_request *r)
{
    gateway_reply_json(r, 503, STR("{\"error\":\"the gateway is shutting down\"}"));
}

static void on_request(void *arg, struct http_request *r)
{
    struct control *c = arg;
    struct question *q;

    if (r->head.method != HTTP_GET || !str_eq(r->head.path, STR(CONTROL_CHECK))) {
        gateway_reply_json(r, 404, STR("{\"error\":\"this socket knows GET " CONTROL_CHECK "\"}"));
        return;
    }
    if (c->is_closing) {
        refuse(r);
        return;
    }
    q = mem_new(struct question);
    q->control = c;
    q->request = r;
    list_add_tail(&c->asked, &q->node);
    r->on_gone = on_gone;
    r->arg = q;
    q->check = check_all_start(&c->share, on_checked_all, q);
}

static void write_error(UNUSED void *arg, UNUSED const struct http_request *r, int status,
                        const char *what, struct buf *out)
{
    if (buf_addf(out, "{\"error\":\"%d: %s\"}", status, what))
        buf_clear(out);
}

/* ---- life ---- */

static void on_accept(void *arg, struct conn *conn)
{
    struct control *c = arg;

    http_server_accept(c->server, conn);
}

static void start(void *arg, struct loop *l)
{
    static const struct http_service service = { .on_request = on_request,
                                                 .write_error = write_error };
    struct control *c = arg;
    struct http_server_limits limits;

    c->loop = l;
    list_init(&c->asked);
    gateway_share_open(&c->share, c->gateway, l);
    http_server_limits_default(&limits);
    limits.max_connections = 16;
    limits.max_body = 4096;
    c->server = http_server_new(l, &service, c, &limits);
    c->listener = listener_new(l, c->fd, on_accept, c);
}

static void on_share_closed(void *arg)
{
    struct control *c = arg;

    loop_stop(c->loop);
}

/* Who is asked says nothing any more. */
static void drop_questions(struct control *c)
{
    while (!list_is_empty(&c->asked)) {
        struct question *q = CONTAINER_OF(c->asked.next, struct question, node);

        if (q->check)
            check_all_cancel(q->check);
        free_question(q);
    }
}

static void on_served(void *arg)
{
    struct control *c = arg;

    timer_disarm(&c->limit);
    http_server_free(c->server);
    gateway_share_close(&c->share, on_share_closed, c);
    drop_questions(c);
}

static void refuse_open_questions(struct control *c)
{
    LIST_EACH (node, &c->asked) {
        struct question *q = CONTAINER_OF(node, struct question, node);

        if (!q->request)
            continue;
        q->request->on_gone = NULL;
        refuse(TAKE(q->request));
    }
}

static void stop(void *arg, struct loop *l)
{
    struct control *c = arg;

    c->is_closing = true;
    listener_free(c->listener);
    refuse_open_questions(c);
    timer_arm(l, &c->limit, LAST_WORDS_MS, on_served, c);
    http_server_drain(c->server, on_served, c);
    http_server_refuse_rest(c->server);
}

struct control *control_open(struct gateway *g, const char *path, char *ret_why)
{
    struct control *c = mem_new(struct control);
    const struct worker_params params = { "control", start, stop, c };

    c->gateway = g;
    c->at.is_unix = true;
    str_to_z(str_of(path), c->at.host, sizeof(c->at.host));
    if (strlen(path) >= sizeof(c->at.host) || listen_open(&c->at, &c->fd, ret_why)) {
        if (strlen(path) >= sizeof(c->at.host))
            snprintf(ret_why, 256, "the path %.150s... is too long for a socket", path);
        mem_free(c);
        return NULL;
    }
    c->worker = worker_new(&params);
    return c;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    worker_stop(c->worker);
    worker_free(c->worker);
    unlink(c->at.host);
    close(c->fd);
    mem_free(c);
}
