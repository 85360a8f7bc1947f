/* SPDX-License-Identifier: Apache-2.0 */
/* docs/configuration.md names every setting with its true default, and no other. */
#include <stdio.h>

#include "gateway/settings.h"
#include "test.h"

static char page[1 << 16];

static void read_file(const char *path)
{
    FILE *f = fopen(path, "re");

    EXPECT(f != NULL);
    size_t n = fread(page, 1, sizeof(page) - 1, f);
    fclose(f);
    page[n] = '\0';
}

static void read_page(void)
{
    read_file("docs/configuration.md");
}

/* The row of the table that begins with the setting's name. */
static const char *row_of(const char *name)
{
    char start[80];

    snprintf(start, sizeof(start), "\n| `%s` ", name);
    const char *row = strstr(page, start);
    return row ? row + 1 : NULL;
}

static void names_every_setting_with_its_default(void)
{
    struct settings_row row;

    read_page();
    for (size_t i = 0; settings_row_at(i, &row); i++) {
        const char *text = row_of(row.name);
        char want[128];

        if (!text)
            fail_msg("docs/configuration.md does not name %s", row.name);
        const char *fallback = strchr(text + 2, '|');
        snprintf(want, sizeof(want), row.fallback[0] ? "| `%s` |" : "| (%s", row.fallback);
        if (strncmp(fallback, want, strlen(want)) != 0)
            fail_msg("docs/configuration.md has another default for %s than \"%s\"", row.name,
                     row.fallback);
    }
}

static bool is_setting(struct str name)
{
    struct settings_row row;

    for (size_t i = 0; settings_row_at(i, &row); i++)
        if (str_eq(str_of(row.name), name))
            return true;
    return false;
}

static void names_no_setting_that_does_not_exist(void)
{
    read_page();
    for (const char *p = page; (p = strstr(p, "\n| `")); p++) {
        struct str name = str_cut(str_of(p + 4), '`', &(struct str){ NULL, 0 });

        if (!is_setting(name))
            fail_msg("docs/configuration.md names %.*s, which does not exist", STR_ARGS(name));
    }
}

/* Where the message about a missing cookie sends its reader. */
static void names_a_section_of_the_readme_that_exists(void)
{
    const struct settings_source source = { .use = SETTINGS_SERVE };
    struct settings s;
    struct buf problems;
    struct str section;

    buf_init(&problems, 1 << 16);
    EXPECT_INT(settings_load(&source, &s, &problems), ERR_BAD_INPUT);
    size_t at = str_find(buf_str(&problems), STR("(README, \""));
    EXPECT(at != SIZE_MAX);
    section = str_cut(str_from(buf_str(&problems), at + 10), '"', &(struct str){ NULL, 0 });
    char heading[100];
    snprintf(heading, sizeof(heading), "\n## %.*s\n", STR_ARGS(section));
    read_file("README.md");
    if (!strstr(page, heading))
        fail_msg("README.md has no section \"%.*s\"", STR_ARGS(section));
    buf_deinit(&problems);
}

static const struct test suite[] = {
    { "names every setting with its default", names_every_setting_with_its_default },
    { "names a section of the README that exists", names_a_section_of_the_readme_that_exists },
    { "names no setting that does not exist", names_no_setting_that_does_not_exist },
};

TEST_MAIN(suite)
