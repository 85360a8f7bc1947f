/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events to a tree. An anchor, an alias or a tag makes the tree worthless, but the rest
 * of the text is still looked at, so that all of them are told at once.
 */
#include "gateway/yaml_tree.h"

#include <stdio.h>
#include <yaml.h>

enum { TOLD_MAX = 20 };

struct parse {
    struct arena *a;
    yaml_on_problem on_problem;
    void *arg;
    struct yaml_node *root;
    struct yaml_node *open;   /* the innermost mapping or sequence, or NULL */
    struct yaml_node *member; /* made by its key, waits for its value; or NULL */
    size_t depth;
    size_t n_nodes;
    size_t n_documents;
    size_t n_told;
    bool is_dropped; /* there will be no tree */
    bool is_done;
};

static void tell(struct parse *p, unsigned line, const struct yaml_node *node, const char *what)
{
    p->n_told++;
    p->on_problem(p->arg, line, node, what);
}

/* What makes the tree worthless. */
static void drop(struct parse *p, unsigned line, const char *what)
{
    p->is_dropped = true;
    tell(p, line, NULL, what);
    p->is_done |= p->n_told >= TOLD_MAX;
}

static void stop(struct parse *p, unsigned line, const char *what)
{
    drop(p, line, what);
    p->is_done = true;
}

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

/* ---- nodes ---- */

static struct yaml_node *new_child(struct parse *p, unsigned line)
{
    struct yaml_node *node = arena_new(p->a, struct yaml_node);
    struct yaml_node *parent = p->open;

    node->line = line;
    node->parent = parent;
    if (++p->n_nodes > YAML_NODES_MAX)
        stop(p, line, "the file has more than 50000 values");
    if (!parent)
        return node;
    node->index = parent->n++;
    if (parent->n > YAML_CHILDREN_MAX)
        stop(p, line, "more than 1000 items in one place");
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    return node;
}

/* Where the next value goes: the member that waits for it, the open sequence, or the root. */
static struct yaml_node *place(struct parse *p, unsigned line)
{
    struct yaml_node *node = p->member;

    p->member = NULL;
    if (!node)
        node = new_child(p, line);
    if (!p->open)
        p->root = node;
    return node;
}

static bool wants_key(const struct parse *p)
{
    return p->open && p->open->kind == YAML_MAP && !p->member;
}

/* A key that is there already gets a node of its own, which no mapping has. */
static void take_key(struct parse *p, unsigned line, struct str key)
{
    struct yaml_node *before = yaml_find(p->open, key);

    if (before) {
        tell(p, line, before, "this key stands here twice; remove one");
        p->is_done |= p->n_told >= TOLD_MAX;
        p->member = arena_new(p->a, struct yaml_node);
        *p->member = (struct yaml_node){ .line = line, .parent = p->open };
    } else {
        p->member = new_child(p, line);
    }
    p->member->key = arena_dup(p->a, key);
}

static bool is_null(struct str text)
{
    return text.n == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null")) ||
           str_eq(text, STR("Null")) || str_eq(text, STR("NULL"));
}

static void take_text(struct parse *p, const yaml_event_t *event)
{
    struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (wants_key(p)) {
        take_key(p, line_of(event), text);
        return;
    }
    struct yaml_node *node = place(p, line_of(event));
    node->kind = is_plain && is_null(text) ? YAML_NULL : YAML_TEXT;
    node->is_quoted = !is_plain;
    node->text = arena_dup(p->a, text);
}

static void begin(struct parse *p, unsigned line, enum yaml_kind kind)
{
    if (wants_key(p)) {
        stop(p, line, "a key must be plain text");
        return;
    }
    if (++p->depth > YAML_DEPTH_MAX) {
        stop(p, line, "nested too deeply");
        return;
    }
    struct yaml_node *node = place(p, line);
    node->kind = kind;
    p->open = node;
}

static void end(struct parse *p)
{
    BUG_ON(!p->open);
    p->depth--;
    p->open = p->open->parent;
}

/* ---- events ---- */

static void refuse_marks(struct parse *p, unsigned line, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
    if (anchor)
        drop(p, line, "anchors (&name) are not supported; write the value out where it is needed");
    if (tag)
        drop(p, line, "tags (!name) are not supported; put text that begins with ! in quotes");
}

static void take_alias(struct parse *p, unsigned line)
{
    drop(p, line,
         "aliases (*name) are not supported; write the value out, or put text that "
         "begins with * in quotes");
    if (wants_key(p))
        take_key(p, line, STR(""));
    else
        place(p, line);
}

static void take_event(struct parse *p, const yaml_event_t *event)
{
    unsigned line = line_of(event);

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++p->n_documents > 1)
            stop(p, line, "a second document begins; put all settings into one");
        break;
    case YAML_SCALAR_EVENT:
        refuse_marks(p, line, event->data.scalar.anchor, event->data.scalar.tag);
        take_text(p, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_marks(p, line, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        begin(p, line, YAML_LIST);
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_marks(p, line, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        begin(p, line, YAML_MAP);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        end(p);
        break;
    case YAML_ALIAS_EVENT:
        take_alias(p, line);
        break;
    case YAML_STREAM_END_EVENT:
        p->is_done = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

/* The reader of libyaml knows only the byte. */
static unsigned line_at(struct str text, size_t offset)
{
    struct str left = str_sub(text, 0, offset);
    unsigned line = 1;

    for (size_t i = 0; i < left.n; i++)
        line += left.p[i] == '\n';
    return line;
}

/* Whether the white space that a line begins with has a tab in it. */
static bool is_indented_by_tab(struct str text, size_t line)
{
    while (line-- > 0)
        str_cut(text, '\n', &text);
    for (size_t i = 0; i < text.n && (text.p[i] == ' ' || text.p[i] == '\t'); i++)
        if (text.p[i] == '\t')
            return true;
    return false;
}

static void stop_at_error(struct parse *p, const yaml_parser_t *parser, struct str text)
{
    const char *problem = parser->problem ? parser->problem : "malformed";
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    char what[256];

    if (parser->error == YAML_READER_ERROR) {
        stop(p, line_at(text, parser->problem_offset),
             "a byte that is no UTF-8 text, or a control character");
        return;
    }
    if (parser->error == YAML_MEMORY_ERROR) {
        stop(p, line, "out of memory");
        return;
    }
    if (is_indented_by_tab(text, parser->problem_mark.line)) {
        stop(p, line, "a tab; YAML is indented with spaces");
        return;
    }
    /* "memory:" is what people write. */
    if (strcmp(problem, "mapping values are not allowed in this context") == 0)
        problem = "a key where none can be; put a value with a ':' at its end in quotes";
    if (parser->context)
        snprintf(what, sizeof(what), "no valid YAML: %s (%s that began in line %zu)", problem,
                 parser->context, parser->context_mark.line + 1);
    else
        snprintf(what, sizeof(what), "no valid YAML: %s", problem);
    stop(p, line, what);
}

static void run(struct parse *p, yaml_parser_t *parser, struct str text)
{
    yaml_event_t event;

    while (!p->is_done) {
        if (!yaml_parser_parse(parser, &event)) {
            stop_at_error(p, parser, text);
            return;
        }
        take_event(p, &event);
        yaml_event_delete(&event);
    }
}

enum err yaml_parse(struct str text, struct arena *a, yaml_on_problem on_problem, void *arg,
                    struct yaml_node **ret)
{
    struct parse p = { .a = a, .on_problem = on_problem, .arg = arg };
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser))
        return ERR_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    run(&p, &parser, text);
    yaml_parser_delete(&parser);
    if (p.is_dropped)
        return ERR_BAD_INPUT;
    *ret = p.root ? p.root : arena_new(a, struct yaml_node);
    if (!p.root)
        (*ret)->line = 1;
    return ERR_NONE;
}

/* ---- the tree ---- */

struct yaml_node *yaml_find(const struct yaml_node *map, struct str key)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (struct yaml_node *node = map->first; node; node = node->next)
        if (str_eq(node->key, key))
            return node;
    return NULL;
}

bool yaml_may_show_key(struct str key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'))
            return false;
    }
    return key.n > 0 && key.n <= 40;
}

const char *yaml_path(const struct yaml_node *node, char out[YAML_PATH_SIZE])
{
    const struct yaml_node *chain[YAML_DEPTH_MAX + 2];
    size_t depth = 0, n = 0;

    out[0] = '\0';
    for (; node && node->parent && depth < COUNT_OF(chain); node = node->parent)
        chain[depth++] = node;
    while (depth > 0 && n < YAML_PATH_SIZE - 1) {
        const struct yaml_node *step = chain[--depth];
        int wrote;

        if (step->key.p && yaml_may_show_key(step->key))
            wrote = snprintf(out + n, YAML_PATH_SIZE - n, "%s%s", n ? "." : "", step->key.p);
        else
            wrote = snprintf(out + n, YAML_PATH_SIZE - n, "[%zu]", step->index);
        n += wrote > 0 ? (size_t)wrote : 0;
    }
    return out;
}
