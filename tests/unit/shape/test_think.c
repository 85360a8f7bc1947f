/* SPDX-License-Identifier: Apache-2.0 */
#include "shape/think.h"

#include "shape_test.h"

enum { ROUNDS = 20000 };

static enum err feed_split(void *stage, const struct chat_event *event)
{
    return think_split_feed(stage, event);
}

static enum err feed_wrap(void *stage, const struct chat_event *event)
{
    return think_wrap_feed(stage, event);
}

static struct str split(struct str text, size_t cut, struct heard *heard)
{
    struct think_split t;

    think_split_init(&t, heard_init(heard));
    feed_cut(feed_split, &t, CHAT_TEXT, text, cut);
    EXPECT_INT(think_split_flush(&t), ERR_NONE);
    return heard_line(heard);
}

static void splits_reasoning_off_the_beginning(void)
{
    static const char *const rows[][2] = {
        { "<think>\nHm. <b> </thin\n</think>\n\nYes", "[think:Hm. <b> </thin\n]Yes" },
        { "\n <think>a<</think></think>b", "[think:a<]</think>b" },
        { "<think></think>b", "b" },
        { "<think>a<", "[think:a<]" },
        { "<think>a</</think", "[think:a</</think]" },
        { "<think>\n", "" },
        { " <thin", " <thin" },
        { " <thinking>a", " <thinking>a" },
        { "So <think>a</think>", "So <think>a</think>" },
        { "<<think>a</think>", "<<think>a</think>" },
        { "  \n", "  \n" },
        { "", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t cut = 0; cut <= strlen(rows[i][0]); cut++) {
            struct heard heard;

            EXPECT_STR(split(str_of(rows[i][0]), cut, &heard), rows[i][1]);
            buf_deinit(&heard.line);
        }
    }
}

static void does_not_care_how_text_is_cut(void)
{
    unsigned long rounds = storm_start(ROUNDS);

    for (unsigned long i = 0; i < rounds; i++) {
        char room[200];
        struct str text = dice_text("<think> </think> </think> < / </ think> a _ ~ \xC3\xA9 <thi",
                                    dice(12), room, sizeof(room));
        struct heard once;
        struct heard cut;

        EXPECT(str_eq(split(text, 0, &once), split(text, SIZE_MAX, &cut)));
        buf_deinit(&once.line);
        buf_deinit(&cut.line);
    }
}

static void holds_back_only_what_may_be_a_tag(void)
{
    struct think_split t;
    struct heard heard;

    think_split_init(&t, heard_init(&heard));
    feed_cut(feed_split, &t, CHAT_TEXT, STR("<think>abc</thi"), 0);
    EXPECT_STR(buf_str(&heard.line), "[think:abc");
    feed_cut(feed_split, &t, CHAT_TEXT, STR("s"), 0);
    EXPECT_STR(buf_str(&heard.line), "[think:abc</this");
    buf_deinit(&heard.line);
}

static void bounds_the_space_in_front(void)
{
    char text[200];
    struct heard heard;

    memset(text, ' ', sizeof(text));
    memcpy(text + 100, "<think>a</think>b", 17);
    EXPECT(str_eq(split((struct str){ text, sizeof(text) }, SIZE_MAX, &heard),
                  (struct str){ text, sizeof(text) }));
    buf_deinit(&heard.line);
}

static void wraps_reasoning_into_tags(void)
{
    struct think_wrap t;
    struct heard heard;

    think_wrap_init(&t, heard_init(&heard));
    feed_cut(feed_wrap, &t, CHAT_REASONING, STR("one two"), SIZE_MAX);
    feed_cut(feed_wrap, &t, CHAT_TEXT, STR("three"), SIZE_MAX);
    feed_cut(feed_wrap, &t, CHAT_REASONING, STR("four"), 0);
    EXPECT_INT(think_wrap_flush(&t), ERR_NONE);
    EXPECT_INT(think_wrap_flush(&t), ERR_NONE);
    EXPECT_STR(heard_line(&heard),
               "<think>\none two\n</think>\n\nthree<think>\nfour\n</think>\n\n");
    buf_deinit(&heard.line);
}

static void what_is_wrapped_can_be_split_again(void)
{
    struct think_wrap wrap;
    struct heard heard;
    struct heard again;

    think_wrap_init(&wrap, heard_init(&heard));
    feed_cut(feed_wrap, &wrap, CHAT_REASONING, STR("Hm."), 0);
    feed_cut(feed_wrap, &wrap, CHAT_TEXT, STR("Yes."), 0);
    EXPECT_STR(split(heard_line(&heard), SIZE_MAX, &again), "[think:Hm.\n]Yes.");
    buf_deinit(&heard.line);
    buf_deinit(&again.line);
}

static const struct test suite[] = {
    { "splits reasoning off the beginning", splits_reasoning_off_the_beginning },
    { "does not care how text is cut", does_not_care_how_text_is_cut },
    { "holds back only what may be a tag", holds_back_only_what_may_be_a_tag },
    { "bounds the space in front", bounds_the_space_in_front },
    { "wraps reasoning into tags", wraps_reasoning_into_tags },
    { "what is wrapped can be split again", what_is_wrapped_can_be_split_again },
};

TEST_MAIN(suite)
