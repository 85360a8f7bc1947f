/* SPDX-License-Identifier: Apache-2.0 */
/* Calls in a chat that is known from before, when the chat or its stream is not what it was. */
#include "call_rig.h"
#include "test.h"

#define TURN2 "u:Hi", "a:Hello, world", "u:More"

/* The second turn went to another chat than the first, with all that was said, once. */
static void expect_new_chat(struct rig *r, const char *first, unsigned posts)
{
    char now[512];

    EXPECT_INT(r->fake.at[FAKE_POST].count, posts);
    EXPECT(strcmp(posted(r, "chatHistoryId", now), first) != 0);
    EXPECT_POSTED(r, "prompt",
                  "<user>\nHi\n</user>\n<assistant>\nHello, world\n</assistant>\n<user>\nMore\n"
                  "</user>\n");
}

static void a_stream_that_is_not_there_any_more_means_a_new_chat(void)
{
    char first[512];
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 404, "{}");
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    ANSWERED(&r, &w, TURN2);
    expect_new_chat(&r, first, 2);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
    rig_end(&r);
}

/* The new chat's stream may not be there before its prompt either. */
static void a_new_chat_in_its_place_may_need_the_prompt_first(void)
{
    char first[512];
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, 404, "{}");
    fake_say(&r.fake, FAKE_STREAM, 404, "{}");
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    ANSWERED(&r, &w, TURN2);
    expect_new_chat(&r, first, 2);
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 3);
    rig_end(&r);
}

static void a_chat_that_works_on_something_else_means_a_new_one(void)
{
    char first[512];
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    posted(&r, "chatHistoryId", first);
    fake_reset(&r.fake, FAKE_POST);
    fake_say(&r.fake, FAKE_POST, 409, "{}");
    fake_say(&r.fake, FAKE_POST, 0, NULL);
    ANSWERED(&r, &w, TURN2);
    expect_new_chat(&r, first, 2);
    rig_end(&r);
}

static void of_a_new_chat_409_is_an_error(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_POST, 409, "{}");
    FAILED(&r, &w, FAILURE_PROTOCOL, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

/* Nothing was sent yet, so nothing is lost. */
static void a_stream_that_ends_before_the_prompt_is_opened_again(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    r.fake.n_close_first = 1;
    ANSWERED(&r, &w, TURN2);
    EXPECT_POSTED(&r, "prompt", "More");
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 3);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 2);
    rig_end(&r);
}

static void one_that_ends_twice_is_an_error(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    r.fake.n_close_first = 2;
    FAILED(&r, &w, FAILURE_INTERRUPTED, TURN2);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void a_handshake_that_breaks_off_is_tried_once_more(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    fake_say(&r.fake, FAKE_STREAM, FAKE_DROP, NULL);
    fake_say(&r.fake, FAKE_STREAM, 0, NULL);
    ANSWERED(&r, &w, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 2);
    fake_reset(&r.fake, FAKE_STREAM);
    fake_say(&r.fake, FAKE_STREAM, FAKE_DROP, NULL);
    FAILED(&r, &w, FAILURE_UNAVAILABLE, "u:Hi");
    EXPECT_INT(r.fake.at[FAKE_STREAM].count, 6);
    EXPECT_INT(r.fake.at[FAKE_POST].count, 1);
    rig_end(&r);
}

static void a_replay_that_comes_late_is_not_the_answer(void)
{
    static const char *const frames[FAKE_FRAMES] = {
        RUNNING, CHAT("m1", "Hello"), CHAT("m1", ", world"), IDLE, RUNNING, CHAT("m2", "New"), IDLE,
    };
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    memcpy(r.fake.frames, frames, sizeof(frames));
    ANSWERED(&r, &w, TURN2);
    EXPECT_Z(w.text, "New");
    rig_end(&r);
}

/* A service may number the messages of each turn anew, and say the same again. */
static void the_same_answer_again_comes_when_nothing_else_does(void)
{
    struct rig r;
    struct watch w;

    rig_start(&r);
    ANSWERED(&r, &w, "u:Hi");
    r.fake.frames[1] = CHAT("m1", "Hello, everybody");
    r.fake.frames[2] = CHAT("m1", ".");
    ANSWERED(&r, &w, TURN2);
    EXPECT_Z(w.text, "Hello, everybody.");
    ANSWERED(&r, &w, "u:Hi", "a:Hello, world", "u:More", "a:Hello, everybody.", "u:And?");
    EXPECT_Z(w.text, "Hello, everybody.");
    EXPECT_POSTED(&r, "prompt", "And?");
    rig_end(&r);
}

static const struct test suite[] = {
    { "a stream that is not there any more means a new chat",
      a_stream_that_is_not_there_any_more_means_a_new_chat },
    { "a new chat in its place may need the prompt first",
      a_new_chat_in_its_place_may_need_the_prompt_first },
    { "a chat that works on something else means a new one",
      a_chat_that_works_on_something_else_means_a_new_one },
    { "of a new chat 409 is an error", of_a_new_chat_409_is_an_error },
    { "a stream that ends before the prompt is opened again",
      a_stream_that_ends_before_the_prompt_is_opened_again },
    { "one that ends twice is an error", one_that_ends_twice_is_an_error },
    { "a handshake that breaks off is tried once more",
      a_handshake_that_breaks_off_is_tried_once_more },
    { "a replay that comes late is not the answer", a_replay_that_comes_late_is_not_the_answer },
    { "the same answer again comes when nothing else does",
      the_same_answer_again_comes_when_nothing_else_does },
};

TEST_MAIN(suite)
