/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as a small tree that knows its lines: the part of YAML that settings need.
 * Mappings with text for keys, sequences, scalars. Anchors, aliases and tags are refused, a second
 * document too, and so a tree is never larger than its text. Pure.
 */
#pragma once

#include "base/arena.h"

enum {
    YAML_DEPTH_MAX = 24,
    YAML_CHILDREN_MAX = 1000, /* of one mapping or sequence */
    YAML_NODES_MAX = 50000,
    YAML_PATH_SIZE = 160,
};

enum yaml_kind {
    YAML_NULL, /* nothing, "~" or "null", not in quotes */
    YAML_TEXT,
    YAML_LIST,
    YAML_MAP,
};

struct yaml_node {
    enum yaml_kind kind;
    bool is_quoted;  /* of YAML_TEXT: quotes, or a block of lines */
    unsigned line;   /* from 1; a member's is that of its key */
    struct str key;  /* of a member of a mapping, C string */
    struct str text; /* of YAML_TEXT, C string, UTF-8 */
    size_t index;    /* place among its siblings */
    size_t n;        /* children */
    struct yaml_node *parent;
    struct yaml_node *first, *last, *next; /* children in their order */
};

/* Told of each problem: `node` is where, or NULL outside of any; `what` is for people and never has
 * a value in it. */
typedef void (*yaml_on_problem)(void *arg, unsigned line, const struct yaml_node *node,
                                const char *what);

/* Parses one document, nodes and texts in `a`. A file without any content is a YAML_NULL. A key
 * that stands twice is told, and the first counts. ERR_BAD_INPUT when there is no tree: all that
 * could be found was told. */
MUST_USE enum err yaml_parse(struct str text, struct arena *a, yaml_on_problem on_problem,
                             void *arg, struct yaml_node **ret);

/* The member of a mapping, or NULL: absent, or `map` is no mapping. */
struct yaml_node *yaml_find(const struct yaml_node *map, struct str key);

/* "upstreams[0].accounts[1].name". Keys that could be something else than the name of a key (they
 * hold digits or signs) are shown by their place: a secret in the wrong place is not printed. */
const char *yaml_path(const struct yaml_node *node, char out[YAML_PATH_SIZE]);

/* Whether a key looks like a name and may be shown. */
bool yaml_may_show_key(struct str key);
