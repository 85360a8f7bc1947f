/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way: a client's bytes, the exchange, the provider `openai` and its upstream, on one
 * loop; nothing between them changes what it need not. */
#include "flow.h"

#include "http/server.h"
#include "net/listener.h"
#include "provider/openai/openai.h"

static const char *const names[] = { "GPT5", NULL };

static struct up {
    int fd;
    struct listener *listener;
    struct http_server *server;
    struct openai_config config;
    struct openai *openai;
    struct connector *connector;
    struct http_client *client;
    bool is_detached;
    char body[4096]; /* of the last request */
    const char *answer;
    const char *type;
    int status;
    struct http_request *open; /* an answer that is not whole */
    bool stays_open;
    bool is_gone;
} up;

static void on_up_gone(void *arg)
{
    (void)arg;
    up.open = NULL;
    up.is_gone = true;
}

static void on_up_request(void *arg, struct http_request *r)
{
    struct http_header type = { STR("content-type"), str_of(up.type) };

    (void)arg;
    str_to_z(r->body, up.body, sizeof(up.body));
    if (!up.stays_open) {
        http_reply(r, up.status, &type, 1, str_of(up.answer));
        return;
    }
    http_reply_begin(r, up.status, &type, 1);
    http_reply_write(r, str_of(up.answer));
    up.open = r;
    r->on_gone = on_up_gone;
}

static void up_write_error(void *arg, const struct http_request *r, int status, const char *what,
                           struct buf *out)
{
    (void)arg, (void)r, (void)status, (void)what, (void)out;
}

static void on_up_accept(void *arg, struct conn *c)
{
    (void)arg;
    http_server_accept(up.server, c);
}

static void up_open(void)
{
    static const struct http_service service = { .on_request = on_up_request,
                                                 .write_error = up_write_error };
    struct http_server_limits limits;
    struct endpoint e;
    char text[256];

    up = (struct up){ .status = 200, .type = "text/event-stream", .answer = "" };
    EXPECT(!endpoint_parse(STR("127.0.0.1:0"), &e));
    EXPECT(!listen_open(&e, &up.fd, text));
    http_server_limits_default(&limits);
    up.server = http_server_new(f.l, &service, NULL, &limits);
    up.listener = listener_new(f.l, up.fd, on_up_accept, NULL);
    up.config = (struct openai_config){ .name = "local", .models = names };
    snprintf(text, sizeof(text), "http://127.0.0.1:%u", e.port);
    EXPECT(!url_parse(str_of(text), &up.config.base, text + 128));
}

static void begin_openai(void)
{
    struct http_client_limits limits;

    begin();
    up_open();
    up.connector = connector_new(f.l, NULL, NULL);
    http_client_limits_default(&limits);
    up.client = http_client_new(up.connector, &limits);
    up.openai = openai_new(&up.config, NULL);
    const struct provider_env env = {
        .loop = f.l, .client = up.client, .connect_timeout_ms = 5000, .accept_timeout_ms = 5000
    };
    f.upstreams[0] = (struct upstream){ "local", &provider_openai, up.openai };
    f.attached[0] = provider_openai.attach(up.openai, &env);
}

static void on_flow_detached(void *arg)
{
    (void)arg;
    up.is_detached = true;
}

/* Runs turns until it holds. */
#define UNTIL(cond)                                            \
    do {                                                       \
        int64_t give_up_ = clock_now_ms() + 10000;             \
        while (!(cond)) {                                      \
            run_turn_now(f.l);                                 \
            if (clock_now_ms() > give_up_)                     \
                die(__FILE__, __LINE__, "never true: " #cond); \
        }                                                      \
    } while (0)

static void end_openai(void)
{
    provider_openai.detach(f.attached[0], on_flow_detached, NULL);
    UNTIL(up.is_detached);
    openai_free(up.openai);
    http_client_free(up.client);
    connector_free(up.connector);
    listener_free(up.listener);
    http_server_free(up.server);
    close(up.fd);
    url_deinit(&up.config.base);
    turn(f.l);
    end();
}

static bool is_answered(void)
{
    struct str in = wire_str(&f.w);

    return f.w.n > 0 && hear(&in, HTTP_POST);
}

#define ASKED "{\"model\":\"GPT5\",\"x\":1e400,\"n\":2,\"stream\":true, " HI ",\"y\":-0}"
#define ONE "data: {\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
#define TWO                                                                              \
    "data: {\"z\":1e400,\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\r\n\r\n" \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n"

static void passes_a_stream_through(void)
{
    begin_openai();
    up.answer = ONE TWO DONE;
    ask(ASKED);
    UNTIL(is_answered());
    expect_whole("data: {\"model\":\"GPT5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}"
                 "}]}\n\ndata: {\"z\":1e400,\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}"
                 "\n\n" DONE);
    EXPECT_Z(up.body, "{\"model\":\"GPT5\",\"x\":1e400,\"n\":2,\"stream\":true, " HI
                      ",\"y\":-0,\"stream_options\":{\"include_usage\":true}}");
    expect_books(1, 0, 0);
    end_openai();
}

static void passes_a_whole_answer_and_an_error_through(void)
{
    static const char answer[] = "{\"choices\":[{\"message\":{}}], \"x\":-0}";
    static const char error[] = "{\"error\":{\"message\":\"no\", \"x\":1e400}}";

    begin_openai();
    up.type = "application/json";
    up.answer = answer;
    ask(WHOLE);
    UNTIL(is_answered());
    expect_whole(answer);
    up.status = 422;
    up.answer = error;
    ask(STREAM);
    UNTIL(is_answered());
    expect_whole(error);
    EXPECT(has(str_of(head()), "HTTP/1.1 422 "));
    EXPECT(has(str_of(head()), "x-request-id: r1\r\n"));
    expect_books(1, 1, 0);
    end_openai();
}

static void a_cut_stream_is_told(void)
{
    begin_openai();
    up.answer = ONE;
    ask(STREAM);
    UNTIL(is_answered());
    expect_broken_off("upstream_interrupted");
    up.answer = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    ask(STREAM); /* nothing was said: it has its true status */
    UNTIL(is_answered());
    EXPECT(has(str_of(head()), "x-should-retry: false\r\n"));
    expect_refusal(502, "upstream_interrupted");
    end_openai();
}

static void a_client_that_leaves_closes_the_upstream(void)
{
    begin_openai();
    up.answer = ONE;
    up.stays_open = true;
    ask(STREAM);
    UNTIL(f.w.n > 0);
    EXPECT(wire_end(&f.w, ERR_RESET));
    UNTIL(up.is_gone);
    expect_books(0, 0, 1);
    end_openai();
}

static void a_slow_client_slows_the_upstream(void)
{
    enum { PIECES = 2000 };
    unsigned sent = 0;

    begin_openai();
    up.answer = ONE;
    up.stays_open = true;
    ask(STREAM);
    UNTIL(f.w.n > 0);
    f.w.room = 0;
    for (; sent < PIECES && !http_reply_is_full(up.open); sent++) {
        char piece[16384];

        snprintf(piece, sizeof(piece),
                 "data: {\"choices\":[{\"delta\":{\"content\":\"%0*d\"}}]}\n\n", 16000, 7);
        http_reply_write(up.open, str_of(piece));
        turn(f.l);
    }
    EXPECT(sent < PIECES);
    wire_give_room(&f.w, SIZE_MAX);
    http_reply_write(up.open, STR(TWO DONE));
    http_reply_end(up.open);
    up.open = NULL;
    UNTIL(has(wire_str(&f.w), DONE));
    EXPECT(f.w.n > sent * 16000UL);
    wire_clear(&f.w);
    expect_books(1, 0, 0);
    end_openai();
}

static const struct test suite[] = {
    { "passes a stream through", passes_a_stream_through },
    { "passes a whole answer and an error through", passes_a_whole_answer_and_an_error_through },
    { "a cut stream is told", a_cut_stream_is_told },
    { "a client that leaves closes the upstream", a_client_that_leaves_closes_the_upstream },
    { "a slow client slows the upstream", a_slow_client_slows_the_upstream },
};

TEST_MAIN(suite)
