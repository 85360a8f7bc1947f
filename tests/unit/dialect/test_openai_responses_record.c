/* SPDX-License-Identifier: Apache-2.0 */
/* Kept answers of the responses API: a record is written, gone on from, and looked at. */
#include "dialect/openai_responses.h"

#include "base/mem.h"
#include "listing.h"

static const struct dialect_ops *const d = &dialect_openai_responses;

struct rig {
    struct arena arena;
    struct chat_request request;
    struct dialect_answer answer;
    struct dialect_whole whole;
    struct dialect_choice choice;
    struct buf out;
};

static const struct chat_tool_call calls[] = { { { "c1", 2 }, { "f", 1 }, { "{}", 2 } } };

static void set_up(struct rig *r)
{
    *r = (struct rig){ .choice = { .text = STR("A"), .end = { .finish = CHAT_FINISH_STOP } } };
    arena_init(&r->arena);
    buf_init(&r->out, 1 << 16);
    r->whole = (struct dialect_whole){ .choices = &r->choice, .n_choices = 1 };
    r->answer = (struct dialect_answer){ .request = &r->request,
                                         .arena = &r->arena,
                                         .model = STR("m"),
                                         .id = STR("x"),
                                         .is_kept = true };
}

static void tear_down(struct rig *r)
{
    buf_deinit(&r->out);
    arena_deinit(&r->arena);
}

static bool decode(struct rig *r, const char *body)
{
    struct failure f = { .kind = FAILURE_NONE };

    return d->decode(str_of(body), &r->arena, &r->request, &f);
}

/* The record of the answer to `body`, which goes on from the record that the rig has. */
static void answer(struct rig *r, const char *body)
{
    struct str past = arena_dup(&r->arena, buf_str(&r->out));

    r->request = (struct chat_request){ .past = past.n ? past : (struct str){ NULL, 0 } };
    EXPECT(decode(r, body));
    buf_clear(&r->out);
    EXPECT_INT(d->record(NULL, &r->answer, &r->whole, &r->out), ERR_NONE);
}

static void expect_messages(const struct rig *r, const char *want)
{
    struct buf got;

    buf_init(&got, 1 << 16);
    for (size_t i = 0; i < r->request.n_messages; i++)
        list_message(&r->request.messages[i], &got);
    EXPECT_STR(buf_str(&got), want);
    buf_deinit(&got);
}

#define ON "\"previous_response_id\":\"resp_x\""

static void a_request_goes_on_from_a_record(void)
{
    struct rig r;

    set_up(&r);
    answer(&r, "{\"input\":\"hi\",\"instructions\":\"be\"}");
    expect_messages(&r, "system(be)user(hi)");
    r.choice.reasoning = STR("hm");
    r.choice.tool_calls = calls;
    r.choice.n_tool_calls = 1;
    answer(&r, "{" ON ",\"input\":[{\"role\":\"user\",\"content\":\"two\"}]}");
    expect_messages(&r, "user(hi)assistant(A)user(two)"); /* instructions are of one request */
    answer(&r, "{\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":"
               "\"o\"}]," ON ",\"instructions\":\"now\"}");
    expect_messages(&r, "system(now)user(hi)assistant(A)user(two)assistant(A{c1 f {}}<hm>)"
                        "tool(o#c1)");
    tear_down(&r);
}

static void what_is_new_must_be_there(void)
{
    struct rig r;

    set_up(&r);
    answer(&r, "{\"input\":\"hi\"}");
    r.request = (struct chat_request){ .past = buf_str(&r.out) };
    EXPECT(!decode(&r, "{" ON "}"));
    EXPECT(!decode(&r, "{" ON ",\"input\":[]}"));
    r.request.past = STR("{\"input\":[]}");
    EXPECT(!decode(&r, "{" ON ",\"input\":\"hi\"}"));
    tear_down(&r);
}

static void an_answer_is_kept_unless_the_client_says_no(void)
{
    struct rig r;

    set_up(&r);
    EXPECT(decode(&r, "{\"input\":\"hi\"}"));
    EXPECT(r.request.keeps);
    EXPECT(decode(&r, "{\"input\":\"hi\",\"store\":true}"));
    EXPECT(r.request.keeps);
    EXPECT(decode(&r, "{\"input\":\"hi\",\"store\":false}"));
    EXPECT(!r.request.keeps);
    tear_down(&r);
}

static void a_stream_leaves_the_same_record(void)
{
    const struct chat_tool_piece piece = { 0, STR("c1"), STR("f"), STR("{}") };
    void *encoder;
    struct buf events, streamed;
    struct rig r;

    set_up(&r);
    r.choice.tool_calls = calls;
    r.choice.n_tool_calls = 1;
    answer(&r, "{\"input\":\"hi\"}");
    buf_init(&events, 1 << 16);
    buf_init(&streamed, 1 << 16);
    encoder = arena_alloc(&r.arena, d->encoder_size);
    EXPECT_INT(d->stream_begin(encoder, &r.answer, &events), ERR_NONE);
    EXPECT_INT(d->stream_text(encoder, 0, STR("A"), &events), ERR_NONE);
    EXPECT_INT(d->stream_tool(encoder, 0, &piece, &events), ERR_NONE);
    EXPECT_INT(d->stream_choice_end(encoder, 0, &r.choice.end, &events), ERR_NONE);
    EXPECT_INT(d->record(encoder, &r.answer, &r.whole, &streamed), ERR_NONE);
    EXPECT(str_eq(buf_str(&streamed), buf_str(&r.out)));
    EXPECT_INT(d->stream_end(encoder, &r.whole.usage, &events), ERR_NONE);
    buf_deinit(&streamed);
    buf_deinit(&events);
    tear_down(&r);
}

static void the_answer_of_a_record_is_that_of_the_api(void)
{
    struct str response;
    struct buf whole;
    struct rig r;

    set_up(&r);
    answer(&r, "{\"input\":\"hi\"}");
    buf_init(&whole, 1 << 16);
    EXPECT_INT(d->whole(&r.answer, &r.whole, &whole), ERR_NONE);
    EXPECT(responses_of_record(buf_str(&r.out), &response));
    EXPECT(str_eq(response, buf_str(&whole)));
    EXPECT(str_find(response, STR("\"store\":true")) != SIZE_MAX);
    buf_deinit(&whole);
    EXPECT(!responses_of_record(STR("{\"input\":[],\"response\":{}}"), &response));
    EXPECT(!responses_of_record(STR("[]"), &response));
    EXPECT(!responses_of_record(STR(""), &response));
    tear_down(&r);
}

static const struct {
    const char *body;
    const char *want; /* NULL: none */
} bodies[] = {
    { "{" ON "}", "resp_x" },
    { "{\"a\":{" ON "}}", NULL },
    { "{\"previous_response_id\":null}", NULL },
    { "{\"previous_response_id\":7}", NULL },
    { "{\"previous_response_id\":\"a\"," ON "}", "resp_x" },
    { "{" ON, NULL },
    { "[" ON "]", NULL },
    { "{\"input\":\"previous_response_id\"}", NULL },
};

static void finds_what_a_body_goes_on_from(void)
{
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct arena a;
        struct str id = { NULL, 0 };

        arena_init(&a);
        if (responses_previous(str_of(bodies[i].body), &a, &id) != (bodies[i].want != NULL) ||
            (bodies[i].want && !str_eq(id, str_of(bodies[i].want))))
            fail_msg("%s: %.*s", bodies[i].body, STR_ARGS(id));
        arena_deinit(&a);
    }
}

#define THREE                                                                                   \
    "{\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"message\",\"id\":\"m\","     \
    "\"role\":\"assistant\",\"content\":\"b\"},{\"type\":\"function_call_output\",\"call_id\":" \
    "\"c\",\"output\":\"d\",\"status\":\"in_progress\"}],\"response\":{\"output\":[]}}"
#define FIRST                                                                                  \
    "{\"id\":\"item_0\",\"type\":\"message\",\"status\":\"completed\",\"content\":[{\"type\":" \
    "\"input_text\",\"text\":\"a\"}],\"role\":\"user\"}"
#define SECOND                                                                            \
    "{\"id\":\"m\",\"type\":\"message\",\"status\":\"completed\",\"content\":[{\"type\":" \
    "\"output_text\",\"text\":\"b\",\"annotations\":[]}],\"role\":\"assistant\"}"
#define THIRD                                                                          \
    "{\"id\":\"item_2\",\"type\":\"function_call_output\",\"status\":\"in_progress\"," \
    "\"call_id\":\"c\",\"output\":\"d\"}"
#define PAGE(items, first, last, more)                                                   \
    "{\"object\":\"list\",\"data\":[" items "],\"first_id\":" first ",\"last_id\":" last \
    ",\"has_more\":" more "}"

static const struct {
    struct responses_page page;
    const char *want; /* NULL: ERR_BAD_INPUT */
} pages[] = {
    { { 20, true, { NULL, 0 } },
      PAGE(FIRST "," SECOND "," THIRD, "\"item_0\"", "\"item_2\"", "false") },
    { { 2, false, { NULL, 0 } }, PAGE(THIRD "," SECOND, "\"item_2\"", "\"m\"", "true") },
    { { 2, false, { "m", 1 } }, PAGE(FIRST, "\"item_0\"", "\"item_0\"", "false") },
    { { 2, true, { "item_2", 6 } }, PAGE("", "null", "null", "false") },
    { { 2, true, { "item_3", 6 } }, NULL },
};

static void lists_input_in_pages(void)
{
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        enum err want = pages[i].want ? ERR_NONE : ERR_BAD_INPUT;
        struct arena a;
        struct buf out;

        arena_init(&a);
        buf_init(&out, 1 << 16);
        EXPECT_INT(responses_list_input(STR(THREE), &pages[i].page, &a, &out), want);
        if (pages[i].want)
            EXPECT_STR(buf_str(&out), pages[i].want);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void what_does_not_fit_leaves_nothing(void)
{
    const struct responses_page page = { .limit = 9 };
    struct rig r;

    set_up(&r);
    EXPECT(decode(&r, "{\"input\":\"hi\"}"));
    r.out.max = 100;
    EXPECT_INT(d->record(NULL, &r.answer, &r.whole, &r.out), ERR_TOO_BIG);
    EXPECT_INT(r.out.n, 0);
    EXPECT_INT(responses_list_input(STR(THREE), &page, &r.arena, &r.out), ERR_TOO_BIG);
    EXPECT_INT(r.out.n, 0);
    mem_fail_nth(1);
    EXPECT(responses_list_input(STR(THREE), &page, &r.arena, &r.out) != ERR_NONE);
    mem_fail_nth(0);
    tear_down(&r);
}

static const struct test suite[] = {
    { "a request goes on from a record", a_request_goes_on_from_a_record },
    { "what is new must be there", what_is_new_must_be_there },
    { "an answer is kept unless the client says no", an_answer_is_kept_unless_the_client_says_no },
    { "a stream leaves the same record", a_stream_leaves_the_same_record },
    { "the answer of a record is that of the API", the_answer_of_a_record_is_that_of_the_api },
    { "finds what a body goes on from", finds_what_a_body_goes_on_from },
    { "lists input in pages", lists_input_in_pages },
    { "what does not fit leaves nothing", what_does_not_fit_leaves_nothing },
};

TEST_MAIN(suite)
