/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of chunks: what each says, whatever the cut, and whether the answer was whole. */
#include "provider/openai/stream.h"

#include "base/mem.h"
#include "test.h"

struct seen {
    char text[2048];
    unsigned n;
};

static void note(struct seen *s, struct str text)
{
    size_t at = strlen(s->text);

    EXPECT(at + text.n < sizeof(s->text));
    str_to_z(text, s->text + at, sizeof(s->text) - at);
}

static void note_tool(struct seen *s, const struct chat_tool_piece *t)
{
    char index[8];

    snprintf(index, sizeof(index), "%zu:", t->index);
    note(s, str_of(index));
    note(s, t->id);
    note(s, STR(","));
    note(s, t->name);
    note(s, STR(","));
    note(s, t->arguments);
}

/* "0 text", "0!reasoning", "0#call", "0.finish", "+" (something else is said),
 * "u:prompt/completion/reasoning", "e:error", "E:error" of an event of that name. */
static enum err on_chunk(void *arg, struct str json, bool is_error, const struct chunk *c)
{
    static const char *const finishes[] = { "stop", "length", "tools", "filter" };
    struct seen *s = arg;
    char line[64];

    EXPECT(json.n > 0);
    EXPECT(!c->limit);
    s->n++;
    note(s, STR("["));
    for (const struct piece *p = c->first; p; p = p->next) {
        snprintf(line, sizeof(line), "%zu%c", p->choice, " !#."[p->type]);
        note(s, str_of(line));
        if (p->type == PIECE_TOOL)
            note_tool(s, &p->tool);
        else
            note(s, p->type == PIECE_FINISH ? str_of(finishes[p->finish]) : p->text);
    }
    if (!c->first && c->is_said)
        note(s, STR("+"));
    snprintf(line, sizeof(line), "u:%d/%d/%d", (int)c->usage.prompt_tokens,
             (int)c->usage.completion_tokens, (int)c->usage.reasoning_tokens);
    if (c->has_usage)
        note(s, str_of(line));
    if (c->error.p) {
        note(s, is_error ? STR("E:") : STR("e:"));
        note(s, c->error);
    }
    note(s, STR("]"));
    return ERR_NONE;
}

static enum err feed(struct str in, size_t first, size_t step, struct seen *s, bool *ret_whole)
{
    enum err err = ERR_NONE;
    struct stream stream;

    *s = (struct seen){ .n = 0 };
    stream_init(&stream, 4096, on_chunk, s);
    err = stream_feed(&stream, str_sub(in, 0, first));
    for (size_t at = first; at < in.n && !err; at += step)
        err = stream_feed(&stream, str_sub(in, at, step));
    *ret_whole = stream_is_whole(&stream);
    stream_deinit(&stream);
    return err;
}

#define CHUNK(choices) "data: {\"id\":\"x\",\"choices\":[" choices "]}\n\n"
#define DELTA(i, delta) "{\"index\":" i ",\"delta\":{" delta "},\"finish_reason\":null}"
#define FINISH(i, why) "{\"index\":" i ",\"delta\":{},\"finish_reason\":\"" why "\"}"
#define DONE "data: [DONE]\n\n"

static const struct {
    const char *in;
    const char *want;
    bool is_whole;
} rows[] = {
    { "", "", false },
    { DONE, "", true },
    { CHUNK(DELTA("0", "\"role\":\"assistant\",\"content\":\"\"")), "[]", false },
    { CHUNK(DELTA("0", "\"content\":\"a\\u00e9\"")) CHUNK(FINISH("0", "stop")) DONE,
      "[0 a\xc3\xa9][0.stop]", true },
    { CHUNK(DELTA("0", "\"content\":\"a\"")) CHUNK(FINISH("0", "length")), "[0 a][0.length]",
      true },
    { CHUNK(DELTA("0", "\"content\":\"a\"")), "[0 a]", false },
    { CHUNK(FINISH("0", "stop")) DONE DONE CHUNK(DELTA("0", "\"content\":\"late\"")), "[0.stop]",
      true },
    /* several choices */
    { CHUNK(DELTA("0", "\"content\":\"a\"") "," DELTA("1", "\"content\":\"b\""))
          CHUNK(FINISH("1", "stop")),
      "[0 a1 b][1.stop]", false },
    { CHUNK(DELTA("0", "\"content\":\"a\"")) CHUNK(FINISH("2", "stop")) CHUNK(FINISH("0", "x")),
      "[0 a][2.stop][0.stop]", true },
    { CHUNK(DELTA("70", "\"content\":\"a\"")) CHUNK(FINISH("70", "content_filter")),
      "[70 a][70.filter]", true },
    /* the other members */
    { CHUNK(DELTA("0", "\"reasoning_content\":\"hm\",\"reasoning\":\"hm\",\"content\":null")),
      "[0!hm]", false },
    { CHUNK(DELTA("0", "\"reasoning\":\"hm\",\"content\":\"a\"")), "[0!hm0 a]", false },
    { CHUNK(DELTA("0", "\"refusal\":\"no\"")), "[0 no]", false },
    { CHUNK(DELTA("0", "\"tool_calls\":[{\"index\":1,\"id\":\"c\",\"type\":\"function\","
                       "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"\"}},"
                       "{\"function\":{\"arguments\":\"}\"},\"index\":0}]"))
          CHUNK(FINISH("0", "tool_calls")),
      "[0#1:c,f,{\"0#0:,,}][0.tools]", true },
    { CHUNK(DELTA("0", "\"function_call\":{\"name\":\"f\",\"arguments\":{\"a\":1}}")),
      "[0#0:,f,{\"a\":1}]", false },
    { "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,"
      "\"completion_tokens_details\":{\"reasoning_tokens\":2,\"x\":null}}}\n\n",
      "[u:3/4/2]", false },
    { "data: {\"choices\":null,\"usage\":null,\"x\":1e400}\n\n", "[]", false },
    { "data: {\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":4.5}}\n\n", "[u:0/0/0]",
      false },
    { "data: {\"error\":{\"message\":\"busy\"}}\n\n", "[e:{\"message\":\"busy\"}]", false },
    { "data: {\"error\":\"busy\"}\n\n", "[e:\"busy\"]", false },
    { "data: {\"error\":null}\n\n", "[]", false },
    { "data: {\"error\":[\"busy\"]}\n\n", "[e:[\"busy\"]]", false },
    { "data: {\"error\":{}}\n\n", "[e:{}]", false },
    { "data: {\"error\":5}\n\ndata: {\"error\":true}\n\n", "[e:5][e:true]", false },
    { "data: {\"error\":\"\"}\n\ndata: {\"error\":0}\n\ndata: {\"error\":false}\n\n", "[][][]",
      false },
    { "data: {\"object\":\"error\",\"code\":400}\n\n", "[e:{\"object\":\"error\",\"code\":400}]",
      false },
    { "data: {\"error\":\"busy\",\"object\":\"error\"}\n\n", "[e:\"busy\"]", false },
    { "event: error\ndata: {\"message\":\"busy\"}\n\n", "[E:{\"message\":\"busy\"}]", false },
    { "event: error\ndata: {\"error\":\"busy\"}\n\n", "[E:\"busy\"]", false },
    { "event: error\ndata: out of memory\n\n", "[E:out of memory]", false },
    { "event: error\ndata: {\"choices\":[" FINISH("0", "stop") "\n\n",
      "[E:{\"choices\":[" FINISH("0", "stop") "]", false },
    /* what a delta may say besides */
    { CHUNK(DELTA("0", "\"role\":\"assistant\",\"audio\":{\"data\":\"QUJD\"}")), "[+]", false },
    { CHUNK(DELTA("0", "\"role\":\"assistant\",\"audio\":null,\"x\":\"\",\"y\":[ ],\"z\":{}")),
      "[]", false },
    { CHUNK(DELTA("0", "\"content\":[{\"type\":\"thinking\"}]")) CHUNK(DELTA("0", "\"x\":7")),
      "[+][+]", false },
    /* an empty reason is none */
    { CHUNK("{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}"), "[0 a]", false },
    { CHUNK("5,{\"index\":\"0\",\"delta\":7,\"finish_reason\":1}"), "[]", false },
    /* odd shapes say nothing */
    { CHUNK("{\"index\":-1,\"delta\":{\"tool_calls\":[5,{\"index\":1.5,\"function\":7,\"x\":{}}],"
            "\"function_call\":null,\"content\":5,\"x\":[1]},\"x\":1,\"finish_reason\":"
            "\"function_call\"}"),
      "[0#0:,,0#1:,,0.tools]", true },
    { CHUNK("{\"delta\":{\"function_call\":{\"x\":1,\"arguments\":7}}}"), "[0#0:,,]", false },
    { CHUNK("{\"delta\":{\"tool_calls\":{}}}"), "[]", false },
    { "data: {\"choices\":{},\"usage\":[1],\"error\":null}\n\n", "[]", false },
    { "data: {\"usage\":{\"completion_tokens_details\":7,\"x\":1}}\n\n", "[u:0/0/0]", false },
    /* a whole answer has `message` */
    { "data: {\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"},"
      "{\"message\":{\"content\":\"b\"},\"finish_reason\":\"length\"}]}\n\n",
      "[0 a0.stop1 b1.length]", true },
    /* line ends, comments, a byte order mark, several lines of one event, silence */
    { "\xEF\xBB\xBF" CHUNK(FINISH("0", "stop")), "[0.stop]", true },
    { ": hello\r\n\r\ndata: {}\r\n\r\n:\r\ndata: [DONE]\r\n\r\n", "[]", true },
    { "data: {\ndata: \"choices\":[]}\n\n", "[]", false },
    { "data:\n\ndata: \n\nid: 5\nretry: 1\n\ndata:[DONE] \n\n", "", true },
    { "data: [DONE]", "", true },
    { "data:[DONE]\n", "", true },
    { "data: {}\n\ndata: [DONE]\r\n", "[]", true },
    { "data: [DONE", "", false },
    { "data: [DONE]x", "", false },
    { "data: {}\ndata: [DONE]", "", false },
    { "data: x\ndata: [DONE]\n", "", false },
    { ": data: [DONE]", "", false },
};

static void reads_streams_whatever_the_cut(void)
{
    struct seen s;
    bool is_whole;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str in = str_of(rows[i].in);

        for (size_t cut = 0; cut <= in.n; cut++) {
            EXPECT_INT(feed(in, cut, in.n + 1, &s, &is_whole), ERR_NONE);
            EXPECT_Z(s.text, rows[i].want);
            EXPECT_INT(is_whole, rows[i].is_whole);
        }
        EXPECT_INT(feed(in, 0, 1, &s, &is_whole), ERR_NONE);
        EXPECT_Z(s.text, rows[i].want);
    }
}

static void refuses_what_is_no_json(void)
{
    static const char *const bad[] = {
        "data: {\n\n",
        "data: hello\n\n",
        "data: []\n\n",
        "data: \"DONE\"\n\n",
        "data: {\"a\":1}}\n\n",
        "data: {\"a\":\"\xff\"}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{]}}]}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":}}\n\n",
        "data: {}\ndata: {}\n\n",
        "data: [DONE\n\n",
    };
    struct seen s;
    bool is_whole;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        EXPECT_INT(feed(str_of(bad[i]), 0, 1, &s, &is_whole), ERR_BAD_INPUT);
        EXPECT_INT(s.n, 0);
        EXPECT(!is_whole);
    }
}

static void refuses_an_event_above_the_limit(void)
{
    struct seen s;
    bool is_whole;
    struct buf in;

    buf_init(&in, 8192);
    EXPECT(!buf_add(&in, STR("data: {\"a\":\"")));
    for (int i = 0; i < 5000; i++)
        EXPECT(!buf_add_char(&in, 'x'));
    EXPECT(!buf_add(&in, STR("\"}\n\n")));
    EXPECT_INT(feed(buf_str(&in), 100, 100, &s, &is_whole), ERR_TOO_BIG);
    EXPECT_INT(feed(buf_str(&in), in.n, 1, &s, &is_whole), ERR_TOO_BIG);
    EXPECT_INT(s.n, 0);
    buf_deinit(&in);
}

/* What is no matter of size is not told as one. */
static void says_which_limit_it_was(void)
{
    static const char *const parts[][4] = {
        { "[", "]", "{\"x\":", "more than 128 arrays and objects in one another" },
        { "{\"delta\":{\"content\":\"a\"}},", "{}", "{\"choices\":[",
          "more than 65536 pieces of an answer" },
    };

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct chunk c;
        struct buf in;
        struct arena a;

        arena_init(&a);
        buf_init(&in, 16 << 20);
        EXPECT(!buf_add(&in, str_of(parts[i][2])));
        for (size_t k = 0; k < (i ? 65537 : 128); k++)
            EXPECT(!buf_add(&in, str_of(parts[i][0])));
        for (size_t k = 0; k < (i ? 1 : 128); k++)
            EXPECT(!buf_add(&in, str_of(parts[i][1])));
        EXPECT(!buf_add(&in, i ? STR("]}") : STR("}")));
        EXPECT_INT(chunk_read(buf_str(&in), &a, &c), ERR_TOO_BIG);
        EXPECT_Z(c.limit, parts[i][3]);
        buf_deinit(&in);
        arena_deinit(&a);
    }
}

static void tells_usage_alone_from_the_rest(void)
{
    static const struct {
        const char *json;
        bool is_usage;
    } chunks[] = {
        { "{\"choices\":[],\"usage\":{}}", true },
        { "{\"usage\":{\"prompt_tokens\":1}}", true },
        { "{\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{}}", false },
        { "{\"choices\":[],\"usage\":null}", false },
        { "{\"choices\":[],\"usage\":{},\"error\":{}}", false },
        { "{\"choices\":[]}", false },
    };

    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
        struct chunk c;
        struct arena a;

        arena_init(&a);
        EXPECT_INT(chunk_read(str_of(chunks[i].json), &a, &c), ERR_NONE);
        EXPECT_INT(chunk_is_usage(&c), chunks[i].is_usage);
        arena_deinit(&a);
    }
}

static void survives_every_failed_allocation(void)
{
    static const char in[] =
        CHUNK(DELTA("0", "\"content\":\"a\\n\",\"tool_calls\":[{\"id\":\"\\n\"}]"))
            CHUNK(FINISH("0", "stop")) DONE;
    struct seen s;
    bool is_whole;
    enum err err = ERR_NOMEM;

    for (uint64_t n = 1; err; n++) {
        EXPECT(n < 100);
        mem_fail_nth(n);
        err = feed(str_of(in), 0, 1, &s, &is_whole);
        mem_fail_nth(0);
        EXPECT(!err || err == ERR_NOMEM);
        EXPECT(is_whole == (err == ERR_NONE));
    }
    EXPECT_Z(s.text, "[0 a\n0#0:\n,,][0.stop]");
}

static const struct test suite[] = {
    { "reads streams whatever the cut", reads_streams_whatever_the_cut },
    { "refuses what is no JSON", refuses_what_is_no_json },
    { "refuses an event above the limit", refuses_an_event_above_the_limit },
    { "says which limit it was", says_which_limit_it_was },
    { "tells usage alone from the rest", tells_usage_alone_from_the_rest },
    { "survives every failed allocation", survives_every_failed_allocation },
};

TEST_MAIN(suite)
