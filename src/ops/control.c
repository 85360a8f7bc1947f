/* SPDX-License-Identifier: Apache-2.0 */
/* A worker without clients of the API: its own loop, its own share of the provider. */
#include "ops/control.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/timer.h"

enum { LAST_WORDS_MS = 1000 }; /* how long answers may take to reach who asked, at the end */

struct control {
    struct gateway *gateway;
    struct endpoint at;
    int fd;
    struct worker *worker;

    /* On its thread. */
    struct loop *loop;
    struct listener *listener;
    struct http_server *server;
    struct connector *connector;
    struct http_client *client;
    struct store_port *store;
    struct provider_instance *provider;
    struct list asked; /* struct question */
    struct timer limit;
    bool is_closing;
};

/* A request that waits for a report. */
struct question {
    struct list node;
    struct control *control;
    struct http_request *request; /* NULL: who asked has left, or was answered */
};

/* ---- /check ---- */

static void write_fact(struct json_writer *j, const struct provider_fact *f)
{
    json_w_object(j);
    json_w_member_str(j, "name", f->name);
    json_w_member_str(j, "value", f->value);
    json_w_member_bool(j, "problem", f->is_problem);
    json_w_object_end(j);
}

/* What the store cannot do is said as /readyz says it. */
static void write_report(const struct provider_report *report, struct store *store, struct buf *out,
                         struct json_writer *j)
{
    char why[STORE_PROBLEM_MAX];

    json_w_init(j, out);
    json_w_object(j);
    json_w_member_bool(j, "usable", report->usable);
    json_w_key(j, "facts");
    json_w_array(j);
    for (size_t i = 0; i < report->n; i++)
        write_fact(j, &report->facts[i]);
    if (!store_is_ready(store, why))
        write_fact(j, &(struct provider_fact){ STR("store"), str_of(why), true });
    json_w_array_end(j);
    json_w_object_end(j);
}

static void free_question(struct question *q)
{
    list_remove(&q->node);
    mem_free(q);
}

static void on_report_done(void *arg, const struct provider_report *report)
{
    struct question *q = arg;
    struct json_writer j;
    struct buf out;

    if (q->request) {
        q->request->on_gone = NULL;
        buf_init(&out, 1 << 20);
        write_report(report, q->control->gateway->store, &out, &j);
        gateway_reply_written(q->request, 200, &j);
        buf_deinit(&out);
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
    c->gateway->provider->check(c->provider, on_report_done, q);
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
    const struct settings *s = c->gateway->settings;
    struct http_client_limits client_limits;
    struct http_server_limits limits;

    c->loop = l;
    list_init(&c->asked);
    http_client_limits_default(&client_limits);
    c->connector = connector_new(l, c->gateway->trust, &s->proxies);
    c->client = http_client_new(c->connector, &client_limits);
    c->store = store_port_open(c->gateway->store, l);
    const struct provider_env env = { .loop = l,
                                      .client = c->client,
                                      .store = c->store,
                                      .conversation_ttl_ms = s->conversation_ttl_ms,
                                      .connect_timeout_ms = s->connect_timeout_ms,
                                      .accept_timeout_ms = s->accept_timeout_ms };
    c->provider = c->gateway->provider->attach(c->gateway->upstream, &env);
    http_server_limits_default(&limits);
    limits.max_connections = 16;
    limits.max_body = 4096;
    c->server = http_server_new(l, &service, c, &limits);
    c->listener = listener_new(l, c->fd, on_accept, c);
}

static void on_store_closed(void *arg)
{
    struct control *c = arg;

    http_client_free(c->client);
    connector_free(c->connector);
    loop_stop(c->loop);
}

static void on_detached(void *arg)
{
    struct control *c = arg;

    while (!list_is_empty(&c->asked))
        free_question(CONTAINER_OF(c->asked.next, struct question, node));
    store_port_close(c->store, on_store_closed, c);
}

static void on_served(void *arg)
{
    struct control *c = arg;

    timer_disarm(&c->limit);
    http_server_free(c->server);
    c->gateway->provider->detach(c->provider, on_detached, c);
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
