/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/dialect.h"

#include "base/mem.h"
#include "test.h"
#include "json/reader.h"

#define HEAD                                                               \
    "data: {\"id\":\"chatcmpl-abc\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1700000000,\"model\":\"GPT\\\"5\",\"choices\":["
#define CHOICE(delta, finish) \
    "{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish "}]"
#define CHUNK(delta, finish) HEAD CHOICE(delta, finish) "}\n\n"
#define CHUNK_OF_MORE(delta, finish) HEAD CHOICE(delta, finish) ",\"usage\":null}\n\n"
#define ROLE "\"role\":\"assistant\",\"content\":\"\""
#define USAGE                                                           \
    "{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12," \
    "\"prompt_tokens_details\":{\"cached_tokens\":3},"                  \
    "\"completion_tokens_details\":{\"reasoning_tokens\":2},\"x_estimated\":true}"
#define DONE "data: [DONE]\n\n"

static const struct chat_usage usage = { 7, 5, 2, true, 3 };
static const struct dialect_end stopped = { .finish = CHAT_FINISH_STOP };

/* An encoder with its answer. */
struct rig {
    struct chat_request request;
    struct dialect_answer answer;
    struct arena arena;
    struct buf out;
    void *encoder;
};

static void set_up(struct rig *r, bool include_usage, size_t max)
{
    *r = (struct rig){ .request = { .include_usage = include_usage } };
    arena_init(&r->arena);
    buf_init(&r->out, max);
    r->answer = (struct dialect_answer){ .request = &r->request,
                                         .arena = &r->arena,
                                         .model = STR("GPT\"5"),
                                         .id = STR("abc"),
                                         .created_s = 1700000000 };
    r->encoder = arena_alloc(&r->arena, dialect_openai_chat.encoder_size);
}

static void tear_down(struct rig *r)
{
    buf_deinit(&r->out);
    arena_deinit(&r->arena);
}

/* One answer: role, reasoning, text, an idle time, end. The first error, or ERR_NONE. */
static enum err stream(struct rig *r)
{
    const struct dialect_ops *d = &dialect_openai_chat;
    enum err err = d->stream_begin(r->encoder, &r->answer, &r->out);

    if (!err)
        err = d->stream_reasoning(r->encoder, 0, STR("hm\n"), &r->out);
    if (!err)
        err = d->stream_text(r->encoder, 0, STR("\"Hi\" \xf0\x9f\x98\x80"), &r->out);
    if (!err)
        err = d->stream_keepalive(r->encoder, &r->out);
    if (!err)
        err = d->stream_choice_end(r->encoder, 0, &stopped, &r->out);
    if (!err)
        err = d->stream_end(r->encoder, &usage, &r->out);
    return err;
}

static void a_stream_has_the_chunks_of_the_api(void)
{
    struct rig r;

    set_up(&r, false, 8192);
    EXPECT_INT(stream(&r), ERR_NONE);
    EXPECT_STR(buf_str(&r.out), CHUNK(ROLE, "null") CHUNK("\"reasoning_content\":\"hm\\n\"", "null")
                                    CHUNK("\"content\":\"\\\"Hi\\\" \xf0\x9f\x98\x80\"",
                                          "null") ": keep-alive\n\n" CHUNK("", "\"stop\"") DONE);
    tear_down(&r);
}

static void usage_comes_in_a_chunk_of_its_own_when_asked_for(void)
{
    struct rig r;

    set_up(&r, true, 8192);
    EXPECT_INT(stream(&r), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               CHUNK_OF_MORE(ROLE, "null") CHUNK_OF_MORE("\"reasoning_content\":\"hm\\n\"", "null")
                   CHUNK_OF_MORE("\"content\":\"\\\"Hi\\\" \xf0\x9f\x98\x80\"",
                                 "null") ": keep-alive\n\n" CHUNK_OF_MORE("", "\"stop\"") HEAD
               "],\"usage\":" USAGE "}\n\n" DONE);
    tear_down(&r);
}

static void every_finish_has_its_name(void)
{
    static const struct {
        enum chat_finish finish;
        const char *want;
    } rows[] = {
        { CHAT_FINISH_STOP, CHUNK("", "\"stop\"") DONE },
        { CHAT_FINISH_LENGTH, CHUNK("", "\"length\"") DONE },
        { CHAT_FINISH_TOOL_CALLS, CHUNK("", "\"tool_calls\"") DONE },
        { CHAT_FINISH_FILTER, CHUNK("", "\"content_filter\"") DONE },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;

        set_up(&r, false, 8192);
        EXPECT_INT(dialect_openai_chat.stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
        buf_clear(&r.out);
        EXPECT_INT(dialect_openai_chat.stream_choice_end(
                       r.encoder, 0, &(struct dialect_end){ .finish = rows[i].finish }, &r.out),
                   ERR_NONE);
        EXPECT_INT(dialect_openai_chat.stream_end(r.encoder, NULL, &r.out), ERR_NONE);
        EXPECT_STR(buf_str(&r.out), rows[i].want);
        tear_down(&r);
    }
}

static void half_a_chunk_never_goes_out(void)
{
    struct rig whole;

    set_up(&whole, true, 8192);
    EXPECT_INT(stream(&whole), ERR_NONE);
    for (size_t max = 0; max < whole.out.n; max++) {
        struct rig r;

        set_up(&r, true, max);
        EXPECT_INT(stream(&r), ERR_TOO_BIG);
        EXPECT(r.out.n == 0 || str_ends(buf_str(&r.out), STR("\n\n")));
        EXPECT(str_starts(buf_str(&whole.out), buf_str(&r.out)));
        tear_down(&r);
    }
    tear_down(&whole);
}

/* The model's name is too long for the room that an arena has. */
static void a_failing_allocation_is_reported(void)
{
    static char model[10000];
    uint64_t n = 0;
    enum err err;

    memset(model, 'm', sizeof(model));
    do {
        struct rig r;

        set_up(&r, true, 1 << 20);
        r.answer.model = (struct str){ model, sizeof(model) };
        mem_fail_nth(++n);
        err = stream(&r);
        mem_fail_nth(0);
        EXPECT(err == ERR_NONE || err == ERR_NOMEM);
        EXPECT(err || r.out.n > 5 * sizeof(model));
        tear_down(&r);
    } while (err);
    EXPECT(n > 3);
}

static void a_model_of_any_length_fits(void)
{
    struct rig r;
    char *model;

    set_up(&r, false, 1 << 20);
    model = arena_alloc(&r.arena, 10000);
    memset(model, '\x01', 10000);
    r.answer.model = (struct str){ model, 10000 };
    EXPECT_INT(stream(&r), ERR_NONE);
    EXPECT(r.out.n > 4 * 60000);
    tear_down(&r);
}

static void errors_have_the_shape_of_the_api(void)
{
    static const struct {
        struct failure failure;
        const char *want;
    } rows[] = {
        { { .kind = FAILURE_BAD_REQUEST,
            .message = { "bad \"x\".", 8 },
            .param = { "messages[0].role", 16 } },
          "{\"error\":{\"message\":\"bad \\\"x\\\".\",\"type\":\"invalid_request_error\","
          "\"param\":\"messages[0].role\",\"code\":null}}" },
        { { .kind = FAILURE_QUEUE_TIMEOUT, .message = { "busy", 4 } },
          "{\"error\":{\"message\":\"busy\",\"type\":\"rate_limit_error\",\"param\":null,"
          "\"code\":\"queue_timeout\"}}" },
        { { .kind = FAILURE_PROTOCOL, .message = { "odd \xff byte", 10 } },
          "{\"error\":{\"message\":\"odd \xef\xbf\xbd byte\",\"type\":\"upstream_error\","
          "\"param\":null,\"code\":\"upstream_protocol\"}}" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena a;
        struct buf out;

        arena_init(&a);
        buf_init(&out, 1024);
        EXPECT_INT(dialect_openai_chat.error(&rows[i].failure, &out), ERR_NONE);
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_clear(&out);
        EXPECT_INT(dialect_openai_chat.stream_error(NULL, &rows[i].failure, &out), ERR_NONE);
        EXPECT(str_eq(buf_str(&out), arena_printf(&a, "data: %s\n\n", rows[i].want)));
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void an_error_that_does_not_fit_leaves_nothing(void)
{
    static const struct failure failure = { .kind = FAILURE_QUOTA, .message = { "spent", 5 } };

    for (size_t max = 0; max < 80; max++) {
        struct buf out;

        buf_init(&out, max);
        EXPECT_INT(dialect_openai_chat.stream_error(NULL, &failure, &out), ERR_TOO_BIG);
        EXPECT(buf_is_empty(&out));
        EXPECT_INT(dialect_openai_chat.error(&failure, &out), ERR_TOO_BIG);
        EXPECT(buf_is_empty(&out));
        buf_deinit(&out);
    }
}

static void a_whole_answer_has_the_shape_of_the_api(void)
{
    const struct dialect_choice choice = { .text = STR("Hi\t\"you\"") };
    const struct dialect_whole whole = { &choice, 1, usage };
    struct rig r;

    set_up(&r, false, 8192);
    EXPECT_INT(dialect_openai_chat.whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               "{\"id\":\"chatcmpl-abc\",\"object\":\"chat.completion\",\"created\":1700000000,"
               "\"model\":\"GPT\\\"5\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
               "\"assistant\",\"content\":\"Hi\\t\\\"you\\\"\",\"refusal\":null},\"logprobs\":null,"
               "\"finish_reason\":\"stop\"}],\"usage\":" USAGE ",\"system_fingerprint\":null}");
    tear_down(&r);
}

static void reasoning_stands_beside_the_text_of_a_whole_answer(void)
{
    const struct dialect_choice choice = { .reasoning = STR("hm"),
                                           .end = { .finish = CHAT_FINISH_LENGTH } };
    const struct dialect_whole whole = { &choice, 1, usage };
    struct json_value message;
    struct rig r;

    set_up(&r, false, 8192);
    EXPECT_INT(dialect_openai_chat.whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT_INT(json_find(buf_str(&r.out), &message, "choices", NULL), ERR_NONE);
    EXPECT_STR(message.raw, "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\","
                            "\"reasoning_content\":\"hm\",\"refusal\":null},\"logprobs\":null,"
                            "\"finish_reason\":\"length\"}]");
    tear_down(&r);
}

static void a_whole_answer_that_does_not_fit_leaves_nothing(void)
{
    const struct dialect_choice choice = { .text = STR("Hi") };
    const struct dialect_whole whole = { &choice, 1, usage };

    for (size_t max = 0; max < 200; max++) {
        struct rig r;

        set_up(&r, false, max);
        EXPECT_INT(dialect_openai_chat.whole(&r.answer, &whole, &r.out), ERR_TOO_BIG);
        EXPECT(buf_is_empty(&r.out));
        tear_down(&r);
    }
}

static void a_chunk_of_text_allocates_nothing(void)
{
    struct rig r;
    size_t used;

    set_up(&r, false, 1 << 16);
    EXPECT_INT(stream(&r), ERR_NONE);
    used = r.arena.used;
    mem_fail_nth(1);
    for (int i = 0; i < 100; i++) {
        buf_clear(&r.out);
        EXPECT_INT(dialect_openai_chat.stream_text(r.encoder, 0, STR("word"), &r.out), ERR_NONE);
    }
    mem_fail_nth(0);
    EXPECT(r.arena.used == used);
    tear_down(&r);
}

/* ---- tools, and several choices ---- */

static void a_tool_call_tells_its_name_once(void)
{
    const struct chat_tool_piece pieces[] = {
        { 0, STR("c\"1"), STR("f"), STR("") },
        { 0, STR(""), STR(""), STR("{\"a\"") },
        { 1, STR("c2"), STR("g"), STR("{}") },
    };
    struct rig r;

    set_up(&r, false, 8192);
    EXPECT_INT(dialect_openai_chat.stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    buf_clear(&r.out);
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        EXPECT_INT(dialect_openai_chat.stream_tool(r.encoder, 0, &pieces[i], &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"c\\\"1\",\"type\":\"function\","
                     "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]",
                     "null") CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
                                   "\"{\\\"a\\\"\"}}]",
                                   "null")
                   CHUNK("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\","
                         "\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]",
                         "null"));
    tear_down(&r);
}

static void a_whole_answer_has_its_tool_calls(void)
{
    const struct chat_tool_call call = { STR("c1"), STR("f"), STR("{\"a\":1}") };
    const struct dialect_choice choice = { .tool_calls = &call,
                                           .n_tool_calls = 1,
                                           .end = { .finish = CHAT_FINISH_TOOL_CALLS } };
    const struct dialect_whole whole = { &choice, 1, usage };
    struct json_value choices;
    struct rig r;

    set_up(&r, false, 8192);
    EXPECT_INT(dialect_openai_chat.whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT_INT(json_find(buf_str(&r.out), &choices, "choices", NULL), ERR_NONE);
    EXPECT_STR(
        choices.raw,
        "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
        "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"a\\\":1}\"}}],\"refusal\":null},\"logprobs\":null,\"finish_reason\":"
        "\"tool_calls\"}]");
    tear_down(&r);
}

#define SECOND(delta, finish)                                                                   \
    HEAD "{\"index\":1,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish "}]}" \
         "\n\n"

static void several_choices_have_their_indexes(void)
{
    const struct dialect_choice choices[] = { { .text = STR("a") }, { .text = STR("b") } };
    const struct dialect_whole whole = { choices, 2, usage };
    struct rig r;

    set_up(&r, false, 8192);
    r.request.n = 2;
    EXPECT_INT(dialect_openai_chat.stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(dialect_openai_chat.stream_text(r.encoder, 1, STR("b"), &r.out), ERR_NONE);
    EXPECT_INT(dialect_openai_chat.stream_choice_end(r.encoder, 1, &stopped, &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out), CHUNK(ROLE, "null") SECOND(ROLE, "null")
                                    SECOND("\"content\":\"b\"", "null") SECOND("", "\"stop\""));
    buf_clear(&r.out);
    EXPECT_INT(dialect_openai_chat.whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT(str_find(buf_str(&r.out), STR("{\"index\":1,\"message\":{\"role\":\"assistant\","
                                         "\"content\":\"b\"")) != SIZE_MAX);
    tear_down(&r);
}

static const struct test suite[] = {
    { "a stream has the chunks of the API", a_stream_has_the_chunks_of_the_api },
    { "usage comes in a chunk of its own when asked for",
      usage_comes_in_a_chunk_of_its_own_when_asked_for },
    { "every finish has its name", every_finish_has_its_name },
    { "half a chunk never goes out", half_a_chunk_never_goes_out },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
    { "a model of any length fits", a_model_of_any_length_fits },
    { "errors have the shape of the API", errors_have_the_shape_of_the_api },
    { "an error that does not fit leaves nothing", an_error_that_does_not_fit_leaves_nothing },
    { "a whole answer has the shape of the API", a_whole_answer_has_the_shape_of_the_api },
    { "reasoning stands beside the text of a whole answer",
      reasoning_stands_beside_the_text_of_a_whole_answer },
    { "a whole answer that does not fit leaves nothing",
      a_whole_answer_that_does_not_fit_leaves_nothing },
    { "a tool call tells its name once", a_tool_call_tells_its_name_once },
    { "a whole answer has its tool calls", a_whole_answer_has_its_tool_calls },
    { "several choices have their indexes", several_choices_have_their_indexes },
    { "a chunk of text allocates nothing", a_chunk_of_text_allocates_nothing },
};

TEST_MAIN(suite)
