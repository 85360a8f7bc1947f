/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/prompt.h"
#include "test.h"

enum { MESSAGES = 4 };

/* A request of texts: "u:hi" is a user message, "a:" an assistant's, "s:" a system's, "i:" a user's
 * image. */
struct made {
    struct chat_request req;
    struct chat_message messages[MESSAGES];
    struct chat_part parts[MESSAGES];
};

static void make(struct made *m, const char *const *texts)
{
    *m = (struct made){ .req = { .messages = m->messages } };
    for (size_t i = 0; texts[i]; i++) {
        char role = texts[i][0];

        m->parts[i] = (struct chat_part){ role == 'i' ? CHAT_PART_IMAGE : CHAT_PART_TEXT,
                                          str_of(texts[i] + 2) };
        m->messages[i] = (struct chat_message){
            .role = role == 'a'   ? CHAT_ASSISTANT
                    : role == 's' ? CHAT_SYSTEM
                                  : CHAT_USER,
            .parts = &m->parts[i],
            .n_parts = 1,
        };
        m->req.n_messages = i + 1;
    }
}

static size_t trimmed;          /* by the last try */
static struct str instructions; /* for the next ones */

/* Kind of the failure of writing from `from`, or of checking with SIZE_MAX; the body in `out`. */
static enum failure_kind try(const struct enginelabs_config *config, const char *const *texts,
                             size_t from, char out[256], char param[64])
{
    struct prompt_target to = {
        .config = config, .chat_id = STR("c"), .model = STR("M"), .instructions = instructions
    };
    struct failure f = { 0 };
    struct made m;
    struct arena a;
    struct buf body;
    bool ok;

    make(&m, texts);
    arena_init(&a);
    buf_init(&body, PROMPT_BODY_MAX);
    ok = from == SIZE_MAX ? prompt_check(&to, &m.req, &a, &body, &from, &trimmed, &f)
                          : prompt_write(&to, &m.req, from, &a, &body, &trimmed, &f);
    EXPECT_INT(ok, f.kind == FAILURE_NONE);
    str_to_z(ok ? buf_str(&body) : f.message, out, 256);
    str_to_z(f.param, param, 64);
    buf_deinit(&body);
    arena_deinit(&a);
    return f.kind;
}

static void a_chat_is_told_its_instructions_when_it_begins(void)
{
    static const char *const texts[] = { "u:hi", "a:ho", "u:hu", NULL };
    const struct enginelabs_config config = { .max_prompt_chars = 90 };
    char out[256], param[64];

    instructions = STR("Do it.");
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    EXPECT(strstr(out, "\"Do it.\\n\\n<user>\\nhi"));
    EXPECT_INT(try(&config, texts, 2, out, param), FAILURE_NONE);
    EXPECT(strstr(out, "\"hu\""));
    EXPECT(!strstr(out, "Do it."));
    EXPECT_INT(try(&config, texts, SIZE_MAX, out, param), FAILURE_NONE);
    EXPECT(!strstr(out, "Do it."));
    EXPECT_INT(try(&config, texts + 2, SIZE_MAX, out, param), FAILURE_NONE);
    EXPECT(strstr(out, "Do it."));
    instructions = STR("These are by far longer than this upstream takes in one of its prompts: "
                       "not one char of them fits.");
    EXPECT_INT(try(&config, texts + 2, SIZE_MAX, out, param), FAILURE_CONTEXT_LENGTH);
    EXPECT(strstr(out, "The prompt has 100 char")); /* counted, not written: the block is longer */
    instructions = STR("");
}

static void a_lone_user_message_goes_as_it_is(void)
{
    static const struct enginelabs_config config = { .name = "cto" };
    static const char *const one[] = { "u:hi", NULL };
    static const char *const three[] = { "u:hi", "a:ho", "u:again", NULL };
    char out[256];
    char param[64];

    EXPECT_INT(try(&config, one, 0, out, param), FAILURE_NONE);
    EXPECT_Z(out, "{\"prompt\":\"hi\",\"chatHistoryId\":\"c\",\"adapterName\":\"M\"}");
    EXPECT_INT(try(&config, three, 2, out, param), FAILURE_NONE);
    EXPECT_Z(out, "{\"prompt\":\"again\",\"chatHistoryId\":\"c\",\"adapterName\":\"M\"}");
}

/* The service takes it for an offense. */
static void a_prompt_without_text_is_refused(void)
{
    static const struct enginelabs_config config = { .name = "cto", .trim_overflow = true };
    static const char *const rows[][4] = { { "u:", NULL },
                                           { "u: \n\t", NULL },
                                           { "u:hi", "a:ho", "u:", NULL } };
    static const char *const params[] = { "messages[0].content", "messages[0].content",
                                          "messages[2].content" };
    char out[256];
    char param[64];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(try(&config, rows[i], SIZE_MAX, out, param), FAILURE_BAD_REQUEST);
        EXPECT_Z(out, "The prompt is empty: the last message has no text. Write something in it.");
        EXPECT_Z(param, params[i]);
    }
}

static void characters_are_counted_in_utf16_units(void)
{
    static const char *const texts[] = { "u:ab\xf0\x9f\x98\x80", NULL }; /* 2 + 2 units */
    struct enginelabs_config config = { .name = "cto", .max_prompt_chars = 4 };
    char out[256];
    char param[64];

    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    config.max_prompt_chars = 3;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_CONTEXT_LENGTH);
    EXPECT(strstr(out, "4 characters"));
    EXPECT(strstr(out, "at most 3"));
    EXPECT(strstr(out, "ENGINELABS_MAX_PROMPT_CHARS"));
    EXPECT_Z(param, "messages");
}

static void bytes_are_those_of_the_whole_body(void)
{
    static const char *const texts[] = { "u:hi", NULL };
    struct enginelabs_config config = { .name = "cto" };
    char out[256];
    char param[64];
    size_t whole;

    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    whole = strlen(out);
    config.max_prompt_bytes = whole;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    config.max_prompt_bytes = whole - 1;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_CONTEXT_LENGTH);
    EXPECT(strstr(out, "ENGINELABS_MAX_PROMPT_BYTES"));
}

/* What the service counts is what is sent: the bytes of the base64, the characters of the text. */
static void protocol_project_is_measured_as_it_is_sent(void)
{
    static const char *const texts[] = { "u:0123456789", NULL };
    struct enginelabs_config config = { .name = "cto", .protocol = PROTOCOL_PROJECT };
    char out[256];
    char param[64];
    size_t whole;

    config.max_prompt_chars = 10;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    EXPECT_Z(out, "{\"prompt\":\"MDEyMzQ1Njc4OQ==\",\"chatHistoryId\":\"c\",\"encoded\":true}");
    whole = strlen(out);
    config.max_prompt_bytes = whole;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    config.max_prompt_bytes = whole - 1;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_CONTEXT_LENGTH);
    EXPECT(strstr(out, "ENGINELABS_MAX_PROMPT_BYTES"));
    config.max_prompt_bytes = 0;
    config.max_prompt_chars = 9;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_CONTEXT_LENGTH);
    EXPECT(strstr(out, "10 characters"));
}

/* 40 bytes of base64 too many are 30 of text: the second message may stay. */
static void base64_does_not_cost_more_messages(void)
{
    static const char *const texts[] = { "u:123456789.123456789.123456789", "a:keep this", "u:last",
                                         NULL };
    struct enginelabs_config config = { .name = "cto",
                                        .protocol = PROTOCOL_PROJECT,
                                        .trim_overflow = true };
    char out[256];
    char param[64];

    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    config.max_prompt_bytes = strlen(out) - 40;
    EXPECT_INT(try(&config, texts, 0, out, param), FAILURE_NONE);
    EXPECT_INT(trimmed, 1);
}

static void protocol_project_takes_no_image_either(void)
{
    static const char *const texts[] = { "u:look", "i:data:image/png;base64,AA==", NULL };
    static const struct enginelabs_config config = { .name = "cto", .protocol = PROTOCOL_PROJECT };
    char out[256];
    char param[64];

    EXPECT_INT(try(&config, texts, SIZE_MAX, out, param), FAILURE_BAD_REQUEST);
    EXPECT_Z(param, "messages[1].content[0]");
}

static void the_check_asks_for_the_shortest_prompt_that_may_do(void)
{
    static const struct {
        const char *texts[MESSAGES + 1];
        enum failure_kind want;
    } rows[] = {
        { { "u:12345", NULL }, FAILURE_NONE },
        { { "u:123456", NULL }, FAILURE_CONTEXT_LENGTH },
        { { "u:a very long first turn", "a:x", "u:short", NULL }, FAILURE_NONE },
        { { "u:short", "a:x", "u:a very long turn", NULL }, FAILURE_CONTEXT_LENGTH },
        { { "s:rules", "u:short", NULL }, FAILURE_CONTEXT_LENGTH },
    };
    static const struct enginelabs_config config = { .name = "cto", .max_prompt_chars = 5 };
    char out[256];
    char param[64];

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        EXPECT_INT(try(&config, rows[i].texts, SIZE_MAX, out, param), rows[i].want);
}

static void an_image_is_named_and_never_dropped(void)
{
    static const char *const rows[][MESSAGES + 1] = {
        { "u:look", "i:data:image/png;base64,AA==", NULL },
        { "u:look", "i:http://x/y.png", "a:nice", "u:and now" },
    };
    static const struct enginelabs_config config = { .name = "cto" };
    char out[256];
    char param[64];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(try(&config, rows[i], SIZE_MAX, out, param), FAILURE_BAD_REQUEST);
        EXPECT_Z(param, "messages[1].content[0]");
    }
}

static void the_oldest_are_left_out_where_that_is_set(void)
{
    static const char *const texts[] = { "s:sys", "u:oldest-oldest", "a:old", "u:new", NULL };
    static const struct {
        size_t max_chars;
        size_t trimmed;
        const char *want; /* NULL: too long all the same */
    } rows[] = {
        { 200, 0,
          "<system>\\nsys\\n</system>\\n<user>\\noldest-oldest\\n</user>\\n"
          "<assistant>\\nold\\n</assistant>\\n<user>\\nnew\\n</user>\\n" },
        { 90, 1,
          "<system>\\nsys\\n</system>\\n<assistant>\\nold\\n</assistant>\\n"
          "<user>\\nnew\\n</user>\\n" },
        { 60, 2, "<system>\\nsys\\n</system>\\n<user>\\nnew\\n</user>\\n" },
        { 20, 2, NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct enginelabs_config config = { .name = "cto",
                                            .max_prompt_chars = rows[i].max_chars,
                                            .trim_overflow = true };
        char out[256], want[256], param[64];

        EXPECT_INT(try(&config, texts, 0, out, param),
                   rows[i].want ? FAILURE_NONE : FAILURE_CONTEXT_LENGTH);
        EXPECT_INT(trimmed, rows[i].trimmed);
        snprintf(want, sizeof(want), "{\"prompt\":\"%s\"", rows[i].want ? rows[i].want : "");
        if (rows[i].want)
            EXPECT(strncmp(out, want, strlen(want)) == 0);
    }
}

static const struct test suite[] = {
    { "a chat is told its instructions when it begins",
      a_chat_is_told_its_instructions_when_it_begins },
    { "the oldest are left out where that is set", the_oldest_are_left_out_where_that_is_set },
    { "a lone user message goes as it is", a_lone_user_message_goes_as_it_is },
    { "a prompt without text is refused", a_prompt_without_text_is_refused },
    { "characters are counted in UTF-16 units", characters_are_counted_in_utf16_units },
    { "bytes are those of the whole body", bytes_are_those_of_the_whole_body },
    { "protocol project is measured as it is sent", protocol_project_is_measured_as_it_is_sent },
    { "base64 does not cost more messages", base64_does_not_cost_more_messages },
    { "protocol project takes no image either", protocol_project_takes_no_image_either },
    { "the check asks for the shortest prompt that may do",
      the_check_asks_for_the_shortest_prompt_that_may_do },
    { "an image is named and never dropped", an_image_is_named_and_never_dropped },
};

TEST_MAIN(suite)
