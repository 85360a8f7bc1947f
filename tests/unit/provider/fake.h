/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tiny upstream for tests: sign-in service and API on one port, each request answered by the
 * next line of its script (the last line repeats), or held until the test lets it go. What came
 * is kept for the test to look at.
 */
#pragma once

#include "net/net_test.h"

#include "http/server.h"
#include "http/websocket.h"
#include "net/listener.h"
#include "provider/enginelabs/enginelabs.h"
#include "token_text.h"

enum fake_place {
    FAKE_CLIENT,
    FAKE_MEMBERSHIPS,
    FAKE_TOKEN,
    FAKE_POST,
    FAKE_STREAM,
    FAKE_BILLING,
    FAKE_ADAPTERS,
    FAKE_PREFER,
    FAKE_PROJECT,
    FAKE_OFFERS,
    FAKE_DELETE,
    FAKE_PLACES
};

/* How a request is answered. Status 0: as the service does when all is well; FAKE_DROP: the
 * connection is reset; FAKE_HOLD: not before fake_let_go(). */
enum { FAKE_DROP = -1, FAKE_HOLD = -2 };

struct fake_line {
    int status;
    const char *body;
    const char *header; /* one more header: its name ... */
    const char *value;  /* ... and value; NULL: none */
};

struct fake_at {
    struct fake_line lines[4]; /* filled from the front; an all-zero one is the good answer */
    size_t n_lines;
    unsigned count; /* requests that came */
    struct http_request *held;
    enum http_method method;
    char target[512];
    char cookie[512];
    char origin[64];
    char referer[128];
    char authorization[1024];
    char body[8192];
};

enum { FAKE_FRAMES = 12, FAKE_SOCKETS = 8, FAKE_ORDER = 64 };

struct fake {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct listener *listener;
    struct http_server *server;
    struct fake_at at[FAKE_PLACES];
    enum fake_place order[FAKE_ORDER]; /* in which requests came; the first ones */
    size_t n_order;
    unsigned life_s;   /* of a token; default 60 */
    bool drops_second; /* of two requests of one place that are to be held */

    /* The newest answer stream. */
    struct websocket *socket; /* NULL when none is open */
    unsigned n_ended;
    unsigned n_pings;
    const char *baseline[FAKE_FRAMES]; /* sent when a stream opens */
    const char *frames[FAKE_FRAMES];   /* sent when a prompt is taken (or later, when it opens) */
    bool frames_first;                 /* before the POST is answered */
    int close_code;                    /* after them; 0: stays open, -1: reset */
    bool has_prompt;                   /* taken while no stream was open */
    unsigned n_close_first;            /* so many streams end right after they opened */
};

static inline struct fake_line fake_next(struct fake_at *at)
{
    size_t i = at->count++;

    if (at->n_lines == 0)
        return (struct fake_line){ 0 };
    return at->lines[i < at->n_lines ? i : at->n_lines - 1];
}

/* Scripts one more answer of a place. */
static inline void fake_say(struct fake *f, enum fake_place place, int status, const char *body)
{
    struct fake_at *at = &f->at[place];

    EXPECT(at->n_lines < COUNT_OF(at->lines));
    at->lines[at->n_lines++] = (struct fake_line){ .status = status, .body = body };
}

static inline void fake_say_header(struct fake *f, enum fake_place place, int status,
                                   const char *header, const char *value)
{
    fake_say(f, place, status, NULL);
    f->at[place].lines[f->at[place].n_lines - 1].header = header;
    f->at[place].lines[f->at[place].n_lines - 1].value = value;
}

/* From now on as if nothing had been scripted; counts start again. */
static inline void fake_reset(struct fake *f, enum fake_place place)
{
    f->at[place].n_lines = 0;
    f->at[place].count = 0;
}

static inline enum fake_place fake_place_of(const struct http_request *r)
{
    struct str path = r->head.path;

    if (str_eq(path, STR("/v1/client")))
        return FAKE_CLIENT;
    if (str_eq(path, STR("/v1/me/organization_memberships")))
        return FAKE_MEMBERSHIPS;
    if (str_ends(path, STR("/tokens")))
        return FAKE_TOKEN;
    if (str_ends(path, STR("/buffer/stream")))
        return FAKE_STREAM;
    if (str_eq(path, STR("/billing")))
        return FAKE_BILLING;
    if (str_eq(path, STR("/chat/adapters")))
        return FAKE_ADAPTERS;
    if (str_eq(path, STR("/teams/preferred-model")))
        return FAKE_PREFER;
    if (str_eq(path, STR("/projects/create-hosted")))
        return FAKE_PROJECT;
    if (str_eq(path, STR("/engine-agent/offers")))
        return FAKE_OFFERS;
    if (r->head.method == HTTP_DELETE)
        return FAKE_DELETE;
    EXPECT(str_eq(path, STR("/engine-agent/chat")));
    return FAKE_POST;
}

static inline void fake_note(struct fake_at *at, const struct http_request *r)
{
    at->method = r->head.method;
    str_to_z(r->head.target, at->target, sizeof(at->target));
    str_to_z(http_value(&r->head, "cookie"), at->cookie, sizeof(at->cookie));
    str_to_z(http_value(&r->head, "origin"), at->origin, sizeof(at->origin));
    str_to_z(http_value(&r->head, "referer"), at->referer, sizeof(at->referer));
    str_to_z(http_value(&r->head, "authorization"), at->authorization, sizeof(at->authorization));
    str_to_z(r->body, at->body, sizeof(at->body));
}

static inline void fake_send(struct websocket *ws, const char *const *frames)
{
    for (size_t i = 0; i < FAKE_FRAMES && frames[i]; i++) {
        enum err err = websocket_send(ws, true, str_of(frames[i]));

        EXPECT(!err || err == ERR_CLOSED);
    }
}

static inline void fake_send_answer(struct fake *f)
{
    if (!f->socket) {
        f->has_prompt = true;
        return;
    }
    f->has_prompt = false;
    fake_send(f->socket, f->frames);
    if (f->close_code > 0)
        websocket_close(f->socket, f->close_code, STR(""));
    else if (f->close_code < 0) {
        websocket_abort(f->socket, false);
        f->socket = NULL;
    }
}

static inline void fake_on_message(void *arg, bool is_text, struct str message)
{
    struct fake *f = arg;

    f->n_pings += is_text && str_eq(message, STR("ping"));
}

static inline void fake_on_end(void *arg, const struct websocket_end *end)
{
    struct fake *f = arg;

    (void)end;
    f->socket = NULL;
    f->n_ended++;
}

static inline void fake_open_stream(struct fake *f, struct http_request *r)
{
    static const struct websocket_handler handler = { .on_message = fake_on_message,
                                                      .on_end = fake_on_end };

    if (f->socket)
        websocket_abort(f->socket, true);
    f->socket = NULL;
    if (websocket_accept(r, 65536, &handler, f, &f->socket))
        return; /* the client has gone already */
    fake_send(f->socket, f->baseline);
    if (f->n_close_first > 0) {
        f->n_close_first--;
        websocket_close(f->socket, 1000, STR(""));
        return;
    }
    if (f->has_prompt)
        fake_send_answer(f);
}

static inline struct str fake_token_body(struct fake *f, struct http_request *r)
{
    char payload[256];
    char token[512];

    snprintf(payload, sizeof(payload),
             "{\"sub\":\"user_1\",\"iat\":1000,\"exp\":%u,\"sid\":\"sess_1\",\"n\":%u}",
             1000 + f->life_s, f->at[FAKE_TOKEN].count);
    token_text(payload, token, sizeof(token));
    return arena_printf(&r->arena, "{\"object\":\"token\",\"jwt\":\"%s\"}", token);
}

static inline struct str fake_good_body(struct fake *f, enum fake_place place,
                                        struct http_request *r)
{
    static const char *const bodies[] = {
        [FAKE_CLIENT] =
            "{\"response\":{\"id\":\"client_1\",\"last_active_session_id\":\"sess_1\","
            "\"sessions\":[{\"id\":\"sess_1\",\"status\":\"active\","
            "\"last_active_organization_id\":\"org_1\",\"user\":{\"id\":\"user_1\"}}]}}",
        [FAKE_MEMBERSHIPS] = "{\"response\":{\"data\":[]},\"client\":{\"last_active_session_id\":"
                             "\"sess_m\"}}",
        [FAKE_BILLING] = "{\"tier\":0,\"dailyUsage\":12,\"dailyLimit\":300,\"weeklyLimit\":900}",
        [FAKE_ADAPTERS] = "{\"chatAdapters\":[{\"engineAgentKey\":\"GPT5\",\"enabled\":true}]}",
        [FAKE_PROJECT] = "{\"projectId\":\"proj_1\",\"workspaceId\":\"ws_1\",\"name\":\"x\"}",
        [FAKE_PLACES] = NULL,
    };

    if (place == FAKE_TOKEN)
        return fake_token_body(f, r);
    return bodies[place] ? str_of(bodies[place]) : STR("");
}

static inline void fake_drop(struct http_request *r)
{
    struct str rest;

    conn_close(http_request_take_conn(r, STR(""), &rest), true);
}

static inline void fake_answer(struct fake *f, enum fake_place place, struct http_request *r,
                               struct fake_line line)
{
    struct http_header header = { str_of(line.header), str_of(line.value) };
    bool is_good = line.status == 0 || (line.status >= 200 && line.status <= 299);
    bool is_prompt = place == FAKE_POST && is_good;
    struct str body = line.body ? str_of(line.body)
                      : is_good ? fake_good_body(f, place, r)
                                : STR("{}");

    if (line.status == FAKE_DROP) {
        fake_drop(r);
        return;
    }
    if (place == FAKE_STREAM && line.status == 0) {
        fake_open_stream(f, r);
        return;
    }
    if (is_prompt && f->frames_first)
        fake_send_answer(f);
    http_reply(r, line.status == 0 ? 200 : line.status, &header, line.header ? 1 : 0, body);
    if (is_prompt && !f->frames_first)
        fake_send_answer(f);
}

static inline void fake_on_gone(void *arg)
{
    *(struct http_request **)arg = NULL;
}

static inline void fake_on_request(void *arg, struct http_request *r)
{
    struct fake *f = arg;
    enum fake_place place = fake_place_of(r);
    struct fake_at *at = &f->at[place];
    struct fake_line line = fake_next(at);

    fake_note(at, r);
    if (line.status == FAKE_HOLD && at->held && f->drops_second)
        line.status = FAKE_DROP;
    if (f->n_order < FAKE_ORDER)
        f->order[f->n_order++] = place;
    if (line.status == FAKE_HOLD) {
        EXPECT(!at->held);
        at->held = r;
        r->on_gone = fake_on_gone;
        r->arg = &at->held;
        return;
    }
    fake_answer(f, place, r, line);
}

/* Answers a held request now. */
static inline void fake_let_go(struct fake *f, enum fake_place place, int status)
{
    struct http_request *r = f->at[place].held;

    EXPECT(r != NULL);
    f->at[place].held = NULL;
    r->on_gone = NULL;
    fake_answer(f, place, r, (struct fake_line){ .status = status });
}

static inline void fake_write_error(void *arg, const struct http_request *r, int status,
                                    const char *what, struct buf *out)
{
    (void)arg;
    (void)r;
    EXPECT(!buf_addf(out, "{\"error\":\"%d %s\"}", status, what));
}

static inline void fake_on_accept(void *arg, struct conn *c)
{
    struct fake *f = arg;

    http_server_accept(f->server, c);
}

static inline void fake_start(struct fake *f, struct loop *l)
{
    static const struct http_service service = { .on_request = fake_on_request,
                                                 .write_error = fake_write_error };
    struct http_server_limits limits;
    struct endpoint e;
    char what[256];

    *f = (struct fake){ .loop = l, .life_s = 60 };
    http_server_limits_default(&limits);
    limits.max_connections = 1000;
    EXPECT(!endpoint_parse(STR("127.0.0.1:0"), &e));
    EXPECT(!listen_open(&e, &f->fd, what));
    f->port = e.port;
    f->server = http_server_new(l, &service, f, &limits);
    f->listener = listener_new(l, f->fd, fake_on_accept, f);
}

static inline void fake_stop(struct fake *f)
{
    websocket_abort(f->socket, false);
    listener_free(f->listener);
    http_server_free(f->server);
    close(f->fd);
}

/* The settings of an account at this upstream; fake_config_free() after. */
static inline struct enginelabs_config fake_config(const struct fake *f)
{
    static const char *const models[] = { "GPT5", NULL };
    struct enginelabs_config c = {
        .name = "cto", .models = models, .account = "default", .origin = "https://cto.test"
    };
    char url[64];
    char what[128];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u", f->port);
    EXPECT(!url_parse(str_of(url), &c.api, what));
    EXPECT(!url_parse(str_of(url), &c.clerk, what));
    secret_set(&c.cookie, STR("__client=first"));
    return c;
}

static inline void fake_config_free(struct enginelabs_config *c)
{
    url_deinit(&c->api);
    url_deinit(&c->clerk);
    secret_deinit(&c->cookie);
}
