/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that go well: what the upstream gets, what the client gets, how an answer ends. */
#include "openai_rig.h"

static struct rig r;
static struct watch w;

/* ---- streams ---- */

#define HELLO                                       \
    MINE("\"role\":\"assistant\",\"content\":\"\"") \
    MINE("\"content\":\"He\"") MINE("\"content\":\"llo\"") MINE_FINISHED("stop")

static void streams_what_the_upstream_says(void)
{
    static const enum provider_phase phases[] = { PHASE_QUEUED, PHASE_CONNECTING, PHASE_SENT,
                                                  PHASE_ACCEPTED, PHASE_ANSWERING };

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_Z(w.text, "");
    EXPECT(w.is_finished);
    EXPECT_STR(buf_str(&w.seen), HELLO);
    EXPECT_STR(buf_str(&w.said), "Hello");
    EXPECT_INT(w.finish, CHAT_FINISH_STOP);
    EXPECT(w.has_usage);
    EXPECT_INT(w.usage.prompt_tokens, 3);
    EXPECT_INT(w.usage.completion_tokens, 4);
    EXPECT(!w.usage.estimated);
    EXPECT_INT(w.n_phases, COUNT_OF(phases));
    EXPECT(memcmp(w.phases, phases, sizeof(phases)) == 0);
    EXPECT(w.n_activity > 0);
    watch_end(&w);
    EXPECT_Z(r.up.at[UP_CHAT].target, "/v1/chat/completions");
    EXPECT_Z(r.up.at[UP_CHAT].accept, "text/event-stream");
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "");
    EXPECT_Z(r.up.at[UP_CHAT].body, "{\"model\":\"big\",\"stream\":true," HI
                                    ",\"stream_options\":{\"include_usage\":true}}");
    EXPECT_INT(http_client_idle(r.client), 1);
    rig_end(&r);
}

static void sends_the_body_as_it_came(void)
{
    static const struct {
        const char *raw;
        bool stream;
        bool include_usage;
        const char *want;
    } rows[] = {
        { "{\"x\":1e400, \"y\":-0,\"x\":[1.0],\"mod\\u0065l\" : \"m\"}", false, false,
          "{\"x\":1e400, \"y\":-0,\"x\":[1.0],\"mod\\u0065l\" : \"big\"}" },
        { "{\"a\":{\"model\":\"m\"}}", false, false,
          "{\"a\":{\"model\":\"m\"},\"model\":\"big\"}" },
        { "{\"model\":\"m\",\"model\":\"n\"}", false, false,
          "{\"model\":\"big\",\"model\":\"big\"}" },
        { "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"z\":1}}", true, true,
          "{\"model\":\"big\",\"stream_options\":{\"include_usage\":true,\"z\":1}}" },
        { "{\"model\":\"m\",\"stream_options\":{\"include_usage\":false}}", true, false,
          "{\"model\":\"big\",\"stream_options\":{\"include_usage\":true}}" },
    };

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .body = rows[i].stream ? hello : ANSWER_TO_ALL);
        watch_init(&w, &r);
        w.chat.include_usage = rows[i].include_usage;
        watch_start(&w, rows[i].raw, rows[i].stream);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_Z(w.text, "");
        EXPECT_Z(r.up.at[UP_CHAT].body, rows[i].want);
        EXPECT(!rows[i].include_usage ||
               str_ends(buf_str(&w.seen), STR("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                                              "\"completion_tokens\":4}}\n")));
        watch_end(&w);
    }
    rig_end(&r);
}

static void makes_the_edits_of_its_target(void)
{
    static const struct provider_edit edits[] = {
        { EDIT_DROP, { "stream_options", 14 }, { NULL, 0 } },
        { EDIT_SET, { "seed", 4 }, { "1", 1 } },
        { EDIT_SYSTEM, { NULL, 0 }, { "be brief", 8 } },
    };

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = hello);
    for (unsigned raw = 0; raw < 2; raw++) {
        watch_init(&w, &r);
        w.edits = edits;
        w.n_edits = COUNT_OF(edits);
        watch_start(&w, raw ? ASK_STREAM : NULL, true);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT(w.is_finished);
        EXPECT(strstr(r.up.at[UP_CHAT].body, "stream_options") == NULL);
        EXPECT(strstr(r.up.at[UP_CHAT].body, ",\"seed\":1}") != NULL);
        EXPECT(strstr(r.up.at[UP_CHAT].body, "[{\"role\":\"system\",\"content\":\"be brief\"},"));
        watch_end(&w);
    }
    rig_end(&r);
}

/* Bytes of an event are the upstream's, but for the model. */
static void passes_events_on_byte_for_byte(void)
{
    static const char in[] =
        ": alive\r\n\r\n" EVENT("{ \"x\" : 1e400,\"model\":\"a\",\"model\":\"b\",\"y\":{\"model\":"
                                "\"c\"},\"choices\":[{\"delta\":{\"content\":\"\\u00e9\\ud83d\"}},"
                                "{\"index\":1,\"delta\":{\"reasoning\":\"hm\"}}]}")
            EVENT("{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"index\":1,\"finish_"
                  "reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}")
                DONE DONE;

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = in, .type = "text/event-stream");
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT(w.is_finished);
    EXPECT_STR(buf_str(&w.seen),
               "{ \"x\" : 1e400,\"model\":\"my\\\"model\",\"model\":\"my\\\"model\",\"y\":{"
               "\"model\":\"c\"},\"choices\":[{\"delta\":{\"content\":\"\\u00e9\\ud83d\"}},"
               "{\"index\":1,\"delta\":{\"reasoning\":\"hm\"}}]}\n"
               "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"index\":1,\"finish_"
               "reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n");
    EXPECT_STR(buf_str(&w.said), "\xc3\xa9\xef\xbf\xbd");
    EXPECT_STR(buf_str(&w.thought), "hm");
    EXPECT_INT(w.usage.prompt_tokens, 1);
    watch_end(&w);
    rig_end(&r);
}

static void an_answer_ends_in_many_ways(void)
{
    static const struct {
        const char *in;
        enum up_end end;
        bool is_whole;
    } rows[] = {
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")), UP_WHOLE, true },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")) DONE DONE, UP_WHOLE, true },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")) DONE, UP_CUT, true },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")) DONE, UP_OPEN, true },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")), UP_CUT, true },
        { EVENT(CHOICE("\"content\":\"a\"")) DONE, UP_WHOLE, false },
        { EVENT(CHOICE("\"content\":\"a\"")), UP_WHOLE, false },
        { EVENT(CHOICE("\"content\":\"a\"")), UP_CUT, false },
        { EVENT(CHOICE("\"content\":\"a\"")) "data: {\"choices\"", UP_WHOLE, false },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")) "data: [DONE]", UP_WHOLE,
          true },
        { EVENT(CHOICE("\"content\":\"a\"")) EVENT(FINISHED("stop")) "data: [DONE]", UP_CUT, true },
        { EVENT(CHOICE("\"content\":\"a\"")) "data: [DONE", UP_WHOLE, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (unsigned raw = 0; raw < 2; raw++) {
            rig_start(&r);
            SAY(&r.up, UP_CHAT, .body = rows[i].in, .end = rows[i].end);
            RUN(&w, &r, raw ? ASK_STREAM : NULL, true);
            EXPECT_INT(w.is_finished, rows[i].is_whole);
            if (!rows[i].is_whole) {
                EXPECT_INT(w.failure.kind, FAILURE_INTERRUPTED);
                EXPECT(w.failure.prompt_accepted);
                EXPECT_STR(buf_str(&w.seen), raw ? MINE("\"content\":\"a\"") : "a");
            }
            watch_end(&w);
            EXPECT_INT(r.up.at[UP_CHAT].count, 1);
            rig_end(&r);
        }
    }
}

/* What says nothing waits: until then another target may answer. */
static void an_empty_beginning_is_held_back(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = EVENT(CHOICE("\"role\":\"assistant\"")), .end = UP_OPEN);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.n_activity > 0);
    EXPECT_INT(w.seen.n, 0);
    EXPECT_INT(w.phases[w.n_phases - 1], PHASE_ACCEPTED);
    up_more(&r.up, EVENT(CHOICE("\"content\":\"a\"")));
    RUN_UNTIL(r.loop, w.seen.n > 0);
    EXPECT_STR(buf_str(&w.seen), MINE("\"role\":\"assistant\"") MINE("\"content\":\"a\""));
    EXPECT_INT(w.phases[w.n_phases - 1], PHASE_ANSWERING);
    up_more(&r.up, EVENT(FINISHED("stop")) DONE);
    up_end(&r.up, false);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    watch_end(&w);
    rig_end(&r);
}

/* Nothing was said, and the upstream does not say that this is all. */
static void an_empty_stream_is_no_answer(void)
{
    static const char *const rows[] = {
        DONE,
        EVENT(CHOICE("\"role\":\"assistant\"")) DONE,
        EVENT(USAGE) DONE,
    };

    rig_start(&r);
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .body = rows[i / 2]);
        RUN(&w, &r, i % 2 ? ASK_STREAM : NULL, true);
        EXPECT(w.is_failed);
        EXPECT_INT(w.failure.kind, FAILURE_PROTOCOL);
        EXPECT(strstr(w.text, "without an answer") != NULL);
        EXPECT_INT(w.seen.n, 0);
        watch_end(&w);
    }
    rig_end(&r);
}

static void an_empty_answer_that_ended_is_handed_on(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = EVENT(FINISHED("stop")) DONE);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_Z(w.text, "");
    EXPECT(w.is_finished);
    watch_end(&w);
    rig_end(&r);
}

/* Audio, parts of a content, what is not known here: it goes out at once. */
static void what_is_not_known_is_an_answer_too(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT,
        .body = EVENT(CHOICE("\"role\":\"assistant\",\"audio\":{\"data\":\"QUJD\"}")),
        .end = UP_OPEN);
    watch_init(&w, &r);
    watch_start(&w, ASK_STREAM, true);
    RUN_UNTIL(r.loop, w.seen.n > 0);
    EXPECT_STR(buf_str(&w.seen), MINE("\"role\":\"assistant\",\"audio\":{\"data\":\"QUJD\"}"));
    EXPECT_INT(w.phases[w.n_phases - 1], PHASE_ANSWERING);
    up_more(&r.up, EVENT(FINISHED("stop")) DONE);
    up_end(&r.up, false);
    RUN_UNTIL(r.loop, watch_is_over(&w));
    EXPECT(w.is_finished);
    watch_end(&w);
    rig_end(&r);
}

/* Of three choices that were asked for, one is not all, though it has ended. */
static void each_choice_that_was_asked_for_must_come(void)
{
    static const struct {
        const char *more;
        bool is_whole;
    } rows[] = {
        { "", false },
        { EVENT("{\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}"), false },
        { EVENT("{\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"},"
                "{\"index\":2,\"finish_reason\":\"stop\"}]}"),
          true },
        { DONE, true },
    };

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .body = EVENT(FINISHED("stop")), .end = UP_OPEN);
        watch_init(&w, &r);
        w.chat.n = 3;
        watch_start(&w, ASK_STREAM, true);
        RUN_UNTIL(r.loop, w.seen.n > 0);
        up_more(&r.up, rows[i].more);
        up_end(&r.up, true);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        EXPECT_INT(w.is_finished, rows[i].is_whole);
        EXPECT_INT(w.failure.kind, rows[i].is_whole ? FAILURE_NONE : FAILURE_INTERRUPTED);
        watch_end(&w);
    }
    rig_end(&r);
}

/* We asked for the count, the client did not; what else stands there is the client's. */
static void only_what_we_asked_for_is_left_out(void)
{
    static const struct {
        const char *more; /* members of the chunk with the count */
        const char *seen;
    } rows[] = {
        { "\"id\":\"x\",\"object\":\"o\",\"created\":1,\"system_fingerprint\":\"f\",\"service_"
          "tier\":\"d\","
          "\"obfuscation\":\"xx\",\"x\":null",
          "" },
        { "\"timings\":{\"predicted_n\":4},\"model\":\"big\"",
          "{\"choices\":[],\"timings\":{\"predicted_n\":4},\"model\":\"my\\\"model\"}\n" },
    };
    char body[512];
    char seen[512];

    rig_start(&r);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(body, sizeof(body),
                 EVENT(FINISHED("stop")) EVENT(
                     "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4},%s}")
                     DONE,
                 rows[i].more);
        snprintf(seen, sizeof(seen),
                 "{\"id\":\"x\",\"model\":\"my\\\"model\",\"choices\":[{\"index\":0,\"delta\":{},"
                 "\"finish_reason\":\"stop\"}]}\n%s",
                 rows[i].seen);
        up_reset(&r.up, UP_CHAT);
        SAY(&r.up, UP_CHAT, .body = body);
        RUN(&w, &r, ASK_STREAM, true);
        EXPECT_STR(buf_str(&w.seen), seen);
        EXPECT_INT(w.usage.prompt_tokens, 3);
        watch_end(&w);
    }
    rig_end(&r);
}

/* ---- whole answers ---- */

#define ANSWER                                                                                   \
    "{\"id\":\"x\",\"model\" : \"big\",\"choices\":[{\"message\":{\"content\":\"He\"},\"finish_" \
    "reason\":\"length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}, \"y\":-0}\n"

static void hands_on_a_whole_answer(void)
{
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = ANSWER);
    RUN(&w, &r, ASK_WHOLE, false);
    EXPECT(w.is_finished);
    EXPECT_STR(buf_str(&w.seen),
               "{\"id\":\"x\",\"model\" : \"my\\\"model\",\"choices\":[{\"message\":{\"content\":"
               "\"He\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_"
               "tokens\":6}, \"y\":-0}\n\n");
    EXPECT_STR(buf_str(&w.said), "He");
    EXPECT_INT(w.finish, CHAT_FINISH_LENGTH);
    EXPECT_INT(w.usage.completion_tokens, 6);
    EXPECT_Z(r.up.at[UP_CHAT].body, "{\"model\":\"big\"," HI "}");
    EXPECT_Z(r.up.at[UP_CHAT].accept, "application/json");
    watch_end(&w);
    rig_end(&r);
}

/* ---- for clients that speak another dialect ---- */

#define SECOND(members) "{\"choices\":[{\"index\":1," members "}]}"

static void tells_choices_apart(void)
{
    static const char two[] =
        EVENT(SECOND("\"delta\":{\"content\":\"b\"}")) EVENT(CHOICE("\"content\":\"a\""))
            EVENT(SECOND("\"delta\":{},\"finish_reason\":\"length\"")) EVENT(FINISHED("stop"))
                EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,"
                      "\"prompt_tokens_details\":{"
                      "\"cached_tokens\":4}}}") DONE;

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = two);
    RUN(&w, &r, NULL, true);
    EXPECT(w.is_finished);
    EXPECT_STR(buf_str(&w.seen), "1:ba1:end 1;");
    EXPECT_INT(w.finish, CHAT_FINISH_STOP);
    EXPECT_INT(w.usage.cached_tokens, 4);
    watch_end(&w);
    rig_end(&r);
}

static void takes_answers_apart(void)
{
    static const char tools[] =
        EVENT(CHOICE("\"reasoning_content\":\"hm\"")) EVENT(CHOICE("\"content\":\"a\\n\""))
            EVENT(CHOICE("\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\","
                         "\"arguments\":\"{\"}},{\"index\":1,\"id\":\"d\",\"function\":{}}]"))
                EVENT(CHOICE("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]"))
                    EVENT(FINISHED("tool_calls")) DONE;

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = tools);
    RUN(&w, &r, NULL, true);
    EXPECT(w.is_finished);
    EXPECT_STR(buf_str(&w.seen), "(hm)a\n{0:c,f,{}{1:d,,}{0:,,}}");
    EXPECT_INT(w.finish, CHAT_FINISH_TOOL_CALLS);
    EXPECT(!w.has_usage);
    EXPECT_Z(r.up.at[UP_CHAT].body, "{\"model\":\"big\"," HI ",\"stream\":true,"
                                    "\"stream_options\":{\"include_usage\":true}}");
    watch_end(&w);
    up_reset(&r.up, UP_CHAT);
    SAY(&r.up, UP_CHAT, .body = ANSWER);
    RUN(&w, &r, NULL, false);
    EXPECT_STR(buf_str(&w.seen), "He");
    EXPECT_INT(w.finish, CHAT_FINISH_LENGTH);
    EXPECT_INT(w.usage.prompt_tokens, 5);
    watch_end(&w);
    rig_end(&r);
}

/* ---- size ---- */

static char *big_text(const char *head, size_t n, const char *tail)
{
    char *text = mem_alloc(strlen(head) + n + strlen(tail) + 1);

    memcpy(text, head, strlen(head));
    memset(text + strlen(head), 'x', n);
    memcpy(text + strlen(head) + n, tail, strlen(tail));
    return text;
}

static void takes_large_bodies_both_ways(void)
{
    enum { SIZE = 1 << 20 };
    char *ask = big_text("{\"messages\":[{\"role\":\"user\",\"content\":\"", SIZE, "\"}]}");
    char *say = big_text("data: {\"choices\":[{\"delta\":{\"content\":\"", SIZE,
                         "\"},\"finish_reason\":\"stop\"}]}\n\n" DONE);

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = say);
    RUN(&w, &r, ask, true);
    EXPECT_Z(w.text, "");
    EXPECT_INT(w.said.n, SIZE);
    EXPECT_INT(r.up.at[UP_CHAT].body_n, strlen(ask) + strlen(",\"model\":\"big\",\"stream_"
                                                             "options\":{\"include_usage\":true}"));
    watch_end(&w);
    rig_end(&r);
    mem_free(ask);
    mem_free(say);
}

static void refuses_an_event_above_the_bound(void)
{
    enum { SIZE = 17 << 20 };
    char *say = big_text("data: {\"choices\":\"", SIZE, "\"}\n\n" DONE);

    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = say);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_PROTOCOL);
    EXPECT(strstr(w.text, "16 MiB") != NULL);
    watch_end(&w);
    rig_end(&r);
    mem_free(say);
}

static void says_that_an_event_is_too_deep(void)
{
    char deep[2 * 200 + 64];
    int n = snprintf(deep, sizeof(deep), "data: {\"choices\":%0200d%0200d}\n\n" DONE, 0, 0);
    char *open = strchr(deep, '0');

    EXPECT(n > 0 && (size_t)n < sizeof(deep));
    memset(open, '[', 200);
    memset(open + 200, ']', 200);
    rig_start(&r);
    SAY(&r.up, UP_CHAT, .body = deep);
    RUN(&w, &r, ASK_STREAM, true);
    EXPECT_INT(w.failure.kind, FAILURE_PROTOCOL);
    EXPECT(strstr(w.text, "more than 128 arrays and objects in one another") != NULL);
    EXPECT(!strstr(w.text, "MiB"));
    watch_end(&w);
    rig_end(&r);
}

/* ---- names ---- */

static void sends_keys_and_headers(void)
{
    struct openai_header team = { .name = "X-Team" };

    rig_open(&r);
    rig_key(&r, "sk-one");
    secret_set(&team.value, STR("blue"));
    r.config.headers = &team;
    r.config.n_headers = 1;
    r.config.is_native = true;
    rig_attach(&r);
    SAY(&r.up, UP_CHAT, .body = ANSWER_TO_ALL);
    RUN(&w, &r, ASK_WHOLE, false);
    EXPECT(w.is_finished);
    EXPECT_Z(r.up.at[UP_CHAT].authorization[0], "Bearer sk-one");
    EXPECT_Z(r.up.at[UP_CHAT].extra, "blue");
    EXPECT_INT(strncmp(r.up.at[UP_CHAT].session, "ses_", 4), 0);
    EXPECT_Z(r.up.at[UP_CHAT].affinity, r.up.at[UP_CHAT].session);
    watch_end(&w);
    rig_end(&r);
    secret_deinit(&team.value);
}

/* The same conversation has the same name, whatever was said later, and whether its texts are
 * decoded or as JSON spells them. */
static void names_conversations_by_their_beginning(void)
{
    struct chat_part parts[] = { { CHAT_PART_TEXT, STR("hi") }, { CHAT_PART_TEXT, STR("more") } };
    struct chat_message talk[] = { { .role = CHAT_USER, .parts = &parts[0], .n_parts = 1 },
                                   { .role = CHAT_ASSISTANT, .parts = &parts[1], .n_parts = 1 } };
    static const char spelled[] = "\"h\\u0069\"";
    char names[4][64];

    rig_open(&r);
    r.config.is_native = true;
    rig_attach(&r);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        watch_init(&w, &r);
        w.chat.messages = talk;
        w.chat.n_messages = i == 1 ? 2 : 1;
        w.chat.is_spelled = i == 2;
        if (i == 2)
            parts[0].text = str_sub(str_of(spelled), 1, sizeof(spelled) - 3);
        if (i == 3)
            parts[0].text = STR("ho");
        watch_start(&w, ASK_WHOLE, false);
        RUN_UNTIL(r.loop, watch_is_over(&w));
        str_to_z(str_of(r.up.at[UP_CHAT].session), names[i], sizeof(names[i]));
        watch_end(&w);
    }
    EXPECT_Z(names[0], names[1]);
    EXPECT_Z(names[0], names[2]);
    EXPECT(strcmp(names[0], names[3]) != 0);
    rig_end(&r);
}

static const struct test suite[] = {
    { "tells choices apart", tells_choices_apart },
    { "streams what the upstream says", streams_what_the_upstream_says },
    { "sends the body as it came", sends_the_body_as_it_came },
    { "makes the edits of its target", makes_the_edits_of_its_target },
    { "passes events on byte for byte", passes_events_on_byte_for_byte },
    { "an answer ends in many ways", an_answer_ends_in_many_ways },
    { "an empty beginning is held back", an_empty_beginning_is_held_back },
    { "an empty stream is no answer", an_empty_stream_is_no_answer },
    { "an empty answer that ended is handed on", an_empty_answer_that_ended_is_handed_on },
    { "what is not known is an answer, too", what_is_not_known_is_an_answer_too },
    { "each choice that was asked for must come", each_choice_that_was_asked_for_must_come },
    { "only what we asked for is left out", only_what_we_asked_for_is_left_out },
    { "hands on a whole answer", hands_on_a_whole_answer },
    { "takes answers apart", takes_answers_apart },
    { "takes large bodies both ways", takes_large_bodies_both_ways },
    { "refuses an event above the bound", refuses_an_event_above_the_bound },
    { "says that an event is too deep", says_that_an_event_is_too_deep },
    { "sends keys and headers", sends_keys_and_headers },
    { "names conversations by their beginning", names_conversations_by_their_beginning },
};

TEST_MAIN(suite)
