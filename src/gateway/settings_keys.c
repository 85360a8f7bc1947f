/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: the keys of clients. */
#include "gateway/settings_internal.h"
#include "keys/key_record.h"
#include "ledger/price.h"

#define KEY(member) offsetof(struct key_settings, member)

const struct node_key settings_key_keys[] = {
    { .row = { "name", SETTING_TEXT, KEY(name), NULL, NULL }, .is_needed = true },
    { .row = { "key", SETTING_SECRET, KEY(key), NULL, NULL } },
    { .row = { "models", SETTING_LIST, KEY(models), NULL, NULL } },
    { .row = { "requests_per_minute", SETTING_TEXT, KEY(requests_per_minute), NULL, NULL } },
    { .row = { "tokens_per_minute", SETTING_TEXT, KEY(tokens_per_minute), NULL, NULL } },
    { .row = { "parallel_requests", SETTING_TEXT, KEY(parallel_requests), NULL, NULL } },
    { .row = { "tokens_per_day", SETTING_TEXT, KEY(tokens_per[KEY_DAY]), NULL, NULL } },
    { .row = { "tokens_per_month", SETTING_TEXT, KEY(tokens_per[KEY_MONTH]), NULL, NULL } },
    { .row = { "tokens_ever", SETTING_TEXT, KEY(tokens_per[KEY_EVER]), NULL, NULL } },
    { .row = { "money_per_day", SETTING_TEXT, KEY(money_per[KEY_DAY]), NULL, NULL } },
    { .row = { "money_per_month", SETTING_TEXT, KEY(money_per[KEY_MONTH]), NULL, NULL } },
    { .row = { "money_ever", SETTING_TEXT, KEY(money_per[KEY_EVER]), NULL, NULL } },
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

static void add_budget(struct key_record *record, enum key_unit unit, int per, int64_t limit)
{
    if (limit > 0)
        record->budgets[record->n_budgets++] =
            (struct key_budget){ .unit = unit, .per = (enum key_period)per, .limit = limit };
}

static int64_t read_number(struct loader *l, const struct yaml_node *map, const char *name,
                           const char *text, int64_t max)
{
    uint64_t number = 0;

    if (text && (str_to_u64(str_of(text), (uint64_t)max, &number) || number == 0))
        node_problem(l, yaml_find(map, str_of(name)),
                     "expected a whole number from 1 to %lld; without a limit, remove it",
                     (long long)max);
    return (int64_t)number;
}

static int64_t read_money(struct loader *l, const struct yaml_node *map, const char *name,
                          const char *text)
{
    int64_t limit = 0;

    if (text && (price_parse(str_of(text), &limit) || limit == 0))
        node_problem(l, yaml_find(map, str_of(name)),
                     "expected an amount of money above 0 and up to a million, such as 2.50, with "
                     "at most six digits behind the point");
    return limit;
}

static void set_budgets(struct loader *l, const struct yaml_node *map,
                        const struct key_settings *key, struct key_record *record)
{
    static const char *const tokens[KEY_PERIODS] = { "tokens_per_day", "tokens_per_month",
                                                     "tokens_ever" };
    static const char *const money[KEY_PERIODS] = { "money_per_day", "money_per_month",
                                                    "money_ever" };

    for (int per = 0; per < KEY_PERIODS; per++) {
        add_budget(record, KEY_TOKENS, per,
                   read_number(l, map, tokens[per], key->tokens_per[per], KEY_LIMIT_MAX));
        add_budget(record, KEY_MONEY, per, read_money(l, map, money[per], key->money_per[per]));
    }
}

static void set_limits(struct loader *l, const struct yaml_node *map,
                       const struct key_settings *key, struct key_record *record)
{
    record->requests_per_minute =
        read_number(l, map, "requests_per_minute", key->requests_per_minute, KEY_LIMIT_MAX);
    record->tokens_per_minute =
        read_number(l, map, "tokens_per_minute", key->tokens_per_minute, KEY_LIMIT_MAX);
    record->parallel_requests =
        read_number(l, map, "parallel_requests", key->parallel_requests, KEY_PARALLEL_MAX);
    set_budgets(l, map, key, record);
}

static void set_models(struct loader *l, const struct key_settings *key, struct key_record *record)
{
    const char *const *names = key->models;
    struct str *models;
    size_t n = 0;

    if (!names)
        return;
    while (names[n])
        n++;
    models = arena_alloc(&l->out->arena, (n + 1) * sizeof(*models));
    for (size_t i = 0; i < n; i++)
        models[i] = str_of(names[i]);
    record->models = models;
    record->n_models = n;
}

/* As one of the store would be. */
static void make_record(struct loader *l, const struct yaml_node *map, struct key_settings *key)
{
    struct key_record *record = &key->record;
    struct str text = secret_reveal(&key->key);

    if (!key->name)
        return;
    record->id = arena_printf(&l->out->arena, "file/%s", key->name);
    record->name = str_of(key->name);
    if (text.n >= 4 * KEY_HINT_LEN)
        str_to_z(str_from(text, text.n - KEY_HINT_LEN), record->hint, sizeof(record->hint));
    key_text_hash(text, record->hash);
    set_models(l, key, record);
    set_limits(l, map, key, record);
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
            make_record(l, map, key);
        }
        s->n_keys++;
    }
}
