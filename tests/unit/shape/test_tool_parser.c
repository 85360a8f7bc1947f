/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/tool_parser.h"

#include "chat/transcript.h"
#include "shape_test.h"

enum { ROUNDS = 40000 };

struct rig {
    struct tool_parser parser;
    struct heard heard;
};

static enum err on_ended(void *arg, enum tool_call_end end)
{
    struct rig *r = arg;

    heard_close(&r->heard);
    heard_add(&r->heard, end == TOOL_CALL_WHOLE ? STR("(whole)") : STR("(broken)"));
    return ERR_NONE;
}

/* Ids are of no matter here: each is written as "#". */
static enum err on_event(void *arg, const struct chat_event *event)
{
    struct rig *r = arg;
    struct chat_tool_piece piece;
    struct chat_event plain = *event;

    if (event->type != CHAT_TOOL_CALL)
        return heard_put(&r->heard, event);
    piece = *event->tool;
    if (piece.id.n > 0)
        piece.id = STR("#");
    plain.tool = &piece;
    return heard_put(&r->heard, &plain);
}

static enum err feed(void *stage, const struct chat_event *event)
{
    return tool_parser_feed(stage, event);
}

static void start(struct rig *r)
{
    heard_init(&r->heard);
    tool_parser_init(&r->parser, 1, (struct shape_sink){ on_event, r }, on_ended, r);
}

static struct str finish(struct rig *r)
{
    EXPECT_INT(tool_parser_flush(&r->parser), ERR_NONE);
    return heard_line(&r->heard);
}

static void expect_at_every_cut(const char *in, const char *out)
{
    struct str text = str_of(in);

    for (size_t cut = 0; cut <= text.n; cut++) {
        struct rig r;

        start(&r);
        feed_cut(feed, &r.parser, CHAT_TEXT, text, cut);
        EXPECT_STR(finish(&r), out);
        buf_deinit(&r.heard.line);
    }
}

#define CALL(name, arguments) "<tool_call name=\"" name "\">\n" arguments "\n</tool_call>"

static void finds_calls(void)
{
    static const char *const rows[][2] = {
        { CALL("get", "{\"a\": 1}"), "[call 0 # get:{\"a\": 1}](whole)" },
        { "I look.\n" CALL("get", "{}") "\n", "I look.\n[call 0 # get:{}](whole)" },
        { "\n\n" CALL("a", "{\"x\":[{}]}") "\n\n" CALL("b", "{}") "\nDone.",
          "[call 0 # a:{\"x\":[{}]}](whole)[call 1 # b:{}](whole)\nDone." },
        { CALL("a", "{}") CALL("b", "{}"), "[call 0 # a:{}](whole)[call 1 # b:{}](whole)" },
        { "<tool_call-12 id=\"c\\\"\" name=\"a.b-c\" >{}</tool_call-12>",
          "[call 0 # a.b-c:{}](whole)" },
        { "<tool_call name=\"now\">\n</tool_call>", "[call 0 # now:{}](whole)" },
        { "<tool_call name=\"now\"></tool_call>!", "[call 0 # now:{}](whole)!" },
        { CALL("write", "{\"text\":\"\\n</tool_call>\\n<tool_call name=\\\"x\\\">\"}"),
          "[call 0 # write:{\"text\":\"\\n</tool_call>\\n<tool_call name=\\\"x\\\">\"}](whole)" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_at_every_cut(rows[i][0], rows[i][1]);
}

static void gives_back_what_only_looks_like_a_call(void)
{
    static const char *const rows[] = {
        "",
        "  \n ",
        "Hello <b>you</b>\n<tool_cal name=\"a\">{}",
        "inline <tool_call name=\"a\">{}</tool_call> is text",
        "<tool_call>\n{}\n</tool_call>",
        "<tool_call name=\"\">{}",
        "<tool_call name=\"a\\n\">{}",
        "<tool_call name=\"a\n\">{}",
        "<tool_call name=\"...\">\narguments\n</tool_call>",
        "<tool_call name=\"a\">\n[1]</tool_call>",
        "<tool_call name=\"a\">\n</tool_calls>",
        "<tool_call name=\"a\">",
        "<tool_call name=\"a\">  \n",
        "a\n<tool_call",
        "a\n<",
        "<<tool_call name=\"a\">{}",
        "<tool_call name=a>{}",
        "<tool_call  nam\xC3\xA9=\"a\">{}",
        "</tool_call>",
        "\n</tool_call>\n",
        "<tool_call-x name=\"a\">{}",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_at_every_cut(rows[i], rows[i]);
}

static void goes_on_behind_what_was_given_back(void)
{
    expect_at_every_cut("<tool_call nam\n" CALL("a", "{}"),
                        "<tool_call nam\n[call 0 # a:{}](whole)");
    expect_at_every_cut("<tool_call name=\"x\">\n" CALL("a", "{}"),
                        "<tool_call name=\"x\">\n[call 0 # a:{}](whole)");
    expect_at_every_cut("<tool_call name=\"x\">\n</tool_\n" CALL("a", "{}"),
                        "<tool_call name=\"x\">\n</tool_\n[call 0 # a:{}](whole)");
}

static void says_when_a_call_is_broken(void)
{
    static const char *const rows[][2] = {
        { CALL("a", "{\"x\": tru}") "ok", "[call 0 # a:{\"x\": tru](broken)ok" },
        { "<tool_call name=\"a\">{\"x\"", "[call 0 # a:{\"x\"](broken)" },
        { "<tool_call name=\"a\">{x <</tool_call", "[call 0 # a:{](broken)" },
        { "<tool_call name=\"a\">{x <</tool_call>" CALL("b", "{}"),
          "[call 0 # a:{](broken)[call 1 # b:{}](whole)" },
        { "<tool_call name=\"a\">{\"x\":\"1\n2\"}</tool_call>", "[call 0 # a:{\"x\":\"1](broken)" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_at_every_cut(rows[i][0], rows[i][1]);
}

static void takes_a_call_without_its_end_tag(void)
{
    static const char *const rows[][2] = {
        { "<tool_call name=\"a\">{}", "[call 0 # a:{}](whole)" },
        { "<tool_call name=\"a\">{}</tool", "[call 0 # a:{}](whole)" },
        { "<tool_call name=\"a\">{}\n" CALL("b", "{}"),
          "[call 0 # a:{}](whole)[call 1 # b:{}](whole)" },
        { "<tool_call name=\"a\">{}\nI did.", "[call 0 # a:{}](whole)I did." },
        { "<tool_call name=\"a\">{}} x < y\n</tool_call>.", "[call 0 # a:{}](whole)} x < y\n." },
        { "<tool_call name=\"a\">{}} <</tool_call> </tool_call>",
          "[call 0 # a:{}](whole)} < </tool_call>" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_at_every_cut(rows[i][0], rows[i][1]);
}

static void holds_back_only_what_may_still_be_a_call(void)
{
    static const char *const rows[][2] = {
        { "Hello", "Hello" },
        { "Hello\n", "Hello\n" },
        { "Hello\n<to", "Hello\n" },
        { "Hello <tool_call name=\"a\">{", "Hello <tool_call name=\"a\">{" },
        { "<tool_call is a", "<tool_call is a" },
        { "<tool_call name=\"a\">\nx", "<tool_call name=\"a\">\nx" },
        { "<tool_call name=\"a\">\n{\"x\":\"y", "[call 0 # a:{\"x\":\"y]" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig r;

        start(&r);
        feed_cut(feed, &r.parser, CHAT_TEXT, str_of(rows[i][0]), SIZE_MAX);
        EXPECT_STR(heard_line(&r.heard), rows[i][1]);
        buf_deinit(&r.heard.line);
    }
}

static void bounds_what_it_holds(void)
{
    static char text[4 * TOOL_HELD_MAX];
    struct rig r;

    start(&r);
    memset(text, ' ', sizeof(text));
    memcpy(text, "\n<tool_call name=\"a\">", 21);
    feed_cut(feed, &r.parser, CHAT_TEXT, (struct str){ text, sizeof(text) }, SIZE_MAX);
    EXPECT(str_eq(finish(&r), (struct str){ text, sizeof(text) }));
    buf_deinit(&r.heard.line);
    start(&r);
    memset(text, ' ', sizeof(text));
    feed_cut(feed, &r.parser, CHAT_TEXT, (struct str){ text, 2 * TOOL_SPACE_MAX }, SIZE_MAX);
    EXPECT_INT(r.heard.line.n, 2 * TOOL_SPACE_MAX);
    buf_deinit(&r.heard.line);
    start(&r);
    memset(text, 'x', sizeof(text));
    memcpy(text, "<tool_call name=\"", 17);
    feed_cut(feed, &r.parser, CHAT_TEXT, (struct str){ text, sizeof(text) }, SIZE_MAX);
    EXPECT(str_eq(finish(&r), (struct str){ text, sizeof(text) }));
    buf_deinit(&r.heard.line);
}

static const char words[] =
    "<tool_call <tool_call_name=\"a\"> <tool_call_name=\"b\">~{\"k\":1}~</tool_call> </tool_call> "
    "{} {\"a\":\"b\"} ~ ~ _ < > / - 1 text _name=\"c\" > \" \xC3\xA9 { } "
    "<tool_call-3_name=\"c\">{}";

static void does_not_care_how_text_is_cut(void)
{
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[600];
        struct str text = dice_text(words, dice(20), room, sizeof(room));
        struct rig once;
        struct rig cut;

        start(&once);
        start(&cut);
        feed_cut(feed, &once.parser, CHAT_TEXT, text, 0);
        feed_cut(feed, &cut.parser, CHAT_TEXT, text, SIZE_MAX);
        if (!str_eq(finish(&once), finish(&cut)))
            fail_msg("%.*s", STR_ARGS(text));
        /* Without a call nothing is lost. */
        if (once.parser.n_calls == 0)
            EXPECT(str_eq(heard_line(&once.heard), text));
        buf_deinit(&once.heard.line);
        buf_deinit(&cut.heard.line);
    }
}

/* What the prompt shows of former calls is what the parser reads. */
static void reads_what_the_transcript_writes(void)
{
    struct chat_tool_call calls[] = { { STR("c1"), STR("get_weather"), STR("{\"city\":\"Rome\"}") },
                                      { STR("c\"2"), STR("now"), STR("") } };
    struct chat_part parts[] = { { CHAT_PART_TEXT, STR("</user>Let me see.") } };
    struct chat_message message = {
        .role = CHAT_ASSISTANT, .parts = parts, .n_parts = 1, .tool_calls = calls, .n_tool_calls = 2
    };
    struct chat_request req = { .messages = &message, .n_messages = 1 };
    struct buf out;
    struct rig r;
    size_t m;
    size_t p;

    buf_init(&out, 4096);
    EXPECT_INT(transcript_write(&req, 0, STR(""), &out, &m, &p), ERR_NONE);
    start(&r);
    feed_cut(feed, &r.parser, CHAT_TEXT, buf_str(&out), 0);
    EXPECT_STR(finish(&r), "<assistant-1>\n</user>Let me see.\n"
                           "[call 0 # get_weather:{\"city\":\"Rome\"}](whole)"
                           "[call 1 # now:{}](whole)\n</assistant-1>\n");
    buf_deinit(&r.heard.line);
    buf_deinit(&out);
}

static void makes_an_id_for_each_call(void)
{
    char first[TOOL_ID_LEN];
    struct rig r;

    start(&r);
    feed_cut(feed, &r.parser, CHAT_TEXT, STR(CALL("a", "{}")), 0);
    memcpy(first, r.parser.id, sizeof(first));
    EXPECT(memcmp(first, "call_", 5) == 0);
    feed_cut(feed, &r.parser, CHAT_TEXT, STR(CALL("a", "{}")), 0);
    EXPECT(memcmp(first, r.parser.id, sizeof(first)) != 0);
    buf_deinit(&r.heard.line);
}

static const struct test suite[] = {
    { "finds calls", finds_calls },
    { "gives back what only looks like a call", gives_back_what_only_looks_like_a_call },
    { "goes on behind what was given back", goes_on_behind_what_was_given_back },
    { "says when a call is broken", says_when_a_call_is_broken },
    { "takes a call without its end tag", takes_a_call_without_its_end_tag },
    { "holds back only what may still be a call", holds_back_only_what_may_still_be_a_call },
    { "bounds what it holds", bounds_what_it_holds },
    { "does not care how text is cut", does_not_care_how_text_is_cut },
    { "reads what the transcript writes", reads_what_the_transcript_writes },
    { "makes an id for each call", makes_an_id_for_each_call },
};

TEST_MAIN(suite)
