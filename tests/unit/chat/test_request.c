/* SPDX-License-Identifier: Apache-2.0 */
#include "chat_test.h"

static void roles_have_the_names_of_the_api(void)
{
    EXPECT_Z(chat_role_name(CHAT_SYSTEM), "system");
    EXPECT_Z(chat_role_name(CHAT_DEVELOPER), "developer");
    EXPECT_Z(chat_role_name(CHAT_USER), "user");
    EXPECT_Z(chat_role_name(CHAT_ASSISTANT), "assistant");
    EXPECT_Z(chat_role_name(CHAT_TOOL), "tool");
}

static void texts_are_joined_without_separator(void)
{
    static const struct {
        const char *message;
        const char *want;
    } rows[] = {
        { "u:", "" },          { "u:one", "one" },      { "u:one|two", "onetwo" },
        { "u:|two|", "two" },  { "u:@img|one", "one" }, { "u:one|@img|two", "onetwo" },
        { "u:@img|@img", "" }, { "u:|", "" },
    };
    struct made_chat m;
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        made_chat(&m, rows[i].message);
        EXPECT_STR(chat_message_text(&m.messages[0], &a), rows[i].want);
    }
    arena_deinit(&a);
}

static void a_lone_text_is_not_copied(void)
{
    struct made_chat m;
    struct arena a;

    arena_init(&a);
    made_chat(&m, "u:@img|only");
    EXPECT(chat_message_text(&m.messages[0], &a).p == m.parts[1].text.p);
    EXPECT(a.used == 0);
    arena_deinit(&a);
}

static const struct test suite[] = {
    { "roles have the names of the API", roles_have_the_names_of_the_api },
    { "texts are joined without separator", texts_are_joined_without_separator },
    { "a lone text is not copied", a_lone_text_is_not_copied },
};

TEST_MAIN(suite)
