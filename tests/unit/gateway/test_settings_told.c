/* SPDX-License-Identifier: Apache-2.0 */
/* What was found for each setting and where, as it is shown; and what a log is made by. */
#include "settings_test.h"

static struct settings_told told_of(const struct settings *s, const char *name)
{
    struct settings_row row = { .name = NULL };
    struct settings_told told = { .value = NULL };
    size_t i = 0;

    while (settings_row_at(i, &row) && strcmp(row.name, name) != 0)
        i++;
    EXPECT_Z(row.name, name);
    EXPECT(settings_told_at(s, i, &told));
    return told;
}

static size_t count_rows(void)
{
    struct settings_row row;
    size_t n = 0;

    while (settings_row_at(n, &row))
        n++;
    return n;
}

static void tells_each_value_and_its_source(void)
{
    char a[] = "WORKERS=3", b[] = "CLERK_COOKIE=hush";
    char *environment[] = { a, b, NULL };
    struct settings_told told;
    struct settings s;

    EXPECT_INT(load_yaml_for(SETTINGS_ALL, environment, "queue_timeout: 7\n", &s), ERR_NONE);
    EXPECT_Z(told_of(&s, "WORKERS").value, "3");
    EXPECT_Z(told_of(&s, "WORKERS").source, "environment");
    EXPECT_Z(told_of(&s, "QUEUE_TIMEOUT").value, "7");
    EXPECT_Z(told_of(&s, "QUEUE_TIMEOUT").source, "file");
    EXPECT_Z(told_of(&s, "LISTEN").source, "default");
    EXPECT_Z(told_of(&s, "CLERK_COOKIE").value, "set");
    EXPECT(!told_of(&s, "API_MASTER_KEY").value);
    EXPECT(!settings_told_at(&s, count_rows(), &told));
    settings_deinit(&s);
}

/* The file itself, for whoever writes a renewed cookie into it. */
static void the_file_of_a_cookie_is_remembered(void)
{
    char set[100];
    char *environment[] = { set, NULL };
    struct settings s;

    begin_dir();
    write_file("cookie", "__client=c\n");
    snprintf(set, sizeof(set), "CLERK_COOKIE_FILE=%s", path_of("cookie"));
    EXPECT_INT(load_yaml_for(SETTINGS_SERVE, environment, "workers: 1\n", &s), ERR_NONE);
    EXPECT_STR(secret_reveal(&s.clerk_cookie), "__client=c");
    EXPECT_Z(s.clerk_cookie_file, path_of("cookie"));
    settings_deinit(&s);
    EXPECT_INT(load_yaml("clerk_cookie_file: [a]\n", &s), ERR_BAD_INPUT);
    EXPECT(strstr(problems, "clerk_cookie_file: expected one value"));
}

static void a_log_is_made_by_the_settings(void)
{
    static const struct {
        const char *text;
        enum log_level level;
        enum log_format format; /* on no terminal */
    } rows[] = {
        { "log_level: debug\nlog_format: text\n", LOG_DEBUG, LOG_TEXT },
        { "log_level: off\nlog_format: json\n", LOG_OFF, LOG_JSON },
        { "log_format: auto\n", LOG_INFO, LOG_JSON },
    };
    struct settings s;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(load_yaml(rows[i].text, &s), ERR_NONE);
        EXPECT_INT(settings_log_level(&s), rows[i].level);
        EXPECT_INT(settings_log_format(&s, -1), rows[i].format);
        settings_deinit(&s);
    }
}

/* Stores, each in its form; trust in certificates where TLS will be spoken, but not else. */
static void a_store_has_one_of_its_forms(void)
{
    static const struct {
        const char *text;
        enum err err;
    } rows[] = {
        { "store_url: 'redis://h:1/0'\n", ERR_NONE },
        { "store_url: 'rediss://h:1/0'\n", ERR_NONE },
        { "store_url: 'redis://h:x'\n", ERR_BAD_INPUT },
        { "store_url: 'sqlite:/a b'\n", ERR_NONE },
        { "store_url: 'memory:x'\n", ERR_BAD_INPUT },
        { "store_url: 'what:'\n", ERR_BAD_INPUT },
    };
    struct settings s;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum err err = load_yaml(rows[i].text, &s);

        EXPECT_INT(err, rows[i].err);
        if (!err)
            settings_deinit(&s);
        else
            EXPECT(strstr(problems, "store_url is ") != NULL);
    }
}

static const struct test suite[] = {
    { "tells each value and its source", tells_each_value_and_its_source },
    { "the file of a cookie is remembered", the_file_of_a_cookie_is_remembered },
    { "a log is made by the settings", a_log_is_made_by_the_settings },
    { "a store has one of its forms", a_store_has_one_of_its_forms },
};

TEST_MAIN(suite)
