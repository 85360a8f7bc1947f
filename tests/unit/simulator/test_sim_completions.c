/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator as an OpenAI-compatible server: chat completions and what goes wrong with them. */
#include "live_sse.h"

#define KEYS "\"api_keys\":\"sk-one,sk-two\",\"models\":[\"m\",\"n/*\"]"
#define FAST "{\"pacing\":{\"first_ms\":0,\"every_ms\":0}," KEYS "}"
#define ONE "Authorization: Bearer sk-one\r\n"
#define ID "\"id\":\"chatcmpl-"
#define ASK(members, prompt) \
    "{\"model\":\"m\"," members "\"messages\":[{\"role\":\"user\",\"content\":\"" prompt "\"}]}"

static bool has(struct str text, const char *what)
{
    bool found = str_find(text, str_of(what)) != SIZE_MAX;

    if (!found)
        print_error("no \"%s\" in: %.*s\n", what, STR_ARGS(text));
    return found;
}

static size_t count(struct str text, const char *what)
{
    size_t n = 0;
    size_t at;

    for (; (at = str_find(text, str_of(what))) != SIZE_MAX; n++)
        text = str_from(text, at + 1);
    return n;
}

static int ask(struct live *v, const char *headers, const char *body)
{
    char all[512];

    (void)snprintf(all, sizeof(all), "Content-Type: application/json\r\n%s", headers);
    return live_call(v, "POST /v1/chat/completions", all, body);
}

/* The contents of all deltas under `name`, joined. */
static void join(struct str text, const char *name, struct buf *out)
{
    char key[64];
    size_t at;

    (void)snprintf(key, sizeof(key), "\"%s\":\"", name);
    while ((at = str_find(text, str_of(key))) != SIZE_MAX) {
        struct json_value v;
        struct json j;

        text = str_from(text, at + strlen(key) - 1);
        json_init(&j, text, 4);
        EXPECT(json_read(&j, &v));
        EXPECT_INT(json_text_add(&v, out), ERR_NONE);
    }
}

static void expect_joined(struct str text, const char *name, const char *want)
{
    struct buf joined;

    buf_init(&joined, LIVE_MAX);
    join(text, name, &joined);
    EXPECT_STR(buf_str(&joined), want);
    buf_deinit(&joined);
}

static void answers_whole(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(ask(&v, ONE, ASK("", "!think hm so\\n!echo one two")), 200);
    EXPECT(has(v.body, "\"object\":\"chat.completion\""));
    EXPECT(has(v.body, "\"model\":\"m\""));
    EXPECT(has(v.body, "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"one two\","
                       "\"reasoning_content\":\"hm so\",\"refusal\":null},\"logprobs\":null,"
                       "\"finish_reason\":\"stop\""));
    EXPECT(has(v.body, "\"usage\":{\"prompt_tokens\":6,\"completion_tokens\":4,\"total_tokens\":10,"
                       "\"completion_tokens_details\":{\"reasoning_tokens\":2}}"));
    EXPECT_INT(ask(&v, ONE, ASK("\"n\":2,", "!model")), 200);
    EXPECT(has(v.body, "\"content\":\"m\""));
    EXPECT(has(v.body,
               "\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"m (choice 1)\""));
    EXPECT_INT(ask(&v, ONE, ASK("\"logprobs\":true,", "!echo hi")), 200);
    EXPECT(has(v.body, "\"logprobs\":{\"content\":[{\"token\":\"hi\",\"logprob\":-0.25,\"bytes\":"
                       "[104,105],\"top_logprobs\":[]}]}"));
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), 0);
    live_end(&v);
}

static void streams(void)
{
    struct sse_answer a;
    struct live v;

    live_begin(&v, FAST);
    sse_call(&v, ONE,
             ASK("\"stream\":true,\"stream_options\":{\"include_usage\":true},",
                 "!think hm\\n!bytes 500 7"),
             &a);
    EXPECT_INT(a.status, 200);
    EXPECT_INT(a.end, SSE_WHOLE);
    EXPECT(str_starts(buf_str(&a.text), STR("data: {\"id\":\"chatcmpl-")));
    EXPECT(str_ends(buf_str(&a.text), STR("\n\ndata: [DONE]\n\n")));
    expect_joined(buf_str(&a.text), "reasoning_content", "hm");
    EXPECT_INT(count(buf_str(&a.text), "\"role\":\"assistant\",\"content\":\"\""), 1);
    EXPECT_INT(count(buf_str(&a.text), "\"finish_reason\":\"stop\""), 1);
    EXPECT_INT(count(buf_str(&a.text), "\"choices\":[],\"usage\":{"), 1);
    EXPECT(count(buf_str(&a.text), "\"usage\":null") > 3);
    buf_deinit(&a.text);
    sse_call(&v, ONE, ASK("\"stream\":true,\"n\":2,\"logprobs\":true,", "!echo x"), &a);
    EXPECT_INT(count(buf_str(&a.text), "\"finish_reason\":\"stop\""), 2);
    EXPECT_INT(count(buf_str(&a.text), "\"index\":1,\"delta\":{\"content\":\" (choice 1)\"}"), 1);
    EXPECT(has(buf_str(&a.text), "\"logprobs\":{\"content\":[{\"token\":\"x\""));
    EXPECT_INT(count(buf_str(&a.text), "usage"), 0);
    buf_deinit(&a.text);
    EXPECT_INT(live_count_log(&v, "?kind=completion_end", "\"by\":\"simulator\""), 2);
    live_end(&v);
}

static void a_stream_says_what_the_whole_answer_says(void)
{
    struct sse_answer a;
    struct buf joined;
    struct buf want;
    struct live v;

    live_begin(&v, FAST);
    buf_init(&joined, LIVE_MAX);
    buf_init(&want, LIVE_MAX);
    EXPECT_INT(ask(&v, ONE, ASK("", "!unicode")), 200);
    join(v.body, "content", &want);
    sse_call(&v, ONE, ASK("\"stream\":true,", "!unicode"), &a);
    join(buf_str(&a.text), "content", &joined);
    EXPECT(want.n > 100 && str_eq(buf_str(&joined), buf_str(&want)));
    EXPECT(count(buf_str(&a.text), "data: ") > 8);
    buf_deinit(&joined);
    buf_deinit(&want);
    buf_deinit(&a.text);
    live_end(&v);
}

static void calls_tools(void)
{
    static const char prompt[] =
        ASK("\"stream\":true,", "!tool look {\\\"a\\\":\\\"b c d e f g\\\"}\\n!tool noop");
    struct sse_answer a;
    struct live v;

    live_begin(&v, FAST);
    sse_call(&v, ONE, prompt, &a);
    EXPECT_INT(a.end, SSE_WHOLE);
    expect_joined(buf_str(&a.text), "name", "looknoop");
    expect_joined(buf_str(&a.text), "arguments", "{\"a\":\"b c d e f g\"}{}");
    EXPECT_INT(count(buf_str(&a.text), "\"arguments\":"), 6);
    EXPECT_INT(count(buf_str(&a.text), "\"finish_reason\":\"tool_calls\""), 1);
    buf_deinit(&a.text);
    EXPECT_INT(ask(&v, ONE, ASK("", "!tool look {bad")), 200);
    EXPECT(has(v.body, "\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":\"call_"));
    EXPECT(has(v.body, "\"function\":{\"name\":\"look\",\"arguments\":\"{bad\"}}]"));
    EXPECT_INT(ask(&v, ONE,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"!tool a\"},"
                   "{\"role\":\"assistant\",\"content\":null},{\"role\":\"tool\",\"content\":"
                   "\"found it\",\"tool_call_id\":\"x\"}]}"),
               200);
    EXPECT(has(v.body, "You wrote: \\\"found it\\\""));
    EXPECT_INT(live_post(&v, CHAT_1, "!tool look {}"), 200);
    live_end(&v);
}

static void says_raw_chunks(void)
{
    struct sse_answer a;
    struct live v;

    live_begin(&v, FAST);
    sse_call(&v, ONE, ASK("\"stream\":true,", "!raw {\\\"x\\\":1e400,\\\"y\\\":-0}\\n!raw [1.0]"),
             &a);
    EXPECT(has(buf_str(&a.text), "\n\ndata: {\"x\":1e400,\"y\":-0}\n\ndata: [1.0]\n\n"));
    buf_deinit(&a.text);
    EXPECT_INT(ask(&v, ONE, ASK("", "!raw {\\\"x\\\":1e400}")), 200);
    EXPECT_STR(v.body, "{\"x\":1e400}");
    live_end(&v);
}

static void obeys_limits_and_stops(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(ask(&v, ONE, ASK("\"max_tokens\":2,", "!echo one two three")), 200);
    EXPECT(has(v.body, "\"content\":\"one two \""));
    EXPECT(has(v.body, "\"finish_reason\":\"length\""));
    EXPECT_INT(ask(&v, ONE, ASK("\"max_completion_tokens\":3,", "!echo one two three")), 200);
    EXPECT(has(v.body, "\"content\":\"one two three\""));
    EXPECT(has(v.body, "\"finish_reason\":\"stop\""));
    EXPECT_INT(ask(&v, ONE, ASK("\"stop\":[\"x\",\" th\"],", "!echo one two three")), 200);
    EXPECT(has(v.body, "\"content\":\"one two\""));
    live_end(&v);
}

static void reads_parts_and_all_prompts(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(ask(&v, ONE,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"!echo no\"},"
                   "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
                   "\"b\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"c\"},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}},{\"type\":\"text\","
                   "\"text\":\"!history\"}]}],\"unknown\":1e400}"),
               200);
    EXPECT(has(v.body, "\"content\":\"[\\\"a\\\",\\\"c\\\\n!history\\\"]\""));
    live_end(&v);
}

static void refuses_what_a_server_would(void)
{
    static const struct {
        const char *headers;
        const char *body;
        int status;
        const char *want;
    } rows[] = {
        { "", ASK("", "x"), 401, "\"code\":\"invalid_api_key\"" },
        { "Authorization: Bearer sk-on\r\n", ASK("", "x"), 401, "authentication_error" },
        { "Authorization: sk-one\r\n", ASK("", "x"), 401, "\"param\":null" },
        { ONE, "{\"model\":\"o\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 404,
          "\"code\":\"model_not_found\"" },
        { ONE, "[]", 400, "\"type\":\"invalid_request_error\"" },
        { ONE, "{\"model\":\"m\"", 400, "no valid JSON" },
        { ONE, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 400, "'model'" },
        { ONE, "{\"model\":\"m\"}", 400, "'messages'" },
        { ONE, "{\"model\":\"m\",\"messages\":[]}", 400, "'messages'" },
        { ONE, "{\"model\":\"m\",\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", 400,
          "unknown role" },
        { ONE, "{\"model\":\"m\",\"messages\":[{\"content\":\"x\"}]}", 400, "unknown role" },
        { ONE, "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", 400,
          "tool_call_id" },
        { ONE, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":5}]}", 400,
          "content" },
        { ONE, ASK("\"stream\":\"yes\",", "x"), 400, "'stream'" },
        { ONE, ASK("\"n\":9,", "x"), 400, "'n'" },
        { ONE, ASK("\"max_tokens\":0,", "x"), 400, "'max_tokens'" },
        { ONE, ASK("\"stop\":[1],", "x"), 400, "'stop'" },
    };
    struct live v;

    live_begin(&v, FAST);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(ask(&v, rows[i].headers, rows[i].body), rows[i].status);
        EXPECT(has(v.body, rows[i].want));
    }
    EXPECT_INT(live_count_log(&v, "", "\"violation\""), COUNT_OF(rows));
    EXPECT_INT(live_call(&v, "POST /chat/completions", ONE, ASK("", "x")), 415);
    live_control(&v, "POST /__sim/settings", "{\"api_keys\":\"*\",\"models\":[\"*\"]}", 204);
    EXPECT_INT(ask(&v, "", ASK("", "x")), 200);
    EXPECT_INT(live_call(&v, "GET /v1/models", "", ""), 200);
    EXPECT_STR(v.body, "{\"object\":\"list\",\"data\":[]}");
    live_control(&v, "POST /__sim/settings", "{\"api_keys\":\"\",\"native\":false}", 204);
    EXPECT_INT(ask(&v, ONE, ASK("", "x")), 404);
    live_end(&v);
}

static void keeps_the_request_as_it_came(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(ask(&v, "X-Team: blue\r\nAuthorization: Bearer sk-two\r\n",
                   ASK("\"seed\": 1E+2 ,\"z\":-0,", "x")),
               200);
    live_control(&v, "GET /__sim/log?kind=completion", "", 200);
    EXPECT(has(v.body, "\"key\":1"));
    EXPECT(has(v.body, "\"protocol\":\"openai\""));
    EXPECT(has(v.body, "[\"X-Team\",\"blue\"],[\"Authorization\",\"...\"]"));
    EXPECT(has(v.body, "\"body\":\"{\\\"model\\\":\\\"m\\\",\\\"seed\\\": 1E+2 ,\\\"z\\\":-0,"));
    EXPECT(has(v.body, "\"bytes\":77"));
    EXPECT(has(v.body, "\"sha256\":\"1e2c4aaf69983b44aa78e3b7fa174996"));
    live_control(&v, "POST /__sim/settings", "{\"log_body_bytes\":8}", 204);
    live_control(&v, "DELETE /__sim/log", "", 204);
    EXPECT_INT(ask(&v, ONE, ASK("", "x")), 200);
    live_control(&v, "GET /__sim/log", "", 200);
    EXPECT(has(v.body, "\"body\":\"{\\\"model\\\"\""));
    live_end(&v);
}

static void lists_models(void)
{
    struct live v;

    live_begin(&v, FAST);
    EXPECT_INT(live_call(&v, "GET /models", "", ""), 401);
    EXPECT_INT(live_call(&v, "GET /v1/models", ONE, ""), 200);
    EXPECT(has(v.body, "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\","));
    EXPECT(has(v.body, "{\"id\":\"n/*\""));
    live_control(&v, "POST /__sim/settings", "{\"models\":[]}", 204);
    EXPECT_INT(live_call(&v, "GET /models", ONE, ""), 200);
    EXPECT(has(v.body, "\"id\":\"claude-sonnet-4.5\""));
    EXPECT(has(v.body, "\"id\":\"gpt-5.4\""));
    live_end(&v);
}

static const struct test suite[] = {
    { "answers whole", answers_whole },
    { "streams", streams },
    { "a stream says what the whole answer says", a_stream_says_what_the_whole_answer_says },
    { "calls tools", calls_tools },
    { "says raw chunks", says_raw_chunks },
    { "obeys limits and stops", obeys_limits_and_stops },
    { "reads parts and all prompts", reads_parts_and_all_prompts },
    { "refuses what a server would", refuses_what_a_server_would },
    { "keeps the request as it came", keeps_the_request_as_it_came },
    { "lists models", lists_models },
};

TEST_MAIN(suite)
