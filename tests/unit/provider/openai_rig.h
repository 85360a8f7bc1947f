/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of the provider `openai` share: an upstream that answers by a script, and keeps what
 * came; the provider at it; and a client that watches a call.
 */
#pragma once

#include "net/net_test.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "http/server.h"
#include "net/listener.h"
#include "provider/openai/openai.h"
#include "json/reader.h"

/* ---- the upstream ---- */

enum up_place { UP_CHAT, UP_MODELS, UP_TOKEN, UP_PLACES };

/* A whole answer that is short. */
#define ANSWER_TO_ALL "{\"choices\":[{}]}"

/* How an answer ends. */
enum up_end {
    UP_WHOLE, /* as it should */
    UP_CUT,   /* broken off behind its body */
    UP_OPEN,  /* not yet: the test says more */
    UP_DROP,  /* no answer: the connection is reset */
    UP_HOLD,  /* no answer yet: up_let_go() */
};

struct up_line {
    int status; /* 0: 200 */
    enum up_end end;
    const char *body;
    const char *type;   /* NULL: application/json; of a stream text/event-stream */
    const char *header; /* one more header: its name ... */
    const char *value;  /* ... and value; NULL: none */
};

struct up_at {
    struct up_line lines[8]; /* the last repeats */
    size_t n_lines;
    unsigned count;            /* requests that came */
    struct http_request *held; /* UP_OPEN or UP_HOLD; NULL when its client left */
    bool is_gone;              /* it did */
    struct up_line line;       /* how the held one will be answered */
    char target[128];
    char authorization[8][128];
    char accept[64];
    char session[64];
    char affinity[64];
    char extra[64]; /* x-team */
    char *body;     /* owned, of the last request */
    size_t body_n;
};

struct upstream {
    struct loop *loop;
    int fd;
    uint16_t port;
    struct listener *listener;
    struct http_server *server;
    struct up_at at[UP_PLACES];
};

static inline void up_say(struct upstream *u, enum up_place place, struct up_line line)
{
    struct up_at *at = &u->at[place];

    EXPECT(at->n_lines < COUNT_OF(at->lines));
    at->lines[at->n_lines++] = line;
}

#define SAY(u, place, ...) up_say((u), (place), (struct up_line){ __VA_ARGS__ })

/* From now on as if nothing had been scripted; counts start again. */
static inline void up_reset(struct upstream *u, enum up_place place)
{
    u->at[place].n_lines = 0;
    u->at[place].count = 0;
}

static inline void up_on_gone(void *arg)
{
    struct up_at *at = arg;

    at->held = NULL;
    at->is_gone = true;
}

static inline void up_hold(struct up_at *at, struct http_request *r)
{
    EXPECT(!at->held);
    at->held = r;
    r->on_gone = up_on_gone;
    r->arg = at;
}

static inline void up_answer(struct up_at *at, struct http_request *r, struct up_line line)
{
    const char *type = line.type                                          ? line.type
                       : line.body && strncmp(line.body, "data:", 5) == 0 ? "text/event-stream"
                                                                          : "application/json";
    struct http_header headers[] = { { STR("content-type"), str_of(type) },
                                     { str_of(line.header), str_of(line.value) } };
    size_t n = line.header ? 2 : 1;
    int status = line.status ? line.status : 200;
    struct str rest;

    if (line.end == UP_DROP) {
        conn_close(http_request_take_conn(r, STR(""), &rest), true);
        return;
    }
    if (line.end == UP_WHOLE && strcmp(type, "application/json") == 0) {
        http_reply(r, status, headers, n, str_of(line.body ? line.body : "{}"));
        return;
    }
    http_reply_begin(r, status, headers, n);
    http_reply_write(r, str_of(line.body));
    if (line.end == UP_WHOLE)
        http_reply_end(r);
    else if (line.end == UP_CUT)
        http_reply_abort(r);
    else
        up_hold(at, r);
}

static inline void up_note(struct up_at *at, const struct http_request *r)
{
    str_to_z(r->head.target, at->target, sizeof(at->target));
    str_to_z(http_value(&r->head, "authorization"), at->authorization[at->count % 8], 128);
    str_to_z(http_value(&r->head, "accept"), at->accept, sizeof(at->accept));
    str_to_z(http_value(&r->head, "x-session-id"), at->session, sizeof(at->session));
    str_to_z(http_value(&r->head, "x-session-affinity"), at->affinity, sizeof(at->affinity));
    str_to_z(http_value(&r->head, "x-team"), at->extra, sizeof(at->extra));
    mem_free(at->body);
    at->body = mem_alloc(r->body.n + 1);
    if (r->body.n > 0)
        memcpy(at->body, r->body.p, r->body.n);
    at->body_n = r->body.n;
}

static inline void up_on_request(void *arg, struct http_request *r)
{
    struct upstream *u = arg;
    struct up_at *at = &u->at[str_ends(r->head.path, STR("/models"))        ? UP_MODELS
                              : str_ends(r->head.path, STR("/oauth/token")) ? UP_TOKEN
                                                                            : UP_CHAT];
    struct up_line line = { .body = at == &u->at[UP_CHAT] ? ANSWER_TO_ALL : "{}" };

    if (at->n_lines > 0)
        line = at->lines[at->count < at->n_lines ? at->count : at->n_lines - 1];
    up_note(at, r);
    at->count++;
    if (line.end == UP_HOLD) {
        line.end = UP_WHOLE;
        at->line = line;
        up_hold(at, r);
        return;
    }
    up_answer(at, r, line);
}

/* The held request is answered now. */
static inline void up_let_go(struct upstream *u, enum up_place place)
{
    struct up_at *at = &u->at[place];
    struct http_request *r = at->held;

    EXPECT(r != NULL);
    at->held = NULL;
    r->on_gone = NULL;
    up_answer(at, r, at->line);
}

/* More of the answer that is open. */
static inline void up_more(struct upstream *u, const char *text)
{
    EXPECT(u->at[UP_CHAT].held != NULL);
    http_reply_write(u->at[UP_CHAT].held, str_of(text));
}

static inline void up_end(struct upstream *u, bool is_cut)
{
    struct http_request *r = u->at[UP_CHAT].held;

    EXPECT(r != NULL);
    u->at[UP_CHAT].held = NULL;
    if (is_cut)
        http_reply_abort(r);
    else
        http_reply_end(r);
}

static inline void up_write_error(void *arg, const struct http_request *r, int status,
                                  const char *what, struct buf *out)
{
    (void)arg;
    (void)r;
    EXPECT(!buf_addf(out, "{\"error\":\"%d %s\"}", status, what));
}

static inline void up_on_accept(void *arg, struct conn *c)
{
    struct upstream *u = arg;

    http_server_accept(u->server, c);
}

static inline void up_start(struct upstream *u, struct loop *l)
{
    static const struct http_service service = { .on_request = up_on_request,
                                                 .write_error = up_write_error };
    struct http_server_limits limits;
    struct endpoint e;
    char what[256];

    *u = (struct upstream){ .loop = l };
    http_server_limits_default(&limits);
    limits.max_connections = 1000;
    EXPECT(!endpoint_parse(STR("127.0.0.1:0"), &e));
    EXPECT(!listen_open(&e, &u->fd, what));
    u->port = e.port;
    u->server = http_server_new(l, &service, u, &limits);
    u->listener = listener_new(l, u->fd, up_on_accept, u);
}

static inline void up_stop(struct upstream *u)
{
    listener_free(u->listener);
    http_server_free(u->server);
    close(u->fd);
    for (size_t i = 0; i < UP_PLACES; i++)
        mem_free(u->at[i].body);
}

/* ---- the rig ---- */

enum { RIG_TIMEOUT_MS = 5000, RIG_KEYS = 4 };

struct rig {
    struct loop *loop;
    struct upstream up;
    struct openai_config config;
    struct secret keys[RIG_KEYS];
    struct connector *connector;
    struct proxy_rules proxies;
    struct http_client *client;
    struct openai *openai;
    struct provider_instance *instance;
    bool is_detached;
};

static const char *const rig_models[] = { "big", "small", NULL };

static inline void rig_open(struct rig *r)
{
    struct http_client_limits limits;
    char url[64];
    char what[128];

    *r = (struct rig){ .loop = loop_new() };
    up_start(&r->up, r->loop);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1", r->up.port);
    r->config = (struct openai_config){ .name = "local", .models = rig_models };
    EXPECT(!url_parse(str_of(url), &r->config.base, what));
    r->connector = connector_new(r->loop, NULL, &r->proxies);
    http_client_limits_default(&limits);
    r->client = http_client_new(r->connector, &limits);
}

/* Before rig_attach(). */
static inline void rig_key(struct rig *r, const char *key)
{
    secret_set(&r->keys[r->config.n_api_keys++], str_of(key));
    r->config.api_keys = r->keys;
}

/* After the test has changed the settings. */
static inline void rig_attach(struct rig *r)
{
    const struct provider_env env = { .loop = r->loop,
                                      .client = r->client,
                                      .connect_timeout_ms = RIG_TIMEOUT_MS,
                                      .accept_timeout_ms = RIG_TIMEOUT_MS };

    r->openai = openai_new(&r->config, NULL);
    r->instance = provider_openai.attach(r->openai, &env);
}

static inline void rig_start(struct rig *r)
{
    rig_open(r);
    rig_attach(r);
}

static inline void on_rig_detached(void *arg)
{
    struct rig *r = arg;

    r->is_detached = true;
}

/* Ends it, and sees that nothing is left. */
static inline void rig_end(struct rig *r)
{
    provider_openai.detach(r->instance, on_rig_detached, r);
    RUN_UNTIL(r->loop, r->is_detached);
    openai_free(r->openai);
    http_client_free(r->client);
    connector_free(r->connector);
    up_stop(&r->up);
    run_turn_now(r->loop);
    run_turn_now(r->loop);
    EXPECT_INT(loop_timers(r->loop), 0);
    url_deinit(&r->config.base);
    for (size_t i = 0; i < RIG_KEYS; i++)
        secret_deinit(&r->keys[i]);
    loop_free(r->loop);
    EXPECT_INT(mem_budget_used(), 0);
}

/* ---- the client ---- */

struct watch {
    struct rig *rig;
    struct provider_call *call; /* NULL when it is gone */
    struct chat_request chat;
    struct chat_message message;
    struct chat_part part;
    const struct provider_edit *edits;
    size_t n_edits;
    enum provider_phase phases[8];
    size_t n_phases;
    unsigned n_activity;
    unsigned n_events;
    struct buf seen; /* RAW: one a line; TEXT: its text; REASONING: "(...)"; TOOL_CALL: "{...}" */
    struct buf said;
    struct buf thought;
    struct chat_usage usage;
    bool has_usage;
    bool is_finished;
    bool is_failed;
    bool is_settled;
    bool pauses; /* itself, inside the first event */
    enum chat_finish finish;
    struct failure failure; /* message and body are below */
    char text[2048];
    char body[2048];
    char type[64];
    size_t body_n;

    /* The client leaves inside this callback; -1: in none. */
    int leave_in_phase;
    int leave_in_event;
    bool leave_in_activity;
};

static inline void leave(struct watch *w)
{
    provider_openai.release(w->call);
    w->call = NULL;
}

static inline void on_watch_phase(void *arg, enum provider_phase phase)
{
    struct watch *w = arg;

    EXPECT(w->call != NULL);
    EXPECT(w->n_phases < COUNT_OF(w->phases));
    EXPECT(w->n_phases == 0 || phase > w->phases[w->n_phases - 1]);
    w->phases[w->n_phases++] = phase;
    if ((int)phase == w->leave_in_phase)
        leave(w);
}

static inline void on_watch_activity(void *arg)
{
    struct watch *w = arg;

    EXPECT(w->call != NULL);
    w->n_activity++;
    if (w->leave_in_activity)
        leave(w);
}

static inline void watch_tool(struct watch *w, const struct chat_tool_piece *t)
{
    EXPECT(!buf_addf(&w->seen, "{%zu:%.*s,%.*s,%.*s}", t->index, STR_ARGS(t->id), STR_ARGS(t->name),
                     STR_ARGS(t->arguments)));
}

static inline void watch_piece(struct watch *w, const struct chat_event *e)
{
    EXPECT_INT(w->phases[w->n_phases - 1], PHASE_ANSWERING);
    if (e->choice > 0)
        EXPECT(!buf_addf(&w->seen, "%zu:", e->choice));
    if (e->type == CHAT_CHOICE_END)
        EXPECT(!buf_addf(&w->seen, "end %d;", (int)e->finish));
    else if (e->type == CHAT_TOOL_CALL)
        watch_tool(w, e->tool);
    else
        EXPECT(
            !buf_addf(&w->seen, e->type == CHAT_REASONING ? "(%.*s)" : "%.*s", STR_ARGS(e->text)));
    if (e->type == CHAT_RAW) {
        EXPECT(!buf_add_char(&w->seen, '\n'));
        EXPECT(!buf_add(&w->said, e->said));
        EXPECT(!buf_add(&w->thought, e->thought));
    }
    if (w->pauses)
        provider_openai.pause(w->call);
    w->pauses = false;
}

static inline void on_watch_event(void *arg, const struct chat_event *e)
{
    struct watch *w = arg;

    EXPECT(w->call != NULL);
    EXPECT(!w->is_finished && !w->is_failed);
    w->n_events++;
    if (e->type == CHAT_USAGE) {
        w->usage = *e->usage;
        w->has_usage = true;
    } else if (e->type == CHAT_FINISH) {
        w->finish = e->finish;
        w->is_finished = true;
    } else if (e->type == CHAT_ERROR) {
        w->is_failed = true;
        w->failure = *e->failure;
        str_to_z(e->failure->message, w->text, sizeof(w->text));
        str_to_z(e->failure->body, w->body, sizeof(w->body));
        w->body_n = e->failure->body.n;
        str_to_z(e->failure->body_type, w->type, sizeof(w->type));
    } else {
        watch_piece(w, e);
    }
    if (w->call && (int)e->type == w->leave_in_event)
        leave(w);
}

static inline void watch_init(struct watch *w, struct rig *r)
{
    char *room;

    *w = (struct watch){ .rig = r, .leave_in_phase = -1, .leave_in_event = -1 };
    buf_init(&w->seen, 64 << 20);
    buf_init(&w->said, 64 << 20);
    buf_init(&w->thought, 64 << 20);
    EXPECT(!buf_reserve(&w->seen, 4096, &room));
    EXPECT(!buf_reserve(&w->said, 4096, &room));
    EXPECT(!buf_reserve(&w->thought, 4096, &room));
    w->part = (struct chat_part){ CHAT_PART_TEXT, STR("hi") };
    w->message = (struct chat_message){ .role = CHAT_USER, .parts = &w->part, .n_parts = 1 };
    w->chat.messages = &w->message;
    w->chat.n_messages = 1;
}

/* With a raw body when `raw` is not NULL. */
static inline void watch_start(struct watch *w, const char *raw, bool stream)
{
    static const struct provider_sink sink = { .on_phase = on_watch_phase,
                                               .on_activity = on_watch_activity,
                                               .on_event = on_watch_event };
    const struct provider_request request = { .chat = &w->chat,
                                              .model = STR("big"),
                                              .client_model = STR("my\"model"),
                                              .key_id = STR("key"),
                                              .wants_raw = raw != NULL,
                                              .edits = w->edits,
                                              .n_edits = w->n_edits,
                                              .sink = &sink,
                                              .arg = w };

    w->chat.raw = str_of(raw);
    w->chat.stream = stream;
    w->call = provider_openai.start(w->rig->instance, &request);
}

static inline bool watch_is_over(const struct watch *w)
{
    return w->is_finished || w->is_failed || !w->call;
}

static inline void on_watch_settled(void *arg)
{
    struct watch *w = arg;

    EXPECT(!w->is_settled);
    w->is_settled = true;
    w->call = NULL;
}

/* Settles what is whole, releases what failed. */
static inline void watch_end(struct watch *w)
{
    if (w->call && w->is_finished) {
        provider_openai.settle(w->call, SETTLE_DIVERGED, NULL, on_watch_settled);
        EXPECT(!w->is_settled);
        RUN_UNTIL(w->rig->loop, w->is_settled);
    } else if (w->call) {
        leave(w);
    }
    buf_deinit(&w->seen);
    buf_deinit(&w->said);
    buf_deinit(&w->thought);
}

/* Runs a call to its end. */
#define RUN(w, r, raw, stream)                  \
    do {                                        \
        watch_init((w), (r));                   \
        watch_start((w), (raw), (stream));      \
        RUN_UNTIL((r)->loop, watch_is_over(w)); \
    } while (0)

/* ---- bodies ---- */

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define ASK_STREAM "{\"model\":\"my\\\"model\",\"stream\":true," HI "}"
#define ASK_WHOLE "{\"model\":\"my\\\"model\"," HI "}"

#define EVENT(json) "data: " json "\n\n"
#define CHOICE(delta) \
    "{\"id\":\"x\",\"model\":\"big\",\"choices\":[{\"index\":0,\"delta\":{" delta "}}]}"
#define FINISHED(why)                                                                           \
    "{\"id\":\"x\",\"model\":\"big\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":" \
    "\"" why "\"}]}"
#define USAGE "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"
#define DONE "data: [DONE]\n\n"
/* What the client is to see of them. */
#define MINE(delta) \
    "{\"id\":\"x\",\"model\":\"my\\\"model\",\"choices\":[{\"index\":0,\"delta\":{" delta "}}]}\n"
#define MINE_FINISHED(why)                                                                     \
    "{\"id\":\"x\",\"model\":\"my\\\"model\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_" \
    "reason\":\"" why "\"}]}\n"

static const char hello[] UNUSED =
    EVENT(CHOICE("\"role\":\"assistant\",\"content\":\"\"")) EVENT(CHOICE("\"content\":\"He\""))
        EVENT(CHOICE("\"content\":\"llo\"")) EVENT(FINISHED("stop")) EVENT(USAGE) DONE;
