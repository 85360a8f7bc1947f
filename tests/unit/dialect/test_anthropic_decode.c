/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of Anthropic's messages API. */
#include "dialect/dialect.h"

#include "base/mem.h"
#include "listing.h"

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define BODY(members) "{\"messages\":[" USER "]," members "}"
#define MESSAGE(message) "{\"messages\":[" message "]}"
#define CONTENT(role, blocks) MESSAGE("{\"role\":\"" role "\",\"content\":[" blocks "]}")
#define TOOL "{\"name\":\"f\",\"input_schema\":{}}"

static bool decode(struct str body, struct arena *a, struct chat_request *ret, struct failure *f)
{
    *ret = (struct chat_request){ 0 };
    *f = (struct failure){ 0 };
    return dialect_anthropic_messages.decode(body, a, ret, f);
}

static void expect(const char *body, void (*list)(const struct chat_request *r, struct buf *out),
                   const char *want)
{
    struct chat_request r;
    struct failure f;
    struct arena a;
    struct buf out;

    arena_init(&a);
    buf_init(&out, 4096);
    if (!decode(str_of(body), &a, &r, &f))
        fail_msg("%s: %.*s", body, STR_ARGS(f.message));
    EXPECT(r.raw.p == NULL && r.doubt.kind == FAILURE_NONE);
    list(&r, &out);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void list_messages(const struct chat_request *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_messages; i++)
        list_message(&r->messages[i], out);
}

static void reads_messages_of_all_shapes(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { MESSAGE(USER), "user(hi)" },
        { BODY("\"system\":\"be\\n\""), "system(be\n)user(hi)" },
        { "{\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
          "\"ephemeral\"}},{\"type\":\"text\",\"text\":\"b\"}],\"messages\":[" USER "]}",
          "system(ab)user(hi)" },
        { BODY("\"system\":null"), "user(hi)" },
        { MESSAGE(USER ",{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"now\"}]}"),
          "user(hi)system(now)" },
        { CONTENT("user", "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"source\":{"
                          "\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}},"
                          "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}},"
                          "{\"type\":\"document\",\"title\":\"t\",\"source\":{\"type\":\"text\","
                          "\"media_type\":\"text/plain\",\"data\":\"doc\"}}"),
          "user(a[data:image/png;base64,QUJD][http://x]doc)" },
        { CONTENT("user", ""), "user()" },
        { CONTENT("assistant",
                  "{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":\"s\"},"
                  "{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
                  "{\"type\":\"thinking\",\"thinking\":\"m\",\"signature\":\"s\"},"
                  "{\"type\":\"text\",\"text\":\"so\"},"
                  "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\": 1e400}},"
                  "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}"),
          "assistant(so{t1 f {\"a\": 1e400}}{t2 g {}}<hm>)" },
        { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"42\"}"),
          "tool(42#t1)" },
        { CONTENT("user",
                  "{\"type\":\"text\",\"text\":\"before\"},"
                  "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":"
                  "\"text\",\"text\":\"a\"},{\"type\":\"image\",\"source\":{\"type\":\"url\","
                  "\"url\":\"u\"}}]},{\"type\":\"tool_result\",\"tool_use_id\":\"t2\","
                  "\"is_error\":true,\"content\":\"no\"},{\"type\":\"text\",\"text\":\"after\"}"),
          "tool(a#t1)tool(Error: no#t2)user(before[u]after)" },
        { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\"}"), "tool(#t1)" },
        { CONTENT("user",
                  "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":"
                  "\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
                  "\"data\":\"d\"}}]}"),
          "tool(d#t1)" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(rows[i].body, list_messages, rows[i].want);
}

static void reads_the_shape_of_the_answer(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { BODY("\"max_tokens\":5,\"stop_sequences\":[\"a\",\"b\"]"), "0; 0||||0; 'a' 'b' 5 0" },
        { BODY("\"tools\":[" TOOL ",{\"type\":\"custom\",\"name\":\"g\",\"description\":\"d\","
               "\"input_schema\":{\"x\": 1},\"strict\":true,\"cache_control\":{}},"
               "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],"
               "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"),
          "f||{}|0 g|d|{\"x\": 1}|1 0s; 0||||0; 0 0" },
        { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"any\"}"),
          "f||{}|0 2; 0||||0; 0 0" },
        { BODY("\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"none\"}"),
          "f||{}|0 1; 0||||0; 0 0" },
        { BODY("\"tool_choice\":{\"name\":\"f\",\"type\":\"tool\"},\"tools\":[" TOOL "]"),
          "f||{}|0 3f; 0||||0; 0 0" },
        { BODY("\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\","
               "\"schema\":{\"a\":1}}}"),
          "0; 2|||{\"a\":1}|1; 0 0" },
        { BODY("\"output_format\":{\"type\":\"json_schema\",\"schema\":{}}"), "0; 2|||{}|1; 0 0" },
        { BODY("\"output_config\":{\"effort\":\"low\"},\"output_format\":null"), "0; 0||||0; 0 0" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(rows[i].body, list_shape, rows[i].want);
}

static void list_parameters(const struct chat_request *r, struct buf *out)
{
    EXPECT(buf_addf(out, "%.*s%s%s", STR_ARGS(r->model), r->stream ? " stream" : "",
                    r->hides_reasoning ? "" : " thoughts") == ERR_NONE);
    for (size_t i = 0; i < r->n_parameters; i++)
        EXPECT(buf_addf(out, " %s=%.*s", r->parameters[i].name, STR_ARGS(r->parameters[i].json)) ==
               ERR_NONE);
}

static void reads_what_steers_the_answer(void)
{
    static const struct {
        const char *body;
        const char *want;
    } rows[] = {
        { BODY("\"model\":\"m\",\"stream\":true"), "m stream" },
        { BODY("\"temperature\":0.50,\"top_p\":1e0,\"temperature\":0.7,\"top_k\":5"),
          " temperature=0.7 top_p=1e0" },
        { BODY("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"), " thoughts" },
        { BODY("\"thinking\":{\"type\":\"adaptive\"}"), " thoughts" },
        { BODY("\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}"), "" },
        { BODY("\"thinking\":{\"type\":\"disabled\"}"), "" },
        { BODY("\"metadata\":{\"user_id\":\"u\"},\"service_tier\":\"auto\",\"mcp_servers\":[],"
               "\"context_management\":{\"edits\":[]},\"unknown\":5"),
          "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(rows[i].body, list_parameters, rows[i].want);
}

static const struct {
    const char *body;
    const char *param;
} refused[] = {
    { "", "" },
    { "[]", "" },
    { "{\"messages\":[" USER "]", "" },
    { "{}", "messages" },
    { "{\"messages\":{}}", "messages" },
    { MESSAGE("5"), "messages[0]" },
    { MESSAGE("{\"content\":\"a\"}"), "messages[0].role" },
    { MESSAGE("{\"role\":\"tool\",\"content\":\"a\"}"), "messages[0].role" },
    { MESSAGE(USER ",{\"role\":\"user\"}"), "messages[1].content" },
    { MESSAGE("{\"role\":\"user\",\"content\":{}}"), "messages[0].content" },
    { CONTENT("user", "5"), "messages[0].content[0]" },
    { CONTENT("user", "{}"), "messages[0].content[0].type" },
    { CONTENT("user", "{\"type\":\"text\"}"), "messages[0].content[0].text" },
    { CONTENT("user", "{\"type\":\"tool_use\"}"), "messages[0].content[0].type" },
    { CONTENT("user", "{\"type\":\"image\"}"), "messages[0].content[0].source" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":{\"type\":\"file\"}}"),
      "messages[0].content[0].source.type" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"x\"}}"),
      "messages[0].content[0].source.media_type" },
    { CONTENT("user", "{\"type\":\"document\",\"source\":{\"type\":\"base64\"}}"),
      "messages[0].content[0].source.type" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":5}"), "messages[0].content[0].source" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":{\"type\":\"url\"}}"),
      "messages[0].content[0].source.url" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":5,"
                      "\"data\":\"x\"}}"),
      "messages[0].content[0].source.media_type" },
    { CONTENT("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"a\"}}"),
      "messages[0].content[0].source.data" },
    { CONTENT("user", "{\"type\":\"document\",\"source\":5}"), "messages[0].content[0].source" },
    { CONTENT("user", "{\"type\":\"document\",\"source\":{\"type\":\"text\"}}"),
      "messages[0].content[0].source.data" },
    { CONTENT("user", "{\"type\":\"text\",\"text\":5}"), "messages[0].content[0].text" },
    { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":"
                      "\"document\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}"),
      "messages[0].content[0].content[0].source.type" },
    { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[5]}"),
      "messages[0].content[0].content[0]" },
    { CONTENT("assistant", "{\"type\":\"tool_use\",\"id\":5,\"name\":\"f\",\"input\":{}}"),
      "messages[0].content[0].id" },
    { CONTENT("assistant", "{\"type\":\"tool_use\",\"id\":\"t\",\"input\":{}}"),
      "messages[0].content[0].name" },
    { CONTENT("user", "{\"type\":\"tool_result\",\"content\":\"a\"}"),
      "messages[0].content[0].tool_use_id" },
    { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":5}"),
      "messages[0].content[0].content" },
    { CONTENT("user", "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":"
                      "\"tool_reference\"}]}"),
      "messages[0].content[0].content[0].type" },
    { CONTENT("assistant", "{\"type\":\"tool_result\"}"), "messages[0].content[0].type" },
    { CONTENT("assistant", "{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}"),
      "messages[0].content[0].id" },
    { CONTENT("assistant", "{\"type\":\"text\",\"text\":\"\"},{\"type\":\"tool_use\",\"id\":\"t\","
                           "\"name\":\"f\",\"input\":\"{}\"}"),
      "messages[0].content[1].input" },
    { CONTENT("assistant", "{\"type\":\"thinking\"}"), "messages[0].content[0].thinking" },
    { BODY("\"system\":5"), "system" },
    { BODY("\"system\":[{\"type\":\"tool_result\"}]"), "system[0].type" },
    { BODY("\"model\":5"), "model" },
    { BODY("\"stream\":\"yes\""), "stream" },
    { BODY("\"max_tokens\":0"), "max_tokens" },
    { BODY("\"max_tokens\":\"5\""), "max_tokens" },
    { BODY("\"stop_sequences\":\"a\""), "stop_sequences" },
    { BODY("\"stop_sequences\":[5]"), "stop_sequences" },
    { BODY("\"temperature\":\"hot\""), "temperature" },
    { BODY("\"tools\":{}"), "tools" },
    { BODY("\"tools\":[5]"), "tools[0]" },
    { BODY("\"tools\":[{\"input_schema\":{}}]"), "tools[0].name" },
    { BODY("\"tools\":[{\"name\":\"f\"}]"), "tools[0].input_schema" },
    { BODY("\"tools\":[" TOOL ",{\"type\":\"bash_20250124\",\"name\":\"bash\"}]"),
      "tools[1].type" },
    { BODY("\"tool_choice\":{}"), "tool_choice.type" },
    { BODY("\"tool_choice\":{\"type\":\"required\"}"), "tool_choice.type" },
    { BODY("\"tool_choice\":{\"type\":\"any\"}"), "tool_choice" },
    { BODY("\"tool_choice\":{\"type\":\"tool\"}"), "tool_choice.name" },
    { BODY("\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],"
           "\"tool_choice\":{\"type\":\"tool\",\"name\":\"web_search\"}"),
      "tool_choice.name" },
    { BODY("\"thinking\":{}"), "thinking.type" },
    { BODY("\"output_config\":{\"format\":5}"), "output_config.format" },
    { BODY("\"output_config\":{\"format\":{\"type\":\"xml\"}}"), "output_config.format.type" },
    { BODY("\"output_format\":{\"type\":\"json_schema\"}"), "output_format.schema" },
    { BODY("\"mcp_servers\":[{}]"), "mcp_servers" },
    { BODY("\"container\":\"c\""), "container" },
    { BODY("\"thread\":{\"type\":\"create\"}"), "thread" },
};

static void names_what_is_wrong(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        if (decode(str_of(refused[i].body), &a, &r, &f))
            fail_msg("taken: %s", refused[i].body);
        EXPECT_INT(failure_status(&f), 400);
        if (!str_eq(f.param, str_of(refused[i].param)))
            fail_msg("%s: \"%.*s\": %.*s", refused[i].body, STR_ARGS(f.param), STR_ARGS(f.message));
        EXPECT(str_starts(f.message, f.param) && str_ends(f.message, STR(".")));
        arena_deinit(&a);
    }
}

static void a_failing_allocation_is_reported(void)
{
    static const char body[] =
        "{\"system\":\"s\",\"tools\":[" TOOL "],\"stop_sequences\":[\"\\u0061\"],\"temperature\":1,"
        "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
        "\"a\"},{\"type\":\"thinking\",\"thinking\":\"b\"},{\"type\":\"tool_use\",\"id\":\"t\","
        "\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"image\","
        "\"source\":{\"type\":\"base64\",\"media_type\":\"a\",\"data\":\"b\"}}]}]}";
    uint64_t n = 0;
    bool taken;

    do {
        struct chat_request r;
        struct failure f;
        struct arena a;

        arena_init(&a);
        mem_fail_nth(++n);
        taken = decode(str_of(body), &a, &r, &f);
        mem_fail_nth(0);
        EXPECT(taken || f.kind == FAILURE_OVERLOADED);
        arena_deinit(&a);
    } while (!taken);
}

static const struct test suite[] = {
    { "reads messages of all shapes", reads_messages_of_all_shapes },
    { "reads the shape of the answer", reads_the_shape_of_the_answer },
    { "reads what steers the answer", reads_what_steers_the_answer },
    { "names what is wrong", names_what_is_wrong },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
};

TEST_MAIN(suite)
