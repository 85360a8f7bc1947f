/* SPDX-License-Identifier: Apache-2.0 */
/* .env files: every form of a line, and what is refused where. */
#include "gateway/dotenv.h"

#include "base/buf.h"
#include "test.h"

static void reads_every_form_of_a_value(void)
{
    static const struct {
        const char *text;
        const char *want; /* value of A */
    } rows[] = {
        { "A=1\n", "1" },
        { "A=1", "1" },
        { "A = spaced out \n", "spaced out" },
        { "export A=yes\n", "yes" },
        { "  A=indented\n", "indented" },
        { "\xef\xbb\xbf"
          "A=bom\n",
          "bom" },
        { "# comment\n\nA=x # not part of it\n", "x" },
        { "A=x#part\n", "x#part" },
        { "A='single $x \\n #'\n", "single $x \\n #" },
        { "A=\"double \\\"q\\\" \\n\\t\\\\ end\" # c\n", "double \"q\" \n\t\\ end" },
        { "A=\"two\nlines\"\n", "two\nlines" },
        { "A=__client=ey.J; other=\"q\"\n", "__client=ey.J; other=\"q\"" },
        { "A=\n", "" },
        { "A=first\nA=second\n", "second" },
        { "A=1\r\nB=2\r\n", "1" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena a;
        struct dotenv env;

        arena_init(&a);
        EXPECT_INT(dotenv_parse(str_of(rows[i].text), &a, &env), ERR_NONE);
        const struct dotenv_entry *entry = dotenv_find(&env, STR("A"));
        EXPECT(entry != NULL);
        EXPECT_STR(entry->value, rows[i].want);
        arena_deinit(&a);
    }
}

static void names_the_line_it_refuses(void)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *what;
    } rows[] = {
        { "A=1\njust words\n", 2, "expected NAME=VALUE" },
        { "=x\n", 1, "expected NAME=VALUE" },
        { "1A=x\n", 1, "expected NAME=VALUE" },
        { "\n\nA='open\nB=1\n", 5, "a quoted value is not closed" },
        { "A=\"x\" y\n", 1, "there is more behind the closing quote" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena a;
        struct dotenv env;

        arena_init(&a);
        EXPECT_INT(dotenv_parse(str_of(rows[i].text), &a, &env), ERR_BAD_INPUT);
        EXPECT_INT(env.bad_line, rows[i].line);
        EXPECT_Z(env.bad_what, rows[i].what);
        arena_deinit(&a);
    }
}

static void names_the_line_behind_the_last_setting_it_takes(void)
{
    struct arena a;
    struct dotenv env;
    struct buf text;

    arena_init(&a);
    buf_init(&text, 100000);
    for (size_t i = 0; i < 1001; i++)
        EXPECT_INT(buf_addf(&text, "# c\nA%zu=\"x\\\n\"\n", i), ERR_NONE);
    EXPECT_INT(dotenv_parse(buf_str(&text), &a, &env), ERR_TOO_BIG);
    EXPECT_INT(env.bad_line, 3 * 1000 + 2);
    EXPECT_Z(env.bad_what, "more than 1000 settings");
    buf_deinit(&text);
    arena_deinit(&a);
}

static void survives_every_cut(void)
{
    static const char text[] = "export A=\"x\\\"y\" # c\nB='q'\n# end\nC=plain # c\n";

    for (size_t n = 0; n < sizeof(text); n++) {
        struct arena a;
        struct dotenv env;

        arena_init(&a);
        enum err err = dotenv_parse((struct str){ text, n }, &a, &env);
        EXPECT(err == ERR_NONE || err == ERR_BAD_INPUT);
        arena_deinit(&a);
    }
}

static const struct test suite[] = {
    { "reads every form of a value", reads_every_form_of_a_value },
    { "names the line it refuses", names_the_line_it_refuses },
    { "names the line behind the last setting it takes",
      names_the_line_behind_the_last_setting_it_takes },
    { "survives every cut", survives_every_cut },
};

TEST_MAIN(suite)
