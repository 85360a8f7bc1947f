/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation/fingerprint.h"

#include "base/encoding.h"
#include "chat/chat_test.h"

static const struct fingerprint_scope nobody;

/* The fingerprint of all messages of `chat`. */
static struct fingerprint print_of(const struct chat_request *req)
{
    struct fingerprint chain[MADE_MESSAGES];

    fingerprint_chain(&nobody, req, chain);
    return chain[req->n_messages - 1];
}

static struct fingerprint print_of_text(const char *chat)
{
    struct made_chat m;

    made_chat(&m, chat);
    return print_of(&m.req);
}

static bool same(const struct fingerprint *a, const struct fingerprint *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void expect_compare(const char *a, const char *b, bool equal)
{
    struct fingerprint left = print_of_text(a);
    struct fingerprint right = print_of_text(b);

    if (same(&left, &right) != equal)
        fail_msg("\"%s\" and \"%s\" should %sbe the same", a, b, equal ? "" : "not ");
}

static void the_same_conversation_has_the_same_fingerprint(void)
{
    expect_compare("u:hi", "u:hi", true);
    expect_compare("u:hi", "u:h|i", true);
    expect_compare("u:a\r\nb", "u:a\nb", true);
    expect_compare("u:a\r|\nb", "u:a\nb", true);
    expect_compare("u:hi", "u: \t\r\n hi\r\n", true);
    expect_compare("u:a  b", "u: |a| | |b|\n", true);
    expect_compare("u:", "u: \r\n", true);
    expect_compare("s:sys;u:hi", "u:hi;s:sys", true);
    expect_compare("s:sys ;u:hi", "s:sys;u:hi", true);
    expect_compare("s:one;s:two;u:hi", "s:one;u:hi;s:two", true);
}

static void another_conversation_has_another_one(void)
{
    static const char *const chats[] = {
        "u:hi",        "u:hi!",       "a:hi",          "t:hi",          "u:",
        "u:h i",       "u:h  i",      "u:h\ni",        "u:h\ri",        "u:h\r\ri",
        "s:hi",        "d:hi",        "s:;u:hi",       "s:h;s:i;u:x",   "s:hi;u:x",
        "d:hi;u:x",    "s:i;s:h;u:x", "u:hi;u:hi",     "u:hi;a:hi",     "a:hi;u:hi",
        "u:hi;a:;u:x", "u:hi;u:x",    "u:hihi",        "u:hi|@img",     "u:hi|@other",
        "u:@img",      "u:@img|@img", "u:@img2|@img1", "u:@img1|@img2", "u:img",
    };

    for (size_t i = 0; i < COUNT_OF(chats); i++)
        for (size_t k = 0; k < i; k++)
            expect_compare(chats[i], chats[k], false);
}

static void the_scope_separates_conversations(void)
{
    static const struct fingerprint_scope scopes[] = {
        { { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 } },
        { { "k", 1 }, { "", 0 }, { "", 0 }, { "", 0 } },
        { { "", 0 }, { "k", 1 }, { "", 0 }, { "", 0 } },
        { { "", 0 }, { "", 0 }, { "k", 1 }, { "", 0 } },
        { { "k", 1 }, { "u", 1 }, { "m", 1 }, { "", 0 } },
        { { "ku", 2 }, { "", 0 }, { "m", 1 }, { "", 0 } },
        { { "k", 1 }, { "um", 2 }, { "", 0 }, { "", 0 } },
        { { "k", 1 }, { "u", 1 }, { "m2", 2 }, { "", 0 } },
        { { "k2", 2 }, { "u", 1 }, { "m", 1 }, { "", 0 } },
        { { "k", 1 }, { "u2", 2 }, { "m", 1 }, { "", 0 } },
        { .instructions = { "k", 1 } },
        { .model = { "k", 1 }, .instructions = { "i", 1 } },
    };
    struct fingerprint chain[COUNT_OF(scopes)];
    struct made_chat m;

    made_chat(&m, "u:hi");
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        fingerprint_chain(&scopes[i], &m.req, &chain[i]);
        for (size_t k = 0; k < i; k++)
            EXPECT(!same(&chain[i], &chain[k]));
    }
}

static void a_longer_history_goes_on_where_the_shorter_one_ended(void)
{
    struct fingerprint chain[MADE_MESSAGES];
    struct made_chat m;
    size_t n;

    made_chat(&m, "s:sys;u:one;a:two;t:three;a:four;u:five");
    fingerprint_chain(&nobody, &m.req, chain);
    n = m.req.n_messages;
    for (m.req.n_messages = 1; m.req.n_messages <= n; m.req.n_messages++) {
        struct fingerprint prefix = print_of(&m.req);

        EXPECT(same(&prefix, &chain[m.req.n_messages - 1]));
        EXPECT(m.req.n_messages == 1 || !same(&prefix, &chain[m.req.n_messages - 2]));
    }
}

static void a_system_message_repeats_the_running_value(void)
{
    struct fingerprint chain[MADE_MESSAGES];
    struct made_chat m;

    made_chat(&m, "s:a;u:x;s:b;d:c;u:y");
    fingerprint_chain(&nobody, &m.req, chain);
    EXPECT(!same(&chain[0], &chain[1]));
    EXPECT(same(&chain[1], &chain[2]) && same(&chain[2], &chain[3]));
    EXPECT(!same(&chain[3], &chain[4]));
}

/* ---- tool calls ---- */

static struct fingerprint print_of_call(const char *id, const char *name, const char *arguments)
{
    struct chat_tool_call call = { str_of(id), str_of(name), str_of(arguments) };
    struct made_chat m;

    made_chat(&m, "a:");
    m.messages[0].tool_calls = &call;
    m.messages[0].n_tool_calls = 1;
    return print_of(&m.req);
}

static void arguments_are_compared_as_json(void)
{
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } rows[] = {
        { "{\"a\":[1,2]}", " { \"a\" : [ 1,\r\n\t2 ] } ", true },
        { "\"a b\"", " \"a b\" ", true },
        { "\"a b\"", "\"ab\"", false },
        { "{\"a\":\"\\\" : \\\\\"}", "{ \"a\": \"\\\" : \\\\\" }", true },
        { "{\"a\":\"\\\" : \"}", "{\"a\":\"\\\": \"}", false },
        { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", false },
        { "{\"a\":1}", "{\"a\":1.0}", true },
        { "{\"a\":1e2,\"b\":-0}", "{\"a\":100,\"b\":0}", true },
        { "[12345678901234567890]", "[12345678901234567000]", true },
        { "[1,2]", "[12]", false },
        { "[0.1]", "[0.2]", false },
        { "{\"\\u00e9\":\"\\ud83d\\ude00\"}", "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}", true },
        { "\"\\/\\b\\f\\n\\r\\t\\u000A\"", "\"/\\u0008\\u000c\\u000a\\u000D\\u0009\\n\"", true },
        { "\"\\u0061\"", "\"b\"", false },
        { "[\"a\",\"b\"]", "[\"a\\\",\\\"b\"]", false },
        { "true", "null", false },
        { "no json", "  no json\n", true },
        { "no json", "nojson", false },
        { "", " ", true },
        { "", "{}", false },
        { "{ } }", "{}}", false },
        { "1", "\"1\"", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fingerprint a = print_of_call("c", "f", rows[i].a);
        struct fingerprint b = print_of_call("c", "f", rows[i].b);

        if (same(&a, &b) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

/* Some clients fill in what a tool's schema names a default of. */
static void arguments_with_their_defaults_count_as_without(void)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"all\":{\"default\":"
        "false},\"by\":{\"default\":{\"n\":1}},\"default\":{\"type\":\"string\"}}}";
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } rows[] = {
        { "{\"path\":\"x\"}", "{\"path\":\"x\",\"all\":false}", true },
        { "{\"path\":\"x\"}", "{\"all\": false, \"path\":\"x\", \"by\":{ \"n\":1.0 }}", true },
        { "{\"path\":\"x\"}", "{\"path\":\"x\",\"all\":true}", false },
        { "{\"path\":\"x\"}", "{\"path\":\"x\",\"by\":{\"n\":2}}", false },
        { "{\"path\":\"x\"}", "{\"path\":\"y\",\"all\":false}", false },
        { "{}", "{\"all\":\"false\"}", false },
        { "{}", "{\"other\":false}", false },
        { "{}", "{\"default\":\"x\"}", false },
    };
    const struct chat_tool tools[] = { { .name = STR("g") },
                                       { .name = STR("f"), .parameters = str_of(schema) } };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct chat_tool_call call = { STR("c"), STR("f"), str_of(rows[i].a) };
        struct fingerprint_said said = { .tool_calls = &call, .n_tool_calls = 1 };
        struct fingerprint chain[2], answer;
        struct made_chat m;

        made_chat(&m, "u:hi;a:");
        m.req.tools = (struct chat_tools){ .list = tools, .n = COUNT_OF(tools) };
        said.tools = &m.req.tools;
        fingerprint_text_init(&said.text);
        fingerprint_chain(&nobody, &m.req, chain);
        fingerprint_answer(&chain[0], &said, &answer);
        call.arguments = str_of(rows[i].b);
        m.messages[1].tool_calls = &call;
        m.messages[1].n_tool_calls = 1;
        fingerprint_chain(&nobody, &m.req, chain);
        if (same(&chain[1], &answer) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

static void calls_and_results_count(void)
{
    struct chat_tool_call calls[] = { { STR("c"), STR("f"), STR("{}") },
                                      { STR("c"), STR("f"), STR("{}") } };
    struct fingerprint prints[] = {
        print_of_text("a:"),
        print_of_call("c", "f", "{}"),
        print_of_call("d", "f", "{}"),
        print_of_call("c", "g", "{}"),
        print_of_call("cf", "", "{}"),
        print_of_text("t:x"),
        { { 0 } },
        { { 0 } },
    };
    struct made_chat m;

    made_chat(&m, "t:x");
    m.messages[0].tool_call_id = STR("c");
    prints[6] = print_of(&m.req);
    made_chat(&m, "a:");
    m.messages[0].tool_calls = calls;
    m.messages[0].n_tool_calls = COUNT_OF(calls);
    prints[7] = print_of(&m.req);
    for (size_t i = 0; i < COUNT_OF(prints); i++)
        for (size_t k = 0; k < i; k++)
            EXPECT(!same(&prints[i], &prints[k]));
}

/* ---- answers as they are streamed ---- */

static void check_answer(struct str text, size_t cut, size_t cut_more)
{
    struct fingerprint chain[2];
    struct fingerprint streamed;
    struct fingerprint_text t;
    struct made_chat m;

    made_chat(&m, "u:hi;a:x");
    m.parts[1].text = text;
    fingerprint_chain(&nobody, &m.req, chain);
    fingerprint_text_init(&t);
    fingerprint_text_add(&t, str_sub(text, 0, cut));
    fingerprint_text_add(&t, str_sub(text, cut, cut_more - cut));
    fingerprint_text_add(&t, str_from(text, cut_more));
    fingerprint_answer(&chain[0], &(struct fingerprint_said){ .text = t }, &streamed);
    if (!same(&streamed, &chain[1]))
        fail_msg("\"%.*s\" cut at %zu and %zu", STR_ARGS(text), cut, cut_more);
}

static void an_answer_hashed_in_pieces_is_the_message_that_comes_back(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "\r\n",
        "word",
        " a b ",
        "a\r\nb",
        "\r\na\r\n\r\nb\r\n",
        "a\r\rb\n\rc\r",
        "\r\r\n\r",
        "  a \t\r\n \r b  \r\n\r\n",
        "\xc3\xa9\r\n\xf0\x9f\x98\x80 ",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct str text = str_of(texts[i]);

        for (size_t cut = 0; cut <= text.n; cut++)
            for (size_t more = cut; more <= text.n; more++)
                check_answer(text, cut, more);
    }
}

static void random_answers_survive_random_cuts(void)
{
    uint32_t state = 7;

    for (int round = 0; round < 2000; round++) {
        static const char letters[] = "ab \r\n\t";
        char text[24];
        size_t cuts[2];

        for (size_t i = 0; i < sizeof(text); i++) {
            state = state * 1664525 + 1013904223;
            text[i] = letters[(state >> 16) % (sizeof(letters) - 1)];
        }
        cuts[0] = (state >> 8) % sizeof(text);
        cuts[1] = cuts[0] + (state >> 20) % (sizeof(text) - cuts[0]);
        check_answer((struct str){ text, sizeof(text) }, cuts[0], cuts[1]);
    }
}

static void an_answer_may_go_on_after_its_fingerprint(void)
{
    struct fingerprint last = { { 1 } };
    struct fingerprint once;
    struct fingerprint again;
    struct fingerprint_text t;

    fingerprint_text_init(&t);
    fingerprint_text_add(&t, STR("one "));
    fingerprint_answer(&last, &(struct fingerprint_said){ .text = t }, &once);
    fingerprint_answer(&last, &(struct fingerprint_said){ .text = t }, &again);
    EXPECT(same(&once, &again));
    fingerprint_text_add(&t, STR("two"));
    fingerprint_answer(&last, &(struct fingerprint_said){ .text = t }, &again);
    EXPECT(!same(&once, &again));
}

/* Clients read the arguments and write them in their own way. */
static void an_answer_with_calls_is_the_message_that_comes_back(void)
{
    struct chat_tool_call sent[] = { { STR("c1"), STR("f"), STR("{ \"a\": 1.0 }") },
                                     { STR("c2"), STR("g"), STR("{}") } };
    struct chat_tool_call back[] = { { STR("c1"), STR("f"), STR("{\"a\":1}") },
                                     { STR("c2"), STR("g"), STR("{ }") } };
    struct fingerprint_said said = { .tool_calls = sent, .n_tool_calls = 2 };
    struct fingerprint chain[2];
    struct fingerprint answer;
    struct made_chat m;

    made_chat(&m, "u:hi;a:Let me look.");
    m.messages[1].tool_calls = back;
    m.messages[1].n_tool_calls = 2;
    fingerprint_chain(&nobody, &m.req, chain);
    fingerprint_text_init(&said.text);
    fingerprint_text_add(&said.text, STR("Let me look.\n"));
    fingerprint_answer(&chain[0], &said, &answer);
    EXPECT(same(&chain[1], &answer));
    said.n_tool_calls = 1;
    fingerprint_answer(&chain[0], &said, &answer);
    EXPECT(!same(&chain[1], &answer));
}

/* Stores keep fingerprints: another value here is another MAGIC there. */
static void the_bytes_are_those_of_the_last_release(void)
{
    struct fingerprint_scope scope = { .key_id = STR("key"),
                                       .upstream = STR("cto"),
                                       .model = STR("GPT5") };
    struct fingerprint chain[4];
    char hex[2 * SHA256_LEN + 1];
    struct made_chat m;

    made_chat(&m, "s:Be brief.;u:Hello;a:Hi!;u:And you?");
    fingerprint_chain(&scope, &m.req, chain);
    hex_encode(chain[2].bytes, SHA256_LEN, hex);
    EXPECT_Z(hex, "48a352e4b55047c381dc1f8d39be4d15d74713b10667d06ebaff2afcb271467b");
}

static const struct test suite[] = {
    { "the same conversation has the same fingerprint",
      the_same_conversation_has_the_same_fingerprint },
    { "another conversation has another one", another_conversation_has_another_one },
    { "the scope separates conversations", the_scope_separates_conversations },
    { "a longer history goes on where the shorter one ended",
      a_longer_history_goes_on_where_the_shorter_one_ended },
    { "a system message repeats the running value", a_system_message_repeats_the_running_value },
    { "arguments are compared as JSON", arguments_are_compared_as_json },
    { "arguments with their defaults count as without",
      arguments_with_their_defaults_count_as_without },
    { "calls and results count", calls_and_results_count },
    { "an answer hashed in pieces is the message that comes back",
      an_answer_hashed_in_pieces_is_the_message_that_comes_back },
    { "random answers survive random cuts", random_answers_survive_random_cuts },
    { "an answer with calls is the message that comes back",
      an_answer_with_calls_is_the_message_that_comes_back },
    { "an answer may go on after its fingerprint", an_answer_may_go_on_after_its_fingerprint },
    { "the bytes are those of the last release", the_bytes_are_those_of_the_last_release },
};

TEST_MAIN(suite)
