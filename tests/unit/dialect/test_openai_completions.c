/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI's former completions, both ways. */
#include "dialect/dialect.h"

#include "listing.h"

static const struct dialect_ops *const d = &dialect_openai_completions;
static const struct chat_usage usage = { .prompt_tokens = 7, .completion_tokens = 5 };

#define BODY(members) "{\"prompt\":\"hi\"," members "}"

static bool decode(const char *body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    *ret = (struct chat_request){ 0 };
    *f = (struct failure){ 0 };
    return d->decode(str_of(body), a, ret, f);
}

static void reads_a_prompt_and_what_is_asked(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { BODY("\"x\":1"), "user(hi)0; 0||||0; 0 0" },
        { "{\"prompt\":[\"a\\n\"],\"n\":3,\"stop\":\"x\",\"max_tokens\":9}",
          "user(a\n)0; 0||||0; 'x' 9 3" },
        { BODY("\"temperature\":1e0,\"suffix\":\"\",\"echo\":false,\"best_of\":1,\"logprobs\":null,"
               "\"logit_bias\":{},\"user\":\"u\",\"seed\":-0"),
          "user(hi)0; 0||||0; 0 0 temperature=1e0 user=\"u\" seed=-0" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;
        struct buf out;

        arena_init(&a);
        buf_init(&out, 4096);
        if (!decode(rows[i].body, &a, &r, &f))
            fail_msg("%s: %.*s", rows[i].body, STR_ARGS(f.message));
        list_message(&r.messages[0], &out);
        list_shape(&r, &out);
        for (size_t k = 0; k < r.n_parameters; k++)
            EXPECT(
                !buf_addf(&out, " %s=%.*s", r.parameters[k].name, STR_ARGS(r.parameters[k].json)));
        EXPECT_STR(buf_str(&out), rows[i].want);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void names_what_is_refused(void)
{
    static const struct {
        const char *body;
        const char *param;
    } rows[] = {
        { "{}", "prompt" },
        { "{\"prompt\":null}", "prompt" },
        { "{\"prompt\":5}", "prompt" },
        { "{\"prompt\":[]}", "prompt" },
        { "{\"prompt\":[1,2]}", "prompt" },
        { "{\"prompt\":[[1]]}", "prompt" },
        { "{\"prompt\":[\"a\",\"b\"]}", "prompt" },
        { BODY("\"suffix\":\"x\""), "suffix" },
        { BODY("\"echo\":true"), "echo" },
        { BODY("\"best_of\":2"), "best_of" },
        { BODY("\"logprobs\":0"), "logprobs" },
        { BODY("\"logit_bias\":{\"1\":2}"), "logit_bias" },
        { BODY("\"n\":0"), "n" },
        { BODY("\"max_tokens\":\"x\""), "max_tokens" },
        { BODY("\"stream_options\":5"), "stream_options" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        if (decode(rows[i].body, &a, &r, &f))
            fail_msg("taken: %s", rows[i].body);
        EXPECT_INT(f.kind, FAILURE_BAD_REQUEST);
        EXPECT_STR(f.param, rows[i].param);
        EXPECT(str_starts(f.message, f.param));
        arena_deinit(&a);
    }
}

/* ---- answers ---- */

#define HEAD                                                                                    \
    "data: {\"id\":\"cmpl-abc\",\"object\":\"text_completion\",\"created\":17,\"model\":\"m\"," \
    "\"choices\":["
#define CHUNK(text, index, finish)                                                                \
    HEAD "{\"text\":\"" text "\",\"index\":" index ",\"logprobs\":null,\"finish_reason\":" finish \
         "}],\"usage\":null}\n\n"
#define USAGE                                                           \
    "{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12," \
    "\"prompt_tokens_details\":{\"cached_tokens\":0},"                  \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}"

struct rig {
    struct chat_request request;
    struct dialect_answer answer;
    struct arena arena;
    struct buf out;
    void *encoder;
};

static void set_up(struct rig *r, size_t max)
{
    *r = (struct rig){ .request = { .include_usage = true, .n = 2 } };
    arena_init(&r->arena);
    buf_init(&r->out, max);
    r->answer = (struct dialect_answer){ .request = &r->request,
                                         .arena = &r->arena,
                                         .model = STR("m"),
                                         .id = STR("abc"),
                                         .created_s = 17 };
    r->encoder = arena_alloc(&r->arena, d->encoder_size);
}

static void tear_down(struct rig *r)
{
    buf_deinit(&r->out);
    arena_deinit(&r->arena);
}

static enum err stream(struct rig *r)
{
    const struct dialect_end ends[] = { { .finish = CHAT_FINISH_STOP },
                                        { .finish = CHAT_FINISH_LENGTH } };
    enum err err = d->stream_begin(r->encoder, &r->answer, &r->out);

    if (!err)
        err = d->stream_text(r->encoder, 1, STR("b\n"), &r->out);
    if (!err)
        err = d->stream_text(r->encoder, 0, STR("a"), &r->out);
    for (size_t i = 0; i < 2 && !err; i++)
        err = d->stream_choice_end(r->encoder, i, &ends[i], &r->out);
    return err ? err : d->stream_end(r->encoder, &usage, &r->out);
}

static void a_stream_has_the_chunks_of_the_api(void)
{
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(stream(&r), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               CHUNK("b\\n", "1", "null") CHUNK("a", "0", "null") CHUNK("", "0", "\"stop\"")
                   CHUNK("", "1", "\"length\"") HEAD "],\"usage\":" USAGE "}\n\ndata: [DONE]\n\n");
    tear_down(&r);
}

static void half_a_chunk_never_goes_out(void)
{
    struct rig whole;

    set_up(&whole, 8192);
    EXPECT_INT(stream(&whole), ERR_NONE);
    for (size_t max = 0; max < whole.out.n; max++) {
        struct rig r;

        set_up(&r, max);
        EXPECT_INT(stream(&r), ERR_TOO_BIG);
        EXPECT(r.out.n == 0 || str_ends(buf_str(&r.out), STR("\n\n")));
        tear_down(&r);
    }
    tear_down(&whole);
}

static void a_whole_answer_has_the_shape_of_the_api(void)
{
    const struct dialect_choice choices[] = {
        { .text = STR("a") }, { .text = STR("b"), .end = { .finish = CHAT_FINISH_TOOL_CALLS } }
    };
    const struct dialect_whole whole = { choices, 2, usage };
    struct rig r;

    set_up(&r, 8192);
    EXPECT_INT(d->whole(&r.answer, &whole, &r.out), ERR_NONE);
    EXPECT_STR(buf_str(&r.out),
               "{\"id\":\"cmpl-abc\",\"object\":\"text_completion\",\"created\":17,\"model\":\"m\","
               "\"choices\":[{\"text\":\"a\",\"index\":0,\"logprobs\":null,\"finish_reason\":"
               "\"stop\"},{\"text\":\"b\",\"index\":1,\"logprobs\":null,\"finish_reason\":"
               "\"stop\"}],\"usage\":" USAGE "}");
    tear_down(&r);
}

static const struct test suite[] = {
    { "reads a prompt and what is asked", reads_a_prompt_and_what_is_asked },
    { "names what is refused", names_what_is_refused },
    { "a stream has the chunks of the API", a_stream_has_the_chunks_of_the_api },
    { "half a chunk never goes out", half_a_chunk_never_goes_out },
    { "a whole answer has the shape of the API", a_whole_answer_has_the_shape_of_the_api },
};

TEST_MAIN(suite)
