/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with completions: instead of an answer, and in the middle of a stream. */
#include "base/clock.h"
#include "live_sse.h"

#define FAST                                                                                     \
    "{\"pacing\":{\"first_ms\":0,\"every_ms\":0},\"words\":1,\"api_keys\":\"*\",\"models\":[\"*" \
    "\"]}"
#define JSON "Content-Type: application/json\r\n"

/* A prompt of four pieces with this fault. */
static void stream(struct live *v, const char *fault, struct sse_answer *ret)
{
    char body[512];

    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                   "\"!fault %s\\n!echo one two three four\"}]}",
                   fault);
    sse_call(v, "", body, ret);
}

static int ask(struct live *v, const char *fault)
{
    char body[512];

    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"!fault %s\\n"
                   "!echo hello\"}]}",
                   fault);
    return live_call(v, "POST /chat/completions", JSON, body);
}

static bool has(struct str text, const char *what)
{
    bool found = str_find(text, str_of(what)) != SIZE_MAX;

    if (!found)
        print_error("no \"%s\" in: %.*s\n", what, STR_ARGS(text));
    return found;
}

static void errors_have_openais_shape(void)
{
    static const struct {
        const char *fault;
        int status;
        const char *want;
    } rows[] = {
        { "completions 400", 400, "\"type\":\"invalid_request_error\"" },
        { "completions 401", 401, "\"type\":\"authentication_error\"" },
        { "completions 402", 402, "\"type\":\"insufficient_quota\"" },
        { "completions 404", 404, "\"error\":{\"message\"" },
        { "completions 429 retry_after=7", 429, "\"type\":\"rate_limit_error\"" },
        { "completions 500", 500, "\"type\":\"server_error\"" },
        { "completions 503 body={} type=text/x", 503, "{}" },
        { "completions invalid_json", 200, "{\"id\":\"chatcmpl-" },
        { "completions wrong_type", 200, "<!doctype html>" },
        { "completions huge bytes=1000", 200, "xxxx" },
        { "completions challenge", 403, "Just a moment" },
    };
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(ask(&v, rows[i].fault), rows[i].status);
        EXPECT(has(v.body, rows[i].want));
        if (rows[i].status == 429)
            EXPECT(has(buf_str(&v.in), "retry-after: 7\r\n"));
    }
    EXPECT_INT(ask(&v, "completions truncated"), -1);
    EXPECT_INT(ask(&v, "completions no_body"), 200);
    EXPECT_INT((int)v.body.n, 0);
    EXPECT_INT(ask(&v, "completions reset"), -1);
    EXPECT_INT(ask(&v, "completions lost"), -1);
    EXPECT_INT(ask(&v, "completions late delay_ms=30"), 200);
    EXPECT(has(v.body, "hello"));
    EXPECT_INT(ask(&v, "chunks reset"), 200);
    live_end(&v);
}

static void a_stream_can_be_refused_or_late(void)
{
    struct sse_answer a;
    int64_t began_ms;
    struct live v;

    live_begin(&v, FAST);
    stream(&v, "completions 429", &a);
    EXPECT_INT(a.status, 429);
    buf_deinit(&a.text);
    stream(&v, "completions lost", &a);
    EXPECT_INT(a.end, SSE_RESET);
    EXPECT_INT(a.status, -1);
    buf_deinit(&a.text);
    began_ms = clock_now_ms();
    stream(&v, "completions late delay_ms=40", &a);
    EXPECT(clock_now_ms() - began_ms >= 40);
    EXPECT_INT(a.end, SSE_WHOLE);
    EXPECT(has(buf_str(&a.text), "data: [DONE]\n\n"));
    buf_deinit(&a.text);
    EXPECT_INT(live_count_log(&v, "?kind=completion_end", "\"by\":\"simulator\""), 1);
    live_end(&v);
}

/* How a stream ends, what it holds and what not. */
static void breaks_in_the_middle(void)
{
    static const struct {
        const char *fault;
        enum sse_end end;
        const char *want;
        const char * not ;
    } rows[] = {
        { "chunks reset at=2", SSE_RESET, NULL, "three" },
        { "chunks cut at=2", SSE_CUT, "two ", "three" },
        { "chunks close at=2", SSE_WHOLE, "two ", "three" },
        { "chunks close at=99", SSE_WHOLE, "four", "finish_reason\":\"stop" },
        { "chunks error at=2", SSE_WHOLE,
          "\n\ndata: {\"error\":{\"message\":\"The server had an error\"", "three" },
        { "chunks error at=1 body={\\\"error\\\":1}", SSE_WHOLE, "data: {\"error\":1}\n\n",
          "[DONE]" },
        { "chunks no_done", SSE_WHOLE, "finish_reason\":\"stop\"", "[DONE]" },
        { "chunks double_done", SSE_WHOLE, "data: [DONE]\n\ndata: [DONE]\n\n", "error" },
        { "chunks no_final", SSE_WHOLE, "data: [DONE]\n\n", "finish_reason\":\"stop" },
        { "chunks garbage_line at=1", SSE_WHOLE, "\n\n\x16\x03 this is no event\n\n", "error" },
        { "chunks comment at=1", SSE_WHOLE, "\n\n: OPENROUTER PROCESSING\n\n", "error" },
        { "chunks not_json at=1", SSE_WHOLE, "data: {no\n\n", "error" },
        { "chunks unknown at=1", SSE_WHOLE, "data: {\"object\":\"telemetry\"", "error" },
        { "chunks empty_choices at=1", SSE_WHOLE, "\"choices\":[]}\n\n", "error" },
        { "chunks cut_utf8 at=1", SSE_WHOLE, "\"content\":\"\xe4\xbd\"}", "error" },
        { "chunks crlf", SSE_WHOLE, "}\r\n\r\ndata: [DONE]\r\n\r\n", "}\n" },
        { "chunks no_space", SSE_WHOLE, "\n\ndata:{\"id\"", "data: " },
        { "chunks long_line at=1 bytes=100000", SSE_WHOLE, "\"pad\":\"xxx", "error" },
        { "chunks empty", SSE_WHOLE, "finish_reason\":\"stop", "one" },
        { "chunks pause at=1 delay_ms=20", SSE_WHOLE, "[DONE]", "error" },
    };
    struct sse_answer a;
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        stream(&v, rows[i].fault, &a);
        EXPECT_INT(a.status, 200);
        EXPECT_INT(a.end, rows[i].end);
        if (rows[i].want)
            EXPECT(has(buf_str(&a.text), rows[i].want));
        EXPECT(str_find(buf_str(&a.text), str_of(rows[i].not )) == SIZE_MAX);
        buf_deinit(&a.text);
    }
    live_control(&v, "GET /__sim/log?kind=completion_end", "", 200);
    EXPECT(has(v.body, "\"fault\":\"reset\""));
    live_end(&v);
}

static void a_long_line_has_its_length(void)
{
    struct sse_answer a;
    struct live v;

    live_begin(&v, FAST);
    stream(&v, "chunks long_line bytes=3000000", &a);
    EXPECT_INT(a.end, SSE_WHOLE);
    EXPECT(a.text.n > 3000000);
    buf_deinit(&a.text);
    live_end(&v);
}

static void hangs_until_the_client_leaves(void)
{
    static const char *const faults[] = { "chunks hang at=1", "chunks silence at=1" };
    char body[256];
    struct live v;
    struct buf in;
    int fds[2];

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        buf_init(&in, LIVE_MAX);
        (void)snprintf(body, sizeof(body),
                       "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
                       "\"content\":\"!fault %s\\n!echo one two\"}]}",
                       faults[i]);
        fds[i] = sse_send(&v, "/v1/chat/completions", "", body);
        while (str_find(buf_str(&in), STR("one ")) == SIZE_MAX)
            EXPECT(live_read(fds[i], &in) > 0);
        buf_deinit(&in);
    }
    EXPECT_INT(live_count_log(&v, "?kind=completion_end", "\"by\""), 0);
    close(fds[0]);
    while (live_count_log(&v, "?kind=completion_end", "\"by\":\"client\"") != 1)
        poll(NULL, 0, 5);
    live_control(&v, "POST /__sim/reset", "", 204);
    buf_init(&in, LIVE_MAX);
    EXPECT_INT(live_count_log(&v, "", "\"kind\""), 0);
    live_control(&v, "GET /__sim/state", "", 200);
    EXPECT(has(v.body, "\"tasks\":0"));
    EXPECT(live_read(fds[1], &in) < 0);
    buf_deinit(&in);
    close(fds[1]);
    live_end(&v);
}

static void leaves_in_slices(void)
{
    struct sse_answer whole;
    struct sse_answer sliced;
    struct live v;

    live_begin(&v, FAST);
    stream(&v, "chunks comment", &whole);
    live_control(&v, "POST /__sim/settings", "{\"slice_bytes\":7}", 204);
    stream(&v, "chunks comment", &sliced);
    EXPECT(str_eq(buf_str(&whole.text), buf_str(&sliced.text)));
    EXPECT(sliced.chunks > whole.text.n / 8 && sliced.chunks > 10 * whole.chunks);
    buf_deinit(&whole.text);
    buf_deinit(&sliced.text);
    live_end(&v);
}

static void only_what_can_happen_is_taken(void)
{
    struct live v;

    live_begin(&v, FAST);
    live_control(&v, "POST /__sim/faults", "{\"where\":\"chunks\",\"kind\":\"label\"}", 400);
    live_control(&v, "POST /__sim/faults", "{\"where\":\"frames\",\"kind\":\"no_done\"}", 400);
    live_control(&v, "POST /__sim/faults", "{\"where\":\"completions\",\"kind\":\"crlf\"}", 400);
    live_control(&v, "POST /__sim/faults", "{\"where\":\"frames\",\"kind\":\"hang\"}", 400);
    live_end(&v);
}

static const struct test suite[] = {
    { "errors have OpenAI's shape", errors_have_openais_shape },
    { "a stream can be refused or late", a_stream_can_be_refused_or_late },
    { "breaks in the middle", breaks_in_the_middle },
    { "a long line has its length", a_long_line_has_its_length },
    { "hangs until the client leaves", hangs_until_the_client_leaves },
    { "leaves in slices", leaves_in_slices },
    { "only what can happen is taken", only_what_can_happen_is_taken },
};

TEST_MAIN(suite)
