/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of .env that are no problem, but hardly meant so. */
#include <sys/stat.h>

#include "settings_test.h"

static const char *notes_of(const char *text, mode_t mode)
{
    static char notes[5000];
    char path[64];
    struct settings_source source = { .use = SETTINGS_ALL };
    struct settings s;
    struct buf told;

    begin_dir();
    write_file("dotenv", text);
    snprintf(path, sizeof(path), "%s", path_of("dotenv"));
    EXPECT_INT(chmod(path, mode), 0);
    source.env_file = path;
    buf_init(&told, 1 << 20);
    EXPECT_INT(settings_load(&source, &s, &told), ERR_NONE);
    snprintf(notes, sizeof(notes), "%s", s.notes);
    buf_deinit(&told);
    settings_deinit(&s);
    return notes;
}

static void expect_note(const char *text, mode_t mode, const char *part)
{
    const char *notes = notes_of(text, mode);

    if (part ? !strstr(notes, part) : notes[0])
        fail_msg("%swant: %s\ntold: %s", text, part ? part : "nothing", notes);
}

static void a_misspelled_name_is_told_with_the_right_one(void)
{
    expect_note("A=1\nDEFAULT_MODLE=GPT5\n", 0600,
                "dotenv line 2: DEFAULT_MODLE is no setting and has no effect; did you mean "
                "DEFAULT_MODEL?\n");
    expect_note("log_level=debug\n", 0600,
                "log_level is no setting and has no effect; did you "
                "mean LOG_LEVEL?\n");
    expect_note("CLERK_COKIE=hush\n", 0600, "did you mean CLERK_COOKIE?\n");
}

static void its_value_is_not(void)
{
    if (strstr(notes_of("CLERK_COKIE=hush\n", 0600), "hush"))
        fail_msg("a secret was told");
}

static void names_of_others_are_passed_over(void)
{
    char text[200];

    begin_dir();
    write_file("cookie", "__client=c\n");
    expect_note("GATEWAYS=2\nAPP_NAME=x\nPATH_TO_IT=/\nTZ=UTC\n", 0600, NULL);
    snprintf(text, sizeof(text), "DEFAULT_MODEL=GPT5\nCLERK_COOKIE_FILE=%s\n", path_of("cookie"));
    expect_note(text, 0600, NULL);
}

static void secrets_in_sight_are_told(void)
{
    expect_note("CLERK_COOKIE=hush\n", 0644, "chmod 600");
    expect_note("API_MASTER_KEY=hush\n", 0604, "everybody on this machine may read it");
    expect_note("CLERK_COOKIE=hush\n", 0640, NULL);
    expect_note("CLERK_COOKIE=\nLISTEN=127.0.0.1:1\n", 0644, NULL);
}

static const struct test suite[] = {
    { "a misspelled name is told with the right one",
      a_misspelled_name_is_told_with_the_right_one },
    { "its value is not", its_value_is_not },
    { "names of others are passed over", names_of_others_are_passed_over },
    { "secrets in sight are told", secrets_in_sight_are_told },
};

TEST_MAIN(suite)
