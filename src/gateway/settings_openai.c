/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of the YAML file: an upstream that is a server with OpenAI's API. */
#include <stdio.h>

#include "gateway/settings_internal.h"

#define UPSTREAM(member) offsetof(struct upstream_settings, member)

/* ---- keys ---- */

static bool begin_api_keys(struct loader *l, const struct yaml_node *node,
                           struct upstream_settings *u, size_t n)
{
    if (u->api_keys) {
        node_problem(l, node, "give one of api_key, api_key_file, api_keys, api_keys_file");
        return false;
    }
    u->api_keys = arena_alloc(&l->out->arena, n * sizeof(*u->api_keys));
    return true;
}

static void add_api_key(struct loader *l, const struct yaml_node *node, struct str value,
                        struct upstream_settings *u)
{
    if (!node_secret(l, node, value, &u->api_keys[u->n_api_keys]))
        return;
    for (size_t i = 0; i < u->n_api_keys; i++)
        if (secret_eq(&u->api_keys[i], secret_reveal(&u->api_keys[u->n_api_keys]))) {
            node_problem(l, node, "key %zu stands here twice; remove one", i + 1);
            return;
        }
    u->n_api_keys++;
}

static void read_api_key(struct loader *l, const struct yaml_node *node, void *to)
{
    struct str value;

    if (begin_api_keys(l, node, to, 1) && node_text(l, node, SETTING_SECRET, &value))
        add_api_key(l, node, value, to);
}

static void read_api_keys(struct loader *l, const struct yaml_node *list, void *to)
{
    struct str value;

    if (!begin_api_keys(l, list, to, list->n + 1) || !node_is_list(l, list, YAML_CHILDREN_MAX))
        return;
    for (const struct yaml_node *node = list->first; node; node = node->next)
        if (node_text(l, node, SETTING_SECRET, &value))
            add_api_key(l, node, value, to);
}

static bool read_key_file(struct loader *l, const struct yaml_node *node, struct str *ret)
{
    char where[256], name[YAML_PATH_SIZE];
    struct str path;

    if (!node_text(l, node, SETTING_TEXT, &path))
        return false;
    snprintf(where, sizeof(where), "%.200s line %u", l->source->config_file, node->line);
    return loader_read_secret(l, where, yaml_path(node, name), path, ret);
}

static void read_api_key_file(struct loader *l, const struct yaml_node *node, void *to)
{
    struct str value;

    if (begin_api_keys(l, node, to, 1) && read_key_file(l, node, &value))
        add_api_key(l, node, value, to);
}

/* One a line. */
static void read_api_keys_file(struct loader *l, const struct yaml_node *node, void *to)
{
    struct str text, left;
    size_t n = 1;

    if (!read_key_file(l, node, &text))
        return;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    if (!begin_api_keys(l, node, to, n))
        return;
    for (left = text; left.n;) {
        struct str line = str_trim(str_cut(left, '\n', &left));

        if (line.n)
            add_api_key(l, node, line, to);
    }
}

/* ---- headers of its requests ---- */

/* NULL, or why a header cannot be set. */
static const char *fault_of_header(struct str name, const struct upstream_settings *u)
{
    static const char *const ours[] = {
        "host",   "content-length", "content-type",    "connection", "transfer-encoding",
        "accept", "upgrade",        "accept-encoding", "keep-alive", "trailer",
        "expect"
    };

    for (size_t i = 0; i < name.n; i++)
        if (!((name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= 'A' && name.p[i] <= 'Z') ||
              (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-' || name.p[i] == '_'))
            return "the name of a header has letters, digits, '-' and '_'";
    if (!name.n || name.n > SETTINGS_NAME_MAX)
        return "the name of a header has 1 to 64 characters";
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (str_eq_nocase(name, str_of(ours[i])))
            return "the gateway sets this header itself";
    for (size_t i = 0; i < u->n_headers; i++)
        if (str_eq_nocase(name, str_of(u->headers[i].name)))
            return "this header stands here twice; remove one";
    return NULL;
}

/* NAME: VALUE, or NAME: {file: PATH} */
static bool read_header_value(struct loader *l, const struct yaml_node *node, struct secret *ret)
{
    const struct yaml_node *file = yaml_find(node, STR("file"));
    struct str value;

    if (node->kind == YAML_MAP && (!file || node->n > 1)) {
        node_problem(l, node, "expected a value, or {file: PATH}");
        return false;
    }
    if (file ? !read_key_file(l, file, &value) : !node_text(l, node, SETTING_SECRET, &value))
        return false;
    return node_secret(l, file ? file : node, value, ret);
}

static void read_headers(struct loader *l, const struct yaml_node *map, void *to)
{
    struct upstream_settings *u = to;

    if (!node_is_map(l, map))
        return;
    u->headers = arena_alloc(&l->out->arena, (map->n + 1) * sizeof(*u->headers));
    for (const struct yaml_node *node = map->first; node; node = node->next) {
        const char *fault = fault_of_header(node->key, u);

        if (fault)
            node_problem(l, node, "%s", fault);
        else if (read_header_value(l, node, &u->headers[u->n_headers].value))
            u->headers[u->n_headers++].name = node->key.p;
    }
}

/* ---- the upstream ---- */

const struct node_key settings_openai_keys[] = {
    { .row = { "name", SETTING_TEXT, UPSTREAM(name), NULL, NULL }, .is_needed = true },
    { .row = { "provider", SETTING_ENUM, UPSTREAM(provider), NULL, UPSTREAM_PROVIDERS },
      .is_needed = true },
    { .row = { "models", SETTING_LIST, UPSTREAM(models), NULL, NULL } },
    { .row = { "any_model", SETTING_BOOL, UPSTREAM(takes_any_model), NULL, NULL } },
    { .row = { "base_url", SETTING_URL, UPSTREAM(base_url), NULL, NULL }, .is_needed = true },
    { .row = { "api_key", SETTING_TEXT, 0, NULL, NULL }, .read = read_api_key },
    { .row = { "api_key_file", SETTING_TEXT, 0, NULL, NULL }, .read = read_api_key_file },
    { .row = { "api_keys", SETTING_TEXT, 0, NULL, NULL }, .read = read_api_keys },
    { .row = { "api_keys_file", SETTING_TEXT, 0, NULL, NULL }, .read = read_api_keys_file },
    { .row = { "headers", SETTING_TEXT, 0, NULL, NULL }, .read = read_headers },
    { .row = { NULL, SETTING_TEXT, 0, NULL, NULL } },
};

static void check_authorization(struct loader *l, const struct yaml_node *map,
                                const struct upstream_settings *u)
{
    for (size_t i = 0; i < u->n_headers; i++)
        if (u->n_api_keys && str_eq_nocase(str_of(u->headers[i].name), STR("authorization")))
            node_problem(l, map, "headers has Authorization, which the API key is sent in");
}

void loader_read_openai(struct loader *l, const struct yaml_node *map, struct upstream_settings *u)
{
    node_read(l, map, settings_openai_keys, u);
    check_authorization(l, map, u);
}
