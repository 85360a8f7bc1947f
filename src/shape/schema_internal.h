/* SPDX-License-Identifier: Apache-2.0 */
/* A schema as it is once compiled: a tree, or a graph where there are references. */
#pragma once

#include "shape/schema.h"
#include "json/reader.h"

/* Bits of `types`: 1 << enum json_type, true and false both for a boolean, and this one. */
enum {
    TYPE_INTEGER = 1 << 8,
    TYPE_NUMBER = 1 << JSON_NUMBER,
    TYPE_OBJECT = 1 << JSON_OBJECT,
};

struct schema_property {
    struct schema_property *next;
    struct str name;
    const struct schema *node; /* NULL: only required */
    size_t index;
    bool is_required;
};

struct schema_list {
    struct schema_list *next;
    const struct schema *node;
};

/* A bound; `is_set` when the schema has it. */
struct schema_number {
    double value;
    bool is_set;
};

struct schema {
    bool is_never;  /* the schema `false` */
    unsigned types; /* 0: any */
    struct str ref;
    const struct schema *target; /* of `ref` */
    struct schema *next_ref;     /* while compiling */
    struct schema_property *properties;
    size_t n_properties;
    const struct schema *additional;
    bool has_patterns; /* patternProperties: `additional` cannot be told */
    const struct schema *items;
    struct schema_list *prefix;
    struct schema_list *all;
    struct schema_list *any;
    struct schema_list *one;
    const struct schema *negated;
    struct str values; /* enum: the array; p NULL: none */
    struct str constant;
    struct schema_number minimum, maximum, above, below, multiple;
    struct schema_number min_length, max_length, min_items, max_items, min_members, max_members;
    bool is_unique;
};

/* Where one is, from the root: a chain on the stack. */
struct schema_path {
    const struct schema_path *up;
    struct str name; /* of a member, raw; of the root what it is called */
    size_t index;    /* of an item, when name.p is NULL */
};

/* A value's type as bits of `types`. */
unsigned schema_types_of(const struct json_value *v);

/* "a string or null"; in `out` of at least SCHEMA_TYPES_TEXT bytes. */
enum { SCHEMA_TYPES_TEXT = 128 };
const char *schema_types_text(unsigned types, char out[SCHEMA_TYPES_TEXT]);

bool schema_is_multiple(double value, double of);

/* Whether two JSON values are the same value, whatever the order of members, white space, escapes
 * and the way numbers are written. Adds to *work; what it says above `max` is void. */
bool schema_equal(struct str a, struct str b, uint64_t *work, uint64_t max);

/* Code points of a JSON string. */
size_t schema_length(const struct json_value *v);
