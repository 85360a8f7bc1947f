/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML file of the settings: the names of the table in lower case at its top. */
#include <errno.h>
#include <stdio.h>

#include "base/near.h"
#include "gateway/settings_internal.h"
#include "json/writer.h"

enum { LIST_TEXT_MAX = 1 << 20 };

static const char *const sections[] = { "upstreams", "keys", "prices", "models" };

void node_problem(struct loader *l, const struct yaml_node *node, const char *format, ...)
{
    char what[600], path[YAML_PATH_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    yaml_path(node, path);
    loader_problem(l, "%.200s line %u: %s%s%s", l->source->config_file, node->line, path,
                   path[0] ? ": " : "", what);
}

/* ---- the file ---- */

static void on_problem(void *arg, unsigned line, const struct yaml_node *node, const char *what)
{
    struct loader *l = arg;
    char path[YAML_PATH_SIZE] = "";

    if (node)
        yaml_path(node, path);
    loader_problem(l, "%.200s line %u: %s%s%s", l->source->config_file, line, path,
                   path[0] ? ": " : "", what);
}

static bool is_key(struct str key)
{
    char name[80];

    for (size_t i = 0; i < COUNT_OF(sections); i++)
        if (str_eq(key, str_of(sections[i])))
            return true;
    for (const struct setting *row = settings_table; row->name; row++) {
        loader_lower_case(row->name, name, sizeof(name));
        if (str_eq(key, str_of(name)))
            return true;
        if (row->type == SETTING_SECRET && str_starts(key, str_of(name)) &&
            str_eq(str_from(key, strlen(name)), STR("_file")))
            return true;
    }
    return false;
}

static void tell_unknown(struct loader *l, const struct yaml_node *node)
{
    char names[SETTINGS_MAX][80];
    struct near near;

    near_init(&near, node->key);
    for (size_t i = 0; i < COUNT_OF(sections); i++)
        near_try(&near, sections[i]);
    for (size_t i = 0; settings_table[i].name; i++) {
        loader_lower_case(settings_table[i].name, names[i], sizeof(names[i]));
        near_try(&near, names[i]);
    }
    node_problem(l, node, "there is no such setting%s%s%s", NEAR_ARGS(&near));
}

static void check_keys(struct loader *l)
{
    const struct yaml_node *node = l->yaml->first;

    if (l->yaml->kind != YAML_MAP && l->yaml->kind != YAML_NULL) {
        node_problem(l, l->yaml, "expected lines of KEY: VALUE");
        l->has_no_file = true;
        return;
    }
    for (; node; node = node->next)
        if (!is_key(node->key))
            tell_unknown(l, node);
}

void loader_load_yaml(struct loader *l)
{
    const char *path = l->source->config_file;
    struct str text = { NULL, 0 };
    int failed;

    if (!path)
        return;
    failed = loader_read_file(l, path, &text);
    if (failed == ENOENT && !l->source->config_file_required)
        return;
    if (failed) {
        loader_problem(l, "%s: cannot be read: %s", path, loader_file_error(failed));
        l->has_no_file = true;
    } else if (yaml_parse(text, &l->out->arena, on_problem, l, &l->yaml)) {
        l->has_no_file = true;
    } else {
        check_keys(l);
    }
}

/* ---- values ---- */

const struct yaml_node *loader_find_yaml(const struct loader *l, const char *name)
{
    const struct yaml_node *node;
    char key[80];

    if (!l->yaml)
        return NULL;
    loader_lower_case(name, key, sizeof(key));
    node = yaml_find(l->yaml, str_of(key));
    if (!node || node->kind == YAML_NULL || (node->kind == YAML_TEXT && !node->text.n))
        return NULL;
    return node;
}

/* A JSON array, which is how a list of any items is written in one line. */
static bool list_text(struct loader *l, const struct yaml_node *list, struct str *ret)
{
    struct json_writer w;
    struct buf text;
    bool good = true;

    buf_init(&text, LIST_TEXT_MAX);
    json_w_init(&w, &text);
    json_w_array(&w);
    for (const struct yaml_node *item = list->first; item; item = item->next) {
        if (item->kind != YAML_TEXT || !item->text.n) {
            node_problem(l, item, "expected text");
            good = false;
        }
        json_w_str(&w, item->text);
    }
    json_w_array_end(&w);
    if (json_w_end(&w)) {
        node_problem(l, list, "the list is too long");
        good = false;
    }
    if (good)
        *ret = arena_dup(&l->out->arena, buf_str(&text));
    buf_deinit(&text);
    return good;
}

bool node_text(struct loader *l, const struct yaml_node *node, enum setting_type type,
               struct str *ret)
{
    bool is_list = type == SETTING_LIST || type == SETTING_ORIGINS;

    if (node->kind == YAML_TEXT) {
        *ret = node->text;
        return true;
    }
    if (node->kind == YAML_LIST && is_list)
        return list_text(l, node, ret);
    if (node->kind == YAML_NULL)
        node_problem(l, node, "there is no value; give it one, or remove it");
    else
        node_problem(l, node, is_list ? "expected a list" : "expected one value");
    return false;
}

/* ---- for the reference ---- */

bool settings_path_at(size_t i, char out[SETTINGS_PATH_SIZE])
{
    static const struct {
        const char *at;
        const struct node_key *keys;
    } tables[] = {
        { "upstreams[]", settings_enginelabs_keys },
        { "upstreams[].accounts[]", settings_account_keys },
        { "upstreams[]", settings_openai_keys },
        { "keys[]", settings_key_keys },
        { "prices[]", settings_price_keys },
        { "models[]", settings_route_keys },
        { "models[].targets[]", settings_target_keys },
    };

    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const struct node_key *key = tables[t].keys; key->row.name; key++)
            if (i-- == 0) {
                snprintf(out, SETTINGS_PATH_SIZE, "%s.%s", tables[t].at, key->row.name);
                return true;
            }
    return false;
}
