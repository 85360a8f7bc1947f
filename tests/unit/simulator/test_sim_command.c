/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of a prompt are commands, and what they ask for. */
#include "simulator/command.h"

#include "base/encoding.h"
#include "simulator/answer.h"
#include "test.h"

static struct sim_wish parse(const char *prompt)
{
    struct sim_settings settings;
    struct sim_wish wish;

    sim_settings_default(&settings);
    sim_wish_parse(str_of(prompt), &settings, &wish);
    return wish;
}

/* What it says to `prompt` as the last of `n` prompts. */
static void answer_all(const char *const *prompts, size_t n, struct buf *text, struct buf *thinking)
{
    struct sim_wish wish = parse(prompts[n - 1]);
    struct str all[8];

    for (size_t i = 0; i < n; i++)
        all[i] = str_of(prompts[i]);
    buf_init(text, SIM_ANSWER_MAX);
    buf_init(thinking, SIM_ANSWER_MAX);
    EXPECT_INT(sim_answer_write(&wish, all, n, text, thinking), ERR_NONE);
}

static void expect_answer(const char *prompt, const char *want)
{
    const char *prompts[] = { "first words", prompt };
    struct buf thinking;
    struct buf text;

    answer_all(prompts, 2, &text, &thinking);
    EXPECT_STR(buf_str(&text), want);
    buf_deinit(&text);
    buf_deinit(&thinking);
}

static void finds_commands_at_the_end_only(void)
{
    static const struct {
        const char *prompt;
        enum sim_answer want;
    } rows[] = {
        { "hello", SIM_ANSWER_DEMO },
        { "", SIM_ANSWER_DEMO },
        { "!turn", SIM_ANSWER_TURN },
        { "hello\n!turn", SIM_ANSWER_TURN },
        { "hello\n  !turn  \n\n", SIM_ANSWER_TURN },
        { "hello\r\n!turn\r\n", SIM_ANSWER_TURN },
        { "!turn\nhello", SIM_ANSWER_DEMO },
        { "say !turn", SIM_ANSWER_DEMO },
        { "!turning", SIM_ANSWER_DEMO },
        { "!turn now", SIM_ANSWER_TURN },
        { "!nothing of ours", SIM_ANSWER_DEMO },
        { "<user>\nhi\n!turn\n</user>", SIM_ANSWER_TURN },
        { "<user>\n!turn\n</user>\n<user-2>\nhi\n</user-2>\n", SIM_ANSWER_DEMO },
        { "!echo a\n!turn", SIM_ANSWER_TURN },
        { "!turn\n!set words=1\n!pacing 0 0", SIM_ANSWER_TURN },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(parse(rows[i].prompt).answer, rows[i].want);
}

static void answers_as_the_commands_say(void)
{
    expect_answer("!echo  two  words ", "two  words");
    expect_answer("!echo", "");
    expect_answer("!say \"a\\nb \\ud83d\\ude00 \\\"q\\\"\"", "a\nb \xF0\x9F\x98\x80 \"q\"");
    expect_answer("!say \"\"", "");
    expect_answer("!then \"two\"\n!say \"one\"", "one");
    expect_answer("!then \"two\"\n!say \"one\"\n</user>\n<user>\nAgain.\n</user>", "two");
    expect_answer("!then \"one\"\n!then \"two\"\nno command", "two");
    expect_answer("!then two\nno command", "simulator: !say takes a JSON string");
    expect_answer("x\n!history", "[\"first words\",\"x\\n!history\"]");
    expect_answer("!repeat", "first words");
    expect_answer("!turn", "2");
    expect_answer("!lorem 4", "Lorem ipsum dolor sit");
    expect_answer("!lorem 0", "");
    expect_answer("!frames 3", "frame1 frame2 frame3");
    expect_answer("!bytes 12 7", "p4M5d0xde88H");
}

static void shows_that_context_arrived(void)
{
    const char *prompts[] = { "one two", "<system>\nBe.\n</system>\n<user>\na b c d e f g h i\n"
                                         "</user>\n" };
    struct buf thinking;
    struct buf text;

    answer_all(prompts, 2, &text, &thinking);
    EXPECT(str_find(buf_str(&text), STR("turn 2")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&text), STR("\"a b c d e f g h ...\"")) != SIZE_MAX);
    EXPECT(str_find(buf_str(&text), STR("\"one two\"")) != SIZE_MAX);
    EXPECT_INT(thinking.n, 0);
    buf_deinit(&text);
    buf_deinit(&thinking);
}

static void quotes_whole_characters(void)
{
    const char *prompts[] = { "\xE4\xBD\xA0\xE4\xBD\xA0\xE4\xBD\xA0\xE4\xBD\xA0\xE4\xBD\xA0"
                              "12345678901234567890123456789012345678901234567890123456789012345"
                              "678901234567890123456789012345678901234\xE4\xBD\xA0 end" };
    struct buf thinking;
    struct buf text;

    answer_all(prompts, 1, &text, &thinking);
    EXPECT(utf8_is_valid(buf_str(&text)));
    EXPECT(str_find(buf_str(&text), STR("678901234 ...\"")) != SIZE_MAX);
    buf_deinit(&text);
    buf_deinit(&thinking);
}

static void thinks_before_it_answers(void)
{
    const char *prompts[] = { "!think let me see\n!echo done" };
    struct buf thinking;
    struct buf text;

    answer_all(prompts, 1, &text, &thinking);
    EXPECT_STR(buf_str(&text), "done");
    EXPECT_STR(buf_str(&thinking), "let me see");
    buf_deinit(&text);
    buf_deinit(&thinking);
}

static void changes_settings_for_one_answer(void)
{
    struct sim_wish wish = parse("!set content=snapshot newline=true fragments=3\n!pacing 5 6");

    EXPECT_INT(wish.settings.content, SIM_SNAPSHOT);
    EXPECT_INT(wish.settings.newline, 1);
    EXPECT_INT(wish.settings.fragments, 3);
    EXPECT_INT(wish.settings.first_ms, 5);
    EXPECT_INT(wish.settings.every_ms, 6);
    EXPECT_INT(wish.settings.jitter_ms, 0);
    wish = parse("!frames 10 every 3");
    EXPECT_INT(wish.number, 10);
    EXPECT_INT(wish.settings.every_ms, 3);
    EXPECT_INT(wish.settings.words, 1);
}

static void collects_faults(void)
{
    struct sim_wish wish = parse("!fault post 429 retry_after=5\n!fault frames reset at=2\n!turn");

    EXPECT_INT(wish.n_faults, 2);
    EXPECT_STR(wish.faults[0], "post 429 retry_after=5");
    EXPECT_STR(wish.faults[1], "frames reset at=2");
}

static void says_what_is_wrong_with_a_command(void)
{
    static const struct {
        const char *prompt;
        const char *want;
    } rows[] = {
        { "!lorem", "simulator: !lorem takes a number up to 8388608, not \"\"" },
        { "!lorem x", "simulator: !lorem takes a number up to 8388608, not \"x\"" },
        { "!lorem 99999999", "simulator: !lorem takes a number up to 8388608, not \"99999999\"" },
        { "!say text", "simulator: !say takes a JSON string" },
        { "!bytes 3 x", "simulator: !bytes N SEED takes a seed below 2^32" },
        { "!frames 3 each 4", "simulator: !frames takes N or N every MS" },
        { "!set colour=red", "simulator: there is no setting \"colour\"" },
        { "!set content=red", "simulator: content takes one of delta|snapshot, not \"red\"" },
        { "!set words=0", "simulator: words takes 1 to 1000, not 0" },
        { "!set newline=maybe", "simulator: newline takes true or false, not \"maybe\"" },
        { "!pacing 1", "simulator: every_ms takes a number, not \"\"" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_answer(rows[i].prompt, rows[i].want);
}

static void knows_a_prompt_again(void)
{
    EXPECT(sim_prompt_origin(STR("a")) == sim_prompt_origin(STR("a")));
    EXPECT(sim_prompt_origin(STR("a")) != sim_prompt_origin(STR("b")));
}

static const struct test suite[] = {
    { "finds commands at the end only", finds_commands_at_the_end_only },
    { "answers as the commands say", answers_as_the_commands_say },
    { "shows that context arrived", shows_that_context_arrived },
    { "quotes whole characters", quotes_whole_characters },
    { "thinks before it answers", thinks_before_it_answers },
    { "changes settings for one answer", changes_settings_for_one_answer },
    { "collects faults", collects_faults },
    { "says what is wrong with a command", says_what_is_wrong_with_a_command },
    { "knows a prompt again", knows_a_prompt_again },
};

TEST_MAIN(suite)
