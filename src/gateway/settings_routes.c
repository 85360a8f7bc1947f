/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: `models`, the routes. */
#include "base/map.h"
#include "gateway/setting_value.h"
#include "gateway/settings_internal.h"
#include "json/reader.h"
#include "json/writer.h"

#define ROUTE(member) offsetof(struct route_settings, member)
#define TARGET(member) offsetof(struct target_settings, member)

enum { JSON_MAX = 1 << 16 };

/* ---- values that a target's requests get ---- */

/* What YAML reads as a number and JSON does not would go out as text. */
static bool looks_like_number(struct str text)
{
    bool has_digit = false;

    for (size_t i = 0; i < text.n; i++) {
        if (!text.p[i] || !strchr("0123456789+-.eE_", text.p[i]))
            return false;
        has_digit |= text.p[i] >= '0' && text.p[i] <= '9';
    }
    return has_digit && text.p[0] != 'e' && text.p[0] != 'E' && text.p[0] != '_';
}

static bool is_json_number(struct str text)
{
    struct json_value v;
    struct json j;

    json_init(&j, text, 1);
    return json_read(&j, &v) && v.type == JSON_NUMBER && v.raw.n == text.n &&
           json_end(&j) == ERR_NONE;
}

static void write_text(struct loader *l, const struct yaml_node *node, struct json_writer *w)
{
    static const char *const words[] = { "true", "false", "True", "False", "TRUE", "FALSE" };

    for (size_t i = 0; i < COUNT_OF(words) && !node->is_quoted; i++)
        if (str_eq(node->text, str_of(words[i]))) {
            json_w_bool(w, i % 2 == 0);
            return;
        }
    if (node->is_quoted || !looks_like_number(node->text))
        json_w_str(w, node->text);
    else if (is_json_number(node->text))
        json_w_raw(w, node->text);
    else
        node_problem(l, node, "no number as JSON writes it; put it in quotes if it is text");
}

static void write_json(struct loader *l, const struct yaml_node *node, struct json_writer *w);

static void write_map(struct loader *l, const struct yaml_node *map, struct json_writer *w)
{
    json_w_object(w);
    for (const struct yaml_node *node = map->first; node; node = node->next) {
        struct buf key;

        buf_init(&key, JSON_MAX);
        if (json_escape_add(&key, node->key) || buf_add_char(&key, '\0'))
            node_problem(l, node, "the key is too long");
        else
            json_w_key(w, key.p);
        write_json(l, node, w);
        buf_deinit(&key);
    }
    json_w_object_end(w);
}

/* No deeper than the tree is. */
static void write_json(struct loader *l, const struct yaml_node *node, struct json_writer *w)
{
    switch (node->kind) {
    case YAML_NULL:
        json_w_null(w);
        break;
    case YAML_TEXT:
        write_text(l, node, w);
        break;
    case YAML_LIST:
        json_w_array(w);
        for (const struct yaml_node *item = node->first; item; item = item->next)
            write_json(l, item, w);
        json_w_array_end(w);
        break;
    case YAML_MAP:
        write_map(l, node, w);
        break;
    }
}

static struct str json_of(struct loader *l, const struct yaml_node *node)
{
    struct str text = { "null", 4 };
    struct json_writer w;
    struct buf out;

    buf_init(&out, JSON_MAX);
    json_w_init(&w, &out);
    write_json(l, node, &w);
    if (json_w_end(&w))
        node_problem(l, node, "the value is too long");
    else
        text = arena_dup(&l->out->arena, buf_str(&out));
    buf_deinit(&out);
    return text;
}

/* ---- what a target changes ---- */

/* A member of the request that may be changed. */
static bool check_member(struct loader *l, const struct yaml_node *node, struct str name)
{
    static const char *const ours[] = { "model", "messages", "stream" };

    bool good = name.n > 0;

    for (size_t i = 0; i < name.n; i++)
        good &= name.p[i] >= 0x20 && name.p[i] < 0x7f && name.p[i] != '"' && name.p[i] != '\\';
    if (!good) {
        node_problem(l, node, "expected the name of a member of the request");
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (str_eq(name, str_of(ours[i]))) {
            node_problem(l, node, "%s cannot be changed here", ours[i]);
            return false;
        }
    return true;
}

static void read_set(struct loader *l, const struct yaml_node *map, void *to)
{
    struct target_settings *t = to;

    if (!node_is_map(l, map))
        return;
    t->set = arena_alloc(&l->out->arena, (map->n + 1) * sizeof(*t->set));
    for (const struct yaml_node *node = map->first; node; node = node->next)
        if (check_member(l, node, node->key))
            t->set[t->n_set++] = (struct set_settings){ node->key.p, json_of(l, node) };
}

static void read_drop(struct loader *l, const struct yaml_node *list, void *to)
{
    struct target_settings *t = to;
    const char **names;
    size_t n = 0;

    if (!node_is_list(l, list, YAML_CHILDREN_MAX))
        return;
    names = arena_alloc(&l->out->arena, (list->n + 1) * sizeof(*names));
    for (const struct yaml_node *node = list->first; node; node = node->next)
        if (check_member(l, node, node->text))
            names[n++] = node->text.p;
    t->drop = names;
}

static void read_rename(struct loader *l, const struct yaml_node *map, void *to)
{
    struct target_settings *t = to;

    if (!node_is_map(l, map))
        return;
    t->rename = arena_alloc(&l->out->arena, (map->n + 1) * sizeof(*t->rename));
    for (const struct yaml_node *node = map->first; node; node = node->next)
        if (check_member(l, node, node->key) && check_member(l, node, node->text))
            t->rename[t->n_rename++] = (struct rename_settings){ node->key.p, node->text.p };
}

/* It may have lines, which other settings have not. */
static void read_prompt(struct loader *l, const struct yaml_node *node, void *to)
{
    struct target_settings *t = to;
    struct str text;

    if (!node_text(l, node, SETTING_TEXT, &text))
        return;
    if (!str_trim(text).n || memchr(text.p, '\0', text.n))
        node_problem(l, node, "it is blank, or has a NUL in it");
    else
        t->system_prompt = text.p;
}

/* ---- targets ---- */

static void read_upstream(struct loader *l, const struct yaml_node *node, void *to)
{
    struct target_settings *t = to;
    struct str name;

    if (!node_text(l, node, SETTING_TEXT, &name))
        return;
    for (t->upstream = 0; t->upstream < l->out->n_upstreams; t->upstream++) {
        const char *have = l->out->upstreams[t->upstream].name;

        if (have && str_eq(str_of(have), name))
            return;
    }
    t->upstream = 0;
    node_problem(l, node, "no upstream has this name");
}

static void read_weight(struct loader *l, const struct yaml_node *node, void *to)
{
    struct target_settings *t = to;
    struct str text;
    uint64_t weight;

    if (!node_text(l, node, SETTING_COUNT, &text))
        return;
    if (str_to_u64(text, ROUTE_WEIGHT_MAX, &weight) || weight == 0)
        node_problem(l, node, "expected a whole number, 1 to %d", ROUTE_WEIGHT_MAX);
    else
        t->weight = (unsigned)weight;
}

const struct node_key settings_target_keys[] = {
    { .row = { "upstream", SETTING_TEXT, 0, NULL, NULL },
      .is_needed = true,
      .read = read_upstream },
    { .row = { "model", SETTING_TEXT, TARGET(model), NULL, NULL }, .is_needed = true },
    { .row = { "weight", SETTING_TEXT, 0, NULL, NULL }, .read = read_weight },
    { .row = { "set", SETTING_TEXT, 0, NULL, NULL }, .read = read_set },
    { .row = { "drop", SETTING_TEXT, 0, NULL, NULL }, .read = read_drop },
    { .row = { "rename", SETTING_TEXT, 0, NULL, NULL }, .read = read_rename },
    { .row = { "system_prompt", SETTING_TEXT, 0, NULL, NULL }, .read = read_prompt },
    { .row = { "emulate_tools", SETTING_BOOL, TARGET(shape.emulate_tools), NULL, NULL } },
    { .row = { "hold_until_valid", SETTING_BOOL, TARGET(shape.hold_until_valid), NULL, NULL } },
    { .row = { "split_think", SETTING_BOOL, TARGET(shape.split_think), NULL, NULL } },
    { .row = { "think_tags", SETTING_BOOL, TARGET(shape.think_tags), NULL, NULL } },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static bool is_wildcard(const char *name)
{
    return name && (strcmp(name, "*") == 0 || str_ends(str_of(name), STR("/*")));
}

static bool is_in_list(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static void check_target_model(struct loader *l, const struct yaml_node *map,
                               const struct target_settings *t, bool route_is_wildcard)
{
    const struct yaml_node *node = yaml_find(map, STR("model"));
    const struct upstream_settings *u = &l->out->upstreams[t->upstream];

    if (!t->model || !node_check_model(l, node, str_of(t->model)))
        return;
    if (strcmp(t->model, "*") == 0) {
        if (!route_is_wildcard)
            node_problem(l, node, "\"*\" needs a route whose name ends in \"/*\"");
    } else if (strchr(t->model, '*')) {
        node_problem(l, node, "\"*\" stands alone");
    } else if (u->models && !u->takes_any_model && !is_in_list(u->models, t->model)) {
        node_problem(l, node, "it is not among the models of this upstream");
    }
}

static void check_edits(struct loader *l, const struct yaml_node *map,
                        const struct target_settings *t)
{
    size_t n = t->n_set + t->n_rename + (t->system_prompt != NULL);

    for (size_t i = 0; t->drop && t->drop[i]; i++)
        n++;
    if (n > TARGET_EDITS_MAX)
        node_problem(l, map, "%zu changes of a request, at most %d are possible", n,
                     TARGET_EDITS_MAX);
}

static void read_targets(struct loader *l, const struct yaml_node *list, void *to)
{
    struct route_settings *route = to;

    if (!node_is_list(l, list, ROUTE_TARGETS_MAX))
        return;
    route->targets = arena_alloc(&l->out->arena, list->n * sizeof(*route->targets));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        struct target_settings *target = &route->targets[route->n_targets++];

        target->weight = 1;
        target->shape = l->out->shape;
        node_read(l, map, settings_target_keys, target);
        check_edits(l, map, target);
    }
}

const struct node_key settings_route_keys[] = {
    { .row = { "name", SETTING_TEXT, ROUTE(name), NULL, NULL }, .is_needed = true },
    { .row = { "aliases", SETTING_LIST, ROUTE(aliases), NULL, NULL } },
    { .row = { "strategy", SETTING_ENUM, ROUTE(strategy), NULL, ROUTE_STRATEGIES } },
    { .row = { "targets", SETTING_TEXT, 0, NULL, NULL }, .is_needed = true, .read = read_targets },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

/* ---- routes ---- */

/* The model of a target is known to be right when name and upstream are known. */
static void check_targets(struct loader *l, const struct yaml_node *map,
                          const struct route_settings *route)
{
    const struct yaml_node *list = yaml_find(map, STR("targets"));
    const struct yaml_node *node = list ? list->first : NULL;

    for (size_t i = 0; i < route->n_targets && node; i++, node = node->next)
        if (l->out->n_upstreams)
            check_target_model(l, node, &route->targets[i], is_wildcard(route->name));
}

static void check_unique(struct loader *l, const struct yaml_node *node, const char *name,
                         struct map *names)
{
    const char *other = map_set(names, str_of(name), (void *)(uintptr_t)name);

    if (other)
        node_problem(l, node, "another model or alias has this name");
}

static void check_names(struct loader *l, const struct yaml_node *map,
                        const struct route_settings *route, struct map *names)
{
    const struct yaml_node *name = yaml_find(map, STR("name"));
    const struct yaml_node *aliases = yaml_find(map, STR("aliases"));

    if (route->name && node_check_model(l, name, str_of(route->name))) {
        const char *star = strchr(route->name, '*');

        if (star && (!is_wildcard(route->name) || star[1]))
            node_problem(l, name, "\"*\" stands only behind a \"/\" at the end, or alone");
        check_unique(l, name, route->name, names);
    }
    for (size_t i = 0; route->aliases && route->aliases[i]; i++) {
        if (strchr(route->aliases[i], '*'))
            node_problem(l, aliases, "an alias has no \"*\"");
        else if (node_check_model(l, aliases, str_of(route->aliases[i])))
            check_unique(l, aliases, route->aliases[i], names);
    }
}

static bool answers(const struct route_settings *route, const char *name)
{
    size_t n = route->name ? strlen(route->name) : 0;

    if (!n)
        return true; /* which was told */
    if (strcmp(route->name, name) == 0 || (route->aliases && is_in_list(route->aliases, name)))
        return true;
    return is_wildcard(route->name) && strncmp(route->name, name, n - 1) == 0;
}

/* Nobody would see before the first request that names no model. */
static void check_default_model(struct loader *l, const struct yaml_node *list)
{
    const struct settings *s = l->out;
    bool good = !s->has_default_model;

    for (size_t i = 0; i < s->n_routes; i++)
        good |= answers(&s->routes[i], s->default_model);
    for (size_t i = 0; i < s->n_upstreams; i++)
        good |= s->upstreams[i].takes_any_model;
    if (!good)
        node_problem(l, list, "DEFAULT_MODEL is \"%s\", which none of them answers to",
                     setting_show(str_of(s->default_model), &l->out->arena));
}

void loader_load_routes(struct loader *l)
{
    const struct yaml_node *list = loader_find_yaml(l, "MODELS");
    struct settings *s = l->out;
    struct map names;

    if (!list || l->use == SETTINGS_CLIENT || l->use == SETTINGS_DEMO ||
        !node_is_list(l, list, YAML_CHILDREN_MAX))
        return;
    map_init(&names);
    s->has_routes = true;
    s->routes = arena_alloc(&s->arena, list->n * sizeof(*s->routes));
    for (const struct yaml_node *map = list->first; map; map = map->next) {
        struct route_settings *route = &s->routes[s->n_routes++];

        if (!node_read(l, map, settings_route_keys, route))
            continue;
        check_targets(l, map, route);
        check_names(l, map, route, &names);
    }
    map_deinit(&names);
    check_default_model(l, list);
}
