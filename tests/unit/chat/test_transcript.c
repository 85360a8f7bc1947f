/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/transcript.h"

#include "chat_test.h"

#include "base/mem.h"

/* The transcript from message `from` on, into `out`. */
static enum err write_from(const struct chat_request *req, size_t from, size_t max, char out[4096])
{
    size_t message = SIZE_MAX;
    size_t part = SIZE_MAX;
    struct buf b;
    enum err err;

    buf_init(&b, max);
    EXPECT(buf_add(&b, STR("#")) == ERR_NONE);
    err = transcript_write(req, from, STR(""), &b, &message, &part);
    EXPECT(!err || b.n == 1);
    str_to_z(str_from(buf_str(&b), 1), out, 4096);
    buf_deinit(&b);
    return err;
}

static void expect_transcript(const char *chat, size_t from, const char *want)
{
    struct made_chat m;
    char out[4096];

    made_chat(&m, chat);
    EXPECT_INT(write_from(&m.req, from, 4096, out), ERR_NONE);
    EXPECT_Z(out, want);
}

static void a_lone_user_message_is_sent_as_it_is(void)
{
    expect_transcript("u: hi </user> ", 0, " hi </user> ");
    expect_transcript("u:one|two", 0, "onetwo");
    expect_transcript("u:", 0, "");
    expect_transcript("s:x;u:a;a:b;u:and then?", 3, "and then?");
}

static void all_else_is_written_as_blocks_in_order(void)
{
    expect_transcript("s:Be brief.;u:Hello", 0,
                      "<system>\nBe brief.\n</system>\n<user>\nHello\n</user>\n");
    expect_transcript("d:d;u:a|b;a:c;u:d", 1,
                      "<user>\nab\n</user>\n<assistant>\nc\n</assistant>\n<user>\nd\n</user>\n");
    expect_transcript("u:a;a:b;t:42", 2, "<tool>\n42\n</tool>\n");
    expect_transcript("a:", 0, "<assistant>\n</assistant>\n");
    expect_transcript("u:<b>1 < 2</b> </ user> </usr>;u:x", 0,
                      "<user>\n<b>1 < 2</b> </ user> </usr>\n</user>\n<user>\nx\n</user>\n");
}

static void tool_calls_stand_inside_their_message(void)
{
    struct chat_tool_call calls[] = {
        { STR("call_1"), STR("get \"x\""), STR("{\"city\":\"Paris\"}") },
        { STR("call_2"), STR("now"), STR("") },
    };
    struct made_chat m;
    char out[4096];

    made_chat(&m, "u:q;a:Let me look.;t:18 C");
    m.messages[1].tool_calls = calls;
    m.messages[1].n_tool_calls = COUNT_OF(calls);
    m.messages[2].tool_call_id = STR("call_1");
    EXPECT_INT(write_from(&m.req, 1, 4096, out), ERR_NONE);
    EXPECT_Z(out, "<assistant>\n"
                  "Let me look.\n"
                  "<tool_call id=\"call_1\" name=\"get \\\"x\\\"\">\n"
                  "{\"city\":\"Paris\"}\n"
                  "</tool_call>\n"
                  "<tool_call id=\"call_2\" name=\"now\">\n"
                  "</tool_call>\n"
                  "</assistant>\n"
                  "<tool id=\"call_1\" name=\"get \\\"x\\\"\">\n"
                  "18 C\n"
                  "</tool>\n");
    EXPECT_INT(write_from(&m.req, 2, 4096, out), ERR_NONE);
    EXPECT_Z(out, "<tool id=\"call_1\" name=\"get \\\"x\\\"\">\n18 C\n</tool>\n");
    m.messages[2].tool_call_id = STR("call_3");
    EXPECT_INT(write_from(&m.req, 2, 4096, out), ERR_NONE);
    EXPECT_Z(out, "<tool id=\"call_3\">\n18 C\n</tool>\n");
}

static void results_of_several_calls_have_the_names_of_theirs(void)
{
    struct chat_tool_call calls[] = { { STR("1"), STR("f"), STR("{}") },
                                      { STR("2"), STR("g"), STR("{}") } };
    struct made_chat m;
    char out[4096];

    made_chat(&m, "a:;t:x;t:y");
    m.messages[0].tool_calls = calls;
    m.messages[0].n_tool_calls = COUNT_OF(calls);
    m.messages[1].tool_call_id = STR("2");
    m.messages[2].tool_call_id = STR("1");
    EXPECT_INT(write_from(&m.req, 1, 4096, out), ERR_NONE);
    EXPECT_Z(out,
             "<tool id=\"2\" name=\"g\">\nx\n</tool>\n<tool id=\"1\" name=\"f\">\ny\n</tool>\n");
}

static void instructions_stand_in_front_in_no_block(void)
{
    size_t message, part;
    struct made_chat m;
    struct buf out;

    buf_init(&out, 4096);
    made_chat(&m, "u:hi");
    EXPECT_INT(transcript_write(&m.req, 0, STR("Call </user>.\n"), &out, &message, &part),
               ERR_NONE);
    EXPECT_STR(buf_str(&out), "Call </user>.\n\n<user>\nhi\n</user>\n");
    buf_deinit(&out);
    buf_init(&out, 8);
    EXPECT_INT(transcript_write(&m.req, 0, STR("Call me."), &out, &message, &part), ERR_TOO_BIG);
    EXPECT_INT(out.n, 0);
    buf_deinit(&out);
}

/* All tags get the suffix `want` when a text says `text`. */
static void expect_suffix(const char *text, const char *want)
{
    struct made_chat m;
    struct arena a;
    char out[4096];
    struct str all;

    arena_init(&a);
    made_chat(&m, "s:x;u:y");
    m.parts[0].text = str_of(text);
    all = arena_printf(&a, "<system%s>\n%s\n</system%s>\n<user%s>\ny\n</user%s>\n", want, text,
                       want, want, want);
    EXPECT_INT(write_from(&m.req, 0, 4096, out), ERR_NONE);
    EXPECT_STR(all, out);
    arena_deinit(&a);
}

static void a_text_with_a_closing_tag_gets_its_tags_numbered(void)
{
    expect_suffix("<user>", "");
    expect_suffix("</user>", "-1");
    expect_suffix("</ASSISTANT", "-1");
    expect_suffix("</tool_call", "-1");
    expect_suffix("</system-1>", "-2");
    expect_suffix("</system-2>", "-1");
    expect_suffix("</system-12> </tool-3", "-2");
    expect_suffix("</user-1</user-2</User-3", "-4");
    expect_suffix("</user-99999999999999999999</user-1", "-2");
    expect_suffix("</user-01</user-", "-1");
    expect_suffix(
        "</user-1 </user-2 </user-3 </user-4 </user-5 </user-6 </user-7 </user-8 </user-9", "-10");
}

static void a_closing_tag_made_of_two_parts_is_seen(void)
{
    expect_transcript("u:</us|er>;u:x", 0,
                      "<user-1>\n</user>\n</user-1>\n<user-1>\nx\n</user-1>\n");
}

static void names_and_ids_cannot_end_a_block_either(void)
{
    struct chat_tool_call call = { STR("</assistant>"), STR("a\">\n</tool_call-1>"), STR("{}") };
    struct made_chat m;
    char out[4096];

    made_chat(&m, "a:x");
    m.messages[0].tool_calls = &call;
    m.messages[0].n_tool_calls = 1;
    EXPECT_INT(write_from(&m.req, 0, 4096, out), ERR_NONE);
    EXPECT_Z(out, "<assistant-2>\nx\n"
                  "<tool_call-2 id=\"</assistant>\" name=\"a\\\">\\n</tool_call-1>\">\n{}\n"
                  "</tool_call-2>\n</assistant-2>\n");
}

static void a_part_that_is_no_text_is_named(void)
{
    size_t message = 0;
    size_t part = 0;
    struct made_chat m;
    struct buf b;

    buf_init(&b, 100);
    made_chat(&m, "u:a;a:b;u:see|@img");
    EXPECT_INT(transcript_write(&m.req, 0, STR(""), &b, &message, &part), ERR_BAD_INPUT);
    EXPECT(message == 2 && part == 1 && b.n == 0);
    made_chat(&m, "u:@img;a:b;u:c");
    EXPECT_INT(transcript_write(&m.req, 2, STR(""), &b, &message, &part), ERR_NONE);
    buf_deinit(&b);
}

static void a_full_buffer_is_left_as_it_was(void)
{
    static const char *const chats[] = { "u:hello", "s:a;u:b", "s:</user>;u:b" };
    struct made_chat m;
    char out[4096];

    for (size_t i = 0; i < COUNT_OF(chats); i++) {
        size_t max = 1;

        made_chat(&m, chats[i]);
        while (write_from(&m.req, 0, max, out) == ERR_TOO_BIG)
            max++;
        EXPECT_INT(write_from(&m.req, 0, max, out), ERR_NONE);
        EXPECT_INT(strlen(out), max - 1);
    }
}

static void a_failing_allocation_is_reported(void)
{
    struct made_chat m;
    char out[4096];
    enum err err;
    uint64_t n = 1; /* the first is write_from()'s own */

    made_chat(&m, "s:</user> and much more text than fits into the first piece of memory;u:b;a:c");
    do {
        mem_fail_nth(++n);
        err = write_from(&m.req, 0, 4096, out);
    } while (err == ERR_NOMEM);
    mem_fail_nth(0);
    EXPECT_INT(err, ERR_NONE);
    EXPECT(n > 3);
}

static void many_closing_tags_take_linear_time(void)
{
    enum { N = 20000 };
    struct made_chat m;
    size_t message;
    size_t part;
    struct buf text;
    struct buf out;

    buf_init(&text, 1 << 20);
    buf_init(&out, 1 << 21);
    for (int i = 1; i <= N; i++)
        EXPECT(buf_addf(&text, "</user-%d", i) == ERR_NONE);
    made_chat(&m, "s:x;u:y");
    m.parts[0].text = buf_str(&text);
    EXPECT_INT(transcript_write(&m.req, 0, STR(""), &out, &message, &part), ERR_NONE);
    EXPECT(str_ends(buf_str(&out), STR("</user-20001>\n")));
    buf_deinit(&out);
    buf_deinit(&text);
}

static const struct test suite[] = {
    { "a lone user message is sent as it is", a_lone_user_message_is_sent_as_it_is },
    { "all else is written as blocks in order", all_else_is_written_as_blocks_in_order },
    { "tool calls stand inside their message", tool_calls_stand_inside_their_message },
    { "results of several calls have the names of theirs",
      results_of_several_calls_have_the_names_of_theirs },
    { "instructions stand in front, in no block", instructions_stand_in_front_in_no_block },
    { "a text with a closing tag gets its tags numbered",
      a_text_with_a_closing_tag_gets_its_tags_numbered },
    { "a closing tag made of two parts is seen", a_closing_tag_made_of_two_parts_is_seen },
    { "names and ids cannot end a block either", names_and_ids_cannot_end_a_block_either },
    { "a part that is no text is named", a_part_that_is_no_text_is_named },
    { "a full buffer is left as it was", a_full_buffer_is_left_as_it_was },
    { "a failing allocation is reported", a_failing_allocation_is_reported },
    { "many closing tags take linear time", many_closing_tags_take_linear_time },
};

TEST_MAIN(suite)
