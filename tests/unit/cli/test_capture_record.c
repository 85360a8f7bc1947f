/* SPDX-License-Identifier: Apache-2.0 */
/* What a tap was told, written as a scenario that the simulator reads. */
#include "test.h"

#include "base/mem.h"
#include "cli/capture_record.h"
#include "simulator/capture.h"
#include "json/reader.h"

static const char *const no_secrets[] = { NULL };

static struct loop *loop;
static struct capture_record *record;

static void open_record(void)
{
    loop = loop_new();
    record = capture_record_new(loop);
}

static void close_record(void)
{
    capture_record_free(record);
    loop_free(loop);
}

static size_t begin(const struct wire_request *r)
{
    const struct wire_tap *tap = capture_record_tap(record);

    return tap->begin(tap->arg, r);
}

static void tell(size_t number, struct wire_event e)
{
    const struct wire_tap *tap = capture_record_tap(record);

    tap->event(tap->arg, number, &e);
}

static size_t ask(enum http_method method, const char *target, const char *body)
{
    static const struct http_header headers[] = {
        { { "Cookie", 6 }, { "__client=top-secret-value-1", 27 } },
        { { "Authorization", 13 }, { "Bearer opaque-token-22", 22 } },
    };
    size_t number = begin(&(struct wire_request){ .method = method,
                                                  .target = str_of(target),
                                                  .headers = headers,
                                                  .n_headers = COUNT_OF(headers),
                                                  .body = str_of(body) });

    tell(number, (struct wire_event){ .type = WIRE_SENT });
    return number;
}

static void answer(size_t number, int status, const char *body)
{
    struct http_head *head = mem_new(struct http_head);

    head->status = status;
    head->n_headers = 3;
    head->headers[0] =
        (struct http_header){ STR("Set-Cookie"), STR("__client=rotated-333; Path=/") };
    head->headers[1] = (struct http_header){ STR("Retry-After"), STR("5") };
    head->headers[2] = (struct http_header){ STR("X-Trace"), STR("rotated-333") };
    tell(number, (struct wire_event){ .type = WIRE_HEAD, .head = head });
    tell(number, (struct wire_event){ .type = WIRE_BODY, .bytes = str_of(body) });
    tell(number, (struct wire_event){ .type = WIRE_DONE });
    mem_free(head);
}

static void say(size_t socket, const char *text, bool is_ours)
{
    tell(socket,
         (struct wire_event){
             .type = WIRE_MESSAGE, .bytes = str_of(text), .is_ours = is_ours, .is_text = true });
}

static struct sim_capture *read_back(struct str scenario)
{
    struct sim_capture *c;
    struct json_value v;
    struct json j;
    char what[256];

    EXPECT_INT(json_find(scenario, &v, "capture", NULL), ERR_NONE);
    json_init(&j, v.raw, 64);
    EXPECT_INT(sim_capture_read(&j, 1, &c, what), ERR_NONE);
    return c;
}

static void is_what_the_simulator_plays(void)
{
    struct buf out;
    struct sim_capture *c;
    struct sim_exchange *x;
    size_t socket;

    open_record();
    answer(ask(HTTP_GET, "/billing?q=Zoe", ""), 200, "{\"tier\":\"Zoes plan\"}");
    (void)ask(HTTP_GET, "/never-answered", "");
    socket = begin(&(struct wire_request){
        .is_socket = true,
        .target = STR("/engine-agent/chat-histories/c-1/buffer/stream?token=u-1") });
    tell(socket, (struct wire_event){ .type = WIRE_OPEN });
    say(socket, "{\"type\":\"state\",\"state\":{\"inProgress\":false}}", false);
    size_t prompt = ask(HTTP_POST, "/engine-agent/chat", "{\"prompt\":\"Hi Zoe\"}");
    say(socket, "ping", true);
    say(socket, "{\"type\":\"update\",\"buffer\":{\"content\":\"Hi you\"}}", false);
    answer(prompt, 202, "");
    tell(socket, (struct wire_event){ .type = WIRE_DONE, .close_code = 1000 });
    EXPECT_INT(capture_record_answered(record), 3);
    EXPECT(!capture_record_is_cut(record));
    buf_init(&out, 1 << 20);
    EXPECT_INT(capture_record_write(record, no_secrets, &out), ERR_NONE);
    EXPECT(str_find(buf_str(&out), STR("\"cookies_set\":[\"__client\"]")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&out), STR("Zoe")) == SIZE_MAX);
    EXPECT(str_find(buf_str(&out), STR("333")) == SIZE_MAX);
    c = read_back(buf_str(&out));
    x = sim_capture_take(c, false, STR("GET"), STR("/billing"));
    EXPECT_STR(x->body, "{\"tier\":\"xxxx xxxx\"}");
    EXPECT_INT(x->n_headers, 1);
    x = sim_capture_take(c, true, STR("GET"), STR("/engine-agent/chat-histories/z/buffer/stream"));
    EXPECT_INT(x->n_records, 4);
    EXPECT_INT(x->records[0].exchange, -1);
    EXPECT(!x->records[1].is_sent);
    EXPECT_INT(x->records[1].exchange, 2);
    EXPECT_INT(x->records[2].exchange, -1);
    EXPECT_STR(x->records[2].text, "{\"type\":\"update\",\"buffer\":{\"content\":\"xx xxx\"}}");
    EXPECT_INT(x->records[3].close, 1000);
    x = sim_capture_take(c, false, STR("POST"), STR("/engine-agent/chat"));
    EXPECT_INT(x->status, 202);
    sim_capture_free(c);
    buf_deinit(&out);
    close_record();
}

/* Words of the protocol are not covered; should a secret be one, nothing is written. */
static void is_refused_when_a_secret_would_be_left(void)
{
    static const char *const secrets[] = { "a=b; __client=last_active_session_id", NULL };
    struct buf out;

    open_record();
    answer(ask(HTTP_GET, "/v1/client", ""), 200, "{\"last_active_session_id\":null}");
    buf_init(&out, 1 << 20);
    EXPECT_INT(capture_record_write(record, secrets, &out), ERR_CONFLICT);
    buf_deinit(&out);
    close_record();
}

static void has_an_end(void)
{
    enum { PIECES = 40, PIECE = 1 << 20 };
    char *text = mem_alloc(PIECE + 1);
    struct buf out;

    memset(text, 'a', PIECE);
    open_record();
    for (size_t i = 0; i < PIECES; i++)
        answer(ask(HTTP_GET, "/billing", ""), 200, text);
    EXPECT(capture_record_is_cut(record));
    buf_init(&out, 64 << 20);
    EXPECT_INT(capture_record_write(record, no_secrets, &out), ERR_NONE);
    sim_capture_free(read_back(buf_str(&out)));
    buf_deinit(&out);
    close_record();
    mem_free(text);
}

static const struct test suite[] = {
    { "is what the simulator plays", is_what_the_simulator_plays },
    { "is refused when a secret would be left", is_refused_when_a_secret_would_be_left },
    { "has an end", has_an_end },
};

TEST_MAIN(suite)
