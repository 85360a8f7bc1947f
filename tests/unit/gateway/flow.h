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
                               struct fingerprint_text *answer, void (*settled)(void *arg))
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
    struct chat_usage u = { prompt, completion, of_reasoning, false };

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
    { "/healthz", HTTP_GET, 0, handle_ok },
    { "/v1/chat/completions", HTTP_POST, PATH_KEY | PATH_JSON, handle_chat_completions },
    { "/v1/models", HTTP_GET, PATH_KEY, handle_models },
    { "/v1/models/", HTTP_GET, PATH_KEY | PATH_PREFIX, handle_model },
    { "/both", HTTP_GET, PATH_KEY, handle_ok },
    { "/both", HTTP_POST, PATH_KEY | PATH_JSON, handle_ok },
    { "/both", HTTP_DELETE, PATH_KEY, handle_ok },
    { NULL, HTTP_GET, 0, NULL },
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
    f.gateway.upstreams = f.upstreams;
    f.gateway.n_upstreams = f.settings.n_upstreams;
    f.gateway.routes = route_book_new(&f.settings, f.upstreams, f.settings.n_upstreams);
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
    f.gateway.settings = &f.settings;
    f.gateway.version = "0";
    f.gateway.paths = flow_paths;
    make_upstreams();
    f.gateway.n_workers = 1;
    f.gateway.started_wall_ms = loop_wall_ms(f.l);
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
    f.worker.instances = f.attached;
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
    route_book_free(f.gateway.routes);
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

/* ---- what the client hears, with the words ID, NOW and DATE for what differs ---- */

struct normal {
    char *out;
    size_t n;
    char id[24];
    bool has_id;
};

static inline void normal_add(struct normal *o, struct str s)
{
    EXPECT(o->n + s.n < FLOW_HEARD);
    if (s.n > 0)
        memcpy(o->out + o->n, s.p, s.n);
    o->n += s.n;
    o->out[o->n] = '\0';
}

/* Passes over `word` and the `n` bytes behind it, of which `name` is written. */
static inline bool normal_pass(struct normal *o, struct str *in, const char *word, size_t n,
                               const char *name, struct str *ret_value)
{
    if (!str_starts(*in, str_of(word)))
        return false;
    *ret_value = str_sub(*in, strlen(word), n);
    normal_add(o, str_of(word));
    normal_add(o, str_of(name));
    *in = str_from(*in, strlen(word) + n);
    return true;
}

/* Which upstream answered, how often it was asked, and how long it took here:
 * test_exchange_route.c.
 */
static inline bool normal_skip(struct str *in)
{
    static const char *const names[] = { "x-upstream: ", "x-attempts: ",
                                         "x-gateway-overhead-ms: " };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_starts(*in, str_of(names[i]))) {
            *in = str_from(*in, str_find(*in, STR("\r\n")) + 2);
            return true;
        }
    return false;
}

/* All ids of one answer are the same; `created` is when it was asked for. */
static inline void normalize(struct str in, char *out)
{
    struct normal o = { .out = out };
    struct str value;
    uint64_t created;

    out[0] = '\0';
    while (in.n > 0) {
        if (normal_pass(&o, &in, "\"id\":\"chatcmpl-", sizeof(o.id), "ID", &value)) {
            EXPECT_INT(value.n, sizeof(o.id));
            EXPECT(!o.has_id || memcmp(o.id, value.p, value.n) == 0);
            memcpy(o.id, value.p, value.n);
            o.has_id = true;
        } else if (normal_pass(&o, &in, "\"created\":", 10, "NOW", &value)) {
            EXPECT(str_to_u64(value, UINT64_MAX, &created) == ERR_NONE);
            EXPECT_INT(created, f.asked_s);
        } else if (!normal_skip(&in) && !normal_pass(&o, &in, "date: ", 29, "DATE", &value)) {
            normal_add(&o, str_sub(in, 0, 1));
            in = str_from(in, 1);
        }
    }
}

/* Looks at the first answer in *in and passes over it; returns whether it is whole. Its head and
 * body are in f.heard. */
static inline bool hear(struct str *in, enum http_method method)
{
    struct str before = *in;
    struct response r;
    bool is_whole;

    EXPECT(response_read(in, method, &r));
    normalize(str_sub(before, 0, str_find(before, STR("\r\n\r\n")) + 4), f.heard[0]);
    normalize((struct str){ r.body, r.n }, f.heard[1]);
    is_whole = r.is_whole;
    response_free(&r);
    return is_whole;
}

static inline const char *head(void)
{
    return f.heard[0];
}

static inline const char *body(void)
{
    return f.heard[1];
}

/* All that the wire holds is one answer, whole or not, with this body. */
static inline void expect_on(struct wire *w, bool is_whole, const char *want)
{
    struct str in;

    turn(f.l);
    in = wire_str(w);
    EXPECT_INT(hear(&in, HTTP_POST), is_whole);
    EXPECT_Z(body(), want);
    EXPECT_INT(in.n, 0);
}

static inline void expect_so_far(const char *want)
{
    expect_on(&f.w, false, want);
}

static inline void expect_whole(const char *want)
{
    expect_on(&f.w, true, want);
    wire_clear(&f.w);
}

static inline void expect_silence(void)
{
    turn(f.l);
    EXPECT_INT(f.w.n, 0);
    EXPECT(!f.w.is_closed);
}

/* All that the wire holds is one whole error with this status and code. */
static inline void expect_refusal(int status, const char *code)
{
    char line[32], member[64] = "\"code\":null";
    struct str in;

    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_INT(in.n, 0);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (code)
        snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
    EXPECT_STR(str_sub(str_of(head()), 0, strlen(line)), line);
    EXPECT(has(str_of(head()), "content-type: application/json\r\n"));
    EXPECT(has(str_of(head()), "x-request-id: "));
    EXPECT_STR(str_sub(str_of(body()), 0, 21), "{\"error\":{\"message\":\"");
    EXPECT(has(str_of(body()), member));
    wire_clear(&f.w);
}

#define CHUNK(choice)                                                     \
    "data: {\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":NOW,\"model\":\"GPT5\",\"choices\":[{\"index\":0,\"delta\":{" choice "}]}\n\n"
#define OPEN "},\"logprobs\":null,\"finish_reason\":null"
#define ROLE CHUNK("\"role\":\"assistant\",\"content\":\"\"" OPEN)
#define SAID(text) CHUNK("\"content\":\"" text "\"" OPEN)
#define THOUGHT(text) CHUNK("\"reasoning_content\":\"" text "\"" OPEN)
#define CLOSED(why) CHUNK("},\"logprobs\":null,\"finish_reason\":\"" why "\"")
#define DONE "data: [DONE]\n\n"
#define ALIVE ": keep-alive\n\n"
#define FROM ": upstream=cto attempts=1\n\n"

/* Expects the end of a stream that broke off: an error event, and nothing that looks whole. */
static inline void expect_broken_off(const char *code)
{
    char member[64];
    struct str in;
    struct str last;
    size_t at;

    turn(f.l);
    in = wire_str(&f.w);
    EXPECT(hear(&in, HTTP_POST));
    EXPECT_INT(in.n, 0);
    EXPECT_STR(str_sub(str_of(head()), 0, 15), "HTTP/1.1 200 OK");
    at = str_find(str_of(body()), STR("data: {\"error\":{\"message\":\""));
    EXPECT(at != SIZE_MAX);
    last = str_from(str_of(body()), at);
    snprintf(member, sizeof(member), "\"code\":\"%s\"}}\n\n", code);
    EXPECT_INT(str_find(last, str_of(member)) + strlen(member), last.n);
    EXPECT(!has(str_of(body()), DONE));
    EXPECT(!has(str_of(body()), "finish_reason\":\""));
    wire_clear(&f.w);
}
