/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings of the YAML file by tables of their keys, and the checks that several sections share. */
#include <stdio.h>

#include "base/encoding.h"
#include "base/near.h"
#include "gateway/setting_value.h"
#include "gateway/settings_internal.h"

bool node_is_map(struct loader *l, const struct yaml_node *node)
{
    if (node->kind == YAML_MAP)
        return true;
    node_problem(l, node, "expected keys and values");
    return false;
}

bool node_is_list(struct loader *l, const struct yaml_node *node, size_t max)
{
    if (node->kind != YAML_LIST)
        node_problem(l, node, "expected a list");
    else if (node->n == 0)
        node_problem(l, node, "the list is empty; fill it, or remove it");
    else if (node->n > max)
        node_problem(l, node, "more than %zu items", max);
    else
        return true;
    return false;
}

/* ---- values ---- */

static void wipe_secret(void *arg)
{
    secret_deinit(arg);
}

void settings_wipe_later(struct settings *s, struct secret *secret)
{
    arena_on_release(&s->arena, wipe_secret, secret);
}

bool node_secret(struct loader *l, const struct yaml_node *node, struct str value,
                 struct secret *ret)
{
    static const struct setting row = { .type = SETTING_SECRET };
    char what[256];

    value = str_trim(value);
    if (!value.n) {
        node_problem(l, node, "it is blank; give it a value, or remove it");
        return false;
    }
    if (setting_set_field(&row, ret, &l->out->arena, value, what)) {
        node_problem(l, node, "%s", what);
        return false;
    }
    settings_wipe_later(l->out, ret);
    return true;
}

/* What lives as long as the settings, as the rest of the mapping. */
static void move_path(struct arena *a, struct url *url)
{
    char *path = (char *)(uintptr_t)arena_dup(a, str_of(url->path)).p;

    url_deinit(url);
    url->path = path;
}

static void set_field(struct loader *l, const struct yaml_node *node, const struct setting *row,
                      void *field)
{
    struct arena *a = &l->out->arena;
    char path[YAML_PATH_SIZE];
    char what[256];
    struct str value;

    if (node->kind == YAML_LIST && row->type == SETTING_LIST &&
        !node_is_list(l, node, YAML_CHILDREN_MAX))
        return;
    if (!node_text(l, node, row->type, &value))
        return;
    value = str_trim(value);
    if (!value.n) {
        node_problem(l, node, "it is blank; give it a value, or remove it");
    } else if (setting_set_field(row, field, a, value, what)) {
        loader_problem(l, "%.200s line %u: %s is \"%s\": %s", l->source->config_file, node->line,
                       yaml_path(node, path), setting_show(value, a), what);
    } else if (row->type == SETTING_URL) {
        move_path(a, field);
    }
}

static void set_secret(struct loader *l, const struct yaml_node *node, struct secret *ret)
{
    struct str value;

    if (secret_is_set(ret))
        node_problem(l, node, "it is given in a file too; remove one of them");
    else if (node_text(l, node, SETTING_SECRET, &value) && node_secret(l, node, value, ret))
        return;
}

static void set_secret_file(struct loader *l, const struct yaml_node *node, struct secret *ret,
                            const char **ret_path)
{
    char where[256], name[YAML_PATH_SIZE];
    struct str path, value;

    if (!node_text(l, node, SETTING_TEXT, &path))
        return;
    if (secret_is_set(ret)) {
        node_problem(l, node, "it is given here too, not only in a file; remove one of them");
        return;
    }
    snprintf(where, sizeof(where), "%.200s line %u", l->source->config_file, node->line);
    if (loader_read_secret(l, where, yaml_path(node, name), path, &value) &&
        node_secret(l, node, value, ret) && ret_path)
        *ret_path = loader_home_path(l, arena_dup(&l->out->arena, path).p);
}

/* ---- mappings ---- */

/* The entry of a member; *ret_is_file: it is the "_file" of a secret's. */
static const struct node_key *find_key(const struct node_key *keys, struct str name,
                                       bool *ret_is_file)
{
    for (; keys->row.name; keys++) {
        struct str key = str_of(keys->row.name);

        *ret_is_file = false;
        if (str_eq(name, key))
            return keys;
        *ret_is_file = keys->row.type == SETTING_SECRET && !keys->read && str_starts(name, key) &&
                       str_eq(str_from(name, key.n), STR("_file"));
        if (*ret_is_file)
            return keys;
    }
    return NULL;
}

static void read_member(struct loader *l, const struct yaml_node *node, const struct node_key *key,
                        bool is_file, void *to)
{
    void *field = (char *)to + key->row.offset;

    if (key->read)
        key->read(l, node, to);
    else if (is_file)
        set_secret_file(l, node, field,
                        key->file_offset ? (const char **)(void *)((char *)to + key->file_offset)
                                         : NULL);
    else if (key->row.type == SETTING_SECRET)
        set_secret(l, node, field);
    else
        set_field(l, node, &key->row, field);
}

static void tell_unknown(struct loader *l, const struct yaml_node *node,
                         const struct node_key *keys)
{
    struct near near;

    near_init(&near, node->key);
    for (; keys->row.name; keys++)
        near_try(&near, keys->row.name);
    node_problem(l, node, "there is no such key here%s%s%s", NEAR_ARGS(&near));
}

static bool has_member(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *node = yaml_find(map, str_of(name));

    return node && node->kind != YAML_NULL;
}

bool node_read(struct loader *l, const struct yaml_node *map, const struct node_key *keys, void *to)
{
    bool is_file;

    if (!node_is_map(l, map))
        return false;
    for (const struct yaml_node *node = map->first; node; node = node->next) {
        const struct node_key *key = find_key(keys, node->key, &is_file);

        if (!key)
            tell_unknown(l, node, keys);
        else if (node->kind != YAML_NULL)
            read_member(l, node, key, is_file, to);
    }
    for (; keys->row.name; keys++)
        if (keys->is_needed && !has_member(map, keys->row.name))
            node_problem(l, map, "%s is missing", keys->row.name);
    return true;
}

/* ---- names ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool node_check_name(struct loader *l, const struct yaml_node *node, const char *name)
{
    size_t n = 0;

    while (name[n] && is_name_char(name[n]))
        n++;
    if (!name[n] && n > 0 && n <= SETTINGS_NAME_MAX)
        return true;
    node_problem(l, node, "a name has letters, digits, '.', '-' and '_', at most %d",
                 SETTINGS_NAME_MAX);
    return false;
}

bool node_check_model(struct loader *l, const struct yaml_node *node, struct str name)
{
    bool good = name.n > 0 && name.n <= MODEL_NAME_MAX && str_trim(name).n == name.n;

    for (size_t i = 0; i < name.n; i++)
        good &= (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7f;
    if (!good)
        node_problem(l, node,
                     "a model's name has 1 to %d bytes, no control characters, no blanks around it",
                     MODEL_NAME_MAX);
    return good;
}
