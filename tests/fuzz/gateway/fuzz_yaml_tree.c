/* SPDX-License-Identifier: Apache-2.0 */
/* YAML trees. Properties: without a tree there is a problem, its line is in the text, its words are
 * printable; a tree is whole, within its bounds, and has paths. */
#include "base/encoding.h"
#include "gateway/yaml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct told {
    size_t n;
    size_t lines;
};

static void on_problem(void *arg, unsigned line, const struct yaml_node *node, const char *what)
{
    struct told *told = arg;
    char path[YAML_PATH_SIZE];

    told->n++;
    BUG_ON(line == 0 || line > told->lines);
    BUG_ON(what[0] == '\0');
    BUG_ON(strlen(yaml_path(node, path)) >= YAML_PATH_SIZE);
}

static size_t walk(const struct yaml_node *node, size_t depth)
{
    char path[YAML_PATH_SIZE];
    size_t children = 0;
    size_t all = 1;

    BUG_ON(depth > YAML_DEPTH_MAX);
    BUG_ON(node->kind != YAML_TEXT && node->kind != YAML_NULL && node->text.n > 0);
    BUG_ON(!utf8_is_valid(node->text) || !utf8_is_valid(node->key));
    yaml_path(node, path);
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        BUG_ON(child->parent != node || child->index != children++);
        BUG_ON(node->kind == YAML_MAP && yaml_find(node, child->key) != child);
        all += walk(child, depth + 1);
    }
    BUG_ON(children != node->n || children > YAML_CHILDREN_MAX);
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct told told = { .lines = n + 2 };
    struct yaml_node *root = NULL;
    struct arena a;

    arena_init(&a);
    if (yaml_parse((struct str){ (const char *)p, n }, &a, on_problem, &told, &root))
        BUG_ON(told.n == 0);
    else
        BUG_ON(walk(root, 0) > YAML_NODES_MAX);
    arena_deinit(&a);
    return 0;
}
