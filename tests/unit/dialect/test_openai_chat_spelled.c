/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a chat completion that stay as JSON spells them until somebody reads them. */
#include "base/mem.h"
#include "dialect/dialect.h"
#include "listing.h"

#define MESSAGE(message) "{\"messages\":[" message "]}"

static void expect_listed(const struct chat_request *r, const char *want)
{
    struct buf out;

    buf_init(&out, 4096);
    for (size_t i = 0; i < r->n_messages; i++)
        list_message(&r->messages[i], &out);
    EXPECT_STR(buf_str(&out), want);
    buf_deinit(&out);
}

/* Ids and names are always decoded; what is long may wait. */
static void texts_may_stay_as_they_are_spelled(void)
{
    static const char body[] =
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"say\\n\\u20ac\"},"
                "{\"type\":\"text\",\"text\":\"plain\"}]},{\"role\":\"assistant\",\"content\":\"\","
                "\"tool_calls\":[{\"id\":\"c\\/1\",\"function\":{\"name\":\"\\u0066\","
                "\"arguments\":\"{\\\"a\\\":1}\"}}]}");
    struct chat_request r = { .is_spelled = true };
    struct chat_request decoded = { 0 };
    struct failure f = { 0 };
    struct arena a;

    arena_init(&a);
    EXPECT(dialect_openai_chat.decode(str_of(body), &a, &r, &f));
    EXPECT(r.is_spelled);
    expect_listed(&r, "user(say\\n\\u20acplain)assistant({c/1 f {\\\"a\\\":1}})");
    EXPECT(dialect_openai_chat.decode(str_of(body), &a, &decoded, &f));
    EXPECT(!decoded.is_spelled);
    EXPECT_INT(chat_request_tokens(&r), chat_request_tokens(&decoded));
    for (int i = 0; i < 2; i++) {
        EXPECT(chat_request_unescape(&r, &a) == ERR_NONE);
        EXPECT(!r.is_spelled);
        expect_listed(&r, "user(say\n\xE2\x82\xACplain)assistant({c/1 f {\"a\":1}})");
    }
    arena_deinit(&a);
}

static void spelled_texts_stay_where_memory_fails(void)
{
    static const char body[] = MESSAGE("{\"role\":\"user\",\"content\":\"a\\nb\"}");
    struct chat_request r = { .is_spelled = true };
    struct failure f = { 0 };
    struct arena a;
    struct arena texts;

    arena_init(&a);
    arena_init(&texts);
    EXPECT(dialect_openai_chat.decode(str_of(body), &a, &r, &f));
    mem_fail_nth(1);
    EXPECT(chat_request_unescape(&r, &texts) == ERR_NOMEM);
    mem_fail_nth(0);
    EXPECT(r.is_spelled);
    expect_listed(&r, "user(a\\nb)");
    arena_deinit(&texts);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "texts may stay as they are spelled", texts_may_stay_as_they_are_spelled },
    { "spelled texts stay where memory fails", spelled_texts_stay_where_memory_fails },
};

TEST_MAIN(suite)
