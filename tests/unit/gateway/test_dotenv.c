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
        { " export\t A=tab\n", "tab" },
        { "export=1\nA=3\n", "3" },
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
        { "A=\"\\r\\q\"\n", "\rq" },
        { "zZ_9.a=1\nA=x\t# not part of it\n", "x" },
        { "A=#all\n", "" },
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
        { "A@=x\n", 1, "expected NAME=VALUE" },
        { "A[=x\n", 1, "expected NAME=VALUE" },
        { "A`=x\n", 1, "expected NAME=VALUE" },
        { "A{=x\n", 1, "expected NAME=VALUE" },
        { "A/=x\n", 1, "expected NAME=VALUE" },
        { "A:=x\n", 1, "expected NAME=VALUE" },
        { "\n\nA='open\nB=1\n", 3, "a quoted value is not closed; put the same quote behind it" },
        { "A=\"open\\", 1, "a quoted value is not closed; put the same quote behind it" },
        { "A=1\n\nA=\"x\nB=\"y\"\n", 3,
          "a quoted value ends on a later line with more behind it; is a quote missing?" },
        { "A=\"x\" y\n", 1, "there is more behind the closing quote" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena a;
        struct dotenv env;

        arena_init(&a);
        EXPECT_INT(dotenv_parse(str_of(rows[i].text), &a, &env), ERR_BAD_INPUT);
        EXPECT_INT(env.n_problems, 1);
        EXPECT_INT(env.problems[0].line, rows[i].line);
        EXPECT_Z(env.problems[0].what, rows[i].what);
        arena_deinit(&a);
    }
}

static void goes_on_behind_a_malformed_line(void)
{
    static const char text[] = "words\nA=1\nB=\"open\nC=2\n=\nQ='x' y\nE=3";
    static const unsigned lines[] = { 1, 3, 5, 6 };
    static const char *const names[] = { "", "B", "", "Q" };
    struct arena a;
    struct dotenv env;

    arena_init(&a);
    EXPECT_INT(dotenv_parse(str_of(text), &a, &env), ERR_BAD_INPUT);
    EXPECT_INT(env.n_problems, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        EXPECT_INT(env.problems[i].line, lines[i]);
        if (names[i][0])
            EXPECT_STR(env.problems[i].name, names[i]);
    }
    EXPECT_INT(env.n, 3);
    EXPECT_STR(dotenv_find(&env, STR("A"))->value, "1");
    EXPECT_STR(dotenv_find(&env, STR("C"))->value, "2");
    EXPECT_STR(dotenv_find(&env, STR("E"))->value, "3");
    EXPECT_INT(dotenv_find(&env, STR("E"))->line, 7);
    arena_deinit(&a);
}

/* Such as a file that is no .env at all. */
static void names_so_many_problems_and_no_more(void)
{
    struct arena a;
    struct dotenv env;
    struct buf text;

    arena_init(&a);
    buf_init(&text, 100000);
    for (size_t i = 0; i < 1000; i++)
        EXPECT_INT(buf_add(&text, STR("no setting\n")), ERR_NONE);
    EXPECT_INT(dotenv_parse(buf_str(&text), &a, &env), ERR_BAD_INPUT);
    EXPECT_INT(env.n_problems, DOTENV_PROBLEMS_MAX);
    EXPECT_INT(env.problems[19].line, 20);
    EXPECT(strstr(env.problems[19].what, "not looked at"));
    buf_deinit(&text);
    arena_deinit(&a);
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
    EXPECT_INT(dotenv_parse(buf_str(&text), &a, &env), ERR_BAD_INPUT);
    EXPECT_INT(env.n_problems, 1);
    EXPECT_INT(env.problems[0].line, 3 * 1000 + 2);
    EXPECT_Z(env.problems[0].what, "more than 1000 settings");
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
    { "goes on behind a malformed line", goes_on_behind_a_malformed_line },
    { "names so many problems and no more", names_so_many_problems_and_no_more },
    { "names the line behind the last setting it takes",
      names_the_line_behind_the_last_setting_it_takes },
    { "survives every cut", survives_every_cut },
};

TEST_MAIN(suite)
