/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: what tokens cost. */
#include "gateway/settings_internal.h"
#include "ledger/price.h"

#define PRICE(member) offsetof(struct price_texts, member)

/* A line as it is written. */
struct price_texts {
    const char *model;
    const char *input;
    const char *cached_input;
    const char *output;
};

const struct node_key settings_price_keys[] = {
    { .row = { "model", SETTING_TEXT, PRICE(model), NULL, NULL }, .is_needed = true },
    { .row = { "input", SETTING_TEXT, PRICE(input), NULL, NULL }, .is_needed = true },
    { .row = { "cached_input", SETTING_TEXT, PRICE(cached_input), NULL, NULL } },
    { .row = { "output", SETTING_TEXT, PRICE(output), NULL, NULL }, .is_needed = true },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static void take(struct loader *l, const struct yaml_node *map, const char *name, const char *text,
                 int64_t *ret)
{
    if (text && price_parse(str_of(text), ret))
        node_problem(l, yaml_find(map, str_of(name)),
                     "expected money for a million tokens, such as 1.25, with at most six digits "
                     "behind the point");
}

static void read_price(struct loader *l, const struct yaml_node *map, struct price *ret)
{
    struct price_texts texts = { NULL, NULL, NULL, NULL };

    if (!node_read(l, map, settings_price_keys, &texts) || !texts.model)
        return;
    ret->model = str_of(texts.model);
    take(l, map, "input", texts.input, &ret->input);
    take(l, map, "output", texts.output, &ret->output);
    ret->cached_input = ret->input;
    take(l, map, "cached_input", texts.cached_input, &ret->cached_input);
}

void loader_load_prices(struct loader *l)
{
    const struct yaml_node *list = loader_find_yaml(l, "PRICES");
    struct settings *s = l->out;

    if (!list || l->use == SETTINGS_CLIENT || !node_is_list(l, list, YAML_CHILDREN_MAX))
        return;
    s->prices = arena_alloc(&s->arena, list->n * sizeof(*s->prices));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        struct price *p = &s->prices[s->n_prices];

        read_price(l, map, p);
        for (size_t i = 0; i < s->n_prices; i++)
            if (p->model.n && str_eq(s->prices[i].model, p->model))
                node_problem(l, map, "prices[%zu] is for the same model", i);
        s->n_prices++;
    }
}
