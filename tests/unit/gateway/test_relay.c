/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a relay, with an upstream that does what the test says: what it is given of a body
 * and when, how it ends in every state, who is asked next. */
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
    bool is_paused;
    bool is_released;
};

static struct relay_call calls[8];
static size_t n_calls;
static enum err write_error_next;

static struct relay_call *newest(void)
{
    EXPECT(n_calls > 0);
    return &calls[n_calls - 1];
}

static bool is_offered(const void *upstream)
{
    return upstream != &f.instances[2];
}

static struct relay_call *fake_relay_start(struct provider_instance *p,
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

static enum err fake_write(struct relay_call *c, struct str piece)
{
    EXPECT(!c->is_full && !c->is_released && !c->has_ended);
    c->is_full = c->fills;
    c->fills = false;
    return write_error_next ? write_error_next : buf_add(&c->came, piece);
}

static enum err fake_end_body(struct relay_call *c)
{
    EXPECT(!c->has_ended && !c->is_released);
    c->has_ended = true;
    return ERR_NONE;
}

static bool fake_is_full(const struct relay_call *c)
{
    return c->is_full;
}

static void fake_relay_pause(struct relay_call *c)
{
    EXPECT(!c->is_paused);
    c->is_paused = true;
}

static void fake_relay_resume(struct relay_call *c)
{
    EXPECT(c->is_paused);
    c->is_paused = false;
}

static void fake_relay_release(struct relay_call *c)
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
    .pause = fake_relay_pause,
    .resume = fake_relay_resume,
    .release = fake_relay_release,
};

static void attempt(void)
{
    newest()->request.sink->on_attempt(newest()->request.arg, STR("key 1"));
}

static void room(void)
{
    newest()->is_full = false;
    newest()->request.sink->on_room(newest()->request.arg);
    turn(f.l);
}

static void answer_head(enum http_framing framing, uint64_t length)
{
    struct http_head head = {
        .status = 200,
        .framing = framing,
        .content_length = length,
        .n_headers = 3,
        .headers = { { STR("Content-Type"), STR("a/b") },
                     { STR("Set-Cookie"), STR("x=y") },
                     { STR("Connection"), STR("close") } },
    };

    newest()->request.sink->on_head(newest()->request.arg, &head);
}

static void answer_body(const char *text)
{
    newest()->request.sink->on_body(newest()->request.arg, str_of(text));
}

static void relay_ends(const struct failure *failure, bool is_unsent)
{
    struct relay_call *c = newest();

    c->request.sink->on_end(c->request.arg, failure, is_unsent);
    EXPECT(c->is_released);
}

static void relay_fails(enum failure_kind kind, bool is_unsent)
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

static void begin_relays(void)
{
    begin_routes();
    f.gateway.paths = relay_paths;
    for (size_t i = 0; i < f.settings.n_upstreams; i++)
        f.providers[i].relay = &fake_relay;
    n_calls = 0;
    write_error_next = ERR_NONE;
}

static void end_relays(void)
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

static void send_small(void)
{
    EXPECT_INT(sizeof(SMALL) - 1, 25);
    EXPECT(wire_feed_z(&f.w, SMALL_REQUEST));
    turn(f.l);
    EXPECT_INT(n_calls, 1);
    attempt();
}

/* `n` bytes of a body as one chunk. */
static void send_chunk(const char *first, size_t n)
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
static void send_big(void)
{
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"model\":\"m\",\"input\":\"", BIG / 2);
    EXPECT_INT(n_calls, 0);
    send_chunk("", BIG / 2);
    EXPECT_INT(n_calls, 1);
    attempt();
}

/* ---- the tests ---- */

static void passes_a_small_body_on_as_a_whole(void)
{
    struct str all = STR(SMALL_REQUEST);

    for (size_t cut = 1; cut <= all.n; cut++) {
        begin_relays();
        EXPECT(wire_feed(&f.w, str_sub(all, 0, cut)));
        turn(f.l);
        if (cut < all.n) {
            EXPECT_INT(n_calls, 0);
            EXPECT(wire_feed(&f.w, str_from(all, cut)));
        }
        EXPECT_INT(n_calls, 1);
        EXPECT_Z(newest()->first, "{\"input\":\"x\",\"model\":\"ma\"}");
        EXPECT_Z(newest()->target, "/embeddings");
        EXPECT(!newest()->request.is_streamed);
        answer_head(HTTP_BODY_LENGTH, 3);
        answer_body("a\nb");
        relay_ends(NULL, false);
        expect_whole("a\nb");
        expect_books(1, 0, 0);
        end_relays();
    }
}

static void hands_on_a_long_body_as_there_is_room(void)
{
    begin_relays();
    send_big();
    EXPECT(newest()->request.is_streamed);
    EXPECT(newest()->request.length == HTTP_LENGTH_UNKNOWN);
    EXPECT_INT(newest()->n_first, BIG + 1); /* "ma" for "m" */
    EXPECT(!wire_feed_z(&f.w, "1\r\na\r\n"));
    EXPECT(mem_budget_used() > f.budget + BIG);
    room();
    EXPECT(mem_budget_used() < f.budget + 8192);
    EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
    newest()->fills = true;
    EXPECT(wire_feed_z(&f.w, "3\r\ndef\r\n"));
    EXPECT(!wire_feed_z(&f.w, "3\r\nghi\r\n"));
    EXPECT_STR(buf_str(&newest()->came), "abcdef");
    room();
    EXPECT(wire_feed_z(&f.w, "3\r\nghi\r\n0\r\n\r\n"));
    EXPECT_STR(buf_str(&newest()->came), "abcdefghi");
    EXPECT(newest()->has_ended);
    answer_head(HTTP_BODY_CHUNKED, 0);
    answer_body("yes");
    relay_ends(NULL, false);
    expect_whole("yes");
    end_relays();
}

static void a_known_length_fits_the_edited_body(void)
{
    static char body[BIG];

    begin_relays();
    EXPECT(wire_feed_z(&f.w, HEAD("/v1/embeddings", "Content-Length: 100000\r\n")));
    memset(body, ' ', sizeof(body));
    memcpy(body, "{\"model\":\"m\"", 12);
    EXPECT(wire_feed(&f.w, (struct str){ body, sizeof(body) }));
    EXPECT_INT(n_calls, 1);
    EXPECT(newest()->request.length == 100001);
    EXPECT_INT(newest()->n_first, BIG + 1);
    EXPECT(wire_end(&f.w, ERR_CLOSED));
    expect_books(0, 0, 1);
    end_relays();
}

static void looks_for_the_model_in_a_megabyte(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    send_chunk("{\"input\":\"", BIG);
    for (int i = 1; i < 14; i++) {
        EXPECT_INT(n_calls, 0);
        send_chunk("", BIG);
    }
    EXPECT_INT(n_calls, 0);
    send_chunk("\",\"model\":\"alone\"", BIG / 2);
    EXPECT_INT(n_calls, 1);
    EXPECT(newest()->instance == &f.instances[0]);
    EXPECT(wire_end(&f.w, ERR_RESET));
    EXPECT(newest()->is_released);
    end_relays();
    begin_relays();
    EXPECT(wire_feed_z(&f.w, CHUNKED));
    for (int i = 0; i < 15; i++)
        send_chunk(i ? "" : "{\"input\":\"", BIG);
    EXPECT_INT(n_calls, 1); /* it is not looked for any further */
    EXPECT_INT(newest()->n_first, 15 * BIG);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
}

static void without_a_body_it_goes_to_the_default(void)
{
    begin_relays();
    EXPECT(wire_feed_z(&f.w, "GET /files/a?x=y HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_INT(n_calls, 1);
    EXPECT_Z(newest()->target, "/files/a?x=y");
    EXPECT(newest()->instance == &f.instances[0]);
    EXPECT_INT(newest()->request.method, HTTP_GET);
    answer_head(HTTP_BODY_LENGTH, 0);
    relay_ends(NULL, false);
    expect_whole("");
    EXPECT(has(str_of(head()), "Content-Type: a/b\r\n"));
    EXPECT(!has(str_of(head()), "Set-Cookie"));
    end_relays();
}

static void a_failure_moves_on_while_the_body_is_here(void)
{
    begin_relays();
    send_small();
    relay_fails(FAILURE_UNAVAILABLE, false);
    EXPECT_INT(n_calls, 2);
    EXPECT(newest()->instance == &f.instances[1]);
    EXPECT_Z(newest()->first, "{\"input\":\"x\",\"model\":\"mb\"}");
    attempt();
    relay_fails(FAILURE_RATE_LIMIT, false); /* the third has no such endpoints */
    expect_refusal(429, "rate_limit_exceeded");
    expect_books(0, 1, 0);
    wire_clear(&f.w);
    n_calls = 0;
    send_small();
    relay_fails(FAILURE_BAD_REQUEST, false);
    expect_refusal(400, NULL);
    end_relays();
}

static void a_long_body_moves_on_only_unsent(void)
{
    begin_relays();
    send_big();
    relay_fails(FAILURE_UNAVAILABLE, true);
    EXPECT_INT(n_calls, 2);
    EXPECT_INT(newest()->n_first, BIG + 1);
    EXPECT(wire_end(&f.w, ERR_RESET));
    end_relays();
    begin_relays();
    send_big();
    relay_fails(FAILURE_UNAVAILABLE, false);
    EXPECT_INT(n_calls, 1);
    expect_refusal(502, "upstream_unavailable");
    end_relays();
}

static void a_failure_cuts_an_answer_that_has_begun(void)
{
    for (int i = 0; i < 2; i++) {
        begin_relays();
        send_small();
        answer_head(i ? HTTP_BODY_LENGTH : HTTP_BODY_CHUNKED, 5);
        answer_body("ab");
        relay_fails(FAILURE_INTERRUPTED, false);
        expect_so_far("ab");
        EXPECT(f.w.is_closed);
        expect_books(0, 1, 0);
        end_relays();
    }
}

static void pauses_the_answer_for_a_slow_client(void)
{
    static char text[100001];

    begin_relays();
    send_small();
    memset(text, 'x', sizeof(text) - 1);
    f.w.room = 0;
    answer_head(HTTP_BODY_CHUNKED, 0);
    answer_body(text);
    EXPECT(newest()->is_paused);
    answer_body("more"); /* what was read already */
    turn(f.l);
    wire_give_room(&f.w, SIZE_MAX);
    EXPECT(!newest()->is_paused);
    relay_ends(NULL, false);
    turn(f.l);
    end_relays();
}

static void a_write_that_fails_ends_it(void)
{
    begin_relays();
    send_big();
    room();
    write_error_next = ERR_NOMEM;
    EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
    expect_refusal(503, "overloaded");
    expect_books(0, 1, 0);
    end_relays();
}

/* To where a test takes it. */
enum stage { GATHERING, ASKED, SENDING, ANSWERING, STAGES };

static void go_to(enum stage stage)
{
    begin_relays();
    if (stage == GATHERING) {
        EXPECT(wire_feed_z(&f.w, CHUNKED "3\r\nabc\r\n"));
        return;
    }
    if (stage == ASKED || stage == SENDING)
        send_big();
    else
        send_small();
    if (stage == SENDING)
        room();
    if (stage == ANSWERING) {
        answer_head(HTTP_BODY_CHUNKED, 0);
        answer_body("a");
    }
}

static void a_client_that_leaves_ends_it_in_every_state(void)
{
    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        EXPECT(wire_end(&f.w, stage == ASKED ? ERR_RESET : ERR_CLOSED));
        expect_books(0, 0, stage != GATHERING);
        end_relays();
    }
}

static void the_time_limit_ends_it_in_every_state(void)
{
    static const struct {
        int status;
        const char *code;
    } want[] = { [GATHERING] = { 408, "request_timeout" },
                 [ASKED] = { 504, "upstream_timeout" },
                 [SENDING] = { 504, "upstream_timeout" } };

    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        if (stage == SENDING) { /* else the client would be too slow first */
            newest()->fills = true;
            EXPECT(wire_feed_z(&f.w, "3\r\nabc\r\n"));
        }
        pass(stage == GATHERING ? 30001 : f.settings.request_timeout_ms);
        if (stage == ANSWERING)
            expect_so_far("a");
        else
            expect_refusal(want[stage].status, want[stage].code);
        expect_books(0, stage != GATHERING, 0);
        end_relays();
    }
}

static void a_shutdown_ends_it_in_every_state(void)
{
    for (enum stage stage = GATHERING; stage < STAGES; stage++) {
        go_to(stage);
        relay_end_all(&f.worker);
        http_server_refuse_rest(f.worker.server);
        if (stage == ANSWERING)
            expect_so_far("a");
        else
            expect_refusal(503, "overloaded");
        end_relays();
    }
}

static void refusals_of_the_server_are_told_apart(void)
{
    begin_relays();
    send_big();
    room();
    EXPECT(wire_feed_z(&f.w, "zz\r\n"));
    expect_refusal(400, NULL);
    expect_books(0, 1, 0);
    end_relays();
}

static void says_who_could_when_nobody_can(void)
{
    begin_relays();
    for (size_t i = 0; i < 2; i++)
        f.providers[i].relay = NULL;
    EXPECT(wire_feed_z(&f.w, SMALL_REQUEST));
    expect_refusal(404, "not_found");
    EXPECT(has(str_of(body()), "provider: openai"));
    wire_clear(&f.w);
    f.providers[1].relay = &fake_relay;
    EXPECT(wire_feed_z(&f.w,
                       HEAD("/v1/embeddings", "Content-Length: 17\r\n") "{\"model\":\"alone\"}"));
    expect_refusal(400, NULL);
    EXPECT(has(str_of(body()), "one that may have it: \\\"b\\\"."));
    EXPECT_INT(n_calls, 0);
    end_relays();
}

static void counts_by_endpoint(void)
{
    struct buf out;

    begin_relays();
    send_small();
    answer_head(HTTP_BODY_LENGTH, 0);
    relay_ends(NULL, false);
    buf_init(&out, 1 << 16);
    EXPECT(relay_write_metrics(&f.gateway, &out) == ERR_NONE);
    EXPECT(has(buf_str(&out), "relays_total{endpoint=\"/embeddings\",outcome=\"completed\"} 1\n"));
    EXPECT(has(buf_str(&out), "relays_total{endpoint=\"/files/\",outcome=\"failed\"} 0\n"));
    EXPECT(!has(buf_str(&out), "healthz"));
    buf_deinit(&out);
    wire_clear(&f.w);
    end_relays();
}

static const struct test suite[] = {
    { "passes a small body on as a whole", passes_a_small_body_on_as_a_whole },
    { "hands on a long body as there is room", hands_on_a_long_body_as_there_is_room },
    { "a known length fits the edited body", a_known_length_fits_the_edited_body },
    { "looks for the model in a megabyte", looks_for_the_model_in_a_megabyte },
    { "without a body it goes to the default", without_a_body_it_goes_to_the_default },
    { "a failure moves on while the body is here", a_failure_moves_on_while_the_body_is_here },
    { "a long body moves on only unsent", a_long_body_moves_on_only_unsent },
    { "a failure cuts an answer that has begun", a_failure_cuts_an_answer_that_has_begun },
    { "pauses the answer for a slow client", pauses_the_answer_for_a_slow_client },
    { "a write that fails ends it", a_write_that_fails_ends_it },
    { "a client that leaves ends it in every state", a_client_that_leaves_ends_it_in_every_state },
    { "the time limit ends it in every state", the_time_limit_ends_it_in_every_state },
    { "a shutdown ends it in every state", a_shutdown_ends_it_in_every_state },
    { "refusals of the server are told apart", refusals_of_the_server_are_told_apart },
    { "says who could when nobody can", says_who_could_when_nobody_can },
    { "counts by endpoint", counts_by_endpoint },
};

TEST_MAIN(suite)
