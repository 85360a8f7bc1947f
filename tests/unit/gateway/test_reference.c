/* SPDX-License-Identifier: Apache-2.0 */
/* docs/configuration.md names every setting with its true default, every key of the YAML file, and
 * no other; its YAML examples are good, and have all of them. */
#include <stdio.h>

#include "base/map.h"
#include "gateway/yaml_tree.h"
#include "settings_test.h"

static char page[1 << 17];

static void read_text(const char *path)
{
    FILE *f = fopen(path, "re");

    EXPECT(f != NULL);
    size_t n = fread(page, 1, sizeof(page) - 1, f);
    fclose(f);
    page[n] = '\0';
}

static void read_page(void)
{
    read_text("docs/configuration.md");
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
        const char *mark = strstr(text, " \xe2\x80\xa0 |");
        if ((mark && mark < fallback) != row.needs_restart)
            fail_msg("docs/configuration.md is wrong about whether %s needs a restart", row.name);
        snprintf(want, sizeof(want), row.fallback[0] ? "| `%s` |" : "| (%s", row.fallback);
        if (strncmp(fallback, want, strlen(want)) != 0)
            fail_msg("docs/configuration.md has another default for %s than \"%s\"", row.name,
                     row.fallback);
    }
}

static void names_every_key_of_the_yaml_file(void)
{
    char path[SETTINGS_PATH_SIZE];

    read_page();
    for (size_t i = 0; settings_path_at(i, path); i++)
        if (!row_of(path))
            fail_msg("docs/configuration.md does not name %s", path);
}

static bool is_setting(struct str name)
{
    char path[SETTINGS_PATH_SIZE];
    struct settings_row row;

    for (size_t i = 0; settings_path_at(i, path); i++)
        if (str_eq(str_of(path), name))
            return true;
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

/* ---- examples ---- */

/* The next block of YAML behind *p, with the secrets' folder replaced by the test's own. */
static bool next_example(const char **p, char *out, size_t cap)
{
    static const char secrets[] = "/run/secrets/";
    const char *begin = strstr(*p, "```yaml\n");
    size_t n = 0;

    if (!begin)
        return false;
    begin += 8;
    *p = strstr(begin, "```");
    for (; begin < *p && n + sizeof(dir) + 2 < cap; begin++) {
        out[n++] = *begin;
        if (n < sizeof(secrets) || memcmp(out + n - 13, secrets, 13) != 0)
            continue;
        n -= 13;
        n += (size_t)snprintf(out + n, cap - n, "%s/", dir);
    }
    out[n] = '\0';
    return true;
}

static void on_problem(void *arg, unsigned line, const struct yaml_node *node, const char *what)
{
    (void)arg;
    (void)node;
    fail_msg("line %u: %s", line, what);
}

/* Puts "upstreams[].name" for each key into `seen`; what is below "set" and the like is no key. */
static void collect(const struct yaml_node *node, const char *at, struct map *seen)
{
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        char path[200];

        if (node->kind == YAML_LIST)
            snprintf(path, sizeof(path), "%s[]", at);
        else
            snprintf(path, sizeof(path), "%s%s%s", at, at[0] ? "." : "", child->key.p);
        map_set(seen, str_of(path), seen);
        collect(child, path, seen);
    }
}

static void expect_seen(const struct map *seen, const char *path)
{
    char file[110], lower[100];
    size_t i = 0;

    for (; path[i] && i < sizeof(lower) - 1; i++)
        lower[i] = (char)(path[i] >= 'A' && path[i] <= 'Z' ? path[i] + 32 : path[i]);
    lower[i] = '\0';
    snprintf(file, sizeof(file), "%s_file", lower);
    if (!map_find(seen, str_of(lower)) && !map_find(seen, str_of(file)))
        fail_msg("no example of docs/configuration.md has %s", lower);
}

static void has_a_good_example_of_every_key(void)
{
    static const char *const files[] = { "work.cookie", "laptop.key",  "phone.key",  "spare.key",
                                         "local.keys",  "local.token", "master.key", "admin.key" };
    static char text[1 << 14];
    char path[SETTINGS_PATH_SIZE];
    const char *p = page;
    struct settings_row row;
    struct map seen;

    read_page();
    begin_dir();
    for (size_t i = 0; i < COUNT_OF(files); i++)
        write_file(files[i], files[i]);
    map_init(&seen);
    while (next_example(&p, text, sizeof(text))) {
        struct yaml_node *root;
        struct settings s;
        struct arena a;

        if (load_yaml(text, &s))
            fail_msg("an example of docs/configuration.md has problems:\n%s", problems);
        settings_deinit(&s);
        arena_init(&a);
        EXPECT_INT(yaml_parse(str_of(text), &a, on_problem, NULL, &root), ERR_NONE);
        collect(root, "", &seen);
        arena_deinit(&a);
    }
    for (size_t i = 0; settings_path_at(i, path); i++)
        expect_seen(&seen, path);
    for (size_t i = 0; settings_row_at(i, &row); i++)
        expect_seen(&seen, row.name);
    map_deinit(&seen);
}

/* Where the message about a missing cookie sends its reader. */
static void names_a_section_of_the_readme_that_exists(void)
{
    const struct settings_source source = { .use = SETTINGS_SERVE };
    struct settings s;
    struct buf told;
    struct str section;

    buf_init(&told, 1 << 16);
    EXPECT_INT(settings_load(&source, &s, &told), ERR_BAD_INPUT);
    size_t at = str_find(buf_str(&told), STR("(README, \""));
    EXPECT(at != SIZE_MAX);
    section = str_cut(str_from(buf_str(&told), at + 10), '"', &(struct str){ NULL, 0 });
    char heading[100];
    snprintf(heading, sizeof(heading), "\n## %.*s\n", STR_ARGS(section));
    read_text("README.md");
    if (!strstr(page, heading))
        fail_msg("README.md has no section \"%.*s\"", STR_ARGS(section));
    buf_deinit(&told);
}

static const struct test suite[] = {
    { "names every setting with its default", names_every_setting_with_its_default },
    { "names every key of the YAML file", names_every_key_of_the_yaml_file },
    { "has a good example of every key", has_a_good_example_of_every_key },
    { "names a section of the README that exists", names_a_section_of_the_readme_that_exists },
    { "names no setting that does not exist", names_no_setting_that_does_not_exist },
};

TEST_MAIN(suite)
