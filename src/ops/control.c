/* SPDX-License-Identifier: Apache-2.0 */
/* A worker without clients of the API: its own loop, its own share of the provider. */
#include "ops/control.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/admin.h"
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
    struct list asked_now; /* struct question */
    struct timer limit;
    bool is_closing;

    atomic_uint_fast64_t asked; /* reloads; any thread */
};

/* A request that waits for a report, or for a reload. */
struct question {
    struct list node;
    struct control *control;
    struct check_all *check;      /* running */
    struct http_request *request; /* NULL: who asked has left, or was answered */
    uint64_t reload;              /* the how-manieth it is; 0: it asked for a report */
};

/* What came of a reload, on its way to the control's loop. */
struct news {
    struct mail mail;
    struct control *control;
    uint64_t asked;
    int status;
    struct buf json;
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

static struct question *new_question(struct control *c, struct http_request *r)
{
    struct question *q = mem_new(struct question);

    q->control = c;
    q->request = r;
    list_add_tail(&c->asked_now, &q->node);
    r->on_gone = on_gone;
    r->arg = q;
    return q;
}

static void on_check(struct control *c, struct http_request *r)
{
    struct question *q = new_question(c, r);

    q->check = check_all_start(&c->share, on_checked_all, q);
}

/* ---- /reload ---- */

/* The thread that takes the signals does it. */
static void on_reload(struct control *c, struct http_request *r)
{
    struct question *q = new_question(c, r);

    q->reload = atomic_fetch_add(&c->asked, 1) + 1;
    kill(getpid(), SIGHUP);
}

static void tell(struct mail *m)
{
    struct news *n = CONTAINER_OF(m, struct news, mail);
    struct list *next;

    for (struct list *node = n->control->asked_now.next; node != &n->control->asked_now;
         node = next) {
        struct question *q = CONTAINER_OF(node, struct question, node);

        next = node->next;
        if (!q->reload || q->reload > n->asked)
            continue;
        if (q->request) {
            q->request->on_gone = NULL;
            gateway_reply_json(q->request, n->status, buf_str(&n->json));
        }
        free_question(q);
    }
    buf_deinit(&n->json);
    mem_free(n);
}

uint64_t control_asked(struct control *c)
{
    return atomic_load(&c->asked);
}

void control_reloaded(struct control *c, uint64_t asked, int status, struct str json)
{
    struct news *n = mem_new(struct news);

    n->mail.deliver = tell;
    n->control = c;
    n->asked = asked;
    n->status = status;
    buf_init(&n->json, json.n);
    if (buf_add(&n->json, json))
        buf_clear(&n->json); /* an answer without words */
    loop_post(control_loop(c), &n->mail);
}

/* ---- requests ---- */

static const struct {
    const char *path;
    enum http_method method;
    void (*handle)(struct control *c, struct http_request *r);
} paths[] = {
    { CONTROL_CHECK, HTTP_GET, on_check },
    { CONTROL_RELOAD, HTTP_POST, on_reload },
};

static void on_request(void *arg, struct http_request *r)
{
    struct control *c = arg;

    if (admin_has(r)) {
        if (c->is_closing)
            refuse(r);
        else
            handle_admin(&c->share, r);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (r->head.method != paths[i].method || !str_eq(r->head.path, str_of(paths[i].path)))
            continue;
        if (c->is_closing)
            refuse(r);
        else
            paths[i].handle(c, r);
        return;
    }
    gateway_reply_json(r, 404,
                       STR("{\"error\":\"this socket knows GET " CONTROL_CHECK
                           ", POST " CONTROL_RELOAD " and what is below " ADMIN_PREFIX "\"}"));
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
    list_init(&c->asked_now);
    gateway_share_open(&c->share, c->gateway, l);
    http_server_limits_default(&limits);
    limits.max_connections = 16;
    limits.max_body = ADMIN_BODY_MAX;
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
    while (!list_is_empty(&c->asked_now)) {
        struct question *q = CONTAINER_OF(c->asked_now.next, struct question, node);

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
    LIST_EACH (node, &c->asked_now) {
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
    http_server_drain(c->server, HTTP_DRAIN_GRACE_MS, on_served, c);
    http_server_refuse_rest(c->server);
}

/* False: it listens elsewhere. */
static bool adopt(struct control *c, int fd)
{
    struct endpoint at;
    char what[256];

    if (fd < 0 || listen_adopt(fd, &at, what) || !endpoint_eq(&at, &c->at))
        return false;
    c->fd = fd;
    return true;
}

static enum err listen_at(struct control *c, const char *path, int fd, char *ret_why)
{
    if (strlen(path) >= sizeof(c->at.host)) {
        snprintf(ret_why, 256, "the path %.150s... is too long for a socket", path);
        return ERR_TOO_BIG;
    }
    if (adopt(c, fd))
        return ERR_NONE;
    if (fd >= 0)
        close(fd);
    return listen_open(&c->at, &c->fd, ret_why);
}

struct control *control_open(struct gateway *g, const char *path, int fd, char *ret_why)
{
    struct control *c = mem_new(struct control);
    const struct worker_params params = { "control", start, stop, c };

    c->gateway = g;
    c->at.is_unix = true;
    str_to_z(str_of(path), c->at.host, sizeof(c->at.host));
    if (listen_at(c, path, fd, ret_why)) {
        mem_free(c);
        return NULL;
    }
    c->worker = worker_new(&params);
    return c;
}

struct gateway_worker *control_share(struct control *c)
{
    return &c->share;
}

int control_fd(const struct control *c)
{
    return c->fd;
}

struct loop *control_loop(struct control *c)
{
    return worker_loop(c->worker);
}

void control_close(struct control *c)
{
    if (!c)
        return;
    worker_stop(c->worker);
    worker_free(c->worker);
    if (!c->gateway->is_handed_on)
        unlink(c->at.host);
    close(c->fd);
    mem_free(c);
}
