/* SPDX-License-Identifier: Apache-2.0 */
/* One request at a time to the running gateway, on a loop of our own. */
#include "cli/local_client.h"

#include <stdio.h>

#include "base/mem.h"
#include "cli/terminal.h"
#include "json/reader.h"

enum { BODY_MAX = 16 << 20 };

struct local_client {
    struct loop *loop;
    struct connector *connector;
    struct http_client *client;
    struct proxy_rules no_proxies;
    struct url url;
    char no_path[1]; /* the URL's path: none */
    const struct settings *settings;
    char address[HOST_MAX + 9];

    /* of the call that runs */
    struct local_response *response;
    void (*on_body)(void *arg, struct str bytes);
    void *arg;
};

/* Where a client reaches what listens on `listen`: any address means this machine. */
static void reach(const struct endpoint *listen, struct endpoint *ret)
{
    *ret = *listen;
    if (strcmp(listen->host, "0.0.0.0") == 0)
        str_to_z(STR("127.0.0.1"), ret->host, sizeof(ret->host));
    else if (strcmp(listen->host, "::") == 0)
        str_to_z(STR("::1"), ret->host, sizeof(ret->host));
}

struct local_client *local_client_new(const struct settings *s)
{
    struct local_client *c = mem_new(struct local_client);
    struct http_client_limits limits;

    http_client_limits_default(&limits);
    c->settings = s;
    reach(&s->listen, &c->url.endpoint);
    c->url.path = c->no_path;
    endpoint_text(&c->url.endpoint, c->address);
    c->loop = loop_new();
    c->connector = connector_new(c->loop, NULL, &c->no_proxies);
    c->client = http_client_new(c->connector, &limits);
    return c;
}

void local_client_free(struct local_client *c)
{
    if (!c)
        return;
    http_client_free(c->client);
    connector_free(c->connector);
    loop_free(c->loop);
    mem_free(c);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct local_client *c = arg;

    c->response->status = head->status;
}

static void on_body(void *arg, struct str bytes)
{
    struct local_client *c = arg;

    if (c->response->status == 200 && c->on_body)
        c->on_body(c->arg, bytes);
    else if (buf_add(&c->response->body, bytes))
        c->response->err = ERR_TOO_BIG;
}

static void on_done(void *arg, const struct http_outcome *outcome)
{
    struct local_client *c = arg;

    if (!c->response->err)
        c->response->err = outcome->err;
    if (outcome->err)
        str_to_z(str_of(outcome->detail), c->response->detail, sizeof(c->response->detail));
    loop_stop(c->loop);
}

static const struct http_call_handler handler = { .on_head = on_head,
                                                  .on_body = on_body,
                                                  .on_done = on_done };

void local_client_call(struct local_client *c, enum http_method method, const char *target,
                       struct str body, void (*on_piece)(void *arg, struct str bytes), void *arg,
                       struct local_response *ret)
{
    const struct secret *key = &c->settings->api_master_key;
    struct buf authorization;
    struct http_header headers[2] = { { STR("content-type"), STR("application/json") } };
    size_t n = 1;

    *ret = (struct local_response){ .err = ERR_NONE };
    buf_init(&ret->body, BODY_MAX);
    buf_init(&authorization, 8192);
    c->response = ret;
    c->on_body = on_piece;
    c->arg = arg;
    if (secret_is_set(key) && !buf_add(&authorization, STR("Bearer ")) &&
        !buf_add(&authorization, secret_reveal(key)))
        headers[n++] = (struct http_header){ STR("authorization"), buf_str(&authorization) };
    const struct http_call_params params = {
        .url = &c->url,
        .method = method,
        .target = str_of(target),
        .headers = headers,
        .n_headers = n,
        .body = body,
        .connect_timeout_ms = 5000,
        .head_timeout_ms = c->settings->request_timeout_ms,
        .idle_timeout_ms = c->settings->request_timeout_ms,
    };
    http_call_start(c->client, &params, &handler, c);
    loop_run(c->loop);
    mem_wipe(authorization.p, authorization.n);
    buf_deinit(&authorization);
}

struct str local_response_message(const struct local_response *response, struct arena *a)
{
    struct json_value message;
    struct str text = STR("the answer has no error message");

    if (json_find(buf_str(&response->body), &message, "error", "message", NULL) == ERR_NONE &&
        message.type == JSON_STRING && json_text(&message, a, &text))
        text = STR("its error message is malformed");
    return text;
}

void local_client_explain(const struct local_client *c, const struct local_response *response)
{
    struct arena a;

    if (response->err) {
        fprintf(stderr,
                "enginelabs-2api: the gateway at %s does not answer: %s\nIs it running? LISTEN "
                "says where it is looked for.\n",
                c->address, response->detail);
        return;
    }
    arena_init(&a);
    fprintf(stderr, "enginelabs-2api: the gateway at %s answered %d: ", c->address,
            response->status);
    terminal_print(stderr, local_response_message(response, &a));
    fputc('\n', stderr);
    arena_deinit(&a);
}
