/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/dialect.h"

#include <stdlib.h>

#include "base/mem.h"
#include "listing.h"

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define BODY(members) "{\"messages\":[" USER "]," members "}"
#define MESSAGE(message) "{\"messages\":[" message "]}"

static bool decode(struct str body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    *ret = (struct chat_request){ 0 };
    *f = (struct failure){ 0 };
    return dialect_openai_chat.decode(body, a, ret, f);
}

/* ---- what is read ---- */

/* Reads `body`, which may be doubted. */
static void expect_read(bool may_doubt, const char *body, const char *want)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, 4096);
    if (!decode(str_of(body), &a, &r, &f))
        fail_msg("%s: %.*s", body, STR_ARGS(f.message));
    if (r.doubt.kind != FAILURE_NONE && !may_doubt)
        fail_msg("%s: %.*s", body, STR_ARGS(r.doubt.message));
    for (size_t i = 0; i < r.n_messages; i++)
        list_message(&r.messages[i], &out);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void expect_messages(const char *body, const char *want)
{
    expect_read(false, body, want);
}

static void reads_messages_of_all_shapes(void)
{
    static const struct {
        const char *message;
        const char *want;
    } rows[] = {
        { "{\"role\":\"user\",\"content\":\"hi\"}", "user(hi)" },
        { "{\"content\":\"hi\",\"name\":7,\"role\":\"system\"}", "system(hi)" },
        { "{\"role\":\"developer\",\"content\":\"\"}", "developer()" },
        { "{\"r\\u006fle\":\"us\\u0065r\",\"content\":\"\\ud83d\\ude00\\n\"}",
          "user(\xf0\x9f\x98\x80\n)" },
        { "{\"role\":\"user\",\"content\":[]}", "user()" },
        { "{\"role\":\"user\",\"content\":[{\"text\":\"a\",\"type\":\"text\"},"
          "{\"type\":\"image_url\",\"image_url\":{\"detail\":1,\"url\":\"data:x\"}},"
          "{\"type\":\"text\",\"text\":\"b\",\"cache_control\":{}}]}",
          "user(a[data:x]b)" },
        { "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}",
          "assistant(no)" },
        { "{\"role\":\"assistant\",\"content\":null,\"refusal\":\"never\"}", "assistant(never)" },
        { "{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":null,"
          "\"reasoning_content\":\"hm\",\"tool_calls\":null}",
          "assistant(a<hm>)" },
        { "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
          "\"function\",\"function\":{\"arguments\":\"{\\\"a\\\":1}\",\"name\":\"f\"}},"
          "{\"function\":{\"name\":\"g\",\"arguments\":\"\"},\"id\":\"c2\"}]}",
          "assistant({c1 f {\"a\":1}}{c2 g })" },
        { "{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}],"
          "\"role\":\"assistant\"}",
          "assistant({c f })" },
        { "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"42\"}", "tool(42#c1)" },
        { "{\"role\":\"user\",\"tool_call_id\":\"c1\",\"content\":\"x\"}", "user(x)" },
    };
    char body[1024];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof(body), "{\"messages\":[%s]}", rows[i].message);
        expect_messages(body, rows[i].want);
    }
}

static void of_two_members_the_last_wins(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;

    expect_messages("{\"messages\":[" USER "," USER "],\"messages\":[" USER "]}", "user(hi)");
    expect_messages(MESSAGE("{\"role\":\"user\",\"content\":\"a\",\"content\":[{\"type\":\"text\","
                            "\"text\":\"b\",\"text\":\"c\"}],\"role\":\"system\"}"),
                    "system(c)");
    expect_messages(
        MESSAGE("{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"c\","
                "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}],\"tool_calls\":[]}"),
        "assistant(a)");
    arena_init(&a);
    EXPECT(decode(STR(BODY("\"stream\":true,\"stream\":false,\"model\":\"a\",\"model\":\"b\"")), &a,
                  &r, &f));
    EXPECT(!r.stream);
    EXPECT_STR(r.model, "b");
    arena_deinit(&a);
}

static void reads_what_steers_the_answer(void)
{
    static const struct {
        const char *body;
        const char *model;
        bool stream;
        bool include_usage;
    } rows[] = {
        { BODY("\"x\":1"), "", false, false },
        { BODY("\"model\":\"GPT5\",\"stream\":true"), "GPT5", true, false },
        { BODY("\"stream\":true,\"stream_options\":{\"include_usage\":true}"), "", true, true },
        { BODY("\"stream_options\":{\"x\":[],\"include_usage\":false}"), "", false, false },
        { BODY("\"stream_options\":{\"include_usage\":null}"), "", false, false },
        { BODY("\"stream_options\":null,\"stream\":null,\"model\":null"), "", false, false },
        { BODY("\"stream_options\":{\"include_usage\":true},\"stream_options\":null"), "", false,
          false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        EXPECT(decode(str_of(rows[i].body), &a, &r, &f));
        EXPECT_STR(r.model, rows[i].model);
        EXPECT(r.stream == rows[i].stream && r.include_usage == rows[i].include_usage);
        arena_deinit(&a);
    }
}

static void parameters_of_the_right_type_are_taken(void)
{
    static const char *const bodies[] = {
        BODY("\"temperature\":0.7,\"top_p\":1,\"presence_penalty\":-2,\"frequency_penalty\":1e400"),
        BODY("\"max_tokens\":1,\"max_completion_tokens\":2,\"seed\":-3,\"n\":1"),
        BODY("\"stop\":\"a\",\"user\":\"u\",\"tools\":[],\"tool_choice\":\"auto\""),
        BODY("\"stop\":[\"a\",\"b\"],\"functions\":[],\"modalities\":[\"text\"],\"logit_bias\":{}"),
        BODY("\"stop\":[],\"response_format\":{\"type\":\"text\"},\"logprobs\":false"),
        BODY("\"temperature\":null,\"max_tokens\":null,\"n\":null,\"stop\":null,\"tools\":null,"
             "\"user\":null,\"seed\":null,\"response_format\":null"),
        BODY("\"unknown\":{\"deep\":[1,2,{\"a\":null}]},\"top_k\":\"many\""),
    };
    struct chat_request r;
    struct failure f;
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        if (!decode(str_of(bodies[i]), &a, &r, &f))
            fail_msg("%s: %.*s", bodies[i], STR_ARGS(f.message));
    arena_deinit(&a);
}

/* ---- what is refused, for good or where the upstream does not get the body as it came ---- */

/* False as decode(), and when the request is doubted: *f is the doubt then. */
static bool take(struct str body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    if (!decode(body, a, ret, f))
        return false;
    EXPECT(ret->raw.p == body.p && ret->raw.n == body.n);
    *f = ret->doubt;
    return f->kind == FAILURE_NONE;
}

static const struct {
    const char *body;
    const char *param;
} refused[] = {
    { "{}", "messages" },
    { "{\"messages\":[]}", "messages" },
    { "{\"messages\":null}", "messages" },
    { "{\"messages\":\"hi\"}", "messages" },
    { "{\"messages\":{}}", "messages" },
    { "{\"messages\":[1]}", "messages[0]" },
    { "{\"messages\":[" USER ",[]]}", "messages[1]" },
    { MESSAGE("{}"), "messages[0].role" },
    { MESSAGE("{\"content\":\"hi\"}"), "messages[0].role" },
    { MESSAGE(USER ",{\"role\":null,\"content\":\"hi\"}"), "messages[1].role" },
    { MESSAGE("{\"role\":7,\"content\":\"hi\"}"), "messages[0].role" },
    { MESSAGE("{\"role\":\"function\",\"content\":\"hi\"}"), "messages[0].role" },
    { MESSAGE("{\"role\":\"User\",\"content\":\"hi\"}"), "messages[0].role" },
    { MESSAGE("{\"role\":\"user\"}"), "messages[0].content" },
    { MESSAGE(USER "," USER ",{\"role\":\"user\",\"content\":null}"), "messages[2].content" },
    { MESSAGE("{\"role\":\"user\",\"content\":5}"), "messages[0].content" },
    { MESSAGE("{\"role\":\"user\",\"content\":{\"type\":\"text\"}}"), "messages[0].content" },
    { MESSAGE("{\"role\":\"assistant\",\"audio\":{\"id\":\"x\"}}"), "messages[0].content" },
    { MESSAGE("{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\","
              "\"arguments\":\"\"}}"),
      "messages[0].content" },
    { MESSAGE("{\"role\":\"assistant\",\"refusal\":7}"), "messages[0].content" },
    { MESSAGE("{\"role\":\"assistant\",\"content\":false,\"tool_calls\":[{\"id\":\"c\","
              "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}"),
      "messages[0].content" },
    { MESSAGE("{\"role\":\"user\",\"content\":[\"hi\"]}"), "messages[0].content[0]" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{}]}"), "messages[0].content[0].type" },
    { MESSAGE(USER ",{\"role\":\"user\",\"content\":[{\"type\":1}]}"),
      "messages[1].content[0].type" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
              "{\"type\":\"input_audio\",\"input_audio\":{}}]}"),
      "messages[0].content[1].type" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"file\"}]}"),
      "messages[0].content[0].type" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"),
      "messages[0].content[0].text" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":null}]}"),
      "messages[0].content[0].text" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}"),
      "messages[0].content[0].image_url.url" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"u\"}]}"),
      "messages[0].content[0].image_url.url" },
    { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
              "{\"url\":3}}]}"),
      "messages[0].content[0].image_url.url" },
    { MESSAGE("{\"role\":\"assistant\",\"tool_calls\":{}}"), "messages[0].tool_calls" },
    { MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[1]}"), "messages[0].tool_calls[0]" },
    { MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
              "\"arguments\":\"\"}}]}"),
      "messages[0].tool_calls[0].id" },
    { MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":\"f\"}]}"),
      "messages[0].tool_calls[0].function.name" },
    { MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
              "\"arguments\":\"\"}},{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]"
              "}"),
      "messages[0].tool_calls[1].function.arguments" },
    { MESSAGE("{\"role\":\"tool\",\"content\":\"42\"}"), "messages[0].tool_call_id" },
    { MESSAGE("{\"role\":\"tool\",\"content\":\"42\",\"tool_call_id\":4}"),
      "messages[0].tool_call_id" },
    { BODY("\"model\":5"), "model" },
    { BODY("\"model\":[\"a\"]"), "model" },
    { BODY("\"stream\":\"true\""), "stream" },
    { BODY("\"stream\":1"), "stream" },
    { BODY("\"stream_options\":true"), "stream_options" },
    { BODY("\"stream_options\":{\"include_usage\":\"yes\"}"), "stream_options.include_usage" },
    { BODY("\"temperature\":\"hot\""), "temperature" },
    { BODY("\"top_p\":[]"), "top_p" },
    { BODY("\"max_tokens\":\"5\""), "max_tokens" },
    { BODY("\"max_tokens\":1.5"), "max_tokens" },
    { BODY("\"max_completion_tokens\":1e3"), "max_completion_tokens" },
    { BODY("\"n\":\"1\""), "n" },
    { BODY("\"n\":129"), "n" },
    { BODY("\"n\":0"), "n" },
    { BODY("\"n\":1.5"), "n" },
    { BODY("\"stop\":5"), "stop" },
    { BODY("\"stop\":[\"a\",5]"), "stop" },
    { BODY("\"tools\":{}"), "tools" },
    { BODY("\"tool_choice\":[]"), "tool_choice" },
    { BODY("\"user\":5"), "user" },
    { BODY("\"seed\":\"x\""), "seed" },
    { BODY("\"response_format\":\"json\""), "response_format" },
    { BODY("\"logprobs\":\"no\""), "logprobs" },
    { BODY("\"max_tokens\":0"), "max_tokens" },
    { BODY("\"stop\":[\"\"]"), "stop" },
    { BODY("\"logprobs\":true"), "logprobs" },
    { BODY("\"logit_bias\":{\"1\":2}"), "logit_bias" },
    { BODY("\"functions\":[{}]"), "functions" },
    { BODY("\"function_call\":\"auto\""), "function_call" },
    { BODY("\"modalities\":[\"text\",\"audio\"]"), "modalities" },
    { BODY("\"audio\":{}"), "audio" },
    { BODY("\"web_search_options\":{}"), "web_search_options" },
    { "{\"messages\":[]", "" },
    { "", "" },
    { "   ", "" },
    { "[]", "" },
    { "\"messages\"", "" },
    { "nul", "" },
    { BODY("\"x\":1") "x", "" },
    { BODY("\"x\":01"), "" },
    { "{\"messages\":}", "" },
    { "{\"messages\":[{\"role\":}]}", "" },
    { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":]}]}", "" },
    { MESSAGE("{\"role\":\"user\",\"content\":\"\\ud83d\"}"), "" },
    { MESSAGE("{\"role\":\"user\",\"content\":\"\\ude00\\ud83d\"}"), "" },
    { MESSAGE("{\"role\":\"user\",\"content\":\"\xff\"}"), "" },
    { MESSAGE("{\"role\":\"user\",\"content\":\"\n\"}"), "" },
};

static void names_what_is_wrong(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        if (take(str_of(refused[i].body), &a, &r, &f))
            fail_msg("taken: %s", refused[i].body);
        EXPECT_INT(f.kind, FAILURE_BAD_REQUEST);
        if (!str_eq(f.param, str_of(refused[i].param)))
            fail_msg("%s: \"%.*s\": %.*s", refused[i].body, STR_ARGS(f.param), STR_ARGS(f.message));
        EXPECT(str_starts(f.message, f.param) && str_ends(f.message, STR(".")));
        EXPECT((r.n_messages > 0) == (r.doubt.kind != FAILURE_NONE));
        arena_deinit(&a);
    }
}

/* What only the upstream must understand; what is understood here is read all the same. */
static void an_upstream_that_gets_the_body_may_know_better(void)
{
    static const struct {
        const char *body;
        const char *param; /* NULL: nothing is doubted */
        const char *messages;
    } rows[] = {
        { BODY("\"tools\":[{\"x\":1e400}],\"response_format\":{\"type\":\"json_schema\"},\"x\":-0"),
          "tools[0].type", "user(hi)" },
        { BODY("\"top_k\":1e400,\"x\":-0"), NULL, "user(hi)" },
        { BODY("\"n\":300,\"temperature\":\"hot\""), "n", "user(hi)" },
        { BODY("\"stop\":{},\"n\":300"), "stop", "user(hi)" },
        { MESSAGE("{\"role\":\"robot\",\"content\":\"a\"}," USER), "messages[0].role",
          "user(a)user(hi)" },
        { MESSAGE("{\"role\":\"function\",\"name\":\"f\",\"content\":\"1\"}"), "messages[0].role",
          "user(1)" },
        { MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{}},"
                  "7,{\"type\":\"text\",\"text\":\"b\"}]}," USER),
          "messages[0].content[0].type", "user(b)user(hi)" },
        { MESSAGE("{\"role\":\"user\"}," USER), "messages[0].content", "user()user(hi)" },
        { MESSAGE("{\"role\":\"assistant\",\"audio\":{\"id\":\"x\"}}," USER), "messages[0].content",
          "assistant()user(hi)" },
        { MESSAGE("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[5,{\"id\":\"c\","
                  "\"type\":\"custom\",\"custom\":{}},{\"id\":\"d\",\"function\":{\"name\":\"f\","
                  "\"arguments\":\"{}\"}}]}," USER),
          "messages[0].tool_calls[0]", "assistant({d f {}})user(hi)" },
        { MESSAGE("{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":{}}," USER),
          "messages[0].tool_calls", "assistant(a)user(hi)" },
        { MESSAGE("{\"role\":\"tool\",\"content\":\"42\"}"), "messages[0].tool_call_id",
          "tool(42)" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        EXPECT(take(str_of(rows[i].body), &a, &r, &f) == (rows[i].param == NULL));
        EXPECT_STR(f.param, rows[i].param ? rows[i].param : "");
        arena_deinit(&a);
        expect_read(true, rows[i].body, rows[i].messages);
    }
}

/* What the gateway goes by itself is refused whoever answers. */
static void what_the_gateway_goes_by_is_refused_for_good(void)
{
    static const char *const rows[] = {
        "{}",
        MESSAGE("{\"content\":\"hi\"}"),
        MESSAGE("{\"role\":\"robot\",\"content\":\"a\"},{\"role\":5}"),
        MESSAGE("3"),
        BODY("\"model\":5"),
        BODY("\"n\":300,\"stream\":1"),
        BODY("\"stream_options\":{\"include_usage\":\"yes\"}"),
        BODY("\"n\":300,\"x\":01"),
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        EXPECT(!decode(str_of(rows[i]), &a, &r, &f));
        EXPECT_INT(f.kind, FAILURE_BAD_REQUEST);
        arena_deinit(&a);
    }
}

static void messages_say_what_to_do(void)
{
    static const struct {
        const char *body;
        const char *message;
    } rows[] = {
        { "", "The body is empty; send a JSON object." },
        { " []", "The body must be a JSON object, but at byte 1 begins an array." },
        { "{\"a\":tru}", "The body is not valid JSON: error at byte 5 of 9." },
        { "{}", "messages must hold at least one message." },
        { "{\"messages\":{}}", "messages must be an array of messages, not an object." },
        { MESSAGE("{\"content\":\"hi\"}"), "messages[0].role is missing." },
        { MESSAGE("{\"role\":\"robot\",\"content\":\"\"}"),
          "messages[0].role must be system, developer, user, assistant or tool, not \"robot\"." },
        { MESSAGE("{\"role\":\"user\",\"content\":true}"),
          "messages[0].content must be a string or an array of parts, not a boolean." },
        { BODY("\"n\":0"), "n must be a whole number from 1 to 128." },
        { BODY("\"max_tokens\":0.5"), "max_tokens must be a whole number." },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        EXPECT(!take(str_of(rows[i].body), &a, &r, &f));
        EXPECT_STR(f.message, rows[i].message);
        arena_deinit(&a);
    }
}

static void an_unknown_role_is_quoted_in_part_only(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf body;

    arena_init(&a);
    buf_init(&body, 8192);
    EXPECT(buf_add(&body, STR("{\"messages\":[{\"content\":\"\",\"role\":\"")) == ERR_NONE);
    for (int i = 0; i < 4096; i++)
        EXPECT(buf_add_char(&body, 'r') == ERR_NONE);
    EXPECT(buf_add(&body, STR("\"}]}")) == ERR_NONE);
    EXPECT(!take(buf_str(&body), &a, &r, &f));
    EXPECT(f.message.n < 200);
    buf_deinit(&body);
    arena_deinit(&a);
}

static void a_body_nested_too_deep_is_refused(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    char body[512];
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"messages\":[" USER "],\"x\":");

    arena_init(&a);
    memset(body + n, '[', 200);
    EXPECT(!decode((struct str){ body, n + 200 }, &a, &r, &f));
    EXPECT(f.kind == FAILURE_BAD_REQUEST && f.param.n == 0);
    EXPECT(str_starts(f.message, STR("The body is nested more than 128 levels deep")));
    arena_deinit(&a);
}

/* ---- in general ---- */

static const char everything[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"s\\u00e9\"},{\"role\":\"user\",\"content\":["
    "{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\","
    "\"tool_call_id\":\"c\",\"content\":\"r\"},{\"role\":\"user\",\"content\":\"x\"}],\"stream\":"
    "true,"
    "\"stream_options\":{\"include_usage\":true},\"stop\":[\"a\"],\"n\":1,\"temperature\":0.5}";

static void a_body_that_ends_early_is_refused_wherever(void)
{
    struct str whole = str_of(everything);

    for (size_t n = 0; n <= whole.n; n++) {
        struct chat_request r;
        struct failure f;
        struct arena a;
        char *exact = malloc(n ? n : 1); /* so that reading beyond it is seen */

        EXPECT(exact != NULL);
        memcpy(exact, whole.p, n);
        arena_init(&a);
        EXPECT_INT(decode((struct str){ exact, n }, &a, &r, &f), n == whole.n);
        if (n < whole.n)
            EXPECT(f.kind == FAILURE_BAD_REQUEST && f.param.n == 0);
        arena_deinit(&a);
        free(exact);
    }
}

static void a_failing_allocation_is_a_failure_to_try_again(void)
{
    uint64_t n = 0;
    bool good;

    do {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        mem_fail_nth(++n);
        good = decode(str_of(everything), &a, &r, &f);
        mem_fail_nth(0);
        EXPECT_INT(f.kind, good ? FAILURE_NONE : FAILURE_OVERLOADED);
        arena_deinit(&a);
    } while (!good);
    EXPECT(n > 1);
}

static void a_thousand_messages_take_memory_in_proportion(void)
{
    enum { N = 1000 };
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf body;

    arena_init(&a);
    buf_init(&body, 1 << 20);
    EXPECT(buf_add(&body, STR("{\"messages\":[" USER)) == ERR_NONE);
    for (int i = 1; i < N; i++)
        EXPECT(buf_addf(&body, ",{\"role\":\"user\",\"content\":\"%d\"}", i) == ERR_NONE);
    EXPECT(buf_add(&body, STR("]}")) == ERR_NONE);
    EXPECT(decode(buf_str(&body), &a, &r, &f));
    EXPECT_INT(r.n_messages, N);
    EXPECT_STR(r.messages[N - 1].parts[0].text, "999");
    EXPECT(a.used < (size_t)N * 5 * sizeof(struct chat_message));
    buf_deinit(&body);
    arena_deinit(&a);
}

/* 65536 are taken, one more is not. */
static void the_number_of_messages_is_bounded(void)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf body;

    buf_init(&body, 8 << 20);
    EXPECT(buf_add(&body, STR("{\"messages\":[" USER)) == ERR_NONE);
    for (int i = 1; i < 65536; i++)
        EXPECT(buf_add(&body, STR("," USER)) == ERR_NONE);
    for (int more = 0; more < 2; more++) {
        EXPECT(buf_add(&body, STR("]}")) == ERR_NONE);
        arena_init(&a);
        EXPECT_INT(decode(buf_str(&body), &a, &r, &f), !more);
        if (more)
            EXPECT_STR(f.message, "messages has more than 65536 items.");
        arena_deinit(&a);
        buf_truncate(&body, body.n - 2);
        EXPECT(buf_add(&body, STR("," USER)) == ERR_NONE);
    }
    buf_deinit(&body);
}

static void texts_without_escapes_are_slices_of_the_body(void)
{
    static const char body[] = MESSAGE("{\"role\":\"user\",\"content\":\"plain\"}");
    struct chat_request r;
    struct failure f;
    struct arena a;

    arena_init(&a);
    EXPECT(decode(str_of(body), &a, &r, &f));
    EXPECT(r.messages[0].parts[0].text.p > body &&
           r.messages[0].parts[0].text.p < body + sizeof(body));
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "reads messages of all shapes", reads_messages_of_all_shapes },
    { "of two members the last wins", of_two_members_the_last_wins },
    { "reads what steers the answer", reads_what_steers_the_answer },
    { "parameters of the right type are taken", parameters_of_the_right_type_are_taken },
    { "names what is wrong", names_what_is_wrong },
    { "messages say what to do", messages_say_what_to_do },
    { "an unknown role is quoted in part only", an_unknown_role_is_quoted_in_part_only },
    { "an upstream that gets the body may know better",
      an_upstream_that_gets_the_body_may_know_better },
    { "what the gateway goes by is refused for good",
      what_the_gateway_goes_by_is_refused_for_good },
    { "a body nested too deep is refused", a_body_nested_too_deep_is_refused },
    { "a body that ends early is refused wherever", a_body_that_ends_early_is_refused_wherever },
    { "a failing allocation is a failure to try again",
      a_failing_allocation_is_a_failure_to_try_again },
    { "a thousand messages take memory in proportion",
      a_thousand_messages_take_memory_in_proportion },
    { "the number of messages is bounded", the_number_of_messages_is_bounded },
    { "texts without escapes are slices of the body",
      texts_without_escapes_are_slices_of_the_body },
};

TEST_MAIN(suite)
