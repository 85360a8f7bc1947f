/* SPDX-License-Identifier: Apache-2.0 */
/* Histories as real client libraries send them (tests/e2e/client_history.test.mjs captured them):
 * each answer in them is found again by the fingerprint that it got when it was given. */
#include <stdio.h>

#include "base/mem.h"
#include "conversation/fingerprint.h"
#include "dialect/dialect.h"
#include "test.h"
#include "json/reader.h"

enum { FILE_MAX = 1 << 20, MESSAGES_MAX = 64 };

static struct str read_file(struct arena *a)
{
    FILE *f = fopen("tests/data/client_histories.json", "re");
    char *text = arena_alloc(a, FILE_MAX);
    size_t n;

    EXPECT(f != NULL);
    n = fread(text, 1, FILE_MAX, f);
    fclose(f);
    EXPECT(n > 0 && n < FILE_MAX);
    return (struct str){ text, n };
}

static void decode(struct str messages, struct arena *a, struct chat_request *ret)
{
    struct str body = arena_printf(a, "{\"messages\":%.*s}", STR_ARGS(messages));
    struct failure f = { 0 };

    *ret = (struct chat_request){ 0 };
    if (!dialect_openai_chat.decode(body, a, ret, &f) || ret->doubt.kind != FAILURE_NONE)
        fail_msg("%.*s: %.*s%.*s", STR_ARGS(body), STR_ARGS(f.message),
                 STR_ARGS(ret->doubt.message));
    EXPECT(ret->n_messages < MESSAGES_MAX);
}

/* `answers` were given one after the other; returns how many of them are in the history. */
static size_t find_answers(struct str history, struct str answers, struct arena *a)
{
    static const struct fingerprint_scope scope = { { "key", 3 }, { "cto", 3 }, { "GPT5", 4 } };
    struct fingerprint chain[MESSAGES_MAX], want;
    struct json_value answer;
    struct chat_request r;
    struct json j;
    size_t found = 0;

    decode(history, a, &r);
    fingerprint_chain(&scope, &r, chain);
    json_init(&j, answers, JSON_DEPTH_MAX);
    EXPECT(json_enter_array(&j));
    for (size_t i = 0; i < r.n_messages; i++) {
        struct fingerprint_text said;
        struct str text;

        if (r.messages[i].role != CHAT_ASSISTANT)
            continue;
        EXPECT(json_next_item(&j) && json_read(&j, &answer));
        EXPECT_INT(json_text(&answer, a, &text), ERR_NONE);
        fingerprint_text_init(&said);
        fingerprint_text_add(&said, text);
        fingerprint_answer(&chain[i - 1], &said, &want);
        EXPECT(memcmp(&chain[i], &want, sizeof(want)) == 0);
        found++;
    }
    EXPECT(!json_next_item(&j));
    return found;
}

/* Whether `message`, sent back, is the empty answer that was given behind "hi". */
static bool is_empty_answer(const char *message)
{
    static const struct fingerprint_scope scope = { { "key", 3 }, { "cto", 3 }, { "GPT5", 4 } };
    struct fingerprint chain[MESSAGES_MAX], want;
    struct fingerprint_text said;
    struct chat_request r;
    struct arena a;

    arena_init(&a);
    decode(arena_printf(&a, "[{\"role\":\"user\",\"content\":\"hi\"},%s]", message), &a, &r);
    fingerprint_chain(&scope, &r, chain);
    fingerprint_text_init(&said);
    fingerprint_answer(&chain[0], &said, &want);
    arena_deinit(&a);
    return memcmp(&chain[1], &want, sizeof(want)) == 0;
}

static void an_empty_answer_is_found_again_however_it_is_written(void)
{
    static const char *const contents[] = {
        "",
        ",\"content\":null",
        ",\"content\":\"\"",
        ",\"content\":\" \\n\"",
        ",\"content\":[]",
        ",\"content\":[{\"type\":\"text\",\"text\":\"\"}]",
        ",\"content\":[{\"type\":\"text\",\"text\":\"\"},{\"type\":\"text\",\"text\":\"\"}]",
    };
    static const char *const beside[] = {
        "",
        ",\"refusal\":null",
        ",\"refusal\":\"\"",
        ",\"tool_calls\":null",
        ",\"tool_calls\":[]",
        ",\"function_call\":null",
        ",\"audio\":null",
        ",\"refusal\":null,\"tool_calls\":[],\"function_call\":null,\"audio\":null",
        ",\"reasoning_content\":\"hm\",\"annotations\":[],\"parsed\":null",
    };
    char message[1024];

    for (size_t i = 0; i < COUNT_OF(contents); i++)
        for (size_t k = 0; k < COUNT_OF(beside); k++) {
            snprintf(message, sizeof(message), "{\"role\":\"assistant\"%s%s}", beside[k],
                     contents[i]);
            if (!is_empty_answer(message))
                fail_msg("%s", message);
        }
    EXPECT(!is_empty_answer("{\"role\":\"assistant\",\"content\":\"x\"}"));
    EXPECT(!is_empty_answer("{\"role\":\"user\",\"content\":\"\"}"));
    EXPECT(!is_empty_answer("{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"}"));
}

static void every_answer_is_found_again(void)
{
    struct json_value item, messages, answers;
    size_t conversations = 0, found = 0;
    struct arena a;
    struct json j;

    arena_init(&a);
    json_init(&j, read_file(&a), JSON_DEPTH_MAX);
    EXPECT(json_enter_array(&j));
    while (json_next_item(&j) && json_read(&j, &item)) {
        EXPECT_INT(json_find(item.raw, &messages, "messages", NULL), ERR_NONE);
        EXPECT_INT(json_find(item.raw, &answers, "answers", NULL), ERR_NONE);
        found += find_answers(messages.raw, answers.raw, &a);
        conversations++;
    }
    EXPECT_INT(json_end(&j), ERR_NONE);
    /* Ten libraries, two ways: a long conversation, and all but three one with a silent answer. */
    EXPECT_INT(conversations, 20 + 17);
    EXPECT_INT(found, 20 * 7 + 17 * 3);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "every answer is found again", every_answer_is_found_again },
    { "an empty answer is found again however it is written",
      an_empty_answer_is_found_again_however_it_is_written },
};

TEST_MAIN(suite)
