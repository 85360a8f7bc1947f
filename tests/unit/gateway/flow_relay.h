/* SPDX-License-Identifier: Apache-2.0 */
/* The flow with relays: an upstream that does what the test says, and the requests of a client. */
#pragma once

#include "flow_routes.h"

#include "gateway/relay.h"
#include "provider/relay.h"

/* ---- the upstream's side ---- */

struct relay_call {
    struct provider_instance *instance;
    struct relay_request request;
    char target[256];
    char first[512]; /* the body, or its beginning, if it is short */
    size_t n_first;
    struct buf came; /* behind it */
    bool has_ended;
    bool fills; /* the next piece does */
    bool is_full;
    bool is_sent;
    bool is_paused;
    bool is_released;
};

static struct relay_call calls[8];
static size_t n_calls;
static enum err write_error_next;

static inline struct relay_call *newest(void)
{
    EXPECT(n_calls > 0);
    return &calls[n_calls - 1];
}

static inline bool is_offered(const void *upstream)
{
    return upstream != &f.instances[2];
}

static inline struct relay_call *fake_relay_start(struct provider_instance *p,
                                                  const struct relay_request *r)
{
    struct relay_call *c = &calls[n_calls++];

    EXPECT(n_calls <= COUNT_OF(calls));
    *c = (struct relay_call){ .instance = p, .request = *r, .n_first = r->body.n };
    buf_init(&c->came, 8 << 20);
    str_to_z(r->target, c->target, sizeof(c->target));
    str_to_z(r->body, c->first, sizeof(c->first));
    return c;
}

static inline enum err fake_write(struct relay_call *c, struct str piece)
{
    EXPECT(!c->is_full && !c->is_released && !c->has_ended);
    c->is_full = c->fills;
    c->fills = false;
    return write_error_next ? write_error_next : buf_add(&c->came, piece);
}

static inline enum err fake_end_body(struct relay_call *c)
{
    EXPECT(!c->has_ended && !c->is_released);
    c->has_ended = true;
    return ERR_NONE;
}

static inline bool fake_is_full(const struct relay_call *c)
{
    return c->is_full;
}

static inline bool fake_is_sent(const struct relay_call *c)
{
    return c->is_sent;
}

static inline void fake_relay_pause(struct relay_call *c)
{
    EXPECT(!c->is_paused);
    c->is_paused = true;
}

static inline void fake_relay_resume(struct relay_call *c)
{
    EXPECT(c->is_paused);
    c->is_paused = false;
}

static inline void fake_relay_release(struct relay_call *c)
{
    EXPECT(!c->is_released);
    c->is_released = true;
    buf_deinit(&c->came);
}

static const struct relay_ops fake_relay = {
    .is_offered = is_offered,
    .start = fake_relay_start,
    .write = fake_write,
    .end_body = fake_end_body,
    .is_full = fake_is_full,
    .is_sent = fake_is_sent,
    .pause = fake_relay_pause,
    .resume = fake_relay_resume,
    .release = fake_relay_release,
};

static inline void attempt(void)
{
    newest()->request.sink->on_attempt(newest()->request.arg, STR("key 1"));
}

static inline void room(void)
{
    newest()->is_full = false;
    newest()->request.sink->on_room(newest()->request.arg);
    turn(f.l);
}

static inline void answer_with(enum http_framing framing, uint64_t length, struct http_header more)
{
    struct http_head head = {
        .status = 200,
        .framing = framing,
        .content_length = length,
        .n_headers = 4,
        .headers = { { STR("Content-Type"), STR("a/b") },
                     { STR("Set-Cookie"), STR("x=y") },
                     { STR("Connection"), STR("close") },
                     more },
    };

    newest()->request.sink->on_head(newest()->request.arg, &head);
}

static inline void answer_head(enum http_framing framing, uint64_t length)
{
    answer_with(framing, length, (struct http_header){ STR("Vary"), STR("x") });
}

static inline void answer_body(const char *text)
{
    newest()->request.sink->on_body(newest()->request.arg, str_of(text));
}

static inline void relay_ends(const struct failure *failure, bool is_unsent)
{
    struct relay_call *c = newest();

    c->request.sink->on_end(c->request.arg, failure, is_unsent);
    EXPECT(c->is_released);
}

static inline void relay_fails(enum failure_kind kind, bool is_unsent)
{
    const struct failure failure = { .kind = kind, .message = STR("it failed") };

    relay_ends(&failure, is_unsent);
}

/* ---- the client's side ---- */

static const struct gateway_path relay_paths[] = {
    { "/healthz", HTTP_GET, 0, handle_ok, NULL },
    { "/v1/embeddings", HTTP_POST, PATH_KEY | PATH_STREAM, handle_relay, NULL },
    { "/v1/files", HTTP_POST, PATH_KEY | PATH_STREAM, handle_relay, NULL },
    { "/files/", HTTP_GET, PATH_KEY | PATH_STREAM | PATH_PREFIX, handle_relay, NULL },
    { NULL, HTTP_GET, 0, NULL, NULL },
};

static inline void begin_relays(void)
{
    begin_routes();
    f.gateway.paths = relay_paths;
    for (size_t i = 0; i < f.settings.n_upstreams; i++)
        f.providers[i].relay = &fake_relay;
    n_calls = 0;
    write_error_next = ERR_NONE;
}

static inline void end_relays(void)
{
    EXPECT(list_is_empty(&f.worker.relays));
    for (size_t i = 0; i < n_calls; i++)
        EXPECT(calls[i].is_released);
    end();
}

#define HEAD(path, more) \
    "POST " path " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" more "\r\n"
#define CHUNKED HEAD("/v1/embeddings", "Transfer-Encoding: chunked\r\n")
#define SMALL "{\"input\":\"x\",\"model\":\"m\"}"
#define SMALL_REQUEST HEAD("/v1/embeddings", "Content-Length: 25\r\n") SMALL

static inline void send_small(void)
{
    EXPECT_INT(sizeof(SMALL) - 1, 25);
    EXPECT(wire_feed_z(&f.w, SMALL_REQUEST));
    turn(f.l);
    EXPECT_INT(n_calls, 1);
    attempt();
}

/* `n` bytes of a body as one chunk. */
static inline void send_chunk(const char *first, size_t n)
{
    char *text = calloc(1, n + 16);
    int line = snprintf(text, n + 16, "%zx\r\n%s", n, first);

    EXPECT(text && line > 0);
    memset(text + line, ' ', n - strlen(first));
    memcpy(text + line + n - strlen(first), "\r\n", 2);
    EXPECT(wire_feed(&f.w, (struct str){ text, (size_t)line + n - strlen(first) + 2 }));
    turn(f.l);
    free(text);
}

enum { BIG = 70000 };

/* A body whose rest is to come. */
static inline void send_big(void)
{
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"model\":\"m\",\"input\":\"", BIG / 2);
    EXPECT_INT(n_calls, 0);
    send_chunk("", BIG / 2);
    EXPECT_INT(n_calls, 1);
    attempt();
}
