/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the responses API, byte for byte: tests/data/golden/openai_responses*. */
#include "dialect/dialect.h"

#include "base/mem.h"
#include "golden.h"
#include "json/reader.h"

static const struct dialect_ops *const d = &dialect_openai_responses;
static const struct chat_usage usage = { 7, 5, 2, true, 3 };
static const struct chat_parameter repeated[] = {
    { "instructions", { "\"be \\\"brief\\\"\"", 14 } },
    { "temperature", { "0.50", 4 } },
    { "tools", { "[{\"type\":\"function\"}]", 21 } },
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
                                         .created_s = 1700000000 };
    r->encoder = arena_alloc(&r->arena, d->encoder_size);
}

static void tear_down(struct rig *r)
{
    buf_deinit(&r->out);
    arena_deinit(&r->arena);
}

static enum err tool(struct rig *r, size_t index, const char *id, const char *name,
                     const char *arguments)
{
    const struct chat_tool_piece piece = { index, str_of(id), str_of(name), str_of(arguments) };

    return d->stream_tool(r->encoder, 0, &piece, &r->out);
}

static enum err finish(struct rig *r, enum chat_finish finish)
{
    const struct dialect_end end = { .finish = finish };
    enum err err = d->stream_choice_end(r->encoder, 0, &end, &r->out);

    return err ? err : d->stream_end(r->encoder, &usage, &r->out);
}

/* All kinds of items; the calls' pieces come in turns. The first error, or ERR_NONE. */
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
        err = d->stream_text(r->encoder, 0, STR("!"), &r->out);
    if (!err)
        err = tool(r, 0, "c1", "f", "");
    if (!err)
        err = tool(r, 1, "c2", "g", "{\"b\"");
    if (!err)
        err = tool(r, 0, "", "", "{}");
    if (!err)
        err = tool(r, 1, "", "", ":1}");
    return err ? err : finish(r, CHAT_FINISH_TOOL_CALLS);
}

static void a_stream_has_the_events_of_the_api(void)
{
    struct rig r;

    set_up(&r, 1 << 16);
    r.request.repeated = repeated;
    r.request.n_repeated = COUNT_OF(repeated);
    EXPECT_INT(stream(&r), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/openai_responses.sse");
    tear_down(&r);
}

static const struct chat_tool custom[] = { { .name = { "f", 1 } },
                                           { .name = { "p", 1 }, .is_custom = true } };

/* Their input goes out when all of it is there; arguments that are none, as they are. */
static void a_call_of_a_custom_tool_has_events_of_its_own(void)
{
    static const char *const events[] = {
        "\"item\":{\"id\":\"ctc_abc_1\",\"type\":\"custom_tool_call\",\"status\":\"in_progress\","
        "\"call_id\":\"c2\",\"name\":\"p\",\"input\":\"\"}",
        "\"type\":\"response.custom_tool_call_input.delta\",\"sequence_number\":8,\"item_id\":"
        "\"ctc_abc_1\",\"output_index\":1,\"delta\":\"a \\\"b\\\"\\n\"}",
        "\"type\":\"response.custom_tool_call_input.done\",\"sequence_number\":9,\"item_id\":"
        "\"ctc_abc_1\",\"output_index\":1,\"input\":\"a \\\"b\\\"\\n\"}",
        "\"item\":{\"id\":\"ctc_abc_1\",\"type\":\"custom_tool_call\",\"status\":\"completed\","
        "\"call_id\":\"c2\",\"name\":\"p\",\"input\":\"a \\\"b\\\"\\n\"}",
        "\"name\":\"p\",\"input\":\"{\\\"x\\\":1}\"}",
    };
    struct rig r;

    set_up(&r, 1 << 16);
    r.request.tools = (struct chat_tools){ .list = custom, .n = COUNT_OF(custom) };
    EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(tool(&r, 0, "c1", "f", "{}"), ERR_NONE);
    EXPECT_INT(tool(&r, 1, "c2", "p", "{\"input\": \"a \\\"b\\"), ERR_NONE);
    EXPECT_INT(tool(&r, 2, "c3", "p", "{\"x\":1}"), ERR_NONE);
    EXPECT_INT(tool(&r, 1, "", "", "\"\\u000a\"}"), ERR_NONE);
    EXPECT_INT(finish(&r, CHAT_FINISH_TOOL_CALLS), ERR_NONE);
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (str_find(buf_str(&r.out), str_of(events[i])) == SIZE_MAX)
            fail_msg("%s is not in %.*s", events[i], STR_ARGS(buf_str(&r.out)));
    tear_down(&r);
}

/* What no tool of free text takes is lost nowhere. */
static void a_whole_answer_has_calls_of_custom_tools(void)
{
    static const char *const rows[][2] = {
        { "{\"input\":\"a\\tb\"}", "\"a\\tb\"" },
        { " { \"\\u0069nput\" : \"\" } ", "\"\"" },
        { "{\"input\":\"a\",\"why\":\"b\"}",
          "\"{\\\"input\\\":\\\"a\\\",\\\"why\\\":\\\"b\\\"}\"" },
        { "{\"why\":\"b\",\"input\":\"a\"}",
          "\"{\\\"why\\\":\\\"b\\\",\\\"input\\\":\\\"a\\\"}\"" },
        { "{\"input\":5}", "\"{\\\"input\\\":5}\"" },
        { "{}", "\"{}\"" },
        { "\"a\"", "\"\\\"a\\\"\"" },
        { "{\"input\":\"a", "\"{\\\"input\\\":\\\"a\"" },
        { "", "\"\"" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct chat_tool_call calls[] = { { STR("c1"), STR("p"), str_of(rows[i][0]) },
                                                { STR("c2"), STR("f"), STR("{}") } };
        const struct dialect_choice choice = { .tool_calls = calls,
                                               .n_tool_calls = COUNT_OF(calls),
                                               .end = { .finish = CHAT_FINISH_TOOL_CALLS } };
        const struct dialect_whole whole = { .choices = &choice, .n_choices = 1 };
        struct str want;
        struct rig r;

        set_up(&r, 1 << 16);
        r.request.tools = (struct chat_tools){ .list = custom, .n = COUNT_OF(custom) };
        EXPECT_INT(d->whole(&r.answer, &whole, &r.out), ERR_NONE);
        want = arena_printf(&r.arena,
                            "\"output\":[{\"id\":\"ctc_abc_0\",\"type\":\"custom_tool_call\","
                            "\"status\":\"completed\",\"call_id\":\"c1\",\"name\":\"p\",\"input\":"
                            "%s},{\"id\":\"fc_abc_1\"",
                            rows[i][1]);
        if (str_find(buf_str(&r.out), want) == SIZE_MAX)
            fail_msg("%s gives %.*s", rows[i][0], STR_ARGS(buf_str(&r.out)));
        tear_down(&r);
    }
}

/* Numbers without a gap, from 0. */
static void events_are_numbered(void)
{
    int64_t n = 0;
    struct str rest;
    struct rig r;

    set_up(&r, 1 << 16);
    EXPECT_INT(stream(&r), ERR_NONE);
    rest = buf_str(&r.out);
    while (rest.n > 0) {
        struct str line = str_cut(rest, '\n', &rest);
        struct json_value v;
        int64_t number;

        if (!str_starts(line, STR("data: ")))
            continue;
        EXPECT_INT(json_find(str_from(line, 6), &v, "sequence_number", NULL), ERR_NONE);
        EXPECT_INT(json_int(&v, &number), ERR_NONE);
        EXPECT_INT(number, n++);
    }
    EXPECT_INT(n, 26);
    tear_down(&r);
}

static void an_answer_that_was_cut_is_incomplete(void)
{
    static const struct {
        enum chat_finish finish;
        const char *event, *status, *details;
    } rows[] = {
        { CHAT_FINISH_STOP, "event: response.completed\n", "\"completed\"", "null" },
        { CHAT_FINISH_TOOL_CALLS, "event: response.completed\n", "\"completed\"", "null" },
        { CHAT_FINISH_LENGTH, "event: response.incomplete\n", "\"incomplete\"",
          "{\"reason\":\"max_output_tokens\"}" },
        { CHAT_FINISH_FILTER, "event: response.incomplete\n", "\"incomplete\"",
          "{\"reason\":\"content_filter\"}" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_value v;
        struct str json;
        struct rig r;

        set_up(&r, 1 << 16);
        EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
        buf_clear(&r.out);
        EXPECT_INT(finish(&r, rows[i].finish), ERR_NONE);
        EXPECT(str_starts(buf_str(&r.out), str_of(rows[i].event)));
        json = str_from(buf_str(&r.out), str_find(buf_str(&r.out), STR("data: ")) + 6);
        EXPECT_INT(json_find(json, &v, "response", "status", NULL), ERR_NONE);
        EXPECT_STR(v.raw, rows[i].status);
        EXPECT_INT(json_find(json, &v, "response", "incomplete_details", NULL), ERR_NONE);
        EXPECT_STR(v.raw, rows[i].details);
        tear_down(&r);
    }
}

static void a_stream_that_was_cut_has_its_events(void)
{
    struct rig r;

    set_up(&r, 1 << 16);
    r.answer.is_kept = true;
    EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(d->stream_text(r.encoder, 0, STR("Hi"), &r.out), ERR_NONE);
    r.answer.is_kept = false; /* it could not be kept after all */
    EXPECT_INT(finish(&r, CHAT_FINISH_LENGTH), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/openai_responses_incomplete.sse");
    tear_down(&r);
}

static void half_an_event_never_goes_out(void)
{
    struct rig whole;

    set_up(&whole, 1 << 16);
    EXPECT_INT(stream(&whole), ERR_NONE);
    for (size_t max = 0; max < whole.out.n; max += 7) {
        struct rig r;

        set_up(&r, max);
        EXPECT_INT(stream(&r), ERR_TOO_BIG);
        EXPECT(r.out.n == 0 || str_ends(buf_str(&r.out), STR("\n\n")));
        EXPECT(str_starts(buf_str(&whole.out), buf_str(&r.out)));
        tear_down(&r);
    }
    tear_down(&whole);
}

static void a_failing_allocation_is_reported(void)
{
    uint64_t n = 0;
    enum err err;

    do {
        struct rig r;

        set_up(&r, 1 << 16);
        mem_fail_nth(++n);
        err = stream(&r);
        mem_fail_nth(0);
        EXPECT(err == ERR_NONE || err == ERR_NOMEM);
        tear_down(&r);
    } while (err);
    EXPECT(n > 4);
}

static void a_whole_answer_has_the_shape_of_the_api(void)
{
    const struct chat_tool_call call = { STR("c1"), STR("f"), STR("{\"a\":1}") };
    const struct dialect_choice choice = { .text = STR("Hi\t"),
                                           .reasoning = STR("hm"),
                                           .tool_calls = &call,
                                           .n_tool_calls = 1,
                                           .end = { .finish = CHAT_FINISH_TOOL_CALLS } };
    const struct dialect_whole whole = { &choice, 1, usage };
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT_INT(buf_add_char(&r.out, '\n'), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/openai_responses.json");
    tear_down(&r);
}

static void a_failure_in_the_middle_is_told_in_both_ways(void)
{
    static const struct failure busy = { .kind = FAILURE_INTERRUPTED, .message = { "cut\"", 4 } };
    struct rig r;

    set_up(&r, 1 << 16);
    EXPECT_INT(d->stream_begin(r.encoder, &r.answer, &r.out), ERR_NONE);
    EXPECT_INT(d->stream_text(r.encoder, 0, STR("a"), &r.out), ERR_NONE);
    buf_clear(&r.out);
    EXPECT_INT(d->stream_error(r.encoder, &busy, &r.out), ERR_NONE);
    expect_file(buf_str(&r.out), "tests/data/golden/openai_responses_error.sse");
    tear_down(&r);
}

static const struct test suite[] = {
    { "a stream has the events of the API", a_stream_has_the_events_of_the_api },
    { "a call of a custom tool has events of its own",
      a_call_of_a_custom_tool_has_events_of_its_own },
    { "a whole answer has calls of custom tools", a_whole_answer_has_calls_of_custom_tools },
    { "events are numbered", events_are_numbered },
    { "an answer that was cut is incomplete", an_answer_that_was_cut_is_incomplete },
    { "a stream that was cut has its events", a_stream_that_was_cut_has_its_events },
    { "half an event never goes out", half_an_event_never_goes_out },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
    { "a whole answer has the shape of the API", a_whole_answer_has_the_shape_of_the_api },
    { "a failure in the middle is told in both ways",
      a_failure_in_the_middle_is_told_in_both_ways },
};

TEST_MAIN(suite)
