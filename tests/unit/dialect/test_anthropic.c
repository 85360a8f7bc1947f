/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Anthropic's messages API, byte for byte: tests/data/golden/anthropic_messages*. */
#include "dialect/dialect.h"

#include "base/mem.h"
#include "golden.h"
#include "json/reader.h"

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define OPEN(index, block) \
    EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define DELTA(index, kind, member, text) \
    EVENT("content_block_delta",         \
          ",\"index\":" index ",\"delta\":{\"type\":\"" kind "\",\"" member "\":\"" text "\"}")
#define CLOSE(index) EVENT("content_block_stop", ",\"index\":" index)
#define THOUGHT(n) "\"output_tokens_details\":{\"thinking_tokens\":" n "},\"server_tool_use\":null"
#define NOTHING \
    "\"cache_creation\":null,\"inference_geo\":null,\"service_tier\":null,\"speed\":null"
#define START                                                                              \
    EVENT("message_start",                                                                 \
          ",\"message\":{\"id\":\"msg_abc\",\"type\":\"message\",\"role\":\"assistant\","  \
          "\"model\":\"GPT\\\"5\",\"diagnostics\":null,\"content\":[],\"container\":null," \
          "\"stop_details\":null,\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"  \
          "\"input_tokens\":9,\"cache_creation_input_tokens\":0,"                          \
          "\"cache_read_input_tokens\":0,\"output_tokens\":0," THOUGHT(                    \
              "0") "," NOTHING ",\"x_estimated\":true}}")
#define USAGE                                                                             \
    "\"usage\":{\"input_tokens\":4,\"cache_creation_input_tokens\":0,\"cache_read_input_" \
    "tokens\":3,\"output_tokens\":5," THOUGHT("2") "}"
#define END(reason, stop)                                                                  \
    EVENT("message_delta",                                                                 \
          ",\"delta\":{\"container\":null,\"stop_details\":null,\"stop_reason\":\"" reason \
          "\",\"stop_sequence\":" stop "}," USAGE)                                         \
    EVENT("message_stop", "")
#define TEXT_BLOCK "\"type\":\"text\",\"text\":\"\""
#define THINKING_BLOCK "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""
#define SIGNED(index) DELTA(index, "signature_delta", "signature", "unsigned")
#define TOOL_BLOCK(id, name)                                   \
    "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name \
    "\",\"caller\":{\"type\":\"direct\"},\"input\":{}"

static const struct dialect_ops *const d = &dialect_anthropic_messages;
static const struct chat_usage usage = {
    .prompt_tokens = 7, .completion_tokens = 5, .reasoning_tokens = 2, .cached_tokens = 3
};

struct rig {
    struct chat_request request;
    struct dialect_answer answer;
    struct arena arena;
    struct buf out;
    void *encoder;
};

static void set_up(struct rig *r, size_t max)
{
    *r = (struct rig){ .request = { .stream = true } };
    arena_init(&r->arena);
    buf_init(&r->out, max);
    r->answer = (struct dialect_answer){ .request = &r->request,
                                         .arena = &r->arena,
                                         .model = STR("GPT\"5"),
                                         .id = STR("abc"),
                                         .created_s = 1700000000,
                                         .prompt_tokens = 9 };
    r->encoder = arena_alloc(&r->arena, d->encoder_size);
}

static void tear_down(struct rig *r)
{
    buf_deinit(&r->out);
    arena_deinit(&r->arena);
}

static enum err finish(struct rig *r, enum chat_finish finish, const char *stop)
{
    const struct dialect_end end = { finish, str_of(stop) };
    enum err err = d->stream_choice_end(r->encoder, 0, &end, &r->out);

    return err ? err : d->stream_end(r->encoder, &usage, &r->out);
}

static enum err tool(struct rig *r, size_t index, const char *id, const char *name,
                     const char *arguments)
{
    const struct chat_tool_piece piece = { index, str_of(id), str_of(name), str_of(arguments) };

    return d->stream_tool(r->encoder, 0, &piece, &r->out);
}

/* All kinds of blocks. The first error, or ERR_NONE. */
static enum err stream(struct rig *r)
{
    enum err err = d->stream_begin(r->encoder, &r->answer, &r->out);

    if (!err)
        err = d->stream_reasoning(r->encoder, 0, STR("h"), &r->out);
    if (!err)
        err = d->stream_reasoning(r->encoder, 0, STR("m\n"), &r->out);
    if (!err)
        err = d->stream_keepalive(r->encoder, &r->out);
    if (!err)
        err = d->stream_text(r->encoder, 0, STR("\"Hi\""), &r->out);
    if (!err)
        err = d->stream_text(r->encoder, 0, STR(""), &r->out);
    if (!err)
        err = tool(r, 0, "t\"1", "f", "");
    if (!err)
        err = tool(r, 0, "", "", "{\"a\"");
    if (!err)
        err = tool(r, 0, "", "", ":1}");
    if (!err)
        err = tool(r, 1, "t2", "g", "{}");
    return err ? err : finish(r, CHAT_FINISH_TOOL_CALLS, "");
}

static void a_stream_has_the_events_of_the_api(void)
{
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(stream(&r), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/anthropic_messages.sse");
    tear_down(&r);
}

static void a_stream_that_breaks_off_ends_with_an_error(void)
{
    static const struct failure broken = { .kind = FAILURE_INTERRUPTED, .message = { "b\"", 2 } };
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(d->stream_text(r.encoder, 0, STR("Hi"), &r.out), ERR_NONE);
    EXPECT_INT(d->stream_error(r.encoder, &broken, &r.out), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/anthropic_messages_error.sse");
    tear_down(&r);
}

static void a_stream_that_is_stopped_says_where(void)
{
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(d->stream_text(r.encoder, 0, STR("Hi"), &r.out), ERR_NONE);
    EXPECT_INT(finish(&r, CHAT_FINISH_STOP, "END"), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/anthropic_messages_stop.sse");
    tear_down(&r);
}

static void every_finish_has_its_name(void)
{
    static const struct {
        enum chat_finish finish;
        const char *stop;
        const char *want;
    } rows[] = {
        { CHAT_FINISH_STOP, "", START END("end_turn", "null") },
        { CHAT_FINISH_STOP, "a\"", START END("stop_sequence", "\"a\\\"\"") },
        { CHAT_FINISH_LENGTH, "", START END("max_tokens", "null") },
        { CHAT_FINISH_TOOL_CALLS, "", START END("tool_use", "null") },
        { CHAT_FINISH_FILTER, "", START END("refusal", "null") },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;

        set_up(&r, 8192);
        EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
        EXPECT_INT(finish(&r, rows[i].finish, rows[i].stop), ERR_NONE);
        EXPECT_STR(buf_str(&r.out), rows[i].want);
        tear_down(&r);
    }
}

static void text_behind_a_tool_call_is_another_block(void)
{
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(tool(&r, 0, "t", "f", "{}"), ERR_NONE);
    EXPECT_INT(d->stream_text(r.encoder, 0, STR("a"), &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               OPEN("0", TOOL_BLOCK("t", "f")) DELTA("0", "input_json_delta", "partial_json", "{}")
                   CLOSE("0") OPEN("1", TEXT_BLOCK) DELTA("1", "text_delta", "text", "a"));
    tear_down(&r);
}

static void a_piece_of_a_closed_call_cannot_be_told(void)
{
    struct rig r;
    size_t before;

    set_up(&r, 8192);
    EXPECT_INT(tool(&r, 0, "t", "f", "{"), ERR_NONE);
    EXPECT_INT(tool(&r, 1, "u", "g", "{"), ERR_NONE);
    before = r.out.n;
    EXPECT_INT(tool(&r, 0, "", "", ""), ERR_NONE);
    EXPECT_INT(tool(&r, 0, "", "", "}"), ERR_PROTOCOL);
    EXPECT_INT(r.out.n, before);
    EXPECT_INT(tool(&r, 1, "", "", "}"), ERR_NONE);
    tear_down(&r);
}

static void half_an_event_never_goes_out(void)
{
    struct rig whole;

    set_up(&whole, 8192);
    EXPECT_INT(stream(&whole), ERR_NONE);
    for (size_t max = 0; max < whole.out.n; max++) {
        struct rig r;

        set_up(&r, max);
        EXPECT_INT(stream(&r), ERR_TOO_BIG);
        EXPECT(r.out.n == 0 || str_ends(buf_str(&r.out), STR("\n\n")));
        EXPECT(str_starts(buf_str(&whole.out), buf_str(&r.out)));
        tear_down(&r);
    }
    tear_down(&whole);
}

static void a_whole_answer_has_the_shape_of_the_api(void)
{
    const struct chat_tool_call calls[] = {
        { STR("t1"), STR("f"), STR(" {\"a\": 1}") },
        { STR("t2"), STR("g"), STR("") },
        { STR("t3"), STR("h"), STR("{\"a\"") },
        { STR("t4"), STR("i"), STR("[1]") },
    };
    const struct dialect_choice choice = { .text = STR("Hi\t"),
                                           .reasoning = STR("hm"),
                                           .tool_calls = calls,
                                           .n_tool_calls = COUNT_OF(calls),
                                           .end = { .finish = CHAT_FINISH_TOOL_CALLS } };
    const struct dialect_whole whole = { &choice, 1, usage };
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->whole(&r.answer, &whole, &r.out), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/anthropic_messages.json");
    for (size_t max = 0; max < 200; max++) {
        struct rig small;

        set_up(&small, max);
        EXPECT_INT(d->whole(&small.answer, &whole, &small.out), ERR_TOO_BIG);
        EXPECT(buf_is_empty(&small.out));
        tear_down(&small);
    }
    tear_down(&r);
}

static void errors_have_the_shape_of_the_api(void)
{
    static const struct failure busy = { .kind = FAILURE_OVERLOADED, .message = { "b\"", 2 } };
    static const char want[] = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                               "\"message\":\"b\\\"\"},\"request_id\":null}";
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->error(&busy, &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out), want);
    buf_clear(&r.out);
    EXPECT_INT(d->stream_error(NULL, &busy, &r.out), ERR_NONE);
    EXPECT(str_eq(buf_str(&r.out), arena_printf(&r.arena, "event: error\ndata: %s\n\n", want)));
    tear_down(&r);
}

static void a_thread_is_refused_so_that_its_client_sends_all(void)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                               "\"content\":\"x\"}],\"thread\":{\"type\":\"create\"}}";
    static const char want[] =
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
        "\"thread is not known here: send the whole history without it.\",\"details\":{"
        "\"error_code\":\"thread_unsupported_request\",\"unsupported\":[\"thread\"]}},"
        "\"request_id\":null}";
    struct chat_request request;
    struct failure failure;
    struct rig r;

    set_up(&r, 8192);
    EXPECT(!d->decode(str_of(body), &r.arena, &request, &failure));
    EXPECT_INT(failure_status(&failure), 400);
    EXPECT_INT(d->error(&failure, &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out), want);
    tear_down(&r);
}

static void a_piece_of_text_allocates_nothing(void)
{
    struct rig r;
    size_t used;

    set_up(&r, 1 << 16);
    EXPECT_INT(stream(&r), ERR_NONE);
    used = r.arena.used;
    mem_fail_nth(1);
    for (int i = 0; i < 100; i++) {
        buf_clear(&r.out);
        EXPECT_INT(d->stream_text(r.encoder, 0, STR("word"), &r.out), ERR_NONE);
    }
    mem_fail_nth(0);
    EXPECT(r.arena.used == used);
    tear_down(&r);
}

static const struct test suite[] = {
    { "a stream has the events of the API", a_stream_has_the_events_of_the_api },
    { "a stream that breaks off ends with an error", a_stream_that_breaks_off_ends_with_an_error },
    { "a stream that is stopped says where", a_stream_that_is_stopped_says_where },
    { "every finish has its name", every_finish_has_its_name },
    { "text behind a tool call is another block", text_behind_a_tool_call_is_another_block },
    { "a piece of a closed call cannot be told", a_piece_of_a_closed_call_cannot_be_told },
    { "half an event never goes out", half_an_event_never_goes_out },
    { "a whole answer has the shape of the API", a_whole_answer_has_the_shape_of_the_api },
    { "errors have the shape of the API", errors_have_the_shape_of_the_api },
    { "a thread is refused, so that its client sends all",
      a_thread_is_refused_so_that_its_client_sends_all },
    { "a piece of text allocates nothing", a_piece_of_text_allocates_nothing },
};

TEST_MAIN(suite)
