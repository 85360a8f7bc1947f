/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the page: what makes one live, and how it ends. */
#include "admin/session.h"
#include "test.h"

static bool lives(struct sessions *s, const struct session *session, const char *key, int64_t now_s)
{
    struct session found;

    return sessions_find(s, str_of(session->token), str_of(key), now_s, &found);
}

static void live_for_a_while(void)
{
    struct sessions *s = sessions_new();
    struct session made, found;

    sessions_make(s, STR("key"), 1000, &made);
    EXPECT_INT(strlen(made.token), SESSION_TEXT);
    EXPECT_INT(strlen(made.csrf), SESSION_TEXT);
    EXPECT(strcmp(made.token, made.csrf) != 0);
    EXPECT_INT(made.expires_s, 1000 + SESSION_LIFE_S);
    EXPECT(sessions_find(s, str_of(made.token), STR("key"), 1001, &found));
    EXPECT_Z(found.csrf, made.csrf);
    EXPECT_INT(found.expires_s, made.expires_s);
    EXPECT(lives(s, &made, "key", 1000 + SESSION_LIFE_S - 1));
    EXPECT(!lives(s, &made, "key", 1000 + SESSION_LIFE_S));
    sessions_free(s);
}

static void need_their_token_and_their_key(void)
{
    struct sessions *s = sessions_new();
    struct session made, other;

    sessions_make(s, STR("key"), 1000, &made);
    EXPECT(!lives(s, &made, "another key", 1000));
    other = made;
    other.token[SESSION_TEXT - 1] ^= 1;
    EXPECT(!lives(s, &other, "key", 1000));
    EXPECT(!sessions_find(s, STR(""), STR("key"), 1000, &other));
    EXPECT(!sessions_find(s, str_sub(str_of(made.token), 0, 63), STR("key"), 1000, &other));
    sessions_free(s);
}

static void end_when_they_are_ended(void)
{
    struct sessions *s = sessions_new();
    struct session one, two;

    sessions_make(s, STR("key"), 1000, &one);
    sessions_make(s, STR("key"), 1000, &two);
    EXPECT(strcmp(one.token, two.token) != 0);
    sessions_end(s, str_of(one.token), STR("key"));
    sessions_end(s, STR("nobody's"), STR("key"));
    EXPECT(!lives(s, &one, "key", 1000));
    EXPECT(lives(s, &two, "key", 1000));
    sessions_free(s);
}

static void are_bounded(void)
{
    struct sessions *s = sessions_new();
    struct session first, second, made;

    sessions_make(s, STR("key"), 1000, &first);
    sessions_make(s, STR("key"), 1001, &second);
    for (int i = 2; i < SESSIONS_MAX; i++)
        sessions_make(s, STR("key"), 1002, &made);
    EXPECT(lives(s, &first, "key", 1002));
    sessions_make(s, STR("key"), 1003, &made);
    EXPECT(!lives(s, &first, "key", 1003));
    EXPECT(lives(s, &second, "key", 1003));
    EXPECT(lives(s, &made, "key", 1003));
    sessions_free(s);
}

static const struct test suite[] = {
    { "live for a while", live_for_a_while },
    { "need their token and their key", need_their_token_and_their_key },
    { "end when they are ended", end_when_they_are_ended },
    { "are bounded", are_bounded },
};

TEST_MAIN(suite)
