/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: the keys of clients. */
#include "gateway/settings_internal.h"

#define KEY(member) offsetof(struct key_settings, member)

const struct node_key settings_key_keys[] = {
    { .row = { "name", SETTING_TEXT, KEY(name), NULL, NULL }, .is_needed = true },
    { .row = { "key", SETTING_SECRET, KEY(key), NULL, NULL } },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static void check_name(struct loader *l, const struct yaml_node *map,
                       const struct key_settings *key)
{
    const struct yaml_node *node = yaml_find(map, STR("name"));

    if (!key->name || !node_check_name(l, node, key->name))
        return;
    if (strcmp(key->name, "master") == 0)
        node_problem(l, node, "\"master\" is the name of API_MASTER_KEY; choose another");
    for (size_t i = 0; i < l->out->n_keys; i++)
        if (l->out->keys[i].name && strcmp(l->out->keys[i].name, key->name) == 0)
            node_problem(l, node, "keys[%zu] has this name too", i);
}

/* Who sends a key that two names have could be either. */
static void check_key(struct loader *l, const struct yaml_node *map, const struct key_settings *key)
{
    const struct settings *s = l->out;

    if (!yaml_find(map, STR("key")) && !yaml_find(map, STR("key_file")))
        node_problem(l, map, "key or key_file is missing");
    if (secret_eq(&s->api_master_key, secret_reveal(&key->key)))
        node_problem(l, map, "the key is that of API_MASTER_KEY too");
    for (size_t i = 0; i < s->n_keys; i++)
        if (secret_eq(&s->keys[i].key, secret_reveal(&key->key)))
            node_problem(l, map, "keys[%zu] has the same key", i);
}

void loader_load_keys(struct loader *l)
{
    const struct yaml_node *list = loader_find_yaml(l, "KEYS");
    struct settings *s = l->out;

    if (!list || l->use == SETTINGS_CLIENT || !node_is_list(l, list, YAML_CHILDREN_MAX))
        return;
    s->keys = arena_alloc(&s->arena, list->n * sizeof(*s->keys));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        struct key_settings *key = &s->keys[s->n_keys];

        if (node_read(l, map, settings_key_keys, key)) {
            check_name(l, map, key);
            check_key(l, map, key);
        }
        s->n_keys++;
    }
}
