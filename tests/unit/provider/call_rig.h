/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of calls share: the provider at a fake upstream, and a client that watches a call. */
#pragma once

#include "base/metrics.h"
#include "fake.h"
#include "provider/enginelabs/enginelabs.h"
#include "provider/provider.h"
#include "json/reader.h"

#define RUNNING "{\"type\":\"state\",\"state\":{\"inProgress\":true}}"
#define IDLE "{\"type\":\"state\",\"state\":{\"inProgress\":false}}"
#define CANCELED "{\"type\":\"state\",\"state\":{\"inProgress\":false,\"cancelled\":true}}"
#define CHAT(id, text)                              \
    "{\"type\":\"update\",\"buffer\":{\"id\":\"" id \
    "\",\"type\":\"chat\",\"chat\":{\"content\":\"" text "\"}}}"
#define THINKING(id, text)                          \
    "{\"type\":\"update\",\"buffer\":{\"id\":\"" id \
    "\",\"type\":\"thinking\",\"chat\":{\"content\":\"" text "\"}}}"
#define TOOL "{\"type\":\"update\",\"buffer\":{\"id\":\"t\",\"type\":\"tool_run\"}}"

enum { RIG_TTL_MS = 3600000, RIG_TIMEOUT_MS = 5000, TALK_MAX = 8, RIG_ACCOUNTS = 3 };

struct rig {
    struct loop *loop;
    struct fake fake;
    union {
        struct enginelabs_config config; /* of the first account */
        struct enginelabs_config configs[RIG_ACCOUNTS];
    };
    size_t n_accounts;
    const char *model;  /* that calls ask for */
    int64_t timeout_ms; /* for connections and answers */
    struct proxy_rules proxies;
    struct connector *connector;
    struct http_client *client;
    struct store *store;
    struct store_port *port;
    struct enginelabs *upstream;
    struct provider_instance *instance;
    bool is_detached;
};

/* A call and what its client saw. */
struct watch {
    struct rig *rig;
    struct provider_call *call; /* NULL when it is gone */
    const char *model;
    struct chat_request req;
    struct chat_message messages[TALK_MAX];
    struct chat_part parts[TALK_MAX];
    struct fingerprint_text said;
    enum provider_phase phases[64];
    size_t n_phases;
    unsigned n_activity;
    unsigned n_texts;
    char text[512];
    char reasoning[512];
    bool is_finished;
    bool is_failed;
    bool is_settled;
    struct failure failure; /* message and param are below */
    char message[1024];
    char param[64];

    /* The client leaves inside this callback; -1: in none. */
    int leave_in_phase;
    int leave_in_phase_again; /* the second time that it is told */
    int leave_in_event;
    bool leave_in_activity;
};

/* ---- the rig ---- */

static inline void rig_open(struct rig *r)
{
    struct http_client_limits limits;

    *r = (struct rig){
        .loop = loop_new(), .n_accounts = 1, .model = "GPT5", .timeout_ms = RIG_TIMEOUT_MS
    };
    fake_start(&r->fake, r->loop);
    r->fake.frames[0] = RUNNING;
    r->fake.frames[1] = CHAT("m1", "Hello");
    r->fake.frames[2] = CHAT("m1", ", world");
    r->fake.frames[3] = IDLE;
    r->config = fake_config(&r->fake);
    r->config.content = CONTENT_DELTA;
    r->connector = connector_new(r->loop, NULL, &r->proxies);
    http_client_limits_default(&limits);
    r->client = http_client_new(r->connector, &limits);
    r->store = store_memory_new(1000);
}

/* One more account like the first, signed in by another cookie. */
static inline void rig_add_account(struct rig *r, const char *name, const char *cookie)
{
    struct enginelabs_config *c = &r->configs[r->n_accounts++];

    EXPECT(r->n_accounts <= RIG_ACCOUNTS);
    *c = r->config;
    c->account = name;
    c->cookie = (struct secret){ NULL, 0 };
    secret_set(&c->cookie, str_of(cookie));
}

/* After the test has changed settings or store. */
static inline void rig_attach(struct rig *r)
{
    struct provider_env env;

    r->port = store_port_open(r->store, r->loop);
    env = (struct provider_env){ .loop = r->loop,
                                 .client = r->client,
                                 .store = r->port,
                                 .conversation_ttl_ms = RIG_TTL_MS,
                                 .connect_timeout_ms = r->timeout_ms,
                                 .accept_timeout_ms = r->timeout_ms };
    r->upstream = enginelabs_new(r->configs, r->n_accounts, NULL);
    r->instance = provider_enginelabs.attach(r->upstream, &env);
}

static inline void rig_start(struct rig *r)
{
    rig_open(r);
    rig_attach(r);
}

static inline void on_rig_closed(void *arg)
{
    struct rig *r = arg;

    r->is_detached = true;
}

static inline void on_rig_detached(void *arg)
{
    struct rig *r = arg;

    store_port_close(r->port, on_rig_closed, r);
}

/* Ends it, and sees that nothing is left. */
static inline void rig_end(struct rig *r)
{
    provider_enginelabs.detach(r->instance, on_rig_detached, r);
    while (!r->is_detached)
        run_turn_now(r->loop);
    enginelabs_free(r->upstream);
    EXPECT_INT(metric_get(METRIC_LEASES), 0);
    EXPECT_INT(metric_get(METRIC_LEASES_DRAINING), 0);
    EXPECT_INT(metric_get(METRIC_WAITING), 0);
    EXPECT_INT(metric_get(METRIC_UPSTREAM_WEBSOCKETS), 0);
    http_client_free(r->client);
    connector_free(r->connector);
    fake_stop(&r->fake);
    run_turn_now(r->loop);
    run_turn_now(r->loop);
    store_close(r->store);
    run_turn_now(r->loop);
    EXPECT_INT(loop_timers(r->loop), 0);
    for (size_t i = 1; i < r->n_accounts; i++)
        secret_deinit(&r->configs[i].cookie);
    fake_config_free(&r->config);
    loop_free(r->loop);
}

/* ---- the client ---- */

static inline void leave(struct watch *w)
{
    provider_enginelabs.release(w->call);
    w->call = NULL;
}

static inline void on_watch_phase(void *arg, enum provider_phase phase)
{
    struct watch *w = arg;

    EXPECT(w->call != NULL);
    EXPECT(w->n_phases < COUNT_OF(w->phases));
    EXPECT(w->n_phases == 0 || phase == PHASE_QUEUED || phase > w->phases[w->n_phases - 1]);
    w->phases[w->n_phases++] = phase;
    if ((int)phase == w->leave_in_phase ||
        ((int)phase == w->leave_in_phase_again && w->n_phases > 1))
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

static inline void watch_add(char *to, size_t cap, struct str text)
{
    size_t n = strlen(to);

    str_to_z(text, to + n, cap - n);
}

static inline void watch_failure(struct watch *w, const struct failure *f)
{
    w->is_failed = true;
    w->failure = *f;
    str_to_z(f->message, w->message, sizeof(w->message));
    str_to_z(f->param, w->param, sizeof(w->param));
}

static inline void on_watch_event(void *arg, const struct chat_event *event)
{
    struct watch *w = arg;

    EXPECT(w->call != NULL);
    EXPECT(!w->is_finished && !w->is_failed);
    if (event->type == CHAT_TEXT) {
        watch_add(w->text, sizeof(w->text), event->text);
        fingerprint_text_add(&w->said, event->text);
        w->n_texts++;
    } else if (event->type == CHAT_REASONING) {
        watch_add(w->reasoning, sizeof(w->reasoning), event->text);
    } else if (event->type == CHAT_FINISH) {
        EXPECT_INT(event->finish, CHAT_FINISH_STOP);
        w->is_finished = true;
    } else {
        EXPECT_INT(event->type, CHAT_ERROR);
        watch_failure(w, event->failure);
    }
    if ((int)event->type == w->leave_in_event)
        leave(w);
}

/* "u:hi" is a user's message, "a:" an assistant's, "s:" a system's, "i:" a user's image. */
static inline void watch_talk(struct watch *w, const char *const *texts)
{
    w->req.messages = w->messages;
    for (size_t i = 0; texts[i]; i++) {
        char role = texts[i][0];

        EXPECT(i < TALK_MAX);
        w->parts[i] = (struct chat_part){ role == 'i' ? CHAT_PART_IMAGE : CHAT_PART_TEXT,
                                          str_of(texts[i] + 2) };
        w->messages[i] = (struct chat_message){
            .role = role == 'a'   ? CHAT_ASSISTANT
                    : role == 's' ? CHAT_SYSTEM
                                  : CHAT_USER,
            .parts = &w->parts[i],
            .n_parts = 1,
        };
        w->req.n_messages = i + 1;
    }
}

/* A client that leaves in no callback. */
static inline void watch_init(struct watch *w, struct rig *r)
{
    *w = (struct watch){
        .rig = r,
        .model = r ? r->model : NULL,
        .leave_in_phase = -1,
        .leave_in_phase_again = -1,
        .leave_in_event = -1,
    };
}

static inline void watch_start(struct watch *w, const char *const *texts)
{
    static const struct provider_sink sink = { .on_phase = on_watch_phase,
                                               .on_activity = on_watch_activity,
                                               .on_event = on_watch_event };
    struct provider_request request = {
        .chat = &w->req, .model = str_of(w->model), .key_id = STR("key"), .sink = &sink, .arg = w
    };

    watch_talk(w, texts);
    fingerprint_text_init(&w->said);
    w->call = provider_enginelabs.start(w->rig->instance, &request);
}

/* Starts a call with the messages given. */
#define START(r, w, ...)                                              \
    do {                                                              \
        watch_init((w), (r));                                         \
        watch_start((w), (const char *const[]){ __VA_ARGS__, NULL }); \
    } while (0)

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

static inline void watch_settle(struct watch *w, enum provider_verdict verdict)
{
    const struct fingerprint_said said = { .text = w->said };

    provider_enginelabs.settle(w->call, verdict, verdict == SETTLE_EXACT ? &said : NULL,
                               on_watch_settled);
    EXPECT(!w->is_settled);
    RUN_UNTIL(w->rig->loop, w->is_settled);
}

/* A whole answer, settled as exact. */
#define ANSWERED(r, w, ...)                     \
    do {                                        \
        START((r), (w), __VA_ARGS__);           \
        RUN_UNTIL((r)->loop, watch_is_over(w)); \
        EXPECT_Z((w)->message, "");             \
        EXPECT((w)->is_finished);               \
        watch_settle((w), SETTLE_EXACT);        \
    } while (0)

/* An answer that fails, released. */
#define FAILED(r, w, want, ...)                 \
    do {                                        \
        START((r), (w), __VA_ARGS__);           \
        RUN_UNTIL((r)->loop, watch_is_over(w)); \
        EXPECT((w)->is_failed);                 \
        EXPECT_INT((w)->failure.kind, (want));  \
        leave(w);                               \
    } while (0)

/* ---- what came upstream ---- */

static inline const char *posted(struct rig *r, const char *member, char out[512])
{
    struct json_value v;
    struct buf text;

    buf_init(&text, 511);
    EXPECT(!json_find(str_of(r->fake.at[FAKE_POST].body), &v, member, NULL));
    EXPECT(!json_text_add(&v, &text));
    str_to_z(buf_str(&text), out, 512);
    buf_deinit(&text);
    return out;
}

#define EXPECT_POSTED(r, member, want)               \
    do {                                             \
        char got_[512];                              \
        EXPECT_Z(posted((r), (member), got_), want); \
    } while (0)
