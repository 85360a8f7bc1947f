/* SPDX-License-Identifier: Apache-2.0 */
/* What a socket gets that connects again, while an answer is given and after it. */
#include "live.h"

#define FAST "\"pacing\":{\"first_ms\":0,\"every_ms\":0},\"words\":1"
#define CUT "!fault frames cut at=3\\n!fault frames pause at=3 delay_ms=500\\n"
#define ANSWER "!echo one two three four five"

static const char running[] = "{\"type\":\"state\",\"state\":{\"inProgress\":true}}";
static const char idle[] = "{\"type\":\"state\",\"state\":{\"inProgress\":false}}";

/* Reads until the stream ends. */
static void read_away(struct live *v, int fd)
{
    struct buf message;

    buf_init(&message, LIVE_MAX);
    while (live_frame(v, fd, &message) >= 0)
        buf_clear(&message);
    close(fd);
    buf_deinit(&message);
}

/* Reads frames up to a state that says finished; their text goes to `text`, all of them, a line
 * each, to `all`. */
static void read_turn(struct live *v, int fd, struct buf *text, struct buf *all)
{
    struct buf message;

    buf_init(&message, LIVE_MAX);
    do {
        buf_clear(&message);
        if (live_frame(v, fd, &message) != WIRE_TEXT)
            break;
        EXPECT_INT(buf_add(all, buf_str(&message)), ERR_NONE);
        EXPECT_INT(buf_add_char(all, '\n'), ERR_NONE);
        (void)live_text_of(buf_str(&message), text);
    } while (str_find(buf_str(&message), STR("\"inProgress\":false")) == SIZE_MAX);
    buf_deinit(&message);
    close(fd);
}

/* Connects while the answer pauses behind its third piece. */
static void expect_resumed(const char *scenario, const char *want_text, const char *want_first)
{
    struct buf text;
    struct buf all;
    struct live v;
    int fd;

    live_begin(&v, scenario);
    buf_init(&text, LIVE_MAX);
    buf_init(&all, LIVE_MAX);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, CUT ANSWER), 200);
    read_away(&v, fd);
    read_turn(&v, live_open(&v, CHAT_1), &text, &all);
    EXPECT_STR(buf_str(&text), want_text);
    if (!str_starts(buf_str(&all), str_of(want_first)))
        EXPECT_STR(buf_str(&all), want_first);
    buf_deinit(&text);
    buf_deinit(&all);
    live_end(&v);
}

#define DIFFERS "\"faults\":[{\"where\":\"ws\",\"kind\":\"replay_differs\",\"after\":1}]"
#define ID "msg_3cd9a16a6bc8bd2d_1" /* follows from the prompt */
#define HISTORY(text)                                                                \
    "{\"type\":\"history\",\"messages\":[{\"id\":\"" ID "_user\",\"role\":\"user\"," \
    "\"content\":\"" CUT ANSWER "\"},{\"id\":\"" ID "\",\"role\":\"assistant\","     \
    "\"content\":\"" text "\"}]}\n"

static void a_running_answer_comes_from_its_start(void)
{
    expect_resumed("{" FAST "}", "one two three four five", "{\"type\":\"state\"");
}

static void a_running_answer_comes_with_its_rest_only(void)
{
    expect_resumed("{\"replay\":\"none\"," FAST "}", "four five", running);
}

static void a_history_says_what_was_said_so_far(void)
{
    expect_resumed("{\"replay\":\"none\",\"history\":\"string\"," FAST "}", "four five",
                   HISTORY("one two three "));
    expect_resumed("{\"replay\":\"none\",\"connect_state\":\"none\",\"history\":\"string\"," FAST
                   "}",
                   "four five", HISTORY("one two three ") "{\"type\":\"update\"");
}

static void a_replay_can_differ(void)
{
    expect_resumed("{" DIFFERS "," FAST "}", "one two threx four five", running);
    expect_resumed("{\"replay\":\"none\",\"history\":\"string\"," DIFFERS "," FAST "}", "four five",
                   HISTORY("one two threx "));
}

/* Connects when the answer is over. */
static void expect_after(const char *scenario, const char *fault, const char *want_text,
                         const char *want_last)
{
    char prompt[256];
    struct buf text;
    struct buf all;
    struct live v;
    int fd;

    live_begin(&v, scenario);
    buf_init(&text, LIVE_MAX);
    buf_init(&all, LIVE_MAX);
    (void)snprintf(prompt, sizeof(prompt), "%s\\n" ANSWER, fault);
    fd = live_open(&v, CHAT_1);
    EXPECT_INT(live_post(&v, CHAT_1, prompt), 200);
    read_away(&v, fd);
    do
        live_control(&v, "GET /__sim/state", "", 200);
    while (str_find(v.body, STR("\"tasks\":0,\"chats\"")) == SIZE_MAX);
    read_turn(&v, live_open(&v, CHAT_1), &text, &all);
    EXPECT_STR(buf_str(&text), want_text);
    EXPECT(str_find(buf_str(&all), str_of(want_last)) != SIZE_MAX);
    buf_deinit(&text);
    buf_deinit(&all);
    live_end(&v);
}

static void a_finished_answer_comes_again_with_its_end(void)
{
    expect_after("{\"replay\":\"always\"," FAST "}", "!fault frames reset at=2",
                 "one two three four five", "\"inProgress\":false,\"taskId\"");
    expect_after("{\"replay\":\"always\"," FAST "}", "!fault frames no_final",
                 "one two three four five", idle);
    expect_after("{" FAST "}", "!fault frames reset at=2", "", idle);
}

static const struct test suite[] = {
    { "a running answer comes from its start", a_running_answer_comes_from_its_start },
    { "a running answer comes with its rest only", a_running_answer_comes_with_its_rest_only },
    { "a history says what was said so far", a_history_says_what_was_said_so_far },
    { "a replay can differ", a_replay_can_differ },
    { "a finished answer comes again with its end", a_finished_answer_comes_again_with_its_end },
};

TEST_MAIN(suite)
