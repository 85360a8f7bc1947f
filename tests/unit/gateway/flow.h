/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway in one process and one thread: a loop whose clock is turned by hand, the HTTP server
 * with gateway_service on connections that are wires, and a provider that says what the test tells
 * it to say. The provider holds the exchange to its contract (provider.h), and end() holds it to
 * having left nothing: no call, timer, connection or byte.
 */
#pragma once

#include "http/http_test.h"

#include "gateway/exchange.h"
#include "gateway/route_book.h"
#include "gateway/service.h"

enum {
    FLOW_CALLS = 64,
    FLOW_UPSTREAMS = 4,
    FLOW_HEARD = 1 << 16,
    COMMIT_MS = 5000,
    KEEPALIVE_MS = 15000,
    HOLD_MS = 200
};

/* ---- the provider ---- */

enum call_state { CALL_RUNS, CALL_FINISHED, CALL_SETTLES, CALL_GONE };

struct provider_call {
    struct provider_request request;
    struct provider_instance *instance;
    enum call_state state;
    enum provider_phase phase;
    bool is_begun; /* `phase` was reported */
    bool is_paused;
    unsigned n_pauses;
    unsigned n_resumes;
    unsigned n_releases;
    unsigned n_settles;
    enum provider_verdict verdict;
    struct fingerprint answer; /* what settle() was given, behind an all-zero link */
    void (*settled)(void *arg);
};

struct provider_instance {
    unsigned n_detaches;
};

static struct flow {
    struct loop *l;
    struct settings settings;
    struct gateway gateway;
    struct gateway_setup setup;
    struct gateway_view view;
    struct gateway_worker worker;
    struct provider_instance instances[FLOW_UPSTREAMS]; /* in the order of the settings */
    struct provider_instance *attached[FLOW_UPSTREAMS];
    struct provider_ops providers[FLOW_UPSTREAMS];
    struct upstream upstreams[FLOW_UPSTREAMS];
    struct provider_call calls[FLOW_CALLS];
    size_t n_calls;
    void (*on_pause)(struct provider_call *c);
    void (*on_resume)(struct provider_call *c);
    struct wire w;
    size_t budget;             /* used when the test began */
    int64_t books[3];          /* done, failed, canceled when the test began */
    int64_t asked_s;           /* wall clock of the last request */
    char heard[2][FLOW_HEARD]; /* head and body of the answer last looked at, in normal form */
} f;

static inline struct provider_instance *fake_attach(void *upstream, const struct provider_env *env)
{
    EXPECT(env->loop == f.l);
    return upstream;
}

static inline void fake_detach(struct provider_instance *p, void (*detached)(void *arg), void *arg)
{
    for (size_t i = 0; i < f.n_calls; i++)
        EXPECT(f.calls[i].instance != p || f.calls[i].state == CALL_GONE);
    p->n_detaches++;
    detached(arg);
}

static inline struct provider_call *fake_start(struct provider_instance *p,
                                               const struct provider_request *r)
{
    struct provider_call *c = &f.calls[f.n_calls];

    EXPECT(f.n_calls < COUNT_OF(f.calls));
    f.n_calls++;
    c->request = *r;
    c->instance = p;
    return c;
}

static inline void fake_pause(struct provider_call *c)
{
    EXPECT_INT(c->state, CALL_RUNS);
    EXPECT(!c->is_paused);
    c->is_paused = true;
    c->n_pauses++;
    if (f.on_pause)
        f.on_pause(c);
}

static inline void fake_resume(struct provider_call *c)
{
    EXPECT_INT(c->state, CALL_RUNS);
    EXPECT(c->is_paused);
    c->is_paused = false;
    c->n_resumes++;
    if (f.on_resume)
        f.on_resume(c);
}

static inline void fake_settle(struct provider_call *c, enum provider_verdict verdict,
                               const struct fingerprint_said *answer, void (*settled)(void *arg))
{
    static const struct fingerprint zero;

    EXPECT_INT(c->state, CALL_FINISHED);
    EXPECT((verdict == SETTLE_EXACT) == (answer != NULL));
    c->state = CALL_SETTLES;
    c->n_settles++;
    c->verdict = verdict;
    c->settled = settled;
    if (answer)
        fingerprint_answer(&zero, answer, &c->answer);
}

static inline void fake_release(struct provider_call *c)
{
    EXPECT(c->state != CALL_GONE);
    c->state = CALL_GONE;
    c->n_releases++;
}

static inline bool fake_is_ready(void *upstream, char *why)
{
    (void)upstream;
    (void)why;
    return true;
}

static const struct provider_ops fake_provider = {
    .name = "fake",
    .attach = fake_attach,
    .detach = fake_detach,
    .start = fake_start,
    .pause = fake_pause,
    .resume = fake_resume,
    .settle = fake_settle,
    .release = fake_release,
    .is_ready = fake_is_ready,
};

/* ---- what the provider says: of the newest call ---- */

static inline struct provider_call *call(void)
{
    EXPECT(f.n_calls > 0);
    return &f.calls[f.n_calls - 1];
}

/* Reports the phases that are missing, in order, up to this one. */
static inline void phase_of(struct provider_call *c, enum provider_phase phase)
{
    while (!c->is_begun || c->phase < phase) {
        EXPECT_INT(c->state, CALL_RUNS);
        c->phase = c->is_begun ? (enum provider_phase)(c->phase + 1) : PHASE_QUEUED;
        c->is_begun = true;
        if (c->phase == PHASE_CONNECTING)
            c->request.sink->on_attempt(c->request.arg, STR(""));
        c->request.sink->on_phase(c->request.arg, c->phase);
    }
}

static inline void phase(enum provider_phase phase)
{
    phase_of(call(), phase);
}

static inline void event_of(struct provider_call *c, const struct chat_event *event)
{
    EXPECT_INT(c->state, CALL_RUNS);
    if (event->type == CHAT_FINISH)
        c->state = CALL_FINISHED;
    c->request.sink->on_event(c->request.arg, event);
    if (event->type == CHAT_ERROR)
        EXPECT_INT(c->state, CALL_GONE);
}

static inline void text_of(struct provider_call *c, struct str text)
{
    phase_of(c, PHASE_ANSWERING);
    event_of(c, &(struct chat_event){ .type = CHAT_TEXT, .text = text });
}

static inline void text(const char *z)
{
    text_of(call(), str_of(z));
}

static inline void reasoning(const char *z)
{
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_REASONING, .text = str_of(z) });
}

static inline void usage(int64_t prompt, int64_t completion, int64_t of_reasoning)
{
    const struct chat_usage u = { .prompt_tokens = prompt,
                                  .completion_tokens = completion,
                                  .reasoning_tokens = of_reasoning };

    event_of(call(), &(struct chat_event){ .type = CHAT_USAGE, .usage = &u });
}

static inline void finish(enum chat_finish how)
{
    phase(PHASE_ANSWERING);
    event_of(call(), &(struct chat_event){ .type = CHAT_FINISH, .finish = how });
}

static inline void error(const struct failure *failure)
{
    event_of(call(), &(struct chat_event){ .type = CHAT_ERROR, .failure = failure });
}

/* The tip is stored. */
static inline void settled(void)
{
    struct provider_call *c = call();

    EXPECT_INT(c->state, CALL_SETTLES);
    c->state = CALL_GONE;
    c->settled(c->request.arg);
}

/* ---- the gateway ---- */

static inline void handle_ok(struct gateway_worker *w, struct http_request *r)
{
    EXPECT(w == &f.worker);
    gateway_reply_json(r, 200, STR("\"ok\""));
}

static const struct gateway_path flow_paths[] = {
    { "/healthz", HTTP_GET, 0, handle_ok, NULL },
    { "/v1/chat/completions", HTTP_POST, PATH_KEY | PATH_JSON, handle_chat_completions,
      &dialect_openai_chat },
    { "/v1/models", HTTP_GET, PATH_KEY, handle_models, NULL },
    { "/v1/models/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_model, NULL },
    { "/v1/messages", HTTP_POST, PATH_KEY | PATH_JSON, handle_messages,
      &dialect_anthropic_messages },
    { "/v1/messages/count_tokens", HTTP_POST, PATH_KEY | PATH_JSON, handle_count_tokens,
      &dialect_anthropic_messages },
    { "/v1/responses", HTTP_POST, PATH_KEY | PATH_JSON, handle_responses,
      &dialect_openai_responses },
    { "/v1/responses/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_response, NULL },
    { "/v1/responses/", HTTP_DELETE, PATH_KEY | PATH_PREFIX, handle_response_delete, NULL },
    { "/both", HTTP_GET, PATH_KEY, handle_ok, NULL },
    { "/both", HTTP_POST, PATH_KEY | PATH_JSON, handle_ok, NULL },
    { "/both", HTTP_DELETE, PATH_KEY, handle_ok, NULL },
    { NULL, HTTP_GET, 0, NULL, NULL },
};

static inline void pass(int64_t ms)
{
    loop_clock_set(f.l, loop_now_ms(f.l) + ms);
    turn(f.l);
}

static inline void open_wire(struct wire *w)
{
    wire_open(w, f.l);
    http_server_accept(f.worker.server, w->conn);
}

static inline void load_settings(const char *const *overrides, const char *config_file)
{
    struct settings_source source = { .use = SETTINGS_ALL,
                                      .overrides = overrides,
                                      .config_file = config_file };
    struct buf problems;

    buf_init(&problems, 1 << 16);
    if (settings_load(&source, &f.settings, &problems))
        fail_msg("%.*s", STR_ARGS(buf_str(&problems)));
    buf_deinit(&problems);
}

static inline void make_upstreams(void)
{
    EXPECT(f.settings.n_upstreams <= FLOW_UPSTREAMS);
    for (size_t i = 0; i < f.settings.n_upstreams; i++) {
        f.providers[i] = fake_provider;
        f.attached[i] = &f.instances[i];
        f.upstreams[i] =
            (struct upstream){ f.settings.upstreams[i].name, &f.providers[i], &f.instances[i] };
    }
    f.setup.settings = f.view.settings = &f.settings;
    f.setup.upstreams = f.view.upstreams = f.upstreams;
    f.setup.n_upstreams = f.view.n_upstreams = f.settings.n_upstreams;
    f.setup.routes = f.view.routes =
        route_book_new(&f.settings, f.upstreams, f.settings.n_upstreams);
    atomic_init(&f.setup.refs, 1);
    f.gateway.setup = f.view.setup = &f.setup;
    f.view.instances = f.attached;
    f.view.worker = &f.worker;
    f.view.refs = 1;
    f.worker.view = &f.view;
}

/* A gateway without its worker's server: settings, clock and provider. */
static inline void begin_gateway(const char *const *overrides, const char *config_file)
{
    memset(&f, 0, sizeof(f));
    log_set_level(LOG_OFF);
    load_settings(overrides, config_file);
    f.l = loop_new();
    loop_clock_set(f.l, 1000);
    /* The wall clock stands at a full second, so that `created` does not hang on luck. */
    loop_clock_set(f.l, 2000 - loop_wall_ms(f.l) % 1000);
    f.gateway.version = "0";
    f.gateway.paths = flow_paths;
    make_upstreams();
    f.gateway.n_workers = 1;
    f.gateway.started_wall_ms = loop_wall_ms(f.l);
    f.gateway.started_ms = loop_now_ms(f.l);
    f.worker.gateway = &f.gateway;
    f.budget = mem_budget_used();
    f.books[0] = metric_get(METRIC_EXCHANGES_DONE);
    f.books[1] = metric_get(METRIC_EXCHANGES_FAILED);
    f.books[2] = metric_get(METRIC_EXCHANGES_CANCELED);
    f.asked_s = loop_wall_ms(f.l) / 1000;
}

static inline void begin_file(const char *const *overrides, const char *config_file)
{
    struct http_server_limits limits;

    begin_gateway(overrides, config_file);
    http_server_limits_default(&limits);
    limits.max_body = f.settings.max_body_bytes;
    f.worker.loop = f.l;
    list_init(&f.worker.exchanges);
    list_init(&f.worker.relays);
    f.worker.server = http_server_new(f.l, &gateway_service, &f.worker, &limits);
    open_wire(&f.w);
}

static inline void begin_set(const char *const *overrides)
{
    begin_file(overrides, NULL);
}

/* One client, connected to a gateway with these settings. */
#define BEGIN(...) begin_set((const char *const[]){ __VA_ARGS__, NULL })

static inline void begin(void)
{
    begin_set(NULL);
}

/* Nothing is left but `n` idle connections. */
static inline void expect_quiet(size_t n)
{
    turn(f.l);
    for (size_t i = 0; i < f.n_calls; i++)
        EXPECT_INT(f.calls[i].state, CALL_GONE);
    EXPECT(list_is_empty(&f.worker.exchanges));
    EXPECT_INT(metric_get(METRIC_EXCHANGES), 0);
    EXPECT_INT(metric_get(METRIC_CONNECTIONS), n);
    EXPECT_INT(loop_timers(f.l), n);
    EXPECT_INT(mem_budget_used(), f.budget);
}

/* How the exchanges of this test ended. */
static inline void expect_books(int64_t done, int64_t failed, int64_t canceled)
{
    EXPECT_INT(metric_get(METRIC_EXCHANGES_DONE) - f.books[0], done);
    EXPECT_INT(metric_get(METRIC_EXCHANGES_FAILED) - f.books[1], failed);
    EXPECT_INT(metric_get(METRIC_EXCHANGES_CANCELED) - f.books[2], canceled);
}

static inline void end_gateway(void)
{
    turn(f.l);
    expect_quiet(0);
    wire_free(&f.w);
    EXPECT_INT(f.view.refs, 1);
    route_book_free(f.view.routes);
    settings_deinit(&f.settings);
    expect_nothing_left(f.l);
    loop_free(f.l);
}

/* Every test ends so. */
static inline void end(void)
{
    expect_quiet(http_server_connections(f.worker.server));
    http_server_free(f.worker.server);
    f.worker.server = NULL;
    end_gateway();
}

/* ---- the client ---- */

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define STREAM "{\"model\":\"GPT5\",\"stream\":true," HI "}"
#define WHOLE "{\"model\":\"GPT5\"," HI "}"

static inline void post_on(struct wire *w, const char *version, const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof(text),
                     "POST /v1/chat/completions %s\r\nHost: localhost\r\nX-Request-Id: r1\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     version, strlen(body), body);

    EXPECT(n > 0 && (size_t)n < sizeof(text));
    f.asked_s = loop_wall_ms(f.l) / 1000;
    EXPECT(wire_feed_z(w, text));
    turn(f.l);
}

static inline void ask_on(struct wire *w, const char *body)
{
    post_on(w, "HTTP/1.1", body);
}

static inline void ask(const char *body)
{
    ask_on(&f.w, body);
}

#include "flow_heard.h"
